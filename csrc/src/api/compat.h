// What stands behind the handles of ds4.h: the model that an engine shares with its sessions, and the session, which
// follows the caller's view of its tokens. And how failures become ds4.h's return codes.
#pragma once

#include "api/handles.h"
#include "ds4.h"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>

namespace ds4 {
namespace compat {

// Leaves the reason in ds4_last_error() and, when there is room, in err. Returns 1.
int fail(char *err, size_t errlen, const char *reason) noexcept;

// Runs f and turns what it throws into 1 with the reason, else 0.
template <typename F> int guarded(char *err, size_t errlen, F &&f) {
    try {
        f();
        return 0;
    } catch (const std::bad_alloc &) {
        return fail(err, errlen, "out of memory");
    } catch (const std::exception &e) {
        return fail(err, errlen, e.what());
    }
}
[[noreturn]] inline void refuse(const char *reason) { throw Error(DS4X_ERR_ARGUMENT, reason); }
template <typename... Args> [[noreturn]] void refuse(const char *fmt, Args... args) {
    ds4::fail(DS4X_ERR_ARGUMENT, fmt, args...);
}
inline void must(int32_t status, const ds4x_error &e) {
    if (status) throw Error(ds4x_status(status), e.message);
}

struct Model { // shared by an engine and its sessions, whichever is released last
    ds4x_engine *x = nullptr;
    ds4x_engine_info info{};
    int quant_bits = 2;
    std::mutex mutex; // from a forward to the copy of its logits
    ~Model() { ds4x_engine_close(x); }
};

// Room for len tokens. Throws; the vector is unchanged then.
inline void reserve(ds4_tokens &tv, size_t len) {
    if (len > size_t(INT_MAX)) refuse("%zu tokens exceed a token vector", len);
    if (len <= size_t(tv.cap)) return;
    size_t cap = tv.cap > 0 ? size_t(tv.cap) : 64;
    while (cap < len) cap *= 2;
    cap = std::min(cap, size_t(INT_MAX));
    int *v = static_cast<int *>(std::realloc(tv.v, cap * sizeof(int)));
    if (!v) throw std::bad_alloc();
    tv.v = v;
    tv.cap = int(cap);
}

} // namespace compat
} // namespace ds4

struct ds4_engine {
    std::shared_ptr<ds4::compat::Model> model;
};

// `live` is what the caller sees. Going back only shortens it: the session below follows when something is computed.
struct ds4_session {
    std::shared_ptr<ds4::compat::Model> model;
    ds4x_session *x = nullptr;
    int ctx = 0;
    ds4_tokens live{};
    bool valid = false;
    std::vector<float> logits; // [n_vocab] after the first logits_at tokens of live; 0: of nothing
    int logits_at = 0;
    ds4_session_progress_fn progress = nullptr;
    void *progress_ud = nullptr;

    ~ds4_session() {
        ds4x_session_free(x);
        std::free(live.v);
    }
    // Appends one token. Throws; live is unchanged then.
    void append(int token) {
        ds4::compat::reserve(live, size_t(live.len) + 1);
        x->core->engine().check_usable(true); // before a lock that a forked child may find held
        const std::lock_guard<std::mutex> lock(model->mutex);
        const uint32_t have = ds4x_session_pos(x), keep = uint32_t(live.len);
        ds4x_error e{};
        if (have > keep) ds4::compat::must(ds4x_session_rewind(x, keep, nullptr, &e), e);
        if (have < keep) forward(live.v + have, keep - have, false);
        forward(&token, 1, true);
        live.v[live.len++] = token;
        logits_at = live.len;
        valid = true;
    }
    // Logits of the last token; computed again after going back.
    void refresh() {
        if (live.len == 0) ds4::compat::refuse("the session has no logits: evaluate a token first");
        if (logits_at == live.len && ds4x_session_pos(x) == uint32_t(live.len)) return;
        ds4x_error e{};
        ds4::compat::must(
            ds4x_session_sync(x, live.v, uint32_t(live.len), nullptr, nullptr, nullptr, logits.data(), &e), e);
        logits_at = live.len;
    }

private:
    void forward(const int *tokens, uint32_t n, bool wanted) {
        const uint32_t last = n - 1;
        ds4x_span span{};
        span.session = x;
        span.tokens = tokens;
        span.n_tokens = n;
        span.n_wanted = wanted ? 1 : 0;
        span.wanted = &last;
        ds4x_error e{};
        ds4::compat::must(ds4x_forward(model->x, &span, 1, nullptr, &e), e);
        ds4::compat::must(span.status, e);
        logits_at = 0;
        if (wanted) ds4::compat::must(ds4x_logits(model->x, span.first_row, logits.data(), logits.size(), &e), e);
    }
};
