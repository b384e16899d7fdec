// One timeline of tokens: its ids, its KV pages (shared until written) and its private state.
#pragma once

#include "model/engine.h"

#include <atomic>
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
    // Copies the first min(cap, pos) ids; returns pos.
    uint32_t copy_tokens(int32_t *out, uint32_t cap) const;
    uint32_t common_prefix(const int32_t *tokens, uint32_t n) const;

    // The caller holds the engine's mutex for these.
    std::unique_ptr<Session> fork();
    // Exact for every pos <= pos(); computes the kept tokens again when pos lies too far back. Throws; unchanged then.
    void rewind(uint32_t pos, const int32_t *cancel);

    // How the forward pass moves a session. begin() takes what n more tokens need: pages, and for a span too long to be
    // written in place a copy of the state. Then either commit() or abandon().
    void begin(uint32_t n_tokens);
    void commit(const int32_t *tokens, uint32_t n_tokens) noexcept;
    void abandon() noexcept;
    uint8_t *working_state() const noexcept { return working_ ? working_ : state_; }
    const std::vector<Page *> &pages() const noexcept { return pages_; }

    // Raw access for payloads; positions as in KvLayout. The caller holds the engine's mutex.
    uint8_t *state() const noexcept { return state_; }
    // Replaces the whole timeline: tokens, and state and pages already written by the caller through `fill`, which gets
    // the state and page pointers of a fresh timeline of n_tokens. Throws what fill throws; unchanged then.
    template <typename Fill> void replace(const int32_t *tokens, uint32_t n_tokens, Fill &&fill);

private:
    struct Bare {};
    Session(std::shared_ptr<Engine> engine, uint32_t n_ctx, Bare) : engine_(std::move(engine)), n_ctx_(n_ctx) {}
    void release_pages(size_t keep) noexcept;
    void swap_timeline(Session &other) noexcept;

    std::shared_ptr<Engine> engine_;
    const uint32_t n_ctx_;
    mutable std::mutex tokens_mutex_; // tokens_ may be read while a forward commits
    std::vector<int32_t> tokens_;
    std::atomic<uint32_t> pos_{0};
    uint32_t high_ = 0; // furthest position written to the rings since they were last consistent
    std::vector<Page *> pages_;
    uint8_t *state_ = nullptr;
    uint8_t *working_ = nullptr; // copy that a long span writes; swapped in on commit
};

template <typename Fill> void Session::replace(const int32_t *tokens, uint32_t n_tokens, Fill &&fill) {
    Session fresh(engine_, n_ctx_);
    fresh.begin(n_tokens);
    fill(fresh.working_state(), fresh.pages_);
    fresh.commit(tokens, n_tokens);
    fresh.high_ = n_tokens + rewind_slack; // only what the next token needs was filled: going back computes anew
    swap_timeline(fresh);
}

} // namespace ds4
