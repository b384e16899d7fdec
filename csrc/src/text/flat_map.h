// A hash map from 64-bit keys to 32-bit values: open addressing, one array, no erase. The tokenizer's inner loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ds4 {

class FlatMap {
public:
    static constexpr uint32_t kNone = 0xFFFFFFFF; // the value that means "not there"

    explicit FlatMap(size_t expected = 0) { grow(expected); }

    // Sets key to value (not kNone), over an earlier one.
    void set(uint64_t key, uint32_t value) {
        if ((used_ + 1) * 2 > slots_.size()) grow(used_ + 1);
        Slot &slot = slots_[slot_of(key)];
        if (slot.value == kNone) used_++;
        slot = {key, value};
    }
    uint32_t get(uint64_t key) const noexcept { return slots_[slot_of(key)].value; }
    size_t size() const noexcept { return used_; }

private:
    struct Slot {
        uint64_t key = 0;
        uint32_t value = kNone;
    };
    size_t slot_of(uint64_t key) const noexcept {
        // Multiply and fold: the keys are pairs of small numbers, whose low bits alone would collide.
        uint64_t h = (key ^ key >> 32) * 0x9E3779B97F4A7C15u;
        h = (h ^ h >> 29) * 0xBF58476D1CE4E5B9u;
        size_t i = size_t(h ^ h >> 32) & (slots_.size() - 1);
        while (slots_[i].value != kNone && slots_[i].key != key) i = (i + 1) & (slots_.size() - 1);
        return i;
    }
    void grow(size_t expected) {
        size_t size = 16;
        while (size < expected * 3) size *= 2;
        std::vector<Slot> old(size);
        old.swap(slots_);
        for (const Slot &slot : old) {
            if (slot.value != kNone) slots_[slot_of(slot.key)] = slot;
        }
    }

    std::vector<Slot> slots_; // a power of two of them, at most half in use
    size_t used_ = 0;
};

} // namespace ds4
