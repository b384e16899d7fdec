// Sampling on the host. Single precision in the DS4 API's order, so that a seed gives the same tokens everywhere.
#include "session/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>

namespace ds4 {

namespace {

// Most likely first; equal logits keep the lower id in front.
struct MoreLikely {
    bool operator()(const TokenLogit &a, const TokenLogit &b) const noexcept {
        return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
    }
};

void check(const float *logits, uint32_t n_vocab, const ds4x_sample_params &p) {
    if (!logits || n_vocab == 0) fail(DS4X_ERR_ARGUMENT, "no logits to sample from");
    if (std::isnan(p.temperature)) fail(DS4X_ERR_ARGUMENT, "temperature is not a number");
    if (std::isnan(p.top_p)) fail(DS4X_ERR_ARGUMENT, "top_p is not a number");
    if (std::isnan(p.min_p)) fail(DS4X_ERR_ARGUMENT, "min_p is not a number");
    if (!(p.repetition_penalty > 0) || std::isinf(p.repetition_penalty))
        fail(DS4X_ERR_ARGUMENT, "repetition_penalty is %g; give a finite number above 0", double(p.repetition_penalty));
    if (!std::isfinite(p.presence_penalty) || !std::isfinite(p.frequency_penalty))
        fail(DS4X_ERR_ARGUMENT, "presence_penalty %g and frequency_penalty %g must be finite",
             double(p.presence_penalty), double(p.frequency_penalty));
    if (p.n_penalty && !p.penalty_tokens)
        fail(DS4X_ERR_ARGUMENT, "n_penalty is %u but penalty_tokens is NULL", p.n_penalty);
    if (p.n_bias && (!p.bias_tokens || !p.bias_values))
        fail(DS4X_ERR_ARGUMENT, "n_bias is %u but bias_tokens or bias_values is NULL", p.n_bias);
    if (p.n_top && !p.top) fail(DS4X_ERR_ARGUMENT, "n_top is %u but top is NULL", p.n_top);
    for (uint32_t i = 0; i < p.n_penalty; i++)
        if (p.penalty_tokens[i] < 0 || uint32_t(p.penalty_tokens[i]) >= n_vocab)
            fail(DS4X_ERR_TOKEN, "penalty token %d is outside the vocabulary of %u", p.penalty_tokens[i], n_vocab);
    for (uint32_t i = 0; i < p.n_bias; i++) {
        if (p.bias_tokens[i] < 0 || uint32_t(p.bias_tokens[i]) >= n_vocab)
            fail(DS4X_ERR_TOKEN, "bias token %d is outside the vocabulary of %u", p.bias_tokens[i], n_vocab);
        const float b = p.bias_values[i];
        if (std::isnan(b) || (std::isinf(b) && b > 0))
            fail(DS4X_ERR_ARGUMENT, "bias of token %d is %g; give a finite number or -inf", p.bias_tokens[i],
                 double(b));
    }
}

// The logits to choose from: the caller's row when nothing changes it, else a changed copy.
const float *adjust(const float *logits, uint32_t n_vocab, const ds4x_sample_params &p, std::vector<float> &copy) {
    const bool penalise =
        p.n_penalty && (p.repetition_penalty != 1 || p.presence_penalty != 0 || p.frequency_penalty != 0);
    if (!p.n_bias && !penalise && !p.mask) return logits;
    copy.assign(logits, logits + n_vocab);
    for (uint32_t i = 0; i < p.n_bias; i++) copy[size_t(p.bias_tokens[i])] += p.bias_values[i];
    if (penalise) {
        for (uint32_t i = 0; i < p.n_penalty; i++) {
            float &l = copy[size_t(p.penalty_tokens[i])];
            const uint32_t count = p.penalty_counts ? p.penalty_counts[i] : 1;
            l = l > 0 ? l / p.repetition_penalty : l * p.repetition_penalty;
            if (count) l -= p.presence_penalty;
            l -= p.frequency_penalty * float(count);
        }
    }
    if (p.mask) {
        for (uint32_t base = 0, word = 0; base < n_vocab; base += 32, word++) {
            const uint32_t bits = p.mask[word];
            if (bits == 0xffffffffu) continue;
            const uint32_t n = std::min(32u, n_vocab - base);
            for (uint32_t i = 0; i < n; i++)
                if (!(bits >> i & 1)) copy[base + i] = -std::numeric_limits<float>::infinity();
        }
    }
    return copy.data();
}

// First maximum of the finite logits; -1 when there is none.
int32_t first_maximum(const float *l, uint32_t n_vocab) {
    int32_t best = -1;
    float top = 0;
    for (uint32_t i = 0; i < n_vocab; i++) {
        if (!std::isfinite(l[i]) || (best >= 0 && l[i] <= top)) continue;
        best = int32_t(i);
        top = l[i];
    }
    return best;
}

// The k most likely tokens, sorted, in O(n_vocab + k log k): candidates gather behind a rising threshold, and once 2k of
// them have come together the better half stays. Ids rise, so an equal logit found later is the lesser one.
void select_top(const float *l, uint32_t n_vocab, uint32_t k, std::vector<TokenLogit> &out) {
    out.clear();
    if (k == 0) return;
    const size_t limit = std::min(size_t(k) * 2 + 64, size_t(n_vocab));
    out.reserve(limit);
    float threshold = -std::numeric_limits<float>::infinity();
    for (uint32_t i = 0; i < n_vocab; i++) {
        if (!(l[i] > threshold) || !std::isfinite(l[i])) continue;
        if (out.size() == limit) {
            std::nth_element(out.begin(), out.begin() + (k - 1), out.end(), MoreLikely());
            out.resize(k);
            threshold = out[k - 1].logit;
            if (!(l[i] > threshold)) continue;
        }
        out.push_back({l[i], int32_t(i)});
    }
    const size_t n = std::min(size_t(k), out.size());
    std::partial_sort(out.begin(), out.begin() + std::ptrdiff_t(n), out.end(), MoreLikely());
    out.resize(n);
}

// Candidates one by one, most likely first, sorting only as many as are asked for. Those below `cutoff` are looked at
// when the others are used up, which rarely happens: the caller chooses a cutoff below which little is left.
class Descending {
public:
    Descending(const float *l, uint32_t n_vocab, float cutoff, std::vector<TokenLogit> &order)
        : l_(l), n_vocab_(n_vocab), cutoff_(cutoff), order_(order) {
        order_.clear();
        gather(true);
    }
    // NULL at the end.
    const TokenLogit *at(size_t i) {
        while (i >= sorted_) {
            if (sorted_ == order_.size()) {
                if (all_) return nullptr;
                all_ = true;
                gather(false);
                continue;
            }
            const size_t left = order_.size() - sorted_, n = std::min(left, step_);
            const auto first = order_.begin() + std::ptrdiff_t(sorted_), mid = first + std::ptrdiff_t(n);
            if (n < left) std::nth_element(first, mid, order_.end(), MoreLikely());
            std::sort(first, mid, MoreLikely());
            sorted_ += n;
            step_ *= 8;
        }
        return &order_[i];
    }

private:
    void gather(bool above) {
        for (uint32_t i = 0; i < n_vocab_; i++)
            if (std::isfinite(l_[i]) && (l_[i] >= cutoff_) == above) order_.push_back({l_[i], int32_t(i)});
    }
    const float *l_;
    uint32_t n_vocab_;
    float cutoff_;
    std::vector<TokenLogit> &order_;
    size_t sorted_ = 0, step_ = 64;
    bool all_ = false;
};

// Whole vocabulary, walked by id: no order is needed when only min_p, which is relative to the best token, filters.
int32_t draw_by_id(const float *l, uint32_t n_vocab, int32_t best, float temperature, float min_p, uint64_t &rng,
                   std::vector<float> &weights) {
    weights.resize(n_vocab);
    const float top = l[best];
    float sum = 0;
    for (uint32_t i = 0; i < n_vocab; i++) {
        const float w = std::isfinite(l[i]) ? expf((l[i] - top) / temperature) : 0;
        weights[i] = w >= min_p ? w : 0;
        sum += weights[i];
    }
    float r = next_uniform(rng) * sum;
    for (uint32_t i = 0; i < n_vocab; i++) {
        if (weights[i] == 0) continue;
        r -= weights[i];
        if (r <= 0) return int32_t(i);
    }
    return best; // rounding, or a min_p above 1
}

// Candidates by falling probability: keeps up to the first one below min_p * p_0, until top_p is reached, then draws.
template <typename At> // At(i): candidate i or NULL
int32_t draw_by_rank(At at, float top, float temperature, float total, float top_p, float min_p, uint64_t &rng,
                     std::vector<float> &weights) {
    weights.clear();
    const float floor = min_p * (1.0f / total); // p_0 = exp(0) / total
    float kept = 0;
    for (size_t i = 0;; i++) {
        const TokenLogit *c = at(i);
        if (!c) break;
        const float p = expf((c->logit - top) / temperature) / total;
        if (i > 0 && p < floor) break;
        weights.push_back(p);
        kept += p;
        if (kept >= top_p) break;
    }
    float r = next_uniform(rng) * kept;
    for (size_t i = 0; i < weights.size(); i++) {
        r -= weights[i];
        if (r <= 0) return at(i)->token;
    }
    return at(weights.size() - 1)->token;
}

int32_t choose(const float *l, uint32_t n_vocab, ds4x_sample_params &p, SampleScratch &s) {
    const int32_t best = first_maximum(l, n_vocab);
    if (best < 0)
        fail(DS4X_ERR_STATE, "no token can be sampled: all %u logits are masked, forbidden by a bias, or not finite",
             n_vocab);
    if (p.temperature <= 0) return best;
    const float t = p.temperature, top = l[best];
    const float top_p = p.top_p <= 0 || p.top_p > 1 ? 1 : p.top_p, min_p = p.min_p < 0 ? 0 : p.min_p;
    s.weights.reserve(n_vocab);
    if (p.top_k > 0) {
        select_top(l, n_vocab, std::min(uint32_t(p.top_k), n_vocab), s.order);
        float total = 0;
        for (const TokenLogit &c : s.order) total += expf((c.logit - top) / t);
        const auto at = [&](size_t i) { return i < s.order.size() ? &s.order[i] : nullptr; };
        return draw_by_rank(at, top, t, total, top_p, min_p, p.rng, s.weights);
    }
    if (top_p >= 1) return draw_by_id(l, n_vocab, best, t, min_p, p.rng, s.weights);
    // A histogram of the mass over the distance from the top shows how far down top_p reaches; sorting stops there.
    constexpr int n_bins = 512;
    constexpr float bins_per_nat = 32;
    float total = 0, mass[n_bins + 1] = {0};
    for (uint32_t i = 0; i < n_vocab; i++) {
        if (!std::isfinite(l[i])) continue;
        const float x = (l[i] - top) / t, w = expf(x);
        total += w;
        mass[x > -n_bins / bins_per_nat ? int(-x * bins_per_nat) : n_bins] += w;
    }
    int bin = 0;
    for (float sum = mass[0]; bin < n_bins && sum < 1.001f * top_p * total;) sum += mass[++bin]; // rounding is less
    const float cutoff =
        bin < n_bins ? top - t * (float(bin + 1) / bins_per_nat) : -std::numeric_limits<float>::infinity();
    s.order.reserve(n_vocab);
    Descending sorted(l, n_vocab, cutoff, s.order);
    return draw_by_rank([&](size_t i) { return sorted.at(i); }, top, t, total, top_p, min_p, p.rng, s.weights);
}

void write_top(const float *logits, uint32_t n_vocab, uint32_t k, double lse, ds4x_token_score *out, uint32_t *n_out,
               std::vector<TokenLogit> &ranking) {
    select_top(logits, n_vocab, std::min(k, n_vocab), ranking);
    for (size_t i = 0; i < ranking.size(); i++)
        out[i] = {ranking[i].token, ranking[i].logit, float(double(ranking[i].logit) - lse)};
    *n_out = uint32_t(ranking.size());
}

} // namespace

float next_uniform(uint64_t &state) {
    uint64_t x = state ? state : 0x9e3779b97f4a7c15u; // zero is a fixed point of the shifts
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    state = x;
    return float((x * 0x2545f4914f6cdd1du) >> 40) * 0x1p-24f;
}

double logsumexp(const float *logits, uint32_t n_vocab) {
    const int32_t best = first_maximum(logits, n_vocab);
    if (best < 0) return -std::numeric_limits<double>::infinity();
    const double top = logits[best];
    double sum = 0;
    for (uint32_t i = 0; i < n_vocab; i++)
        if (std::isfinite(logits[i])) sum += std::exp(double(logits[i]) - top);
    return top + std::log(sum);
}

void top_scores(const float *logits, uint32_t n_vocab, uint32_t k, ds4x_token_score *out, uint32_t *n_out,
                SampleScratch &scratch) {
    write_top(logits, n_vocab, k, logsumexp(logits, n_vocab), out, n_out, scratch.ranking);
}

void top_scores(const float *logits, uint32_t n_vocab, uint32_t k, ds4x_token_score *out, uint32_t *n_out) {
    SampleScratch scratch;
    top_scores(logits, n_vocab, k, out, n_out, scratch);
}

void sample(const float *logits, uint32_t n_vocab, ds4x_sample_params &p, SampleScratch &scratch) {
    const uint64_t rng = p.rng;
    p.token = -1;
    p.logprob = 0;
    p.n_top_out = 0;
    p.status = DS4X_OK;
    try {
        check(logits, n_vocab, p);
        const int32_t token = choose(adjust(logits, n_vocab, p, scratch.logits), n_vocab, p, scratch);
        const double lse = logsumexp(logits, n_vocab);
        if (p.n_top) write_top(logits, n_vocab, p.n_top, lse, p.top, &p.n_top_out, scratch.ranking);
        p.token = token;
        p.logprob = float(double(logits[token]) - lse);
    } catch (const Error &e) {
        p.status = e.code();
        p.rng = rng;
        throw;
    } catch (const std::bad_alloc &) {
        p.status = DS4X_ERR_MEMORY;
        p.rng = rng;
        throw;
    }
}

} // namespace ds4
