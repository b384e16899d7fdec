// The mixture of experts on the CPU: routing, grouping tokens by expert, and the sums in ascending order of expert.
#include "backend/cpu/cpu_backend.h"

#include <cmath>

namespace ds4 {
namespace {

// sqrt(softplus(z)), the router's score.
float route_score(float z) { return std::sqrt(z > 20.0f ? z : std::log1p(std::exp(z))); }

} // namespace

// Picks every token's experts, ascending, with their weights.
void CpuBackend::route(uint32_t layer) {
    const Config &c = *config_;
    const LayerWeights &l = weights_->layers[layer];
    const int64_t n_expert = c.n_expert, used = c.n_expert_used;
    each_token(batch_.n_tokens, n_expert * 64, [&](int64_t t, int) {
        float *score = router_.data() + t * n_expert, *weight = expert_weight_.data() + t * used;
        int32_t *pick = expert_.data() + t * used;
        for (int64_t e = 0; e < n_expert; e++) score[e] = route_score(score[e]);
        if (l.hash_experts) {
            const int32_t *row = l.hash_experts + int64_t(batch_.tokens[t]) * used;
            std::copy(row, row + used, pick);
        } else {
            // The bias decides who is picked, never the weight. Insertion keeps the lower id on ties.
            const auto rank = [&](int32_t e) { return l.router_bias ? score[e] + l.router_bias.data[e] : score[e]; };
            int64_t n = 0;
            for (int32_t e = 0; e < n_expert; e++) {
                const float r = rank(e);
                int64_t at = n;
                while (at > 0 && r > rank(pick[at - 1])) at--;
                if (at >= used) continue;
                if (n < used) n++;
                for (int64_t i = n - 1; i > at; i--) pick[i] = pick[i - 1];
                pick[at] = e;
            }
        }
        std::sort(pick, pick + used);
        float sum = 0;
        for (int64_t i = 0; i < used; i++) sum += score[pick[i]];
        const float norm = (c.norm_expert_weights ? 1.0f / (sum + 1e-20f) : 1.0f) * c.expert_scale;
        for (int64_t i = 0; i < used; i++) weight[i] = score[pick[i]] * norm;
    });
}

// Counting sort of (token, slot) by expert; tokens stay ascending.
void CpuBackend::group_by_expert() {
    const int64_t n_expert = config_->n_expert, used = config_->n_expert_used, n = batch_.n_tokens * used;
    int32_t *first = expert_first_.data();
    std::fill(first, first + n_expert + 1, 0);
    for (int64_t i = 0; i < n; i++) first[expert_[size_t(i)] + 1]++;
    for (int64_t e = 0; e < n_expert; e++) first[e + 1] += first[e];
    for (int64_t i = 0; i < n; i++) {
        const int32_t at = first[expert_[size_t(i)]]++;
        expert_token_[size_t(at)] = int32_t(i / used);
        expert_slot_[size_t(at)] = int32_t(i);
    }
    for (int64_t e = n_expert; e > 0; e--) first[e] = first[e - 1];
    first[0] = 0;
}

void CpuBackend::experts(uint32_t layer) {
    const Config &c = *config_;
    const LayerConfig &lc = c.layers[layer];
    const LayerWeights &l = weights_->layers[layer];
    const int64_t n = batch_.n_tokens, d = c.n_embd, ff = c.n_ff, used = c.n_expert_used, ffs = c.n_ff_shared;

    MatJob router = f32_job(l.router, x_.data(), router_.data(), n);
    run_jobs(&router, 1);
    route(layer);
    group_by_expert();

    // Gate and up of every expert that is used, and of the shared one. Outputs lie in the order of the groups.
    const int32_t *first = expert_first_.data();
    jobs_.clear();
    for (int64_t e = 0; e < c.n_expert; e++) {
        if (first[e] == first[e + 1]) continue;
        for (const bool up : {false, true}) {
            MatJob j = job(up ? l.up_exps : l.gate_exps, act_a_, (up ? up_ : gate_).data() + first[e] * ff,
                           first[e + 1] - first[e]);
            j.index = e;
            j.x_rows = expert_token_.data() + first[e];
            jobs_.push_back(j);
        }
    }
    jobs_.push_back(job(l.gate_shared, act_a_, gate_shared_.data(), n));
    jobs_.push_back(job(l.up_shared, act_a_, up_shared_.data(), n));
    run_jobs(jobs_.data(), jobs_.size());
    each_token(n * used, ff * 12, [&](int64_t i, int) {
        k_.swiglu(gate_.data() + i * ff, up_.data() + i * ff, lc.clamp, ff, gate_.data() + i * ff);
    });
    each_token(n, ffs * 12, [&](int64_t t, int) {
        k_.swiglu(gate_shared_.data() + t * ffs, up_shared_.data() + t * ffs, lc.clamp_shared, ffs,
                  gate_shared_.data() + t * ffs);
    });

    // Down: a task owns some output channels of all tokens and adds the experts to them in ascending order.
    set_input(act_a_, gate_.data(), ff, n * used);
    set_input(act_b_, gate_shared_.data(), ffs, n);
    const Activations h = activations(act_a_, l.down_exps.type);
    const Activations hs = activations(act_b_, l.down_shared.type);
    for (int64_t e = 0; e < c.n_expert; e++)
        if (first[e] < first[e + 1]) weights_read_ += uint64_t(d) * l.down_exps.row_bytes;
    weights_read_ += uint64_t(d) * l.down_shared.row_bytes;
    constexpr int64_t max_tile = 64, token_block = 32;
    const int64_t row_work = int64_t(l.down_exps.row_bytes) * used + int64_t(l.down_shared.row_bytes);
    const bool parallel = row_work * d * n >= parallel_bytes && pool_.size() > 1;
    const int64_t tile = parallel ? std::clamp<int64_t>(d / (6 * pool_.size()) / 16 * 16, 16, max_tile) : max_tile;
    const MatmulFn routed = kernel(l.down_exps), shared = kernel(l.down_shared);
    const auto task = [&](int64_t index, int) {
        alignas(64) float part[token_block * max_tile];
        int32_t rows[token_block];
        MatmulArgs a;
        a.row_begin = index * tile;
        a.row_end = std::min(d, a.row_begin + tile);
        const int64_t width = a.row_end - a.row_begin;
        a.row_bytes = l.down_exps.row_bytes;
        a.y = part;
        a.y_stride = max_tile;
        for (int64_t t = 0; t < n; t++) std::fill_n(out_.data() + t * d + a.row_begin, width, 0.0f);
        for (int64_t e = 0; e < c.n_expert; e++) {
            a.w = l.down_exps.mat(e);
            a.x = h;
            for (int64_t i = first[e]; i < first[e + 1]; i += token_block) {
                a.n_tokens = std::min<int64_t>(token_block, first[e + 1] - i);
                for (int64_t k = 0; k < a.n_tokens; k++) rows[k] = int32_t(i + k);
                a.x_rows = rows;
                routed(a);
                for (int64_t k = 0; k < a.n_tokens; k++)
                    k_.axpy(out_.data() + expert_token_[size_t(i + k)] * d + a.row_begin,
                            expert_weight_[size_t(expert_slot_[size_t(i + k)])], part + k * max_tile, width);
            }
        }
        a.w = l.down_shared.data;
        a.row_bytes = l.down_shared.row_bytes;
        a.x = hs;
        for (int64_t i = 0; i < n; i += token_block) {
            a.n_tokens = std::min<int64_t>(token_block, n - i);
            for (int64_t k = 0; k < a.n_tokens; k++) rows[k] = int32_t(i + k);
            a.x_rows = rows;
            shared(a);
            for (int64_t k = 0; k < a.n_tokens; k++)
                k_.add(out_.data() + (i + k) * d + a.row_begin, part + k * max_tile, width);
        }
    };
    const int64_t n_tasks = (d + tile - 1) / tile;
    if (parallel)
        pool_.run(n_tasks, task);
    else
        for (int64_t t = 0; t < n_tasks; t++) task(t, 0);
}

} // namespace ds4
