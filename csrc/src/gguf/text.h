// How names and values from a file are shown in error messages: one line, printable, bounded.
#pragma once

#include "gguf/gguf.h"

#include <string>
#include <string_view>

namespace ds4 {

// "text" in double quotes; bytes outside printable ASCII as \xNN, at most about 100 characters.
std::string quoted(std::string_view text);
// A path with control characters escaped; of a very long one the end.
std::string shown_path(std::string_view path);
// "u32", "array", ...; "type 13" for numbers the format does not define.
std::string meta_type_name(int32_t type);
// A value with its type: `u32 7`, `string "abc"`, `array of 5 i32`.
std::string describe(const MetaValue &value);

} // namespace ds4
