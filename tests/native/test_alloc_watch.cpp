// Replaces operator new for the test program, so that tests can count and limit what the library asks for.
#include "alloc_watch.h"
#include "check.h"

#include "base/error.h"

#include <cstdlib>
#include <memory>
#include <new>

namespace {

struct Counts {
    bool on = false;
    size_t limit = SIZE_MAX;
    uint64_t calls = 0, bytes = 0, refused = 0;
};
thread_local Counts counts;

void *watched(size_t size) {
    if (counts.on) {
        counts.calls++;
        counts.bytes += size;
        if (size > counts.limit) {
            counts.refused++;
            throw std::bad_alloc();
        }
    }
    if (void *p = std::malloc(size ? size : 1)) return p;
    throw std::bad_alloc();
}

} // namespace

void *operator new(size_t size) { return watched(size); }
void *operator new[](size_t size) { return watched(size); }
// All forms have to be ours: a sanitizer objects to memory that came from one family and goes back to another.
void *operator new(size_t size, const std::nothrow_t &) noexcept {
    try {
        return watched(size);
    } catch (const std::bad_alloc &) {
        return nullptr;
    }
}
void *operator new[](size_t size, const std::nothrow_t &tag) noexcept { return operator new(size, tag); }
void operator delete(void *p, const std::nothrow_t &) noexcept { std::free(p); }
void operator delete[](void *p, const std::nothrow_t &) noexcept { std::free(p); }
void operator delete(void *p) noexcept { std::free(p); }
void operator delete[](void *p) noexcept { std::free(p); }
void operator delete(void *p, size_t) noexcept { std::free(p); }
void operator delete[](void *p, size_t) noexcept { std::free(p); }

AllocWatch::AllocWatch(size_t limit) noexcept { counts = Counts{true, limit, 0, 0, 0}; }
AllocWatch::~AllocWatch() { counts.on = false; }
uint64_t AllocWatch::calls() const noexcept { return counts.calls; }
uint64_t AllocWatch::total_bytes() const noexcept { return counts.bytes; }
uint64_t AllocWatch::refused() const noexcept { return counts.refused; }

TEST(alloc_watch_counts_and_refuses) {
    AllocWatch watch(1000);
    { const std::vector<char> small(1000); }
    CHECK_EQ(watch.calls(), uint64_t(1));
    CHECK_EQ(watch.total_bytes(), uint64_t(1000));
    bool threw = false;
    try {
        const std::vector<char> large(1001);
    } catch (const std::bad_alloc &) {
        threw = true;
    }
    CHECK(threw);
    CHECK_EQ(watch.refused(), uint64_t(1));
}
