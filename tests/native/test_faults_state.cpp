// Every allocation refused in turn: sessions saved to memory and files, and loaded from them, in both formats.
#include "fault_run.h"

#include <cstdio>
#include <unistd.h>

using namespace fault_test;

namespace {

struct File {
    std::FILE *f = std::tmpfile();
    File() = default;
    ~File() { std::fclose(f); }
    File(const File &) = delete;
    File &operator=(const File &) = delete;
    int from_start() const {
        lseek(fileno(f), 0, SEEK_SET);
        return fileno(f);
    }
};

} // namespace

TEST(faults_saving_and_loading) {
    ScratchDir dir;
    const std::string path = session_test::write_tiny(dir);
    for (const int32_t format : {DS4X_STATE_PAGES, DS4X_STATE_PAYLOAD}) {
        for (const int exact : {0, 1}) {
            refuse_each(format == DS4X_STATE_PAGES ? "state as pages" : "state as payload", [&](Run &run) {
                Model m;
                {
                    ds4x_options o = options(path);
                    o.exact = exact;
                    Run calm;
                    const faults::Scope scope(faults::Scope::watching);
                    m.open(calm, o);
                }
                const File file;
                Timeline t, u;
                t.create(run, m);
                u.create(run, m);
                t.feed(run, m, all, 60);
                t.feed(run, m, all, 150);
                u.feed(run, m, all, 23);
                Floats logits(m.n_vocab);
                run.call("logits", [&](ds4x_error *err) { return ds4x_logits(m.e, 0, logits.data(), m.n_vocab, err); });
                uint64_t n = 0, written = 0;
                run.call("bytes", [&](ds4x_error *err) { return ds4x_state_bytes(t.s, format, 1, &n, err); });
                std::vector<uint8_t> bytes(n, 0xee);
                run.call(
                    "save",
                    [&](ds4x_error *err) {
                        return ds4x_state_save(t.s, format, logits.data(), bytes.data(), n, &written, err);
                    },
                    [&] { t.look(); });
                CHECK_EQ(written, n);
                run.answer(bytes.data(), n);
                run.call(
                    "save to a file",
                    [&](ds4x_error *err) {
                        return ds4x_state_save_fd(t.s, format, logits.data(), file.from_start(), err);
                    },
                    [&] { t.look(); });
                const auto load = [&](const char *what, Timeline &into, auto &&from) {
                    Floats got(m.n_vocab);
                    int32_t has = 0;
                    run.call(
                        what, [&](ds4x_error *err) { return from(into.s, got.data(), &has, err); },
                        [&] { into.look(); });
                    into.tokens = t.tokens;
                    into.look();
                    CHECK_EQ(has, 1);
                    run.answer(got);
                };
                const auto from_memory = [&](ds4x_session *s, float *out, int32_t *has, ds4x_error *err) {
                    return ds4x_state_load(s, format, bytes.data(), n, out, has, err);
                };
                const auto from_file = [&](ds4x_session *s, float *out, int32_t *has, ds4x_error *err) {
                    return ds4x_state_load_fd(s, format, file.from_start(), n, out, has, err);
                };
                Timeline fresh;
                fresh.create(run, m);
                load("load", fresh, from_memory);
                load("load over another", u, from_file);
                load("load over itself", t, from_memory);
                u.rewind(run, 190);
                for (Timeline *one : {&t, &u, &fresh}) {
                    one->feed(run, m, all, 20, 4);
                }
            });
        }
    }
}
