// What both families of AVX2 kernels share: eight rows side by side in the lanes of a register.
#pragma once

#include "backend/cpu/matmul.h"
#include "backend/cpu/vec.h"

namespace ds4 {
namespace DS4_ISA_NS {
namespace {

// Tokens of a register tile, elements of a row that are unpacked at once, and from how many tokens on unpacking pays.
constexpr int kTileTokens = 4, kChunk = 2048, kPackTokens = 3;

// Columns 4 c .. 4 c + 3 of eight rows of dwords to out: 32 bytes per column, row r in lane r.
inline void transpose_columns4(const uint8_t *p, size_t stride, uint8_t *out) {
    __m256i v[4];
    for (int i = 0; i < 4; i++) {
        const uint8_t *q = p + size_t(i) * stride;
        v[i] = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)q));
        v[i] = _mm256_inserti128_si256(v[i], _mm_loadu_si128((const __m128i *)(q + 4 * stride)), 1);
    }
    const __m256i a = _mm256_unpacklo_epi32(v[0], v[1]), b = _mm256_unpackhi_epi32(v[0], v[1]);
    const __m256i c = _mm256_unpacklo_epi32(v[2], v[3]), d = _mm256_unpackhi_epi32(v[2], v[3]);
    _mm256_storeu_si256((__m256i *)out, _mm256_unpacklo_epi64(a, c));
    _mm256_storeu_si256((__m256i *)(out + 32), _mm256_unpackhi_epi64(a, c));
    _mm256_storeu_si256((__m256i *)(out + 64), _mm256_unpacklo_epi64(b, d));
    _mm256_storeu_si256((__m256i *)(out + 96), _mm256_unpackhi_epi64(b, d));
}

// 4 x 4 transposition in each half.
inline void transpose4(__m256 (&v)[4]) {
    const __m256 a = _mm256_unpacklo_ps(v[0], v[1]), b = _mm256_unpackhi_ps(v[0], v[1]);
    const __m256 c = _mm256_unpacklo_ps(v[2], v[3]), d = _mm256_unpackhi_ps(v[2], v[3]);
    v[0] = _mm256_shuffle_ps(a, c, 0x44);
    v[1] = _mm256_shuffle_ps(a, c, 0xee);
    v[2] = _mm256_shuffle_ps(b, d, 0x44);
    v[3] = _mm256_shuffle_ps(b, d, 0xee);
}

// Sums of the dwords of each half of four registers: [a, b, c, d] in both halves.
inline __m256i sum_lanes4(__m256i a, __m256i b, __m256i c, __m256i d) {
    const __m256i ab = _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    const __m256i cd = _mm256_add_epi32(_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
    return _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
}

inline __m256i broadcast4(const void *x) {
    int32_t v;
    std::memcpy(&v, x, 4);
    return _mm256_set1_epi32(v);
}
inline __m256i first_lanes(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline void store_first(float *y, __m128 v, int n) {
    if (n == 4) {
        _mm_storeu_ps(y, v);
        return;
    }
    float t[4];
    _mm_storeu_ps(t, v);
    for (int i = 0; i < n; i++) y[i] = t[i];
}
inline int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

// Calls F::tile<tokens>(args...) with tokens in 1 .. kTileTokens.
template <class F, class... Args> inline void call_tile(int tokens, Args... args) {
    switch (tokens) {
    case 1: F::template tile<1>(args...); break;
    case 2: F::template tile<2>(args...); break;
    case 3: F::template tile<3>(args...); break;
    default: F::template tile<4>(args...); break;
    }
}

} // namespace
} // namespace DS4_ISA_NS
} // namespace ds4
