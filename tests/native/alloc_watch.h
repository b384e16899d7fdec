// Watches operator new on the calling thread: how often, how much, and a limit above which it refuses.
#pragma once

#include <cstddef>
#include <cstdint>

// From construction to destruction; not nested.
class AllocWatch {
public:
    explicit AllocWatch(size_t limit = SIZE_MAX) noexcept; // a single request above `limit` bytes gets std::bad_alloc
    ~AllocWatch();
    AllocWatch(const AllocWatch &) = delete;
    AllocWatch &operator=(const AllocWatch &) = delete;

    uint64_t calls() const noexcept;
    uint64_t total_bytes() const noexcept; // requested, freed or not
    uint64_t refused() const noexcept;     // requests above the limit
};
