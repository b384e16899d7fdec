// What both families of AVX-512 kernels share: sixteen rows side by side in the lanes of a register.
#pragma once

#include "backend/cpu/matmul.h"
#include "backend/cpu/vec.h"

namespace ds4 {
namespace DS4_ISA_NS {
namespace {

// Groups of sixteen rows that the many-token kernels compute together, the tokens of a register tile, and the elements
// of a row that are unpacked at once: 32 rows x 1024 bytes stay in the L1 cache.
constexpr int kGroups = 2, kTileTokens = 6, kChunk = 1024;

// Columns 4 c .. 4 c + 3 of sixteen rows of dwords: out[i] holds column 4 c + i, row r in lane r. p points at column 4
// c of row 0, rows are stride bytes apart.
inline void transpose_columns4(const uint8_t *p, size_t stride, __m512i out[4]) {
    __m512i v[4];
    for (int i = 0; i < 4; i++) {
        const uint8_t *q = p + size_t(i) * stride;
        v[i] = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)q));
        v[i] = _mm512_inserti32x4(v[i], _mm_loadu_si128((const __m128i *)(q + 4 * stride)), 1);
        v[i] = _mm512_inserti32x4(v[i], _mm_loadu_si128((const __m128i *)(q + 8 * stride)), 2);
        v[i] = _mm512_inserti32x4(v[i], _mm_loadu_si128((const __m128i *)(q + 12 * stride)), 3);
    }
    const __m512i a = _mm512_unpacklo_epi32(v[0], v[1]), b = _mm512_unpackhi_epi32(v[0], v[1]);
    const __m512i c = _mm512_unpacklo_epi32(v[2], v[3]), d = _mm512_unpackhi_epi32(v[2], v[3]);
    out[0] = _mm512_unpacklo_epi64(a, c);
    out[1] = _mm512_unpackhi_epi64(a, c);
    out[2] = _mm512_unpacklo_epi64(b, d);
    out[3] = _mm512_unpackhi_epi64(b, d);
}

// Sums of the dwords of each 128-bit lane of four registers: [a, b, c, d] in every lane.
inline __m512i sum_lanes4(__m512i a, __m512i b, __m512i c, __m512i d) {
    const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    return _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}

inline __m512i broadcast4(const int8_t *x) {
    int32_t v;
    std::memcpy(&v, x, 4);
    return _mm512_set1_epi32(v);
}
inline __mmask16 first_lanes(int64_t n) { return __mmask16(n >= 16 ? 0xffff : n <= 0 ? 0 : (1u << n) - 1); }

inline int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

// Calls F::tile<groups, tokens>(args...) with tokens in 1 .. kTileTokens.
template <class F, int G, class... Args> inline void call_tile(int tokens, Args... args) {
    switch (tokens) {
    case 1: F::template tile<G, 1>(args...); break;
    case 2: F::template tile<G, 2>(args...); break;
    case 3: F::template tile<G, 3>(args...); break;
    case 4: F::template tile<G, 4>(args...); break;
    case 5: F::template tile<G, 5>(args...); break;
    default: F::template tile<G, 6>(args...); break;
    }
}

} // namespace
} // namespace DS4_ISA_NS
} // namespace ds4
