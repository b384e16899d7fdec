// IQ1_S and IQ1_M: 256 elements, groups of eight from a codebook of -1, 0, 1, all shifted up or down by an eighth.
#pragma once

#include "quant/iq_grids.h"
#include "quant/load.h"

namespace ds4 {
namespace quant {

static inline void expand_iq1(float scale, uint32_t entry, bool shift_down, float *out) {
    const float delta = shift_down ? -0.125f : 0.125f;
    for (int i = 0; i < 8; i++) out[i] = scale * (float(int((entry >> (2 * i)) & 3) - 1) + delta);
}

// 50 bytes: half d; 32 low bytes of indices; per 32 elements a uint16 with four times three high index bits, a 3-bit
// scale and the direction of the shift. value = d * (2 scale + 1) * (code + delta).
static inline void dequantize_iq1_s(const void *blocks, uint64_t n, float *out) {
    const uint8_t *p = static_cast<const uint8_t *>(blocks);
    for (uint64_t b = 0; b < n / 256; b++, p += 50) {
        const float d = load_half(p);
        for (int g = 0; g < 32; g++, out += 8) {
            const uint32_t high = load_u16(p + 34 + 2 * (g / 4));
            const uint32_t index = p[2 + g] | ((high >> (3 * (g & 3))) & 7) << 8;
            expand_iq1(d * float(2 * ((high >> 12) & 7) + 1), kIq1Grid[index], (high & 0x8000) != 0, out);
        }
    }
}

// 56 bytes: 32 low bytes of indices; 16 bytes with a nibble per group (three high index bits and the direction); four
// uint16, each with four 3-bit scales of 16 elements and a quarter of the half scale d in its top four bits.
static inline void dequantize_iq1_m(const void *blocks, uint64_t n, float *out) {
    const uint8_t *p = static_cast<const uint8_t *>(blocks);
    for (uint64_t b = 0; b < n / 256; b++, p += 56) {
        uint32_t half = 0;
        for (int k = 0; k < 4; k++) half |= uint32_t(load_u16(p + 48 + 2 * k) >> 12) << (4 * k);
        const float d = half_to_float(uint16_t(half));
        for (int g = 0; g < 32; g++, out += 8) {
            const uint32_t high = (p[32 + g / 2] >> (4 * (g & 1))) & 15;
            const uint32_t scale3 = (load_u16(p + 48 + 2 * (g / 8)) >> (3 * ((g / 2) & 3))) & 7;
            expand_iq1(d * float(2 * scale3 + 1), kIq1Grid[p[g] | (high & 7) << 8], (high & 8) != 0, out);
        }
    }
}

} // namespace quant
} // namespace ds4
