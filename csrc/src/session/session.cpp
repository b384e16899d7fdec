// Sessions: taking pages, going back, forking.
#include "session/session.h"

#include <algorithm>

namespace ds4 {

Session::Session(std::shared_ptr<Engine> engine, uint32_t n_ctx) : engine_(std::move(engine)), n_ctx_(n_ctx) {
    if (n_ctx == 0 || n_ctx > uint32_t(INT32_MAX))
        fail(DS4X_ERR_ARGUMENT, "n_ctx is %u, expected 1 to %d", n_ctx, INT32_MAX);
    state_ = engine_->pool().acquire_state();
}

Session::~Session() {
    KvPool &pool = engine_->pool();
    for (Page *page : pages_) pool.unref(page);
    pool.release_state(working_);
    pool.release_state(state_);
}

uint32_t Session::copy_tokens(int32_t *out, uint32_t cap) const {
    const std::lock_guard<std::mutex> lock(tokens_mutex_);
    std::copy_n(tokens_.begin(), std::min<size_t>(cap, tokens_.size()), out);
    return uint32_t(tokens_.size());
}

uint32_t Session::common_prefix(const int32_t *tokens, uint32_t n) const {
    const std::lock_guard<std::mutex> lock(tokens_mutex_);
    const size_t limit = std::min<size_t>(n, tokens_.size());
    return uint32_t(std::mismatch(tokens, tokens + limit, tokens_.begin()).first - tokens);
}

std::unique_ptr<Session> Session::fork() {
    KvPool &pool = engine_->pool();
    std::unique_ptr<Session> twin(new Session(engine_, n_ctx_, Bare{}));
    twin->state_ = pool.acquire_state();
    pool.backend().kv_copy(twin->state_, state_, pool.layout().state_bytes);
    twin->tokens_ = tokens_;
    twin->pages_.reserve(pages_.size() + 1);
    for (Page *page : pages_) {
        pool.ref(page);
        twin->pages_.push_back(page);
    }
    twin->high_ = high_;
    twin->pos_.store(pos(), std::memory_order_release);
    return twin;
}

void Session::release_pages(size_t keep) noexcept {
    while (pages_.size() > keep) {
        engine_->pool().unref(pages_.back());
        pages_.pop_back();
    }
}

void Session::begin(uint32_t n_tokens) {
    KvPool &pool = engine_->pool();
    const KvLayout &layout = pool.layout();
    const uint32_t from = pos();
    pool.release_state(working_); // never left over, but a stale one would be computed on
    working_ = nullptr;
    if (n_tokens > n_ctx_ - from)
        fail(DS4X_ERR_CONTEXT, "%u tokens do not fit: the session holds %u of n_ctx = %u", n_tokens, from, n_ctx_);
    // A page that is only partly ours to write (a fork shares it) is copied before its rows change.
    const size_t had = pages_.size(), first = from / layout.page_tokens;
    const size_t n_pages = size_t(layout.pages_for(uint64_t(from) + n_tokens));
    try {
        for (size_t i = first; i < std::min(n_pages, had); i++) pages_[i] = pool.make_private(pages_[i]);
        if (n_pages > had) {
            pages_.reserve(std::max(n_pages, 2 * had));
            while (pages_.size() < n_pages) pages_.push_back(pool.acquire_page());
        }
        if (tokens_.capacity() < size_t(from) + n_tokens) {
            const std::lock_guard<std::mutex> lock(tokens_mutex_);
            tokens_.reserve(std::max<size_t>(n_pages * layout.page_tokens, 2 * tokens_.capacity()));
        }
        // Short spans are written in place: the rings keep what the position before them needs.
        if (n_tokens > rewind_slack) {
            working_ = pool.acquire_state();
            pool.backend().kv_copy(working_, state_, layout.state_bytes);
        } else {
            high_ = std::max(high_, from + n_tokens);
        }
    } catch (...) {
        release_pages(std::max(had, size_t(layout.pages_for(from))));
        throw;
    }
}

void Session::commit(const int32_t *tokens, uint32_t n_tokens) noexcept {
    if (working_) {
        engine_->pool().release_state(state_);
        state_ = working_;
        working_ = nullptr;
        high_ = pos() + n_tokens;
    }
    const std::lock_guard<std::mutex> lock(tokens_mutex_);
    tokens_.insert(tokens_.end(), tokens, tokens + n_tokens); // begin() reserved the room
    pos_.store(uint32_t(tokens_.size()), std::memory_order_release);
}

void Session::abandon() noexcept {
    engine_->pool().release_state(working_);
    working_ = nullptr;
    release_pages(size_t(engine_->pool().layout().pages_for(pos())));
}

void Session::swap_timeline(Session &other) noexcept {
    const std::lock_guard<std::mutex> lock(tokens_mutex_);
    std::swap(tokens_, other.tokens_);
    std::swap(pages_, other.pages_);
    std::swap(state_, other.state_);
    std::swap(high_, other.high_);
    const uint32_t mine = pos();
    pos_.store(other.pos(), std::memory_order_release);
    other.pos_.store(mine, std::memory_order_release);
}

void Session::rewind(uint32_t to, const int32_t *cancel) {
    const uint32_t from = pos();
    if (to > from) fail(DS4X_ERR_ARGUMENT, "can not rewind to position %u: the session is at %u", to, from);
    if (to == from) return;
    if (to == 0 || to + rewind_slack >= high_) {
        if (to == 0) high_ = 0;
        release_pages(size_t(engine_->pool().layout().pages_for(to)));
        const std::lock_guard<std::mutex> lock(tokens_mutex_);
        tokens_.resize(to);
        pos_.store(to, std::memory_order_release);
        return;
    }
    // Too far back for the rings: compute the kept tokens again beside the old timeline. Rows before the window of `to`
    // are the same, but the open blocks' inputs are gone, and only the whole prefix rebuilds them exactly.
    Session fresh(engine_, n_ctx_);
    ForwardSpan span;
    span.session = &fresh;
    span.tokens = tokens_.data();
    span.n_tokens = to;
    span.cancel = cancel;
    engine_->forward(&span, 1, nullptr, Engine::Rows::keep);
    if (span.status != DS4X_OK) throw Error(ds4x_status(span.status), span.message);
    swap_timeline(fresh);
}

} // namespace ds4
