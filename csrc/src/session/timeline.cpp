// Sessions that go back, fork, return to checkpoints and take over other tokens.
//
// What lies too far back for the rings is computed in a session beside the old one, from the nearest checkpoint on, and
// exchanged with it when it is complete. So whatever fails on the way has not happened.
#include "session/session.h"

#include <algorithm>
#include <thread>

namespace ds4 {

// Computes tokens piece by piece. The engine is free for others between pieces.
struct Session::Pieces {
    Engine &engine;
    std::unique_lock<std::mutex> held;
    const int32_t *cancel;

    // The next tokens of `tokens`, up to position `to`. logits: NULL, or where those of the last one go.
    void run(Session &s, const int32_t *tokens, uint32_t to, float *logits, bool mark_end) {
        const uint32_t from = s.pos(), n = std::min(to - from, engine.n_batch()), last = n - 1;
        ForwardSpan span;
        span.session = &s;
        span.tokens = tokens + from;
        span.n_tokens = n;
        span.wanted = &last;
        span.n_wanted = logits ? 1 : 0;
        span.cancel = cancel;
        span.mark_end = mark_end && from + n == to;
        engine.forward(&span, 1, nullptr, Engine::Rows::keep);
        if (span.status != DS4X_OK) throw Error(ds4x_status(span.status), span.message);
        if (logits) std::copy_n(engine.own_logits(), engine.config().n_vocab, logits);
    }
    // Lets others compute, and `meanwhile` run. Then nothing may have changed the session.
    template <typename F> void pause(const Session &s, F &&meanwhile) {
        const uint32_t version = s.version_;
        held.unlock();
        meanwhile();
        std::this_thread::yield();
        held = engine.lock();
        if (s.version_ != version)
            fail(DS4X_ERR_STATE, "the session was changed while it was being computed, by the progress callback or by "
                                 "another thread");
    }
    void run_all(const Session &owner, Session &s, const int32_t *tokens, uint32_t to) {
        while (s.pos() < to) {
            run(s, tokens, to, nullptr, false);
            if (s.pos() < to) pause(owner, [] {});
        }
    }
};

void Session::swap_timeline(Session &other) noexcept {
    const std::scoped_lock lock(mutex_, other.mutex_);
    std::swap(tokens_, other.tokens_);
    std::swap(pages_, other.pages_);
    std::swap(state_, other.state_);
    std::swap(high_, other.high_);
    std::swap(checkpoints_, other.checkpoints_);
    const uint32_t mine = pos();
    pos_.store(other.pos(), std::memory_order_release);
    other.pos_.store(mine, std::memory_order_release);
    version_++;
    other.version_++;
}

// To a position that costs nothing. Checkpoints beyond it stay.
void Session::truncate(uint32_t to) noexcept {
    release_pages(size_t(engine_->pool().layout().pages_for(to)));
    const std::lock_guard<std::mutex> lock(mutex_);
    if (to == 0) high_ = 0;
    tokens_.resize(to);
    pos_.store(to, std::memory_order_release);
    version_++;
}

// A copy at the same position.
std::unique_ptr<Session> Session::twin() {
    KvPool &pool = engine_->pool();
    std::unique_ptr<Session> out(new Session(engine_, n_ctx_, Bare{}));
    out->state_ = pool.acquire_state();
    pool.backend().kv_copy(out->state_, state_, pool.layout().state_bytes);
    out->tokens_ = tokens_;
    out->checkpoints_ = checkpoints_;
    pool.share(pages_, pages_.size(), out->pages_);
    out->high_ = high_;
    out->auto_checkpoints_ = auto_checkpoints();
    out->pos_.store(pos(), std::memory_order_release);
    return out;
}

// Fills a fresh session; the checkpoint does not go away meanwhile.
void Session::restore(const Checkpoint &from, const int32_t *tokens) {
    tokens_.assign(tokens, tokens + from.pos());
    from.restore(pages_, state_);
    high_ = from.pos() ? from.pos() + rewind_slack - from.back() : 0;
    pos_.store(from.pos(), std::memory_order_release);
}

// A session at the nearest checkpoint at or before `to`, or at the start. It knows the checkpoints up to `known`.
std::unique_ptr<Session> Session::beside(uint32_t to, uint32_t known) const {
    for (;;) {
        const std::shared_ptr<Checkpoint> from = checkpoint_before(to);
        std::unique_ptr<Session> out(new Session(engine_, n_ctx_, Bare{}));
        out->in_place_ = true;
        out->auto_checkpoints_ = auto_checkpoints();
        for (const auto &c : checkpoints_)
            if (c->live() && c->pos() <= known) out->checkpoints_.push_back(c);
        if (!from) {
            out->state_ = engine_->pool().acquire_state();
            return out;
        }
        const Checkpoint::Pin pin(*from);
        if (!pin) continue; // dropped just now
        try {
            out->state_ = engine_->pool().acquire_state();
        } catch (const Error &) {
            // Perhaps the checkpoint itself holds the memory that is missing.
            if (from->pos() == 0) throw;
            to = from->pos() - 1;
            continue;
        }
        out->restore(*from, tokens_.data());
        return out;
    }
}

std::unique_ptr<Session> Session::fork() {
    const auto held = engine_->lock();
    mark(pos());
    keep_marks();
    return twin();
}

std::unique_ptr<Session> Session::fork_at(uint32_t to, const int32_t *cancel) {
    Pieces pieces{*engine_, engine_->lock(), cancel};
    if (to > pos()) fail(DS4X_ERR_ARGUMENT, "can not fork at position %u: the session is at %u", to, pos());
    std::unique_ptr<Session> out;
    if (costs_nothing(to, pos())) {
        out = twin();
        if (to < pos()) out->truncate(to);
        out->drop_checkpoints(to);
    } else {
        out = beside(to, to);
        const std::vector<int32_t> tokens(tokens_.begin(), tokens_.begin() + to);
        pieces.run_all(*this, *out, tokens.data(), to);
        out->in_place_ = false;
    }
    out->mark(to);
    const CheckpointList made = out->marks_; // shared
    out->keep_marks();
    for (const auto &c : made) add_checkpoint(c);
    return out;
}

void Session::rewind(uint32_t to, const int32_t *cancel) {
    Pieces pieces{*engine_, engine_->lock(), cancel};
    if (to > pos()) fail(DS4X_ERR_ARGUMENT, "can not rewind to position %u: the session is at %u", to, pos());
    if (to == pos()) return;
    if (costs_nothing(to, pos())) {
        truncate(to);
        drop_checkpoints(to);
        return;
    }
    const std::unique_ptr<Session> fresh = beside(to, to);
    const std::vector<int32_t> tokens(tokens_.begin(), tokens_.begin() + to);
    pieces.run_all(*this, *fresh, tokens.data(), to);
    swap_timeline(*fresh);
}

void Session::swap(Session &other) {
    if (other.engine_ != engine_) fail(DS4X_ERR_ARGUMENT, "can not swap sessions of different engines");
    if (other.n_ctx_ != n_ctx_)
        fail(DS4X_ERR_ARGUMENT, "can not swap sessions with n_ctx = %u and n_ctx = %u", n_ctx_, other.n_ctx_);
    const auto held = engine_->lock();
    if (&other != this) swap_timeline(other);
}

void Session::sync(const int32_t *tokens, uint32_t n, const int32_t *cancel, const Progress &progress, float *logits) {
    if (n == 0) fail(DS4X_ERR_ARGUMENT, "there are no tokens to hold: give at least one");
    if (n > n_ctx_) fail(DS4X_ERR_CONTEXT, "%u tokens do not fit n_ctx = %u", n, n_ctx_);
    const uint32_t n_vocab = engine_->config().n_vocab;
    for (uint32_t i = 0; i < n; i++)
        if (tokens[i] < 0 || uint32_t(tokens[i]) >= n_vocab)
            fail(DS4X_ERR_TOKEN, "token %d at offset %u is outside the vocabulary of %u", tokens[i], i, n_vocab);
    Pieces pieces{*engine_, engine_->lock(), cancel};
    const uint32_t common = common_prefix(tokens, n);
    const uint32_t keep = logits && common == n ? n - 1 : common; // the last token's logits are computed again
    std::unique_ptr<Session> fresh;
    bool exchange = true; // the fresh one takes this one's place when it is as far
    if (costs_nothing(common, pos())) {
        if (common < pos()) truncate(common);
        drop_checkpoints(common);
        if (keep < common) {
            fresh = costs_nothing(keep, common) ? twin() : beside(keep, common);
            if (fresh->pos() == common) fresh->truncate(keep);
            fresh->in_place_ = true;
            fresh->auto_checkpoints_ = exchange = false;
        }
    } else {
        fresh = beside(keep, common);
    }
    const bool mark_end = logits && n - keep > rewind_slack;
    Session *s = fresh ? fresh.get() : this;
    for (;;) {
        const uint32_t done = s->pos();
        const bool reached = s == this || done >= common;
        if (s != this && reached && exchange) {
            swap_timeline(*fresh);
            s = this;
        }
        if (done > keep && reached && progress)
            pieces.pause(*this, [&] { progress("prefill_chunk", done, n); });
        else if (done > keep && done < n)
            pieces.pause(*this, [] {});
        if (done == n) return;
        const bool wanted = logits && (progress || n - done <= engine_->n_batch());
        pieces.run(*s, tokens, n, wanted ? logits : nullptr, mark_end);
    }
}

std::unique_ptr<HeldCheckpoint> Session::checkpoint() {
    const auto held = engine_->lock();
    const uint32_t at = pos();
    std::vector<int32_t> tokens(tokens_);
    CheckpointList list;
    list.reserve(checkpoints_.size() + 1);
    for (const auto &c : checkpoints_)
        if (c->live() && c->pos() <= at) list.push_back(c);
    if (list.empty() || list.back()->pos() != at || !list.back()->own()) {
        while (!list.empty() && list.back()->pos() == at) list.pop_back(); // dropped just now
        list.push_back(Checkpoint::make(*engine_, at, pages_, state_, goes_back_from(at), false,
                                        list.empty() ? nullptr : list.back().get()));
    }
    std::shared_ptr<Checkpoint> made = list.back();
    std::unique_ptr<HeldCheckpoint> out;
    try {
        out = std::make_unique<HeldCheckpoint>(engine_, std::move(tokens), std::move(list));
    } catch (...) {
        made->disown();
        throw;
    }
    const bool known = std::find(checkpoints_.begin(), checkpoints_.end(), made) != checkpoints_.end();
    if (at && !known) add_checkpoint(std::move(made));
    return out;
}

std::unique_ptr<Session> Session::resume(const HeldCheckpoint &from, uint32_t n_ctx) {
    const auto held = from.engine()->lock();
    const Checkpoint &c = from.checkpoint();
    if (n_ctx < c.pos())
        fail(DS4X_ERR_CONTEXT, "n_ctx is %u, the checkpoint holds %u tokens: give at least that", n_ctx, c.pos());
    auto out = std::make_unique<Session>(from.engine(), n_ctx);
    out->restore(c, from.tokens().data());
    if (c.pos()) out->checkpoints_ = from.list();
    return out;
}

} // namespace ds4
