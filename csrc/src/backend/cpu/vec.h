// Sixteen floats at a time, the same on every instruction set. Included by each ISA's translation unit inside its own
// namespace (DS4_ISA_NS), so that every kernel is compiled once per ISA with the same order of sums.
// Fused multiply-adds are written out (fma16) and contraction is off, so blocked and plain loops round alike.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__) || defined(__AVX2__)
#  if defined(__GNUC__) && !defined(__clang__)
// GCC 12 takes the deliberately undefined pass-through operands of its own intrinsics for a mistake of ours.
#    pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#    pragma GCC diagnostic ignored "-Wuninitialized"
#  endif
#  include <immintrin.h>
#elif defined(__ARM_NEON)
#  include <arm_neon.h>
#endif

#ifndef DS4_ISA_NS
#  error "define DS4_ISA_NS before including vec.h"
#endif

namespace ds4 {
namespace DS4_ISA_NS {

typedef float v16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t i16v __attribute__((vector_size(64), aligned(4), may_alias));

static inline v16 splat(float x) { return v16{} + x; }
static inline v16 load16(const float *p) {
    v16 v;
    std::memcpy(&v, p, 64);
    return v;
}
static inline void store16(float *p, v16 v) { std::memcpy(p, &v, 64); }
// The first n < 16 floats, zeros behind them.
static inline v16 load_part(const float *p, int n) {
    v16 v = {};
    std::memcpy(&v, p, size_t(n) * 4);
    return v;
}
static inline void store_part(float *p, v16 v, int n) { std::memcpy(p, &v, size_t(n) * 4); }

// a * b + c with one rounding where the hardware has it (all but the portable build).
static inline v16 fma16(v16 a, v16 b, v16 c) {
#if defined(__AVX512F__)
    return (v16)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__) && defined(__FMA__)
    v16 r;
    __m256 *rp = (__m256 *)&r;
    const __m256 *ap = (const __m256 *)&a, *bp = (const __m256 *)&b, *cp = (const __m256 *)&c;
    rp[0] = _mm256_fmadd_ps(ap[0], bp[0], cp[0]);
    rp[1] = _mm256_fmadd_ps(ap[1], bp[1], cp[1]);
    return r;
#elif defined(__ARM_NEON) && defined(__aarch64__)
    v16 r;
    float32x4_t *rp = (float32x4_t *)&r;
    const float32x4_t *ap = (const float32x4_t *)&a, *bp = (const float32x4_t *)&b, *cp = (const float32x4_t *)&c;
    for (int i = 0; i < 4; i++) rp[i] = vfmaq_f32(cp[i], ap[i], bp[i]);
    return r;
#else
    return a * b + c;
#endif
}

// Sum of the sixteen lanes in a fixed tree: halves of 8, of 4, of 2, of 1.
static inline float sum16(v16 v) {
#if defined(__AVX2__)
#  if defined(__AVX512F__)
    const __m256 lo = _mm512_castps512_ps256((__m512)v);
    const __m256 hi = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd((__m512)v), 1));
#  else
    const float *p = (const float *)&v;
    const __m256 lo = _mm256_loadu_ps(p), hi = _mm256_loadu_ps(p + 8);
#  endif
    const __m256 s = _mm256_add_ps(lo, hi);
    const __m128 q = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    const __m128 r = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(r, _mm_shuffle_ps(r, r, 1)));
#else
    float t[16];
    std::memcpy(t, &v, 64);
    for (int i = 0; i < 8; i++) t[i] += t[i + 8];
    for (int i = 0; i < 4; i++) t[i] += t[i + 4];
    return (t[0] + t[2]) + (t[1] + t[3]);
#endif
}
static inline float max16(v16 v) {
#if defined(__AVX2__)
#  if defined(__AVX512F__)
    const __m256 lo = _mm512_castps512_ps256((__m512)v);
    const __m256 hi = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd((__m512)v), 1));
#  else
    const float *p = (const float *)&v;
    const __m256 lo = _mm256_loadu_ps(p), hi = _mm256_loadu_ps(p + 8);
#  endif
    const __m256 s = _mm256_max_ps(lo, hi); // as a > b ? a : b, also for NaN
    const __m128 q = _mm_max_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    const __m128 r = _mm_max_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_max_ss(r, _mm_shuffle_ps(r, r, 1)));
#else
    float t[16];
    std::memcpy(t, &v, 64);
    for (int i = 0; i < 8; i++) t[i] = t[i] > t[i + 8] ? t[i] : t[i + 8];
    for (int i = 0; i < 4; i++) t[i] = t[i] > t[i + 4] ? t[i] : t[i + 4];
    const float a = t[0] > t[2] ? t[0] : t[2], b = t[1] > t[3] ? t[1] : t[3];
    return a > b ? a : b;
#endif
}
static inline v16 vmax(v16 a, v16 b) { return a > b ? a : b; }
static inline v16 vmin(v16 a, v16 b) { return a < b ? a : b; }

// IEEE half to float, sixteen at a time.
static inline v16 load_f16(const uint16_t *p) {
#if defined(__AVX512F__)
    return (v16)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
#elif defined(__F16C__)
    v16 r;
    __m256 *rp = (__m256 *)&r;
    rp[0] = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
    rp[1] = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 8)));
    return r;
#elif defined(__ARM_NEON) && defined(__aarch64__)
    v16 r;
    float32x4_t *rp = (float32x4_t *)&r;
    for (int i = 0; i < 4; i++) rp[i] = vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i)));
    return r;
#else
    // Shift the half's exponent and mantissa into place, then scale by 2^112: exact for normals and subnormals.
    typedef uint16_t h16 __attribute__((vector_size(32)));
    typedef uint32_t u16v __attribute__((vector_size(64)));
    h16 h;
    std::memcpy(&h, p, 32);
    const u16v w = __builtin_convertvector(h, u16v);
    const u16v sign = (w & 0x8000u) << 16, body = (w & 0x7fffu) << 13;
    const u16v special = (u16v)((w & 0x7c00u) == 0x7c00u); // infinity and NaN keep an all-ones exponent
    v16 f = (v16)body * 5.192296858534828e33f;             // 2^112
    const u16v bits = ((u16v)f & ~special) | ((body | 0x7f800000u) & special) | sign;
    return (v16)bits;
#endif
}
static inline v16 load_bf16(const uint16_t *p) {
#if defined(__AVX512F__)
    const __m512i w = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return (v16)_mm512_slli_epi32(w, 16);
#elif defined(__AVX2__)
    v16 r;
    __m256i *rp = (__m256i *)&r;
    rp[0] = _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), 16);
    rp[1] = _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(p + 8))), 16);
    return r;
#else
    typedef uint16_t h16 __attribute__((vector_size(32)));
    typedef uint32_t u16v __attribute__((vector_size(64)));
    h16 h;
    std::memcpy(&h, p, 32);
    return (v16)(__builtin_convertvector(h, u16v) << 16);
#endif
}

// exp(x): Cody-Waite reduction by ln 2 and a degree-6 polynomial (Taylor coefficients), relative error below 3e-7 on
// [-87, 88]; 0 below -87.33, infinity above 88.72.
static inline v16 exp16(v16 x) {
    const v16 lo = splat(-87.33654f), hi = splat(88.72283f);
    const v16 xc = vmin(vmax(x, lo), hi);
    const v16 magic = splat(12582912.f); // 1.5 * 2^23: adding it rounds to the nearest integer
    const v16 n = (fma16(xc, splat(1.44269504f), magic)) - magic;
    v16 r = fma16(n, splat(-0.693359375f), xc);
    r = fma16(n, splat(2.12194440e-4f), r);
    v16 p = splat(1.f / 720);
    p = fma16(p, r, splat(1.f / 120));
    p = fma16(p, r, splat(1.f / 24));
    p = fma16(p, r, splat(1.f / 6));
    p = fma16(p, r, splat(0.5f));
    p = fma16(p, r, splat(1.f));
    p = fma16(p, r, splat(1.f));
    // 2^n in two factors, so that n = 128 does not overflow on the way.
    const i16v ni = __builtin_convertvector(n, i16v), half = ni >> 1;
    const v16 s1 = (v16)((half + 127) << 23), s2 = (v16)((ni - half + 127) << 23);
    p = p * s1 * s2;
    p = x < lo ? splat(0.f) : p;
    p = x > hi ? splat(INFINITY) : p;
    return x != x ? x : p;
}
static inline v16 sigmoid16(v16 x) { return splat(1.f) / (splat(1.f) + exp16(-x)); }
static inline float exp1(float x) {
    v16 v = exp16(splat(x));
    return v[0];
}

// IEEE half from float, round to nearest even.
static inline uint16_t to_f16(float x) {
#if defined(__F16C__)
    return uint16_t(_cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT));
#elif defined(__ARM_NEON) && defined(__aarch64__)
    const __fp16 h = __fp16(x);
    uint16_t r;
    std::memcpy(&r, &h, 2);
    return r;
#else
    uint32_t b;
    std::memcpy(&b, &x, 4);
    const uint32_t sign = (b >> 16) & 0x8000u, a = b & 0x7fffffffu;
    if (a > 0x7f800000u) return uint16_t(sign | 0x7e00u | ((a >> 13) & 0x3ffu));
    if (a >= 0x477ff000u) return uint16_t(sign | 0x7c00u); // 65520 and above round to infinity
    if (a < 0x38800000u) {                                 // subnormal half: let the adder round
        float f;
        std::memcpy(&f, &a, 4);
        f += 0.5f;
        uint32_t r;
        std::memcpy(&r, &f, 4);
        return uint16_t(sign | (r - 0x3f000000u));
    }
    const uint32_t r = a - 0x38000000u + 0xfffu + ((a >> 13) & 1);
    return uint16_t(sign | (r >> 13));
#endif
}
static inline float from_f16(uint16_t h) {
#if defined(__F16C__)
    return _cvtsh_ss(h);
#else
    uint16_t t[16] = {h};
    return load_f16(t)[0];
#endif
}

} // namespace DS4_ISA_NS
} // namespace ds4
