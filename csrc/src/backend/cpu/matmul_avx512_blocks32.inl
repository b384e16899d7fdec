// AVX-512 VNNI kernels for blocks of 32 with one scale each (Q8_0, MXFP4).
// VNNI multiplies unsigned by signed bytes, so weights are shifted to be positive and offset * (sum of the activations)
// is taken off again, in integers. Per (row, token) and block: acc = fma(integer dot, w scale * x scale, acc), block by
// block.
#include "backend/cpu/matmul_avx512_pack.inl"
#include "quant/mxfp4.h"
#include "quant/q8_0.h"

namespace ds4 {
namespace DS4_ISA_NS {
namespace {

struct VnniQ8_0 : quant::Q8_0 {
    static constexpr int offset = 128;
    static __m512i unpack2(const uint8_t *w) { // two blocks
        const __m512i lo = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(w + q)));
        const __m512i v = _mm512_inserti64x4(lo, _mm256_loadu_si256((const __m256i *)(w + bytes + q)), 1);
        return _mm512_xor_si512(v, _mm512_set1_epi8(-128));
    }
    static __m512i unpack1(const uint8_t *w) { // one block, the upper half is of no use
        const __m512i v = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(w + q)));
        return _mm512_xor_si512(v, _mm512_set1_epi8(-128));
    }
    // From the first four bytes of each block.
    static __m512 scales(__m512i head) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(head)); }
};
struct VnniMxfp4 : quant::Mxfp4 {
    static constexpr int offset = 12;
    static __m512i values(__m512i nibbles) { // low nibbles count in lanes 0 and 2, high ones in lanes 1 and 3
        const __m512i shift = _mm512_set_epi64(4, 4, 0, 0, 4, 4, 0, 0);
        const __m512i table =
            _mm512_broadcast_i32x4(_mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
        const __m512i code = _mm512_and_si512(_mm512_srlv_epi64(nibbles, shift), _mm512_set1_epi8(15));
        return _mm512_shuffle_epi8(table, code);
    }
    static __m512i unpack2(const uint8_t *w) {
        const __m256i a = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(w + q)));
        const __m256i b = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(w + bytes + q)));
        return values(_mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1));
    }
    static __m512i unpack1(const uint8_t *w) {
        const __m128i a = _mm_loadu_si128((const __m128i *)(w + q));
        return values(_mm512_castsi256_si512(_mm256_broadcastsi128_si256(a)));
    }
    static __m512 scales(__m512i head) {
        const __m512i e8 = _mm512_and_si512(head, _mm512_set1_epi32(255)), one = _mm512_set1_epi32(1);
        const __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e8, one), 23);
        const __m512i small = _mm512_sllv_epi32(_mm512_set1_epi32(0x00200000), e8);
        const __mmask16 is_small = _mm512_cmple_epu32_mask(e8, one);
        return _mm512_castsi512_ps(_mm512_mask_mov_epi32(normal, is_small, small));
    }
};

// Scales of up to sixteen consecutive blocks. Four bytes are read from the start of each block: never past the last
// one.
template <class F> inline __m512 block_scales(const uint8_t *w, __mmask16 lanes) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i at = _mm512_mullo_epi32(lane, _mm512_set1_epi32(F::bytes));
    return F::scales(_mm512_mask_i32gather_epi32(_mm512_setzero_si512(), lanes, at, w, 1));
}

// Integer dot products of up to sixteen consecutive blocks of one row; block b in lane b, weights still shifted.
template <class F, bool kFull> inline __m512i block_dots(const uint8_t *w, const int8_t *x, int n) {
    const __m512i zero = _mm512_setzero_si512();
    __m512i p[8];
    for (int j = 0; j < 8; j++) {
        const uint8_t *block = w + 2 * j * F::bytes;
        if (kFull || 2 * j + 1 < n) {
            p[j] = _mm512_dpbusd_epi32(zero, F::unpack2(block), _mm512_loadu_si512(x + 64 * j));
        } else if (2 * j < n) {
            const __m512i half = _mm512_zextsi256_si512(_mm256_loadu_si256((const __m256i *)(x + 64 * j)));
            p[j] = _mm512_dpbusd_epi32(zero, F::unpack1(block), half);
        } else {
            p[j] = zero;
        }
    }
    // Lanes 0 and 1 of p[j] belong to block 2 j, lanes 2 and 3 to block 2 j + 1.
    const __m512i a = sum_lanes4(p[0], p[1], p[2], p[3]), b = sum_lanes4(p[4], p[5], p[6], p[7]);
    const __m512i even = _mm512_shuffle_i32x4(a, b, 0x88), odd = _mm512_shuffle_i32x4(a, b, 0xdd);
    const __m512i order = _mm512_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
    return _mm512_permutexvar_epi32(order, _mm512_add_epi32(even, odd));
}

// One token: sixteen rows at a time. Each row's dot products of sixteen blocks are computed with the blocks in the
// lanes, then turned so that the rows are in the lanes, and summed block by block.
template <class F, bool kFull>
inline __m512 chunk_rows16(const uint8_t *w, size_t row_bytes, int rows, const int8_t *x, const float *d,
                           const int32_t *sums, int n, size_t ahead, __m512 acc) {
    alignas(64) float dots[16][16], scales[16][16];
    const __mmask16 lanes = kFull ? __mmask16(0xffff) : first_lanes(n);
    const __m512i shifted = _mm512_mullo_epi32(_mm512_maskz_loadu_epi32(lanes, sums), _mm512_set1_epi32(F::offset));
    const __m512 xd = _mm512_maskz_loadu_ps(lanes, d);
    for (int r = 0; r < 16; r++) {
        const uint8_t *row = w + size_t(r < rows ? r : rows - 1) * row_bytes;
        if (r >= rows) {
            _mm512_store_ps(dots[r], _mm512_setzero_ps());
            _mm512_store_ps(scales[r], _mm512_setzero_ps());
            continue;
        }
        for (int line = 0; line < 16 * F::bytes; line += 64)
            _mm_prefetch((const char *)row + ahead + line, _MM_HINT_T0);
        const __m512i dot = _mm512_sub_epi32(block_dots<F, kFull>(row, x, n), shifted);
        _mm512_store_ps(dots[r], _mm512_cvtepi32_ps(dot));
        _mm512_store_ps(scales[r], _mm512_mul_ps(block_scales<F>(row, lanes), xd));
    }
    for (int c = 0; c < 4; c++) {
        if (!kFull && 4 * c >= n) break;
        __m512i v[4], s[4];
        transpose_columns4((const uint8_t *)&dots[0][4 * c], 64, v);
        transpose_columns4((const uint8_t *)&scales[0][4 * c], 64, s);
        for (int i = 0; i < 4; i++)
            if (kFull || 4 * c + i < n)
                acc = _mm512_fmadd_ps(_mm512_castsi512_ps(v[i]), _mm512_castsi512_ps(s[i]), acc);
    }
    return acc;
}

template <class F> void one_token_blocks32(const MatmulArgs &a, int64_t t) {
    const int64_t n_blocks = a.x.n_in / 32, xr = a.x_rows ? a.x_rows[t] : t;
    const int8_t *x = a.x.q + xr * a.x.n_in;
    const float *d = a.x.d + xr * n_blocks;
    const int32_t *sums = a.x.sums + xr * n_blocks;
    for (int64_t row = a.row_begin; row < a.row_end; row += 16) {
        const int rows = int(min64(16, a.row_end - row));
        const uint8_t *w = a.w + size_t(row) * a.row_bytes;
        __m512 acc = _mm512_setzero_ps();
        int64_t b = 0;
        for (; b + 16 <= n_blocks; b += 16) {
            // What is needed next: the next blocks of these rows, or the first ones of the next sixteen.
            const size_t ahead = b + 32 <= n_blocks ? 16 * F::bytes : 16 * a.row_bytes - size_t(b) * F::bytes;
            acc = chunk_rows16<F, true>(w + size_t(b) * F::bytes, a.row_bytes, rows, x + 32 * b, d + b, sums + b, 16,
                                        ahead, acc);
        }
        if (b < n_blocks)
            acc = chunk_rows16<F, false>(w + size_t(b) * F::bytes, a.row_bytes, rows, x + 32 * b, d + b, sums + b,
                                         int(n_blocks - b), 16 * a.row_bytes, acc);
        _mm512_mask_storeu_ps(a.y + t * a.y_stride + row - a.row_begin, first_lanes(rows), acc);
    }
}

// A chunk of rows unpacked: bytes of four neighbouring elements of sixteen rows next to each other.
struct Packed32 {
    static constexpr int blocks = kChunk / 32;
    alignas(64) uint8_t w[kGroups][blocks][8][64]; // [group][block][4 elements][row]
    alignas(64) float d[kGroups][blocks][16];
};

template <class F>
inline void pack_rows16(const uint8_t *w, size_t row_bytes, int rows, int n, uint8_t (*out)[8][64], float (*d)[16]) {
    alignas(64) uint8_t plain[16][64];
    alignas(64) float scales[16][16];
    for (int b = 0; b < n; b += 2) {
        for (int r = 0; r < 16; r++) {
            const uint8_t *p = w + size_t(r < rows ? r : rows - 1) * row_bytes + size_t(b) * F::bytes;
            _mm512_store_si512(plain[r], b + 1 < n ? F::unpack2(p) : F::unpack1(p));
        }
        for (int c = 0; c < (b + 1 < n ? 4 : 2); c++) {
            __m512i v[4];
            transpose_columns4(&plain[0][16 * c], 64, v);
            for (int i = 0; i < 4; i++) _mm512_store_si512(out[b + c / 2][4 * (c & 1) + i], v[i]);
        }
    }
    for (int b = 0; b < n; b += 16) {
        const int part = n - b < 16 ? n - b : 16;
        for (int r = 0; r < 16; r++) {
            const uint8_t *p = w + size_t(r < rows ? r : rows - 1) * row_bytes + size_t(b) * F::bytes;
            _mm512_store_ps(scales[r], block_scales<F>(p, first_lanes(part)));
        }
        for (int c = 0; 4 * c < part; c++) {
            __m512i v[4];
            transpose_columns4((const uint8_t *)&scales[0][4 * c], 64, v);
            for (int i = 0; i < 4 && 4 * c + i < part; i++) _mm512_store_si512(d[b + 4 * c + i], v[i]);
        }
    }
}

// Where the packed groups of sixteen rows lie: bytes [block][8][64], scales [block][16].
struct Groups32 {
    const uint8_t *w[kGroups];
    const float *d[kGroups];
};

template <class F> struct Tile32 {
    // G * 16 rows times T tokens over n blocks starting at block b0.
    template <int G, int T>
    static void tile(const MatmulArgs *a, const Groups32 *packed, int64_t row, int64_t t0, int64_t b0, int n) {
        const int64_t n_blocks = a->x.n_in / 32;
        const int8_t *x[T];
        const float *d[T];
        const int32_t *sums[T];
        __m512 acc[G][T];
        for (int t = 0; t < T; t++) {
            const int64_t xr = a->x_rows ? a->x_rows[t0 + t] : t0 + t;
            x[t] = a->x.q + xr * a->x.n_in + 32 * b0;
            d[t] = a->x.d + xr * n_blocks + b0;
            sums[t] = a->x.sums + xr * n_blocks + b0;
            const float *y = a->y + (t0 + t) * a->y_stride + row - a->row_begin;
            for (int g = 0; g < G; g++)
                acc[g][t] = b0 ? _mm512_maskz_loadu_ps(first_lanes(a->row_end - row - 16 * g), y + 16 * g)
                               : _mm512_setzero_ps();
        }
        for (int b = 0; b < n; b++) {
            __m512i dot[G][T];
            for (int t = 0; t < T; t++) {
                const __m512i shifted = _mm512_set1_epi32(-F::offset * sums[t][b]);
                for (int g = 0; g < G; g++) dot[g][t] = shifted;
            }
            for (int k = 0; k < 8; k++) {
                __m512i w[G];
                for (int g = 0; g < G; g++) w[g] = _mm512_load_si512(packed->w[g] + 512 * b + 64 * k);
                for (int t = 0; t < T; t++) {
                    const __m512i xv = broadcast4(x[t] + 32 * b + 4 * k);
                    for (int g = 0; g < G; g++) dot[g][t] = _mm512_dpbusd_epi32(dot[g][t], w[g], xv);
                }
            }
            for (int t = 0; t < T; t++) {
                const __m512 xd = _mm512_set1_ps(d[t][b]);
                for (int g = 0; g < G; g++)
                    acc[g][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[g][t]),
                                                _mm512_mul_ps(_mm512_load_ps(packed->d[g] + 16 * b), xd), acc[g][t]);
            }
        }
        for (int t = 0; t < T; t++) {
            float *y = a->y + (t0 + t) * a->y_stride + row - a->row_begin;
            for (int g = 0; g < G; g++)
                _mm512_mask_storeu_ps(y + 16 * g, first_lanes(a->row_end - row - 16 * g), acc[g][t]);
        }
    }
};

template <class F> void matmul_blocks32_vnni(const MatmulArgs &a) {
    if (a.n_tokens == 1) {
        one_token_blocks32<F>(a, 0);
        return;
    }
    Packed32 packed;
    Groups32 groups;
    for (int g = 0; g < kGroups; g++) groups.w[g] = packed.w[g][0][0], groups.d[g] = packed.d[g][0];
    const int64_t n_blocks = a.x.n_in / 32;
    for (int64_t row = a.row_begin; row < a.row_end; row += 16 * kGroups) {
        const int64_t rows = min64(16 * kGroups, a.row_end - row);
        for (int64_t b0 = 0; b0 < n_blocks; b0 += Packed32::blocks) {
            const int n = int(min64(Packed32::blocks, n_blocks - b0));
            for (int g = 0; 16 * g < rows; g++)
                pack_rows16<F>(a.w + size_t(row + 16 * g) * a.row_bytes + size_t(b0) * F::bytes, a.row_bytes,
                               int(min64(16, rows - 16 * g)), n, packed.w[g], packed.d[g]);
            for (int64_t t = 0; t < a.n_tokens; t += kTileTokens) {
                const int tokens = int(min64(kTileTokens, a.n_tokens - t));
                if (rows > 16)
                    call_tile<Tile32<F>, 2>(tokens, &a, (const Groups32 *)&groups, row, t, b0, n);
                else
                    call_tile<Tile32<F>, 1>(tokens, &a, (const Groups32 *)&groups, row, t, b0, n);
            }
        }
    }
}

// A Q8_0 matrix packed once, when it is bound: for each sixteen rows the bytes of all blocks, then their scales as
// floats. One kernel serves one token and many; its sums are those of the kernels above, bit for bit.
inline size_t repacked_group_bytes(int64_t n_in) { return size_t(n_in) * 16 + size_t(n_in) / 32 * 64; }

size_t repack_q8_0(const uint8_t *w, size_t row_bytes, int64_t n_rows, int64_t n_in, uint8_t *out) {
    const int64_t n_blocks = n_in / 32;
    for (int64_t row = 0; out && row < n_rows; row += 16, out += repacked_group_bytes(n_in)) {
        const auto bytes = (uint8_t (*)[8][64])out;
        const auto scales = (float (*)[16])(out + 512 * n_blocks);
        pack_rows16<VnniQ8_0>(w + size_t(row) * row_bytes, row_bytes, int(min64(16, n_rows - row)), int(n_blocks),
                              bytes, scales);
    }
    return size_t((n_rows + 15) / 16) * repacked_group_bytes(n_in);
}

void matmul_repacked_q8_0(const MatmulArgs &a) {
    const int64_t n_blocks = a.x.n_in / 32;
    for (int64_t row = a.row_begin; row < a.row_end; row += 16 * kGroups) {
        const int64_t rows = min64(16 * kGroups, a.row_end - row);
        for (int64_t b0 = 0; b0 < n_blocks; b0 += Packed32::blocks) {
            const int n = int(min64(Packed32::blocks, n_blocks - b0));
            Groups32 groups;
            for (int g = 0; g < kGroups; g++) {
                const uint8_t *group =
                    a.w + size_t(row / 16 + (16 * g < rows ? g : 0)) * repacked_group_bytes(a.x.n_in);
                groups.w[g] = group + 512 * b0;
                groups.d[g] = (const float *)(group + 512 * n_blocks) + 16 * b0;
            }
            for (int64_t t = 0; t < a.n_tokens; t += kTileTokens) {
                const int tokens = int(min64(kTileTokens, a.n_tokens - t));
                if (rows > 16)
                    call_tile<Tile32<VnniQ8_0>, 2>(tokens, &a, (const Groups32 *)&groups, row, t, b0, n);
                else
                    call_tile<Tile32<VnniQ8_0>, 1>(tokens, &a, (const Groups32 *)&groups, row, t, b0, n);
            }
        }
    }
}

} // namespace
} // namespace DS4_ISA_NS
} // namespace ds4
