// Byte-level BPE with DeepSeek's pre-tokenizer: bytes to token ids and back. Needs no weights; immutable, thread-safe.
#pragma once

#include "gguf/gguf.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ds4 {

class Tokenizer {
public:
    // Reads tokenizer.ggml.{tokens,merges,token_type}; returns nullptr when the file has no tokens. n_vocab is the
    // model's (0 = not known): more tokens than that is an error, fewer leave ids without text. Throws
    // Error(MODEL | FORMAT).
    static std::unique_ptr<Tokenizer> from_gguf(const GgufFile &file, uint64_t n_vocab);
    // For tests and fuzzing. types may be empty (all normal).
    static std::unique_ptr<Tokenizer> from_tables(std::vector<std::string> tokens, std::vector<std::string> merges,
                                                  std::vector<int32_t> types);
    ~Tokenizer();

    // Appends the ids of text. parse_special: protocol literals and control tokens in the text become their ids.
    // User-defined added tokens match either way, unless they are protocol literals. Near-linear in the length.
    void encode(std::string_view text, bool parse_special, std::vector<int32_t> &out) const;

    size_t size() const noexcept;                         // ids 0 .. size-1
    std::string_view bytes(int32_t token) const noexcept; // decoded bytes; empty when out of range
    std::string_view text(int32_t token) const noexcept;  // as stored in the file
    int32_t kind(int32_t token) const noexcept;           // ds4x_token_kind, 0 when out of range
    int32_t find(std::string_view text) const noexcept;   // exact stored text, or decoded bytes; -1

    // Protocol tokens by their text; -1 when the vocabulary has none.
    int32_t bos() const noexcept;
    int32_t eos() const noexcept;
    int32_t user() const noexcept;
    int32_t assistant() const noexcept;
    int32_t think_open() const noexcept;
    int32_t think_close() const noexcept;
    int32_t dsml() const noexcept;

private:
    struct Impl;
    explicit Tokenizer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace ds4
