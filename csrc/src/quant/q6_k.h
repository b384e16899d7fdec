// Q6_K: 256 elements in 210 bytes. low[128], nibbles; high[64], 2 bits each; int8 scales[16]; half d.
// value = d * scale * (q - 32).
#pragma once

#include "quant/load.h"

namespace ds4 {
namespace quant {

struct Q6K {
    static constexpr int elements = 256, bytes = 210;
    static constexpr int low = 0, high = 128, scales = 192, d = 208; // offsets
};

// Element 128 h + 32 s + i: nibble s / 2 of low[64 h + 32 (s & 1) + i] and bits 2 s, 2 s + 1 of high[32 h + i].
static inline void dequantize_q6_k(const void *blocks, uint64_t n, float *out) {
    const uint8_t *p = static_cast<const uint8_t *>(blocks);
    for (uint64_t b = 0; b < n / Q6K::elements; b++, p += Q6K::bytes, out += Q6K::elements) {
        const float d = load_half(p + Q6K::d);
        for (int g = 0; g < 16; g++) {
            const float scale = d * float(int8_t(p[Q6K::scales + g]));
            const int h = g / 8, s = (g / 2) & 3, half = 16 * (g & 1);
            const uint8_t *low = p + Q6K::low + 64 * h + 32 * (s & 1) + half, *high = p + Q6K::high + 32 * h + half;
            for (int i = 0; i < 16; i++) {
                const int v = ((low[i] >> (4 * (s / 2))) & 15) | ((high[i] >> (2 * s)) & 3) << 4;
                out[16 * g + i] = scale * float(v - 32);
            }
        }
    }
}

} // namespace quant
} // namespace ds4
