// The canonical bytes of a model, hashed. Numbers are little-endian with a fixed width, texts and arrays follow their
// length, so that no two models have the same bytes by accident of where one field ends.
#include "model/fingerprint.h"

#include <algorithm>
#include <cstring>
#include <vector>

namespace ds4 {
namespace {

constexpr char domain[] = "ds4 model fingerprint 1"; // changes with the serialisation
constexpr uint64_t sample_bytes = 4096;

class Hasher {
public:
    void bytes(const void *data, size_t n) { sha_.update(data, n); }
    void u64(uint64_t v) {
        uint8_t b[8];
        for (int i = 0; i < 8; i++) b[i] = uint8_t(v >> (8 * i));
        bytes(b, 8);
    }
    void f64(double v) {
        uint64_t bits;
        std::memcpy(&bits, &v, 8);
        u64(bits);
    }
    void text(std::string_view s) {
        u64(s.size());
        bytes(s.data(), s.size());
    }
    Fingerprint finish() { return sha_.finish(); }

private:
    Sha256 sha_;
};

// A value by its meaning: a number does not depend on the width it was stored with.
void add_value(Hasher &h, const MetaValue &v) {
    if (v.is_array()) {
        h.u64(v.count);
        for (uint64_t i = 0; i < v.count; i++) add_value(h, v.item(i));
    } else if (v.type == DS4X_META_STRING) {
        h.text(v.s);
    } else if (v.is_float()) {
        h.f64(v.f);
    } else {
        h.u64(v.u);
    }
}

void add_key(Hasher &h, const GgufFile &file, const std::string &key) {
    const MetaValue *v = file.find(key);
    h.text(key);
    h.u64(v ? 1 : 0);
    if (v) add_value(h, *v);
}

void add_config(Hasher &h, const GgufFile &file, const Config &c) {
    for (const uint64_t v : {c.n_layer,  c.n_embd,        c.n_vocab,  c.n_stream,    c.n_sinkhorn,
                             c.n_head,   c.head_dim,      c.n_rot,    c.q_rank,      c.n_group,
                             c.o_rank,   c.n_window,      c.idx_head, c.idx_dim,     c.idx_top_k,
                             c.n_expert, c.n_expert_used, c.n_ff,     c.n_ff_shared, uint32_t(c.norm_expert_weights)})
        h.u64(v);
    for (const float v : {c.hc_eps, c.rms_eps, c.expert_scale}) h.f64(v);
    for (const LayerConfig &l : c.layers) {
        h.u64(uint64_t(l.kind));
        h.u64(l.ratio);
        h.u64(l.hash_routed);
        h.f64(l.clamp);
        h.f64(l.clamp_shared);
    }
    // What the rotation frequencies are computed from: the frequencies themselves may differ in their last bit from one
    // C library to another.
    for (const char *key :
         {"rope.freq_base", "attention.compress_rope_freq_base", "rope.scaling.type", "rope.scaling.factor",
          "rope.scaling.original_context_length", "rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow"})
        add_key(h, file, std::string("deepseek4.") + key);
}

void add_vocabulary(Hasher &h, const GgufFile &file) {
    for (const char *key : {"model", "pre", "tokens", "token_type", "merges"})
        add_key(h, file, std::string("tokenizer.ggml.") + key);
}

void add_samples(Hasher &h, const TensorInfo &t) {
    if (!t.data && t.bytes)
        fail(DS4X_ERR_STATE, "tensor %s has no data: the model was opened without weights (vocab_only)", t.name);
    if (t.bytes <= 3 * sample_bytes) return h.bytes(t.data, size_t(t.bytes));
    for (const uint64_t at : {uint64_t(0), t.bytes / 2 - sample_bytes / 2, t.bytes - sample_bytes})
        h.bytes(t.data + at, size_t(sample_bytes));
}

void add_tensors(Hasher &h, const GgufFile &file) {
    std::vector<const TensorInfo *> tensors(file.tensor_count());
    for (size_t i = 0; i < tensors.size(); i++) tensors[i] = &file.tensor(i);
    std::sort(tensors.begin(), tensors.end(), [](auto *a, auto *b) { return std::strcmp(a->name, b->name) < 0; });
    h.u64(tensors.size());
    for (const TensorInfo *t : tensors) {
        h.text(t->name);
        h.u64(uint64_t(t->type));
        h.u64(t->n_dims);
        for (const uint64_t dim : t->dims) h.u64(dim);
        h.u64(t->bytes);
        add_samples(h, *t);
    }
}

} // namespace

Fingerprint model_fingerprint(const GgufFile &file, const Config &config) {
    file.check_unchanged();
    if (!file.tensor_count())
        fail(DS4X_ERR_STATE, "%s has no tensors: a vocabulary alone has no fingerprint", file.path().c_str());
    Hasher h;
    h.text(domain);
    add_config(h, file, config);
    add_vocabulary(h, file);
    add_tensors(h, file);
    return h.finish();
}

std::string hex(const Fingerprint &fingerprint) {
    std::string out;
    for (const uint8_t byte : fingerprint) out += format("%02x", byte);
    return out;
}

} // namespace ds4
