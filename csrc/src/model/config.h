// Every size and constant of a DeepSeek V4 model, read from GGUF metadata. Nothing about one released model is built in.
#pragma once

#include "gguf/gguf.h"

#include <cstdint>
#include <string>
#include <vector>

namespace ds4 {

enum class LayerKind : int32_t {
    sliding, // raw window only
    csa,     // compressed sparse attention: two lanes, an indexer picks rows
    hca,     // heavily compressed attention: one lane, all rows
};

struct LayerConfig {
    LayerKind kind = LayerKind::sliding;
    uint32_t ratio = 0; // tokens per compressed row; 0 for sliding
    bool hash_routed = false;
    float clamp = 0; // SwiGLU clamp of the routed experts; 0 = none
    float clamp_shared = 0;
    // Width of the compressor's rows: two lanes for CSA.
    uint32_t lanes() const noexcept { return kind == LayerKind::csa ? 2 : 1; }
};

struct Config {
    uint32_t n_layer = 0;
    uint32_t n_embd = 0;
    uint32_t n_vocab = 0;
    uint32_t n_stream = 0;   // hyper-connection streams
    uint32_t n_sinkhorn = 0; // column passes
    float hc_eps = 0;
    float rms_eps = 0;
    uint32_t n_head = 0;
    uint32_t head_dim = 0; // key = value
    uint32_t n_rot = 0;    // rotated channels, the last ones of a head
    uint32_t q_rank = 0;
    uint32_t n_group = 0;  // output groups
    uint32_t o_rank = 0;   // per group
    uint32_t n_window = 0; // raw rows a query sees, itself included
    uint32_t idx_head = 0; // indexer heads; 0 when no layer has an indexer
    uint32_t idx_dim = 0;
    uint32_t idx_top_k = 0;
    uint32_t n_expert = 0;
    uint32_t n_expert_used = 0;
    uint32_t n_ff = 0;        // routed expert width
    uint32_t n_ff_shared = 0; // all shared experts together
    bool norm_expert_weights = true;
    float expert_scale = 1;
    uint32_t n_context_train = 0;
    std::vector<LayerConfig> layers;
    std::vector<float> freq_sliding;    // [n_rot / 2] radians per position, sliding layers
    std::vector<float> freq_compressed; // [n_rot / 2] CSA and HCA layers

    uint32_t n_mix() const noexcept { return n_stream * (2 + n_stream); }

    // Throws Error(MODEL) naming the file and the key. The layer kinds come from which tensors a layer has; a mixture
    // that contradicts the metadata is an error.
    static Config from_gguf(const GgufFile &file);
};

} // namespace ds4
