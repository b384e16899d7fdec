// Reference-counted KV pages and private session states, in backend memory, within a byte budget. Thread-safe.
#pragma once

#include "backend/backend.h"

#include <mutex>
#include <vector>

namespace ds4 {

struct Page {
    uint8_t *data = nullptr;
    uint32_t refs = 0; // guarded by the pool
};

class KvPool {
public:
    KvPool(Backend &backend, const KvLayout &layout, uint64_t bytes_max) // bytes_max 0: no limit
        : backend_(backend), layout_(layout), bytes_max_(bytes_max) {}
    ~KvPool();
    KvPool(const KvPool &) = delete;
    KvPool &operator=(const KvPool &) = delete;

    const KvLayout &layout() const noexcept { return layout_; }
    Backend &backend() noexcept { return backend_; }

    // One reference each. Throw Error(MEMORY) with the numbers when the budget or the memory is exhausted.
    Page *acquire_page();
    uint8_t *acquire_state();
    void ref(Page *page) noexcept;
    void unref(Page *page) noexcept; // NULL is allowed
    void release_state(uint8_t *state) noexcept;
    // The page itself when nobody else holds it, else a private copy in its place (and one reference less).
    Page *make_private(Page *page);

    uint64_t page_bytes_used() const noexcept;
    uint64_t state_bytes_used() const noexcept;

private:
    uint8_t *allocate(size_t bytes, const char *what);

    Backend &backend_;
    const KvLayout &layout_;
    const uint64_t bytes_max_;
    mutable std::mutex mutex_;
    uint64_t n_pages_ = 0, n_states_ = 0; // in use
    uint8_t *spare_state_ = nullptr;      // kept for the next long span, which needs a second state for its duration
};

} // namespace ds4
