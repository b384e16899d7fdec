// SHA-256 (FIPS 180-4), fed piece by piece.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace ds4 {

class Sha256 {
public:
    using Digest = std::array<uint8_t, 32>;

    void update(const void *data, size_t n) noexcept;
    Digest finish() noexcept; // nothing may follow

private:
    void block(const uint8_t *p) noexcept;

    std::array<uint32_t, 8> h_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                               0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    uint64_t n_bytes_ = 0;
    std::array<uint8_t, 64> open_{}; // the block that is not full yet
};

} // namespace ds4
