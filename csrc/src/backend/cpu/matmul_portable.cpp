// Matrix kernels in plain C++ for any processor, and the rule which activation format a weight type takes.
#define DS4_ISA_NS isa_portable
#include "backend/cpu/matmul_dense.inl"
#include "backend/cpu/matmul_dot.inl"
#include "backend/cpu/matmul_quantize.inl"

namespace ds4 {
namespace DS4_ISA_NS {
namespace {

constexpr MatmulFn matmul_q8_0 = &matmul_blocks32<DotQ8_0>;
constexpr MatmulFn matmul_mxfp4 = &matmul_blocks32<DotMxfp4>;
constexpr MatmulFn matmul_q2_k = &matmul_blocks256<DotQ2K>;
constexpr MatmulFn matmul_q4_k = &matmul_blocks256<DotQ4K>;
constexpr MatmulFn matmul_iq2_xxs = &matmul_blocks256<DotIq2Xxs>;

} // namespace
} // namespace DS4_ISA_NS
} // namespace ds4
#include "backend/cpu/matmul_table.inl"

namespace ds4 {

const MatmulKernels matmul_portable = {"portable", DS4_ISA_NS::quantize_q8, DS4_ISA_NS::quantize_q8k, DS4_ISA_NS::find};

ActFormat act_format(GgmlType type, bool exact) noexcept {
    if (exact) return ActFormat::F32;
    switch (type) {
    case GgmlType::Q8_0:
    case GgmlType::MXFP4: return ActFormat::Q8;
    case GgmlType::Q2_K:
    case GgmlType::Q4_K:
    case GgmlType::IQ2_XXS: return ActFormat::Q8_K;
    default: return ActFormat::F32;
    }
}

} // namespace ds4
