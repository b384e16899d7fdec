// Q3_K: 256 elements in 110 bytes. high[32], one bit each (clear = subtract 4); q[64], 2 bits each; scales[12], sixteen
// of 6 bits; half d. value = d * (scale - 32) * q.
#pragma once

#include "quant/load.h"

namespace ds4 {
namespace quant {

struct Q3K {
    static constexpr int elements = 256, bytes = 110;
    static constexpr int high = 0, q = 32, scales = 96, d = 108; // offsets
};

static inline void dequantize_q3_k(const void *blocks, uint64_t n, float *out) {
    const uint8_t *p = static_cast<const uint8_t *>(blocks);
    for (uint64_t b = 0; b < n / Q3K::elements; b++, p += Q3K::bytes, out += Q3K::elements) {
        const float d = load_half(p + Q3K::d);
        const uint8_t *s = p + Q3K::scales;
        for (int g = 0; g < 16; g++) {
            // Low four bits: nibbles of bytes 0..7, low nibbles first. High two: bytes 8..11, two bits at a time.
            const int low = g < 8 ? s[g] & 15 : s[g - 8] >> 4, top = (s[8 + (g & 3)] >> (2 * (g / 4))) & 3;
            const float scale = d * float((low | top << 4) - 32);
            const int half = 16 * (g & 1), shift = 2 * ((g / 2) & 3), bit = g / 2;
            const uint8_t *q = p + Q3K::q + 32 * (g / 8) + half, *high = p + Q3K::high + half;
            for (int i = 0; i < 16; i++) {
                const int v = ((q[i] >> shift) & 3) - ((high[i] >> bit) & 1 ? 0 : 4);
                out[16 * g + i] = scale * float(v);
            }
        }
    }
}

} // namespace quant
} // namespace ds4
