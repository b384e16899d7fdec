// Matrix kernels for 64-bit ARM processors with the dot product instructions.
#define DS4_ISA_NS isa_neon
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

const MatmulKernels matmul_neon = {"neon", DS4_ISA_NS::quantize_q8, DS4_ISA_NS::quantize_q8k, DS4_ISA_NS::find};

} // namespace ds4
