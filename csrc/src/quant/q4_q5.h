// Q4_0, Q4_1, Q5_0, Q5_1: 32 elements; nibbles, low ones first, in Q5 a fifth bit each; one scale, in _1 an offset.
#pragma once

#include "quant/load.h"

namespace ds4 {
namespace quant {

// half d [, half m][, uint32 high bits]; 16 bytes of nibbles. value = d * (q - centre) or d * q + m.
template <bool kHasMin, bool kFifthBit>
static inline void dequantize_nibbles32(const void *blocks, uint64_t n, float *out) {
    constexpr int high_at = kHasMin ? 4 : 2, q_at = high_at + (kFifthBit ? 4 : 0), centre = kFifthBit ? 16 : 8;
    const uint8_t *p = static_cast<const uint8_t *>(blocks);
    for (uint64_t b = 0; b < n / 32; b++, p += q_at + 16, out += 32) {
        const float d = load_half(p), m = kHasMin ? load_half(p + 2) : 0.f;
        const uint32_t high = kFifthBit ? load_u32(p + high_at) : 0;
        for (int i = 0; i < 32; i++) {
            int q = i < 16 ? p[q_at + i] & 15 : p[q_at + i - 16] >> 4;
            if (kFifthBit) q |= int((high >> i) & 1) << 4;
            out[i] = kHasMin ? d * float(q) + m : d * float(q - centre);
        }
    }
}
static inline void dequantize_q4_0(const void *blocks, uint64_t n, float *out) {
    dequantize_nibbles32<false, false>(blocks, n, out);
}
static inline void dequantize_q4_1(const void *blocks, uint64_t n, float *out) {
    dequantize_nibbles32<true, false>(blocks, n, out);
}
static inline void dequantize_q5_0(const void *blocks, uint64_t n, float *out) {
    dequantize_nibbles32<false, true>(blocks, n, out);
}
static inline void dequantize_q5_1(const void *blocks, uint64_t n, float *out) {
    dequantize_nibbles32<true, true>(blocks, n, out);
}

} // namespace quant
} // namespace ds4
