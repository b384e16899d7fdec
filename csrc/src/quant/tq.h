// TQ1_0 and TQ2_0: ternary weights (-1, 0, 1), 256 elements with one half scale d at the end.
#pragma once

#include "quant/load.h"

namespace ds4 {
namespace quant {

// TQ1_0, 54 bytes: 52 bytes of base-3 digits as a fraction of 256, the most significant digit first. Multiplying a byte
// by 3^k (modulo 256) brings digit k to the front. 32 bytes hold 5 x 32 elements, 16 hold 5 x 16, the last 4 hold
// 4 x 4.
static inline void dequantize_tq1_0(const void *blocks, uint64_t n, float *out) {
    static constexpr uint8_t power[5] = {1, 3, 9, 27, 81};
    static constexpr int run[3] = {32, 16, 4}, digits[3] = {5, 5, 4};
    const uint8_t *p = static_cast<const uint8_t *>(blocks);
    for (uint64_t b = 0; b < n / 256; b++, p += 54) {
        const float d = load_half(p + 52);
        const uint8_t *q = p;
        for (int part = 0; part < 3; q += run[part++])
            for (int k = 0; k < digits[part]; k++)
                for (int i = 0; i < run[part]; i++) *out++ = d * float((uint8_t(q[i] * power[k]) * 3 >> 8) - 1);
    }
}

// TQ2_0, 66 bytes: 64 bytes of 2-bit codes, value code - 1, ordered as in Q2_K.
static inline void dequantize_tq2_0(const void *blocks, uint64_t n, float *out) {
    const uint8_t *p = static_cast<const uint8_t *>(blocks);
    for (uint64_t b = 0; b < n / 256; b++, p += 66) {
        const float d = load_half(p + 64);
        for (int h = 0; h < 2; h++)
            for (int s = 0; s < 4; s++)
                for (int i = 0; i < 32; i++) *out++ = d * float(((p[32 * h + i] >> (2 * s)) & 3) - 1);
    }
}

} // namespace quant
} // namespace ds4
