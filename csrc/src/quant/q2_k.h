// Q2_K: 256 elements in 84 bytes. scales[16] (low nibble scale, high nibble minimum of 16 elements); q[64], 2 bits
// each; half d, dmin. value = d * scale * q - dmin * minimum.
#pragma once

#include "quant/load.h"

namespace ds4 {
namespace quant {

struct Q2K {
    static constexpr int elements = 256, bytes = 84;
    static constexpr int scales = 0, q = 16, d = 80, dmin = 82; // offsets
};

// Elements 128 h + 32 s + i come from bits 2 s, 2 s + 1 of q[32 h + i].
static inline void dequantize_q2_k(const void *blocks, uint64_t n, float *out) {
    const uint8_t *p = static_cast<const uint8_t *>(blocks);
    for (uint64_t b = 0; b < n / Q2K::elements; b++, p += Q2K::bytes, out += Q2K::elements) {
        const float d = load_half(p + Q2K::d), dmin = load_half(p + Q2K::dmin);
        for (int g = 0; g < 16; g++) {
            const float scale = d * float(p[Q2K::scales + g] & 15), minimum = dmin * float(p[Q2K::scales + g] >> 4);
            const uint8_t *q = p + Q2K::q + 32 * (g / 8) + 16 * (g & 1);
            const int shift = 2 * ((g / 2) & 3);
            for (int i = 0; i < 16; i++) out[16 * g + i] = scale * float((q[i] >> shift) & 3) - minimum;
        }
    }
}

} // namespace quant
} // namespace ds4
