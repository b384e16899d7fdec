// AVX2 kernels for blocks of 32 with one scale each (Q8_0, MXFP4), in the same order of sums as every instruction set.
// Signed bytes are multiplied as |w| times x with w's sign, because the instruction wants one unsigned operand.
#include "backend/cpu/matmul_avx2_pack.inl"
#include "quant/mxfp4.h"
#include "quant/q8_0.h"

namespace ds4 {
namespace DS4_ISA_NS {
namespace {

struct MaddQ8_0 : quant::Q8_0 {
    static constexpr int accumulate = 1; // 2 * 128 * 127 is all that fits an int16
    static __m256i unpack(const uint8_t *w) { return _mm256_loadu_si256((const __m256i *)(w + q)); }
    template <int kLanes> static __m256 scales(const uint8_t *w) {
        __m128i h = _mm_setzero_si128();
        h = _mm_insert_epi16(h, quant::load_u16(w), 0);
        if (kLanes > 1) h = _mm_insert_epi16(h, quant::load_u16(w + 1 * bytes), 1);
        if (kLanes > 2) h = _mm_insert_epi16(h, quant::load_u16(w + 2 * bytes), 2);
        if (kLanes > 3) h = _mm_insert_epi16(h, quant::load_u16(w + 3 * bytes), 3);
        if (kLanes > 4) h = _mm_insert_epi16(h, quant::load_u16(w + 4 * bytes), 4);
        if (kLanes > 5) h = _mm_insert_epi16(h, quant::load_u16(w + 5 * bytes), 5);
        if (kLanes > 6) h = _mm_insert_epi16(h, quant::load_u16(w + 6 * bytes), 6);
        if (kLanes > 7) h = _mm_insert_epi16(h, quant::load_u16(w + 7 * bytes), 7);
        return _mm256_cvtph_ps(h);
    }
};
struct MaddMxfp4 : quant::Mxfp4 {
    static constexpr int accumulate = 8; // 8 * 2 * 12 * 127 fits
    static __m256i unpack(const uint8_t *w) {
        const __m128i v = _mm_loadu_si128((const __m128i *)(w + q));
        const __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(v), _mm_srli_epi16(v, 4), 1);
        const __m256i table = _mm256_setr_epi8(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12, 0, 1, 2, 3, 4,
                                               6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);
        return _mm256_shuffle_epi8(table, _mm256_and_si256(both, _mm256_set1_epi8(15)));
    }
    template <int kLanes> static __m256 scales(const uint8_t *w) {
        float s[8] = {};
        for (int i = 0; i < kLanes; i++) s[i] = quant::e8m0_half(w[i * bytes]);
        return _mm256_setr_ps(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]);
    }
};
template <class F> inline __m256 block_scales(const uint8_t *w, int n) {
    switch (n) {
    case 1: return F::template scales<1>(w);
    case 2: return F::template scales<2>(w);
    case 3: return F::template scales<3>(w);
    case 4: return F::template scales<4>(w);
    case 5: return F::template scales<5>(w);
    case 6: return F::template scales<6>(w);
    case 7: return F::template scales<7>(w);
    default: return F::template scales<8>(w);
    }
}

// Integer dot products of up to eight blocks of one row, block b in lane b.
template <class F, bool kFull> inline __m256i block_dots(const uint8_t *w, const int8_t *x, int n) {
    __m256i p[8];
    for (int b = 0; b < 8; b++) {
        p[b] = _mm256_setzero_si256();
        if (!kFull && b >= n) continue;
        const __m256i v = F::unpack(w + b * F::bytes), xv = _mm256_loadu_si256((const __m256i *)(x + 32 * b));
        const __m256i products = _mm256_maddubs_epi16(_mm256_abs_epi8(v), _mm256_sign_epi8(xv, v));
        p[b] = _mm256_madd_epi16(products, _mm256_set1_epi16(1));
    }
    const __m256i a = sum_lanes4(p[0], p[1], p[2], p[3]), b = sum_lanes4(p[4], p[5], p[6], p[7]);
    return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31));
}

// Up to eight blocks of four rows: dot products with blocks in the lanes, turned, then summed block by block.
template <class F, bool kFull>
inline __m128 chunk_rows4(const uint8_t *const *w, size_t at, const int8_t *x, const float *d, int n, __m128 acc) {
    __m256 dots[4], scales[4];
    const __m256 xd = kFull ? _mm256_loadu_ps(d) : _mm256_maskload_ps(d, first_lanes(n));
    for (int r = 0; r < 4; r++) {
        dots[r] = _mm256_cvtepi32_ps(block_dots<F, kFull>(w[r] + at, x, n));
        scales[r] = _mm256_mul_ps(kFull ? F::template scales<8>(w[r] + at) : block_scales<F>(w[r] + at, n), xd);
    }
    transpose4(dots);
    transpose4(scales);
    // dots[i] now holds block i in its lower and block i + 4 in its upper half.
    for (int b = 0; b < 4; b++)
        if (kFull || b < n) acc = _mm_fmadd_ps(_mm256_castps256_ps128(dots[b]), _mm256_castps256_ps128(scales[b]), acc);
    for (int b = 0; b < 4; b++)
        if (kFull || b + 4 < n)
            acc = _mm_fmadd_ps(_mm256_extractf128_ps(dots[b], 1), _mm256_extractf128_ps(scales[b], 1), acc);
    return acc;
}

template <class F> void one_token_blocks32(const MatmulArgs &a, int64_t t) {
    const int64_t n_blocks = a.x.n_in / 32, xr = a.x_rows ? a.x_rows[t] : t;
    const int8_t *x = a.x.q + xr * a.x.n_in;
    const float *d = a.x.d + xr * n_blocks;
    for (int64_t row = a.row_begin; row < a.row_end; row += 4) {
        const int rows = int(min64(4, a.row_end - row));
        const uint8_t *w[4];
        for (int r = 0; r < 4; r++) w[r] = a.w + size_t(row + (r < rows ? r : rows - 1)) * a.row_bytes;
        __m128 acc = _mm_setzero_ps();
        int64_t b = 0;
        for (; b + 8 <= n_blocks; b += 8) {
            const size_t at = size_t(b) * F::bytes;
            for (int r = 0; r < 4; r++)
                for (int line = 0; line < 8 * F::bytes; line += 64)
                    _mm_prefetch((const char *)w[r] + at + 4 * a.row_bytes + line, _MM_HINT_T0);
            acc = chunk_rows4<F, true>(w, at, x + 32 * b, d + b, 8, acc);
        }
        if (b < n_blocks)
            acc = chunk_rows4<F, false>(w, size_t(b) * F::bytes, x + 32 * b, d + b, int(n_blocks - b), acc);
        store_first(a.y + t * a.y_stride + row - a.row_begin, acc, rows);
    }
}

// A chunk of eight rows unpacked: bytes of four neighbouring elements of the rows next to each other.
struct Packed32 {
    static constexpr int blocks = kChunk / 32;
    alignas(32) uint8_t w[blocks][8][32]; // [block][4 elements][row]
    alignas(32) float d[blocks][8];
};

template <class F> inline void pack_rows8(const uint8_t *w, size_t row_bytes, int rows, int n, Packed32 *out) {
    alignas(32) uint8_t plain[8][32];
    for (int b = 0; b < n; b++) {
        for (int r = 0; r < 8; r++) {
            const uint8_t *p = w + size_t(r < rows ? r : rows - 1) * row_bytes + size_t(b) * F::bytes;
            _mm256_store_si256((__m256i *)plain[r], F::unpack(p));
            out->d[b][r] = _mm256_cvtss_f32(F::template scales<1>(p));
        }
        for (int c = 0; c < 2; c++) transpose_columns4(&plain[0][16 * c], 32, &out->w[b][4 * c][0]);
    }
}

template <class F> struct Tile32 {
    // Eight rows times T tokens over n blocks starting at block b0.
    template <int T>
    static void tile(const MatmulArgs *a, const Packed32 *packed, int64_t row, int64_t t0, int64_t b0, int n) {
        const int64_t n_blocks = a->x.n_in / 32;
        const int rows = int(min64(8, a->row_end - row));
        const int8_t *x[T];
        const float *d[T];
        float *y[T];
        __m256 acc[T];
        for (int t = 0; t < T; t++) {
            const int64_t xr = a->x_rows ? a->x_rows[t0 + t] : t0 + t;
            x[t] = a->x.q + xr * a->x.n_in + 32 * b0;
            d[t] = a->x.d + xr * n_blocks + b0;
            y[t] = a->y + (t0 + t) * a->y_stride + row - a->row_begin;
            acc[t] = b0 ? _mm256_maskload_ps(y[t], first_lanes(rows)) : _mm256_setzero_ps();
        }
        const __m256i one = _mm256_set1_epi16(1);
        for (int b = 0; b < n; b++) {
            __m256i dot[T], sum16[T];
            for (int t = 0; t < T; t++) dot[t] = sum16[t] = _mm256_setzero_si256();
            for (int k = 0; k < 8; k++) {
                const __m256i w = _mm256_load_si256((const __m256i *)packed->w[b][k]), size = _mm256_abs_epi8(w);
                for (int t = 0; t < T; t++) {
                    const __m256i xv = _mm256_sign_epi8(broadcast4(x[t] + 32 * b + 4 * k), w);
                    const __m256i products = _mm256_maddubs_epi16(size, xv);
                    if (F::accumulate == 1)
                        dot[t] = _mm256_add_epi32(dot[t], _mm256_madd_epi16(products, one));
                    else
                        sum16[t] = _mm256_add_epi16(sum16[t], products);
                }
            }
            const __m256 wd = _mm256_load_ps(packed->d[b]);
            for (int t = 0; t < T; t++) {
                if (F::accumulate != 1) dot[t] = _mm256_madd_epi16(sum16[t], one);
                acc[t] =
                    _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[t]), _mm256_mul_ps(wd, _mm256_set1_ps(d[t][b])), acc[t]);
            }
        }
        for (int t = 0; t < T; t++) _mm256_maskstore_ps(y[t], first_lanes(rows), acc[t]);
    }
};

template <class F> void matmul_blocks32_avx2(const MatmulArgs &a) {
    if (a.n_tokens < kPackTokens) {
        for (int64_t t = 0; t < a.n_tokens; t++) one_token_blocks32<F>(a, t);
        return;
    }
    Packed32 packed;
    const int64_t n_blocks = a.x.n_in / 32;
    for (int64_t row = a.row_begin; row < a.row_end; row += 8) {
        for (int64_t b0 = 0; b0 < n_blocks; b0 += Packed32::blocks) {
            const int n = int(min64(Packed32::blocks, n_blocks - b0));
            pack_rows8<F>(a.w + size_t(row) * a.row_bytes + size_t(b0) * F::bytes, a.row_bytes,
                          int(min64(8, a.row_end - row)), n, &packed);
            for (int64_t t = 0; t < a.n_tokens; t += kTileTokens)
                call_tile<Tile32<F>>(int(min64(kTileTokens, a.n_tokens - t)), &a, (const Packed32 *)&packed, row, t, b0,
                                     n);
        }
    }
}

} // namespace
} // namespace DS4_ISA_NS
} // namespace ds4
