// CRC-32C (Castagnoli, RFC 3720), continued piece by piece, with the processor's instruction where it has one.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ds4 {

// The checksum of everything before, whose checksum is `crc` (0: nothing), followed by these n bytes.
uint32_t crc32c(uint32_t crc, const void *data, size_t n) noexcept;

// The same by tables alone, as on a processor without the instruction.
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t n) noexcept;

} // namespace ds4
