// What one thread computes for one token or one row, compiled once per instruction set. The ops of the CPU backend call
// these through one read-only table.
#pragma once

#include "backend/cpu/matmul.h"

#include <cstdint>

namespace ds4 {

// Sizes of a hyper-connection and its weights' pointers.
struct HyperArgs {
    int32_t n_stream = 0;
    int64_t n_embd = 0;
    int32_t n_sinkhorn = 0;
    float hc_eps = 0, rms_eps = 0;
    const float *base = nullptr, *scale = nullptr;
};

// The rows one query may see, in ascending position: raw window rows, then compressed rows.
struct AttendArgs {
    const void *const *rows = nullptr; // [n_rows] each head_dim values in the KV dtype ...
    int64_t n_rows = 0;
    int64_t f32_begin = 0, f32_end = 0; // ... but for these, which are floats already
    bool f16 = true;
    int64_t head_dim = 0;
    float scale = 0;              // head_dim^-1/2
    int64_t n_head = 0;           // heads of this call
    float *q = nullptr;           // [n_head][head_dim] in: queries, out: attention output
    const float *sinks = nullptr; // [n_head]
    float *scores = nullptr;      // scratch [n_head][n_rows rounded up to 16]
    float *tile = nullptr;        // scratch [tile_rows][row_stride(head_dim)], tile_rows a multiple of 16
    int64_t tile_rows = 0;
};

// Floats from one row of a table to the next. A cache line more than the row: rows of a power of two would all fall into
// the same few sets of the first-level cache.
constexpr int64_t row_stride(int64_t n) { return n + 16; }

struct IndexArgs {
    const void *rows = nullptr; // [n_rows][dim] in the KV dtype, contiguous
    int64_t n_rows = 0;
    bool f16 = true;
    int64_t dim = 0;
    int64_t n_head = 0;
    const float *q = nullptr;     // [n_head][dim]
    const float *alpha = nullptr; // [n_head]
    float scale = 0;              // (n_head * dim)^-1/2
    float *scores = nullptr;      // out [n_rows]
    float *tile = nullptr;        // scratch [16][dim]
};

struct CpuKernels {
    int32_t isa; // ds4x_isa
    const MatmulKernels *matmul;
    float (*sum_squares)(const float *x, int64_t n);
    // out = x / sqrt(mean(x^2) + eps) * w; w may be null. out may be x.
    void (*rms_norm)(const float *x, const float *w, int64_t n, float eps, float *out);
    // X'[j] = post[j] * out + sum_i comb[i][j] * X[i], in place. X [n_stream][n_embd].
    void (*hyper_merge)(float *x, const float *out, const float *post, const float *comb, int32_t n_stream,
                        int64_t n_embd);
    // mix: raw products fn . flatten(X); flatten is normalised here. -> pre, post [n_stream], comb [n_stream][n_stream].
    void (*hyper_mix)(const HyperArgs &a, const float *x, const float *mix, float *pre, float *post, float *comb);
    // The head's: only pre.
    void (*hyper_head)(const HyperArgs &a, const float *x, const float *mix, float *pre);
    // out = sum_i pre[i] * X[i]
    void (*hyper_collapse)(const float *x, const float *pre, int32_t n_stream, int64_t n_embd, float *out);
    // Rotates the last n_rot channels of n vectors `stride` apart; cs holds n_rot / 2 cosines, then as many sines.
    void (*rope)(float *x, int64_t n, int64_t stride, int64_t dim, int64_t n_rot, const float *cs, bool inverse);
    // out = silu(min(gate, clamp)) * clamp(up, -clamp, clamp); clamp 0 = none.
    void (*swiglu)(const float *gate, const float *up, float clamp, int64_t n, float *out);
    void (*add)(float *y, const float *x, int64_t n);               // y += x
    void (*axpy)(float *y, float a, const float *x, int64_t n);     // y += a * x
    void (*to_row)(const float *x, int64_t n, bool f16, void *row); // rounds to the KV dtype
    void (*from_row)(const void *row, int64_t n, bool f16, float *x);
    // Softmax over n candidates per channel: out[c] = sum_i softmax_i(score[i][c]) * kv[i][c].
    void (*pool)(const float *const *kv, const float *const *score, int64_t n, int64_t dim, float *out);
    void (*attend)(const AttendArgs &a);
    void (*index_scores)(const IndexArgs &a);
};

extern const CpuKernels kernels_portable;
#if defined(__x86_64__) || defined(_M_X64)
extern const CpuKernels kernels_avx2, kernels_avx512;
#elif defined(__aarch64__)
extern const CpuKernels kernels_neon;
#endif

// The table for a ds4x_isa value, AUTO = the best this processor has. Throws Error(UNSUPPORTED).
const CpuKernels &select_kernels(int32_t isa);

} // namespace ds4
