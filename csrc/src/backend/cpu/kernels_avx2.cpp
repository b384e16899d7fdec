// The CPU kernels for AVX2.
#define DS4_ISA_NS isa_avx2
#define DS4_ISA_ID DS4X_ISA_AVX2
#define DS4_ISA_MATMUL matmul_avx2
#include "ds4x.h"

#include "backend/cpu/kernels.inl"

namespace ds4 {
const CpuKernels kernels_avx2 = isa_avx2::table;
} // namespace ds4
