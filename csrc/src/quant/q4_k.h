// Q4_K: 256 elements in 144 bytes. half d, dmin; 12 bytes with eight 6-bit scales and eight 6-bit minimums of 32
// elements; q[128], nibbles. value = d * scale * q - dmin * minimum.
#pragma once

#include "quant/load.h"

namespace ds4 {
namespace quant {

struct Q4K {
    static constexpr int elements = 256, bytes = 144;
    static constexpr int d = 0, dmin = 2, scales = 4, q = 16; // offsets
};

// The 12 bytes are three rows of four: A = scales 0..3, B = minimums 0..3 (6 low bits each; their 2 high bits belong to
// scales and minimums 4..7), C = low nibbles of scales 4..7 with the low nibbles of minimums 4..7 above.
// Results: eight bytes of scales and of minimums, number 0 in the lowest byte.
static inline void unpack_scales_q4_k(const uint8_t *p, uint64_t *scales, uint64_t *minimums) {
    const uint32_t a = load_u32(p), b = load_u32(p + 4), c = load_u32(p + 8);
    const uint32_t scales_high = (c & 0x0f0f0f0fu) | ((a >> 2) & 0x30303030u);
    const uint32_t minimums_high = ((c >> 4) & 0x0f0f0f0fu) | ((b >> 2) & 0x30303030u);
    *scales = uint64_t(a & 0x3f3f3f3fu) | uint64_t(scales_high) << 32;
    *minimums = uint64_t(b & 0x3f3f3f3fu) | uint64_t(minimums_high) << 32;
}

// Elements 64 c + i are the low nibbles of q[32 c + i], elements 64 c + 32 + i the high ones.
static inline void dequantize_q4_k(const void *blocks, uint64_t n, float *out) {
    const uint8_t *p = static_cast<const uint8_t *>(blocks);
    for (uint64_t b = 0; b < n / Q4K::elements; b++, p += Q4K::bytes, out += Q4K::elements) {
        const float d = load_half(p + Q4K::d), dmin = load_half(p + Q4K::dmin);
        uint64_t scales, minimums;
        unpack_scales_q4_k(p + Q4K::scales, &scales, &minimums);
        for (int g = 0; g < 8; g++) {
            const float scale = d * float((scales >> (8 * g)) & 63), minimum = dmin * float((minimums >> (8 * g)) & 63);
            const uint8_t *q = p + Q4K::q + 32 * (g / 2);
            for (int i = 0; i < 32; i++) out[32 * g + i] = scale * float((q[i] >> (4 * (g & 1))) & 15) - minimum;
        }
    }
}

} // namespace quant
} // namespace ds4
