// Sixteen float accumulators of one dot product, in registers of the instruction set, for the dense kernels.
// Lane l sums the elements k with k mod 16 = l; the lanes meet in sum16's tree.
#pragma once

#include "backend/cpu/vec.h"

namespace ds4 {
namespace DS4_ISA_NS {
namespace {

#if defined(__AVX512F__)
struct Lanes {
    __m512 v;
};
inline Lanes lanes_zero() { return {_mm512_setzero_ps()}; }
inline Lanes lanes_f32(const void *p) { return {_mm512_loadu_ps(p)}; }
inline Lanes lanes_f16(const void *p) { return {_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p))}; }
inline Lanes lanes_bf16(const void *p) {
    const __m512i w = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(w, 16))};
}
inline Lanes lanes_fma(Lanes a, Lanes b, Lanes c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline float lanes_sum(Lanes a) { return sum16((v16)a.v); }
constexpr int kDenseRows = 4, kDenseTokens = 6, kDenseRows1 = 8; // register tiles: many tokens, and one token
#elif defined(__AVX2__)
struct Lanes {
    __m256 lo, hi;
};
inline Lanes lanes_zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline Lanes lanes_f32(const void *p) {
    return {_mm256_loadu_ps((const float *)p), _mm256_loadu_ps((const float *)p + 8)};
}
inline Lanes lanes_f16(const void *p) {
    const __m128i *h = (const __m128i *)p;
    return {_mm256_cvtph_ps(_mm_loadu_si128(h)), _mm256_cvtph_ps(_mm_loadu_si128(h + 1))};
}
inline Lanes lanes_bf16(const void *p) {
    const __m128i *h = (const __m128i *)p;
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(h)), 16)),
            _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(h + 1)), 16))};
}
inline Lanes lanes_fma(Lanes a, Lanes b, Lanes c) {
    return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
inline float lanes_sum(Lanes a) {
    const __m256 s = _mm256_add_ps(a.lo, a.hi);
    const __m128 t = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    const __m128 u = _mm_add_ps(t, _mm_movehl_ps(t, t));
    return _mm_cvtss_f32(_mm_add_ss(u, _mm_shuffle_ps(u, u, 1)));
}
constexpr int kDenseRows = 2, kDenseTokens = 2, kDenseRows1 = 4;
#elif defined(__ARM_NEON) && defined(__aarch64__)
struct Lanes {
    float32x4_t v[4];
};
inline Lanes lanes_zero() {
    const float32x4_t z = vdupq_n_f32(0);
    return {{z, z, z, z}};
}
inline Lanes lanes_f32(const void *p) {
    const float *f = (const float *)p;
    return {{vld1q_f32(f), vld1q_f32(f + 4), vld1q_f32(f + 8), vld1q_f32(f + 12)}};
}
inline float32x4_t half4(uint16x4_t h) { return vcvt_f32_f16(vreinterpret_f16_u16(h)); }
inline Lanes lanes_f16(const void *p) {
    const uint8_t *b = (const uint8_t *)p;
    const uint16x8_t lo = vreinterpretq_u16_u8(vld1q_u8(b)), hi = vreinterpretq_u16_u8(vld1q_u8(b + 16));
    return {{half4(vget_low_u16(lo)), half4(vget_high_u16(lo)), half4(vget_low_u16(hi)), half4(vget_high_u16(hi))}};
}
inline Lanes lanes_bf16(const void *p) {
    const uint8_t *b = (const uint8_t *)p;
    const uint16x8_t lo = vreinterpretq_u16_u8(vld1q_u8(b)), hi = vreinterpretq_u16_u8(vld1q_u8(b + 16));
    return {{vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(lo), 16)),
             vreinterpretq_f32_u32(vshll_n_u16(vget_high_u16(lo), 16)),
             vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(hi), 16)),
             vreinterpretq_f32_u32(vshll_n_u16(vget_high_u16(hi), 16))}};
}
inline Lanes lanes_fma(Lanes a, Lanes b, Lanes c) {
    for (int i = 0; i < 4; i++) c.v[i] = vfmaq_f32(c.v[i], a.v[i], b.v[i]);
    return c;
}
inline float lanes_sum(Lanes a) {
    const float32x4_t s = vaddq_f32(vaddq_f32(a.v[0], a.v[2]), vaddq_f32(a.v[1], a.v[3]));
    const float32x2_t t = vadd_f32(vget_low_f32(s), vget_high_f32(s));
    return vget_lane_f32(t, 0) + vget_lane_f32(t, 1);
}
constexpr int kDenseRows = 2, kDenseTokens = 2, kDenseRows1 = 4;
#else
struct Lanes {
    v16 v;
};
inline Lanes lanes_zero() { return {v16{}}; }
inline Lanes lanes_f32(const void *p) { return {load16((const float *)p)}; }
inline Lanes lanes_f16(const void *p) {
    uint16_t h[16];
    std::memcpy(h, p, 32);
    return {load_f16(h)};
}
inline Lanes lanes_bf16(const void *p) {
    uint16_t h[16];
    std::memcpy(h, p, 32);
    return {load_bf16(h)};
}
inline Lanes lanes_fma(Lanes a, Lanes b, Lanes c) { return {fma16(a.v, b.v, c.v)}; }
inline float lanes_sum(Lanes a) { return sum16(a.v); }
constexpr int kDenseRows = 2, kDenseTokens = 1, kDenseRows1 = 2;
#endif

} // namespace
} // namespace DS4_ISA_NS
} // namespace ds4
