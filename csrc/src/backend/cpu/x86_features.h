// What an x86-64 processor and its operating system can do, asked of the processor itself: __builtin_cpu_supports answers
// "no" to everything when a compiler's run-time library does not fill its table, as that of Zig does not.
#pragma once
#if defined(__x86_64__)
#  include <cpuid.h>

#  include <cstdint>

namespace ds4 {

struct X86Features {
    bool avx2;   // with FMA, F16C and BMI2
    bool avx512; // F, BW, DQ, VL and VNNI
};

inline X86Features x86_features() noexcept {
    const auto all = [](uint32_t word, uint32_t bits) { return (word & bits) == bits; };
    constexpr uint32_t fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28, f16c = 1u << 29; // leaf 1, ecx
    constexpr uint32_t avx2 = 1u << 5, bmi2 = 1u << 8;                                      // leaf 7, ebx
    constexpr uint32_t avx512f = 1u << 16, avx512dq = 1u << 17, avx512bw = 1u << 30, avx512vl = 1u << 31;
    constexpr uint32_t avx512vnni = 1u << 11;             // leaf 7, ecx
    constexpr uint32_t ymm_state = 0x6, zmm_state = 0xe6; // registers that the operating system saves, from xgetbv

    uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
    X86Features found{false, false};
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !all(ecx, fma | osxsave | avx | f16c)) return found;
    uint32_t saved = 0, saved_high = 0;
    __asm__("xgetbv" : "=a"(saved), "=d"(saved_high) : "c"(0));
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return found;
    found.avx2 = all(saved, ymm_state) && all(ebx, avx2 | bmi2);
    found.avx512 = found.avx2 && all(saved, zmm_state) && all(ebx, avx512f | avx512dq | avx512bw | avx512vl) &&
                   all(ecx, avx512vnni);
    return found;
}

} // namespace ds4
#endif
