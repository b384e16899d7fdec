// Reference-counted KV pages, session states and checkpoints, in backend memory, within byte budgets. Thread-safe.
#pragma once

#include "backend/backend.h"

#include <atomic>
#include <limits>
#include <mutex>
#include <vector>

namespace ds4 {

struct Page {
    uint8_t *data = nullptr;
    uint32_t refs = 0; // guarded by the pool
};

// What a checkpoint holds of the pool, which knows it while it is live.
struct Stored {
    Stored(uint32_t pos, bool automatic) : pos(pos), automatic(automatic) {}
    const uint32_t pos;            // tokens
    const bool automatic;          // may be dropped to make room, unless pinned or owned
    std::atomic<bool> live{false}; // false: it holds nothing (any more)
    // Guarded by the pool; pages and packed do not change while it is pinned.
    std::vector<Page *> pages;
    uint8_t *packed = nullptr; // [bytes]
    size_t bytes = 0;
    uint32_t pins = 0;
    uint32_t owners = 0;      // handles of callers
    Stored *before = nullptr; // the nearest earlier live one of its timeline
};

class KvPool {
public:
    // Budgets in bytes: of everything (0: no limit), and of automatic checkpoints.
    KvPool(Backend &backend, const KvLayout &layout, uint64_t bytes_max, uint64_t automatic_bytes_max)
        : backend_(backend), layout_(layout), bytes_max_(bytes_max), automatic_bytes_max_(automatic_bytes_max) {}
    ~KvPool();
    KvPool(const KvPool &) = delete;
    KvPool &operator=(const KvPool &) = delete;

    const KvLayout &layout() const noexcept { return layout_; }
    Backend &backend() noexcept { return backend_; }

    // One reference each. Automatic checkpoints are dropped where that makes the room. Throw Error(MEMORY) with the
    // numbers when the budget or the memory is exhausted.
    Page *acquire_page();
    uint8_t *acquire_state();
    void unref(Page *page) noexcept; // NULL is allowed
    void release_state(uint8_t *state) noexcept;
    // The first n pages, with one more reference each; `out` is empty before.
    void share(const std::vector<Page *> &pages, size_t n, std::vector<Page *> &out);
    // The page itself when nobody else holds it, else a private copy in its place (and one reference less).
    Page *make_private(Page *page);

    // Makes `s` live and pinned, with the first n pages and room for `bytes` bytes. False when it is automatic and there
    // is no room that checkpoints worth less could make; throws Error(MEMORY) when it is not automatic. That one has an
    // owner. before: the nearest earlier one of its timeline, or NULL.
    bool store(Stored &s, const std::vector<Page *> &pages, size_t n, size_t bytes, Stored *before);
    bool pin(Stored &s) noexcept; // false: not live
    void unpin(Stored &s) noexcept;
    bool own(Stored &s) noexcept; // one owner more; false: not live
    void disown(Stored &s) noexcept;
    void forget(Stored &s) noexcept; // its object goes

    uint64_t page_bytes_used() const noexcept;
    uint64_t state_bytes_used() const noexcept;
    uint64_t checkpoint_bytes_used() const noexcept;

private:
    // The caller holds the mutex for all of these.
    uint64_t used() const noexcept;
    uint8_t *try_allocate(size_t bytes) noexcept; // NULL: no room
    uint8_t *allocate(size_t bytes, const char *what);
    [[noreturn]] void refuse(size_t bytes, const char *what) const;
    void drop_page(Page *page) noexcept;
    void drop(Stored &s) noexcept;
    void drop_unheld(Stored &s) noexcept;
    // Drops the automatic checkpoint that saves the fewest tokens per byte, the oldest among equals, if that is no more
    // than `worth`. False when there is none.
    bool drop_worst(double worth = std::numeric_limits<double>::infinity()) noexcept;
    bool fits(size_t bytes, double worth) const noexcept; // once those worth no more than this are dropped

    Backend &backend_;
    const KvLayout &layout_;
    const uint64_t bytes_max_, automatic_bytes_max_;
    mutable std::mutex mutex_;
    uint64_t n_pages_ = 0, n_states_ = 0; // in use
    uint8_t *spare_state_ = nullptr;      // kept for the next long span, which needs a second state for its duration
    std::vector<Stored *> stored_;        // all that are live, oldest first
    uint64_t stored_bytes_ = 0, automatic_bytes_ = 0;
};

} // namespace ds4
