// Kernels with f32 activations: F32, F16 and BF16 weights as they are, every other type dequantised piece by piece.
// One accumulator of sixteen lanes per (row, token), whatever the tile, so the tiling never shows in the result.
#include "backend/cpu/matmul.h"
#include "backend/cpu/matmul_lanes.h"

namespace ds4 {
namespace DS4_ISA_NS {
namespace {

struct DenseF32 {
    static constexpr int bytes = 4;
    static Lanes load(const void *p) { return lanes_f32(p); }
};
struct DenseF16 {
    static constexpr int bytes = 2;
    static Lanes load(const void *p) { return lanes_f16(p); }
};
struct DenseBf16 {
    static constexpr int bytes = 2;
    static Lanes load(const void *p) { return lanes_bf16(p); }
};

inline const float *act_row_f32(const MatmulArgs &a, int64_t t) {
    return a.x.f32 + (a.x_rows ? a.x_rows[t] : t) * a.x.stride_f32;
}

// acc[r][t] += sum over k of W[r][k] x[t][k], k = 0 .. n - 1. Elements behind n count as zero.
template <class W, int R, int T>
inline void dense_accumulate(Lanes (&acc)[R][T], const uint8_t *w, size_t row_bytes, const float *const *x, int64_t n) {
    int64_t k = 0;
    for (; k + 16 <= n; k += 16) {
        Lanes xv[T];
        for (int t = 0; t < T; t++) xv[t] = lanes_f32(x[t] + k);
        for (int r = 0; r < R; r++) {
            const Lanes wv = W::load(w + size_t(r) * row_bytes + size_t(k) * W::bytes);
            for (int t = 0; t < T; t++) acc[r][t] = lanes_fma(wv, xv[t], acc[r][t]);
        }
    }
    if (k == n) return;
    const size_t rest = size_t(n - k);
    Lanes xv[T];
    for (int t = 0; t < T; t++) {
        float part[16] = {};
        std::memcpy(part, x[t] + k, rest * 4);
        xv[t] = lanes_f32(part);
    }
    for (int r = 0; r < R; r++) {
        uint8_t part[16 * W::bytes] = {};
        std::memcpy(part, w + size_t(r) * row_bytes + size_t(k) * W::bytes, rest * W::bytes);
        const Lanes wv = W::load(part);
        for (int t = 0; t < T; t++) acc[r][t] = lanes_fma(wv, xv[t], acc[r][t]);
    }
}

template <class W, int R, int T>
inline void dense_tile(const MatmulArgs &a, const uint8_t *w, const float *const *x, float *y) {
    Lanes acc[R][T];
    for (int r = 0; r < R; r++)
        for (int t = 0; t < T; t++) acc[r][t] = lanes_zero();
    dense_accumulate<W, R, T>(acc, w, a.row_bytes, x, a.x.n_in);
    for (int t = 0; t < T; t++)
        for (int r = 0; r < R; r++) y[t * a.y_stride + r] = lanes_sum(acc[r][t]);
}

// T tokens from t on, all rows: tiles of R rows, then single rows.
template <class W, int R, int T>
inline void dense_tokens(const MatmulArgs &a, int64_t row, int64_t row_end, int64_t t) {
    const float *x[T];
    for (int i = 0; i < T; i++) x[i] = act_row_f32(a, t + i);
    float *y = a.y + t * a.y_stride;
    for (; row + R <= row_end; row += R)
        dense_tile<W, R, T>(a, a.w + size_t(row) * a.row_bytes, x, y + (row - a.row_begin));
    for (; row < row_end; row++) dense_tile<W, 1, T>(a, a.w + size_t(row) * a.row_bytes, x, y + (row - a.row_begin));
}

template <class W> void matmul_dense(const MatmulArgs &a) {
    if (a.n_tokens == 1) {
        dense_tokens<W, kDenseRows1, 1>(a, a.row_begin, a.row_end, 0);
        return;
    }
    // Panels of rows that stay in the cache while the tokens pass by.
    const int64_t panel = 16;
    for (int64_t row = a.row_begin; row < a.row_end; row += panel) {
        const int64_t end = row + panel < a.row_end ? row + panel : a.row_end;
        int64_t t = 0;
        for (; t + kDenseTokens <= a.n_tokens; t += kDenseTokens)
            dense_tokens<W, kDenseRows, kDenseTokens>(a, row, end, t);
        for (; t + 2 <= a.n_tokens; t += 2) dense_tokens<W, kDenseRows, 2>(a, row, end, t);
        for (; t < a.n_tokens; t++) dense_tokens<W, kDenseRows, 1>(a, row, end, t);
    }
}

// Any type with a dequantiser: pieces of 256 elements of a few rows become floats on the stack, and a group of tokens
// uses them before the next piece. n_in is a multiple of 32.
template <int kType> void matmul_generic(const MatmulArgs &a) {
    constexpr int kRows = 4, kGroup = 32, kPiece = 256;
    const TypeTraits *traits = type_traits(kType);
    alignas(64) float w[kRows][kPiece];
    Lanes acc[kGroup][kRows][1];
    for (int64_t row = a.row_begin; row < a.row_end; row += kRows) {
        const int rows = int(a.row_end - row < kRows ? a.row_end - row : kRows);
        for (int64_t t0 = 0; t0 < a.n_tokens; t0 += kGroup) {
            const int tokens = int(a.n_tokens - t0 < kGroup ? a.n_tokens - t0 : kGroup);
            for (int t = 0; t < tokens; t++)
                for (int r = 0; r < kRows; r++) acc[t][r][0] = lanes_zero();
            for (int64_t k = 0; k < a.x.n_in; k += kPiece) {
                const int64_t n = a.x.n_in - k < kPiece ? a.x.n_in - k : kPiece;
                const size_t offset = size_t(k) / traits->elements * traits->bytes;
                // Rows past the end repeat the last one; their sums are not stored.
                for (int r = 0; r < kRows; r++) {
                    const int64_t source = row + (r < rows ? r : rows - 1);
                    traits->dequantize(a.w + size_t(source) * a.row_bytes + offset, uint64_t(n), w[r]);
                }
                for (int t = 0; t < tokens; t++) {
                    const float *x = act_row_f32(a, t0 + t) + k;
                    dense_accumulate<DenseF32, kRows, 1>(acc[t], (const uint8_t *)w, sizeof(w[0]), &x, n);
                }
            }
            for (int t = 0; t < tokens; t++)
                for (int r = 0; r < rows; r++)
                    a.y[(t0 + t) * a.y_stride + row + r - a.row_begin] = lanes_sum(acc[t][r][0]);
        }
    }
}

} // namespace
} // namespace DS4_ISA_NS
} // namespace ds4
