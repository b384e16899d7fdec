// The CPU backend's frame: weights, memory, matrix products over the pool, embedding, hyper-connections and the head.
#include "backend/cpu/cpu_backend.h"

#include <cstring>

namespace ds4 {

std::unique_ptr<Backend> make_cpu_backend(const BackendOptions &options) {
    return std::make_unique<CpuBackend>(options);
}

uint64_t cpu_workspace_bytes(const Config &config, const KvLayout &kv, const BackendOptions &options, uint64_t n_ctx,
                             bool k_types) {
    return CpuBackend::plan_bytes(config, kv, options, n_ctx, k_types);
}

bool cpu_is_k_type(int32_t type, const BackendOptions &options) noexcept {
    return act_format(GgmlType(type), options.exact) == ActFormat::Q8_K;
}

CpuBackend::CpuBackend(const BackendOptions &options)
    : options_(options), k_(select_kernels(options.isa)), pool_(options.n_threads) {}

// ------------------------------------------------------------------------------------------------------------ weights

namespace {

// Whether a matrix is copied into the kernels' own layout: Q8_0 that is multiplied with quantised activations.
bool repacks(const TensorInfo &tensor, Use use, const BackendOptions &options, const MatmulKernels &kernels) {
    return options.repack && !options.exact && use == Use::product && kernels.repack_q8_0 &&
           tensor.type == int32_t(GgmlType::Q8_0);
}

} // namespace

uint64_t cpu_copied_bytes(const TensorInfo &tensor, int64_t n_in, int64_t n_out, int64_t n_mat, Use use,
                          const BackendOptions &options) {
    const MatmulKernels &kernels = *select_kernels(options.isa).matmul;
    if (!repacks(tensor, use, options, kernels)) return 0;
    return uint64_t(n_mat) * kernels.repack_q8_0(nullptr, 0, n_out, n_in, nullptr);
}

Matrix CpuBackend::upload(const TensorInfo &tensor, int64_t n_in, int64_t n_out, int64_t n_mat, Use use) {
    const TypeTraits *traits = type_traits(tensor.type);
    Matrix m;
    m.type = GgmlType(tensor.type);
    if (!traits->dequantize || !kernel(m)) {
        size_t n;
        std::string known;
        const TypeTraits *all = all_type_traits(&n);
        for (size_t i = 0; i < n; i++)
            if (all[i].dequantize && k_.matmul->find(all[i].type, options_.exact))
                known += (known.empty() ? "" : ", ") + std::string(all[i].name);
        fail(DS4X_ERR_UNSUPPORTED, "tensor %s has type %s; supported are %s", tensor.name, traits->name, known.c_str());
    }
    m.n_in = n_in;
    m.n_out = n_out;
    m.n_mat = n_mat;
    m.row_bytes = size_t(n_in / traits->elements) * traits->bytes;
    m.mat_bytes = size_t(n_out) * m.row_bytes;
    m.data = tensor.data;
    if (!repacks(tensor, use, options_, *k_.matmul)) return m;
    const size_t mat_bytes = k_.matmul->repack_q8_0(nullptr, 0, n_out, n_in, nullptr);
    Buffer<uint8_t> copy;
    copy.resize(size_t(n_mat) * mat_bytes);
    pool_.run(n_mat, [&](int64_t i, int) {
        k_.matmul->repack_q8_0(tensor.data + size_t(i) * m.mat_bytes, m.row_bytes, n_out, n_in,
                               copy.data() + size_t(i) * mat_bytes);
    });
    m.data = copy.data();
    m.mat_bytes = mat_bytes;
    m.repacked = true;
    copied_bytes_ += copy.bytes();
    repacked_.push_back(std::move(copy));
    return m;
}

Vector CpuBackend::upload_f32(const TensorInfo &tensor) {
    const TypeTraits *traits = type_traits(tensor.type);
    if (!traits->dequantize)
        fail(DS4X_ERR_UNSUPPORTED, "tensor %s has type %s, expected F32, F16 or BF16", tensor.name, traits->name);
    Vector v;
    v.n = int64_t(tensor.elements);
    if (traits->type == GgmlType::F32 && reinterpret_cast<uintptr_t>(tensor.data) % alignof(float) == 0) {
        v.data = reinterpret_cast<const float *>(tensor.data);
        return v;
    }
    Buffer<float> copy;
    copy.resize(tensor.elements);
    traits->dequantize(tensor.data, tensor.elements, copy.data());
    v.data = copy.data();
    copied_bytes_ += copy.bytes();
    converted_.push_back(std::move(copy));
    return v;
}

const int32_t *CpuBackend::upload_i32(const TensorInfo &tensor) {
    if (reinterpret_cast<uintptr_t>(tensor.data) % alignof(int32_t) == 0)
        return reinterpret_cast<const int32_t *>(tensor.data);
    Buffer<float> copy; // same size, alignment 64
    copy.resize(tensor.elements);
    std::memcpy(copy.data(), tensor.data, tensor.bytes);
    copied_bytes_ += copy.bytes();
    converted_.push_back(std::move(copy));
    return reinterpret_cast<const int32_t *>(converted_.back().data());
}

uint64_t CpuBackend::copied_bytes() const noexcept { return copied_bytes_; }

// ---------------------------------------------------------------------------------------------------------- workspace

template <typename Add> void CpuBackend::plan(const Config &c, const KvLayout &kv, int64_t n, Add &&add) {
    const int64_t s = c.n_stream, d = c.n_embd, hd = c.head_dim, used = c.n_expert_used;
    const int64_t heads = int64_t(c.n_head) * hd, ff = used * c.n_ff, group = int64_t(c.n_group) * c.o_rank;
    add(&CpuBackend::streams_, n * s * d);
    add(&CpuBackend::out_, n * d);
    add(&CpuBackend::x_, n * d);
    add(&CpuBackend::mix_, n * c.n_mix());
    add(&CpuBackend::pre_, n * s);
    add(&CpuBackend::post_, n * s);
    add(&CpuBackend::comb_, n * s * s);
    add(&CpuBackend::cos_sin_, 2 * n * c.n_rot);
    add(&CpuBackend::qr_, n * c.q_rank);
    add(&CpuBackend::q_, n * heads);
    add(&CpuBackend::kv_row_, n * row_stride(hd));
    add(&CpuBackend::raw_, n * hd * int64_t(kv.element_bytes()));
    add(&CpuBackend::comp_kv_, n * 2 * hd);
    add(&CpuBackend::comp_score_, n * 2 * hd);
    add(&CpuBackend::index_kv_, n * 2 * c.idx_dim);
    add(&CpuBackend::index_score_, n * 2 * c.idx_dim);
    add(&CpuBackend::index_q_, n * c.idx_head * c.idx_dim);
    add(&CpuBackend::index_alpha_, n * c.idx_head);
    add(&CpuBackend::selected_, n * c.idx_top_k);
    add(&CpuBackend::n_selected_, n);
    add(&CpuBackend::group_row_, n * c.n_group);
    add(&CpuBackend::group_out_, n * group);
    add(&CpuBackend::router_, n * c.n_expert);
    add(&CpuBackend::expert_, n * used);
    add(&CpuBackend::expert_weight_, n * used);
    add(&CpuBackend::expert_first_, int64_t(c.n_expert) + 1);
    add(&CpuBackend::expert_token_, n * used);
    add(&CpuBackend::expert_slot_, n * used);
    add(&CpuBackend::gate_, n * ff);
    add(&CpuBackend::up_, n * ff);
    add(&CpuBackend::gate_shared_, n * c.n_ff_shared);
    add(&CpuBackend::up_shared_, n * c.n_ff_shared);
    // The widest input each set of quantised activations takes, and a scale and a sum for each 32 of them.
    const int64_t a = n * std::max({d, int64_t(c.q_rank), heads, ff}),
                  b = n * std::max({group, int64_t(c.n_ff_shared)});
    add(&CpuBackend::act_a_, a);
    add(&CpuBackend::act_b_, b);
}

namespace {

template <typename T> size_t planned(Buffer<T> CpuBackend::*, int64_t n) { return size_t(n) * sizeof(T); }
size_t planned(ActSet CpuBackend::*, int64_t n) { return size_t(n) + size_t((n + 31) / 32) * 8; }

} // namespace

uint64_t CpuBackend::plan_bytes(const Config &config, const KvLayout &kv, const BackendOptions &options, uint64_t n_ctx,
                                bool k_types) {
    uint64_t total = 0, quantised = 0;
    plan(config, kv, options.n_batch, [&](auto member, int64_t n) {
        total += planned(member, n);
        if constexpr (std::is_same_v<decltype(member), ActSet CpuBackend::*>) quantised += uint64_t(n);
    });
    if (k_types) total += quantised + quantised / 256 * 4 + quantised / 16 * 4;
    return total + scratch_bytes(config, n_ctx, options.n_threads);
}

uint64_t CpuBackend::workspace_bytes() const noexcept {
    if (!config_) return 0;
    uint64_t total = logits_.bytes() + shared_scores_.bytes();
    plan(*config_, *kv_, options_.n_batch, [&](auto member, int64_t n) { total += planned(member, n); });
    for (const ActSet *set : {&act_a_, &act_b_}) total += set->q8k.bytes() + set->d8k.bytes() + set->sums8k.bytes();
    for (const Scratch &s : scratch_)
        total += s.tile.bytes() + s.scores.bytes() + s.order.bytes() + s.rows.bytes() + s.kv.bytes() + s.score.bytes() +
                 s.wide.bytes();
    return total;
}

void CpuBackend::ready(const Config &config, const KvLayout &kv, const Weights &weights) {
    config_ = &config;
    kv_ = &kv;
    weights_ = &weights;
    plan(config, kv, options_.n_batch, [this](auto member, int64_t n) {
        if constexpr (std::is_same_v<decltype(member), ActSet CpuBackend::*>) {
            ActSet &set = this->*member;
            set.q8.resize(size_t(n));
            set.d8.resize(size_t(n + 31) / 32);
            set.sums8.resize(size_t(n + 31) / 32);
        } else {
            (this->*member).resize(size_t(n));
        }
    });
    scratch_.resize(size_t(pool_.size()));
    size_t candidates = 0;
    for (const LayerConfig &l : config.layers) candidates = std::max(candidates, size_t(l.lanes()) * l.ratio);
    for (Scratch &s : scratch_) {
        s.wide.resize(std::max(config.head_dim, config.idx_dim) + config.n_rot);
        s.kv.resize(candidates);
        s.score.resize(candidates);
    }
    closings_.reserve(options_.n_batch);
    jobs_.reserve(2 * size_t(config.n_expert) + 8);
    reserve_rows(1);
}

void CpuBackend::reserve_rows(uint32_t n_rows) {
    if (n_rows <= n_logit_rows_) return;
    logits_.resize(size_t(n_rows) * config_->n_vocab);
    n_logit_rows_ = n_rows;
}

uint8_t *CpuBackend::kv_alloc(size_t bytes) noexcept {
    return static_cast<uint8_t *>(::operator new(bytes, std::align_val_t(64), std::nothrow));
}
void CpuBackend::kv_free(uint8_t *block, size_t) noexcept { ::operator delete(block, std::align_val_t(64)); }
void CpuBackend::kv_copy(uint8_t *dst, const uint8_t *src, size_t bytes) { std::memcpy(dst, src, bytes); }
void CpuBackend::kv_read(void *host, const uint8_t *src, size_t bytes) { std::memcpy(host, src, bytes); }
void CpuBackend::kv_write(uint8_t *dst, const void *host, size_t bytes) { std::memcpy(dst, host, bytes); }

// ---------------------------------------------------------------------------------------------------- matrix products

void CpuBackend::set_input(ActSet &set, const float *f32, int64_t n_in, int64_t n_rows) {
    set.f32 = f32;
    set.n_in = n_in;
    set.n_rows = n_rows;
    set.has_q8 = set.has_q8k = false;
}

// The set's rows in the format that this weight type is multiplied with; quantised once per input.
Activations CpuBackend::activations(ActSet &set, GgmlType type) {
    Activations a;
    a.format = act_format(type, options_.exact);
    a.n_in = set.n_in;
    a.f32 = set.f32;
    a.stride_f32 = set.n_in;
    if (a.format == ActFormat::F32) return a;
    const bool k = a.format == ActFormat::Q8_K;
    const int64_t d_per_row = set.n_in / (k ? 256 : 32), sums_per_row = set.n_in / (k ? 16 : 32);
    Buffer<int8_t> &q = k ? set.q8k : set.q8;
    Buffer<float> &d = k ? set.d8k : set.d8;
    Buffer<int32_t> &sums = k ? set.sums8k : set.sums8;
    bool &done = k ? set.has_q8k : set.has_q8;
    if (!done) {
        if (k) { // few models need it: taken when first used
            q.resize(set.q8.bytes());
            d.resize(set.q8.bytes() / 256 + 1);
            sums.resize(set.q8.bytes() / 16 + 1);
        }
        const auto quantize = k ? k_.matmul->quantize_q8k : k_.matmul->quantize_q8;
        each_token(set.n_rows, set.n_in * 4, [&](int64_t r, int) {
            quantize(set.f32 + r * set.n_in, set.n_in, q.data() + r * set.n_in, d.data() + r * d_per_row,
                     sums.data() + r * sums_per_row);
        });
        done = true;
    }
    a.q = q.data();
    a.d = d.data();
    a.sums = sums.data();
    return a;
}

MatJob CpuBackend::job(const Matrix &m, ActSet &set, float *y, int64_t n_tokens, int64_t y_stride) {
    MatJob j;
    j.matrix = &m;
    j.fn = kernel(m);
    j.x = activations(set, m.type);
    j.n_tokens = n_tokens;
    j.y = y;
    j.y_stride = y_stride;
    return j;
}

MatJob CpuBackend::f32_job(const Matrix &m, const float *x, float *y, int64_t n_tokens) const {
    MatJob j;
    j.matrix = &m;
    j.fn = k_.matmul->find(m.type, true);
    j.x.n_in = j.x.stride_f32 = m.n_in;
    j.x.f32 = x;
    j.n_tokens = n_tokens;
    j.y = y;
    j.y_stride = m.n_out;
    return j;
}

void CpuBackend::run_tile(const MatJob &j, int64_t tile_index, float *y, int64_t y_stride) const {
    MatmulArgs a;
    a.w = j.matrix->mat(j.index);
    a.row_bytes = j.matrix->row_bytes;
    a.row_begin = tile_index * j.tile;
    a.row_end = std::min(j.matrix->n_out, a.row_begin + j.tile);
    a.x = j.x;
    a.x_rows = j.x_rows;
    a.n_tokens = j.n_tokens;
    a.y = y;
    a.y_stride = y_stride;
    j.fn(a);
}

// Runs products that do not depend on each other as one parallel region.
void CpuBackend::run_jobs(MatJob *jobs, size_t n) {
    int64_t work = 0, n_tasks = 0;
    for (size_t i = 0; i < n; i++)
        work += jobs[i].matrix->n_out * int64_t(jobs[i].matrix->row_bytes) * jobs[i].n_tokens;
    const bool parallel = work >= parallel_bytes && pool_.size() > 1;
    const int64_t per_task = std::max<int64_t>(work / (6 * pool_.size()), 1);
    for (size_t i = 0; i < n; i++) {
        MatJob &j = jobs[i];
        const int64_t rows = j.matrix->n_out;
        weights_read_ += uint64_t(rows) * j.matrix->row_bytes;
        const int64_t row_work = int64_t(j.matrix->row_bytes) * std::max<int64_t>(1, j.n_tokens);
        j.tile = !parallel ? std::max<int64_t>(1, rows)
                           : std::min<int64_t>(64, std::max<int64_t>(1, per_task / row_work / 16) * 16);
        j.first_task = n_tasks;
        n_tasks += (rows + j.tile - 1) / j.tile;
    }
    const auto task = [&](int64_t t, int) {
        size_t i = n - 1;
        while (jobs[i].first_task > t) i--;
        const int64_t tile = t - jobs[i].first_task;
        run_tile(jobs[i], tile, jobs[i].y + tile * jobs[i].tile, jobs[i].y_stride);
    };
    if (!parallel)
        for (int64_t t = 0; t < n_tasks; t++) task(t, 0);
    else
        pool_.run(n_tasks, task);
}

// ------------------------------------------------------------------------------------ embedding, hyper-connections, head

void CpuBackend::begin(const Batch &batch) {
    batch_ = batch;
    has_out_ = false;
    reserve_scratch(batch);
    rope_tables(batch);
}

void CpuBackend::embed() {
    const int64_t d = config_->n_embd, s = config_->n_stream;
    const Matrix &m = weights_->embed;
    const auto dequantize = type_traits(m.type)->dequantize;
    weights_read_ += uint64_t(batch_.n_tokens) * m.row_bytes;
    each_token(batch_.n_tokens, s * d * 4, [&](int64_t t, int) {
        float *x = streams_.data() + t * s * d;
        dequantize(m.data + size_t(batch_.tokens[t]) * m.row_bytes, uint64_t(d), x);
        for (int64_t i = 1; i < s; i++) std::memcpy(x + i * d, x, size_t(d) * 4);
    });
}

void CpuBackend::merge_streams(int64_t t, const float *out) {
    const int64_t d = config_->n_embd, s = config_->n_stream;
    k_.hyper_merge(streams_.data() + t * s * d, out + t * d, post_.data() + t * s, comb_.data() + t * s * s, int32_t(s),
                   d);
}

void CpuBackend::hyper(uint32_t layer, Sub sub) {
    const Config &c = *config_;
    const LayerWeights &l = weights_->layers[layer];
    const HyperWeights &h = sub == Sub::attn ? l.hyper_attn : l.hyper_ffn;
    const float *norm = sub == Sub::attn ? l.attn_norm.data : l.ffn_norm.data;
    const int64_t n = batch_.n_tokens, d = c.n_embd, s = c.n_stream;
    const HyperArgs args{int32_t(s), d, int32_t(c.n_sinkhorn), c.hc_eps, c.rms_eps, h.base.data, h.scale.data};
    if (has_out_) each_token(n, s * d * 8, [&](int64_t t, int) { merge_streams(t, out_.data()); });
    MatJob j = f32_job(h.fn, streams_.data(), mix_.data(), n);
    run_jobs(&j, 1);
    each_token(n, s * d * 8, [&](int64_t t, int) {
        float *pre = pre_.data() + t * s, *x = x_.data() + t * d;
        const float *streams = streams_.data() + t * s * d;
        k_.hyper_mix(args, streams, mix_.data() + t * c.n_mix(), pre, post_.data() + t * s, comb_.data() + t * s * s);
        k_.hyper_collapse(streams, pre, int32_t(s), d, x);
        k_.rms_norm(x, norm, d, c.rms_eps, x);
    });
    set_input(act_a_, x_.data(), d, n);
    has_out_ = true;
}

void CpuBackend::head() {
    const Config &c = *config_;
    const HyperWeights &h = weights_->hyper_head;
    const int64_t n = batch_.n_wanted, d = c.n_embd, s = c.n_stream;
    if (n == 0) return;
    const HyperArgs args{int32_t(s), d, 0, c.hc_eps, c.rms_eps, h.base.data, h.scale.data};
    each_token(n, s * d * 8, [&](int64_t i, int) {
        const int64_t t = batch_.wanted[i];
        merge_streams(t, out_.data());
        const float *streams = streams_.data() + t * s * d;
        float *mix = mix_.data() + i * c.n_mix(), *pre = pre_.data() + t * s, *x = x_.data() + i * d;
        MatJob j = f32_job(h.fn, streams, mix, 1);
        j.tile = s;
        run_tile(j, 0, mix, s);
        k_.hyper_head(args, streams, mix, pre);
        k_.hyper_collapse(streams, pre, int32_t(s), d, x);
        k_.rms_norm(x, weights_->output_norm.data, d, c.rms_eps, x);
    });
    set_input(act_a_, x_.data(), d, n);
    // Rows that follow each other are one product.
    for (int64_t first = 0; first < n;) {
        int64_t last = first + 1;
        while (last < n && batch_.rows[last] == batch_.rows[last - 1] + 1) last++;
        MatJob j = job(weights_->output, act_a_, logits_.data() + size_t(batch_.rows[first]) * c.n_vocab, last - first);
        const int64_t in = act_a_.n_in;
        if (first) { // the run's own rows of the input
            const bool k = j.x.format == ActFormat::Q8_K;
            j.x.f32 += first * in;
            if (j.x.q) {
                j.x.q += first * in;
                j.x.d += first * (in / (k ? 256 : 32));
                j.x.sums += first * (in / (k ? 16 : 32));
            }
        }
        run_jobs(&j, 1);
        first = last;
    }
}

} // namespace ds4
