// The CPU kernels for any processor.
#define DS4_ISA_NS isa_portable
#define DS4_ISA_ID DS4X_ISA_PORTABLE
#define DS4_ISA_MATMUL matmul_portable
#include "ds4x.h"

#include "backend/cpu/kernels.inl"

namespace ds4 {
const CpuKernels kernels_portable = isa_portable::table;
} // namespace ds4
