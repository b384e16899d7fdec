// Shared by the tests of the matrix kernels: the kernel sets this processor runs, random weights, activations.
#pragma once

#include "backend/cpu/matmul.h"

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

namespace fixture {

using ds4::ActFormat;
using ds4::GgmlType;

inline std::vector<const ds4::MatmulKernels *> kernel_sets() {
    std::vector<const ds4::MatmulKernels *> sets = {&ds4::matmul_portable};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
        sets.push_back(&ds4::matmul_avx2);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni"))
        sets.push_back(&ds4::matmul_avx512);
#elif defined(__aarch64__)
    sets.push_back(&ds4::matmul_neon);
#endif
    return sets;
}

// Every type with a dequantiser.
inline std::vector<GgmlType> types() {
    size_t n = 0;
    const ds4::TypeTraits *all = ds4::all_type_traits(&n);
    std::vector<GgmlType> out;
    for (size_t i = 0; i < n; i++)
        if (all[i].dequantize) out.push_back(all[i].type);
    return out;
}
inline const GgmlType kOwnKernels[] = {GgmlType::F32,   GgmlType::F16,  GgmlType::BF16, GgmlType::Q8_0,
                                       GgmlType::MXFP4, GgmlType::Q2_K, GgmlType::Q4_K, GgmlType::IQ2_XXS};

inline size_t row_bytes(GgmlType type, int64_t n_in) {
    const ds4::TypeTraits *t = ds4::type_traits(type);
    return size_t(n_in) / t->elements * t->bytes;
}

// Offsets of the half scales of a block.
inline std::vector<int> half_offsets(GgmlType type) {
    switch (type) {
    case GgmlType::Q4_1:
    case GgmlType::Q5_1:
    case GgmlType::Q4_K:
    case GgmlType::Q5_K: return {0, 2};
    case GgmlType::Q2_K: return {80, 82};
    case GgmlType::Q3_K: return {108};
    case GgmlType::Q6_K: return {208};
    case GgmlType::TQ1_0: return {52};
    case GgmlType::TQ2_0: return {64};
    case GgmlType::F32:
    case GgmlType::F16:
    case GgmlType::BF16:
    case GgmlType::MXFP4:
    case GgmlType::IQ1_M: return {};
    default: return {0};
    }
}

// n bytes of blocks: random in every field, with scales of ordinary size and either sign.
inline void fill_weights(GgmlType type, uint8_t *p, size_t n, std::mt19937 &rng) {
    const ds4::TypeTraits *t = ds4::type_traits(type);
    for (size_t i = 0; i < n; i++) p[i] = uint8_t(rng());
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (size_t at = 0; at + t->bytes <= n; at += t->bytes) {
        uint16_t half = uint16_t((rng() & 0x8fff) | 0x2000); // 2^-7 .. 2^-3
        if (type == GgmlType::F32) {
            const float v = uniform(rng);
            std::memcpy(p + at, &v, 4);
        } else if (type == GgmlType::F16) {
            std::memcpy(p + at, &half, 2);
        } else if (type == GgmlType::BF16) {
            const float v = uniform(rng);
            std::memcpy(p + at, reinterpret_cast<const uint8_t *>(&v) + 2, 2);
        } else if (type == GgmlType::MXFP4) {
            p[at] = uint8_t(120 + rng() % 8);
        } else if (type == GgmlType::IQ1_M) { // a quarter of the half in the top bits of each of four words
            for (int k = 0; k < 4; k++)
                p[at + 49 + 2 * k] = uint8_t((p[at + 49 + 2 * k] & 15) | (half >> (4 * k)) << 4);
        }
        for (int offset : half_offsets(type)) {
            std::memcpy(p + at + offset, &half, 2);
            half = uint16_t((rng() & 0x8fff) | 0x2000);
        }
    }
}

inline std::vector<float> random_floats(size_t n, std::mt19937 &rng) {
    std::normal_distribution<float> normal;
    std::vector<float> out(n);
    for (float &v : out) v = normal(rng);
    return out;
}

// Activation rows in the format a kernel expects, with the buffers behind them.
struct Rows {
    std::vector<float> f32, d;
    std::vector<int8_t> q_buffer;
    std::vector<int32_t> sums;
    ds4::Activations x;

    Rows(const ds4::MatmulKernels &kernels, ActFormat format, const std::vector<float> &values, int64_t n_in)
        : f32(values) {
        const int64_t rows = int64_t(values.size()) / n_in;
        x.format = format;
        x.n_in = n_in;
        if (format == ActFormat::F32) {
            x.f32 = f32.data();
            x.stride_f32 = n_in;
            return;
        }
        const int64_t block = format == ActFormat::Q8 ? 32 : 256, per_sum = format == ActFormat::Q8 ? 32 : 16;
        q_buffer.resize(size_t(rows * n_in) + 64);
        int8_t *q = q_buffer.data() + (64 - reinterpret_cast<uintptr_t>(q_buffer.data()) % 64) % 64;
        d.resize(size_t(rows * n_in / block));
        sums.resize(size_t(rows * n_in / per_sum));
        for (int64_t r = 0; r < rows; r++) {
            const auto quantize = format == ActFormat::Q8 ? kernels.quantize_q8 : kernels.quantize_q8k;
            quantize(f32.data() + r * n_in, n_in, q + r * n_in, d.data() + r * n_in / block,
                     sums.data() + r * n_in / per_sum);
        }
        x.q = q;
        x.d = d.data();
        x.sums = sums.data();
    }
    // What the kernel sees of row r: the activations after quantisation.
    double value(int64_t r, int64_t i) const {
        if (x.format == ActFormat::F32) return x.f32[r * x.stride_f32 + i];
        const int64_t block = x.format == ActFormat::Q8 ? 32 : 256;
        return double(x.d[(r * x.n_in + i) / block]) * x.q[r * x.n_in + i];
    }
};

} // namespace fixture
