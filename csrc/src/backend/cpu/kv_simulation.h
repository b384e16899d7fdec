// The rounding of KV rows that the released model was trained with: E4M3 for attention rows, E2M1 after a Hadamard
// transform for indexer rows, both with power-of-two scales.
#pragma once

#include <cstdint>

namespace ds4 {

// The first n channels (the ones that are not rotated; a multiple of 64), in blocks of 64.
void simulate_kv_row(float *x, int64_t n) noexcept;
// All n channels (a power of two, at least 32): Walsh-Hadamard, then blocks of 32.
void simulate_index_row(float *x, int64_t n) noexcept;

} // namespace ds4
