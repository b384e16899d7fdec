// AVX2 kernels for blocks of 256 (Q2_K, Q4_K, IQ2_XXS), in the same order of sums as every instruction set.
#include "backend/cpu/matmul_avx2_pack.inl"
#include "quant/iq2.h"
#include "quant/q2_k.h"
#include "quant/q4_k.h"

namespace ds4 {
namespace DS4_ISA_NS {
namespace {

inline __m256i load32(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }

// Sixteen sums as int16.
inline __m256i sums_int16(const int32_t *sums) {
    const __m256i v = _mm256_packs_epi32(load32(sums), load32(sums + 8));
    return _mm256_permute4x64_epi64(v, 0xd8);
}
// Byte a in the lower half, byte b in the upper half, as int16. For _mm256_shuffle_epi8.
inline __m256i spread_index(int a, int b) {
    const __m128i lo = _mm_set1_epi16(short(0x8000 | a)), hi = _mm_set1_epi16(short(0x8000 | b));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(lo), hi, 1);
}
inline __m256i add32(__m256i a, __m256i b) { return _mm256_add_epi32(a, b); }

// dot: the integer dot product with the sub-scales, in eight partial sums. unpack: 256 bytes in the order of the
// elements, sub-scales and minimums of sixteen elements as int16.
struct MaddQ2K : quant::Q2K {
    static constexpr bool has_min = true, has_sign = false;
    static float scale(const uint8_t *w) { return _cvtsh_ss(quant::load_u16(w + d)); }
    static float min_scale(const uint8_t *w) { return _cvtsh_ss(quant::load_u16(w + dmin)); }
    static __m256i part(const uint8_t *w, int h, int s) {
        return _mm256_and_si256(_mm256_srli_epi16(load32(w + q + 32 * h), 2 * s), _mm256_set1_epi8(3));
    }
    static __m128i low(__m128i v) { return _mm_and_si128(v, _mm_set1_epi8(15)); }
    static __m256i dot(const uint8_t *w, const int8_t *x, __m256i sums, __m256i *minimum) {
        const __m128i packed = _mm_loadu_si128((const __m128i *)(w + scales));
        const __m256i sub = _mm256_broadcastsi128_si256(low(packed));
        __m256i sum = _mm256_setzero_si256();
        for (int h = 0; h < 2; h++)
            for (int s = 0; s < 4; s++) {
                const int g = 8 * h + 2 * s;
                const __m256i products = _mm256_maddubs_epi16(part(w, h, s), load32(x + 16 * g));
                sum = add32(sum, _mm256_madd_epi16(products, _mm256_shuffle_epi8(sub, spread_index(g, g + 1))));
            }
        *minimum = _mm256_madd_epi16(_mm256_cvtepu8_epi16(low(_mm_srli_epi16(packed, 4))), sums);
        return sum;
    }
    static void unpack(const uint8_t *w, uint8_t *out, int16_t *sub, int16_t *minimums) {
        const __m128i packed = _mm_loadu_si128((const __m128i *)(w + scales));
        for (int h = 0; h < 2; h++)
            for (int s = 0; s < 4; s++) _mm256_store_si256((__m256i *)(out + 128 * h + 32 * s), part(w, h, s));
        _mm256_store_si256((__m256i *)sub, _mm256_cvtepu8_epi16(low(packed)));
        _mm256_store_si256((__m256i *)minimums, _mm256_cvtepu8_epi16(low(_mm_srli_epi16(packed, 4))));
    }
};

struct MaddQ4K : quant::Q4K {
    static constexpr bool has_min = true, has_sign = false;
    static float scale(const uint8_t *w) { return _cvtsh_ss(quant::load_u16(w + d)); }
    static float min_scale(const uint8_t *w) { return _cvtsh_ss(quant::load_u16(w + dmin)); }
    static __m256i twice(uint64_t bytes8) { // each of eight bytes twice, as int16
        const __m256i index = _mm256_setr_epi64x((long long)0x8001800180008000ull, (long long)0x8003800380028002ull,
                                                 (long long)0x8005800580048004ull, (long long)0x8007800780068006ull);
        return _mm256_shuffle_epi8(_mm256_set1_epi64x((long long)bytes8), index);
    }
    static __m256i part(const uint8_t *w, int g) {
        const __m256i v = load32(w + q + 32 * (g / 2));
        return _mm256_and_si256(g & 1 ? _mm256_srli_epi16(v, 4) : v, _mm256_set1_epi8(15));
    }
    static __m256i dot(const uint8_t *w, const int8_t *x, __m256i sums, __m256i *minimum) {
        uint64_t sub, minimums;
        quant::unpack_scales_q4_k(w + scales, &sub, &minimums);
        const __m256i subs = _mm256_set1_epi64x((long long)sub);
        __m256i sum = _mm256_setzero_si256();
        for (int g = 0; g < 8; g++) {
            const __m256i products = _mm256_maddubs_epi16(part(w, g), load32(x + 32 * g));
            sum = add32(sum, _mm256_madd_epi16(products, _mm256_shuffle_epi8(subs, spread_index(g, g))));
        }
        *minimum = _mm256_madd_epi16(twice(minimums), sums);
        return sum;
    }
    static void unpack(const uint8_t *w, uint8_t *out, int16_t *sub, int16_t *minimums) {
        uint64_t sub8, minimums8;
        quant::unpack_scales_q4_k(w + scales, &sub8, &minimums8);
        for (int g = 0; g < 8; g++) _mm256_store_si256((__m256i *)(out + 32 * g), part(w, g));
        _mm256_store_si256((__m256i *)sub, twice(sub8));
        _mm256_store_si256((__m256i *)minimums, twice(minimums8));
    }
};

// The IQ2_XXS codebook as bytes, and for seven sign bits eight bytes of 1 or -1.
struct Iq2Tables {
    uint64_t entry[256], sign[128];
};
constexpr Iq2Tables make_iq2_tables() {
    Iq2Tables t{};
    for (int i = 0; i < 256; i++)
        for (int k = 0; k < 8; k++)
            t.entry[i] |= uint64_t(quant::kIq2Values[(quant::kIq2XxsGrid[i] >> (2 * k)) & 3]) << (8 * k);
    for (int i = 0; i < 128; i++) {
        int ones = 0;
        for (int k = 0; k < 7; k++) ones += (i >> k) & 1;
        for (int k = 0; k < 8; k++) {
            const bool negative = k < 7 ? (i >> k) & 1 : ones & 1;
            t.sign[i] |= uint64_t(negative ? 0xff : 0x01) << (8 * k);
        }
    }
    return t;
}
alignas(64) constexpr Iq2Tables kIq2Tables = make_iq2_tables();

struct MaddIq2Xxs : quant::Iq2Xxs {
    static constexpr bool has_min = false, has_sign = true;
    static float scale(const uint8_t *w) { return _cvtsh_ss(quant::load_u16(w + d)) * 0.125f; }
    static float min_scale(const uint8_t *) { return 0.f; }
    static __m256i magnitudes(const uint8_t *b) {
        const uint64_t *e = kIq2Tables.entry;
        return _mm256_setr_epi64x((long long)e[b[0]], (long long)e[b[1]], (long long)e[b[2]], (long long)e[b[3]]);
    }
    static __m256i signs(uint32_t word) {
        const uint64_t *s = kIq2Tables.sign;
        return _mm256_setr_epi64x((long long)s[word & 127], (long long)s[(word >> 7) & 127],
                                  (long long)s[(word >> 14) & 127], (long long)s[(word >> 21) & 127]);
    }
    static __m256i dot(const uint8_t *w, const int8_t *x, __m256i, __m256i *) {
        __m256i sum = _mm256_setzero_si256();
        for (int g = 0; g < 8; g++) {
            const uint8_t *b = w + q + 8 * g;
            const uint32_t word = quant::load_u32(b + 4);
            const __m256i xs = _mm256_sign_epi8(load32(x + 32 * g), signs(word));
            const __m256i products = _mm256_maddubs_epi16(magnitudes(b), xs);
            sum = add32(sum, _mm256_madd_epi16(products, _mm256_set1_epi16(short(2 * (word >> 28) + 1))));
        }
        return sum;
    }
    static void unpack(const uint8_t *w, uint8_t *out, int16_t *sub, int16_t *) {
        for (int g = 0; g < 8; g++) {
            const uint8_t *b = w + q + 8 * g;
            const uint32_t word = quant::load_u32(b + 4);
            _mm256_store_si256((__m256i *)(out + 32 * g), _mm256_sign_epi8(magnitudes(b), signs(word)));
            sub[2 * g] = sub[2 * g + 1] = int16_t(2 * (word >> 28) + 1);
        }
    }
};

template <class F>
inline __m128 block_rows4(const uint8_t *const *w, size_t at, const int8_t *x, __m256i sums, float xd, __m128 acc) {
    __m256i dot[4], minimum[4];
    for (int r = 0; r < 4; r++) dot[r] = F::dot(w[r] + at, x, sums, &minimum[r]);
    const __m256i s = sum_lanes4(dot[0], dot[1], dot[2], dot[3]);
    const __m128i s4 = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
    const __m128 d = _mm_setr_ps(F::scale(w[0] + at), F::scale(w[1] + at), F::scale(w[2] + at), F::scale(w[3] + at));
    acc = _mm_fmadd_ps(_mm_cvtepi32_ps(s4), _mm_mul_ps(d, _mm_set1_ps(xd)), acc);
    if (F::has_min) {
        const __m256i m = sum_lanes4(minimum[0], minimum[1], minimum[2], minimum[3]);
        const __m128i m4 = _mm_add_epi32(_mm256_castsi256_si128(m), _mm256_extracti128_si256(m, 1));
        const __m128 dm = _mm_setr_ps(F::min_scale(w[0] + at), F::min_scale(w[1] + at), F::min_scale(w[2] + at),
                                      F::min_scale(w[3] + at));
        acc = _mm_fnmadd_ps(_mm_cvtepi32_ps(m4), _mm_mul_ps(dm, _mm_set1_ps(xd)), acc);
    }
    return acc;
}

template <class F> void one_token_blocks256(const MatmulArgs &a, int64_t t) {
    const int64_t n_blocks = a.x.n_in / 256, xr = a.x_rows ? a.x_rows[t] : t;
    const int8_t *x = a.x.q + xr * a.x.n_in;
    const float *d = a.x.d + xr * n_blocks;
    const int32_t *sums = a.x.sums + xr * n_blocks * 16;
    for (int64_t row = a.row_begin; row < a.row_end; row += 4) {
        const int rows = int(min64(4, a.row_end - row));
        const uint8_t *w[4];
        for (int r = 0; r < 4; r++) w[r] = a.w + size_t(row + (r < rows ? r : rows - 1)) * a.row_bytes;
        __m128 acc = _mm_setzero_ps();
        for (int64_t b = 0; b < n_blocks; b++) {
            const size_t at = size_t(b) * F::bytes;
            for (int r = 0; r < 4; r++)
                for (int line = 0; line < F::bytes; line += 64)
                    _mm_prefetch((const char *)w[r] + at + 4 * a.row_bytes + line, _MM_HINT_T0);
            acc = block_rows4<F>(w, at, x + 256 * b, sums_int16(sums + 16 * b), d[b], acc);
        }
        store_first(a.y + t * a.y_stride + row - a.row_begin, acc, rows);
    }
}

// A chunk of eight rows unpacked, as in Packed32.
struct Packed256 {
    static constexpr int blocks = kChunk / 256;
    alignas(32) uint8_t w[blocks][64][32];       // [block][4 elements][row]
    alignas(32) int32_t sub[blocks][16][8];      // [block][16 elements][row], the int16 twice
    alignas(32) uint8_t minimums[blocks][8][32]; // [block][2 x 16 elements][row], pairs of int16
    alignas(32) float d[blocks][8], dmin[blocks][8];
};

template <class F> inline void pack256_rows8(const uint8_t *w, size_t row_bytes, int rows, int n, Packed256 *out) {
    alignas(32) uint8_t plain[8][256];
    alignas(32) int16_t sub[8][16], minimums[8][16];
    for (int b = 0; b < n; b++) {
        for (int r = 0; r < 8; r++) {
            const uint8_t *p = w + size_t(r < rows ? r : rows - 1) * row_bytes + size_t(b) * F::bytes;
            F::unpack(p, plain[r], sub[r], minimums[r]);
            out->d[b][r] = F::scale(p);
            out->dmin[b][r] = F::min_scale(p);
            for (int g = 0; g < 16; g++) out->sub[b][g][r] = sub[r][g] * 0x10001;
        }
        for (int c = 0; c < 16; c++) transpose_columns4(&plain[0][16 * c], 256, &out->w[b][4 * c][0]);
        if (F::has_min)
            for (int c = 0; c < 2; c++)
                transpose_columns4((const uint8_t *)&minimums[0][8 * c], 32, &out->minimums[b][4 * c][0]);
    }
}

template <class F> struct Tile256 {
    template <int T>
    static void tile(const MatmulArgs *a, const Packed256 *p, int64_t row, int64_t t0, int64_t b0, int n) {
        const int64_t n_blocks = a->x.n_in / 256;
        const int rows = int(min64(8, a->row_end - row));
        const int8_t *x[T];
        const float *d[T];
        const int32_t *sums[T];
        float *y[T];
        __m256 acc[T];
        for (int t = 0; t < T; t++) {
            const int64_t xr = a->x_rows ? a->x_rows[t0 + t] : t0 + t;
            x[t] = a->x.q + xr * a->x.n_in + 256 * b0;
            d[t] = a->x.d + xr * n_blocks + b0;
            sums[t] = a->x.sums + 16 * (xr * n_blocks + b0);
            y[t] = a->y + (t0 + t) * a->y_stride + row - a->row_begin;
            acc[t] = b0 ? _mm256_maskload_ps(y[t], first_lanes(rows)) : _mm256_setzero_ps();
        }
        for (int b = 0; b < n; b++) {
            __m256i dot[T];
            dots<T>(p, b, x, dot);
            for (int t = 0; t < T; t++)
                acc[t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[t]),
                                         _mm256_mul_ps(_mm256_load_ps(p->d[b]), _mm256_set1_ps(d[t][b])), acc[t]);
            if (!F::has_min) continue;
            alignas(32) int16_t pairs[T][16];
            for (int t = 0; t < T; t++) {
                _mm256_store_si256((__m256i *)pairs[t], sums_int16(sums[t] + 16 * b));
                dot[t] = _mm256_setzero_si256();
            }
            for (int j = 0; j < 8; j++)
                for (int t = 0; t < T; t++)
                    dot[t] = add32(dot[t], _mm256_madd_epi16(load32(p->minimums[b][j]), broadcast4(&pairs[t][2 * j])));
            for (int t = 0; t < T; t++)
                acc[t] = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(dot[t]),
                                          _mm256_mul_ps(_mm256_load_ps(p->dmin[b]), _mm256_set1_ps(d[t][b])), acc[t]);
        }
        for (int t = 0; t < T; t++) _mm256_maskstore_ps(y[t], first_lanes(rows), acc[t]);
    }
    // Four products of two elements fit an int16 (15 * 127 * 8), with signs (43 * 127 * 4) two.
    template <int T> static inline void dots(const Packed256 *p, int b, const int8_t *const *x, __m256i (&dot)[T]) {
        constexpr int per_sum = F::has_sign ? 2 : 4;
        for (int t = 0; t < T; t++) dot[t] = _mm256_setzero_si256();
        for (int k = 0; k < 64; k += per_sum) {
            __m256i sum[T];
            for (int i = 0; i < per_sum; i++) {
                const __m256i w = load32(p->w[b][k + i]), size = F::has_sign ? _mm256_abs_epi8(w) : w;
                for (int t = 0; t < T; t++) {
                    __m256i xv = broadcast4(x[t] + 256 * b + 4 * (k + i));
                    if (F::has_sign) xv = _mm256_sign_epi8(xv, w);
                    const __m256i products = _mm256_maddubs_epi16(size, xv);
                    sum[t] = i ? _mm256_add_epi16(sum[t], products) : products;
                }
            }
            const __m256i sub = load32(p->sub[b][k / 4]);
            for (int t = 0; t < T; t++) dot[t] = add32(dot[t], _mm256_madd_epi16(sum[t], sub));
        }
    }
};

template <class F> void matmul_blocks256_avx2(const MatmulArgs &a) {
    if (a.n_tokens < kPackTokens) {
        for (int64_t t = 0; t < a.n_tokens; t++) one_token_blocks256<F>(a, t);
        return;
    }
    Packed256 packed;
    const int64_t n_blocks = a.x.n_in / 256;
    for (int64_t row = a.row_begin; row < a.row_end; row += 8) {
        for (int64_t b0 = 0; b0 < n_blocks; b0 += Packed256::blocks) {
            const int n = int(min64(Packed256::blocks, n_blocks - b0));
            pack256_rows8<F>(a.w + size_t(row) * a.row_bytes + size_t(b0) * F::bytes, a.row_bytes,
                             int(min64(8, a.row_end - row)), n, &packed);
            for (int64_t t = 0; t < a.n_tokens; t += kTileTokens)
                call_tile<Tile256<F>>(int(min64(kTileTokens, a.n_tokens - t)), &a, (const Packed256 *)&packed, row, t,
                                      b0, n);
        }
    }
}

} // namespace
} // namespace DS4_ISA_NS
} // namespace ds4
