// Sessions over the three-layer model through the C API.
#pragma once

#include "ds4x.h"
#include "session_fixture.h"

namespace session_api_test {

using session_test::Logits;
using session_test::prompt;
using session_test::Tokens;

// The C API over a tiny model.
struct Api {
    ScratchDir dir;
    ds4x_engine *e = nullptr;
    uint32_t n_vocab = 0;

    explicit Api(uint32_t n_batch = 16, uint64_t kv_bytes_max = 0) {
        ds4x_options o;
        ds4x_options_init(&o, sizeof o);
        const std::string path = session_test::write_tiny(dir);
        o.model_path = path.c_str();
        o.exact = 1;
        o.n_threads = 1;
        o.n_batch = n_batch;
        o.kv_bytes_max = kv_bytes_max;
        ds4x_error err{};
        CHECK_EQ(ds4x_engine_open(&o, &e, &err), int32_t(DS4X_OK));
        ds4x_engine_info info{};
        info.struct_size = sizeof info;
        CHECK_EQ(ds4x_engine_get_info(e, &info, &err), int32_t(DS4X_OK));
        n_vocab = info.n_vocab;
        CHECK(info.page_bytes > 0 && info.state_bytes > 0);
    }
    ~Api() { ds4x_engine_close(e); }
    Api(const Api &) = delete;
    Api &operator=(const Api &) = delete;
};

struct Timeline {
    ds4x_session *s = nullptr;
    const Api &api;
    ds4x_error err{};
    Logits logits;

    explicit Timeline(const Api &api, uint32_t n_ctx = 400) : api(api), logits(api.n_vocab) {
        CHECK_EQ(ds4x_session_create(api.e, n_ctx, &s, &err), int32_t(DS4X_OK));
    }
    ~Timeline() { ds4x_session_free(s); }
    Timeline(const Timeline &) = delete;
    Timeline &operator=(const Timeline &) = delete;

    int32_t sync(const Tokens &tokens, const int32_t *cancel = nullptr, ds4x_progress_fn progress = nullptr,
                 void *user = nullptr) {
        return ds4x_session_sync(s, tokens.data(), uint32_t(tokens.size()), cancel, progress, user, logits.data(),
                                 &err);
    }
    Tokens tokens() const {
        Tokens out(ds4x_session_pos(s));
        ds4x_session_tokens(s, out.data(), uint32_t(out.size()));
        return out;
    }
    Tokens checkpoints() const {
        uint32_t at[64];
        const uint32_t n = ds4x_session_checkpoints(s, at, 64);
        return Tokens(at, at + n);
    }
};

inline Logits logits_of(const Api &api, const Tokens &tokens) {
    Timeline t(api, uint32_t(tokens.size()));
    ds4x_session_auto_checkpoints(t.s, 0, nullptr);
    CHECK_EQ(t.sync(tokens), int32_t(DS4X_OK));
    return t.logits;
}

inline Tokens first(const Tokens &tokens, size_t n) { return Tokens(tokens.begin(), tokens.begin() + long(n)); }
inline bool begins(const Tokens &tokens, const Tokens &beginning) {
    return beginning.size() <= tokens.size() && std::equal(beginning.begin(), beginning.end(), tokens.begin());
}

// Layers of n tokens.
inline uint64_t pieces(uint64_t n, uint64_t n_batch = 16) { return (n + n_batch - 1) / n_batch * tiny_model::n_layer; }

} // namespace session_api_test
