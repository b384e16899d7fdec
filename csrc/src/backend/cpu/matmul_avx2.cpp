// Matrix kernels for x86-64 processors with AVX2, FMA, F16C and BMI2.
#define DS4_ISA_NS isa_avx2
#include "backend/cpu/matmul_dense.inl"
#include "backend/cpu/matmul_quantize.inl"

#include "backend/cpu/matmul_avx2_blocks256.inl"
#include "backend/cpu/matmul_avx2_blocks32.inl"

namespace ds4 {
namespace DS4_ISA_NS {
namespace {

constexpr MatmulFn matmul_q8_0 = &matmul_blocks32_avx2<MaddQ8_0>;
constexpr MatmulFn matmul_mxfp4 = &matmul_blocks32_avx2<MaddMxfp4>;
constexpr MatmulFn matmul_q2_k = &matmul_blocks256_avx2<MaddQ2K>;
constexpr MatmulFn matmul_q4_k = &matmul_blocks256_avx2<MaddQ4K>;
constexpr MatmulFn matmul_iq2_xxs = &matmul_blocks256_avx2<MaddIq2Xxs>;

} // namespace
} // namespace DS4_ISA_NS
} // namespace ds4
#include "backend/cpu/matmul_table.inl"

namespace ds4 {

const MatmulKernels matmul_avx2 = {"avx2", DS4_ISA_NS::quantize_q8, DS4_ISA_NS::quantize_q8k, DS4_ISA_NS::find};

} // namespace ds4
