// The live part of every ring at a position.
#include "kv/live_state.h"

#include <algorithm>

namespace ds4 {
namespace {

// Rows [first, pos) of a ring: one piece, or two where they wrap.
void add_ring(std::vector<StatePiece> &out, size_t section, uint32_t n_slots, size_t row_bytes, uint32_t first,
              uint32_t pos) {
    while (first < pos) {
        const uint32_t slot = first % n_slots, n = std::min(n_slots - slot, pos - first);
        out.push_back({section + size_t(slot) * row_bytes, size_t(n) * row_bytes});
        first += n;
    }
}

} // namespace

std::vector<StatePiece> live_pieces(const Config &c, const KvLayout &layout, uint32_t pos, uint32_t back) {
    const uint32_t from = pos - std::min(pos, back); // the rows that this position needs, and all after them
    std::vector<StatePiece> out;
    out.reserve(2 * 5 * size_t(c.n_layer));
    for (uint32_t il = 0; il < c.n_layer; il++) {
        const LayerConfig &l = c.layers[il];
        const LayerKv &kv = layout.layers[il];
        // The next token sees its window, itself included.
        add_ring(out, kv.raw, kv.n_raw_slots, c.head_dim * layout.element_bytes(),
                 from - std::min(from, c.n_window - 1), pos);
        if (!l.ratio) continue;
        // The open block, and with two lanes the one before it.
        const uint32_t open = from - from % l.ratio, before = (l.lanes() - 1) * l.ratio;
        const uint32_t first = open - std::min(open, before);
        const auto add_frontier = [&](const FrontierLayout &f) {
            for (const size_t section : {f.kv, f.score})
                add_ring(out, section, f.n_slots, f.width * sizeof(float), first, pos);
        };
        add_frontier(kv.main);
        if (l.kind == LayerKind::csa) add_frontier(kv.index);
    }
    return out;
}

uint64_t live_bytes(const std::vector<StatePiece> &pieces) noexcept {
    uint64_t n = 0;
    for (const StatePiece &piece : pieces) n += piece.bytes;
    return n;
}

} // namespace ds4
