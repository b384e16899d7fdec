// Aho-Corasick over reversed literals.
#include "text/literal_finder.h"

#include "base/error.h"

#include <algorithm>

namespace ds4 {

uint32_t LiteralFinder::child(uint32_t node, uint8_t byte) const noexcept {
    if (node == 0) return roots_[byte];
    const uint32_t found = edges_.get(uint64_t(node) << 8 | byte);
    return found == FlatMap::kNone ? 0 : found; // no edge leads to the root
}

void LiteralFinder::add(std::string_view literal, int32_t id) {
    uint32_t node = 0;
    for (size_t i = literal.size(); i-- > 0;) {
        const uint8_t byte = uint8_t(literal[i]);
        uint32_t next = child(node, byte);
        if (next == 0) {
            if (nodes_.size() >= FlatMap::kNone) fail(DS4X_ERR_MODEL, "the added tokens' texts exceed 4 GiB in all");
            next = uint32_t(nodes_.size());
            Node fresh;
            fresh.parent = node;
            fresh.byte = byte;
            fresh.depth = nodes_[node].depth + 1;
            nodes_.push_back(fresh);
            if (node == 0) {
                roots_[byte] = next;
            } else {
                edges_.set(uint64_t(node) << 8 | byte, next);
            }
        }
        node = next;
    }
    nodes_[node].length = uint32_t(literal.size());
    nodes_[node].id = id;
}

void LiteralFinder::build() {
    std::vector<uint32_t> order(nodes_.size());
    for (uint32_t i = 0; i < order.size(); i++) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](uint32_t a, uint32_t b) { return nodes_[a].depth < nodes_[b].depth; });
    for (uint32_t i : order) {
        Node &node = nodes_[i];
        if (node.depth < 2) continue; // their longest proper suffix is the root
        uint32_t at = nodes_[node.parent].suffix;
        while (at != 0 && child(at, node.byte) == 0) at = nodes_[at].suffix;
        node.suffix = child(at, node.byte);
        if (node.length == 0) {
            node.length = nodes_[node.suffix].length;
            node.id = nodes_[node.suffix].id;
        }
    }
}

void LiteralFinder::find(std::string_view text, std::vector<Match> &out) const {
    out.clear();
    if (nodes_.size() == 1) return;
    uint32_t node = 0;
    for (size_t i = text.size(); i-- > 0;) {
        const uint8_t byte = uint8_t(text[i]);
        uint32_t next = child(node, byte);
        while (next == 0 && node != 0) {
            node = nodes_[node].suffix;
            next = child(node, byte);
        }
        node = next;
        if (nodes_[node].length > 0) out.push_back({i, nodes_[node].length, nodes_[node].id});
    }
    std::reverse(out.begin(), out.end());
    size_t kept = 0, end = 0;
    for (const Match &match : out) {
        if (match.begin < end) continue;
        out[kept++] = match;
        end = match.begin + match.length;
    }
    out.resize(kept);
}

} // namespace ds4
