// The page pool: allocation within the budget, references, and which checkpoint goes when there is no room.
#include "kv/pool.h"

#include <algorithm>
#include <memory>

namespace ds4 {
namespace {

// Tokens that need not be computed again, per byte.
double worth_of(const Stored &s, size_t bytes) noexcept {
    return double(s.pos - (s.before ? s.before->pos : 0)) / double(std::max<size_t>(bytes, 1));
}
bool droppable(const Stored &s) noexcept { return s.automatic && !s.pins && !s.owners; }

} // namespace

KvPool::~KvPool() {
    if (spare_state_) backend_.kv_free(spare_state_, layout_.state_bytes);
}

// ---------------------------------------------------------------------------------------------------------- allocation

uint64_t KvPool::used() const noexcept {
    return n_pages_ * layout_.page_bytes + (n_states_ + (spare_state_ ? 1 : 0)) * layout_.state_bytes + stored_bytes_;
}

uint8_t *KvPool::try_allocate(size_t bytes) noexcept {
    for (;;) {
        uint8_t *data = bytes_max_ && used() + bytes > bytes_max_ ? nullptr : backend_.kv_alloc(bytes);
        if (data || !spare_state_) return data;
        backend_.kv_free(spare_state_, layout_.state_bytes); // a state kept for later makes room first
        spare_state_ = nullptr;
    }
}

void KvPool::refuse(size_t bytes, const char *what) const {
    if (bytes_max_ && used() + bytes > bytes_max_)
        fail(DS4X_ERR_MEMORY, "no room for a %s of %zu bytes: %llu of the KV budget of %llu bytes are in use", what,
             bytes, (unsigned long long)used(), (unsigned long long)bytes_max_);
    fail(DS4X_ERR_MEMORY, "out of memory for a %s of %zu bytes", what, bytes);
}

uint8_t *KvPool::allocate(size_t bytes, const char *what) {
    for (;;) {
        if (uint8_t *data = try_allocate(bytes)) return data;
        if (!drop_worst()) refuse(bytes, what);
    }
}

// ------------------------------------------------------------------------------------------------------ pages and states

Page *KvPool::acquire_page() {
    auto page = std::make_unique<Page>();
    const std::lock_guard<std::mutex> lock(mutex_);
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

void KvPool::share(const std::vector<Page *> &pages, size_t n, std::vector<Page *> &out) {
    out.reserve(n + 1);
    const std::lock_guard<std::mutex> lock(mutex_);
    for (size_t i = 0; i < n; i++) {
        pages[i]->refs++;
        out.push_back(pages[i]);
    }
}

void KvPool::drop_page(Page *page) noexcept {
    if (--page->refs) return;
    backend_.kv_free(page->data, layout_.page_bytes);
    delete page;
    n_pages_--;
}

void KvPool::unref(Page *page) noexcept {
    if (!page) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    drop_page(page);
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
    auto copy = std::make_unique<Page>();
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        while (!(copy->data = try_allocate(layout_.page_bytes))) {
            if (!drop_worst()) refuse(layout_.page_bytes, "KV page");
            if (page->refs == 1) return page; // it was only shared with what has gone
        }
        copy->refs = 1;
        n_pages_++;
    }
    backend_.kv_copy(copy->data, page->data, layout_.page_bytes);
    unref(page);
    return copy.release();
}

// --------------------------------------------------------------------------------------------------------- checkpoints

bool KvPool::fits(size_t bytes, double worth) const noexcept {
    uint64_t room = 0;
    for (const Stored *s : stored_)
        if (droppable(*s) && worth_of(*s, s->bytes) <= worth) room += s->bytes;
    return automatic_bytes_ + bytes <= automatic_bytes_max_ + room &&
           (!bytes_max_ || used() + bytes <= bytes_max_ + room);
}

bool KvPool::store(Stored &s, const std::vector<Page *> &pages, size_t n, size_t bytes, Stored *before) {
    s.pages.reserve(n);
    const std::lock_guard<std::mutex> lock(mutex_);
    stored_.reserve(stored_.size() + 1);
    s.before = before && before->live ? before : nullptr;
    if (s.automatic) {
        const double worth = worth_of(s, bytes);
        if (!fits(bytes, worth)) return false;
        const auto full = [&] {
            return automatic_bytes_ + bytes > automatic_bytes_max_ || (bytes_max_ && used() + bytes > bytes_max_);
        };
        while (full())
            if (!drop_worst(worth)) return false;
        if (bytes && !(s.packed = backend_.kv_alloc(bytes))) return false;
    } else {
        if (bytes) s.packed = allocate(bytes, "checkpoint");
        s.owners = 1;
    }
    while (s.before && !s.before->live) s.before = s.before->before; // dropped just now
    for (size_t i = 0; i < n; i++) {
        pages[i]->refs++;
        s.pages.push_back(pages[i]);
    }
    s.bytes = bytes;
    s.pins = 1;
    stored_.push_back(&s);
    stored_bytes_ += bytes;
    if (s.automatic) automatic_bytes_ += bytes;
    s.live.store(true, std::memory_order_release);
    return true;
}

void KvPool::drop(Stored &s) noexcept {
    s.live.store(false, std::memory_order_release);
    for (Page *page : s.pages) drop_page(page);
    std::vector<Page *>().swap(s.pages);
    if (s.packed) backend_.kv_free(s.packed, s.bytes);
    s.packed = nullptr;
    stored_bytes_ -= s.bytes;
    if (s.automatic) automatic_bytes_ -= s.bytes;
    stored_.erase(std::find(stored_.begin(), stored_.end(), &s));
    for (Stored *other : stored_)
        if (other->before == &s) other->before = s.before;
}

// Nobody's any more: only automatic ones stay for the sessions that know them.
void KvPool::drop_unheld(Stored &s) noexcept {
    if (s.live && !s.automatic && !s.pins && !s.owners) drop(s);
}

bool KvPool::drop_worst(double worth) noexcept {
    Stored *worst = nullptr;
    for (Stored *s : stored_) {
        if (!droppable(*s)) continue;
        const double w = worth_of(*s, s->bytes);
        if (worst ? w >= worth : w > worth) continue;
        worst = s;
        worth = w;
    }
    if (worst) drop(*worst);
    return worst != nullptr;
}

bool KvPool::pin(Stored &s) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (s.live) s.pins++;
    return s.live;
}

void KvPool::unpin(Stored &s) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    s.pins--;
    drop_unheld(s);
}

bool KvPool::own(Stored &s) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (s.live) s.owners++;
    return s.live;
}

void KvPool::disown(Stored &s) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    s.owners--;
    drop_unheld(s);
}

void KvPool::forget(Stored &s) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (s.live) drop(s);
}

// -------------------------------------------------------------------------------------------------------------- memory

uint64_t KvPool::page_bytes_used() const noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    return n_pages_ * layout_.page_bytes;
}

uint64_t KvPool::state_bytes_used() const noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    return (n_states_ + (spare_state_ ? 1 : 0)) * layout_.state_bytes;
}

uint64_t KvPool::checkpoint_bytes_used() const noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    return stored_bytes_;
}

} // namespace ds4
