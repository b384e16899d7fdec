// libFuzzer target: any bytes as a saved session, in both formats, as they are and with their checksums made right, so
// that the checks behind them are reached. A refusal leaves the session as it was; what is accepted can be used.
//   fuzz_snapshot --write-seeds CORPUS && fuzz_snapshot -max_len=40000 CORPUS
#include "fuzz_seeds.h"
#include "state_fixture.h"
#include "tiny_model.h"

#include <cstdlib>
#include <memory>

using namespace state_fixture;

namespace {

constexpr uint32_t n_ctx = 300;

void need(bool holds, const char *what) {
    if (holds) return;
    std::fprintf(stderr, "failed: %s\n", what);
    std::abort();
}

// A model, and a session of it that every input tries to replace.
struct Target {
    Model m;
    std::vector<int32_t> prompt = m.prompt(16);
    std::unique_ptr<Session> s;
    Bytes before;

    Target(const std::string &path, int32_t kv_dtype) : m(path, kv_dtype) { renew(); }
    void renew() {
        s = std::make_unique<Session>(m, n_ctx);
        s->sync(prompt, 9);
        before = s->save(DS4X_STATE_PAGES);
    }
};
struct Targets {
    ScratchDir dir;
    std::string path = dir.write("tiny.gguf", tiny_model::make().build());
    Target half{path, DS4X_KV_F16}, full{path, DS4X_KV_F32};
};
Targets &targets() {
    static Targets t;
    return t;
}

void try_to_load(Target &t, int32_t format, const Bytes &bytes) {
    const Model &m = t.m;
    Session &s = *t.s;
    const std::vector<float> untouched(m.info.n_vocab, 7);
    std::vector<float> logits = untouched;
    int32_t has = -1;
    const int32_t code = s.load(format, bytes, &logits, &has);
    if (code == DS4X_OK) {
        const uint32_t pos = s.pos();
        const Bytes again = s.save(format, has ? &logits : nullptr);
        need(format == DS4X_STATE_PAYLOAD || again == bytes, "what was loaded saves to the same bytes");
        if (pos + 3 <= n_ctx) s.eval(t.prompt, 0, 3, 1);
        need(ds4x_session_rewind(s.s, pos / 2, nullptr, &s.err) == DS4X_OK, "a loaded session can go back");
        t.renew();
    } else {
        need(code == DS4X_ERR_FORMAT || code == DS4X_ERR_CONTEXT, "a refusal has its code");
        need(!s.error().empty() && s.error().find('\n') == std::string::npos, "a refusal is one line");
        need(logits == untouched && has == -1, "the caller's logits are untouched");
        need(s.save(DS4X_STATE_PAGES) == t.before, "the session is untouched");
    }
    need(check::failures() == 0, "every call answers as it should");
}

} // namespace

extern "C" int LLVMFuzzerInitialize(int *argc, char ***argv) {
    fuzz_seeds::handle(*argc, *argv, [] {
        fuzz_seeds::Seeds seeds;
        for (const Target *t : {&targets().half, &targets().full}) {
            const Model *m = &t->m;
            const std::string dtype = t == &targets().half ? "half" : "full";
            const std::vector<float> logits(m->info.n_vocab, 1.5f);
            for (const uint32_t n : {0u, 1u, 6u, 130u, 257u}) {
                Session s(*m, n_ctx);
                s.sync(m->prompt(n), n);
                const std::string name = dtype + std::to_string(n);
                seeds.push_back({name, s.save(DS4X_STATE_PAGES)});
                seeds.push_back({name + "_logits", s.save(DS4X_STATE_PAGES, &logits)});
                seeds.push_back({name + "_payload", s.save(DS4X_STATE_PAYLOAD, &logits)});
            }
        }
        return seeds;
    });
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const Bytes bytes(data, data + size);
    for (Target *t : {&targets().half, &targets().full}) {
        try_to_load(*t, DS4X_STATE_PAGES, bytes);
        try_to_load(*t, DS4X_STATE_PAGES, sealed(bytes));
    }
    try_to_load(targets().half, DS4X_STATE_PAYLOAD, bytes);
    return 0;
}
