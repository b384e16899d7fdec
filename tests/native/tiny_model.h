// A complete DeepSeek V4 model of three tiny layers (sliding, CSA, HCA), made in memory from a counter.
#pragma once

#include "gguf_builder.h"

#include <cstdint>
#include <string>
#include <vector>

namespace tiny_model {

using gguf_builder::Builder;
using gguf_builder::Bytes;

constexpr uint32_t n_layer = 3, n_embd = 32, n_head = 2, head_dim = 16, n_rot = 8, q_rank = 32, n_group = 2,
                   o_rank = 16;
constexpr uint32_t n_window = 4, idx_head = 2, idx_dim = 16, idx_top_k = 2, n_expert = 4, n_expert_used = 2, n_ff = 32;
constexpr uint32_t n_stream = 2, n_vocab = 272;
constexpr uint32_t ratios[n_layer] = {0, 4, 128};

enum Type : uint32_t { F32 = 0, F16 = 1, Q8_0 = 8, I32 = 26 };

class Writer {
public:
    Builder b;

    // Values of about `scale`, the same for the same tensor number.
    void tensor(const std::string &name, Type type, std::vector<uint64_t> dims, float scale, float mean = 0) {
        uint64_t n = 1;
        for (const uint64_t d : dims) n *= d;
        Bytes data;
        if (type == Q8_0) {
            for (uint64_t i = 0; i < n / 32; i++) {
                gguf_builder::put<uint16_t>(data, uint16_t(0x1400 + (next() & 0x3ff))); // about 0.001 to 0.002
                for (int j = 0; j < 32; j++) gguf_builder::put<int8_t>(data, int8_t(int(next() % 255) - 127));
            }
        } else if (type == F16) {
            for (uint64_t i = 0; i < n; i++) // 0.0625 to 0.125, either sign
                gguf_builder::put<uint16_t>(data, uint16_t(0x2c00 | (next() & 0x83ff)));
        } else if (type == I32) {
            for (uint64_t i = 0; i < n; i++)
                gguf_builder::put<int32_t>(data, int32_t((i + i / n_expert_used) % n_expert));
        } else {
            for (uint64_t i = 0; i < n; i++)
                gguf_builder::put<float>(data, mean + scale * (float(next() % 2001) / 1000.0f - 1.0f));
        }
        b.add_tensor(name, type, std::move(dims), std::move(data));
    }

private:
    uint32_t next() { // a linear congruential generator; its high half
        state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;
        return uint32_t(state_ >> 33);
    }
    uint64_t state_ = 1;
};

inline void add_metadata(Builder &b) {
    b.add_string("general.architecture", "deepseek4").add_string("general.name", "tiny");
    b.add<uint32_t>("general.alignment", 32);
    const std::string p = "deepseek4.";
    b.add<uint32_t>(p + "block_count", n_layer).add<uint64_t>(p + "context_length", 4096);
    b.add<uint32_t>(p + "embedding_length", n_embd).add<uint32_t>(p + "vocab_size", n_vocab);
    b.add<uint32_t>(p + "attention.head_count", n_head).add<uint32_t>(p + "attention.head_count_kv", 1);
    b.add<uint32_t>(p + "attention.key_length", head_dim).add<uint32_t>(p + "attention.value_length", head_dim);
    b.add<uint32_t>(p + "rope.dimension_count", n_rot).add<uint32_t>(p + "attention.q_lora_rank", q_rank);
    b.add<uint32_t>(p + "attention.output_lora_rank", o_rank)
        .add<uint32_t>(p + "attention.output_group_count", n_group);
    b.add<uint32_t>(p + "expert_count", n_expert).add<uint32_t>(p + "expert_used_count", n_expert_used);
    b.add<uint32_t>(p + "expert_feed_forward_length", n_ff).add<uint32_t>(p + "expert_shared_count", 1);
    b.add<uint32_t>(p + "hash_layer_count", 1).add<uint32_t>(p + "expert_gating_func", 4);
    b.add<uint32_t>(p + "attention.sliding_window", n_window);
    b.add<uint32_t>(p + "attention.indexer.head_count", idx_head);
    b.add<uint32_t>(p + "attention.indexer.key_length", idx_dim);
    b.add<uint32_t>(p + "attention.indexer.top_k", idx_top_k);
    b.add<uint32_t>(p + "hyper_connection.count", n_stream);
    b.add<uint32_t>(p + "hyper_connection.sinkhorn_iterations", 4).add<float>(p + "hyper_connection.epsilon", 1e-6f);
    b.add_array<uint32_t>(p + "attention.compress_ratios", {ratios[0], ratios[1], ratios[2]});
    b.add_array<float>(p + "swiglu_clamp_exp", {10, 10, 10});
    b.add<float>(p + "rope.freq_base", 10000).add<float>(p + "attention.compress_rope_freq_base", 160000);
    b.add_string(p + "rope.scaling.type", "yarn").add<float>(p + "rope.scaling.factor", 16);
    b.add<uint32_t>(p + "rope.scaling.original_context_length", 256);
    b.add<float>(p + "rope.scaling.yarn_beta_fast", 32).add<float>(p + "rope.scaling.yarn_beta_slow", 1);
    b.add<float>(p + "expert_weights_scale", 1.5f).add<bool>(p + "expert_weights_norm", true);
    b.add<float>(p + "attention.layer_norm_rms_epsilon", 1e-6f);
}

inline std::string utf8(uint32_t c) {
    if (c < 0x80) return std::string(1, char(c));
    return {char(0xC0 | (c >> 6)), char(0x80 | (c & 63))};
}

// Protocol tokens, the 256 bytes, a few merges.
inline void add_vocabulary(Builder &b) {
    std::vector<std::string> tokens = {"<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"};
    uint32_t other = 0;
    for (uint32_t c = 0; c < 256; c++) { // the byte alphabet of byte-level BPE
        const bool printable = (c >= 33 && c <= 126) || (c >= 161 && c <= 172) || c >= 174;
        tokens.push_back(utf8(printable ? c : 256 + other++));
    }
    const std::vector<std::string> merges = {"h e", "l l", "he ll", "hell o", "Ġ w"};
    for (const char *text : {"he", "ll", "hell", "hello", "Ġw"}) tokens.push_back(text);
    for (const char *text : {"<｜User｜>", "<｜Assistant｜>", "<think>", "</think>", "｜DSML｜"})
        tokens.push_back(text);
    std::vector<int32_t> types(tokens.size(), DS4X_TOKEN_NORMAL);
    for (int i = 0; i < 3; i++) types[size_t(i)] = DS4X_TOKEN_CONTROL;
    for (size_t i = tokens.size() - 5; i < tokens.size(); i++) types[i] = DS4X_TOKEN_USER;
    b.add_string("tokenizer.ggml.model", "gpt2").add_string("tokenizer.ggml.pre", "joyai-llm");
    b.add_strings("tokenizer.ggml.tokens", tokens).add_array<int32_t>("tokenizer.ggml.token_type", types);
    b.add_strings("tokenizer.ggml.merges", merges);
    b.add<uint32_t>("tokenizer.ggml.bos_token_id", 0).add<uint32_t>("tokenizer.ggml.eos_token_id", 1);
}

inline void add_layer(Writer &w, uint32_t il) {
    const std::string p = "blk." + std::to_string(il) + ".";
    const uint64_t mix = n_stream * (2 + n_stream);
    for (const char *name : {"hc_attn", "hc_ffn"}) {
        w.tensor(p + name + "_fn.weight", F32, {n_stream * n_embd, mix}, 0.1f);
        w.tensor(p + name + "_base.weight", F32, {mix}, 0.3f);
        w.tensor(p + name + "_scale.weight", F32, {3}, 0.1f, 1);
    }
    w.tensor(p + "attn_norm.weight", F32, {n_embd}, 0.1f, 1);
    w.tensor(p + "ffn_norm.weight", F32, {n_embd}, 0.1f, 1);
    w.tensor(p + "attn_q_a.weight", Q8_0, {n_embd, q_rank}, 0);
    w.tensor(p + "attn_q_a_norm.weight", F32, {q_rank}, 0.1f, 1);
    w.tensor(p + "attn_q_b.weight", Q8_0, {q_rank, n_head * head_dim}, 0);
    w.tensor(p + "attn_kv.weight", F16, {n_embd, head_dim}, 0);
    w.tensor(p + "attn_kv_a_norm.weight", F32, {head_dim}, 0.1f, 1);
    w.tensor(p + "attn_sinks.weight", F32, {n_head}, 0.5f);
    w.tensor(p + "attn_output_a.weight", F16, {n_head / n_group * head_dim, n_group * o_rank}, 0);
    w.tensor(p + "attn_output_b.weight", Q8_0, {n_group * o_rank, n_embd}, 0);
    const uint64_t ratio = ratios[il], lanes = ratio == 4 ? 2 : 1;
    const auto compressor = [&](const std::string &name, uint64_t dim) {
        w.tensor(p + name + "_kv.weight", F32, {n_embd, lanes * dim}, 0.2f);
        w.tensor(p + name + "_gate.weight", F32, {n_embd, lanes * dim}, 0.2f);
        w.tensor(p + name + "_ape.weight", F16, {lanes * dim, ratio}, 0);
        w.tensor(p + name + "_norm.weight", F32, {dim}, 0.1f, 1);
    };
    if (ratio) compressor("attn_compressor", head_dim);
    if (ratio == 4) {
        w.tensor(p + "indexer.attn_q_b.weight", F16, {q_rank, idx_head * idx_dim}, 0);
        w.tensor(p + "indexer.proj.weight", F32, {n_embd, idx_head}, 0.2f);
        compressor("indexer_compressor", idx_dim);
    }
    w.tensor(p + "ffn_gate_inp.weight", F32, {n_embd, n_expert}, 0.3f);
    if (il == 0)
        w.tensor(p + "ffn_gate_tid2eid.weight", I32, {n_expert_used, n_vocab}, 0);
    else
        w.tensor(p + "exp_probs_b.bias", F32, {n_expert}, 0.1f);
    w.tensor(p + "ffn_gate_exps.weight", Q8_0, {n_embd, n_ff, n_expert}, 0);
    w.tensor(p + "ffn_up_exps.weight", Q8_0, {n_embd, n_ff, n_expert}, 0);
    w.tensor(p + "ffn_down_exps.weight", F16, {n_ff, n_embd, n_expert}, 0);
    w.tensor(p + "ffn_gate_shexp.weight", F16, {n_embd, n_ff}, 0);
    w.tensor(p + "ffn_up_shexp.weight", F16, {n_embd, n_ff}, 0);
    w.tensor(p + "ffn_down_shexp.weight", F16, {n_ff, n_embd}, 0);
}

inline Builder make() {
    Writer w;
    add_metadata(w.b);
    add_vocabulary(w.b);
    w.tensor("token_embd.weight", F16, {n_embd, n_vocab}, 0);
    for (uint32_t il = 0; il < n_layer; il++) add_layer(w, il);
    w.tensor("output_hc_fn.weight", F32, {n_stream * n_embd, n_stream}, 0.1f);
    w.tensor("output_hc_base.weight", F32, {n_stream}, 0.3f);
    w.tensor("output_hc_scale.weight", F32, {1}, 0.1f, 1);
    w.tensor("output_norm.weight", F32, {n_embd}, 0.1f, 1);
    w.tensor("output.weight", Q8_0, {n_embd, n_vocab}, 0);
    return w.b;
}

} // namespace tiny_model
