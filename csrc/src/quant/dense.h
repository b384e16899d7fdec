// F32, F16 and BF16: plain numbers, blocks of one element.
#pragma once

#include "quant/load.h"

namespace ds4 {
namespace quant {

static inline void dequantize_f32(const void *blocks, uint64_t n, float *out) {
    if (n) std::memcpy(out, blocks, n * 4);
}
static inline void dequantize_f16(const void *blocks, uint64_t n, float *out) {
    const uint8_t *p = static_cast<const uint8_t *>(blocks);
    for (uint64_t i = 0; i < n; i++) out[i] = load_half(p + 2 * i);
}
static inline void dequantize_bf16(const void *blocks, uint64_t n, float *out) {
    const uint8_t *p = static_cast<const uint8_t *>(blocks);
    for (uint64_t i = 0; i < n; i++) out[i] = float_of_bits(uint32_t(load_u16(p + 2 * i)) << 16);
}

} // namespace quant
} // namespace ds4
