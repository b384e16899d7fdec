// Where everything lies in a KV page and in a session's private state. Pure arithmetic on the model's sizes.
//
// A page holds the compressed rows (main and indexer) of page_tokens tokens for all layers. The private state holds, per
// layer, rings indexed by position alone: the raw rows of the last window, and the float (kv, score) rows of the blocks
// that are still open. Nothing is ever shifted, so going back a few positions only moves the session's position.
#pragma once

#include "model/config.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ds4 {

// A session may go back this many positions from the furthest one written without restoring anything.
constexpr uint32_t rewind_slack = 9;
// Extra ring slots behind a window or an open block. At least rewind_slack plus what a span of that length overwrites.
constexpr uint32_t ring_slack = 16;

// The frontier of one compressor in the private state.
struct FrontierLayout {
    uint32_t n_slots = 0; // slot = position mod n_slots
    uint32_t width = 0;   // floats per row: lanes * dim
    size_t kv = 0;        // byte offset of float[n_slots][width]
    size_t score = 0;     // the same for gate + ape
};

struct LayerKv {
    uint32_t rows_per_page = 0; // compressed rows of one page; 0 for sliding layers
    size_t page_main = 0;       // byte offset in a page of [rows_per_page][head_dim], KV dtype
    size_t page_index = 0;      // [rows_per_page][idx_dim], KV dtype, CSA only
    uint32_t n_raw_slots = 0;   // slot = position mod n_raw_slots
    size_t raw = 0;             // byte offset in the state of [n_raw_slots][head_dim], KV dtype
    FrontierLayout main;        // CSA, HCA
    FrontierLayout index;       // CSA
};

struct KvLayout {
    bool f16 = true; // KV dtype: half or float
    uint32_t page_tokens = 0;
    size_t page_bytes = 0;
    size_t state_bytes = 0;
    std::vector<LayerKv> layers;

    size_t element_bytes() const noexcept { return f16 ? 2 : 4; }
    uint64_t pages_for(uint64_t n_tokens) const noexcept { return (n_tokens + page_tokens - 1) / page_tokens; }

    // Throws Error(MODEL) when the ratios have no usable common page size.
    static KvLayout make(const Config &config, bool f16);
};

} // namespace ds4
