// Printable forms of names and values for error messages.
#include "gguf/text.h"

namespace ds4 {
namespace {

constexpr size_t max_quoted = 96;
constexpr size_t max_path = 512; // leaves room for the reason in ds4x_error.message

void append_escaped(std::string &out, unsigned char c) { out += format("\\x%02x", c); }

} // namespace

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (size_t i = 0; i < text.size(); i++) {
        if (out.size() > max_quoted) {
            out += "...";
            break;
        }
        const auto c = static_cast<unsigned char>(text[i]);
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
            append_escaped(out, c);
        else
            out += char(c);
    }
    return out + "\"";
}

std::string shown_path(std::string_view path) {
    std::string out;
    if (path.size() > max_path) {
        size_t start = path.size() - max_path;
        while (start < path.size() && (static_cast<unsigned char>(path[start]) & 0xC0) == 0x80) start++; // whole UTF-8
        path.remove_prefix(start);
        out = "...";
    }
    for (const char ch : path) {
        const auto c = static_cast<unsigned char>(ch);
        if (c < 0x20 || c == 0x7f)
            append_escaped(out, c);
        else
            out += ch;
    }
    return out;
}

std::string meta_type_name(int32_t type) {
    static const char *const names[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                        "bool", "string", "array", "u64", "i64", "f64"};
    if (type >= 0 && size_t(type) < sizeof names / sizeof *names) return names[type];
    return "type " + std::to_string(type);
}

std::string describe(const MetaValue &value) {
    const std::string type = meta_type_name(value.type);
    if (value.is_array()) return "array of " + std::to_string(value.count) + " " + meta_type_name(value.item_type);
    if (value.type == DS4X_META_STRING) return type + " " + quoted(value.s);
    if (value.type == DS4X_META_BOOL) return value.u ? "bool true" : "bool false";
    if (value.is_float()) return format("%s %g", type.c_str(), value.f);
    if (value.is_signed()) return type + " " + std::to_string(value.as_i64());
    return type + " " + std::to_string(value.u);
}

} // namespace ds4
