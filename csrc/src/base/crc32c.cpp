// CRC-32C: eight bytes a step, by tables or by the CRC instruction (x86-64: where the processor has it; ARM: where the
// build's target has it).
#include "base/crc32c.h"

#include <array>
#include <cstring>

#if defined(__ARM_FEATURE_CRC32)
#  include <arm_acle.h>
#endif

namespace ds4 {
namespace {

constexpr uint32_t polynomial = 0x82f63b78; // bits reversed

using Tables = std::array<std::array<uint32_t, 256>, 8>;

// tables[k][b]: what byte b contributes after k more zero bytes.
constexpr Tables make_tables() {
    Tables t{};
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t c = b;
        for (int bit = 0; bit < 8; bit++) c = c >> 1 ^ (c & 1 ? polynomial : 0);
        t[0][b] = c;
    }
    for (size_t k = 1; k < 8; k++)
        for (size_t b = 0; b < 256; b++) t[k][b] = t[k - 1][b] >> 8 ^ t[0][t[k - 1][b] & 0xff];
    return t;
}
constexpr Tables tables = make_tables();

uint32_t by_tables(uint32_t c, const uint8_t *p, size_t n) noexcept {
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t v;
        std::memcpy(&v, p, 8);
        v ^= c;
        c = 0;
        for (size_t i = 0; i < 8; i++) c ^= tables[7 - i][v >> (8 * i) & 0xff];
    }
    for (; n; p++, n--) c = c >> 8 ^ tables[0][(c ^ *p) & 0xff];
    return c;
}

#if defined(__x86_64__)
#  define DS4_CRC_INSTRUCTION
bool has_instruction() noexcept { return __builtin_cpu_supports("sse4.2"); }
// Written as it is: compilers disagree on the feature's name that the intrinsics need.
uint32_t by_instruction(uint32_t c, const uint8_t *p, size_t n) noexcept {
    uint64_t wide = c;
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t v;
        std::memcpy(&v, p, 8);
        __asm__("crc32q %1, %0" : "+r"(wide) : "rm"(v));
    }
    c = uint32_t(wide);
    for (; n; p++, n--) __asm__("crc32b %1, %0" : "+r"(c) : "rm"(*p));
    return c;
}
#elif defined(__ARM_FEATURE_CRC32)
#  define DS4_CRC_INSTRUCTION
bool has_instruction() noexcept { return true; }
uint32_t by_instruction(uint32_t c, const uint8_t *p, size_t n) noexcept {
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t v;
        std::memcpy(&v, p, 8);
        c = __crc32cd(c, v);
    }
    for (; n; p++, n--) c = __crc32cb(c, *p);
    return c;
}
#endif

} // namespace

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t n) noexcept {
    return ~by_tables(~crc, static_cast<const uint8_t *>(data), n);
}

uint32_t crc32c(uint32_t crc, const void *data, size_t n) noexcept {
#if defined(DS4_CRC_INSTRUCTION)
    if (has_instruction()) return ~by_instruction(~crc, static_cast<const uint8_t *>(data), n);
#endif
    return crc32c_portable(crc, data, n);
}

} // namespace ds4
