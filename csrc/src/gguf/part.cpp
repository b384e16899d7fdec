// Parses one GGUF file, distrusting every field.
#include "gguf/part.h"

#include "gguf/cursor.h"
#include "gguf/scalar.h"
#include "gguf/text.h"

#include <algorithm>

namespace ds4 {
namespace {

constexpr uint64_t max_name_bytes = 65535;
constexpr uint64_t min_alignment = 8, max_alignment = 1u << 20;
// The least a metadata entry (length, one byte of key, type, one byte of value) and a tensor entry (length, one byte of
// name, number of dimensions, one dimension, type, offset) take: a count of more than fits in the rest is a lie.
constexpr uint64_t min_meta_bytes = 8 + 1 + 4 + 1;
constexpr uint64_t min_tensor_bytes = 8 + 1 + 4 + 8 + 4 + 8;

using Mode = GgufFile::Mode;

std::string n(uint64_t value) { return std::to_string(value); }

// false when a * b does not fit.
bool multiply(uint64_t a, uint64_t b, uint64_t &out) {
    if (b != 0 && a > UINT64_MAX / b) return false;
    out = a * b;
    return true;
}
bool add(uint64_t a, uint64_t b, uint64_t &out) {
    out = a + b;
    return out >= a;
}

void read_start(Cursor &in) {
    char magic[4];
    if (in.left() < 4) in.wrong("the file has only " + n(in.left()) + " bytes, it is not a GGUF file");
    std::memcpy(magic, in.here(), 4);
    in.skip(4, "magic");
    if (std::memcmp(magic, "FUGG", 4) == 0)
        in.wrong("this is a big-endian GGUF file; only little-endian files can be read");
    if (std::memcmp(magic, "GGUF", 4) != 0)
        in.wrong("the file begins with " + quoted(std::string_view(magic, 4)) +
                 ", expected \"GGUF\": it is not a GGUF file");
    const auto version = in.read<uint32_t>("version");
    if (version != 0 && (version & 0xFFFF) == 0)
        in.wrong("this is a big-endian GGUF file; only little-endian files can be read");
    if (version != 2 && version != 3) in.wrong("GGUF version " + n(version) + " is not supported, expected 2 or 3");
}

void read_array(Cursor &in, MetaValue &v, GgufPart &out) {
    v.item_type = in.read<int32_t>("array item type");
    const uint32_t item = scalar_bytes(v.item_type);
    if (v.item_type == DS4X_META_ARRAY) in.wrong("an array of arrays is not supported");
    if (!item && v.item_type != DS4X_META_STRING)
        in.wrong("array items of type " + std::to_string(v.item_type) + " are unknown, expected a type from 0 to 12");
    v.count = in.read<uint64_t>("array length");
    v.items = in.here();
    const uint64_t least = item ? item : sizeof(uint64_t); // an empty string is a length of 0
    if (v.count > in.left() / least)
        in.wrong("an array of " + n(v.count) + " " + meta_type_name(v.item_type) + " does not fit in the " +
                 n(in.left()) + " bytes that are left: the file is truncated or damaged");
    if (item) {
        if (v.item_type == DS4X_META_BOOL)
            for (uint64_t i = 0; i < v.count; i++)
                if (v.items[i] > 1) in.wrong("bool item " + n(i) + " is " + n(v.items[i]) + ", expected 0 or 1");
        in.skip(v.count * item, "array items");
        return;
    }
    out.string_offsets.emplace_back();
    std::vector<uint64_t> &offsets = out.string_offsets.back();
    offsets.reserve(size_t(v.count));
    const uint64_t start = in.pos();
    for (uint64_t i = 0; i < v.count; i++) {
        offsets.push_back(in.pos() - start);
        in.read_string("an array item");
    }
    v.offsets = &offsets;
}

void read_value(Cursor &in, MetaValue &v, GgufPart &out) {
    v.type = in.read<int32_t>("type");
    if (v.type == DS4X_META_STRING) {
        v.s = in.read_string("its string");
    } else if (v.type == DS4X_META_ARRAY) {
        read_array(in, v, out);
    } else if (const uint32_t bytes = scalar_bytes(v.type)) {
        const uint8_t *p = in.here();
        in.skip(bytes, "value");
        if (v.type == DS4X_META_BOOL && *p > 1) in.wrong("a bool is " + n(*p) + ", expected 0 or 1");
        decode_scalar(p, v);
    } else {
        in.wrong("value type " + std::to_string(v.type) + " is unknown, expected a type from 0 to 12");
    }
}

// Keys and tensor names are handed out as C strings.
std::string read_name(Cursor &in, const char *what) {
    const std::string_view name = in.read_string(what);
    if (name.empty()) in.wrong(std::string(what) + " is empty");
    if (name.size() > max_name_bytes)
        in.wrong(std::string(what) + " has " + n(name.size()) + " bytes, at most " + n(max_name_bytes) +
                 " are allowed");
    if (name.find('\0') != std::string_view::npos)
        in.wrong(std::string(what) + " " + quoted(name) + " holds a NUL byte");
    return std::string(name);
}

void read_metadata(Cursor &in, uint64_t count, GgufPart &out) {
    for (uint64_t i = 0; i < count; i++) {
        in.subject = "metadata entry " + n(i);
        out.keys.push_back(read_name(in, "its key"));
        in.subject = "metadata key " + quoted(out.keys.back());
        MetaValue value;
        read_value(in, value, out);
        out.values.push_back(value);
    }
    in.subject = "metadata";
    const auto twice = out.key_index.build(out.keys.size(), [&](size_t i) { return std::string_view(out.keys[i]); });
    if (twice.first != NameIndex::none)
        in.wrong("key " + quoted(out.keys[twice.first]) + " appears twice (entries " + n(twice.first) + " and " +
                 n(twice.second) + ")");
}

void read_alignment(Cursor &in, GgufPart &out) {
    const MetaValue *v = out.find("general.alignment");
    if (!v) return;
    in.subject = "metadata key \"general.alignment\"";
    if (!v->is_integer() || (v->is_signed() && v->as_i64() < 0) || v->u < min_alignment || v->u > max_alignment ||
        (v->u & (v->u - 1)) != 0)
        in.wrong("found " + describe(*v) + ", expected an integer that is a power of two from " + n(min_alignment) +
                 " to " + n(max_alignment));
    out.alignment = v->u;
}

std::string known_types() {
    size_t count = 0;
    const TypeTraits *all = all_type_traits(&count);
    std::string out;
    for (size_t i = 0; i < count; i++) out += (i ? ", " : "") + std::string(all[i].name);
    return out;
}

void read_shape(Cursor &in, TensorInfo &t) {
    t.n_dims = in.read<uint32_t>("number of dimensions");
    if (t.n_dims < 1 || t.n_dims > 4) in.wrong("it has " + n(t.n_dims) + " dimensions, expected 1 to 4");
    t.elements = 1;
    for (uint32_t d = 0; d < t.n_dims; d++) {
        t.dims[d] = in.read<uint64_t>("dimensions");
        if (t.dims[d] == 0) in.wrong("dimension " + n(d) + " is 0");
        if (!multiply(t.elements, t.dims[d], t.elements) || t.elements > uint64_t(INT64_MAX))
            in.wrong("dimension " + n(d) + " is " + n(t.dims[d]) + ": the number of elements overflows");
    }
    t.type = in.read<int32_t>("type");
    const TypeTraits *traits = type_traits(t.type);
    if (!traits || !traits->elements || !traits->bytes)
        in.wrong("its type id " + std::to_string(t.type) + " is unknown, expected one of " + known_types());
    if (t.dims[0] % traits->elements)
        in.wrong("dimension 0 is " + n(t.dims[0]) + ", expected a multiple of " + n(traits->elements) +
                 ", the block of " + traits->name);
    if (!multiply(t.elements / traits->elements, traits->bytes, t.bytes)) in.wrong("its number of bytes overflows");
}

void read_tensors(Cursor &in, uint64_t count, uint32_t part_number, GgufPart &out) {
    for (uint64_t i = 0; i < count; i++) {
        in.subject = "tensor entry " + n(i);
        TensorInfo t;
        t.part = part_number;
        out.names.push_back(read_name(in, "its name"));
        t.name = out.names.back().c_str();
        in.subject = "tensor " + quoted(t.name);
        read_shape(in, t);
        t.offset = in.read<uint64_t>("offset");
        if (t.offset % out.alignment)
            in.wrong("its data offset " + n(t.offset) + " is not a multiple of the alignment " + n(out.alignment));
        out.tensors.push_back(t);
    }
}

void place_data(Cursor &in, const uint8_t *data, uint64_t size, Mode mode, GgufPart &out) {
    for (TensorInfo &t : out.tensors) {
        in.subject = "tensor " + quoted(t.name);
        uint64_t begin, end;
        if (!add(out.data_start, t.offset, begin) || !add(begin, t.bytes, end))
            in.wrong("its data offset " + n(t.offset) + " and size " + n(t.bytes) + " overflow");
        if (end <= size)
            t.data = data + begin;
        else if (mode == Mode::full)
            in.wrong("its data ends at byte " + n(end) + ", but the file has " + n(size) +
                     " bytes: it is truncated or damaged");
    }
}

// Two tensors may be the same bytes, with equal offset, type and shape, but may not overlap in any other way.
void check_overlap(Cursor &in, const GgufPart &part) {
    std::vector<const TensorInfo *> order;
    order.reserve(part.tensors.size());
    for (const TensorInfo &t : part.tensors) order.push_back(&t);
    std::sort(order.begin(), order.end(), [](const TensorInfo *a, const TensorInfo *b) {
        return a->offset != b->offset ? a->offset < b->offset : a < b;
    });
    for (size_t i = 1; i < order.size(); i++) {
        const TensorInfo &a = *order[i - 1], &b = *order[i];
        const bool same = a.offset == b.offset && a.type == b.type && std::equal(a.dims, a.dims + 4, b.dims);
        if (same || b.offset >= a.offset + a.bytes) continue;
        in.subject = "tensors " + quoted(a.name) + " and " + quoted(b.name);
        in.wrong("their data overlaps (offsets " + n(a.offset) + " and " + n(b.offset) +
                 "); only tensors of equal offset, type and shape may share data");
    }
}

} // namespace

std::pair<size_t, size_t> NameIndex::sort_and_find_duplicate() {
    std::sort(sorted_.begin(), sorted_.end());
    for (size_t i = 1; i < sorted_.size(); i++)
        if (sorted_[i - 1].first == sorted_[i].first) return {sorted_[i - 1].second, sorted_[i].second};
    return {none, none};
}

size_t NameIndex::find(std::string_view name) const noexcept {
    const auto it = std::lower_bound(sorted_.begin(), sorted_.end(), name,
                                     [](const auto &entry, std::string_view key) { return entry.first < key; });
    return it != sorted_.end() && it->first == name ? it->second : none;
}

const MetaValue *GgufPart::find(std::string_view key) const noexcept {
    const size_t i = key_index.find(key);
    return i == NameIndex::none ? nullptr : &values[i];
}

void parse_part(const uint8_t *data, uint64_t size, const std::string &file, uint32_t part_number, Mode mode,
                GgufPart &out) {
    Cursor in(data, size, file);
    read_start(in);
    const auto n_tensors = in.read<uint64_t>("tensor count");
    const auto n_meta = in.read<uint64_t>("metadata count");
    if (n_meta > in.left() / min_meta_bytes)
        in.wrong("a metadata count of " + n(n_meta) + " does not fit in the " + n(in.left()) +
                 " bytes that are left: the file is truncated or damaged");
    if (n_tensors > in.left() / min_tensor_bytes)
        in.wrong("a tensor count of " + n(n_tensors) + " does not fit in the " + n(in.left()) +
                 " bytes that are left: the file is truncated or damaged");
    read_metadata(in, n_meta, out);
    read_alignment(in, out);
    read_tensors(in, n_tensors, part_number, out);
    // The header lies inside the file, so rounding up by at most 2^20 can not overflow.
    out.data_start = (in.pos() + out.alignment - 1) / out.alignment * out.alignment;
    place_data(in, data, size, mode, out);
    check_overlap(in, out);
}

} // namespace ds4
