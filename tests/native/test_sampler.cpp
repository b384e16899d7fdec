// The sampler: golden sequences, equality with a full sort, adjustments, log probabilities, refusals.
#include "check.h"
#include "session/sampler.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>

namespace {

struct GoldenCase {
    int kind;
    uint32_t n_vocab;
    uint64_t seed;
    float temperature;
    int32_t top_k;
    float top_p, min_p;
    uint64_t state; // of the generator after the draws
    int32_t tokens[24];
};
#include "golden_sampler.inc"

const float inf = std::numeric_limits<float>::infinity();
const float nan_value = std::numeric_limits<float>::quiet_NaN();

std::vector<float> make_logits(int kind, uint32_t n_vocab) {
    std::vector<float> out(n_vocab);
    for (uint32_t i = 0; i < n_vocab; i++) {
        const uint32_t h = uint32_t(uint64_t(i) * 2654435761u + 12345);
        if (kind == 0) out[i] = float(h >> 8) * float(20.0 / (1 << 24)) - 10.0f;
        if (kind == 1) out[i] = float(h >> 29);
        if (kind == 2) out[i] = ((h >> 25) == 7 ? 9.0f : 0.0f) + float(h >> 8) * float(4.0 / (1 << 24));
    }
    return out;
}

ds4x_sample_params make_params() {
    ds4x_sample_params p;
    std::memset(&p, 0, sizeof p);
    p.struct_size = sizeof p;
    p.temperature = 1;
    p.top_p = 1;
    p.repetition_penalty = 1;
    return p;
}

// The same filters by a full stable sort; no part of the implementation is used but the generator.
int32_t oracle(const std::vector<float> &l, const ds4x_sample_params &p, uint64_t &rng) {
    std::vector<int32_t> ids;
    for (size_t i = 0; i < l.size(); i++)
        if (std::isfinite(l[i])) ids.push_back(int32_t(i));
    std::stable_sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) { return l[a] > l[b]; });
    const float top = l[ids[0]];
    float total = 0;
    if (p.top_k > 0) {
        ids.resize(std::min(ids.size(), size_t(p.top_k)));
        for (int32_t id : ids) total += expf((l[id] - top) / p.temperature);
    } else {
        for (float x : l)
            if (std::isfinite(x)) total += expf((x - top) / p.temperature);
    }
    float kept = 0;
    size_t n = 0;
    for (; n < ids.size(); n++) {
        const float q = expf((l[ids[n]] - top) / p.temperature) / total;
        if (n > 0 && q < p.min_p * (1.0f / total)) break;
        kept += q;
        if (kept >= p.top_p) {
            n++;
            break;
        }
    }
    float r = ds4::next_uniform(rng) * kept;
    for (size_t i = 0; i < n; i++) {
        r -= expf((l[ids[i]] - top) / p.temperature) / total;
        if (r <= 0) return ids[i];
    }
    return ids[n - 1];
}

} // namespace

TEST(sampler_generator_gives_the_golden_draws) {
    uint64_t state = 0;
    for (uint32_t want : golden_draws) CHECK_EQ(uint32_t(ds4::next_uniform(state) * 16777216.0f), want);
}

TEST(sampler_gives_the_golden_sequences) {
    ds4::SampleScratch scratch;
    for (const GoldenCase &c : golden_cases) {
        const std::vector<float> logits = make_logits(c.kind, c.n_vocab);
        ds4x_sample_params p = make_params();
        p.temperature = c.temperature;
        p.top_k = c.top_k;
        p.top_p = c.top_p;
        p.min_p = c.min_p;
        p.rng = c.seed;
        for (int32_t want : c.tokens) {
            ds4::sample(logits.data(), c.n_vocab, p, scratch);
            CHECK_EQ(p.token, want);
        }
        CHECK_EQ(p.rng, c.state);
    }
}

TEST(sampler_partial_selection_equals_full_sort) {
    ds4::SampleScratch scratch;
    uint64_t noise = 5, seed = 77;
    for (int round = 0; round < 600; round++) {
        const uint32_t n = 1 + uint32_t(ds4::next_uniform(noise) * 3000);
        std::vector<float> l(n);
        const float width = ds4::next_uniform(noise) * 30;
        for (float &x : l) {
            x = ds4::next_uniform(noise) * width;
            if (round % 3 == 0) x = std::floor(x); // ties
            if (round % 5 == 0 && ds4::next_uniform(noise) < 0.1f) x = round % 10 ? -inf : nan_value;
        }
        l[n / 2] = width;
        ds4x_sample_params p = make_params();
        p.temperature = 0.2f + 2 * ds4::next_uniform(noise);
        const float tops[] = {0.0001f, 0.3f, 0.9f, 0.99f, 0.99999f, 0.99999994f};
        p.top_p = tops[round % 6];
        p.top_k = round % 4 == 0 ? 1 + int32_t(ds4::next_uniform(noise) * 200) : 0;
        p.min_p = round % 7 == 0 ? 0.1f : 0;
        p.rng = seed;
        ds4::sample(l.data(), n, p, scratch);
        const int32_t want = oracle(l, p, seed);
        CHECK_EQ(p.token, want);
        CHECK_EQ(p.rng, seed);
    }
}

TEST(sampler_draws_follow_the_probabilities) {
    const float l[] = {0, 1, 2, -inf, 0.5f};
    double z = 0;
    for (float x : l) z += std::exp(double(x));
    for (float top_p : {1.0f, 0.9999f}) {
        ds4::SampleScratch scratch;
        ds4x_sample_params p = make_params();
        p.top_p = top_p;
        p.rng = 1;
        int counts[5] = {0};
        const int n = 40000;
        for (int i = 0; i < n; i++) {
            ds4::sample(l, 5, p, scratch);
            counts[p.token]++;
        }
        for (int i = 0; i < 5; i++) CHECK(std::fabs(counts[i] / double(n) - std::exp(double(l[i])) / z) < 0.012);
        CHECK_EQ(counts[3], 0);
    }
}

TEST(sampler_argmax_takes_the_first_maximum_and_does_not_draw) {
    const float l[] = {nan_value, 3, inf, 7, 7, -inf};
    ds4::SampleScratch scratch;
    ds4x_sample_params p = make_params();
    p.temperature = 0;
    p.rng = 99;
    ds4::sample(l, 6, p, scratch);
    CHECK_EQ(p.token, 3);
    CHECK_EQ(p.rng, uint64_t(99));
    CHECK_EQ(p.status, int32_t(DS4X_OK));
    p.temperature = -1;
    const float low[] = {-3e38f, -2e38f};
    ds4::sample(low, 2, p, scratch);
    CHECK_EQ(p.token, 1);
}

TEST(sampler_adjusts_in_order_bias_penalties_mask) {
    const float l[] = {4, 3, -2, 1};
    ds4::SampleScratch scratch;
    ds4x_sample_params p = make_params();
    p.temperature = 0;
    const int32_t bias_tokens[] = {3};
    const float bias_values[] = {5}; // 1 + 5 = 6, then / 2 = 3: level with token 1, which is first
    const int32_t penalty_tokens[] = {3, 0};
    p.bias_tokens = bias_tokens;
    p.bias_values = bias_values;
    p.n_bias = 1;
    p.penalty_tokens = penalty_tokens;
    p.n_penalty = 2;
    p.repetition_penalty = 2; // token 0: 2
    ds4::sample(l, 4, p, scratch);
    CHECK_EQ(p.token, 1);
    const uint32_t mask = 0x5; // tokens 0 and 2
    p.mask = &mask;
    ds4::sample(l, 4, p, scratch);
    CHECK_EQ(p.token, 0);
    // presence once, frequency by count: 4 / 1 - 1 - 2 * 3 = -3 < -2
    const uint32_t counts[] = {0, 3};
    p.repetition_penalty = 1;
    p.presence_penalty = 1;
    p.frequency_penalty = 2;
    p.penalty_counts = counts;
    ds4::sample(l, 4, p, scratch);
    CHECK_EQ(p.token, 2);
    // a negative logit is multiplied: -2 * 3 = -6 < -3
    const int32_t second[] = {2, 0};
    const uint32_t second_counts[] = {0, 0};
    p.penalty_tokens = second;
    p.penalty_counts = second_counts;
    p.presence_penalty = 0;
    p.frequency_penalty = 0;
    p.repetition_penalty = 3;
    ds4::sample(l, 4, p, scratch);
    CHECK_EQ(p.token, 0);
    const float forbid[] = {-inf};
    const int32_t zero[] = {0};
    p.bias_tokens = zero;
    p.bias_values = forbid;
    ds4::sample(l, 4, p, scratch);
    CHECK_EQ(p.token, 2);
}

TEST(sampler_never_draws_a_masked_token) {
    const uint32_t n = 100;
    const std::vector<float> l = make_logits(0, n);
    uint32_t mask[4] = {0, 0, 0, 0};
    for (uint32_t id : {3u, 31u, 32u, 64u, 99u}) mask[id / 32] |= 1u << id % 32;
    ds4::SampleScratch scratch;
    ds4x_sample_params p = make_params();
    p.mask = mask;
    p.temperature = 20;
    std::set<int32_t> seen;
    for (int i = 0; i < 900; i++) {
        p.top_k = i % 3 == 1 ? 50 : 0;
        p.top_p = i % 3 == 2 ? 0.999f : 1;
        ds4::sample(l.data(), n, p, scratch);
        seen.insert(p.token);
    }
    CHECK(seen == std::set<int32_t>({3, 31, 32, 64, 99}));
}

TEST(sampler_refuses_when_no_token_is_left) {
    const float l[] = {1, 2};
    const float broken[] = {nan_value, -inf};
    const uint32_t mask = 0;
    ds4::SampleScratch scratch;
    for (float temperature : {0.0f, 1.0f}) {
        ds4x_sample_params p = make_params();
        p.temperature = temperature;
        p.rng = 5;
        CHECK_ERROR(ds4::sample(broken, 2, p, scratch), DS4X_ERR_STATE, "no token can be sampled");
        CHECK_EQ(p.token, -1);
        CHECK_EQ(p.status, int32_t(DS4X_ERR_STATE));
        p.mask = &mask;
        CHECK_ERROR(ds4::sample(l, 2, p, scratch), DS4X_ERR_STATE, "masked");
        CHECK_EQ(p.rng, uint64_t(5));
    }
}

TEST(sampler_refuses_bad_parameters) {
    const float l[] = {1, 2};
    ds4::SampleScratch scratch;
    const int32_t outside[] = {2}, negative[] = {-1}, zero[] = {0};
    const float bad_bias[] = {nan_value}, too_much[] = {inf}, fine[] = {1};
    ds4x_sample_params p = make_params();
    p.temperature = nan_value;
    CHECK_ERROR(ds4::sample(l, 2, p, scratch), DS4X_ERR_ARGUMENT, "temperature");
    p = make_params(), p.top_p = nan_value;
    CHECK_ERROR(ds4::sample(l, 2, p, scratch), DS4X_ERR_ARGUMENT, "top_p");
    p = make_params(), p.min_p = nan_value;
    CHECK_ERROR(ds4::sample(l, 2, p, scratch), DS4X_ERR_ARGUMENT, "min_p");
    p = make_params(), p.repetition_penalty = 0;
    CHECK_ERROR(ds4::sample(l, 2, p, scratch), DS4X_ERR_ARGUMENT, "repetition_penalty");
    p = make_params(), p.frequency_penalty = inf;
    CHECK_ERROR(ds4::sample(l, 2, p, scratch), DS4X_ERR_ARGUMENT, "frequency_penalty");
    p = make_params(), p.n_penalty = 1, p.penalty_tokens = outside;
    CHECK_ERROR(ds4::sample(l, 2, p, scratch), DS4X_ERR_TOKEN, "penalty token 2");
    p = make_params(), p.n_penalty = 1;
    CHECK_ERROR(ds4::sample(l, 2, p, scratch), DS4X_ERR_ARGUMENT, "penalty_tokens is NULL");
    p = make_params(), p.n_bias = 1, p.bias_tokens = negative, p.bias_values = fine;
    CHECK_ERROR(ds4::sample(l, 2, p, scratch), DS4X_ERR_TOKEN, "bias token -1");
    p = make_params(), p.n_bias = 1, p.bias_tokens = zero, p.bias_values = bad_bias;
    CHECK_ERROR(ds4::sample(l, 2, p, scratch), DS4X_ERR_ARGUMENT, "bias of token 0");
    p.bias_values = too_much;
    CHECK_ERROR(ds4::sample(l, 2, p, scratch), DS4X_ERR_ARGUMENT, "bias of token 0");
    p = make_params(), p.n_bias = 1;
    CHECK_ERROR(ds4::sample(l, 2, p, scratch), DS4X_ERR_ARGUMENT, "bias_tokens or bias_values is NULL");
    p = make_params(), p.n_top = 1;
    CHECK_ERROR(ds4::sample(l, 2, p, scratch), DS4X_ERR_ARGUMENT, "top is NULL");
    p = make_params();
    CHECK_ERROR(ds4::sample(nullptr, 2, p, scratch), DS4X_ERR_ARGUMENT, "no logits");
    CHECK_ERROR(ds4::sample(l, 0, p, scratch), DS4X_ERR_ARGUMENT, "no logits");
}

TEST(sampler_logprobs_are_those_of_the_raw_logits) {
    std::vector<float> l = make_logits(1, 1000);
    l[17] = nan_value;
    l[18] = -inf;
    double z = 0;
    for (float x : l)
        if (std::isfinite(x)) z += std::exp(double(x));
    std::vector<int32_t> ids(1000);
    std::iota(ids.begin(), ids.end(), 0);
    ids.erase(ids.begin() + 17, ids.begin() + 19);
    std::stable_sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) { return l[a] > l[b]; });
    ds4::SampleScratch scratch;
    for (uint32_t k : {1u, 5u, 20u, 130u, 998u, 2000u}) {
        std::vector<ds4x_token_score> top(k);
        ds4x_sample_params p = make_params();
        const int32_t bias_tokens[] = {ids[0]};
        const float bias_values[] = {-inf};
        p.temperature = 0.5f;
        p.top_k = 3;
        p.bias_tokens = bias_tokens, p.bias_values = bias_values, p.n_bias = 1;
        p.n_top = k;
        p.top = top.data();
        p.rng = k;
        ds4::sample(l.data(), 1000, p, scratch);
        CHECK(p.token != ids[0]);
        CHECK(std::fabs(double(p.logprob) - (double(l[p.token]) - std::log(z))) < 1e-6);
        CHECK_EQ(p.n_top_out, std::min(k, 998u));
        uint32_t n = 0;
        std::vector<ds4x_token_score> again(k);
        ds4::top_scores(l.data(), 1000, k, again.data(), &n);
        CHECK_EQ(n, p.n_top_out);
        for (uint32_t i = 0; i < n; i++) {
            CHECK_EQ(top[i].token, ids[i]);
            CHECK_EQ(top[i].logit, l[ids[i]]);
            CHECK(std::fabs(double(top[i].logprob) - (double(l[ids[i]]) - std::log(z))) < 1e-6);
            CHECK_EQ(again[i].token, top[i].token);
        }
    }
    CHECK(std::isinf(ds4::logsumexp(&l[17], 2)));
}
