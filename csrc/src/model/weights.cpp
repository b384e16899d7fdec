// One list of tensors serves both checking and binding: walk() names every tensor with its shape once.
#include "model/weights.h"

#include "backend/cuda_loader.h"

#include <cstring>
#include <set>
#include <utility>

namespace ds4 {
namespace {

using Dims = std::vector<uint64_t>;

std::string dims_text(const Dims &dims) {
    std::string out = "[";
    for (size_t i = 0; i < dims.size(); i++) out += (i ? ", " : "") + std::to_string(dims[i]);
    return out + "]";
}

const TensorInfo &need(const GgufFile &file, const std::string &name, const Dims &dims) {
    const TensorInfo *t = file.find_tensor(name);
    if (!t)
        fail(DS4X_ERR_MODEL, "%s: tensor %s is missing, expected shape %s", file.path().c_str(), name.c_str(),
             dims_text(dims).c_str());
    bool same = true;
    uint64_t expected = 1;
    for (size_t i = 0; i < 4; i++) same &= t->dims[i] == (i < dims.size() ? dims[i] : 1);
    for (uint64_t d : dims) expected *= d;
    // A one-element vector may be written without dimensions worth naming; a matrix may be split into groups.
    if (!same && !(t->elements == expected && t->dims[0] == dims[0]))
        fail(DS4X_ERR_MODEL, "%s: tensor %s has shape %s, expected %s", file.path().c_str(), name.c_str(),
             dims_text(Dims(t->dims, t->dims + t->n_dims)).c_str(), dims_text(dims).c_str());
    return *t;
}

// Calls visit.matrix / f32_matrix / lookup / vector / table for every tensor of the model with its destination. share: part of the tensor that
// one decoded token reads.
template <typename Visit> void walk(const Config &c, Weights &w, Visit &&visit) {
    const uint64_t d = c.n_embd, streams = uint64_t(c.n_stream) * d, hd = c.head_dim;
    const double one_expert = double(c.n_expert_used) / c.n_expert;
    const auto hyper = [&](const std::string &name, HyperWeights &h, uint64_t rows, uint64_t scales) {
        visit.f32_matrix(name + "_fn.weight", h.fn, {streams, rows}, 1.0);
        visit.vector(name + "_base.weight", h.base, {rows});
        visit.vector(name + "_scale.weight", h.scale, {scales});
    };
    visit.lookup("token_embd.weight", w.embed, {d, c.n_vocab}, 1.0 / c.n_vocab);
    visit.matrix("output.weight", w.output, {d, c.n_vocab}, 1.0);
    visit.vector("output_norm.weight", w.output_norm, {d});
    hyper("output_hc", w.hyper_head, c.n_stream, 1);
    w.layers.resize(c.n_layer);
    for (uint32_t il = 0; il < c.n_layer; il++) {
        const LayerConfig &lc = c.layers[il];
        LayerWeights &l = w.layers[il];
        const std::string p = "blk." + std::to_string(il) + ".";
        const auto compressor = [&](const std::string &name, CompressorWeights &cw, uint64_t dim) {
            const uint64_t width = lc.lanes() * dim;
            visit.matrix(p + name + "_kv.weight", cw.kv, {d, width}, 1.0);
            visit.matrix(p + name + "_gate.weight", cw.gate, {d, width}, 1.0);
            visit.vector(p + name + "_ape.weight", cw.ape, {width, lc.ratio});
            visit.vector(p + name + "_norm.weight", cw.norm, {dim});
        };
        hyper(p + "hc_attn", l.hyper_attn, c.n_mix(), 3);
        hyper(p + "hc_ffn", l.hyper_ffn, c.n_mix(), 3);
        visit.vector(p + "attn_norm.weight", l.attn_norm, {d});
        visit.vector(p + "ffn_norm.weight", l.ffn_norm, {d});
        visit.matrix(p + "attn_q_a.weight", l.q_a, {d, c.q_rank}, 1.0);
        visit.vector(p + "attn_q_a_norm.weight", l.q_a_norm, {c.q_rank});
        visit.matrix(p + "attn_q_b.weight", l.q_b, {c.q_rank, c.n_head * hd}, 1.0);
        visit.matrix(p + "attn_kv.weight", l.kv, {d, hd}, 1.0);
        visit.vector(p + "attn_kv_a_norm.weight", l.kv_norm, {hd});
        visit.vector(p + "attn_sinks.weight", l.sinks, {c.n_head});
        visit.matrix(p + "attn_output_a.weight", l.out_a, {c.n_head / c.n_group * hd, c.o_rank, c.n_group}, 1.0);
        visit.matrix(p + "attn_output_b.weight", l.out_b, {uint64_t(c.n_group) * c.o_rank, d}, 1.0);
        if (lc.kind != LayerKind::sliding) compressor("attn_compressor", l.comp, hd);
        if (lc.kind == LayerKind::csa) {
            visit.matrix(p + "indexer.attn_q_b.weight", l.idx_q, {c.q_rank, uint64_t(c.idx_head) * c.idx_dim}, 1.0);
            visit.matrix(p + "indexer.proj.weight", l.idx_proj, {d, c.idx_head}, 1.0);
            compressor("indexer_compressor", l.idx_comp, c.idx_dim);
        }
        visit.f32_matrix(p + "ffn_gate_inp.weight", l.router, {d, c.n_expert}, 1.0);
        if (lc.hash_routed)
            visit.table(p + "ffn_gate_tid2eid.weight", l.hash_experts, {c.n_expert_used, c.n_vocab});
        else if (visit.has(p + "exp_probs_b.bias")) // ds4's files may leave it out: no bias
            visit.vector(p + "exp_probs_b.bias", l.router_bias, {c.n_expert});
        visit.matrix(p + "ffn_gate_exps.weight", l.gate_exps, {d, c.n_ff, c.n_expert}, one_expert);
        visit.matrix(p + "ffn_up_exps.weight", l.up_exps, {d, c.n_ff, c.n_expert}, one_expert);
        visit.matrix(p + "ffn_down_exps.weight", l.down_exps, {c.n_ff, d, c.n_expert}, one_expert);
        visit.matrix(p + "ffn_gate_shexp.weight", l.gate_shared, {d, c.n_ff_shared}, 1.0);
        visit.matrix(p + "ffn_up_shexp.weight", l.up_shared, {d, c.n_ff_shared}, 1.0);
        visit.matrix(p + "ffn_down_shexp.weight", l.down_shared, {c.n_ff_shared, d}, 1.0);
    }
}

struct Checker {
    const GgufFile &file;
    const Config &config;
    const BackendOptions &options;
    WeightFacts facts;
    std::set<std::pair<const uint8_t *, uint64_t>> on_device; // bytes that tensors share lie there once

    bool has(const std::string &name) const { return file.find_tensor(name) != nullptr; }
    void add(const TensorInfo &t, double share) {
        facts.weight_bytes += t.bytes;
        facts.decode_bytes += uint64_t(double(t.bytes) * share);
    }
    void bind(const std::string &name, const Dims &dims, double share, Use use) {
        const TensorInfo &t = need(file, name, dims);
        add(t, share);
        facts.k_types |= use == Use::product && cpu_is_k_type(t.type, options);
        facts.copied_bytes += cpu_copied_bytes(t, int64_t(dims[0]), int64_t(dims[1]),
                                               dims.size() > 2 ? int64_t(dims[2]) : 1, use, options);
        if (!t.data || on_device.insert({t.data, t.bytes}).second) facts.cuda_bytes += cuda_tensor_bytes(t.bytes);
        if (facts.cuda_obstacle.empty() && !cuda_computes_with(t.type))
            facts.cuda_obstacle = "tensor " + name + " has type " + type_traits(t.type)->name;
    }
    void matrix(const std::string &name, Matrix &, const Dims &dims, double share) {
        bind(name, dims, share, Use::product);
    }
    void f32_matrix(const std::string &name, Matrix &, const Dims &dims, double share) {
        bind(name, dims, share, Use::f32_product);
    }
    void lookup(const std::string &name, Matrix &, const Dims &dims, double share) {
        bind(name, dims, share, Use::lookup);
    }
    void vector(const std::string &name, Vector &, const Dims &dims) {
        const TensorInfo &t = need(file, name, dims);
        add(t, 1.0);
        if (t.type != int32_t(GgmlType::F32)) facts.copied_bytes += t.elements * sizeof(float);
        facts.cuda_bytes += cuda_tensor_bytes(t.elements * sizeof(float));
    }
    void table(const std::string &name, const int32_t *&, const Dims &dims) {
        const TensorInfo &t = need(file, name, dims);
        if (t.type != int32_t(GgmlType::I32))
            fail(DS4X_ERR_MODEL, "%s: tensor %s has type %s, expected I32", file.path().c_str(), name.c_str(),
                 type_traits(t.type)->name);
        add(t, 0.0);
        facts.cuda_bytes += cuda_tensor_bytes(t.bytes);
    }
};

struct Binder {
    const GgufFile &file;
    const Config &config;
    Backend &backend;

    bool has(const std::string &name) const { return file.find_tensor(name) != nullptr; }
    void bind(const std::string &name, Matrix &out, const Dims &dims, Use use) {
        out = backend.upload(need(file, name, dims), int64_t(dims[0]), int64_t(dims[1]),
                             dims.size() > 2 ? int64_t(dims[2]) : 1, use);
    }
    void matrix(const std::string &name, Matrix &out, const Dims &dims, double) { bind(name, out, dims, Use::product); }
    void f32_matrix(const std::string &name, Matrix &out, const Dims &dims, double) {
        bind(name, out, dims, Use::f32_product);
    }
    void lookup(const std::string &name, Matrix &out, const Dims &dims, double) { bind(name, out, dims, Use::lookup); }
    void vector(const std::string &name, Vector &out, const Dims &dims) {
        out = backend.upload_f32(need(file, name, dims));
    }
    // The ids are checked here, once, so that no op has to.
    void table(const std::string &name, const int32_t *&out, const Dims &dims) {
        const TensorInfo &t = need(file, name, dims);
        for (uint64_t i = 0; i < t.elements; i++) {
            int32_t expert;
            std::memcpy(&expert, t.data + i * 4, 4);
            if (expert < 0 || uint32_t(expert) >= config.n_expert)
                fail(DS4X_ERR_MODEL, "%s: tensor %s holds expert %d for token %llu, expected 0 to %u",
                     file.path().c_str(), name.c_str(), expert, (unsigned long long)(i / config.n_expert_used),
                     config.n_expert - 1);
        }
        out = backend.upload_i32(t);
    }
};

} // namespace

WeightFacts check_weights(const GgufFile &file, const Config &config, const BackendOptions &options) {
    Weights unused;
    Checker checker{file, config, options, {}, {}};
    walk(config, unused, checker);
    return checker.facts;
}

Weights bind_weights(const GgufFile &file, const Config &config, Backend &backend) {
    Weights weights;
    Binder binder{file, config, backend};
    walk(config, weights, binder);
    return weights;
}

} // namespace ds4
