// From weight type to kernel. Included last by each instruction set's file, which defines matmul_q8_0 and its siblings.
#include "backend/cpu/matmul.h"

namespace ds4 {
namespace DS4_ISA_NS {
namespace {

template <int kType> MatmulFn generic_or(MatmulFn own, bool exact) {
    return exact || !own ? &matmul_generic<kType> : own;
}

MatmulFn find(GgmlType type, bool exact) {
    switch (type) {
    case GgmlType::F32: return &matmul_dense<DenseF32>;
    case GgmlType::F16: return &matmul_dense<DenseF16>;
    case GgmlType::BF16: return &matmul_dense<DenseBf16>;
#define DS4_TYPE(name, own)                                                                                            \
    case GgmlType::name: return generic_or<int(GgmlType::name)>(own, exact);
        DS4_TYPE(Q8_0, matmul_q8_0)
        DS4_TYPE(MXFP4, matmul_mxfp4)
        DS4_TYPE(Q2_K, matmul_q2_k)
        DS4_TYPE(Q4_K, matmul_q4_k)
        DS4_TYPE(IQ2_XXS, matmul_iq2_xxs)
        DS4_TYPE(Q4_0, nullptr)
        DS4_TYPE(Q4_1, nullptr)
        DS4_TYPE(Q5_0, nullptr)
        DS4_TYPE(Q5_1, nullptr)
        DS4_TYPE(Q3_K, nullptr)
        DS4_TYPE(Q5_K, nullptr)
        DS4_TYPE(Q6_K, nullptr)
        DS4_TYPE(IQ2_XS, nullptr)
        DS4_TYPE(IQ2_S, nullptr)
        DS4_TYPE(IQ3_XXS, nullptr)
        DS4_TYPE(IQ3_S, nullptr)
        DS4_TYPE(IQ1_S, nullptr)
        DS4_TYPE(IQ1_M, nullptr)
        DS4_TYPE(IQ4_NL, nullptr)
        DS4_TYPE(IQ4_XS, nullptr)
        DS4_TYPE(TQ1_0, nullptr)
        DS4_TYPE(TQ2_0, nullptr)
#undef DS4_TYPE
    default: return nullptr;
    }
}

} // namespace
} // namespace DS4_ISA_NS
} // namespace ds4
