// One GGUF file parsed: metadata, tensor directory, where the data begins. Everything in it has been checked.
#pragma once

#include "gguf/gguf.h"

#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ds4 {

// Positions of names in alphabetical order: looking up is a binary search. A hash table would be no faster for the about
// thousand names of a model, and names chosen to collide could make it quadratic.
class NameIndex {
public:
    static constexpr size_t none = SIZE_MAX;

    // name(i) for i < n must stay valid and unchanged. Returns a pair of equal names' positions, or {none, none}.
    template <typename NameOf> std::pair<size_t, size_t> build(size_t n, NameOf name_of);
    size_t find(std::string_view name) const noexcept; // none when missing

private:
    std::vector<std::pair<std::string_view, size_t>> sorted_;
    std::pair<size_t, size_t> sort_and_find_duplicate();
};

template <typename NameOf> std::pair<size_t, size_t> NameIndex::build(size_t n, NameOf name_of) {
    sorted_.clear();
    sorted_.reserve(n);
    for (size_t i = 0; i < n; i++) sorted_.emplace_back(name_of(i), i);
    return sort_and_find_duplicate();
}

struct GgufPart {
    std::vector<std::string> keys;                    // in file order
    std::vector<MetaValue> values;                    // [keys.size()]
    std::deque<std::vector<uint64_t>> string_offsets; // of the arrays of strings; addresses stay
    NameIndex key_index;
    std::deque<std::string> names; // of the tensors; addresses stay
    std::vector<TensorInfo> tensors;
    uint64_t data_start = 0; // of the data section, from the start of the file
    uint64_t alignment = 32;

    const MetaValue *find(std::string_view key) const noexcept;
};

// Throws Error(FORMAT) naming `file` and the key or tensor. Memory is bounded by a small multiple of the bytes really
// there: no count is believed before the bytes it needs have been seen.
void parse_part(const uint8_t *data, uint64_t size, const std::string &file, uint32_t part_number, GgufFile::Mode mode,
                GgufPart &out);

} // namespace ds4
