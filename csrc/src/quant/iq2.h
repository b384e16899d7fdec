// IQ2_XXS, IQ2_XS, IQ2_S: 256 elements, groups of eight taken from a codebook of magnitudes, with separate signs.
#pragma once

#include "quant/iq_grids.h"
#include "quant/load.h"

namespace ds4 {
namespace quant {

// The codebooks' magnitudes; code 3 does not occur.
constexpr uint8_t kIq2Values[4] = {0x08, 0x19, 0x2b, 0};

// Seven stored signs; the eighth makes their number even.
static inline uint32_t even_signs(uint32_t seven) {
    uint32_t parity = seven ^ (seven >> 4);
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    return seven | (parity & 1) << 7;
}

// Eight elements: scale times the magnitudes of one codebook entry, negated where a sign bit is set.
static inline void expand_iq2(float scale, uint32_t entry, uint32_t signs, float *out) {
    for (int i = 0; i < 8; i++) {
        const float v = scale * float(kIq2Values[(entry >> (2 * i)) & 3]);
        out[i] = (signs >> i) & 1 ? -v : v;
    }
}

struct Iq2Xxs {
    static constexpr int elements = 256, bytes = 66;
    static constexpr int d = 0, q = 2; // offsets
};

// half d; per 32 elements four codebook indices and a uint32 with four times seven signs, low ones first, and a 4-bit
// scale. value = d * (0.5 + scale) / 4 * magnitude.
static inline void dequantize_iq2_xxs(const void *blocks, uint64_t n, float *out) {
    const uint8_t *p = static_cast<const uint8_t *>(blocks);
    for (uint64_t b = 0; b < n / Iq2Xxs::elements; b++, p += Iq2Xxs::bytes) {
        const float d = load_half(p + Iq2Xxs::d);
        for (int g = 0; g < 8; g++) {
            const uint8_t *q = p + Iq2Xxs::q + 8 * g;
            const uint32_t signs = load_u32(q + 4);
            const float scale = d * (0.5f + float(signs >> 28)) * 0.25f;
            for (int k = 0; k < 4; k++, out += 8)
                expand_iq2(scale, kIq2XxsGrid[q[k]], even_signs((signs >> (7 * k)) & 127), out);
        }
    }
}

// 74 bytes: half d; 32 uint16 (9 bits of index, 7 signs); 8 bytes of 4-bit scales, one per 16 elements.
static inline void dequantize_iq2_xs(const void *blocks, uint64_t n, float *out) {
    const uint8_t *p = static_cast<const uint8_t *>(blocks);
    for (uint64_t b = 0; b < n / 256; b++, p += 74) {
        const float d = load_half(p);
        for (int g = 0; g < 32; g++, out += 8) {
            const uint32_t q = load_u16(p + 2 + 2 * g);
            const int scale4 = (p[66 + g / 4] >> (4 * ((g / 2) & 1))) & 15;
            expand_iq2(d * (0.5f + float(scale4)) * 0.25f, kIq2XsGrid[q & 511], even_signs(q >> 9), out);
        }
    }
}

// 82 bytes: half d; 32 low bytes of indices; 32 bytes of signs; 8 bytes of two-bit high parts of indices;
// 8 bytes of scales.
static inline void dequantize_iq2_s(const void *blocks, uint64_t n, float *out) {
    const uint8_t *p = static_cast<const uint8_t *>(blocks);
    for (uint64_t b = 0; b < n / 256; b++, p += 82) {
        const float d = load_half(p);
        for (int g = 0; g < 32; g++, out += 8) {
            const int index = p[2 + g] | ((p[66 + g / 4] >> (2 * (g & 3))) & 3) << 8;
            const int scale4 = (p[74 + g / 4] >> (4 * ((g / 2) & 1))) & 15;
            expand_iq2(d * (0.5f + float(scale4)) * 0.25f, kIq2SGrid[index], p[34 + g], out);
        }
    }
}

} // namespace quant
} // namespace ds4
