// UTF-8 decoding and the character classes that the pre-tokenizer's patterns speak of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ds4 {

// General categories N, L and M, P and S, and the property White_Space; all else (controls, format characters,
// unassigned, private use, bytes that are not UTF-8) is `other`.
enum class CharClass : uint8_t { other, number, letter, symbol, space };

constexpr uint32_t kInvalidChar = 0xFFFFFFFF;

struct Char {
    uint32_t code = kInvalidChar;
    uint32_t length = 1; // bytes
    CharClass kind = CharClass::other;
};

CharClass char_class(uint32_t code) noexcept;

// The character at text[pos], pos < text.size(). A byte that starts no well-formed sequence (no overlong forms, no
// surrogates, nothing above U+10FFFF) is one character of its own: kInvalidChar, length 1, class `other`.
Char decode_char(std::string_view text, size_t pos) noexcept;

} // namespace ds4
