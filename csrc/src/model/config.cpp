// Reads and checks the model's metadata.
#include "model/config.h"

#include <algorithm>
#include <cmath>

namespace ds4 {
namespace {

constexpr const char *prefix = "deepseek4.";

// Bounds that no sane model reaches; they keep products of two sizes far from overflow.
constexpr uint64_t max_dim = 1u << 20;
constexpr uint64_t max_layers = 4096;

struct Reader {
    const GgufFile &file;

    std::string key(const char *name) const { return std::string(prefix) + name; }
    uint32_t dim(const char *name, uint64_t max = max_dim) const { return uint32_t(file.get_uint(key(name), 1, max)); }
    uint32_t opt(const char *name, uint32_t fallback, uint64_t min, uint64_t max) const {
        return uint32_t(file.opt_uint(key(name), fallback, min, max));
    }
    float positive(const char *name) const { return check_positive(name, file.get_float(key(name))); }
    float positive(const char *name, double fallback) const {
        return check_positive(name, file.opt_float(key(name), fallback));
    }
    float check_positive(const char *name, double value) const {
        if (!(value > 0) || value > 1e30)
            fail(DS4X_ERR_MODEL, "%s: %s%s is %g, expected a positive number", file.path().c_str(), prefix, name,
                 value);
        return float(value);
    }
    [[noreturn]] void wrong(const std::string &what) const {
        fail(DS4X_ERR_MODEL, "%s: %s", file.path().c_str(), what.c_str());
    }
};

std::string layer_tensor(uint32_t layer, const char *name) { return "blk." + std::to_string(layer) + "." + name; }

// f_j = theta^(-2j/R); with YaRN the slow pairs are divided by `factor`, with a linear blend between the two corrections.
std::vector<float> rope_frequencies(uint32_t n_rot, double theta, const Reader *yarn) {
    std::vector<float> out(n_rot / 2);
    double factor = 1, lo = 0, hi = 0;
    if (yarn) {
        factor = yarn->positive("rope.scaling.factor");
        const double ctx = yarn->positive("rope.scaling.original_context_length");
        const double fast = yarn->positive("rope.scaling.yarn_beta_fast", 32);
        const double slow = yarn->positive("rope.scaling.yarn_beta_slow", 1);
        const auto corr = [&](double beta) {
            return n_rot * std::log(ctx / (beta * 2 * 3.14159265358979323846)) / (2 * std::log(theta));
        };
        lo = std::max(0.0, std::floor(corr(fast)));
        hi = std::min(double(n_rot) - 1, std::ceil(corr(slow)));
        if (lo == hi) hi += 0.001;
    }
    for (uint32_t j = 0; j < n_rot / 2; j++) {
        const double e = std::pow(theta, -2.0 * j / n_rot);
        double f = e;
        if (yarn) {
            const double w = std::min(1.0, std::max(0.0, (j - lo) / (hi - lo)));
            f = e * (1 - w) + e / factor * w;
        }
        out[j] = float(f);
    }
    return out;
}

void read_layers(const Reader &r, Config &c) {
    const GgufFile &file = r.file;
    const auto ratios = file.get_uints(r.key("attention.compress_ratios"), c.n_layer, max_dim);
    const auto clamp = file.get_floats(r.key("swiglu_clamp_exp"), c.n_layer);
    const auto clamp_shared =
        file.find(r.key("swiglu_clamp_shexp")) ? file.get_floats(r.key("swiglu_clamp_shexp"), c.n_layer) : clamp;
    const uint32_t n_hash = r.opt("hash_layer_count", 0, 0, c.n_layer);
    c.layers.resize(c.n_layer);
    for (uint32_t il = 0; il < c.n_layer; il++) {
        LayerConfig &layer = c.layers[il];
        layer.hash_routed = il < n_hash;
        for (const double value : {clamp[il], clamp_shared[il]})
            if (!(value >= 0) || value > 1e30)
                r.wrong(format("%sswiglu_clamp of layer %u is %g, expected 0 (none) or a positive number", prefix, il,
                               value));
        layer.clamp = float(clamp[il]);
        layer.clamp_shared = float(clamp_shared[il]);
        const TensorInfo *kv = file.find_tensor(layer_tensor(il, "attn_compressor_kv.weight"));
        const bool indexer = file.find_tensor(layer_tensor(il, "indexer.attn_q_b.weight")) != nullptr ||
                             file.find_tensor(layer_tensor(il, "indexer_compressor_kv.weight")) != nullptr;
        layer.ratio = uint32_t(ratios[il]);
        layer.kind = !kv ? LayerKind::sliding : indexer ? LayerKind::csa : LayerKind::hca;
        if (file.tensor_count() == 0 && layer.ratio) { // a vocabulary-only file: the ratio is all there is to go by
            layer.kind = layer.ratio == 4 ? LayerKind::csa : LayerKind::hca;
            continue;
        }
        if ((layer.kind == LayerKind::sliding) != (layer.ratio == 0) || (indexer && !kv))
            r.wrong(format("layer %u has compress ratio %u but %s compressor and %s indexer tensors", il, layer.ratio,
                           kv ? "has" : "no", indexer ? "has" : "no"));
        if (kv) {
            const uint64_t lanes = layer.lanes();
            if (kv->dims[1] != lanes * c.head_dim)
                r.wrong(format("tensor %s has %llu rows, expected %llu (%s layer, head_dim %u)", kv->name,
                               (unsigned long long)kv->dims[1], (unsigned long long)(lanes * c.head_dim),
                               layer.kind == LayerKind::csa ? "two-lane" : "one-lane", c.head_dim));
        }
    }
}

void check_vocab(const Reader &r, Config &c) {
    const TensorInfo *embd = r.file.find_tensor("token_embd.weight");
    const MetaValue *tokens = r.file.find("tokenizer.ggml.tokens");
    uint64_t n = r.file.opt_uint(r.key("vocab_size"), 0, 1, 1u << 24);
    if (!n && embd) n = embd->dims[1];
    if (!n && tokens && tokens->is_array()) n = tokens->count;
    if (n < 1 || n > (1u << 24))
        r.wrong(format("no usable vocabulary size: %svocab_size is missing and neither token_embd.weight nor "
                       "tokenizer.ggml.tokens gives one",
                       prefix));
    c.n_vocab = uint32_t(n);
}

} // namespace

Config Config::from_gguf(const GgufFile &file) {
    const Reader r{file};
    const std::string arch = file.opt_string("general.architecture", "");
    if (arch != "deepseek4") r.wrong(format("general.architecture is \"%s\", expected \"deepseek4\"", arch.c_str()));
    Config c;
    c.n_layer = r.dim("block_count", max_layers);
    // A file may carry the multi-token-prediction block behind the layers; it is not part of the forward pass.
    const uint32_t n_mtp = r.opt("nextn_predict_layers", 0, 0, c.n_layer - 1);
    if (n_mtp && file.find_tensor(layer_tensor(c.n_layer - 1, "nextn.eh_proj.weight"))) c.n_layer -= n_mtp;
    c.n_embd = r.dim("embedding_length");
    check_vocab(r, c);
    c.n_stream = r.dim("hyper_connection.count", 8);
    c.n_sinkhorn = r.dim("hyper_connection.sinkhorn_iterations", 1000);
    c.hc_eps = r.positive("hyper_connection.epsilon", 1e-6);
    c.rms_eps = r.positive("attention.layer_norm_rms_epsilon");
    c.n_head = r.dim("attention.head_count");
    if (r.opt("attention.head_count_kv", 1, 0, max_dim) != 1) r.wrong("deepseek4.attention.head_count_kv must be 1");
    c.head_dim = r.dim("attention.key_length");
    if (r.opt("attention.value_length", c.head_dim, 1, max_dim) != c.head_dim)
        r.wrong("deepseek4.attention.value_length must equal key_length");
    c.n_rot = r.dim("rope.dimension_count", c.head_dim);
    c.q_rank = r.dim("attention.q_lora_rank");
    c.n_group = r.dim("attention.output_group_count", c.n_head);
    c.o_rank = r.dim("attention.output_lora_rank");
    c.n_window = r.dim("attention.sliding_window");
    c.n_expert = r.dim("expert_count", 65535);
    c.n_expert_used = r.dim("expert_used_count", std::min<uint64_t>(c.n_expert, 64));
    const uint32_t n_shared = r.opt("expert_shared_count", 1, 1, 64);
    // Some writers repeat the expert width for every layer; only one width is possible.
    const auto ff = file.get_uints(r.key("expert_feed_forward_length"), c.n_layer, max_dim);
    if (std::any_of(ff.begin(), ff.end(), [&](uint64_t v) { return v != ff[0] || v == 0; }))
        r.wrong("deepseek4.expert_feed_forward_length must be one positive number for all layers");
    c.n_ff = uint32_t(ff[0]);
    c.n_ff_shared = c.n_ff * n_shared;
    if (r.opt("expert_group_count", 0, 0, max_dim) > 1) r.wrong("deepseek4.expert_group_count > 1 is not supported");
    if (const MetaValue *gating = file.find(r.key("expert_gating_func")); gating && gating->u != 4)
        r.wrong(format("deepseek4.expert_gating_func is %llu, expected 4 (square root of softplus)",
                       (unsigned long long)gating->u));
    c.norm_expert_weights = file.opt_bool(r.key("expert_weights_norm"), true);
    c.expert_scale = r.positive("expert_weights_scale", 1);
    c.n_context_train = r.opt("context_length", 0, 0, UINT32_MAX);
    read_layers(r, c);

    if (std::any_of(c.layers.begin(), c.layers.end(), [](auto &l) { return l.kind == LayerKind::csa; })) {
        c.idx_head = r.dim("attention.indexer.head_count");
        c.idx_dim = r.dim("attention.indexer.key_length");
        c.idx_top_k = r.dim("attention.indexer.top_k");
        if (c.idx_dim < c.n_rot)
            r.wrong(format("deepseek4.attention.indexer.key_length is %u, smaller than rope.dimension_count %u",
                           c.idx_dim, c.n_rot));
    }
    if (c.n_rot % 2) r.wrong(format("deepseek4.rope.dimension_count is %u, expected an even number", c.n_rot));
    if (c.n_head % c.n_group)
        r.wrong(format("deepseek4.attention.output_group_count %u does not divide head_count %u", c.n_group, c.n_head));

    const double theta = r.positive("rope.freq_base", 10000);
    const double theta_compressed = r.positive("attention.compress_rope_freq_base", theta);
    if (theta <= 1 || theta_compressed <= 1) r.wrong("a RoPE frequency base must be greater than 1");
    const std::string scaling = file.opt_string(r.key("rope.scaling.type"), "");
    const bool has_factor = file.find(r.key("rope.scaling.factor")) != nullptr;
    if (!scaling.empty() && scaling != "yarn" && scaling != "none")
        r.wrong(format("deepseek4.rope.scaling.type is \"%s\", expected \"yarn\" or \"none\"", scaling.c_str()));
    // ds4's own files carry the YaRN numbers without naming the type.
    const bool yarn = scaling == "yarn" || (scaling.empty() && has_factor);
    c.freq_sliding = rope_frequencies(c.n_rot, theta, nullptr);
    c.freq_compressed = rope_frequencies(c.n_rot, theta_compressed, yarn ? &r : nullptr);
    return c;
}

} // namespace ds4
