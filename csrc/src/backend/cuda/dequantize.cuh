// Weights of every type as floats: eight neighbours at a time, so that a warp reads 256 in one stretch.
#pragma once

#include "quant/types.h"

#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

namespace ds4 {
namespace cuda {

// Types whose rows may have any number of elements; the others come in blocks of 32 or 256.
__host__ __device__ constexpr bool is_dense(GgmlType type) {
    return type == GgmlType::F32 || type == GgmlType::F16 || type == GgmlType::BF16;
}

__device__ inline float half_at(const uint8_t *p) { return __half2float(*reinterpret_cast<const __half *>(p)); }
__device__ inline uint32_t u16_at(const uint8_t *p) { return *reinterpret_cast<const uint16_t *>(p); }
__device__ inline uint32_t u32_at(const uint8_t *p) { return *reinterpret_cast<const uint32_t *>(p); }
__device__ inline uint32_t u32_at_2(const uint8_t *p) { return u16_at(p) | u16_at(p + 2) << 16; } // 2-byte aligned
__device__ inline float bf16_at(const uint8_t *p) { return __uint_as_float(u16_at(p) << 16); }

// load8: elements [8 g, 8 g + 8) of a row. A row begins at a multiple of its block's alignment. codebook: 256 entries of
// eight magnitudes (IQ2_XXS).
template <GgmlType type> struct Weights8;

template <> struct Weights8<GgmlType::F32> {
    static __device__ void load8(const uint8_t *row, int g, const uint64_t *, float *out) {
        const float *p = reinterpret_cast<const float *>(row) + 8 * size_t(g);
        for (int i = 0; i < 8; i++) out[i] = p[i];
    }
    static __device__ float one(const uint8_t *row, int k) { return reinterpret_cast<const float *>(row)[k]; }
};
template <> struct Weights8<GgmlType::F16> {
    static __device__ void load8(const uint8_t *row, int g, const uint64_t *, float *out) {
        const uint8_t *p = row + 16 * size_t(g);
        for (int i = 0; i < 8; i++) out[i] = half_at(p + 2 * i);
    }
    static __device__ float one(const uint8_t *row, int k) { return half_at(row + 2 * size_t(k)); }
};
template <> struct Weights8<GgmlType::BF16> {
    static __device__ void load8(const uint8_t *row, int g, const uint64_t *, float *out) {
        const uint8_t *p = row + 16 * size_t(g);
        for (int i = 0; i < 8; i++) out[i] = bf16_at(p + 2 * i);
    }
    static __device__ float one(const uint8_t *row, int k) { return bf16_at(row + 2 * size_t(k)); }
};
// 34 bytes: half d; int8 q[32].
template <> struct Weights8<GgmlType::Q8_0> {
    static __device__ void load8(const uint8_t *row, int g, const uint64_t *, float *out) {
        const uint8_t *p = row + size_t(g / 4) * 34, *q = p + 2 + 8 * (g % 4);
        const float d = half_at(p);
        for (int i = 0; i < 8; i += 2) {
            const uint32_t two = u16_at(q + i);
            out[i] = float(int8_t(two & 255)) * d;
            out[i + 1] = float(int8_t(two >> 8)) * d;
        }
    }
};
// 84 bytes: scales[16]; q[64], two bits each; half d, dmin.
template <> struct Weights8<GgmlType::Q2_K> {
    static __device__ void load8(const uint8_t *row, int g, const uint64_t *, float *out) {
        const uint8_t *p = row + size_t(g / 32) * 84;
        const int j = g % 32, sixteen = j / 2, shift = 2 * (sixteen / 2 % 4);
        const float scale = half_at(p + 80) * float(p[sixteen] & 15),
                    minimum = half_at(p + 82) * float(p[sixteen] >> 4);
        const uint8_t *q = p + 16 + 32 * (sixteen / 8) + 16 * (sixteen % 2) + 8 * (j % 2);
        for (int i = 0; i < 8; i += 4) {
            const uint32_t four = u32_at(q + i) >> shift;
            for (int k = 0; k < 4; k++) out[i + k] = scale * float(four >> (8 * k) & 3) - minimum;
        }
    }
};
// 144 bytes: half d, dmin; scales and minimums of 6 bits in 12 bytes; q[128], nibbles.
template <> struct Weights8<GgmlType::Q4_K> {
    static __device__ void load8(const uint8_t *row, int g, const uint64_t *, float *out) {
        const uint8_t *p = row + size_t(g / 32) * 144, *s = p + 4;
        const int j = g % 32, group = j / 4;
        const int scale6 = group < 4 ? s[group] & 63 : (s[group + 4] & 15) | s[group - 4] >> 6 << 4;
        const int minimum6 = group < 4 ? s[group + 4] & 63 : s[group + 4] >> 4 | s[group] >> 6 << 4;
        const float scale = half_at(p) * float(scale6), minimum = half_at(p + 2) * float(minimum6);
        const uint8_t *q = p + 16 + 32 * (group / 2) + 8 * (j % 4);
        for (int i = 0; i < 8; i += 4) {
            const uint32_t four = u32_at(q + i) >> 4 * (group % 2);
            for (int k = 0; k < 4; k++) out[i + k] = scale * float(four >> (8 * k) & 15) - minimum;
        }
    }
};
// 66 bytes: half d; per 32 elements four codebook indices and a word of 4 x 7 signs and a 4-bit scale.
template <> struct Weights8<GgmlType::IQ2_XXS> {
    static __device__ void load8(const uint8_t *row, int g, const uint64_t *codebook, float *out) {
        const uint8_t *p = row + size_t(g / 32) * 66, *q = p + 2 + 8 * (g % 32 / 4);
        const int k = g % 4;
        const uint32_t word = u32_at_2(q + 4), seven = word >> (7 * k) & 127;
        const uint32_t signs = seven | uint32_t(__popc(seven) & 1) << 7; // their number is even
        const float scale = half_at(p) * (0.5f + float(word >> 28)) * 0.25f;
        const uint64_t entry = codebook[q[k]];
        for (int i = 0; i < 8; i++) {
            const float v = scale * float(uint32_t(entry >> (8 * i)) & 255u);
            out[i] = signs >> i & 1 ? -v : v;
        }
    }
};
// 17 bytes: E8M0 scale; 16 bytes of E2M1 codes, low nibbles first.
template <> struct Weights8<GgmlType::MXFP4> {
    static __device__ void load8(const uint8_t *row, int g, const uint64_t *, float *out) {
        const uint8_t *p = row + size_t(g / 4) * 17, *q = p + 1 + 8 * (g % 2);
        const int shift = 4 * (g % 4 / 2);
        const uint32_t e = p[0];
        const float d = __uint_as_float(e < 2 ? 0x00200000u << e : (e - 1) << 23); // 2^(e - 128): codes are doubled
        for (int i = 0; i < 8; i++) {
            const uint32_t code = q[i] >> shift;
            const float v = d * float(uint32_t(0x0c08060403020100ull >> (8 * (code & 7))) & 255u);
            out[i] = code & 8 ? -v : v;
        }
    }
};

// One element of any type, for the few that are read alone.
template <GgmlType type> __device__ inline float weight_at(const uint8_t *row, int k, const uint64_t *codebook) {
    if constexpr (is_dense(type)) {
        return Weights8<type>::one(row, k);
    } else {
        float eight[8];
        Weights8<type>::load8(row, k / 8, codebook, eight);
        float out = 0;
        for (int i = 0; i < 8; i++) out = k % 8 == i ? eight[i] : out;
        return out;
    }
}

// Calls f with a constant of the type, of which f takes ::value. The types are those that upload() lets in.
template <GgmlType type> struct TypeConstant {
    static constexpr GgmlType value = type;
};
template <typename F> void with_type(GgmlType type, F &&f) {
    switch (type) {
    case GgmlType::F32: return f(TypeConstant<GgmlType::F32>());
    case GgmlType::F16: return f(TypeConstant<GgmlType::F16>());
    case GgmlType::BF16: return f(TypeConstant<GgmlType::BF16>());
    case GgmlType::Q8_0: return f(TypeConstant<GgmlType::Q8_0>());
    case GgmlType::Q2_K: return f(TypeConstant<GgmlType::Q2_K>());
    case GgmlType::Q4_K: return f(TypeConstant<GgmlType::Q4_K>());
    case GgmlType::IQ2_XXS: return f(TypeConstant<GgmlType::IQ2_XXS>());
    case GgmlType::MXFP4: return f(TypeConstant<GgmlType::MXFP4>());
    default: return;
    }
}

} // namespace cuda
} // namespace ds4
