// What tests tell the emulated device, through the one other symbol that its library exports.
#pragma once

#include <cstddef>
#include <cstdint>

struct EmulatedDevice {
    int32_t n_devices = 1;
    int32_t driver = 13000; // 0: none installed
    int32_t has_code = 1;   // 0: the library was built for another architecture
    size_t total_bytes = size_t(8) << 30;
    size_t used_bytes = 0;   // out
    int64_t fail_after = -1; // so many calls from now one fails ...
    int32_t fail_with = 0;   // ... with this cudaError_t, and all after it
    int64_t calls = 0;       // out
};
constexpr const char *emulated_device_symbol = "ds4_emulated_device";
