// Quantised kernels that unpack one block of one row to int8 and meet every token with it: portable C++ and NEON.
// The order of sums that every instruction set keeps: integers exactly, then per block acc = fma(integer, scale, acc).
#include "backend/cpu/matmul.h"
#include "backend/cpu/vec.h"
#include "quant/iq2.h"
#include "quant/mxfp4.h"
#include "quant/q2_k.h"
#include "quant/q4_k.h"
#include "quant/q8_0.h"

namespace ds4 {
namespace DS4_ISA_NS {
namespace {

// a * b + c as fma16 computes it.
inline float fma1(float a, float b, float c) {
#if defined(__FMA__) || (defined(__ARM_NEON) && defined(__aarch64__))
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

// dot32: of 32 integers. dot256: of 256, each group of sixteen times its sub-scale.
#if defined(__ARM_FEATURE_DOTPROD)
inline int32_t dot32(const int8_t *w, const int8_t *x) {
    const int32x4_t a = vdotq_s32(vdupq_n_s32(0), vld1q_s8(w), vld1q_s8(x));
    return vaddvq_s32(vdotq_s32(a, vld1q_s8(w + 16), vld1q_s8(x + 16)));
}
inline int32_t dot256(const int8_t *w, const int8_t *x, const int32_t *sub) {
    int32x4_t even = vdupq_n_s32(0), odd = even;
    for (int g = 0; g < 16; g += 2) {
        const int32x4_t a = vdotq_s32(vdupq_n_s32(0), vld1q_s8(w + 16 * g), vld1q_s8(x + 16 * g));
        const int32x4_t b = vdotq_s32(vdupq_n_s32(0), vld1q_s8(w + 16 * g + 16), vld1q_s8(x + 16 * g + 16));
        even = vmlaq_n_s32(even, a, sub[g]);
        odd = vmlaq_n_s32(odd, b, sub[g + 1]);
    }
    return vaddvq_s32(vaddq_s32(even, odd));
}
#else
inline int32_t dot32(const int8_t *w, const int8_t *x) {
    int32_t sum = 0;
    for (int i = 0; i < 32; i++) sum += int16_t(w[i]) * int16_t(x[i]);
    return sum;
}
inline int32_t dot256(const int8_t *w, const int8_t *x, const int32_t *sub) {
    int32_t sum = 0;
    for (int g = 0; g < 16; g++) {
        int32_t part = 0;
        for (int i = 0; i < 16; i++) part += int16_t(w[16 * g + i]) * int16_t(x[16 * g + i]);
        sum += part * sub[g];
    }
    return sum;
}
#endif

struct DotQ8_0 : quant::Q8_0 {
    static float scale(const uint8_t *w) { return quant::load_half(w + d); }
    static const int8_t *unpack(const uint8_t *w, int8_t *) { return reinterpret_cast<const int8_t *>(w + q); }
};
struct DotMxfp4 : quant::Mxfp4 {
    static float scale(const uint8_t *w) { return quant::e8m0_half(w[e]); }
    static const int8_t *unpack(const uint8_t *w, int8_t *out) {
#if defined(__ARM_NEON) && defined(__aarch64__)
        const int8x16_t table = vld1q_s8(quant::kFp4Doubled);
        const uint8x16_t v = vld1q_u8(w + q);
        vst1q_s8(out, vqtbl1q_s8(table, vandq_u8(v, vdupq_n_u8(15))));
        vst1q_s8(out + 16, vqtbl1q_s8(table, vshrq_n_u8(v, 4)));
#else
        for (int i = 0; i < 16; i++) {
            out[i] = quant::kFp4Doubled[w[q + i] & 15];
            out[i + 16] = quant::kFp4Doubled[w[q + i] >> 4];
        }
#endif
        return out;
    }
};

// A block of 256: value = scale * sub[i / 16] * q[i] - min_scale * minimum[i / 16].
struct Block256 {
    int8_t q[256];
    int32_t sub[16], minimum[16];
    float scale, min_scale;
};
struct DotQ2K : quant::Q2K {
    static constexpr bool has_min = true;
    static void unpack(const uint8_t *w, Block256 *b) {
        for (int h = 0; h < 2; h++)
            for (int s = 0; s < 4; s++)
                for (int i = 0; i < 32; i++) b->q[128 * h + 32 * s + i] = int8_t((w[q + 32 * h + i] >> (2 * s)) & 3);
        for (int g = 0; g < 16; g++) {
            b->sub[g] = w[scales + g] & 15;
            b->minimum[g] = w[scales + g] >> 4;
        }
        b->scale = quant::load_half(w + d);
        b->min_scale = quant::load_half(w + dmin);
    }
};
struct DotQ4K : quant::Q4K {
    static constexpr bool has_min = true;
    static void unpack(const uint8_t *w, Block256 *b) {
        for (int c = 0; c < 4; c++)
            for (int i = 0; i < 32; i++) {
                b->q[64 * c + i] = int8_t(w[q + 32 * c + i] & 15);
                b->q[64 * c + 32 + i] = int8_t(w[q + 32 * c + i] >> 4);
            }
        uint64_t sub, minimums;
        quant::unpack_scales_q4_k(w + scales, &sub, &minimums);
        for (int g = 0; g < 16; g++) {
            b->sub[g] = int32_t((sub >> (8 * (g / 2))) & 255);
            b->minimum[g] = int32_t((minimums >> (8 * (g / 2))) & 255);
        }
        b->scale = quant::load_half(w + d);
        b->min_scale = quant::load_half(w + dmin);
    }
};
struct DotIq2Xxs : quant::Iq2Xxs {
    static constexpr bool has_min = false;
    static void unpack(const uint8_t *w, Block256 *b) {
        int8_t *out = b->q;
        for (int g = 0; g < 8; g++) {
            const uint8_t *code = w + q + 8 * g;
            const uint32_t word = quant::load_u32(code + 4);
            for (int k = 0; k < 4; k++, out += 8) {
                const uint32_t entry = quant::kIq2XxsGrid[code[k]], signs = quant::even_signs((word >> (7 * k)) & 127);
                for (int i = 0; i < 8; i++) {
                    const int v = quant::kIq2Values[(entry >> (2 * i)) & 3], minus = -int((signs >> i) & 1);
                    out[i] = int8_t((v ^ minus) - minus);
                }
            }
            b->sub[2 * g] = b->sub[2 * g + 1] = int32_t(2 * (word >> 28) + 1);
        }
        b->scale = quant::load_half(w + d) * 0.125f; // d (0.5 + s) / 4 = d / 8 (2 s + 1), and an eighth rounds nothing
    }
};

template <class F> void matmul_blocks32(const MatmulArgs &a) {
    const int64_t n_blocks = a.x.n_in / 32;
    for (int64_t row = a.row_begin; row < a.row_end; row++) {
        const uint8_t *w = a.w + size_t(row) * a.row_bytes;
        float *y = a.y + row - a.row_begin;
        for (int64_t t = 0; t < a.n_tokens; t++) y[t * a.y_stride] = 0;
        for (int64_t b = 0; b < n_blocks; b++, w += F::bytes) {
            int8_t buffer[32];
            const int8_t *q = F::unpack(w, buffer);
            const float scale = F::scale(w);
            for (int64_t t = 0; t < a.n_tokens; t++) {
                const int64_t at = (a.x_rows ? a.x_rows[t] : t) * n_blocks + b;
                float &acc = y[t * a.y_stride];
                acc = fma1(float(dot32(q, a.x.q + 32 * at)), scale * a.x.d[at], acc);
            }
        }
    }
}

template <class F> void matmul_blocks256(const MatmulArgs &a) {
    const int64_t n_blocks = a.x.n_in / 256;
    Block256 block;
    for (int64_t row = a.row_begin; row < a.row_end; row++) {
        const uint8_t *w = a.w + size_t(row) * a.row_bytes;
        float *y = a.y + row - a.row_begin;
        for (int64_t t = 0; t < a.n_tokens; t++) y[t * a.y_stride] = 0;
        for (int64_t b = 0; b < n_blocks; b++, w += F::bytes) {
            F::unpack(w, &block);
            for (int64_t t = 0; t < a.n_tokens; t++) {
                const int64_t at = (a.x_rows ? a.x_rows[t] : t) * n_blocks + b;
                float &acc = y[t * a.y_stride];
                acc = fma1(float(dot256(block.q, a.x.q + 256 * at, block.sub)), block.scale * a.x.d[at], acc);
                if (!F::has_min) continue;
                int32_t minimum = 0;
                for (int g = 0; g < 16; g++) minimum += block.minimum[g] * a.x.sums[16 * at + g];
                acc = fma1(float(minimum), -(block.min_scale * a.x.d[at]), acc);
            }
        }
    }
}

} // namespace
} // namespace DS4_ISA_NS
} // namespace ds4
