// The program's own allocation functions and pthread_create.
#include "fault_alloc.h"

#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <new>
#include <unordered_map>

extern "C" {
void *__real_malloc(size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
}

namespace {

std::atomic<uint64_t> n_requests{0}, n_refused{0}, first_refused{0}, n_refused_threads{0};
std::atomic<bool> all_later{false};
std::atomic<int> scopes{0}, watching{0};

// What is live, in memory that is not watched itself.
template <typename T> struct Unwatched {
    using value_type = T;
    Unwatched() = default;
    template <typename U> Unwatched(const Unwatched<U> &) {}
    T *allocate(size_t n) {
        if (void *p = __real_malloc(n * sizeof(T))) return static_cast<T *>(p);
        throw std::bad_alloc();
    }
    void deallocate(T *p, size_t) { __real_free(p); }
    template <typename U> bool operator==(const Unwatched<U> &) const { return true; }
    template <typename U> bool operator!=(const Unwatched<U> &) const { return false; }
};
struct Blocks {
    std::mutex mutex;
    std::unordered_map<void *, size_t, std::hash<void *>, std::equal_to<void *>,
                       Unwatched<std::pair<void *const, size_t>>>
        sizes;
    uint64_t bytes = 0;
};
Blocks &blocks() {
    alignas(Blocks) static unsigned char place[sizeof(Blocks)];
    static Blocks *const all = new (place) Blocks; // never destroyed: memory is freed until the very end
    return *all;
}

bool refuse() noexcept {
    if (!scopes || watching) return false;
    const uint64_t number = ++n_requests, first = first_refused;
    if (!first || number < first || (number > first && !all_later)) return false;
    n_refused++;
    return true;
}
void *remember(void *p, size_t size) noexcept {
    if (!p || !scopes) return p;
    Blocks &b = blocks();
    const std::lock_guard<std::mutex> lock(b.mutex);
    b.sizes[p] = size;
    b.bytes += size;
    return p;
}
void forget(void *p) noexcept {
    if (!p) return;
    Blocks &b = blocks();
    const std::lock_guard<std::mutex> lock(b.mutex);
    const auto found = b.sizes.find(p);
    if (found == b.sizes.end()) return;
    b.bytes -= found->second;
    b.sizes.erase(found);
}

void *take(size_t size, size_t alignment = 0) noexcept {
    if (refuse()) return nullptr;
    if (!size) size = 1;
    if (!alignment) return remember(__real_malloc(size), size);
    return remember(std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment), size);
}
void *take_or_throw(size_t size, size_t alignment = 0) {
    if (void *p = take(size, alignment)) return p;
    throw std::bad_alloc();
}
void give_back(void *p) noexcept {
    forget(p);
    __real_free(p);
}

} // namespace

namespace faults {

void arm(uint64_t n, bool every_later) noexcept {
    n_requests = n_refused = 0;
    all_later = every_later;
    first_refused = n;
}
void disarm() noexcept { first_refused = 0; }
uint64_t requests() noexcept { return n_requests; }
uint64_t refused() noexcept { return n_refused; }
uint64_t refused_threads() noexcept { return n_refused_threads; }
Live live() noexcept {
    Blocks &b = blocks();
    const std::lock_guard<std::mutex> lock(b.mutex);
    return {b.sizes.size(), b.bytes};
}
Scope::Scope(Kind kind) noexcept : kind_(kind) {
    if (kind_ == Scope::watching) ::watching++;
    scopes++;
}
Scope::~Scope() {
    scopes--;
    if (kind_ == Scope::watching) ::watching--;
}

} // namespace faults

extern "C" {

void *__wrap_malloc(size_t size) { return take(size); }
void __wrap_free(void *p) { give_back(p); }
void *__wrap_realloc(void *p, size_t size) {
    if (refuse()) return nullptr;
    forget(p);
    return remember(__real_realloc(p, size), size);
}

__attribute__((visibility("default"))) // libstdc++ starts its threads with this one
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) noexcept {
    if (refuse()) {
        n_refused_threads++;
        return EAGAIN;
    }
    using Create = int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    static const Create real = reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
    return real(thread, attributes, run, argument);
}

} // extern "C"

void *operator new(size_t size) { return take_or_throw(size); }
void *operator new[](size_t size) { return take_or_throw(size); }
void *operator new(size_t size, const std::nothrow_t &) noexcept { return take(size); }
void *operator new[](size_t size, const std::nothrow_t &) noexcept { return take(size); }
void *operator new(size_t size, std::align_val_t alignment) { return take_or_throw(size, size_t(alignment)); }
void *operator new[](size_t size, std::align_val_t alignment) { return take_or_throw(size, size_t(alignment)); }
void *operator new(size_t size, std::align_val_t alignment, const std::nothrow_t &) noexcept {
    return take(size, size_t(alignment));
}
void *operator new[](size_t size, std::align_val_t alignment, const std::nothrow_t &) noexcept {
    return take(size, size_t(alignment));
}
void operator delete(void *p) noexcept { give_back(p); }
void operator delete[](void *p) noexcept { give_back(p); }
void operator delete(void *p, size_t) noexcept { give_back(p); }
void operator delete[](void *p, size_t) noexcept { give_back(p); }
void operator delete(void *p, const std::nothrow_t &) noexcept { give_back(p); }
void operator delete[](void *p, const std::nothrow_t &) noexcept { give_back(p); }
void operator delete(void *p, std::align_val_t) noexcept { give_back(p); }
void operator delete[](void *p, std::align_val_t) noexcept { give_back(p); }
void operator delete(void *p, size_t, std::align_val_t) noexcept { give_back(p); }
void operator delete[](void *p, size_t, std::align_val_t) noexcept { give_back(p); }
void operator delete(void *p, std::align_val_t, const std::nothrow_t &) noexcept { give_back(p); }
void operator delete[](void *p, std::align_val_t, const std::nothrow_t &) noexcept { give_back(p); }
