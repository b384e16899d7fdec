// Q5_K: 256 elements in 176 bytes. half d, dmin; scales as in Q4_K; high[32], bit g of high[i] is the fifth bit of
// element 32 g + i; q[128], nibbles as in Q4_K. value = d * scale * q - dmin * minimum.
#pragma once

#include "quant/q4_k.h"

namespace ds4 {
namespace quant {

struct Q5K {
    static constexpr int elements = 256, bytes = 176;
    static constexpr int d = 0, dmin = 2, scales = 4, high = 16, q = 48; // offsets
};

static inline void dequantize_q5_k(const void *blocks, uint64_t n, float *out) {
    const uint8_t *p = static_cast<const uint8_t *>(blocks);
    for (uint64_t b = 0; b < n / Q5K::elements; b++, p += Q5K::bytes, out += Q5K::elements) {
        const float d = load_half(p + Q5K::d), dmin = load_half(p + Q5K::dmin);
        uint64_t scales, minimums;
        unpack_scales_q4_k(p + Q5K::scales, &scales, &minimums);
        for (int g = 0; g < 8; g++) {
            const float scale = d * float((scales >> (8 * g)) & 63), minimum = dmin * float((minimums >> (8 * g)) & 63);
            const uint8_t *q = p + Q5K::q + 32 * (g / 2), *high = p + Q5K::high;
            for (int i = 0; i < 32; i++) {
                const int v = ((q[i] >> (4 * (g & 1))) & 15) | ((high[i] >> g) & 1) << 4;
                out[32 * g + i] = scale * float(v) - minimum;
            }
        }
    }
}

} // namespace quant
} // namespace ds4
