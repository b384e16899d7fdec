// The pre-tokenizer's three splits as hand-written matchers. Each one does what a backtracking regex engine (leftmost
// match, first alternative that fits) would do with the pattern quoted beside it.
#include "text/pretokenizer.h"

namespace ds4 {

namespace {

bool is_newline(uint32_t code) { return code == '\n' || code == '\r'; }
bool is_ascii_letter(uint32_t code) { return (code | 0x20) >= 'a' && (code | 0x20) <= 'z'; }
bool is_cjk(uint32_t code) { return (code >= 0x4E00 && code <= 0x9FA5) || (code >= 0x3040 && code <= 0x30FF); }

} // namespace

bool Pretokenizer::next(std::string_view &piece) {
    if (pos_ == text_.size()) return false;
    if (pos_ == first_end_) first_end_ = end_of_number_split(pos_);
    if (pos_ == limit_) limit_ = end_of_cjk_split(pos_);

    const size_t begin = pos_;
    if (match_end_ <= pos_) {
        // What no alternative matches is gathered up to the first match, which is kept for the next call.
        while (pos_ < limit_ && (match_end_ = end_of_match(pos_)) == pos_) pos_ += decode_char(text_, pos_).length;
    }
    if (pos_ == begin) pos_ = match_end_;
    piece = text_.substr(begin, pos_ - begin);
    return true;
}

// \p{N}{1,3}
size_t Pretokenizer::end_of_number_split(size_t pos) const {
    int numbers = 0;
    const size_t begin = pos;
    while (pos < text_.size() && numbers < 3) {
        const Char c = decode_char(text_, pos);
        if (c.kind == CharClass::number) {
            if (numbers == 0 && pos > begin) break;
            numbers++;
        } else if (numbers > 0) {
            break;
        }
        pos += c.length;
    }
    return pos;
}

// [一-龥぀-ゟ゠-ヿ]+
size_t Pretokenizer::end_of_cjk_split(size_t pos) const {
    const bool inside = is_cjk(decode_char(text_, pos).code);
    while (pos < first_end_) {
        const Char c = decode_char(text_, pos);
        if (is_cjk(c.code) != inside) break;
        pos += c.length;
    }
    return pos;
}

size_t Pretokenizer::run_of(CharClass kind, size_t pos) const {
    while (pos < limit_) {
        const Char c = decode_char(text_, pos);
        if (c.kind != kind) break;
        pos += c.length;
    }
    return pos;
}

size_t Pretokenizer::run_of_newlines(size_t pos) const {
    while (pos < limit_ && is_newline(uint8_t(text_[pos]))) pos++;
    return pos;
}

// The third split; returns pos when nothing matches there.
size_t Pretokenizer::end_of_match(size_t pos) const {
    const Char c = decode_char(text_, pos);
    const size_t after = pos + c.length;
    const Char following = after < limit_ ? decode_char(text_, after) : Char{};

    if (c.kind == CharClass::symbol) {
        // [ASCII punctuation][A-Za-z]+
        if (c.code < 0x80 && is_ascii_letter(following.code)) {
            size_t end = after;
            while (end < limit_ && is_ascii_letter(uint8_t(text_[end]))) end++;
            return end;
        }
        // [\p{P}\p{S}]+[\r\n]*
        return run_of_newlines(run_of(CharClass::symbol, after));
    }
    // [^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+ : a mark may be read as the optional first character or as part of the run;
    // the match is the same.
    if (c.kind == CharClass::letter) return run_of(CharClass::letter, after);
    if (following.kind == CharClass::letter && !is_newline(c.code)) return run_of(CharClass::letter, after);
    // " ?[\p{P}\p{S}]+[\r\n]*"
    if (c.code == ' ' && following.kind == CharClass::symbol) {
        return run_of_newlines(run_of(CharClass::symbol, after));
    }
    return c.kind == CharClass::space ? match_space(pos) : pos;
}

// \s*[\r\n]+ | \s+(?!\S) | \s+
size_t Pretokenizer::match_space(size_t pos) const {
    size_t end = pos, last = pos, after_newline = pos; // last: where the run's last character begins
    while (end < limit_) {
        const Char c = decode_char(text_, end);
        if (c.kind != CharClass::space) break;
        last = end;
        end += c.length;
        if (is_newline(c.code)) after_newline = end;
    }
    // The first pattern gives back what follows the run's last newline.
    if (after_newline > pos) return after_newline;
    // The second gives back one character when the run does not end the piece, unless that is all there is.
    return end < limit_ && last > pos ? last : end;
}

} // namespace ds4
