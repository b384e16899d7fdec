// Half precision numbers of the emulated device.
#pragma once

#include "cuda_runtime.h"

struct __half {
    uint16_t bits;
};

inline float __half2float(__half h) {
    const uint32_t body = uint32_t(h.bits & 0x7fff) << 13, sign = uint32_t(h.bits & 0x8000) << 16;
    if ((h.bits & 0x7c00) == 0x7c00) return __uint_as_float(body | 0x7f800000u | sign);
    return __uint_as_float(__float_as_uint(__uint_as_float(body) * 0x1p112f) | sign);
}
// To the nearest, ties to even.
inline __half __float2half_rn(float x) {
    const uint32_t bits = __float_as_uint(x), sign = bits >> 16 & 0x8000, a = bits & 0x7fffffffu;
    if (a > 0x7f800000u) return {uint16_t(sign | 0x7e00)};
    if (a >= 0x477ff000u) return {uint16_t(sign | 0x7c00)}; // 65520 and more
    if (a < 0x38800000u) return {uint16_t(sign | (__float_as_uint(std::fabs(x) + 0.5f) - 0x3f000000u))};
    return {uint16_t(sign | ((a - 0x38000000u + 0xfffu + (a >> 13 & 1)) >> 13))};
}
