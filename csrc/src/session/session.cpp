// Sessions: their facts, and how a forward pass moves them.
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
    const std::lock_guard<std::mutex> lock(mutex_);
    std::copy_n(tokens_.begin(), std::min<size_t>(cap, tokens_.size()), out);
    return uint32_t(tokens_.size());
}

uint32_t Session::common_prefix(const int32_t *tokens, uint32_t n) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const size_t limit = std::min<size_t>(n, tokens_.size());
    return uint32_t(std::mismatch(tokens, tokens + limit, tokens_.begin()).first - tokens);
}

// Whether the rings still hold all that `to` needs; the session stands at `from`. The caller holds mutex_.
bool Session::costs_nothing(uint32_t to, uint32_t from) const noexcept {
    return to == from || to == 0 || uint64_t(to) + rewind_slack >= high_;
}

// What was computed for a position after this one left what the position before it needs.
bool Session::goes_back_from(uint32_t at) const noexcept { return at > pos() || costs_nothing(at - 1, at); }

uint32_t Session::near(uint32_t to) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const uint32_t from = pos();
    to = std::min(to, from);
    if (costs_nothing(to, from)) return to;
    for (size_t i = checkpoints_.size(); i-- > 0;)
        if (checkpoints_[i]->pos() <= to && checkpoints_[i]->live()) return checkpoints_[i]->pos();
    return 0;
}

uint32_t Session::copy_checkpoints(uint32_t *out, uint32_t cap) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    uint32_t n = 0;
    for (const auto &c : checkpoints_) {
        if (!c->live() || c->pos() > pos()) continue;
        if (n < cap) out[n] = c->pos();
        n++;
    }
    return n;
}

void Session::release_pages(size_t keep) noexcept {
    while (pages_.size() > keep) {
        engine_->pool().unref(pages_.back());
        pages_.pop_back();
    }
}

// ---------------------------------------------------------------------------------------------------- the forward pass

void Session::begin(uint32_t n_tokens) {
    KvPool &pool = engine_->pool();
    const KvLayout &layout = pool.layout();
    const uint32_t from = pos();
    pool.release_state(working_); // never left over, but a stale one would be computed on
    working_ = nullptr;
    marks_.clear();
    if (n_tokens > n_ctx_ - from)
        fail(DS4X_ERR_CONTEXT, "%u tokens do not fit: the session holds %u of n_ctx = %u", n_tokens, from, n_ctx_);
    const size_t had = pages_.size(), first = from / layout.page_tokens;
    const size_t n_pages = size_t(layout.pages_for(uint64_t(from) + n_tokens));
    // Short spans are written in place: the rings keep what the position before them needs.
    const bool beside = n_tokens > rewind_slack && !in_place_;
    try {
        if (n_pages > had) {
            pages_.reserve(std::max(n_pages, 2 * had));
            while (pages_.size() < n_pages) pages_.push_back(pool.acquire_page());
        }
        if (tokens_.capacity() < size_t(from) + n_tokens) {
            const std::lock_guard<std::mutex> lock(mutex_);
            tokens_.reserve(std::max<size_t>(n_pages * layout.page_tokens, 2 * tokens_.capacity()));
        }
        if (beside) {
            working_ = pool.acquire_state();
            pool.backend().kv_copy(working_, state_, layout.state_bytes);
        }
        // A page that is only partly ours to write (a fork or a checkpoint shares it) is copied before its rows change.
        // That comes last, so that a failure leaves nothing behind.
        for (size_t i = first; i < std::min(n_pages, had); i++) pages_[i] = pool.make_private(pages_[i]);
    } catch (...) {
        pool.release_state(working_);
        working_ = nullptr;
        release_pages(std::max(had, size_t(layout.pages_for(from))));
        throw;
    }
    if (beside) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    high_ = std::max(high_, from + n_tokens);
}

void Session::commit(const int32_t *tokens, uint32_t n_tokens) noexcept {
    const bool beside = working_ != nullptr;
    if (beside) {
        engine_->pool().release_state(state_);
        state_ = working_;
        working_ = nullptr;
    }
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (beside) high_ = pos() + n_tokens;
        tokens_.insert(tokens_.end(), tokens, tokens + n_tokens); // begin() reserved the room
        pos_.store(uint32_t(tokens_.size()), std::memory_order_release);
        version_++;
    }
    keep_marks();
}

void Session::abandon() noexcept {
    engine_->pool().release_state(working_);
    working_ = nullptr;
    marks_.clear();
    release_pages(size_t(engine_->pool().layout().pages_for(pos())));
}

// --------------------------------------------------------------------------------------------------------- checkpoints

std::shared_ptr<Checkpoint> Session::checkpoint_before(uint32_t to) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (size_t i = checkpoints_.size(); i-- > 0;)
        if (checkpoints_[i]->pos() <= to && checkpoints_[i]->live()) return checkpoints_[i];
    return nullptr;
}

void Session::mark(uint32_t at) noexcept {
    if (!auto_checkpoints_ || at == 0) return;
    try {
        std::shared_ptr<Checkpoint> before = marks_.empty() ? checkpoint_before(at) : marks_.back();
        if (before && before->live() && before->pos() == at) return;
        marks_.reserve(marks_.size() + 1);
        if (auto made = Checkpoint::make(*engine_, at, pages_, working_state(), goes_back_from(at), true, before.get()))
            marks_.push_back(std::move(made));
    } catch (...) {
        // Not made: the session goes on without it.
    }
}

void Session::keep_marks() noexcept {
    if (marks_.empty()) return;
    try {
        for (std::shared_ptr<Checkpoint> &c : marks_) add_checkpoint(std::move(c));
    } catch (...) {
        // Those that are left go.
    }
    marks_.clear();
}

void Session::add_checkpoint(std::shared_ptr<Checkpoint> c) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto dropped = [](const std::shared_ptr<Checkpoint> &x) { return !x->live(); };
    checkpoints_.erase(std::remove_if(checkpoints_.begin(), checkpoints_.end(), dropped), checkpoints_.end());
    const auto after =
        std::upper_bound(checkpoints_.begin(), checkpoints_.end(), c->pos(),
                         [](uint32_t pos, const std::shared_ptr<Checkpoint> &x) { return pos < x->pos(); });
    checkpoints_.insert(after, std::move(c));
}

void Session::drop_checkpoints(uint32_t beyond) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    while (!checkpoints_.empty() && checkpoints_.back()->pos() > beyond) checkpoints_.pop_back();
}

} // namespace ds4
