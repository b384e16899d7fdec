// Matrix kernels for x86-64 processors with AVX-512 (F, BW, DQ, VL, VNNI).
#define DS4_ISA_NS isa_avx512
#include "backend/cpu/matmul_dense.inl"
#include "backend/cpu/matmul_quantize.inl"

#include "backend/cpu/matmul_avx512_blocks256.inl"
#include "backend/cpu/matmul_avx512_blocks32.inl"

namespace ds4 {
namespace DS4_ISA_NS {
namespace {

constexpr MatmulFn matmul_q8_0 = &matmul_blocks32_vnni<VnniQ8_0>;
constexpr MatmulFn matmul_mxfp4 = &matmul_blocks32_vnni<VnniMxfp4>;
constexpr MatmulFn matmul_q2_k = &matmul_blocks256_vnni<VnniQ2K>;
constexpr MatmulFn matmul_q4_k = &matmul_blocks256_vnni<VnniQ4K>;
constexpr MatmulFn matmul_iq2_xxs = &matmul_blocks256_vnni<VnniIq2Xxs>;

} // namespace
} // namespace DS4_ISA_NS
} // namespace ds4
#include "backend/cpu/matmul_table.inl"

namespace ds4 {

const MatmulKernels matmul_avx512 = {"avx512",         DS4_ISA_NS::quantize_q8, DS4_ISA_NS::quantize_q8k,
                                     DS4_ISA_NS::find, DS4_ISA_NS::repack_q8_0, DS4_ISA_NS::matmul_repacked_q8_0};

} // namespace ds4
