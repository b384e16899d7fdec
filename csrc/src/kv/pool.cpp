// The page pool.
#include "kv/pool.h"

#include <new>

namespace ds4 {

KvPool::~KvPool() {
    if (spare_state_) backend_.kv_free(spare_state_, layout_.state_bytes);
}

uint8_t *KvPool::allocate(size_t bytes, const char *what) {
    const auto used = [&] {
        return n_pages_ * layout_.page_bytes + (n_states_ + (spare_state_ ? 1 : 0)) * layout_.state_bytes;
    };
    if (bytes_max_ && used() + bytes > bytes_max_ && spare_state_) { // a state kept for later makes room first
        backend_.kv_free(spare_state_, layout_.state_bytes);
        spare_state_ = nullptr;
    }
    if (bytes_max_ && used() + bytes > bytes_max_)
        fail(DS4X_ERR_MEMORY, "no room for a %s of %zu bytes: %llu of the KV budget of %llu bytes are in use", what,
             bytes, (unsigned long long)used(), (unsigned long long)bytes_max_);
    uint8_t *data = backend_.kv_alloc(bytes);
    if (!data) fail(DS4X_ERR_MEMORY, "out of memory for a %s of %zu bytes", what, bytes);
    return data;
}

Page *KvPool::acquire_page() {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto page = std::make_unique<Page>();
    page->data = allocate(layout_.page_bytes, "KV page");
    page->refs = 1;
    n_pages_++;
    return page.release();
}

uint8_t *KvPool::acquire_state() {
    const std::lock_guard<std::mutex> lock(mutex_);
    uint8_t *state = spare_state_ ? spare_state_ : allocate(layout_.state_bytes, "session state");
    spare_state_ = nullptr;
    n_states_++;
    return state;
}

void KvPool::ref(Page *page) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    page->refs++;
}

void KvPool::unref(Page *page) noexcept {
    if (!page) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--page->refs) return;
    backend_.kv_free(page->data, layout_.page_bytes);
    delete page;
    n_pages_--;
}

void KvPool::release_state(uint8_t *state) noexcept {
    if (!state) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    n_states_--;
    if (spare_state_)
        backend_.kv_free(state, layout_.state_bytes);
    else
        spare_state_ = state;
}

Page *KvPool::make_private(Page *page) {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (page->refs == 1) return page;
    }
    Page *copy = acquire_page();
    backend_.kv_copy(copy->data, page->data, layout_.page_bytes);
    unref(page);
    return copy;
}

uint64_t KvPool::page_bytes_used() const noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    return n_pages_ * layout_.page_bytes;
}

uint64_t KvPool::state_bytes_used() const noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    return (n_states_ + (spare_state_ ? 1 : 0)) * layout_.state_bytes;
}

} // namespace ds4
