// From strings to numbers: an open-addressing index over strings that live elsewhere.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace ds4 {

class StringIndex {
public:
    explicit StringIndex(size_t capacity = 0) {
        size_t size = 16;
        while (size < capacity * 2) size *= 2;
        slots_.resize(size);
    }
    // Sets the id of a key, over an earlier one. The key must outlive the index; at most `capacity` different keys.
    void set(std::string_view key, int32_t id) {
        Slot &slot = slots_[slot_of(key)];
        slot.key = key;
        slot.id = id;
    }
    int32_t get(std::string_view key) const noexcept { return slots_[slot_of(key)].id; } // -1 when it is not there

private:
    struct Slot {
        std::string_view key;
        int32_t id = -1;
    };
    size_t slot_of(std::string_view key) const noexcept {
        size_t i = std::hash<std::string_view>()(key) & (slots_.size() - 1);
        while (slots_[i].id >= 0 && slots_[i].key != key) i = (i + 1) & (slots_.size() - 1);
        return i;
    }

    std::vector<Slot> slots_; // a power of two of them, at most half in use
};

} // namespace ds4
