// Attention on the CPU: picking compressed rows, attending, storing the raw rows, projecting out.
#include "backend/cpu/cpu_backend.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace ds4 {
namespace {

constexpr int64_t tile_floats = 64 * 1024; // converted KV rows of one query: stays in the second-level cache

int64_t tile_rows(int64_t head_dim) { return std::clamp<int64_t>(tile_floats / head_dim / 16 * 16, 16, 512); }

// Sessions grow token by token, scratch in powers of two.
uint64_t rounded_tokens(uint64_t n_tokens) {
    uint64_t out = 1024;
    while (out < n_tokens) out *= 2;
    return out;
}

} // namespace

CpuBackend::ScratchSizes CpuBackend::scratch_sizes(const Config &c, uint64_t n_tokens) {
    ScratchSizes out;
    out.tile = std::max(tile_rows(c.head_dim) * row_stride(c.head_dim), int64_t(16) * c.idx_dim);
    for (const LayerConfig &l : c.layers) {
        const int64_t visible = l.ratio ? int64_t(n_tokens / l.ratio) : 0;
        const bool csa = l.kind == LayerKind::csa, scores = csa && visible > c.idx_top_k;
        const int64_t rows = c.n_window + (csa ? std::min<int64_t>(visible, c.idx_top_k) : visible);
        out.rows = std::max(out.rows, rows);
        out.scores = std::max({out.scores, (rows + 15) / 16 * 16 * c.n_head, scores ? visible : 0});
        if (scores) out.order = std::max(out.order, visible);
    }
    return out;
}

uint64_t CpuBackend::scratch_bytes(const Config &c, uint64_t n_tokens, int64_t n_threads) {
    const ScratchSizes s = scratch_sizes(c, rounded_tokens(n_tokens));
    return uint64_t(n_threads) * uint64_t(4 * (s.tile + s.scores + s.order) + 8 * s.rows) + uint64_t(4 * s.order);
}

// Room for the longest row list of a batch, taken before anything is computed so that no task allocates.
void CpuBackend::reserve_scratch(const Batch &batch) {
    uint64_t n_tokens = 1;
    for (int32_t i = 0; i < batch.n_spans; i++)
        n_tokens = std::max(n_tokens, uint64_t(batch.spans[i].pos + batch.spans[i].n_tokens));
    if (n_tokens <= scratch_tokens_) return;
    const ScratchSizes sizes = scratch_sizes(*config_, rounded_tokens(n_tokens));
    for (Scratch &s : scratch_) {
        s.tile.resize(size_t(sizes.tile));
        s.scores.resize(size_t(sizes.scores));
        s.rows.resize(size_t(sizes.rows));
        s.order.resize(size_t(sizes.order));
    }
    shared_scores_.resize(size_t(sizes.order));
    scratch_tokens_ = rounded_tokens(n_tokens);
}

// Indexer scores of rows [first, last) for one token; rows of one page are contiguous.
void CpuBackend::score_rows(uint32_t layer, int64_t t, int64_t first, int64_t last, float *scores, Scratch &scratch) {
    const Config &c = *config_;
    const LayerKv &kv = kv_->layers[layer];
    const BatchSpan &span = batch_.spans[batch_.span_of[t]];
    IndexArgs a;
    a.f16 = kv_->f16;
    a.dim = c.idx_dim;
    a.n_head = c.idx_head;
    a.q = index_q_.data() + t * c.idx_head * c.idx_dim;
    a.alpha = index_alpha_.data() + t * c.idx_head;
    a.scale = 1.0f / std::sqrt(float(c.idx_head) * float(c.idx_dim));
    a.tile = scratch.tile.data();
    while (first < last) {
        const int64_t in_page = first % kv.rows_per_page;
        a.rows =
            span.pages[first / kv.rows_per_page] + kv.page_index + size_t(in_page * c.idx_dim) * kv_->element_bytes();
        a.n_rows = std::min(last - first, kv.rows_per_page - in_page);
        a.scores = scores + first;
        k_.index_scores(a);
        first += a.n_rows;
    }
}

// The top_k rows with the largest scores, ties to the lower row, in ascending order of row.
void CpuBackend::pick_top(int64_t t, int64_t n_visible, const float *scores, int32_t *order) {
    const int64_t k = config_->idx_top_k;
    for (int64_t i = 0; i < n_visible; i++) order[i] = int32_t(i);
    const auto better = [scores](int32_t a, int32_t b) {
        const float x = scores[a], y = scores[b];
        if (x > y) return true;
        if (y > x) return false;
        const bool nan_x = x != x, nan_y = y != y;
        return nan_x != nan_y ? nan_y : a < b; // a total order even over broken scores
    };
    std::nth_element(order, order + k, order + n_visible, better);
    std::sort(order, order + k);
    std::copy(order, order + k, selected_.data() + t * k);
    n_selected_[size_t(t)] = int32_t(k);
}

void CpuBackend::select_token(uint32_t layer, int64_t t, Scratch &scratch) {
    const int64_t n_visible = (position(t) + 1) / config_->layers[layer].ratio, k = config_->idx_top_k;
    if (n_visible <= k) {
        for (int64_t i = 0; i < n_visible; i++) selected_[size_t(t * k + i)] = int32_t(i);
        n_selected_[size_t(t)] = int32_t(n_visible);
        return;
    }
    score_rows(layer, t, 0, n_visible, scratch.scores.data(), scratch);
    pick_top(t, n_visible, scratch.scores.data(), scratch.order.data());
}

void CpuBackend::select_rows(uint32_t layer) {
    const Config &c = *config_;
    const int64_t n = batch_.n_tokens;
    if (n >= 2 * pool_.size() || pool_.size() == 1) {
        const int64_t cost = (position(n - 1) / c.layers[layer].ratio + 1) * c.idx_head * c.idx_dim;
        each_token(n, cost, [&](int64_t t, int thread) { select_token(layer, t, scratch_[size_t(thread)]); });
        return;
    }
    for (int64_t t = 0; t < n; t++) { // few tokens: the rows of one are shared out
        const int64_t n_visible = (position(t) + 1) / c.layers[layer].ratio, chunk = 512;
        if (n_visible <= std::max<int64_t>(c.idx_top_k, 2 * chunk)) {
            select_token(layer, t, scratch_[0]);
            continue;
        }
        pool_.run((n_visible + chunk - 1) / chunk, [&](int64_t i, int thread) {
            score_rows(layer, t, i * chunk, std::min(n_visible, (i + 1) * chunk), shared_scores_.data(),
                       scratch_[size_t(thread)]);
        });
        pick_top(t, n_visible, shared_scores_.data(), scratch_[0].order.data());
    }
}

size_t CpuBackend::selection(int32_t token, int32_t *out, size_t cap) {
    const size_t n = size_t(n_selected_[size_t(token)]);
    std::copy_n(selected_.data() + int64_t(token) * config_->idx_top_k, std::min(n, cap), out);
    return n;
}

void CpuBackend::attend_token(uint32_t layer, int64_t t, int64_t head_begin, int64_t head_end, Scratch &scratch) {
    const Config &c = *config_;
    const LayerConfig &lc = c.layers[layer];
    const LayerKv &kv = kv_->layers[layer];
    const BatchSpan &span = batch_.spans[batch_.span_of[t]];
    const int64_t hd = c.head_dim, p = position(t);
    const size_t row_bytes = size_t(hd) * kv_->element_bytes();
    const void **rows = scratch.rows.data();
    int64_t n = 0;
    AttendArgs a;
    for (int64_t s = std::max<int64_t>(0, p - c.n_window + 1); s < std::min(p + 1, span.pos); s++)
        rows[n++] = span.state + kv.raw + size_t(s % kv.n_raw_slots) * row_bytes;
    // Rows of this batch are at hand as floats, already rounded to the KV dtype.
    a.f32_begin = n;
    for (int64_t s = std::max(span.pos, p - c.n_window + 1); s <= p; s++)
        rows[n++] = kv_row_.data() + (span.first + s - span.pos) * row_stride(hd);
    a.f32_end = n;
    const auto compressed_row = [&](int64_t w) {
        return span.pages[w / kv.rows_per_page] + kv.page_main + size_t(w % kv.rows_per_page) * row_bytes;
    };
    if (lc.kind == LayerKind::csa) {
        const int32_t *pick = selected_.data() + t * c.idx_top_k;
        for (int32_t i = 0; i < n_selected_[size_t(t)]; i++) rows[n++] = compressed_row(pick[i]);
    } else if (lc.kind == LayerKind::hca) {
        for (int64_t w = 0; w < (p + 1) / lc.ratio; w++) rows[n++] = compressed_row(w);
    }
    a.rows = rows;
    a.n_rows = n;
    a.f16 = kv_->f16;
    a.head_dim = hd;
    a.scale = 1.0f / std::sqrt(float(hd));
    a.n_head = head_end - head_begin;
    a.q = q_.data() + (t * c.n_head + head_begin) * hd;
    a.sinks = weights_->layers[layer].sinks.data + head_begin;
    a.scores = scratch.scores.data();
    a.tile = scratch.tile.data();
    a.tile_rows = tile_rows(hd);
    k_.attend(a);
    k_.rope(a.q, a.n_head, hd, hd, c.n_rot, rope_table(layer, t), true);
}

// The last rows of every span go to its ring: only now, when no query of the batch needs what they replace.
void CpuBackend::store_raw(uint32_t layer) {
    const LayerKv &kv = kv_->layers[layer];
    const size_t row_bytes = size_t(config_->head_dim) * kv_->element_bytes();
    for (int32_t i = 0; i < batch_.n_spans; i++) {
        const BatchSpan &s = batch_.spans[i];
        for (int64_t k = std::max<int64_t>(0, int64_t(s.n_tokens) - kv.n_raw_slots); k < s.n_tokens; k++)
            std::memcpy(s.state + kv.raw + size_t((s.pos + k) % kv.n_raw_slots) * row_bytes,
                        raw_.data() + size_t(s.first + k) * row_bytes, row_bytes);
    }
}

void CpuBackend::attend(uint32_t layer) {
    const Config &c = *config_;
    const LayerWeights &l = weights_->layers[layer];
    const int64_t n = batch_.n_tokens, hd = c.head_dim;
    if (c.layers[layer].kind == LayerKind::csa) select_rows(layer);
    // Few tokens: the heads of one are shared out, if that is worth another thread's time.
    const LayerConfig &lc = c.layers[layer];
    int64_t rows = c.n_window;
    if (lc.kind == LayerKind::csa) rows += c.idx_top_k;
    if (lc.kind == LayerKind::hca) rows += position(n - 1) / lc.ratio;
    const int64_t bytes = c.n_head * hd * rows;
    const bool split = n < 2 * pool_.size() && n * bytes >= parallel_bytes;
    const int64_t heads = split ? (c.n_head + pool_.size() - 1) / pool_.size() : c.n_head;
    const int64_t parts = (c.n_head + heads - 1) / heads;
    each_token(n * parts, bytes / parts, [&](int64_t i, int thread) {
        const int64_t h = i % parts * heads;
        attend_token(layer, i / parts, h, std::min<int64_t>(c.n_head, h + heads), scratch_[size_t(thread)]);
    });
    store_raw(layer);

    // Each group of heads has its own matrix in out_a: one product per group, over a view of the output in which a group is
    // a row of its own.
    const int64_t group_in = c.n_head / c.n_group * hd, group_out = int64_t(c.n_group) * c.o_rank;
    set_input(act_a_, q_.data(), group_in, n * c.n_group);
    int32_t *views = group_row_.data();
    jobs_.clear();
    for (int64_t g = 0; g < c.n_group; g++) {
        MatJob j = job(l.out_a, act_a_, group_out_.data() + g * c.o_rank, n, group_out);
        j.index = g;
        for (int64_t t = 0; t < n; t++) views[g * n + t] = int32_t(t * c.n_group + g);
        j.x_rows = views + g * n;
        jobs_.push_back(j);
    }
    run_jobs(jobs_.data(), jobs_.size());
    set_input(act_b_, group_out_.data(), group_out, n);
    MatJob out = job(l.out_b, act_b_, out_.data(), n);
    run_jobs(&out, 1);
}

} // namespace ds4
