// From a row of logits to a token: biases, penalties, masks, filters, one draw, and log probabilities.
#pragma once

#include "base/error.h"

#include <cstdint>
#include <vector>

namespace ds4 {

struct TokenLogit {
    float logit;
    int32_t token;
};

// Buffers kept between calls, so that a call allocates nothing once they have grown to n_vocab.
struct SampleScratch {
    std::vector<float> logits;       // [n_vocab] after bias, penalties and mask
    std::vector<float> weights;      // [n_vocab] exp((logit - max) / temperature)
    std::vector<TokenLogit> order;   // candidates, most likely first as far as they were needed
    std::vector<TokenLogit> ranking; // alternatives of the raw logits
};

// Fills p's out fields. Order: bias, penalties, mask, temperature, top_k, softmax, min_p and top_p together, one draw
// of p.rng. temperature <= 0 takes the first maximum and does not draw. Logits that are not finite are never chosen.
// Log probabilities are those of the raw logits at temperature 1, in double.
// Throws Error(ARGUMENT | TOKEN) for a bad parameter and Error(STATE) when no token is left to choose; then p.status
// holds the code, p.token is -1 and p.rng is as before.
void sample(const float *logits, uint32_t n_vocab, ds4x_sample_params &p, SampleScratch &scratch);

// The k most likely tokens, ties by lower id. *n_out <= k: tokens whose logit is not finite are left out.
void top_scores(const float *logits, uint32_t n_vocab, uint32_t k, ds4x_token_score *out, uint32_t *n_out);
void top_scores(const float *logits, uint32_t n_vocab, uint32_t k, ds4x_token_score *out, uint32_t *n_out,
                SampleScratch &scratch);

// log(sum(exp(logits))) over the finite ones; -infinity when there is none.
double logsumexp(const float *logits, uint32_t n_vocab);

// xorshift64*: the next number of the sequence as a float in [0, 1).
float next_uniform(uint64_t &state);

} // namespace ds4
