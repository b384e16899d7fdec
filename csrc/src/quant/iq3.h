// IQ3_XXS and IQ3_S: 256 elements, groups of four taken from a codebook of magnitudes, with separate signs.
#pragma once

#include "quant/iq2.h"

namespace ds4 {
namespace quant {

constexpr uint8_t kIq3XxsValues[8] = {0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3e};

static inline void expand_iq3(float scale, const uint8_t *values, uint32_t entry, uint32_t signs, float *out) {
    for (int i = 0; i < 4; i++) {
        const float v = scale * float(values[(entry >> (4 * i)) & 7]);
        out[i] = (signs >> i) & 1 ? -v : v;
    }
}

// 98 bytes: half d; 64 indices; per 32 elements a uint32 of signs and scale as in IQ2_XXS.
// The scale is halved, not quartered.
static inline void dequantize_iq3_xxs(const void *blocks, uint64_t n, float *out) {
    const uint8_t *p = static_cast<const uint8_t *>(blocks);
    for (uint64_t b = 0; b < n / 256; b++, p += 98) {
        const float d = load_half(p);
        for (int g = 0; g < 64; g++, out += 4) {
            const uint32_t word = load_u32(p + 66 + 4 * (g / 8));
            const float scale = d * (0.5f + float(word >> 28)) * 0.5f;
            const uint32_t signs = even_signs((word >> (7 * ((g / 2) & 3))) & 127) >> (4 * (g & 1));
            expand_iq3(scale, kIq3XxsValues, kIq3XxsGrid[p[2 + g]], signs, out);
        }
    }
}

// 110 bytes: half d; 64 low bytes of indices; 8 bytes of high index bits; 32 bytes of signs; 4 bytes of 4-bit scales.
static inline void dequantize_iq3_s(const void *blocks, uint64_t n, float *out) {
    static constexpr uint8_t values[8] = {1, 3, 5, 7, 9, 11, 13, 15};
    const uint8_t *p = static_cast<const uint8_t *>(blocks);
    for (uint64_t b = 0; b < n / 256; b++, p += 110) {
        const float d = load_half(p);
        for (int g = 0; g < 64; g++, out += 4) {
            const int index = p[2 + g] | ((p[66 + g / 8] >> (g & 7)) & 1) << 8;
            const int scale4 = (p[106 + g / 16] >> (4 * ((g / 8) & 1))) & 15;
            expand_iq3(d * float(1 + 2 * scale4), values, kIq3SGrid[index], p[74 + g / 2] >> (4 * (g & 1)), out);
        }
    }
}

} // namespace quant
} // namespace ds4
