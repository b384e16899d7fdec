// The table of ggml types: names, block sizes and dequantisers.
#include "quant/types.h"

#include "quant/dense.h"
#include "quant/iq1.h"
#include "quant/iq2.h"
#include "quant/iq3.h"
#include "quant/iq4.h"
#include "quant/mxfp4.h"
#include "quant/q2_k.h"
#include "quant/q3_k.h"
#include "quant/q4_k.h"
#include "quant/q4_q5.h"
#include "quant/q5_k.h"
#include "quant/q6_k.h"
#include "quant/q8_0.h"
#include "quant/tq.h"

namespace ds4 {
namespace {

using namespace quant;

constexpr TypeTraits kTraits[] = {
    {GgmlType::F32, "F32", 1, 4, dequantize_f32},
    {GgmlType::F16, "F16", 1, 2, dequantize_f16},
    {GgmlType::Q4_0, "Q4_0", 32, 18, dequantize_q4_0},
    {GgmlType::Q4_1, "Q4_1", 32, 20, dequantize_q4_1},
    {GgmlType::Q5_0, "Q5_0", 32, 22, dequantize_q5_0},
    {GgmlType::Q5_1, "Q5_1", 32, 24, dequantize_q5_1},
    {GgmlType::Q8_0, "Q8_0", 32, 34, dequantize_q8_0},
    {GgmlType::Q8_1, "Q8_1", 32, 36, nullptr},
    {GgmlType::Q2_K, "Q2_K", 256, 84, dequantize_q2_k},
    {GgmlType::Q3_K, "Q3_K", 256, 110, dequantize_q3_k},
    {GgmlType::Q4_K, "Q4_K", 256, 144, dequantize_q4_k},
    {GgmlType::Q5_K, "Q5_K", 256, 176, dequantize_q5_k},
    {GgmlType::Q6_K, "Q6_K", 256, 210, dequantize_q6_k},
    {GgmlType::Q8_K, "Q8_K", 256, 292, nullptr},
    {GgmlType::IQ2_XXS, "IQ2_XXS", 256, 66, dequantize_iq2_xxs},
    {GgmlType::IQ2_XS, "IQ2_XS", 256, 74, dequantize_iq2_xs},
    {GgmlType::IQ3_XXS, "IQ3_XXS", 256, 98, dequantize_iq3_xxs},
    {GgmlType::IQ1_S, "IQ1_S", 256, 50, dequantize_iq1_s},
    {GgmlType::IQ4_NL, "IQ4_NL", 32, 18, dequantize_iq4_nl},
    {GgmlType::IQ3_S, "IQ3_S", 256, 110, dequantize_iq3_s},
    {GgmlType::IQ2_S, "IQ2_S", 256, 82, dequantize_iq2_s},
    {GgmlType::IQ4_XS, "IQ4_XS", 256, 136, dequantize_iq4_xs},
    {GgmlType::I8, "I8", 1, 1, nullptr},
    {GgmlType::I16, "I16", 1, 2, nullptr},
    {GgmlType::I32, "I32", 1, 4, nullptr},
    {GgmlType::I64, "I64", 1, 8, nullptr},
    {GgmlType::F64, "F64", 1, 8, nullptr},
    {GgmlType::IQ1_M, "IQ1_M", 256, 56, dequantize_iq1_m},
    {GgmlType::BF16, "BF16", 1, 2, dequantize_bf16},
    {GgmlType::TQ1_0, "TQ1_0", 256, 54, dequantize_tq1_0},
    {GgmlType::TQ2_0, "TQ2_0", 256, 66, dequantize_tq2_0},
    {GgmlType::MXFP4, "MXFP4", 32, 17, dequantize_mxfp4},
};
constexpr size_t kCount = sizeof(kTraits) / sizeof(kTraits[0]);

} // namespace

const TypeTraits *type_traits(int32_t type) noexcept {
    for (const TypeTraits &t : kTraits)
        if (int32_t(t.type) == type) return &t;
    return nullptr;
}

const TypeTraits *all_type_traits(size_t *n) noexcept {
    *n = kCount;
    return kTraits;
}

} // namespace ds4
