// GPT-2's byte-level alphabet.
#include "text/byte_alphabet.h"

#include "text/unicode.h"

#include <array>

namespace ds4 {

namespace {

constexpr bool stands_for_itself(uint32_t byte) {
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
}

struct Alphabet {
    std::array<uint16_t, 256> code{};     // of a byte
    std::array<int16_t, 256 + 68> byte{}; // of a code point, -1 when it is not in the alphabet
};

constexpr Alphabet make_alphabet() {
    Alphabet alphabet;
    for (auto &byte : alphabet.byte) byte = -1;
    uint16_t other = 256;
    for (uint32_t byte = 0; byte < 256; byte++) {
        alphabet.code[byte] = stands_for_itself(byte) ? uint16_t(byte) : other++;
        alphabet.byte[alphabet.code[byte]] = int16_t(byte);
    }
    return alphabet;
}

constexpr Alphabet kAlphabet = make_alphabet();

} // namespace

std::string byte_to_text(unsigned char byte) {
    std::string text;
    const uint32_t code = kAlphabet.code[byte];
    if (code >= 0x80) text.push_back(char(0xC0 | code >> 6));
    text.push_back(char(code < 0x80 ? code : 0x80 | (code & 0x3F)));
    return text;
}

bool text_to_bytes(std::string_view text, std::string &bytes) {
    bytes.clear();
    for (size_t pos = 0; pos < text.size();) {
        const Char c = decode_char(text, pos);
        if (c.code >= kAlphabet.byte.size() || kAlphabet.byte[c.code] < 0) return false;
        bytes.push_back(char(kAlphabet.byte[c.code]));
        pos += c.length;
    }
    return true;
}

} // namespace ds4
