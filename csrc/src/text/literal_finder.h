// Finds given strings in a text: at each place the longest, then onwards from its end. Linear in the text.
#pragma once

#include "text/flat_map.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace ds4 {

class LiteralFinder {
public:
    struct Match {
        size_t begin;
        uint32_t length;
        int32_t id;
    };

    LiteralFinder() : roots_(256, 0) {}
    // Adds a literal (not empty); adding it again replaces its id. Call build() after the last one.
    void add(std::string_view literal, int32_t id);
    void build();

    // Replaces `out` by the leftmost, longest, non-overlapping matches in order.
    void find(std::string_view text, std::vector<Match> &out) const;

private:
    // Aho-Corasick over the reversed literals. Read backwards, the text shows at each place the longest literal that
    // begins there, which one pass forwards then chooses from: nothing is ever read again after a match.
    struct Node {
        uint32_t suffix = 0; // the longest proper suffix that is a node
        uint32_t length = 0; // of the longest literal that is a suffix of this node, 0 when there is none
        int32_t id = -1;
        uint32_t parent = 0;
        uint8_t byte = 0; // on the edge from the parent
        uint32_t depth = 0;
    };
    uint32_t child(uint32_t node, uint8_t byte) const noexcept;

    std::vector<Node> nodes_{1};
    FlatMap edges_;               // node << 8 | byte -> node
    std::vector<uint32_t> roots_; // the root's edges, 0 where there is none
};

} // namespace ds4
