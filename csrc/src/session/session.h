// One timeline of tokens: its ids, its KV pages (shared until written), its private state and its checkpoints.
#pragma once

#include "model/engine.h"
#include "session/checkpoint.h"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace ds4 {

class Session {
public:
    // Throws Error(MEMORY | STATE | ARGUMENT).
    Session(std::shared_ptr<Engine> engine, uint32_t n_ctx);
    ~Session();
    Session(const Session &) = delete;
    Session &operator=(const Session &) = delete;

    Engine &engine() const noexcept { return *engine_; }
    const std::shared_ptr<Engine> &engine_ptr() const noexcept { return engine_; }
    uint32_t n_ctx() const noexcept { return n_ctx_; }
    uint32_t pos() const noexcept { return pos_.load(std::memory_order_acquire); }

    // These wait for no forward.
    uint32_t copy_tokens(int32_t *out, uint32_t cap) const; // the first min(cap, pos) ids; returns pos
    uint32_t common_prefix(const int32_t *tokens, uint32_t n) const;
    uint32_t near(uint32_t to) const;                             // the furthest position <= to that costs nothing
    uint32_t copy_checkpoints(uint32_t *out, uint32_t cap) const; // ascending positions; returns how many there are
    void set_auto_checkpoints(bool enable) noexcept { auto_checkpoints_ = enable; }
    bool auto_checkpoints() const noexcept { return auto_checkpoints_; }

    // Moves through time, in timeline.cpp. They take the engine's mutex, for one piece of n_batch tokens at a time where
    // they compute, and throw; the session is unchanged then, except that sync() may leave a beginning of its tokens.
    // Called with event "prefill_chunk", tokens done and tokens in all.
    using Progress = std::function<void(const char *, uint32_t, uint32_t)>;
    std::unique_ptr<Session> fork();
    std::unique_ptr<Session> fork_at(uint32_t to, const int32_t *cancel);
    void rewind(uint32_t to, const int32_t *cancel);
    void swap(Session &other);
    void sync(const int32_t *tokens, uint32_t n, const int32_t *cancel, const Progress &progress, float *logits);
    std::unique_ptr<HeldCheckpoint> checkpoint();
    static std::unique_ptr<Session> resume(const HeldCheckpoint &from, uint32_t n_ctx);

    // How the forward pass moves a session; the caller holds the engine's mutex. begin() takes what n more tokens need:
    // pages, and for a span too long to be written in place a copy of the state. Then either commit() or abandon().
    void begin(uint32_t n_tokens);
    void commit(const int32_t *tokens, uint32_t n_tokens) noexcept;
    void abandon() noexcept;
    uint8_t *working_state() const noexcept { return working_ ? working_ : state_; }
    const std::vector<Page *> &pages() const noexcept { return pages_; }
    // Makes an automatic checkpoint where the working state stands, if there is none yet and there is room. It becomes
    // the session's with the next commit().
    void mark(uint32_t at) noexcept;

    // Raw access for saved sessions; positions as in KvLayout. The caller holds the engine's mutex.
    uint8_t *state() const noexcept { return state_; }
    // Replaces the whole timeline: tokens, and state and pages already written by the caller through `fill`, which gets
    // the state and page pointers of a fresh timeline of n_tokens. Throws what fill throws; unchanged then.
    template <typename Fill> void replace(const int32_t *tokens, uint32_t n_tokens, Fill &&fill);

private:
    struct Bare {};
    Session(std::shared_ptr<Engine> engine, uint32_t n_ctx, Bare) : engine_(std::move(engine)), n_ctx_(n_ctx) {}
    void release_pages(size_t keep) noexcept;
    void swap_timeline(Session &other) noexcept;
    void truncate(uint32_t to) noexcept;
    void drop_checkpoints(uint32_t beyond) noexcept;
    void keep_marks() noexcept;
    void add_checkpoint(std::shared_ptr<Checkpoint> c);
    std::shared_ptr<Checkpoint> checkpoint_before(uint32_t to) const; // the nearest live one at or before; may be NULL
    bool costs_nothing(uint32_t to, uint32_t from) const noexcept;
    bool goes_back_from(uint32_t at) const noexcept; // a checkpoint there may go back by one
    std::unique_ptr<Session> twin();
    std::unique_ptr<Session> beside(uint32_t to, uint32_t known) const;
    void restore(const Checkpoint &from, const int32_t *tokens);
    struct Pieces;

    std::shared_ptr<Engine> engine_;
    const uint32_t n_ctx_;
    std::atomic<bool> auto_checkpoints_{true};
    bool in_place_ = false;    // nobody sees it before it is complete: long spans need no second state
    mutable std::mutex mutex_; // of tokens_, pos_, high_ and checkpoints_, which others may read meanwhile
    std::vector<int32_t> tokens_;
    std::atomic<uint32_t> pos_{0};
    std::atomic<uint32_t> version_{0}; // raised with every change
    uint32_t high_ = 0;                // furthest position written to the rings since they were last consistent
    CheckpointList checkpoints_;       // ascending; some may have been dropped
    CheckpointList marks_;             // made by the span that is being computed
    std::vector<Page *> pages_;
    uint8_t *state_ = nullptr;
    uint8_t *working_ = nullptr; // copy that a long span writes; swapped in on commit
};

template <typename Fill> void Session::replace(const int32_t *tokens, uint32_t n_tokens, Fill &&fill) {
    Session fresh(engine_, n_ctx_);
    fresh.in_place_ = true;
    fresh.begin(n_tokens);
    fill(fresh.working_state(), fresh.pages_);
    fresh.commit(tokens, n_tokens);
    fresh.high_ = n_tokens + rewind_slack; // only what the next token needs was filled: going back computes anew
    swap_timeline(fresh);
    mark(n_tokens);
    keep_marks();
}

} // namespace ds4
