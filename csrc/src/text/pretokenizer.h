// DeepSeek's pre-tokenizer: cuts text into the pieces inside which BPE merges.
#pragma once

#include "text/unicode.h"

#include <cstddef>
#include <string_view>

namespace ds4 {

// Three splits, each applied to the pieces of the one before; what a pattern does not match is a piece too:
//   1. \p{N}{1,3}
//   2. [一-龥぀-ゟ゠-ヿ]+
//   3. [ASCII punctuation][A-Za-z]+ | [^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+ | ?[\p{P}\p{S}]+[\r\n]* | \s*[\r\n]+
//      | \s+(?!\S) | \s+
// A later split sees nothing outside its piece: "(?!\S)" holds at the end of one. Each character is looked at a bounded
// number of times, so the whole is linear. Bytes that are not UTF-8 are characters outside every class.
class Pretokenizer {
public:
    explicit Pretokenizer(std::string_view text) : text_(text) {}
    // Sets piece to the next one; false at the end. The pieces are never empty and joined give the text.
    bool next(std::string_view &piece);

private:
    size_t end_of_number_split(size_t pos) const;
    size_t end_of_cjk_split(size_t pos) const;
    size_t end_of_match(size_t pos) const;
    size_t run_of(CharClass kind, size_t pos) const;
    size_t run_of_newlines(size_t pos) const;
    size_t match_space(size_t pos) const;

    std::string_view text_;
    size_t pos_ = 0;       // all before it has been handed out
    size_t first_end_ = 0; // end of the piece of split 1 that pos_ is in
    size_t limit_ = 0;     // end of the piece of split 2 that pos_ is in
    size_t match_end_ = 0; // end of the match at pos_ when it is known already, else <= pos_
};

} // namespace ds4
