// Every allocation refused in turn: the calls of ds4.h.
#include "ds4.h"
#include "fault_run.h"

#include <cstdio>

using namespace fault_test;

namespace {

using Ids = std::vector<int>;

// Everything of ds4.h that a program opens, so that it is closed in any case.
struct Compat {
    ds4_engine *e = nullptr;
    ds4_session *s = nullptr, *u = nullptr;
    ds4_tokens tokens{}, copy{};
    ds4_session_snapshot snap{};
    std::FILE *file = std::tmpfile();

    Compat() = default;
    ~Compat() {
        const faults::Scope scope;
        ds4_session_free(s);
        ds4_session_free(u);
        ds4_engine_close(e);
        ds4_tokens_free(&tokens);
        ds4_tokens_free(&copy);
        ds4_session_snapshot_free(&snap);
        std::fclose(file);
    }
    Compat(const Compat &) = delete;
    Compat &operator=(const Compat &) = delete;

    void open(Run &run, const std::string &path) {
        ds4_engine_options o{};
        o.model_path = path.c_str();
        o.backend = DS4_BACKEND_CPU;
        o.n_threads = 1;
        o.quality = true;
        run.call_bool("ds4_engine_open", [&] { return ds4_engine_open(&e, &o) == 0; });
    }
    void open_calmly(const std::string &path) {
        Run calm;
        const faults::Scope scope(faults::Scope::watching);
        open(calm, path);
    }
    // Makes tokens: a call that could not append all of it appends nothing.
    template <typename F> void tokenize(Run &run, const char *what, F &&append) {
        const Ids before(tokens.v, tokens.v + tokens.len);
        run.call_bool(what, [&] {
            const uint64_t refused = faults::refused();
            append(&tokens);
            if (faults::refused() == refused) return true;
            if (tokens.len == int(before.size()))
                CHECK(std::equal(before.begin(), before.end(), tokens.v) && *ds4_last_error());
            return tokens.len > int(before.size());
        });
        run.answer(tokens.v, size_t(tokens.len) * sizeof(int));
        ds4_tokens_copy(nullptr, nullptr);
    }
};

} // namespace

TEST(faults_ds4_tokens) {
    ScratchDir dir;
    const std::string path = session_test::write_tiny(dir);
    std::string text;
    for (int i = 0; i < 40; i++) text += "hello <｜User｜>world <think>" + std::to_string(i) + "</think>\n";
    refuse_each("ds4 tokens", [&](Run &run) {
        Compat c;
        c.open(run, path);
        c.tokenize(run, "text", [&](ds4_tokens *t) { ds4_tokenize_text(c.e, text.c_str(), t); });
        c.tokenize(run, "rendered", [&](ds4_tokens *t) { ds4_tokenize_rendered_chat(c.e, text.c_str(), t); });
        for (const char *role : {"user", "assistant", "tool", "system"})
            c.tokenize(run, role, [&](ds4_tokens *t) { ds4_chat_append_message(c.e, t, role, text.c_str()); });
        c.tokenize(run, "prompt",
                   [&](ds4_tokens *t) { ds4_encode_chat_prompt(c.e, "hello", text.c_str(), DS4_THINK_MAX, t); });
        c.tokenize(run, "prefix", [&](ds4_tokens *t) { ds4_chat_append_assistant_prefix(c.e, t, DS4_THINK_HIGH); });
        run.call_bool("copy", [&] {
            ds4_tokens_copy(&c.copy, &c.tokens);
            return c.copy.len == c.tokens.len;
        });
        run.call_bool("token text", [&] {
            size_t n = 0;
            char *s = ds4_token_text(c.e, 40, &n);
            const bool made = s != nullptr;
            std::free(s);
            return made;
        });
        run.plain([&] { // none of these is supported, and says so
            ds4_engine_summary(c.e);
            CHECK(ds4_engine_head_test(c.e, &c.tokens) != 0);
        });
    });
}

TEST(faults_ds4_sessions) {
    ScratchDir dir;
    const std::string path = session_test::write_tiny(dir);
    const Tokens ids = prompt(400), more = prompt(400, 1);
    const auto view = [](const Tokens &t, int n) { return ds4_tokens{const_cast<int *>(t.data()), n, n}; };
    refuse_each("ds4 sessions", [&](Run &run) {
        Compat c;
        c.open_calmly(path);
        char err[200];
        run.call_bool("create", [&] { return ds4_session_create(&c.s, c.e, 300) == 0; });
        run.call_bool("create", [&] { return ds4_session_create(&c.u, c.e, 300) == 0; });
        const int n_vocab = int(tiny_model::n_vocab);
        std::vector<ds4_token_score> top(static_cast<size_t>(n_vocab));
        const auto logits = [&](ds4_session *s) {
            run.call_bool("logprobs", [&] { return ds4_session_top_logprobs(s, top.data(), n_vocab) == n_vocab; });
            run.answer(top.data(), top.size() * sizeof top[0]);
        };
        const auto sync = [&](ds4_session *s, const Tokens &to, int n) {
            const ds4_tokens t = view(to, n);
            run.call_bool("sync", [&] {
                if (!ds4_session_sync(s, &t, err, sizeof err)) return true;
                CHECK(*err);
                return false;
            });
            CHECK_EQ(ds4_session_pos(s), n);
            CHECK_EQ(ds4_session_common_prefix(s, &t), n);
            logits(s);
        };
        const auto eval = [&](ds4_session *s, int token) {
            const int pos = ds4_session_pos(s);
            run.call_bool("eval", [&] {
                if (!ds4_session_eval(s, token, err, sizeof err)) return true;
                CHECK_EQ(ds4_session_pos(s), pos);
                return false;
            });
        };
        sync(c.s, ids, 100);
        eval(c.s, ids[100]);
        run.plain([&] { ds4_session_rewind(c.s, 60); });
        logits(c.s);
        eval(c.s, ids[60]);
        sync(c.s, more, 60);
        sync(c.s, more, 45);
        ds4_session_set_progress(c.s, [](void *, const char *, int, int) {}, nullptr);
        sync(c.s, ids, 130);
        uint64_t rng = 5;
        int token = -1;
        run.call_bool("sample", [&] { return (token = ds4_session_sample(c.s, 0.8f, 40, 0.9f, 0.02f, &rng)) >= 0; });
        run.answer(&token, sizeof token);
        run.call_bool("argmax", [&] { return (token = ds4_session_argmax(c.s)) >= 0; });
        ds4_token_score score{};
        run.call_bool("score", [&] { return ds4_session_token_logprob(c.s, token, &score) == 1; });
        run.answer(&score, sizeof score);

        run.call_bool("snapshot", [&] { return !ds4_session_save_snapshot(c.s, &c.snap, err, sizeof err); });
        run.answer(c.snap.ptr, size_t(c.snap.len));
        run.call_bool("load", [&] { return !ds4_session_load_snapshot(c.u, &c.snap, err, sizeof err); });
        logits(c.u);
        eval(c.u, 9);
        logits(c.u);
        uint64_t n = 0;
        run.call_bool("bytes", [&] { return (n = ds4_session_payload_bytes(c.u)) != 0; });
        run.call_bool("save", [&] {
            std::rewind(c.file);
            return !ds4_session_save_payload(c.u, c.file, err, sizeof err);
        });
        run.call_bool("load", [&] {
            std::rewind(c.file);
            return !ds4_session_load_payload(c.s, c.file, n, err, sizeof err);
        });
        logits(c.s);
        eval(c.s, 11);
        logits(c.s);
    });
}
