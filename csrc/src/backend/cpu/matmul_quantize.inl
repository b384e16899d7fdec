// Activations to int8: blocks of 32 (Q8) or 256 (Q8_K) with one f32 scale, and sums of the integers.
// The same steps in the same order on every instruction set, so the integers and scales are the same everywhere.
#include "backend/cpu/vec.h"

namespace ds4 {
namespace DS4_ISA_NS {
namespace {

// absmax: the largest magnitude of n values. to_int8: sixteen values times `inverse`, clamped to -127 .. 127 (NaN to
// -127), rounded to the nearest integer, ties to even. sum_int8: of n = 16 or 32 integers.
#if defined(__AVX512F__)
inline float absmax(const float *x, int n) {
    __m512 m = _mm512_abs_ps(_mm512_loadu_ps(x));
    for (int i = 16; i < n; i += 16) m = _mm512_max_ps(m, _mm512_abs_ps(_mm512_loadu_ps(x + i)));
    return max16((v16)m);
}
inline void to_int8(const float *x, float inverse, int8_t *q) {
    __m512 v = _mm512_mul_ps(_mm512_loadu_ps(x), _mm512_set1_ps(inverse));
    v = _mm512_min_ps(_mm512_max_ps(v, _mm512_set1_ps(-127.f)), _mm512_set1_ps(127.f));
    _mm_storeu_si128((__m128i *)q, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
}
#elif defined(__AVX2__)
inline float absmax(const float *x, int n) {
    const __m256 mask = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    __m256 lo = _mm256_and_ps(_mm256_loadu_ps(x), mask), hi = _mm256_and_ps(_mm256_loadu_ps(x + 8), mask);
    for (int i = 16; i < n; i += 16) {
        lo = _mm256_max_ps(lo, _mm256_and_ps(_mm256_loadu_ps(x + i), mask));
        hi = _mm256_max_ps(hi, _mm256_and_ps(_mm256_loadu_ps(x + i + 8), mask));
    }
    const __m256 s = _mm256_max_ps(lo, hi);
    const __m128 q = _mm_max_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    const __m128 r = _mm_max_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_max_ss(r, _mm_shuffle_ps(r, r, 1)));
}
inline __m256i to_int32(const float *x, __m256 inverse) {
    const __m256 v = _mm256_max_ps(_mm256_mul_ps(_mm256_loadu_ps(x), inverse), _mm256_set1_ps(-127.f));
    return _mm256_cvtps_epi32(_mm256_min_ps(v, _mm256_set1_ps(127.f)));
}
inline void to_int8(const float *x, float inverse, int8_t *q) {
    const __m256 scale = _mm256_set1_ps(inverse);
    const __m256i v16 = _mm256_packs_epi32(to_int32(x, scale), to_int32(x + 8, scale)); // quarters 0 2 1 3
    const __m256i v8 = _mm256_permute4x64_epi64(v16, 0xd8);
    _mm_storeu_si128((__m128i *)q, _mm_packs_epi16(_mm256_castsi256_si128(v8), _mm256_extracti128_si256(v8, 1)));
}
#elif defined(__ARM_NEON) && defined(__aarch64__)
inline float absmax(const float *x, int n) {
    float32x4_t m = vabsq_f32(vld1q_f32(x));
    for (int i = 4; i < n; i += 4) m = vmaxnmq_f32(m, vabsq_f32(vld1q_f32(x + i)));
    return vmaxnmvq_f32(m);
}
inline int32x4_t to_int32(const float *x, float inverse) {
    const float32x4_t v = vmaxnmq_f32(vmulq_n_f32(vld1q_f32(x), inverse), vdupq_n_f32(-127.f));
    return vcvtnq_s32_f32(vminnmq_f32(v, vdupq_n_f32(127.f)));
}
inline void to_int8(const float *x, float inverse, int8_t *q) {
    const int16x8_t lo = vcombine_s16(vmovn_s32(to_int32(x, inverse)), vmovn_s32(to_int32(x + 4, inverse)));
    const int16x8_t hi = vcombine_s16(vmovn_s32(to_int32(x + 8, inverse)), vmovn_s32(to_int32(x + 12, inverse)));
    vst1q_s8(q, vcombine_s8(vmovn_s16(lo), vmovn_s16(hi)));
}
#else
inline float absmax(const float *x, int n) {
    v16 m = {};
    for (int i = 0; i < n; i += 16) m = vmax(m, (v16)((i16v)load16(x + i) & 0x7fffffff));
    return max16(m);
}
inline void to_int8(const float *x, float inverse, int8_t *q) {
    for (int i = 0; i < 16; i++) {
        float v = x[i] * inverse;
        v = v > -127.f ? v : -127.f;
        v = v < 127.f ? v : 127.f;
        v += 12582912.f; // 1.5 * 2^23: the adder rounds, and the integer is in the low bits
        int32_t bits;
        std::memcpy(&bits, &v, 4);
        q[i] = int8_t(bits - 0x4b400000);
    }
}
#endif

#if defined(__AVX2__)
inline int32_t sum_int8(const int8_t *q, int n) {
    const __m128i a = _mm_loadu_si128((const __m128i *)q), zero = _mm_setzero_si128();
    const __m128i b = n == 32 ? _mm_loadu_si128((const __m128i *)(q + 16)) : zero;
    // Sums of absolute differences from zero, of bytes made unsigned by flipping their top bit: 128 more each.
    const __m128i flip = _mm_set1_epi8(-128);
    __m128i s = _mm_sad_epu8(_mm_xor_si128(a, flip), zero);
    if (n == 32) s = _mm_add_epi32(s, _mm_sad_epu8(_mm_xor_si128(b, flip), zero));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_unpackhi_epi64(s, s))) - 128 * n;
}
#else
inline int32_t sum_int8(const int8_t *q, int n) {
    int32_t sum = 0;
    for (int i = 0; i < n; i++) sum += q[i];
    return sum;
}
#endif

// Scales of n <= 16 blocks from their largest magnitudes, in place, and the inverses. A scale so small that its inverse
// overflows stands for zeros.
inline void block_scales_and_inverses(float *d, float *inverse, int n) {
    v16 scale = load_part(d, n) / splat(127.f);
    scale = scale >= splat(1.17549435e-38f) ? scale : splat(0.f);
    const v16 one_over = splat(1.f) / scale;
    store16(inverse, scale > splat(0.f) ? one_over : splat(0.f));
    store_part(d, scale, n);
}

// kBlock elements with one scale; a sum of every kSum of them.
template <int kBlock, int kSum>
inline void quantize_blocks(const float *x, int64_t n_in, int8_t *q, float *d, int32_t *sums) {
    const int64_t n_blocks = n_in / kBlock;
    for (int64_t b0 = 0; b0 < n_blocks; b0 += 16, d += 16) {
        const int n = int(n_blocks - b0 < 16 ? n_blocks - b0 : 16);
        float inverse[16];
        for (int b = 0; b < n; b++) d[b] = absmax(x + b * kBlock, kBlock);
        block_scales_and_inverses(d, inverse, n);
        for (int b = 0; b < n; b++, x += kBlock, q += kBlock) {
            for (int i = 0; i < kBlock; i += 16) to_int8(x + i, inverse[b], q + i);
            for (int i = 0; i < kBlock; i += kSum) *sums++ = sum_int8(q + i, kSum);
        }
    }
}
void quantize_q8(const float *x, int64_t n_in, int8_t *q, float *d, int32_t *sums) {
    quantize_blocks<32, 32>(x, n_in, q, d, sums);
}
void quantize_q8k(const float *x, int64_t n_in, int8_t *q, float *d, int32_t *sums) {
    quantize_blocks<256, 16>(x, n_in, q, d, sums);
}

} // namespace
} // namespace DS4_ISA_NS
} // namespace ds4
