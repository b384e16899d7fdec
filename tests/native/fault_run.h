// Runs a program of C calls with every request for memory refused in turn, and checks what that may change: nothing.
#pragma once

#include "check.h"
#include "ds4x.h"
#include "fault_alloc.h"
#include "session_fixture.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace fault_test {

using session_test::prompt;
using session_test::Tokens;
using Floats = std::vector<float>;

// A call that was refused memory fails, says why, and can be made again. A program is made of such calls; what they
// answer is compared with the answers of a run in which nothing was refused.
class Run {
public:
    std::vector<std::string> answers;

    void answer(const void *data, size_t n) { answers.emplace_back(static_cast<const char *>(data), n); }
    void answer(const Floats &row) { answer(row.data(), row.size() * sizeof(float)); }

    // f(ds4x_error *) until it succeeds; after every failure looked(): how the objects must look then.
    template <typename F, typename Look> void call(const char *what, F &&f, Look &&look) {
        for (int attempt = 0;; attempt++) {
            ds4x_error err;
            std::memset(&err, 0x5a, sizeof err);
            const uint64_t before = faults::refused();
            int32_t status;
            {
                const faults::Scope scope;
                status = f(&err);
            }
            if (status == DS4X_OK) return;
            const bool thread = status == DS4X_ERR_BACKEND && std::strstr(err.message, "thread");
            const bool told = err.code == status && std::memchr(err.message, 0, sizeof err.message) && err.message[0];
            if (faults::refused() == before || attempt == 2 || !told || !(status == DS4X_ERR_MEMORY || thread)) {
                check::report(what, int(faults::refused()),
                              std::string("status ") + ds4x_status_name(status) + ": " +
                                  (told ? err.message : "no message"));
                faults::disarm();
                throw Broken();
            }
            try {
                const faults::Scope scope; // looking works while memory is refused
                look();
            } catch (const std::bad_alloc &) {
                check::report(what, int(faults::refused()), "looking needs memory, or a check failed there");
            }
            if (attempt == 1) faults::disarm();
        }
    }
    template <typename F> void call(const char *what, F &&f) {
        call(what, f, [] {});
    }
    // For calls that end in another way: f() tells whether this one did.
    template <typename F> void call_bool(const char *what, F &&f) {
        call(what, [&](ds4x_error *err) {
            *err = {DS4X_ERR_MEMORY, "refused"};
            return f() ? DS4X_OK : DS4X_ERR_MEMORY;
        });
    }
    // A call that can not fail.
    template <typename F> auto plain(F &&f) {
        const faults::Scope scope;
        return f();
    }

    struct Broken {}; // reported; the program can not go on
};

struct Tally {
    uint64_t requests = 0, runs = 0;
};

// program(Run &) with request 1, 2, ... refused, until a run has no more of them; then again with all later ones too.
// DS4_FAULT_STRIDE above 1: only every so many-th.
template <typename Program> Tally refuse_each(const char *name, Program &&program) {
    static const char *const given = std::getenv("DS4_FAULT_STRIDE");
    const uint64_t stride = given && std::atoi(given) > 1 ? uint64_t(std::atoi(given)) : 1;
    const auto start = std::chrono::steady_clock::now();
    Tally tally;
    Run undisturbed;
    const auto run_with = [&](Run &run, uint64_t n, bool every_later) {
        const faults::Live before = faults::live();
        faults::arm(n, every_later);
        try {
            program(run);
        } catch (const Run::Broken &) {
            check::report(name, int(n), every_later ? "broken (every later one too)" : "broken");
        }
        tally.runs++;
        const bool hit = faults::refused() > 0;
        faults::disarm();
        if (!(faults::live() == before)) {
            check::report(name, int(n),
                          "left " + std::to_string(faults::live().count - before.count) + " blocks, " +
                              std::to_string(faults::live().bytes - before.bytes) + " bytes");
        }
        return hit;
    };
    run_with(undisturbed, 0, false);
    tally.requests = faults::requests();
    CHECK(!undisturbed.answers.empty());
    CHECK(tally.requests > 0);
    const int failures = check::failures();
    for (const bool every_later : {false, true})
        for (uint64_t n = 1;; n += stride) {
            Run run;
            if (!run_with(run, n, every_later)) break;
            if (run.answers != undisturbed.answers) check::report(name, int(n), "other answers than undisturbed");
            if (check::failures() > failures + 10) break; // they are alike
        }
    std::printf("%s: %llu requests refused, %llu runs, %.1f s\n", name, (unsigned long long)tally.requests,
                (unsigned long long)tally.runs,
                std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    return tally;
}

// ------------------------------------------------------------------------------------------------ handles of the C API

struct Model {
    ds4x_engine *e = nullptr;
    uint32_t n_vocab = 0;

    ~Model() { close(); }
    void close() {
        const faults::Scope scope;
        ds4x_engine_close(e);
        e = nullptr;
    }
    Model() = default;
    Model(const Model &) = delete;
    Model &operator=(const Model &) = delete;

    void open(Run &run, const ds4x_options &o) {
        run.call("open", [&](ds4x_error *err) { return ds4x_engine_open(&o, &e, err); }, [&] { CHECK(!e); });
        ds4x_engine_info info{};
        info.struct_size = sizeof info;
        run.call("info", [&](ds4x_error *err) { return ds4x_engine_get_info(e, &info, err); });
        n_vocab = info.n_vocab;
    }
};

// Options for the file, without threads.
inline ds4x_options options(const std::string &path) {
    ds4x_options o;
    ds4x_options_init(&o, sizeof o);
    o.model_path = path.c_str();
    o.exact = 1;
    o.n_threads = 1;
    o.n_batch = 16;
    return o;
}

inline const Tokens all = prompt(400), other = prompt(400, 1);

// A model file, and engines over it that were opened in peace.
struct Tiny {
    ScratchDir dir;
    std::string path = session_test::write_tiny(dir);

    void open(Model &m, uint64_t kv_bytes_max = 0, bool exact = true) const {
        ds4x_options o = options(path);
        o.kv_bytes_max = kv_bytes_max;
        o.exact = exact;
        Run calm;
        const faults::Scope scope(faults::Scope::watching);
        m.open(calm, o);
    }
};

inline Tokens first(const Tokens &tokens, size_t n) { return Tokens(tokens.begin(), tokens.begin() + long(n)); }

struct Timeline {
    ds4x_session *s = nullptr;
    Tokens tokens; // that it must hold
    const ds4x_engine *engine = nullptr;
    uint64_t pages = 0; // bytes of pages in the engine before the call

    Timeline() = default;
    ~Timeline() {
        const faults::Scope scope;
        ds4x_session_free(s);
    }
    Timeline(const Timeline &) = delete;
    Timeline &operator=(const Timeline &) = delete;

    uint64_t pages_now() const {
        ds4x_memory memory{};
        if (engine) CHECK_EQ(ds4x_memory_used(engine, &memory, nullptr), int32_t(DS4X_OK));
        return memory.kv_pages;
    }
    // Runs a call that must leave everything as it was when it fails.
    template <typename F> void unchanged_by(Run &run, const char *what, F &&f, ds4x_session **out = nullptr) {
        pages = pages_now();
        run.call(what, f, [&] {
            look();
            CHECK(pages_now() <= pages);
            if (out) CHECK(!*out);
        });
    }
    void look() const {
        const uint32_t pos = ds4x_session_pos(s);
        CHECK_EQ(pos, uint32_t(tokens.size()));
        CHECK_EQ(ds4x_session_common_prefix(s, tokens.data(), pos), pos);
        CHECK_EQ(ds4x_session_tokens(s, nullptr, 0), pos);
        CHECK(ds4x_session_near(s, pos / 2) <= pos / 2);
        uint32_t at[64] = {};
        const uint32_t n = ds4x_session_checkpoints(s, at, 64);
        for (uint32_t i = 0; i < n && i < 64; i++) CHECK(at[i] <= pos && (!i || at[i - 1] <= at[i]));
    }
    void create(Run &run, Model &m, uint32_t n_ctx = 400) {
        run.call(
            "create", [&](ds4x_error *err) { return ds4x_session_create(m.e, n_ctx, &s, err); }, [&] { CHECK(!s); });
        tokens.clear();
        engine = m.e;
    }
    void fork(Run &run, Timeline &out) {
        unchanged_by(run, "fork", [&](ds4x_error *err) { return ds4x_session_fork(s, &out.s, err); }, &out.s);
        out.tokens = tokens;
        out.engine = engine;
    }
    void fork_at(Run &run, uint32_t to, Timeline &out) {
        unchanged_by(
            run, "fork_at", [&](ds4x_error *err) { return ds4x_session_fork_at(s, to, nullptr, &out.s, err); }, &out.s);
        out.tokens.assign(tokens.begin(), tokens.begin() + to);
        out.engine = engine;
    }
    void rewind(Run &run, uint32_t to) {
        unchanged_by(run, "rewind", [&](ds4x_error *err) { return ds4x_session_rewind(s, to, nullptr, err); });
        tokens.resize(to);
    }
    // Holds exactly these, and answers the last one's logits.
    void sync(Run &run, Model &m, const Tokens &to, ds4x_progress_fn progress = nullptr, void *user = nullptr) {
        uint32_t common = 0;
        while (common < std::min(tokens.size(), to.size()) && tokens[common] == to[common]) common++;
        Floats logits(m.n_vocab);
        run.call(
            "sync",
            [&](ds4x_error *err) {
                return ds4x_session_sync(s, to.data(), uint32_t(to.size()), nullptr, progress, user, logits.data(),
                                         err);
            },
            [&] {
                const uint32_t pos = ds4x_session_pos(s);
                if (ds4x_session_common_prefix(s, to.data(), uint32_t(to.size())) == pos && pos >= common)
                    return; // a beginning of the new ones
                look();
            });
        tokens = to;
        look();
        run.answer(logits);
    }
    // Appends n tokens, and answers the logits of the last n_wanted.
    void feed(Run &run, Model &m, const Tokens &all, uint32_t n, uint32_t n_wanted = 1) {
        const uint32_t from = uint32_t(tokens.size());
        std::vector<uint32_t> wanted(n_wanted);
        for (uint32_t i = 0; i < n_wanted; i++) wanted[i] = n - n_wanted + i;
        ds4x_span span{};
        unchanged_by(run, "forward", [&](ds4x_error *err) {
            span.session = s;
            span.tokens = all.data() + from;
            span.n_tokens = n;
            span.wanted = wanted.data();
            span.n_wanted = n_wanted;
            const int32_t status = ds4x_forward(m.e, &span, 1, nullptr, err);
            return status ? status : span.status;
        });
        tokens.insert(tokens.end(), all.begin() + from, all.begin() + from + n);
        for (uint32_t i = 0; i < n_wanted; i++) answer_row(run, m, span.first_row + i);
    }
    static void answer_row(Run &run, Model &m, uint32_t row) {
        Floats logits(m.n_vocab);
        run.call("logits", [&](ds4x_error *err) { return ds4x_logits(m.e, row, logits.data(), logits.size(), err); });
        run.answer(logits);
    }
};

} // namespace fault_test
