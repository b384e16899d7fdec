// MXFP4: 32 elements in 17 bytes. E8M0 scale e; 16 bytes of E2M1 codes, low nibbles first. value = 2^(e-127) * e2m1.
#pragma once

#include "quant/load.h"

namespace ds4 {
namespace quant {

struct Mxfp4 {
    static constexpr int elements = 32, bytes = 17;
    static constexpr int e = 0, q = 1; // offsets
};

// E2M1 values, doubled so that they are integers.
constexpr int8_t kFp4Doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

static inline void dequantize_mxfp4(const void *blocks, uint64_t n, float *out) {
    const uint8_t *p = static_cast<const uint8_t *>(blocks);
    for (uint64_t b = 0; b < n / Mxfp4::elements; b++, p += Mxfp4::bytes, out += Mxfp4::elements) {
        const float d = e8m0_half(p[Mxfp4::e]);
        for (int i = 0; i < 16; i++) {
            out[i] = d * float(kFp4Doubled[p[Mxfp4::q + i] & 15]);
            out[i + 16] = d * float(kFp4Doubled[p[Mxfp4::q + i] >> 4]);
        }
    }
}

} // namespace quant
} // namespace ds4
