// Reading little-endian fields of quantised blocks at any alignment, and the two short float formats.
// Functions in quant/ headers are static: kernels compiled for one instruction set include them, and the linker must
// never hand such a copy to code that runs on every processor.
#pragma once

#include <cstdint>
#include <cstring>

namespace ds4 {
namespace quant {

static inline uint16_t load_u16(const uint8_t *p) {
    uint16_t v;
    std::memcpy(&v, p, 2);
    return v;
}
static inline uint32_t load_u32(const uint8_t *p) {
    uint32_t v;
    std::memcpy(&v, p, 4);
    return v;
}
static inline uint64_t load_u64(const uint8_t *p) {
    uint64_t v;
    std::memcpy(&v, p, 8);
    return v;
}
static inline float float_of_bits(uint32_t bits) {
    float f;
    std::memcpy(&f, &bits, 4);
    return f;
}

// IEEE half to float, exact for every value. A half's subnormals are normal floats, so shifting the bits into place and
// multiplying by 2^112 covers them too; only infinity and NaN need their exponent filled up.
static inline float half_to_float(uint16_t h) {
    const uint32_t body = uint32_t(h & 0x7fff) << 13, sign = uint32_t(h & 0x8000) << 16;
    if ((h & 0x7c00) == 0x7c00) return float_of_bits(body | 0x7f800000u | sign);
    const float f = float_of_bits(body) * 5.192296858534828e33f;
    uint32_t bits;
    std::memcpy(&bits, &f, 4);
    return float_of_bits(bits | sign);
}
static inline float load_half(const uint8_t *p) { return half_to_float(load_u16(p)); }

// 2^(e - 128): half the value of an E8M0 scale, because the FP4 tables hold doubled values. Exponents 0 and 1 give
// subnormal numbers.
static inline float e8m0_half(uint8_t e) { return float_of_bits(e < 2 ? 0x00200000u << e : uint32_t(e - 1) << 23); }

} // namespace quant
} // namespace ds4
