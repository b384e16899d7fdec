// Q8_0: 32 elements in 34 bytes. half d; int8 q[32]. value = q * d.
#pragma once

#include "quant/load.h"

namespace ds4 {
namespace quant {

struct Q8_0 {
    static constexpr int elements = 32, bytes = 34;
    static constexpr int d = 0, q = 2; // offsets
};

static inline void dequantize_q8_0(const void *blocks, uint64_t n, float *out) {
    const uint8_t *p = static_cast<const uint8_t *>(blocks);
    for (uint64_t b = 0; b < n / Q8_0::elements; b++, p += Q8_0::bytes, out += Q8_0::elements) {
        const float d = load_half(p + Q8_0::d);
        for (int i = 0; i < 32; i++) out[i] = float(int8_t(p[Q8_0::q + i])) * d;
    }
}

} // namespace quant
} // namespace ds4
