// Which bytes of a session's private state the next token needs at a position: what a checkpoint or a file has to keep.
#pragma once

#include "kv/layout.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ds4 {

struct StatePiece {
    size_t offset = 0; // in the state
    size_t bytes = 0;
};

// The pieces at a position, in an order that the numbers given alone decide. A state that holds them at these places goes
// on exactly from there, and from up to `back` positions before.
std::vector<StatePiece> live_pieces(const Config &config, const KvLayout &layout, uint32_t pos, uint32_t back = 0);

// Their bytes together.
uint64_t live_bytes(const std::vector<StatePiece> &pieces) noexcept;

} // namespace ds4
