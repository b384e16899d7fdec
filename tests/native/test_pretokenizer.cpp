// The pre-tokenizer's pieces. The expected ones are those of Hugging Face's tokenizers 0.23 with the three patterns.
#include "check.h"
#include "text/pretokenizer.h"
#include "text/unicode.h"

#include <initializer_list>

using namespace ds4;

static void expect(std::initializer_list<std::string_view> pieces) {
    std::string text;
    for (std::string_view piece : pieces) text += piece;
    std::vector<std::string> got;
    Pretokenizer pretokenizer(text);
    for (std::string_view piece; pretokenizer.next(piece);) got.emplace_back(piece);
    const std::vector<std::string> expected(pieces.begin(), pieces.end());
    CHECK_EQ(got, expected);
    if (got == expected) return;
    std::string line;
    for (const std::string &piece : got) line += "[" + piece + "]";
    std::fprintf(stderr, "  pieces: %s\n", line.c_str());
}

TEST(pretokenizer_words_and_spaces) {
    expect({});
    expect({"Hello", " world"});
    expect({" ", " Hello"});
    expect({"a", "\tb"});
    expect({"x", "   "});
    expect({"x", "  ", " y"});
    expect({"  ", " !"});
    expect({"a", "\xC2\xA0"
                 "b"}); // no-break space
    expect({"\xE3\x80\x80", "\xE3\x80\x80"
                            "a"}); // ideographic spaces
    expect({"\xC2\x85", "\xC2\x85"
                        "a"}); // next line: white space, no newline
    expect({"\x1C\x1C"});      // a separator that is not White_Space
    expect({"x", " ", "1"});   // the space ends its piece
    expect({"x", "  ", "\xE4\xB8\xAD"});
}

TEST(pretokenizer_newlines) {
    expect({"  \n", " ", " x"});
    expect({"\n\n  \n"});
    expect({" !?\r\n\r\n", "z"});
    expect({"a", "\n", "b"});
    expect({"a", " \n", "b"});
    expect({"\n", " b"});
    expect({"\r\n", "\t", "1"});
}

TEST(pretokenizer_numbers) {
    expect({"123", "45", " ", "6"});
    expect({"a", "12", "b"});
    expect({"$", "1"});
    expect({"x", "\xC2\xB2\xC2\xB3\xC2\xB9", "\xC2\xBD", "y"}); // superscripts and a fraction
    expect({"１２３", "４"});                                   // fullwidth
    expect({"٣٤٥", "٦"});                                       // Arabic-Indic
    expect({"ⅣⅤ"});                                             // letter numbers
    expect({".", "٣"});
    expect({"１", "a"});
}

TEST(pretokenizer_punctuation) {
    expect({"!abc", " def"});
    expect({"(abc", "中", ")"});
    expect({"(", "中"});
    expect({"!", "é"}); // only ASCII letters follow a sign
    expect({"!a", "é"});
    expect({"“", "quoted", "”", "text"});
    expect({"it", "’", "s"});
    expect({"it", "'s"});
    expect({"a", "—", "b"});
    expect({"《", "书", "》"});
    expect({"=====\n\n", "x"});
}

TEST(pretokenizer_cjk) {
    expect({"中文", "abc"});
    expect({"abc", "中文"});
    expect({"abc", " ", "中文"});
    expect({"中文", "，", "你好", "。"});
    expect({"ア", "゛", "ー", "・", "ン"}); // signs inside the kana range
    expect({"中ひカ"});
    expect({"龥", "龦"});   // the range ends at U+9FA5
    expect({"중국", "中"}); // Hangul is outside of it
}

TEST(pretokenizer_marks_format_characters_and_emoji) {
    expect({"e\xCC\x81tude"}); // combining acute
    expect({"\xCC\x81\xCC\x81"});
    expect({" \xCC\x80"
            "a"});
    expect({"नमस्ते"});
    expect({"a", "\xE2\x80\x8B"
                 "b"}); // zero-width space
    expect({"\xE2\x80\x8B\xE2\x80\x8B"});
    expect({"\xEF\xBB\xBF"
            "abc"});                      // byte order mark
    expect({"👩", "\xE2\x80\x8D", "👩"}); // zero-width joiner
    expect({"🏽", "x"});
}

TEST(pretokenizer_bytes_that_are_not_utf8_are_characters_of_no_class) {
    expect({"a", std::string_view("\0b", 2)});
    expect({std::string_view("\0\0", 2)});
    expect({"\xFF\xFE"});
    expect({"a", "\xFF"
                 "b"});
    expect({"a", "\xFF",
            "\xFF"
            "b"});
    expect({"\xE4\xB8", "!"});
    expect({" ", "\xC3", " a"});
    expect({"\xED\xA0\x80"}); // a surrogate
}

TEST(decode_char_accepts_well_formed_utf8_only) {
    const auto code = [](std::string_view text) { return decode_char(text, 0).code; };
    CHECK_EQ(code("\x7F"), 0x7Fu);
    CHECK_EQ(code("\xC2\x80"), 0x80u);
    CHECK_EQ(code("\xDF\xBF"), 0x7FFu);
    CHECK_EQ(code("\xE0\xA0\x80"), 0x800u);
    CHECK_EQ(code("\xEF\xBF\xBF"), 0xFFFFu);
    CHECK_EQ(code("\xF0\x90\x80\x80"), 0x10000u);
    CHECK_EQ(code("\xF4\x8F\xBF\xBF"), 0x10FFFFu);
    for (const char *text :
         {"\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2 ", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xED\xBF\xBF", "\xE4\xB8",
          "\xE4\xB8 ", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF"}) {
        CHECK_EQ(code(text), kInvalidChar);
        CHECK_EQ(decode_char(text, 0).length, 1u);
    }
}

TEST(char_classes_at_their_borders) {
    const auto expect_class = [](uint32_t code, CharClass kind) { CHECK(char_class(code) == kind); };
    expect_class('9', CharClass::number);
    expect_class(':', CharClass::symbol);
    expect_class(0x85, CharClass::space);
    expect_class(0x1F, CharClass::other);
    expect_class(0x1C89, CharClass::letter); // new in Unicode 16
    expect_class(0x9FFF, CharClass::letter);
    expect_class(0xA48D, CharClass::other); // unassigned
    expect_class(0xE000, CharClass::other); // private use
    expect_class(0x1FBF9, CharClass::number);
    expect_class(0xE01EF, CharClass::letter); // a variation selector is a mark
    expect_class(0xE01F0, CharClass::other);
    expect_class(0x10FFFF, CharClass::other);
    expect_class(0x110000, CharClass::other);
    expect_class(kInvalidChar, CharClass::other);
}
