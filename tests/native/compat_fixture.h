// A model and sessions through ds4.h, for tests.
#pragma once

#include "check.h"
#include "ds4.h"

#include <cstdlib>
#include <string>
#include <vector>

namespace compat_test {

// The embedded model, or the file that the environment names.
inline const char *model_path() {
    const char *path = std::getenv("DS4_TEST_MODEL");
    return path && *path ? path : DS4_TEST_MODEL;
}

inline std::vector<int> take(ds4_tokens &t) {
    std::vector<int> out(t.v, t.v + t.len);
    ds4_tokens_free(&t);
    return out;
}

struct Model {
    ds4_engine *e = nullptr;
    int n_vocab = 0;

    explicit Model(bool quality = false) {
        ds4_engine_options o{};
        o.model_path = model_path();
        o.backend = DS4_BACKEND_CPU;
        o.n_threads = 1;
        o.quality = quality;
        CHECK_EQ(ds4_engine_open(&e, &o), 0);
        ds4_session *s = nullptr;
        CHECK_EQ(ds4_session_create(&s, e, 4), 0);
        CHECK_EQ(ds4_session_eval(s, 1, nullptr, 0), 0);
        std::vector<ds4_token_score> all(1 << 20);
        n_vocab = ds4_session_top_logprobs(s, all.data(), 1 << 20); // is cut to the vocabulary
        ds4_session_free(s);
    }
    ~Model() { ds4_engine_close(e); }
    Model(const Model &) = delete;
    Model &operator=(const Model &) = delete;

    std::vector<int> text(const char *s) const {
        ds4_tokens t{};
        ds4_tokenize_text(e, s, &t);
        return take(t);
    }
    std::vector<int> rendered(const char *s) const {
        ds4_tokens t{};
        ds4_tokenize_rendered_chat(e, s, &t);
        return take(t);
    }
    std::string detokenize(const std::vector<int> &ids) const {
        std::string out;
        for (int id : ids) {
            size_t len = 0;
            char *s = ds4_token_text(e, id, &len);
            CHECK_EQ(std::strlen(s), len);
            out.append(s, len);
            std::free(s);
        }
        return out;
    }
    // n arbitrary tokens, always the same.
    std::vector<int> prompt(int n) const {
        std::vector<int> out;
        for (int i = 0; i < n; i++) out.push_back(int((unsigned(i) * 2654435761u >> 8) % unsigned(n_vocab)));
        return out;
    }
};

struct Session {
    ds4_session *s = nullptr;
    char err[256] = "";

    Session(const Model &m, int ctx) { CHECK_EQ(ds4_session_create(&s, m.e, ctx), 0); }
    ~Session() { ds4_session_free(s); }
    Session(const Session &) = delete;
    Session &operator=(const Session &) = delete;

    int sync(std::vector<int> p) {
        const ds4_tokens t{p.data(), int(p.size()), int(p.size())};
        return ds4_session_sync(s, &t, err, sizeof err);
    }
    int eval(int token) { return ds4_session_eval(s, token, err, sizeof err); }
    int common(std::vector<int> p) {
        const ds4_tokens t{p.data(), int(p.size()), int(p.size())};
        return ds4_session_common_prefix(s, &t);
    }
    ds4_session_rewrite_result rewrite(std::vector<int> p, int common) {
        const ds4_tokens t{p.data(), int(p.size()), int(p.size())};
        return ds4_session_rewrite_from_common(s, &t, common, err, sizeof err);
    }
    std::vector<int> tokens() const {
        const ds4_tokens *t = ds4_session_tokens(s);
        return std::vector<int>(t->v, t->v + t->len);
    }
    // All logits by id; empty when there are none.
    std::vector<float> logits() const {
        static std::vector<ds4_token_score> top(1 << 20);
        const int n = ds4_session_top_logprobs(s, top.data(), 1 << 20);
        std::vector<float> out(static_cast<size_t>(n));
        for (int i = 0; i < n; i++) out[size_t(top[size_t(i)].id)] = top[size_t(i)].logit;
        return out;
    }
    std::string error() const { return err; }
};

} // namespace compat_test
