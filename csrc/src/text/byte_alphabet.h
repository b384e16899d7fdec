// GPT-2's byte-level alphabet: every byte is written as one printable character in the vocabulary's texts.
#pragma once

#include <string>
#include <string_view>

namespace ds4 {

// Bytes 33-126, 161-172 and 174-255 are written as the code point of the same number, the other 68 as 256, 257, ... in
// ascending order.
std::string byte_to_text(unsigned char byte);

// Sets bytes to what text stands for; false when it holds a character outside the alphabet or is not UTF-8.
bool text_to_bytes(std::string_view text, std::string &bytes);

} // namespace ds4
