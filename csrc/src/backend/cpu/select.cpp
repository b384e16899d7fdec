// Picks the kernel table for this processor, at run time.
#include "backend/cpu/kernels.h"
#include "backend/cpu/x86_features.h"
#include "base/error.h"

#if defined(__aarch64__) && defined(__linux__)
#  include <asm/hwcap.h>
#  include <sys/auxv.h>
#endif

namespace ds4 {
namespace {

bool available(int32_t isa) noexcept {
    switch (isa) {
    case DS4X_ISA_PORTABLE: return true;
#if defined(__x86_64__)
    case DS4X_ISA_AVX2: return x86_features().avx2;
    case DS4X_ISA_AVX512: return x86_features().avx512;
#elif defined(__aarch64__)
    case DS4X_ISA_NEON:
#  if defined(__linux__)
        return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) && (getauxval(AT_HWCAP) & HWCAP_ASIMDHP);
#  else
        return true; // every 64-bit Apple chip has both
#  endif
#endif
    default: return false;
    }
}

const CpuKernels *table(int32_t isa) noexcept {
    if (!available(isa)) return nullptr;
    switch (isa) {
    case DS4X_ISA_PORTABLE: return &kernels_portable;
#if defined(__x86_64__)
    case DS4X_ISA_AVX2: return &kernels_avx2;
    case DS4X_ISA_AVX512: return &kernels_avx512;
#elif defined(__aarch64__)
    case DS4X_ISA_NEON: return &kernels_neon;
#endif
    default: return nullptr;
    }
}

} // namespace

const CpuKernels &select_kernels(int32_t isa) {
    if (isa < DS4X_ISA_AUTO || isa > DS4X_ISA_NEON) fail(DS4X_ERR_ARGUMENT, "isa is %d, expected a ds4x_isa", isa);
    if (isa == DS4X_ISA_AUTO) {
        for (int32_t best : {DS4X_ISA_AVX512, DS4X_ISA_AVX2, DS4X_ISA_NEON, DS4X_ISA_PORTABLE})
            if (const CpuKernels *t = table(best)) return *t;
    }
    const CpuKernels *t = table(isa);
    if (!t) fail(DS4X_ERR_UNSUPPORTED, "this processor or build has no instruction set %d: use 0 (auto)", isa);
    return *t;
}

} // namespace ds4
