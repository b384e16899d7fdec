// IQ4_NL and IQ4_XS: nibbles that index a table of sixteen unevenly spaced values.
#pragma once

#include "quant/load.h"

namespace ds4 {
namespace quant {

constexpr int8_t kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

// IQ4_NL, 32 elements in 18 bytes: half d; 16 bytes of nibbles, low ones first.
static inline void dequantize_iq4_nl(const void *blocks, uint64_t n, float *out) {
    const uint8_t *p = static_cast<const uint8_t *>(blocks);
    for (uint64_t b = 0; b < n / 32; b++, p += 18, out += 32) {
        const float d = load_half(p);
        for (int i = 0; i < 16; i++) {
            out[i] = d * float(kIq4Values[p[2 + i] & 15]);
            out[i + 16] = d * float(kIq4Values[p[2 + i] >> 4]);
        }
    }
}

// IQ4_XS, 256 elements in 136 bytes: half d; uint16 with the high 2 bits of eight scales; 4 bytes with their low
// nibbles; 128 bytes of nibbles, 16 bytes per 32 elements. value = d * (scale - 32) * table[q].
static inline void dequantize_iq4_xs(const void *blocks, uint64_t n, float *out) {
    const uint8_t *p = static_cast<const uint8_t *>(blocks);
    for (uint64_t b = 0; b < n / 256; b++, p += 136) {
        const float d = load_half(p);
        const uint32_t high = load_u16(p + 2);
        for (int g = 0; g < 8; g++, out += 32) {
            const int low = (p[4 + g / 2] >> (4 * (g & 1))) & 15;
            const float scale = d * float((low | int((high >> (2 * g)) & 3) << 4) - 32);
            const uint8_t *q = p + 8 + 16 * g;
            for (int i = 0; i < 16; i++) {
                out[i] = scale * float(kIq4Values[q[i] & 15]);
                out[i + 16] = scale * float(kIq4Values[q[i] >> 4]);
            }
        }
    }
}

} // namespace quant
} // namespace ds4
