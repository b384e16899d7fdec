// Names of the parts of a split model: "<base>-00001-of-00003.gguf".
#pragma once

#include <cstdint>
#include <string>

namespace ds4 {

struct SplitName {
    std::string base;    // path up to "-00001-of-..."
    uint32_t number = 0; // from 1
    uint32_t count = 0;
};

// false when the path does not have this form, or is not within 1 <= number <= count.
bool parse_split_name(const std::string &path, SplitName &out);
std::string split_path(const std::string &base, uint32_t number, uint32_t count);

} // namespace ds4
