// The CPU kernels for NEON.
#define DS4_ISA_NS isa_neon
#define DS4_ISA_ID DS4X_ISA_NEON
#define DS4_ISA_MATMUL matmul_neon
#include "ds4x.h"

#include "backend/cpu/kernels.inl"

namespace ds4 {
const CpuKernels kernels_neon = isa_neon::table;
} // namespace ds4
