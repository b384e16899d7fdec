// The CPU kernels for AVX512.
#define DS4_ISA_NS isa_avx512
#define DS4_ISA_ID DS4X_ISA_AVX512
#define DS4_ISA_MATMUL matmul_avx512
#include "ds4x.h"

#include "backend/cpu/kernels.inl"

namespace ds4 {
const CpuKernels kernels_avx512 = isa_avx512::table;
} // namespace ds4
