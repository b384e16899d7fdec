// Projections and compressors on the CPU: everything of the attention sub-layer up to the rows that queries may see.
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/kv_simulation.h"

#include <cmath>
#include <cstring>

namespace ds4 {
namespace {

// cos and sin of position * f_j. The angle is one f32 product, as in Hugging Face.
void fill_rope(float *cs, int64_t position, const std::vector<float> &freq) {
    const size_t half = freq.size();
    for (size_t j = 0; j < half; j++) {
        const float angle = float(position) * freq[j];
        cs[j] = std::cos(angle);
        cs[half + j] = std::sin(angle);
    }
}

} // namespace

// Tables for every token of the batch: sliding layers, then compressed layers.
void CpuBackend::rope_tables(const Batch &batch) {
    const int64_t n_rot = config_->n_rot, n = batch.n_tokens;
    each_token(n, n_rot * 512, [&](int64_t t, int) {
        fill_rope(cos_sin_.data() + t * n_rot, position(t), config_->freq_sliding);
        fill_rope(cos_sin_.data() + (n + t) * n_rot, position(t), config_->freq_compressed);
    });
}

const float *CpuBackend::rope_table(uint32_t layer, int64_t t) const noexcept {
    const int64_t table = config_->layers[layer].kind == LayerKind::sliding ? 0 : batch_.n_tokens;
    return cos_sin_.data() + (table + t) * config_->n_rot;
}

void CpuBackend::simulate_kv(float *row) const noexcept {
    if (options_.kv_simulation) simulate_kv_row(row, config_->head_dim - config_->n_rot);
}
void CpuBackend::simulate_index(float *row) const noexcept {
    if (options_.kv_simulation) simulate_index_row(row, config_->idx_dim);
}

void CpuBackend::project(uint32_t layer) {
    const Config &c = *config_;
    const LayerConfig &lc = c.layers[layer];
    const LayerWeights &l = weights_->layers[layer];
    const int64_t n = batch_.n_tokens, hd = c.head_dim, rank = c.q_rank;
    const bool compressed = lc.kind != LayerKind::sliding, csa = lc.kind == LayerKind::csa;
    // Scores are only needed where more rows are visible than may be picked.
    bool prunes = false;
    for (int32_t i = 0; csa && i < batch_.n_spans; i++) {
        const BatchSpan &s = batch_.spans[i];
        prunes |= (s.pos + s.n_tokens) / lc.ratio > c.idx_top_k;
    }

    jobs_.clear();
    jobs_.push_back(job(l.q_a, act_a_, qr_.data(), n));
    jobs_.push_back(job(l.kv, act_a_, kv_row_.data(), n, row_stride(hd)));
    if (compressed) {
        jobs_.push_back(job(l.comp.kv, act_a_, comp_kv_.data(), n));
        jobs_.push_back(job(l.comp.gate, act_a_, comp_score_.data(), n));
    }
    if (csa) {
        jobs_.push_back(job(l.idx_comp.kv, act_a_, index_kv_.data(), n));
        jobs_.push_back(job(l.idx_comp.gate, act_a_, index_score_.data(), n));
        if (prunes) jobs_.push_back(job(l.idx_proj, act_a_, index_alpha_.data(), n));
    }
    run_jobs(jobs_.data(), jobs_.size());

    const size_t element = kv_->element_bytes();
    each_token(n, (rank + hd) * 8, [&](int64_t t, int) {
        k_.rms_norm(qr_.data() + t * rank, l.q_a_norm.data, rank, c.rms_eps, qr_.data() + t * rank);
        float *row = kv_row_.data() + t * row_stride(hd);
        k_.rms_norm(row, l.kv_norm.data, hd, c.rms_eps, row);
        k_.rope(row, 1, hd, hd, c.n_rot, rope_table(layer, t), false);
        simulate_kv(row);
        uint8_t *stored = raw_.data() + size_t(t * hd) * element;
        k_.to_row(row, hd, kv_->f16, stored);
        k_.from_row(stored, hd, kv_->f16, row); // every row is rounded before its first use
        if (!compressed) return;
        const int64_t slot = position(t) % lc.ratio, width = lc.lanes() * hd;
        k_.add(comp_score_.data() + t * width, l.comp.ape.data + slot * width, width);
        if (csa)
            k_.add(index_score_.data() + t * 2 * c.idx_dim, l.idx_comp.ape.data + slot * 2 * c.idx_dim, 2 * c.idx_dim);
    });

    set_input(act_a_, qr_.data(), rank, n);
    jobs_.clear();
    jobs_.push_back(job(l.q_b, act_a_, q_.data(), n));
    if (prunes) jobs_.push_back(job(l.idx_q, act_a_, index_q_.data(), n));
    run_jobs(jobs_.data(), jobs_.size());
    each_token(n, c.n_head * hd * 8, [&](int64_t t, int) {
        float *q = q_.data() + t * c.n_head * hd;
        for (int64_t h = 0; h < c.n_head; h++) k_.rms_norm(q + h * hd, nullptr, hd, c.rms_eps, q + h * hd);
        k_.rope(q, c.n_head, hd, hd, c.n_rot, rope_table(layer, t), false);
        if (!prunes) return;
        float *iq = index_q_.data() + t * c.idx_head * c.idx_dim;
        k_.rope(iq, c.idx_head, c.idx_dim, c.idx_dim, c.n_rot, rope_table(layer, t), false);
        for (int64_t h = 0; h < c.idx_head; h++) simulate_index(iq + h * c.idx_dim);
    });
}

// ---------------------------------------------------------------------------------------------------------- compressors

// Pools the block of one compressed row, norms and rotates it, and writes it to its page.
void CpuBackend::close_row(uint32_t layer, bool indexer, const Closing &closing, Scratch &scratch) {
    const Config &c = *config_;
    const LayerConfig &lc = c.layers[layer];
    const LayerKv &kv = kv_->layers[layer];
    const CompressorWeights &w = indexer ? weights_->layers[layer].idx_comp : weights_->layers[layer].comp;
    const FrontierLayout &frontier = indexer ? kv.index : kv.main;
    const BatchSpan &span = batch_.spans[closing.span];
    const int64_t dim = indexer ? c.idx_dim : c.head_dim, width = frontier.width, ratio = lc.ratio;
    const float *new_kv = (indexer ? index_kv_ : comp_kv_).data(),
                *new_score = (indexer ? index_score_ : comp_score_).data();
    const float *old_kv = reinterpret_cast<const float *>(span.state + frontier.kv);
    const float *old_score = reinterpret_cast<const float *>(span.state + frontier.score);

    int64_t n = 0;
    const auto add_block = [&](int64_t first, int64_t lane) {
        for (int64_t p = first; p < first + ratio; p++, n++) {
            const bool fresh = p >= span.pos;
            const int64_t at = (fresh ? span.first + p - span.pos : p % frontier.n_slots) * width + lane * dim;
            scratch.kv[size_t(n)] = (fresh ? new_kv : old_kv) + at;
            scratch.score[size_t(n)] = (fresh ? new_score : old_score) + at;
        }
    };
    const int64_t first = closing.row * ratio;
    if (lc.kind == LayerKind::csa) {
        if (closing.row > 0) add_block(first - ratio, 0); // lane A of the block before; the first block has none
        add_block(first, 1);
    } else {
        add_block(first, 0);
    }
    float *row = scratch.wide.data(), *table = row + std::max(c.head_dim, c.idx_dim);
    k_.pool(scratch.kv.data(), scratch.score.data(), n, dim, row);
    k_.rms_norm(row, w.norm.data, dim, c.rms_eps, row);
    fill_rope(table, first, c.freq_compressed);
    k_.rope(row, 1, dim, dim, c.n_rot, table, false);
    indexer ? simulate_index(row) : simulate_kv(row);
    uint8_t *page = span.pages[closing.row / kv.rows_per_page] + (indexer ? kv.page_index : kv.page_main);
    k_.to_row(row, dim, kv_->f16, page + size_t(closing.row % kv.rows_per_page * dim) * kv_->element_bytes());
}

// Keeps the (kv, score) rows of the last positions: all that a later row, or going back a little, can need.
void CpuBackend::store_frontier(uint32_t layer, bool indexer) {
    const FrontierLayout &f = indexer ? kv_->layers[layer].index : kv_->layers[layer].main;
    const float *new_kv = (indexer ? index_kv_ : comp_kv_).data(),
                *new_score = (indexer ? index_score_ : comp_score_).data();
    const size_t bytes = size_t(f.width) * sizeof(float);
    for (int32_t i = 0; i < batch_.n_spans; i++) {
        const BatchSpan &s = batch_.spans[i];
        for (int64_t k = std::max<int64_t>(0, int64_t(s.n_tokens) - f.n_slots); k < s.n_tokens; k++) {
            const int64_t slot = (s.pos + k) % f.n_slots, at = (s.first + k) * f.width;
            std::memcpy(s.state + f.kv + size_t(slot) * bytes, new_kv + at, bytes);
            std::memcpy(s.state + f.score + size_t(slot) * bytes, new_score + at, bytes);
        }
    }
}

void CpuBackend::compress(uint32_t layer) {
    const LayerConfig &lc = config_->layers[layer];
    if (lc.kind == LayerKind::sliding) return;
    closings_.clear();
    for (int32_t i = 0; i < batch_.n_spans; i++) {
        const BatchSpan &s = batch_.spans[i];
        for (int64_t row = s.pos / lc.ratio; row < (s.pos + s.n_tokens) / lc.ratio; row++)
            closings_.push_back({i, row});
    }
    const bool csa = lc.kind == LayerKind::csa;
    const int64_t cost = int64_t(lc.lanes()) * lc.ratio * config_->head_dim * 16;
    each_token(int64_t(closings_.size()), cost, [&](int64_t i, int thread) {
        close_row(layer, false, closings_[size_t(i)], scratch_[size_t(thread)]);
        if (csa) close_row(layer, true, closings_[size_t(i)], scratch_[size_t(thread)]);
    });
    store_frontier(layer, false);
    if (csa) store_frontier(layer, true);
}

} // namespace ds4
