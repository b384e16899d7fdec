// ggml tensor types: ids, block sizes, names. The ids and layouts are facts of the GGUF format.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ds4 {

// clang-format off
enum class GgmlType : int32_t {
    F32 = 0, F16 = 1, Q4_0 = 2, Q4_1 = 3, Q5_0 = 6, Q5_1 = 7, Q8_0 = 8, Q8_1 = 9, Q2_K = 10, Q3_K = 11, Q4_K = 12,
    Q5_K = 13, Q6_K = 14, Q8_K = 15, IQ2_XXS = 16, IQ2_XS = 17, IQ3_XXS = 18, IQ1_S = 19, IQ4_NL = 20, IQ3_S = 21,
    IQ2_S = 22, IQ4_XS = 23, I8 = 24, I16 = 25, I32 = 26, I64 = 27, F64 = 28, IQ1_M = 29, BF16 = 30, TQ1_0 = 34,
    TQ2_0 = 35, MXFP4 = 39,
};
// clang-format on

// Every type whose size is known to the GGUF parser; dequantize is null for the ones the engine can not compute with.
struct TypeTraits {
    GgmlType type;
    const char *name;                                               // as ggml spells it
    uint32_t elements;                                              // per block
    uint32_t bytes;                                                 // per block
    void (*dequantize)(const void *blocks, uint64_t n, float *out); // n is a multiple of `elements`; any alignment
};

const TypeTraits *type_traits(int32_t type) noexcept; // nullptr for an unknown id
const TypeTraits *all_type_traits(size_t *n) noexcept;
inline const TypeTraits *type_traits(GgmlType type) noexcept { return type_traits(int32_t(type)); }

} // namespace ds4
