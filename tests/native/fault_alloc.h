// Refuses memory and threads to the code under test, one request or all from one on, and counts what it leaves behind.
//
// It is the program's own operator new, malloc, realloc and pthread_create. Only what is asked for while a Scope exists,
// by whichever thread, belongs to the code under test.
#pragma once

#include <cstdint>

namespace faults {

// Refuses request number n (from 1), counted from now on, or that and every later one; 0: counts only.
void arm(uint64_t n, bool every_later) noexcept;
void disarm() noexcept; // goes on counting
uint64_t requests() noexcept;
uint64_t refused() noexcept;
uint64_t refused_threads() noexcept; // of them, since the program began

// Requested and not given back.
struct Live {
    uint64_t count = 0, bytes = 0;
    bool operator==(const Live &o) const { return count == o.count && bytes == o.bytes; }
};
Live live() noexcept;

class Scope {
public:
    enum Kind { refusing, watching }; // watching: nothing is refused or counted as a request
    explicit Scope(Kind kind = refusing) noexcept;
    ~Scope();
    Scope(const Scope &) = delete;
    Scope &operator=(const Scope &) = delete;

private:
    const Kind kind_;
};

} // namespace faults
