// Reads and writes the file names of a split model.
#include "gguf/split.h"

#include "base/error.h"

namespace ds4 {
namespace {

constexpr size_t digits = 5;
constexpr const char *middle = "-of-";
constexpr const char *ending = ".gguf";

bool read_number(const std::string &text, size_t at, uint32_t &out) {
    out = 0;
    for (size_t i = at; i < at + digits; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        out = out * 10 + uint32_t(text[i] - '0');
    }
    return true;
}

} // namespace

bool parse_split_name(const std::string &path, SplitName &out) {
    constexpr size_t tail = 1 + digits + 4 + digits + 5; // "-00001" "-of-" "00003" ".gguf"
    if (path.size() < tail) return false;
    const size_t at = path.size() - tail;
    if (path[at] != '-' || path.compare(at + 1 + digits, 4, middle) != 0 ||
        path.compare(path.size() - 5, 5, ending) != 0)
        return false;
    SplitName name;
    if (!read_number(path, at + 1, name.number) || !read_number(path, at + 1 + digits + 4, name.count)) return false;
    if (name.number < 1 || name.number > name.count) return false;
    name.base = path.substr(0, at);
    out = name;
    return true;
}

std::string split_path(const std::string &base, uint32_t number, uint32_t count) {
    return base + format("-%05u%s%05u%s", number, middle, count, ending);
}

} // namespace ds4
