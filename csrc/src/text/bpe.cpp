// BPE merging: a scan for short pieces, a linked list with a queue of candidate pairs for long ones.
#include "text/bpe.h"

#include <algorithm>
#include <functional>

namespace ds4 {

namespace {

// Up to here the quadratic scan beats the queue; most pieces are words of a few bytes.
constexpr size_t kScanLimit = 40;
constexpr uint32_t kNoRank = FlatMap::kNone;
constexpr uint32_t kEnd = 0xFFFFFFFF;

} // namespace

void Bpe::reserve(size_t merges) {
    ranks_ = FlatMap(merges);
    results_.reserve(merges);
}

void Bpe::add(int32_t left, int32_t right, uint32_t rank, int32_t result) {
    if (results_.size() <= rank) results_.resize(size_t(rank) + 1, -1);
    results_[rank] = result;
    ranks_.set(uint64_t(uint32_t(left)) << 32 | uint32_t(right), rank);
}

void Bpe::merge(Scratch &scratch) const {
    if (scratch.ids.size() <= kScanLimit) {
        merge_by_scan(scratch);
    } else {
        merge_by_queue(scratch);
    }
}

void Bpe::merge_by_scan(Scratch &scratch) const {
    std::vector<int32_t> &ids = scratch.ids;
    std::vector<uint32_t> &ranks = scratch.ranks;
    if (ids.size() < 2) return;
    ranks.resize(ids.size() - 1);
    for (size_t i = 0; i < ranks.size(); i++) ranks[i] = rank_of(ids[i], ids[i + 1]);
    while (!ranks.empty()) {
        const auto best = std::min_element(ranks.begin(), ranks.end()); // the first of equals
        if (*best == kNoRank) break;
        const size_t i = size_t(best - ranks.begin());
        ids[i] = results_[*best];
        ids.erase(ids.begin() + ptrdiff_t(i) + 1);
        ranks.erase(best);
        if (i > 0) ranks[i - 1] = rank_of(ids[i - 1], ids[i]);
        if (i < ranks.size()) ranks[i] = rank_of(ids[i], ids[i + 1]);
    }
}

void Bpe::merge_by_queue(Scratch &scratch) const {
    std::vector<int32_t> &ids = scratch.ids;
    const uint32_t n = uint32_t(ids.size());
    if (n < 2) return;
    std::vector<uint32_t> &ranks = scratch.ranks, &next = scratch.next, &previous = scratch.previous;
    std::vector<uint64_t> &queue = scratch.queue;
    const std::greater<uint64_t> later; // makes the heap's top the lowest rank, then the leftmost position
    ranks.assign(n, kNoRank);
    next.resize(n);
    previous.resize(n);
    queue.clear();
    for (uint32_t i = 0; i < n; i++) {
        next[i] = i + 1 < n ? i + 1 : kEnd;
        previous[i] = i > 0 ? i - 1 : kEnd;
        if (i + 1 == n) break;
        ranks[i] = rank_of(ids[i], ids[i + 1]);
        if (ranks[i] != kNoRank) queue.push_back(uint64_t(ranks[i]) << 32 | i);
    }
    scratch.queued += queue.size();
    std::make_heap(queue.begin(), queue.end(), later);

    const auto update = [&](uint32_t i) { // the pair that starts at i has changed
        ranks[i] = next[i] == kEnd ? kNoRank : rank_of(ids[i], ids[next[i]]);
        if (ranks[i] == kNoRank) return;
        queue.push_back(uint64_t(ranks[i]) << 32 | i);
        std::push_heap(queue.begin(), queue.end(), later);
        scratch.queued++;
    };
    while (!queue.empty()) {
        const uint32_t rank = uint32_t(queue.front() >> 32), i = uint32_t(queue.front());
        std::pop_heap(queue.begin(), queue.end(), later);
        queue.pop_back();
        if (ranks[i] != rank) continue; // made for a pair that is gone
        const uint32_t gone = next[i];
        ids[i] = results_[rank];
        ranks[gone] = kNoRank;
        next[i] = next[gone];
        if (next[i] != kEnd) previous[next[i]] = i;
        update(i);
        if (previous[i] != kEnd) update(previous[i]);
    }
    // No position moves left of one that is still to be read: the list is compacted in place.
    uint32_t kept = 0;
    for (uint32_t i = 0; i != kEnd; i = next[i]) ids[kept++] = ids[i];
    ids.resize(kept);
}

} // namespace ds4
