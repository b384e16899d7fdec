// AVX-512 kernels for blocks of 256 (Q2_K, Q4_K, IQ2_XXS).
// Per (row, token) and block: acc = fma(integer dot with the sub-scales, scale * x scale, acc), and where the type has
// minimums: acc = fma(integer dot of minimums and activation sums, -(min scale * x scale), acc).
#include "backend/cpu/matmul_avx512_pack.inl"
#include "quant/iq2.h"
#include "quant/q2_k.h"
#include "quant/q4_k.h"

namespace ds4 {
namespace DS4_ISA_NS {
namespace {

// A block's activations in the order in which a type's bytes unpack, and the sums of sixteen as int16.
struct Act256 {
    __m512i x[4];
    __m256i sums;
};
inline __m512i halves(const int8_t *lo, const int8_t *hi) {
    const __m512i v = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)lo));
    return _mm512_inserti64x4(v, _mm256_loadu_si256((const __m256i *)hi), 1);
}
inline __m256i sums_int16(const int32_t *sums) { return _mm512_cvtepi32_epi16(_mm512_loadu_si512(sums)); }

// Each lane of 128 bits takes byte b[lane], as eight int16. For _mm512_shuffle_epi8.
inline __m512i spread_index(int b0, int b1, int b2, int b3) {
    const long long high = (long long)0x8000800080008000ull, one = 0x0001000100010001ll;
    return _mm512_setr_epi64(high | b0 * one, high | b0 * one, high | b1 * one, high | b1 * one, high | b2 * one,
                             high | b2 * one, high | b3 * one, high | b3 * one);
}

struct VnniQ2K : quant::Q2K {
    static constexpr bool has_min = true, sub_scaled = false;
    static constexpr int offset = 0;
    static uint32_t halfs(const uint8_t *w) { return quant::load_u32(w + d); } // d below, dmin above
    static Act256 act(const int8_t *x, const int32_t *sums) {
        return {{halves(x, x + 128), halves(x + 32, x + 160), halves(x + 64, x + 192), halves(x + 96, x + 224)},
                sums_int16(sums)};
    }
    // Vector s holds elements 32 s .. 32 s + 31 and 128 + 32 s ..: four groups of sixteen, one per 128-bit lane.
    static __m512i part(__m512i q2, int s) {
        return _mm512_and_si512(_mm512_srli_epi16(q2, unsigned(2 * s)), _mm512_set1_epi8(3));
    }
    static __m512i dot(const uint8_t *w, const Act256 &x, __m256i *minimum) {
        const __m128i packed = _mm_loadu_si128((const __m128i *)(w + scales));
        const __m512i sub = _mm512_and_si512(_mm512_broadcast_i32x4(packed), _mm512_set1_epi8(15));
        const __m512i q2 = _mm512_loadu_si512(w + q);
        __m512i sum = _mm512_setzero_si512();
        for (int s = 0; s < 4; s++) {
            const __m512i products = _mm512_maddubs_epi16(part(q2, s), x.x[s]);
            const __m512i spread = spread_index(2 * s, 2 * s + 1, 2 * s + 8, 2 * s + 9);
            sum = _mm512_dpwssd_epi32(sum, products, _mm512_shuffle_epi8(sub, spread));
        }
        *minimum = _mm256_madd_epi16(_mm256_cvtepu8_epi16(high_nibbles(packed)), x.sums);
        return sum;
    }
    static __m128i high_nibbles(__m128i v) { return _mm_and_si128(_mm_srli_epi16(v, 4), _mm_set1_epi8(15)); }
    // Scale times q fits a byte (45), so nothing is left to do behind the dot product.
    static void unpack(const uint8_t *w, uint8_t *out, uint8_t *, int16_t *minimums) {
        const __m128i packed = _mm_loadu_si128((const __m128i *)(w + scales));
        const __m512i sub = _mm512_and_si512(_mm512_broadcast_i32x4(packed), _mm512_set1_epi8(15));
        const __m512i q2 = _mm512_loadu_si512(w + q);
        for (int s = 0; s < 4; s++) {
            const __m512i spread = spread_index(2 * s, 2 * s + 1, 2 * s + 8, 2 * s + 9);
            const __m512i scale = _mm512_shuffle_epi8(sub, spread), v = part(q2, s);
            const __m512i even = _mm512_mullo_epi16(_mm512_and_si512(v, _mm512_set1_epi16(255)), scale);
            const __m512i odd = _mm512_mullo_epi16(_mm512_srli_epi16(v, 8), scale);
            const __m512i scaled = _mm512_or_si512(even, _mm512_slli_epi16(odd, 8));
            _mm256_store_si256((__m256i *)(out + 32 * s), _mm512_castsi512_si256(scaled));
            _mm256_store_si256((__m256i *)(out + 128 + 32 * s), _mm512_extracti64x4_epi64(scaled, 1));
        }
        _mm256_store_si256((__m256i *)minimums, _mm256_cvtepu8_epi16(high_nibbles(packed)));
    }
};

struct VnniQ4K : quant::Q4K {
    static constexpr bool has_min = true, sub_scaled = true;
    static constexpr int offset = 0;
    static uint32_t halfs(const uint8_t *w) { return quant::load_u32(w + d); }
    static Act256 act(const int8_t *x, const int32_t *sums) {
        return {{halves(x, x + 64), halves(x + 32, x + 96), halves(x + 128, x + 192), halves(x + 160, x + 224)},
                sums_int16(sums)};
    }
    static __m256i spread_minimums(uint64_t minimums) { // each twice, as int16, for the sums of sixteen
        const __m256i index = _mm256_setr_epi64x((long long)0x8001800180008000ull, (long long)0x8003800380028002ull,
                                                 (long long)0x8005800580048004ull, (long long)0x8007800780068006ull);
        return _mm256_shuffle_epi8(_mm256_set1_epi64x((long long)minimums), index);
    }
    static __m512i dot(const uint8_t *w, const Act256 &x, __m256i *minimum) {
        uint64_t sub, minimums;
        quant::unpack_scales_q4_k(w + scales, &sub, &minimums);
        const __m512i subs = _mm512_set1_epi64((long long)sub), low = _mm512_set1_epi8(15);
        __m512i sum = _mm512_setzero_si512();
        for (int h = 0; h < 2; h++) {
            const __m512i q4 = _mm512_loadu_si512(w + q + 64 * h);
            const __m512i a = _mm512_maddubs_epi16(_mm512_and_si512(q4, low), x.x[2 * h]);
            const __m512i b = _mm512_maddubs_epi16(_mm512_and_si512(_mm512_srli_epi16(q4, 4), low), x.x[2 * h + 1]);
            const int g = 4 * h;
            sum = _mm512_dpwssd_epi32(sum, a, _mm512_shuffle_epi8(subs, spread_index(g, g, g + 2, g + 2)));
            sum = _mm512_dpwssd_epi32(sum, b, _mm512_shuffle_epi8(subs, spread_index(g + 1, g + 1, g + 3, g + 3)));
        }
        *minimum = _mm256_madd_epi16(spread_minimums(minimums), x.sums);
        return sum;
    }
    static void unpack(const uint8_t *w, uint8_t *out, uint8_t *sub, int16_t *minimums) {
        uint64_t sub8, minimums8;
        quant::unpack_scales_q4_k(w + scales, &sub8, &minimums8);
        std::memcpy(sub, &sub8, 8);
        _mm256_store_si256((__m256i *)minimums, spread_minimums(minimums8));
        const __m256i low = _mm256_set1_epi8(15);
        for (int c = 0; c < 4; c++) {
            const __m256i q4 = _mm256_loadu_si256((const __m256i *)(w + q + 32 * c));
            _mm256_store_si256((__m256i *)(out + 64 * c), _mm256_and_si256(q4, low));
            _mm256_store_si256((__m256i *)(out + 64 * c + 32), _mm256_and_si256(_mm256_srli_epi16(q4, 4), low));
        }
    }
};

// The IQ2_XXS codebook as bytes.
struct Iq2Bytes {
    uint64_t entry[256];
};
constexpr Iq2Bytes make_iq2_bytes() {
    Iq2Bytes t{};
    for (int i = 0; i < 256; i++)
        for (int k = 0; k < 8; k++)
            t.entry[i] |= uint64_t(quant::kIq2Values[(quant::kIq2XxsGrid[i] >> (2 * k)) & 3]) << (8 * k);
    return t;
}
alignas(64) constexpr Iq2Bytes kIq2Bytes = make_iq2_bytes();

struct VnniIq2Xxs : quant::Iq2Xxs {
    static constexpr bool has_min = false, sub_scaled = true;
    static constexpr int offset = 64; // magnitudes reach 43
    static uint32_t halfs(const uint8_t *w) { return quant::load_u16(w + d); }
    static Act256 act(const int8_t *x, const int32_t *) {
        return {{_mm512_loadu_si512(x), _mm512_loadu_si512(x + 64), _mm512_loadu_si512(x + 128),
                 _mm512_loadu_si512(x + 192)},
                _mm256_setzero_si256()};
    }
    struct Codes {
        alignas(32) uint8_t index[32];
        alignas(32) uint8_t signs[32]; // one bit per element
        __m256i scales;                // 2 scale + 1 of eight groups, dwords
    };
    static void codes(const uint8_t *w, Codes *c) {
        const __m512i v = _mm512_loadu_si512(w + q);
        const __m256i words = _mm512_cvtepi64_epi32(_mm512_srli_epi64(v, 32));
        _mm256_store_si256((__m256i *)c->index, _mm512_cvtepi64_epi32(v));
        c->scales = _mm256_add_epi32(_mm256_slli_epi32(_mm256_srli_epi32(words, 28), 1), _mm256_set1_epi32(1));
        // Four times seven bits to the low bits of four bytes, then the eighth that makes the number of ones even.
        const auto field = [&](int k, int mask) {
            return _mm256_and_si256(_mm256_slli_epi32(words, k), _mm256_set1_epi32(mask));
        };
        const __m256i seven = _mm256_or_si256(_mm256_or_si256(field(0, 0x7f), field(1, 0x7f00)),
                                              _mm256_or_si256(field(2, 0x7f0000), field(3, 0x7f000000)));
        const __m256i low = _mm256_set1_epi8(15);
        const __m256i parity = _mm256_broadcastsi128_si256(
            _mm_setr_epi8(0, -128, -128, 0, -128, 0, 0, -128, -128, 0, 0, -128, 0, -128, -128, 0));
        const __m256i folded =
            _mm256_xor_si256(_mm256_and_si256(seven, low), _mm256_and_si256(_mm256_srli_epi16(seven, 4), low));
        _mm256_store_si256((__m256i *)c->signs, _mm256_or_si256(seven, _mm256_shuffle_epi8(parity, folded)));
    }
    static __m512i magnitudes(const Codes &c, int s) {
        const __m512i index = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(c.index + 8 * s)));
        return _mm512_i64gather_epi64(index, kIq2Bytes.entry, 8);
    }
    static __mmask64 signs(const Codes &c, int s) { return __mmask64(quant::load_u64(c.signs + 8 * s)); }
    static __m512i dot(const uint8_t *w, const Act256 &x, __m256i *) {
        Codes c;
        codes(w, &c);
        const __m512i scale16 = _mm512_castsi256_si512(_mm256_or_si256(c.scales, _mm256_slli_epi32(c.scales, 16)));
        __m512i sum = _mm512_setzero_si512();
        for (int s = 0; s < 4; s++) {
            const int a = 2 * s, b = 2 * s + 1;
            const __m512i xs = _mm512_mask_sub_epi8(x.x[s], signs(c, s), _mm512_setzero_si512(), x.x[s]);
            const __m512i spread = _mm512_setr_epi32(a, a, a, a, a, a, a, a, b, b, b, b, b, b, b, b);
            const __m512i products = _mm512_maddubs_epi16(magnitudes(c, s), xs);
            sum = _mm512_dpwssd_epi32(sum, products, _mm512_permutexvar_epi32(spread, scale16));
        }
        return sum;
    }
    static void unpack(const uint8_t *w, uint8_t *out, uint8_t *sub, int16_t *) {
        Codes c;
        codes(w, &c);
        _mm_storel_epi64((__m128i *)sub, _mm256_cvtepi32_epi8(c.scales));
        for (int s = 0; s < 4; s++) {
            const __m512i m = magnitudes(c, s), shift = _mm512_set1_epi8(offset);
            const __m512i v = _mm512_mask_sub_epi8(_mm512_add_epi8(shift, m), signs(c, s), shift, m);
            _mm512_store_si512(out + 64 * s, v);
        }
    }
    // The eighth of the format's scale; a power of two, so where it is applied does not matter.
    static __m512 scale(__m512 d16) { return _mm512_mul_ps(d16, _mm512_set1_ps(0.125f)); }
};
inline __m512 scale_of(VnniIq2Xxs, __m512 d) { return VnniIq2Xxs::scale(d); }
inline __m512 scale_of(VnniQ2K, __m512 d) { return d; }
inline __m512 scale_of(VnniQ4K, __m512 d) { return d; }

// Lower and upper halves of dwords as floats.
inline __m512 low_halfs(__m512i v) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v)); }
inline __m512 high_halfs(__m512i v) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(v, 16))); }

// One token, kRows rows: a block of every row, summed across the lanes together, then one step of every row's chain.
constexpr int kRows256 = 4;
template <class F>
inline __m128 block_rows4(const uint8_t *const *w, size_t at, const Act256 &x, float xd, __m128 acc) {
    __m512i dot[4];
    __m256i minimum[4];
    alignas(16) uint32_t halfs[4];
    for (int r = 0; r < 4; r++) {
        dot[r] = F::dot(w[r] + at, x, &minimum[r]);
        halfs[r] = F::halfs(w[r] + at);
    }
    const __m512i s = sum_lanes4(dot[0], dot[1], dot[2], dot[3]);
    const __m256i s2 = _mm256_add_epi32(_mm512_castsi512_si256(s), _mm512_extracti64x4_epi64(s, 1));
    const __m128i s4 = _mm_add_epi32(_mm256_castsi256_si128(s2), _mm256_extracti128_si256(s2, 1));
    const __m512i h = _mm512_castsi128_si512(_mm_load_si128((const __m128i *)halfs));
    const __m128 d = _mm512_castps512_ps128(scale_of(F(), low_halfs(h))), xd4 = _mm_set1_ps(xd);
    acc = _mm_fmadd_ps(_mm_cvtepi32_ps(s4), _mm_mul_ps(d, xd4), acc);
    if (F::has_min) {
        const __m256i ab = _mm256_hadd_epi32(minimum[0], minimum[1]), cd = _mm256_hadd_epi32(minimum[2], minimum[3]);
        const __m256i m2 = _mm256_hadd_epi32(ab, cd);
        const __m128i m4 = _mm_add_epi32(_mm256_castsi256_si128(m2), _mm256_extracti128_si256(m2, 1));
        const __m128 dm = _mm_mul_ps(_mm512_castps512_ps128(high_halfs(h)), xd4);
        acc = _mm_fnmadd_ps(_mm_cvtepi32_ps(m4), dm, acc);
    }
    return acc;
}

template <class F> void one_token_blocks256(const MatmulArgs &a, int64_t t) {
    const int64_t n_blocks = a.x.n_in / 256, xr = a.x_rows ? a.x_rows[t] : t;
    const int8_t *x = a.x.q + xr * a.x.n_in;
    const float *d = a.x.d + xr * n_blocks;
    const int32_t *sums = a.x.sums + xr * n_blocks * 16;
    for (int64_t row = a.row_begin; row < a.row_end; row += kRows256) {
        const int rows = int(min64(kRows256, a.row_end - row));
        const uint8_t *w[kRows256];
        for (int r = 0; r < kRows256; r++) w[r] = a.w + size_t(row + (r < rows ? r : rows - 1)) * a.row_bytes;
        __m128 acc = _mm_setzero_ps();
        for (int64_t b = 0; b < n_blocks; b++) {
            const size_t at = size_t(b) * F::bytes;
            for (int r = 0; r < kRows256; r++)
                for (int line = 0; line < F::bytes; line += 64)
                    _mm_prefetch((const char *)w[r] + at + kRows256 * a.row_bytes + line, _MM_HINT_T0);
            acc = block_rows4<F>(w, at, F::act(x + 256 * b, sums + 16 * b), d[b], acc);
        }
        _mm_mask_storeu_ps(a.y + t * a.y_stride + row - a.row_begin, __mmask8((1 << rows) - 1), acc);
    }
}

// A chunk of rows unpacked, as in Packed32.
struct Packed256 {
    static constexpr int blocks = kChunk / 256;
    alignas(64) uint8_t w[kGroups][blocks][64][64];       // [group][block][4 elements][row]
    alignas(64) int32_t sub[kGroups][blocks][8][16];      // [group][block][32 elements][row]
    alignas(64) int32_t minimums[kGroups][blocks][8][16]; // pairs of int16 of 16 elements each
    alignas(64) float d[kGroups][blocks][16], dmin[kGroups][blocks][16];
};

template <class F>
inline void pack256_rows16(const uint8_t *w, size_t row_bytes, int rows, int n, int group, Packed256 *out) {
    alignas(64) uint8_t plain[16][256];
    alignas(64) int16_t minimums[16][16];
    alignas(64) uint8_t sub[16][16];
    alignas(64) uint32_t halfs[16];
    for (int b = 0; b < n; b++) {
        for (int r = 0; r < 16; r++) {
            const uint8_t *p = w + size_t(r < rows ? r : rows - 1) * row_bytes + size_t(b) * F::bytes;
            F::unpack(p, plain[r], sub[r], minimums[r]);
            halfs[r] = F::halfs(p);
        }
        for (int c = 0; c < 16; c++) {
            __m512i v[4];
            transpose_columns4(&plain[0][16 * c], 256, v);
            for (int i = 0; i < 4; i++) _mm512_store_si512(out->w[group][b][4 * c + i], v[i]);
        }
        if (F::sub_scaled)
            for (int j = 0; j < 8; j++)
                for (int r = 0; r < 16; r++) out->sub[group][b][j][r] = sub[r][j];
        if (F::has_min) {
            for (int c = 0; c < 2; c++) {
                __m512i v[4];
                transpose_columns4((const uint8_t *)&minimums[0][8 * c], 32, v);
                for (int i = 0; i < 4; i++) _mm512_store_si512(out->minimums[group][b][4 * c + i], v[i]);
            }
        }
        const __m512i h = _mm512_load_si512(halfs);
        _mm512_store_ps(out->d[group][b], scale_of(F(), low_halfs(h)));
        _mm512_store_ps(out->dmin[group][b], high_halfs(h));
    }
}

template <class F> struct Tile256 {
    // The integer dot products of block b with their sub-scales: dot[g][t], rows in the lanes.
    template <int G, int T>
    static inline void dots(const Packed256 *p, int b, const int8_t *const *x, const int32_t *const *sums, int64_t xb,
                            __m512i (&dot)[G][T]) {
        for (int g = 0; g < G; g++)
            for (int t = 0; t < T; t++) dot[g][t] = _mm512_setzero_si512();
        for (int j = 0; j < 8; j++) {
            __m512i part[G][T];
            for (int t = 0; t < T; t++) {
                __m512i start = _mm512_setzero_si512();
                if (F::offset)
                    start = _mm512_set1_epi32(-F::offset * (sums[t][16 * xb + 2 * j] + sums[t][16 * xb + 2 * j + 1]));
                for (int g = 0; g < G; g++) part[g][t] = F::sub_scaled ? start : dot[g][t];
            }
            for (int k = 0; k < 8; k++) {
                __m512i w[G];
                for (int g = 0; g < G; g++) w[g] = _mm512_load_si512(p->w[g][b][8 * j + k]);
                for (int t = 0; t < T; t++) {
                    const __m512i xv = broadcast4(x[t] + 256 * xb + 32 * j + 4 * k);
                    for (int g = 0; g < G; g++) part[g][t] = _mm512_dpbusd_epi32(part[g][t], w[g], xv);
                }
            }
            for (int g = 0; g < G; g++) {
                const __m512i sub = _mm512_load_si512(p->sub[g][b][j]);
                for (int t = 0; t < T; t++)
                    dot[g][t] =
                        F::sub_scaled ? _mm512_add_epi32(dot[g][t], _mm512_mullo_epi32(part[g][t], sub)) : part[g][t];
            }
        }
    }
    template <int G, int T>
    static inline void min_dots(const Packed256 *p, int b, const int32_t *const *sums, int64_t xb,
                                __m512i (&dot)[G][T]) {
        alignas(32) int16_t pairs[T][16];
        for (int t = 0; t < T; t++) {
            _mm256_store_si256((__m256i *)pairs[t], sums_int16(sums[t] + 16 * xb));
            for (int g = 0; g < G; g++) dot[g][t] = _mm512_setzero_si512();
        }
        for (int j = 0; j < 8; j++)
            for (int t = 0; t < T; t++) {
                const __m512i pair = broadcast4((const int8_t *)&pairs[t][2 * j]);
                for (int g = 0; g < G; g++)
                    dot[g][t] = _mm512_dpwssd_epi32(dot[g][t], _mm512_load_si512(p->minimums[g][b][j]), pair);
            }
    }
    template <int G, int T>
    static void tile(const MatmulArgs *a, const Packed256 *p, int64_t row, int64_t t0, int64_t b0, int n) {
        const int64_t n_blocks = a->x.n_in / 256;
        const int8_t *x[T];
        const float *d[T];
        const int32_t *sums[T];
        __m512 acc[G][T];
        for (int t = 0; t < T; t++) {
            const int64_t xr = a->x_rows ? a->x_rows[t0 + t] : t0 + t;
            x[t] = a->x.q + xr * a->x.n_in + 256 * b0;
            d[t] = a->x.d + xr * n_blocks + b0;
            sums[t] = a->x.sums + 16 * (xr * n_blocks + b0);
            const float *y = a->y + (t0 + t) * a->y_stride + row - a->row_begin;
            for (int g = 0; g < G; g++)
                acc[g][t] = b0 ? _mm512_maskz_loadu_ps(first_lanes(a->row_end - row - 16 * g), y + 16 * g)
                               : _mm512_setzero_ps();
        }
        for (int b = 0; b < n; b++) {
            __m512i dot[G][T];
            dots<G, T>(p, b, x, sums, b, dot);
            for (int t = 0; t < T; t++)
                for (int g = 0; g < G; g++)
                    acc[g][t] =
                        _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot[g][t]),
                                        _mm512_mul_ps(_mm512_load_ps(p->d[g][b]), _mm512_set1_ps(d[t][b])), acc[g][t]);
            if (!F::has_min) continue;
            min_dots<G, T>(p, b, sums, b, dot);
            for (int t = 0; t < T; t++)
                for (int g = 0; g < G; g++)
                    acc[g][t] = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(dot[g][t]),
                                                 _mm512_mul_ps(_mm512_load_ps(p->dmin[g][b]), _mm512_set1_ps(d[t][b])),
                                                 acc[g][t]);
        }
        for (int t = 0; t < T; t++) {
            float *y = a->y + (t0 + t) * a->y_stride + row - a->row_begin;
            for (int g = 0; g < G; g++)
                _mm512_mask_storeu_ps(y + 16 * g, first_lanes(a->row_end - row - 16 * g), acc[g][t]);
        }
    }
};

template <class F> void matmul_blocks256_vnni(const MatmulArgs &a) {
    if (a.n_tokens == 1) {
        one_token_blocks256<F>(a, 0);
        return;
    }
    Packed256 packed;
    const int64_t n_blocks = a.x.n_in / 256;
    for (int64_t row = a.row_begin; row < a.row_end; row += 16 * kGroups) {
        const int64_t rows = min64(16 * kGroups, a.row_end - row);
        for (int64_t b0 = 0; b0 < n_blocks; b0 += Packed256::blocks) {
            const int n = int(min64(Packed256::blocks, n_blocks - b0));
            for (int g = 0; 16 * g < rows; g++)
                pack256_rows16<F>(a.w + size_t(row + 16 * g) * a.row_bytes + size_t(b0) * F::bytes, a.row_bytes,
                                  int(min64(16, rows - 16 * g)), n, g, &packed);
            for (int64_t t = 0; t < a.n_tokens; t += kTileTokens) {
                const int tokens = int(min64(kTileTokens, a.n_tokens - t));
                if (rows > 16)
                    call_tile<Tile256<F>, 2>(tokens, &a, (const Packed256 *)&packed, row, t, b0, n);
                else
                    call_tile<Tile256<F>, 1>(tokens, &a, (const Packed256 *)&packed, row, t, b0, n);
            }
        }
    }
}

} // namespace
} // namespace DS4_ISA_NS
} // namespace ds4
