// The merges of a BPE vocabulary and the merging of one piece, in O(n log n).
#pragma once

#include "text/flat_map.h"

#include <cstdint>
#include <vector>

namespace ds4 {

class Bpe {
public:
    // Working memory of one encode call, reused from piece to piece.
    struct Scratch {
        std::vector<int32_t> ids;
        std::vector<uint32_t> ranks; // rank of the pair (i, next[i]), FlatMap::kNone when there is none
        std::vector<uint32_t> next, previous;
        std::vector<uint64_t> queue; // heap of rank << 32 | position
        uint64_t queued = 0;         // entries ever pushed
    };

    void reserve(size_t merges);
    // rank orders the merges, lowest first, and is unique to the pair; adding a pair again replaces its rank.
    void add(int32_t left, int32_t right, uint32_t rank, int32_t result);

    // Merges scratch.ids in place: again and again the adjacent pair of lowest rank, the leftmost of equals.
    void merge(Scratch &scratch) const;
    // The two ways to do it; merge() takes the first for short pieces. Both give the same ids.
    void merge_by_scan(Scratch &scratch) const;
    void merge_by_queue(Scratch &scratch) const;

private:
    uint32_t rank_of(int32_t left, int32_t right) const noexcept {
        return ranks_.get(uint64_t(uint32_t(left)) << 32 | uint32_t(right));
    }

    FlatMap ranks_;
    std::vector<int32_t> results_; // by rank
};

} // namespace ds4
