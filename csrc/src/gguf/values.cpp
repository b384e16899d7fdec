// Metadata values: items of arrays, and typed access with errors that say what was expected.
#include "gguf/gguf.h"
#include "gguf/scalar.h"
#include "gguf/text.h"

#include <cmath>

namespace ds4 {
namespace {

[[noreturn]] void wrong(const GgufFile &file, std::string_view key, const std::string &what) {
    fail(DS4X_ERR_MODEL, "%s: metadata key %s %s", shown_path(file.path()).c_str(), quoted(key).c_str(), what.c_str());
}
[[noreturn]] void missing(const GgufFile &file, std::string_view key, const std::string &expected) {
    wrong(file, key, "is missing, expected " + expected);
}
[[noreturn]] void unexpected(const GgufFile &file, std::string_view key, const MetaValue &v,
                             const std::string &expected, const std::string &where = "") {
    wrong(file, key, "is " + where + describe(v) + ", expected " + expected);
}

std::string integer_range(uint64_t min, uint64_t max) {
    if (min == max) return "the integer " + std::to_string(min);
    if (max == UINT64_MAX) return "an integer of at least " + std::to_string(min);
    return "an integer from " + std::to_string(min) + " to " + std::to_string(max);
}

bool fits(const MetaValue &v, uint64_t min, uint64_t max) {
    return v.is_integer() && !(v.is_signed() && v.as_i64() < 0) && v.u >= min && v.u <= max;
}

// false when the value is no finite number.
bool to_number(const MetaValue &v, double &out) {
    if (v.is_float())
        out = v.f;
    else if (v.is_signed())
        out = double(v.as_i64());
    else if (v.is_unsigned())
        out = double(v.u);
    else
        return false;
    return std::isfinite(out);
}

// Calls take(i, value) for the n values of a repeated scalar or of an array's first items.
template <typename Take>
void each(const GgufFile &file, std::string_view key, size_t n, const std::string &expected, Take take) {
    const MetaValue *v = file.find(key);
    const std::string list = expected + " or an array of at least " + std::to_string(n);
    if (!v) missing(file, key, list);
    if (v->is_array() && v->count < n) unexpected(file, key, *v, list);
    for (size_t i = 0; i < n; i++) {
        const MetaValue one = v->is_array() ? v->item(i) : *v;
        if (!take(i, one)) unexpected(file, key, one, list, v->is_array() ? "at item " + std::to_string(i) + " " : "");
    }
}

} // namespace

bool MetaValue::is_unsigned() const noexcept {
    return type == DS4X_META_U8 || type == DS4X_META_U16 || type == DS4X_META_U32 || type == DS4X_META_U64;
}
bool MetaValue::is_signed() const noexcept {
    return type == DS4X_META_I8 || type == DS4X_META_I16 || type == DS4X_META_I32 || type == DS4X_META_I64;
}

MetaValue MetaValue::item(uint64_t index) const {
    if (!is_array()) fail(DS4X_ERR_ARGUMENT, "metadata value is %s, not an array", describe(*this).c_str());
    if (index >= count)
        fail(DS4X_ERR_ARGUMENT, "item %llu is out of range, the array has %llu items", (unsigned long long)index,
             (unsigned long long)count);
    MetaValue out;
    out.type = item_type;
    if (item_type == DS4X_META_STRING) {
        const uint8_t *p = items + (*offsets)[size_t(index)];
        out.s = std::string_view(reinterpret_cast<const char *>(p + sizeof(uint64_t)), size_t(load<uint64_t>(p)));
    } else {
        decode_scalar(items + index * scalar_bytes(item_type), out);
    }
    return out;
}

uint64_t GgufFile::get_uint(std::string_view key, uint64_t min, uint64_t max) const {
    const MetaValue *v = find(key);
    if (!v) missing(*this, key, integer_range(min, max));
    if (!fits(*v, min, max)) unexpected(*this, key, *v, integer_range(min, max));
    return v->u;
}

uint64_t GgufFile::opt_uint(std::string_view key, uint64_t fallback, uint64_t min, uint64_t max) const {
    return find(key) ? get_uint(key, min, max) : fallback;
}

double GgufFile::get_float(std::string_view key) const {
    const MetaValue *v = find(key);
    if (!v) missing(*this, key, "a finite number");
    double out;
    if (!to_number(*v, out)) unexpected(*this, key, *v, "a finite number");
    return out;
}

double GgufFile::opt_float(std::string_view key, double fallback) const {
    return find(key) ? get_float(key) : fallback;
}

bool GgufFile::opt_bool(std::string_view key, bool fallback) const {
    const MetaValue *v = find(key);
    if (!v) return fallback;
    if (v->type != DS4X_META_BOOL) unexpected(*this, key, *v, "a bool");
    return v->u != 0;
}

std::string GgufFile::opt_string(std::string_view key, std::string_view fallback) const {
    const MetaValue *v = find(key);
    if (!v) return std::string(fallback);
    if (v->type != DS4X_META_STRING) unexpected(*this, key, *v, "a string");
    return std::string(v->s);
}

std::vector<double> GgufFile::get_floats(std::string_view key, size_t n) const {
    std::vector<double> out;
    each(*this, key, n, "a finite number", [&](size_t, const MetaValue &v) {
        double value;
        if (!to_number(v, value)) return false;
        out.push_back(value);
        return true;
    });
    return out;
}

std::vector<uint64_t> GgufFile::get_uints(std::string_view key, size_t n, uint64_t max) const {
    std::vector<uint64_t> out;
    each(*this, key, n, integer_range(0, max), [&](size_t, const MetaValue &v) {
        if (!fits(v, 0, max)) return false;
        out.push_back(v.u);
        return true;
    });
    return out;
}

} // namespace ds4
