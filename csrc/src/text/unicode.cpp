// UTF-8 decoding and character classes, from the generated table of runs.
#include "text/unicode.h"

#include "text/unicode_tables.h"

#include <array>
#include <iterator>

namespace ds4 {

namespace {

constexpr uint32_t kPages = 0x110000 >> 8;
constexpr uint32_t kRuns = uint32_t(std::size(kClassRuns));

// For each page of 256 code points the run that holds its first one, so that a look-up searches one page.
constexpr std::array<uint16_t, kPages + 1> make_page_runs() {
    std::array<uint16_t, kPages + 1> pages{};
    uint32_t run = 0;
    for (uint32_t page = 0; page < kPages; page++) {
        while (run + 1 < kRuns && kClassRuns[run + 1] >> 3 <= page << 8) run++;
        pages[page] = uint16_t(run);
    }
    pages[kPages] = uint16_t(kRuns - 1);
    return pages;
}

constexpr std::array<uint16_t, kPages + 1> kPageRuns = make_page_runs();

constexpr std::array<CharClass, 128> make_ascii() {
    std::array<CharClass, 128> classes{};
    uint32_t run = 0;
    for (uint32_t code = 0; code < 128; code++) {
        while (run + 1 < kRuns && kClassRuns[run + 1] >> 3 <= code) run++;
        classes[code] = CharClass(kClassRuns[run] & 7);
    }
    return classes;
}

constexpr std::array<CharClass, 128> kAscii = make_ascii();

} // namespace

CharClass char_class(uint32_t code) noexcept {
    if (code < 128) return kAscii[code];
    if (code >= 0x110000) return CharClass::other;
    uint32_t low = kPageRuns[code >> 8], high = kPageRuns[(code >> 8) + 1];
    while (low < high) { // the last run that starts at or before code
        const uint32_t middle = (low + high + 1) / 2;
        if (kClassRuns[middle] >> 3 <= code) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return CharClass(kClassRuns[low] & 7);
}

Char decode_char(std::string_view text, size_t pos) noexcept {
    const auto byte = [&](size_t i) { return uint32_t(uint8_t(text[pos + i])); };
    const auto follows = [&](size_t i) { return pos + i < text.size() && (byte(i) & 0xC0) == 0x80; };
    const uint32_t lead = byte(0);
    if (lead < 0x80) return {lead, 1, kAscii[lead]};
    Char c;
    if (lead >= 0xC2 && lead <= 0xDF && follows(1)) {
        c.code = (lead & 0x1F) << 6 | (byte(1) & 0x3F);
        c.length = 2;
    } else if ((lead & 0xF0) == 0xE0 && follows(1) && follows(2)) {
        const uint32_t code = (lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
        if (code < 0x800 || (code >= 0xD800 && code < 0xE000)) return c;
        c.code = code;
        c.length = 3;
    } else if (lead >= 0xF0 && lead <= 0xF4 && follows(1) && follows(2) && follows(3)) {
        const uint32_t code = (lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
        if (code < 0x10000 || code >= 0x110000) return c;
        c.code = code;
        c.length = 4;
    } else {
        return c;
    }
    c.kind = char_class(c.code);
    return c;
}

} // namespace ds4
