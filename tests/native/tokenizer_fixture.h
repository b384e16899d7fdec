// A small byte-level vocabulary for the tokenizer's tests and fuzz target: ids 0-255 are the bytes, merges add more.
#pragma once

#include "text/byte_alphabet.h"
#include "text/tokenizer.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fixture {

struct Vocabulary {
    std::vector<std::string> tokens, merges;
    std::vector<int32_t> types;

    Vocabulary() {
        for (int byte = 0; byte < 256; byte++) add(ds4::byte_to_text(uint8_t(byte)), DS4X_TOKEN_NORMAL);
    }
    // The id of the new token; text is as stored in a file.
    int32_t add(const std::string &text, int32_t type) {
        tokens.push_back(text);
        types.push_back(type);
        return int32_t(tokens.size()) - 1;
    }
    // Adds the next merge in rank, of two texts given as bytes, and the token that it makes; returns the token's id.
    int32_t merge(std::string_view left, std::string_view right) {
        merges.push_back(alphabet(left) + " " + alphabet(right));
        return add(alphabet(left) + alphabet(right), DS4X_TOKEN_NORMAL);
    }
    std::unique_ptr<ds4::Tokenizer> open() const { return ds4::Tokenizer::from_tables(tokens, merges, types); }

    static std::string alphabet(std::string_view bytes) {
        std::string text;
        for (char byte : bytes) text += ds4::byte_to_text(uint8_t(byte));
        return text;
    }
};

inline std::vector<int32_t> encode(const ds4::Tokenizer &tokenizer, std::string_view text, bool parse_special = false) {
    std::vector<int32_t> ids;
    tokenizer.encode(text, parse_special, ids);
    return ids;
}

inline std::string decode(const ds4::Tokenizer &tokenizer, const std::vector<int32_t> &ids) {
    std::string text;
    for (int32_t id : ids) text += tokenizer.bytes(id);
    return text;
}

} // namespace fixture
