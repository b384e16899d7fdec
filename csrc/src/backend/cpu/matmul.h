// Matrix times activations on the CPU: the interface between the ops and the kernels of each weight type and ISA.
#pragma once

#include "quant/types.h"

#include <cstddef>
#include <cstdint>

namespace ds4 {

// How activations meet a weight type. Decided by the type alone (and `exact`, which is always F32).
enum class ActFormat : int32_t {
    F32,  // as they are: F32, F16, BF16 weights, and every type in exact mode
    Q8,   // int8 blocks of 32 with an f32 scale: Q8_0, MXFP4
    Q8_K, // int8 blocks of 256 with an f32 scale and sums of 16: the K and IQ types
};

// n_rows activation rows of n_in values in one format. Rows are `stride` apart so that kernels can run over them.
// Q8: q int8[n_in], d f32[n_in/32], sums int32[n_in/32] (sum of the block's q). Q8_K: q int8[n_in], d f32[n_in/256],
// sums int32[n_in/16]. n_in is a multiple of 32 (Q8) or 256 (Q8_K); for F32 any n_in.
struct Activations {
    ActFormat format = ActFormat::F32;
    int64_t n_in = 0;
    const float *f32 = nullptr; // F32: [n_rows, stride_f32]
    int64_t stride_f32 = 0;
    const int8_t *q = nullptr;     // [n_rows, n_in], 64-byte aligned buffer
    const float *d = nullptr;      // [n_rows, n_in / block]
    const int32_t *sums = nullptr; // [n_rows, n_in / 32] or [n_rows, n_in / 16]
};

struct MatmulArgs {
    const uint8_t *w = nullptr; // row 0 of the matrix; any alignment
    size_t row_bytes = 0;
    int64_t row_begin = 0, row_end = 0; // rows to compute
    Activations x;
    const int32_t *x_rows = nullptr; // [n_tokens] which activation row each token uses; NULL = 0, 1, 2, ...
    int64_t n_tokens = 0;
    float *y = nullptr; // y[t * y_stride + (row - row_begin)]
    int64_t y_stride = 0;
};

// For one (row, token) the order of sums depends on n_in and the type only: never on n_tokens, row_begin or the tiling.
using MatmulFn = void (*)(const MatmulArgs &args);

struct MatmulKernels {
    const char *isa;
    // Quantises one row. sums may not be null. Any value: NaN and infinity do not crash (the result is then unspecified).
    void (*quantize_q8)(const float *x, int64_t n_in, int8_t *q, float *d, int32_t *sums);
    void (*quantize_q8k)(const float *x, int64_t n_in, int8_t *q, float *d, int32_t *sums);
    // The kernel for a weight type and activation format; nullptr when the type can not be computed with.
    // Types without a kernel of their own use one generic kernel over TypeTraits::dequantize (format F32).
    MatmulFn (*find)(GgmlType type, bool exact);
    // A faster layout of Q8_0 matrices; null where an instruction set has none. repack_q8_0 returns the bytes it takes and
    // writes them when out is not null (64-byte aligned). matmul_repacked_q8_0 takes its output as args.w, rows from a
    // multiple of 16, Q8 activations; its results are those of the kernel for the plain layout, bit for bit.
    size_t (*repack_q8_0)(const uint8_t *w, size_t row_bytes, int64_t n_rows, int64_t n_in, uint8_t *out) = nullptr;
    MatmulFn matmul_repacked_q8_0 = nullptr;
};

// Which activation format find(type, exact) expects.
ActFormat act_format(GgmlType type, bool exact) noexcept;

extern const MatmulKernels matmul_portable;
#if defined(__x86_64__) || defined(_M_X64)
extern const MatmulKernels matmul_avx2;
extern const MatmulKernels matmul_avx512; // needs F, BW, DQ, VL and VNNI
#elif defined(__aarch64__)
extern const MatmulKernels matmul_neon; // needs dotprod
#endif

} // namespace ds4
