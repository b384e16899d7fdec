// What a layer does on the device: projections, compressors, attention, experts.
#include "backend/cuda/cuda_backend.h"

#include <algorithm>
#include <cmath>

namespace ds4 {
namespace cuda {

const float *CudaBackend::rope_table(uint32_t layer) const {
    const bool sliding = config_->layers[layer].kind == LayerKind::sliding;
    return rope_.data() + (sliding ? 0 : int64_t(batch_.n_tokens) * config_->n_rot);
}

// Whether some query of the batch sees more rows than may be picked: only then scores are needed.
bool CudaBackend::prunes(uint32_t layer) const {
    const LayerConfig &lc = config_->layers[layer];
    return lc.kind == LayerKind::csa && longest_ / lc.ratio > config_->idx_top_k;
}

void CudaBackend::project(uint32_t layer) {
    const Config &c = *config_;
    const LayerConfig &lc = c.layers[layer];
    const LayerWeights &l = weights_->layers[layer];
    const int32_t n = batch_.n_tokens;
    const bool compressed = lc.kind != LayerKind::sliding, csa = lc.kind == LayerKind::csa, pruned = prunes(layer);
    multiply(l.q_a, x_.data(), q_latent_.data(), n);
    multiply(l.kv, x_.data(), kv_row_.data(), n);
    if (compressed) {
        multiply(l.comp.kv, x_.data(), comp_kv_.data(), n);
        multiply(l.comp.gate, x_.data(), comp_score_.data(), n);
    }
    if (csa) {
        multiply(l.idx_comp.kv, x_.data(), index_kv_.data(), n);
        multiply(l.idx_comp.gate, x_.data(), index_score_.data(), n);
        if (pruned) multiply(l.idx_proj, x_.data(), index_alpha_.data(), n);
    }

    ProjectedArgs a{};
    a.batch = batch_;
    a.q_latent = q_latent_.data();
    a.q_norm = l.q_a_norm.data;
    a.kv = kv_row_.data();
    a.kv_norm = l.kv_norm.data;
    a.rope = rope_table(layer);
    a.score = compressed ? comp_score_.data() : nullptr;
    a.index_score = csa ? index_score_.data() : nullptr;
    a.ape = l.comp.ape.data;
    a.index_ape = l.idx_comp.ape.data;
    a.q_rank = int32_t(c.q_rank);
    a.head_dim = int32_t(c.head_dim);
    a.n_rot = int32_t(c.n_rot);
    a.ratio = int32_t(lc.ratio);
    a.width = int32_t(lc.lanes() * c.head_dim);
    a.index_width = int32_t(2 * c.idx_dim);
    a.rms_eps = c.rms_eps;
    a.f16 = kv_->f16;
    a.simulate = options_.kv_simulation;
    project_rows(device_, a);

    multiply(l.q_b, q_latent_.data(), q_.data(), n);
    query_rows(device_,
               {q_.data(), rope_table(layer), int32_t(c.n_head), int32_t(c.head_dim), int32_t(c.n_rot), c.rms_eps, true,
                false},
               n);
    if (!pruned) return;
    multiply(l.idx_q, q_latent_.data(), index_q_.data(), n);
    query_rows(device_,
               {index_q_.data(), rope_table(layer), int32_t(c.idx_head), int32_t(c.idx_dim), int32_t(c.n_rot), 0.0f,
                false, options_.kv_simulation},
               n);
}

// ---------------------------------------------------------------------------------------------------------- compressors

void CudaBackend::close(uint32_t layer, bool index) {
    const Config &c = *config_;
    const LayerConfig &lc = c.layers[layer];
    const LayerKv &kv = kv_->layers[layer];
    const CompressorWeights &w = index ? weights_->layers[layer].idx_comp : weights_->layers[layer].comp;
    const Closings &list = closings(lc.ratio);
    CloseArgs a{};
    a.batch = batch_;
    a.closings = list.list;
    a.new_kv = index ? index_kv_.data() : comp_kv_.data();
    a.new_score = index ? index_score_.data() : comp_score_.data();
    a.frontier = index ? kv.index : kv.main;
    a.norm = w.norm.data;
    a.freq = freq_.data() + c.n_rot / 2;
    a.page_offset = index ? kv.page_index : kv.page_main;
    a.dim = int32_t(index ? c.idx_dim : c.head_dim);
    a.n_rot = int32_t(c.n_rot);
    a.ratio = int32_t(lc.ratio);
    a.lanes = int32_t(lc.lanes());
    a.rows_per_page = int32_t(kv.rows_per_page);
    a.rms_eps = c.rms_eps;
    a.f16 = kv_->f16;
    a.simulate_kv = options_.kv_simulation && !index;
    a.simulate_index = options_.kv_simulation && index;
    close_rows(device_, a, list.n);
}

// The last rows of every span go to its ring.
void CudaBackend::store(const float *rows, size_t offset, int32_t width, int32_t n_slots, bool f16) {
    store_rows(device_, {batch_, rows, offset, width, n_slots, f16}, std::min(longest_span_, n_slots));
}

void CudaBackend::compress(uint32_t layer) {
    const LayerConfig &lc = config_->layers[layer];
    if (lc.kind == LayerKind::sliding) return;
    const bool csa = lc.kind == LayerKind::csa;
    close(layer, false);
    if (csa) close(layer, true);
    const auto keep = [&](const FrontierLayout &f, const float *kv, const float *score) {
        store(kv, f.kv, int32_t(f.width), int32_t(f.n_slots), false);
        store(score, f.score, int32_t(f.width), int32_t(f.n_slots), false);
    };
    keep(kv_->layers[layer].main, comp_kv_.data(), comp_score_.data());
    if (csa) keep(kv_->layers[layer].index, index_kv_.data(), index_score_.data());
}

// ------------------------------------------------------------------------------------------------------------ attention

void CudaBackend::select(uint32_t layer) {
    const Config &c = *config_;
    const LayerConfig &lc = c.layers[layer];
    const LayerKv &kv = kv_->layers[layer];
    const int64_t visible = longest_ / lc.ratio;
    const int32_t at_once = int32_t(std::min<int64_t>(batch_.n_tokens, int64_t(scores_.size()) / visible));
    for (int32_t first = 0; first < batch_.n_tokens; first += at_once) {
        const int32_t n = std::min(at_once, batch_.n_tokens - first);
        ScoreArgs s{};
        s.batch = batch_;
        s.q = index_q_.data();
        s.alpha = index_alpha_.data();
        s.scores = scores_.data();
        s.stride = visible;
        s.page_offset = kv.page_index;
        s.first = first;
        s.ratio = int32_t(lc.ratio);
        s.top_k = int32_t(c.idx_top_k);
        s.idx_head = int32_t(c.idx_head);
        s.idx_dim = int32_t(c.idx_dim);
        s.rows_per_page = int32_t(kv.rows_per_page);
        s.scale = 1.0f / std::sqrt(float(c.idx_head) * float(c.idx_dim));
        s.f16 = kv_->f16;
        score_rows(device_, s, n, visible);
        select_rows(device_,
                    {batch_, scores_.data(), visible, selected_.data(), n_selected_.data(), first, int32_t(lc.ratio),
                     int32_t(c.idx_top_k)},
                    n);
    }
}

size_t CudaBackend::selection(int32_t token, int32_t *out, size_t cap) {
    int32_t n = 0;
    kv_read(&n, reinterpret_cast<const uint8_t *>(n_selected_.data() + token), sizeof n);
    kv_read(out, reinterpret_cast<const uint8_t *>(selected_.data() + int64_t(token) * config_->idx_top_k),
            std::min(size_t(n), cap) * sizeof(int32_t));
    return size_t(n);
}

void CudaBackend::attend(uint32_t layer) {
    const Config &c = *config_;
    const LayerConfig &lc = c.layers[layer];
    const LayerWeights &l = weights_->layers[layer];
    const LayerKv &kv = kv_->layers[layer];
    const int32_t n = batch_.n_tokens, hd = int32_t(c.head_dim);
    const bool pruned = prunes(layer);
    if (pruned) select(layer);
    AttendArgs a{};
    a.batch = batch_;
    a.q = q_.data();
    a.kv = kv_row_.data();
    a.sinks = l.sinks.data;
    a.rope = rope_table(layer);
    a.selected = selected_.data();
    a.n_selected = n_selected_.data();
    a.layer = kv;
    a.kind = int32_t(lc.kind);
    a.n_head = int32_t(c.n_head);
    a.head_dim = hd;
    a.n_rot = int32_t(c.n_rot);
    a.n_window = int32_t(c.n_window);
    a.ratio = int32_t(lc.ratio);
    a.top_k = int32_t(c.idx_top_k);
    a.scale = 1.0f / std::sqrt(float(hd));
    a.f16 = kv_->f16;
    a.pruned = pruned;
    cuda::attend(device_, a);
    store(kv_row_.data(), kv.raw, hd, int32_t(kv.n_raw_slots), kv_->f16); // now no query needs what they replace

    // Each group of heads has its own matrix, with its own slice of the output.
    const int64_t group_in = int64_t(c.n_head / c.n_group) * hd, group_out = int64_t(c.n_group) * c.o_rank;
    Product p = dense(l.out_a, q_.data(), int64_t(c.n_head) * hd, group_out_.data(), n);
    p.y_stride = group_out;
    p.n_planes = int32_t(c.n_group);
    p.x_plane = group_in;
    p.y_plane = int64_t(c.o_rank);
    multiply(p, options_.exact);
    multiply(l.out_b, group_out_.data(), out_.data(), n);
}

// -------------------------------------------------------------------------------------------------------------- experts

void CudaBackend::experts(uint32_t layer) {
    const Config &c = *config_;
    const LayerConfig &lc = c.layers[layer];
    const LayerWeights &l = weights_->layers[layer];
    const int32_t n = batch_.n_tokens, used = int32_t(c.n_expert_used), pairs = n * used;
    const int64_t d = c.n_embd, ff = c.n_ff;
    multiply(dense(l.router, x_.data(), d, router_.data(), n), true); // its activations are never rounded
    route(device_,
          {router_.data(), l.router_bias.data, l.hash_experts, batch_.tokens, expert_.data(), expert_weight_.data(),
           int32_t(c.n_expert), used, c.expert_scale, c.norm_expert_weights},
          n);

    // Rows are (token, slot). Few: each meets its expert alone. Many: those of one expert meet it together.
    Groups groups;
    const bool grouped = n >= tensor_rows;
    if (grouped) {
        groups.tiles = tiles_.data();
        groups.n_tiles = n_tiles_.data();
        groups.order = order_.data();
        groups.tile_rows = options_.exact ? vector_tile : tensor_tile;
        groups.max_tiles = pairs / groups.tile_rows + std::min(pairs, int32_t(c.n_expert));
        group_by_expert(device_, {expert_.data(), expert_first_.data(), expert_next_.data(), order_.data(),
                                  tiles_.data(), n_tiles_.data(), pairs, int32_t(c.n_expert), groups.tile_rows});
    }
    const auto routed = [&](const Matrix &m, const float *x, int32_t x_div, float *y) {
        Product p = dense(m, x, m.n_in, y, pairs);
        p.x_div = x_div;
        if (grouped)
            p.groups = &groups;
        else
            p.mat_of = expert_.data();
        multiply(p, options_.exact);
    };
    routed(l.gate_exps, x_.data(), used, gate_.data());
    routed(l.up_exps, x_.data(), used, up_.data());
    multiply(l.gate_shared, x_.data(), gate_shared_.data(), n);
    multiply(l.up_shared, x_.data(), up_shared_.data(), n);
    swiglu(device_, gate_.data(), up_.data(), lc.clamp, int64_t(pairs) * ff);
    swiglu(device_, gate_shared_.data(), up_shared_.data(), lc.clamp_shared, int64_t(n) * c.n_ff_shared);
    routed(l.down_exps, gate_.data(), 1, part_.data());
    multiply(l.down_shared, gate_shared_.data(), shared_out_.data(), n);
    combine(device_, {part_.data(), shared_out_.data(), expert_weight_.data(), out_.data(), used, int32_t(d)}, n);
}

} // namespace cuda
} // namespace ds4
