// The CUDA backend's frame: weights, workspace, batches, products, hyper-connections and the head.
#include "backend/cuda/cuda_backend.h"

#include "quant/iq_grids.h"

#include <algorithm>
#include <cstring>

namespace ds4 {
namespace cuda {
namespace {

constexpr int32_t logit_slice = 64;               // rows of logits computed at once
constexpr size_t pinned_rows_bytes = 64u << 20;   // more rows than this lie in plain memory
constexpr uint64_t score_floats_least = 4u << 20; // room for indexer scores, shared by as many tokens as fit

// Sessions grow token by token, buffers in powers of two.
uint64_t rounded_tokens(uint64_t n_tokens) {
    uint64_t out = 4096;
    while (out < n_tokens) out *= 2;
    return out;
}
uint64_t score_floats(const Config &c, uint64_t n_tokens) {
    uint64_t visible = 0;
    for (const LayerConfig &l : c.layers)
        if (l.kind == LayerKind::csa) visible = std::max(visible, rounded_tokens(n_tokens) / l.ratio);
    return visible > c.idx_top_k ? std::max(visible, score_floats_least) : 0;
}

int32_t n_channel_blocks(const Config &c) { return int32_t((c.n_embd + hyper_channels - 1) / hyper_channels); }

} // namespace

CudaBackend::CudaBackend(const BackendOptions &options, int32_t device, uint64_t weight_bytes, TensorReader reader)
    : options_(options), device_(device), reader_(reader) {
    weight_memory_.resize(device_, size_t(std::max<uint64_t>(weight_bytes, 1)), "the weights");
    loader_ = std::make_unique<WeightLoader>(device_, reader, options.n_threads);
    uint64_t entries[256];
    constexpr uint64_t values[4] = {0x08, 0x19, 0x2b, 0};
    for (int i = 0; i < 256; i++) {
        entries[i] = 0;
        for (int k = 0; k < 8; k++) entries[i] |= values[(quant::kIq2XxsGrid[i] >> (2 * k)) & 3] << (8 * k);
    }
    codebook_.resize(device_, 256, "a codebook");
    device_.copy(codebook_.data(), entries, sizeof entries, cudaMemcpyHostToDevice);
    device_.wait();
    device_.check(cudaEventCreateWithFlags(&uploaded_, cudaEventDisableTiming), "making an event"); // last: freed below
}

CudaBackend::~CudaBackend() {
    const DeviceScope scope(device_.index());
    loader_.reset();
    cudaStreamSynchronize(device_.stream());
    if (uploaded_) cudaEventDestroy(uploaded_);
}

// ------------------------------------------------------------------------------------------------------------- weights

uint8_t *CudaBackend::place(uint64_t bytes) {
    const uint64_t at = weights_used_;
    weights_used_ += (bytes + cuda_tensor_alignment - 1) / cuda_tensor_alignment * cuda_tensor_alignment;
    if (weights_used_ > weight_memory_.bytes())
        fail(DS4X_ERR_INTERNAL, "weights take more device memory than was planned: %llu of %zu bytes",
             (unsigned long long)weights_used_, weight_memory_.bytes());
    return weight_memory_.data() + at;
}

Matrix CudaBackend::upload(const TensorInfo &tensor, int64_t n_in, int64_t n_out, int64_t n_mat, Use) {
    const TypeTraits *traits = type_traits(tensor.type);
    if (!type_supported(GgmlType(tensor.type)))
        fail(DS4X_ERR_UNSUPPORTED,
             "tensor %s has type %s, which the CUDA backend does not compute with: use backend cpu", tensor.name,
             traits->name);
    Matrix m;
    m.type = GgmlType(tensor.type);
    m.n_in = n_in;
    m.n_out = n_out;
    m.n_mat = n_mat;
    m.row_bytes = size_t(n_in / traits->elements) * traits->bytes;
    m.mat_bytes = size_t(n_out) * m.row_bytes;
    uint8_t *&to = placed_[{tensor.data, tensor.bytes}];
    if (!to) {
        to = place(tensor.bytes);
        loader_->add(tensor, to);
    }
    m.data = to;
    return m;
}

Vector CudaBackend::upload_f32(const TensorInfo &tensor) {
    const TypeTraits *traits = type_traits(tensor.type);
    if (!traits->dequantize)
        fail(DS4X_ERR_UNSUPPORTED, "tensor %s has type %s, expected F32, F16 or BF16", tensor.name, traits->name);
    std::vector<float> values(tensor.elements);
    traits->dequantize(tensor.data, tensor.elements, values.data());
    uint8_t *to = place(tensor.elements * sizeof(float));
    device_.copy(to, values.data(), values.size() * sizeof(float), cudaMemcpyHostToDevice);
    converted_.push_back(std::move(values));
    Vector v;
    v.n = int64_t(tensor.elements);
    v.data = reinterpret_cast<const float *>(to);
    return v;
}

const int32_t *CudaBackend::upload_i32(const TensorInfo &tensor) {
    uint8_t *to = place(tensor.bytes);
    loader_->add(tensor, to);
    return reinterpret_cast<const int32_t *>(to);
}

// ---------------------------------------------------------------------------------------------------------- workspace

template <typename Add> void CudaBackend::plan(const Config &c, int64_t n, Add &&add) {
    using B = CudaBackend;
    const int64_t s = c.n_stream, d = c.n_embd, hd = c.head_dim, used = c.n_expert_used, pairs = n * used;
    add(&B::streams_, n * s * d);
    add(&B::out_, n * d);
    add(&B::x_, n * d);
    add(&B::partial_, n * n_channel_blocks(c) * (c.n_mix() + 1));
    add(&B::post_, n * s);
    add(&B::comb_, n * s * s);
    add(&B::rope_, 2 * n * c.n_rot);
    add(&B::q_latent_, n * c.q_rank);
    add(&B::q_, n * c.n_head * hd);
    add(&B::kv_row_, n * hd);
    add(&B::comp_kv_, n * 2 * hd);
    add(&B::comp_score_, n * 2 * hd);
    add(&B::index_kv_, n * 2 * c.idx_dim);
    add(&B::index_score_, n * 2 * c.idx_dim);
    add(&B::index_q_, n * c.idx_head * c.idx_dim);
    add(&B::index_alpha_, n * c.idx_head);
    add(&B::selected_, n * c.idx_top_k);
    add(&B::n_selected_, n);
    add(&B::group_out_, n * c.n_group * c.o_rank);
    add(&B::router_, n * c.n_expert);
    add(&B::expert_, pairs);
    add(&B::expert_weight_, pairs);
    add(&B::expert_first_, int64_t(c.n_expert) + 1);
    add(&B::expert_next_, int64_t(c.n_expert));
    add(&B::order_, pairs);
    add(&B::n_tiles_, 1);
    add(&B::tiles_, pairs / vector_tile + std::min<int64_t>(pairs, c.n_expert) + 1);
    add(&B::gate_, pairs * c.n_ff);
    add(&B::up_, pairs * c.n_ff);
    add(&B::gate_shared_, n * c.n_ff_shared);
    add(&B::up_shared_, n * c.n_ff_shared);
    add(&B::part_, pairs * d);
    add(&B::shared_out_, n * d);
    add(&B::logits_, int64_t(logit_slice) * c.n_vocab);
    add(&B::freq_, c.n_rot);
}

namespace {

template <typename T> uint64_t planned(Buffer<T> CudaBackend::*, int64_t n) { return uint64_t(n) * sizeof(T); }

} // namespace

uint64_t CudaBackend::plan_bytes(const Config &config, const KvLayout &, const BackendOptions &options,
                                 uint64_t n_ctx) {
    uint64_t total = score_floats(config, n_ctx) * sizeof(float);
    plan(config, options.n_batch, [&](auto member, int64_t n) { total += planned(member, n); });
    return total;
}

uint64_t CudaBackend::workspace_bytes() const noexcept {
    if (!config_) return 0;
    uint64_t total = scores_.bytes() + metadata_.bytes() + staging_.bytes() + pinned_rows_.bytes() +
                     plain_rows_.size() * sizeof(float);
    plan(*config_, options_.n_batch, [&](auto member, int64_t) { total += (this->*member).bytes(); });
    return total;
}

void CudaBackend::ready(const Config &config, const KvLayout &kv, const Weights &weights) {
    if (!attend_supports(config.head_dim))
        fail(DS4X_ERR_UNSUPPORTED, "the CUDA backend attends with heads of at most 1024 channels, the model has %u",
             config.head_dim);
    const uint64_t pairs = uint64_t(options_.n_batch) * config.n_expert_used;
    if (pairs / vector_tile + config.n_expert > 65535)
        fail(DS4X_ERR_ARGUMENT, "n_batch %u is too large for %u experts a token: use at most %u", options_.n_batch,
             config.n_expert_used, (65535 - config.n_expert) * vector_tile / config.n_expert_used);
    config_ = &config;
    kv_ = &kv;
    weights_ = &weights;
    plan(config, options_.n_batch, [this](auto member, int64_t n) {
        if (n) (this->*member).resize(device_, size_t(n), "the workspace");
    });
    std::vector<float> freq(config.freq_sliding);
    freq.insert(freq.end(), config.freq_compressed.begin(), config.freq_compressed.end());
    if (!freq.empty()) device_.copy(freq_.data(), freq.data(), freq.size() * sizeof(float), cudaMemcpyHostToDevice);
    for (const LayerConfig &l : config.layers) {
        const auto same = [&](const Closings &c) { return c.ratio == l.ratio; };
        if (l.ratio && std::none_of(closings_.begin(), closings_.end(), same)) {
            closings_.emplace_back();
            closings_.back().ratio = l.ratio;
        }
    }
    reserve_rows(1);
    loader_->finish();
    device_.wait();
    loader_.reset();
    std::vector<std::vector<float>>().swap(converted_);
    placed_.clear();
}

void CudaBackend::reserve_rows(uint32_t n_rows) {
    device_.require();
    if (n_rows <= n_row_room_) return;
    device_.wait();
    const size_t floats = size_t(n_rows) * config_->n_vocab, bytes = floats * sizeof(float);
    n_row_room_ = 0;
    if (bytes <= pinned_rows_bytes) {
        pinned_rows_.resize(device_, bytes);
        rows_ = reinterpret_cast<float *>(pinned_rows_.data());
    } else {
        plain_rows_.resize(floats);
        rows_ = plain_rows_.data();
    }
    n_row_room_ = n_rows;
}

const float *CudaBackend::logits(uint32_t row) {
    device_.require();
    return rows_ + size_t(row) * config_->n_vocab;
}

void CudaBackend::kv_copy(uint8_t *dst, const uint8_t *src, size_t bytes) {
    device_.require();
    device_.copy(dst, src, bytes, cudaMemcpyDeviceToDevice);
}
void CudaBackend::kv_read(void *host, const uint8_t *src, size_t bytes) {
    device_.require();
    device_.copy(host, src, bytes, cudaMemcpyDeviceToHost);
    device_.wait();
}
void CudaBackend::kv_write(uint8_t *dst, const void *host, size_t bytes) {
    device_.require();
    device_.copy(dst, host, bytes, cudaMemcpyHostToDevice);
    device_.wait(); // the caller's memory is his again
}

size_t CudaBackend::kernel_times(BackendKernelTime *out, size_t cap) {
    device_.wait();
    const std::vector<KernelTime> &all = device_.kernel_times();
    for (size_t i = 0; i < std::min(cap, all.size()); i++)
        out[i] = {all[i].name, all[i].calls, uint64_t(all[i].ms * 1e6)};
    return all.size();
}

// -------------------------------------------------------------------------------------------------------------- batches

void CudaBackend::begin(const Batch &batch) {
    device_.require();
    host_ = batch;
    has_out_ = false;
    longest_ = longest_span_ = 0;
    for (int32_t i = 0; i < batch.n_spans; i++) {
        longest_ = std::max(longest_, batch.spans[i].pos + batch.spans[i].n_tokens);
        longest_span_ = std::max(longest_span_, batch.spans[i].n_tokens);
    }
    if (const uint64_t floats = score_floats(*config_, uint64_t(longest_)); floats > scores_.size()) {
        device_.wait();
        scores_.resize(device_, size_t(floats), "indexer scores");
    }
    upload_metadata(batch);
    rope_tables(device_, {batch_.pos, freq_.data(), rope_.data(), batch.n_tokens, int32_t(config_->n_rot)});
}

// Everything about the batch in one copy: ids, positions, spans, page tables, and the rows that it closes.
void CudaBackend::upload_metadata(const Batch &b) {
    const size_t n = size_t(b.n_tokens);
    size_t bytes = 0;
    const auto section = [&](size_t size) {
        const size_t at = bytes;
        bytes = (bytes + size + 15) / 16 * 16;
        return at;
    };
    const size_t at_tokens = section(n * 4), at_span_of = section(n * 4), at_pos = section(n * 8),
                 at_wanted = section(size_t(b.n_wanted) * 4), at_spans = section(size_t(b.n_spans) * sizeof(BatchSpan));
    size_t n_pages = 0;
    for (int32_t i = 0; i < b.n_spans; i++)
        n_pages += size_t(kv_->pages_for(uint64_t(b.spans[i].pos + b.spans[i].n_tokens)));
    const size_t at_pages = section(n_pages * sizeof(uint8_t *));
    std::vector<size_t> at_closings;
    for (Closings &c : closings_) {
        c.n = 0;
        for (int32_t i = 0; i < b.n_spans; i++)
            c.n += int32_t((b.spans[i].pos + b.spans[i].n_tokens) / c.ratio - b.spans[i].pos / c.ratio);
        at_closings.push_back(section(size_t(c.n) * sizeof(Closing)));
    }

    device_.check(cudaEventSynchronize(uploaded_), "uploading a batch"); // the one before has left the staging memory
    if (bytes > metadata_.bytes()) {
        device_.wait();
        metadata_.resize(device_, 2 * bytes, "batch metadata");
    }
    staging_.resize(device_, bytes > staging_.bytes() ? 2 * bytes : bytes);
    uint8_t *host = staging_.data(), *there = metadata_.data();
    std::memcpy(host + at_tokens, b.tokens, n * 4);
    std::memcpy(host + at_span_of, b.span_of, n * 4);
    if (b.n_wanted) std::memcpy(host + at_wanted, b.wanted, size_t(b.n_wanted) * 4);
    int64_t *pos = reinterpret_cast<int64_t *>(host + at_pos);
    BatchSpan *spans = reinterpret_cast<BatchSpan *>(host + at_spans);
    size_t page = 0;
    for (int32_t i = 0; i < b.n_spans; i++) {
        BatchSpan s = b.spans[i];
        const size_t count = size_t(kv_->pages_for(uint64_t(s.pos + s.n_tokens)));
        const size_t at = at_pages + page * sizeof(uint8_t *);
        std::memcpy(host + at, s.pages, count * sizeof(uint8_t *));
        s.pages = reinterpret_cast<uint8_t *const *>(there + at);
        page += count;
        for (int32_t k = 0; k < s.n_tokens; k++) pos[s.first + k] = s.pos + k;
        spans[i] = s;
    }
    for (size_t k = 0; k < closings_.size(); k++) {
        Closings &c = closings_[k];
        Closing *list = reinterpret_cast<Closing *>(host + at_closings[k]);
        for (int32_t i = 0; i < b.n_spans; i++) {
            const BatchSpan &s = b.spans[i];
            for (int64_t row = s.pos / c.ratio; row < (s.pos + s.n_tokens) / c.ratio; row++) {
                list->span = i;
                list->pad = 0;
                (list++)->row = row;
            }
        }
        c.list = reinterpret_cast<const Closing *>(there + at_closings[k]);
    }
    device_.copy(there, host, bytes, cudaMemcpyHostToDevice);
    device_.check(cudaEventRecord(uploaded_, device_.stream()), "uploading a batch");

    batch_.n_tokens = b.n_tokens;
    batch_.n_spans = b.n_spans;
    batch_.n_wanted = b.n_wanted;
    batch_.tokens = reinterpret_cast<const int32_t *>(there + at_tokens);
    batch_.span_of = reinterpret_cast<const int32_t *>(there + at_span_of);
    batch_.pos = reinterpret_cast<const int64_t *>(there + at_pos);
    batch_.wanted = reinterpret_cast<const int32_t *>(there + at_wanted);
    batch_.spans = reinterpret_cast<const BatchSpan *>(there + at_spans);
}

const CudaBackend::Closings &CudaBackend::closings(uint32_t ratio) const {
    return *std::find_if(closings_.begin(), closings_.end(), [&](const Closings &c) { return c.ratio == ratio; });
}

// ------------------------------------------------------------------------------------------------------------- products

Product CudaBackend::dense(const Matrix &m, const float *x, int64_t n_in, float *y, int32_t n_rows) const {
    Product p;
    p.matrix = &m;
    p.x = x;
    p.x_stride = n_in;
    p.y = y;
    p.y_stride = m.n_out;
    p.n_rows = n_rows;
    return p;
}

void CudaBackend::multiply(const Product &p, bool exact) {
    const bool many = p.groups ? p.groups->tile_rows == tensor_tile : !p.mat_of && p.n_rows >= tensor_rows;
    const int64_t mats = p.groups ? p.groups->max_tiles : p.mat_of ? p.n_rows : p.n_planes;
    weights_read_ += uint64_t(std::min(mats, p.matrix->n_mat)) * p.matrix->mat_bytes;
    if (!exact && many)
        tensor_product(device_, p, codebook_.data());
    else
        vector_product(device_, p, codebook_.data());
}

// ------------------------------------------------------------------------------------ embedding, hyper-connections, head

void CudaBackend::embed() {
    const Matrix &m = weights_->embed;
    weights_read_ += uint64_t(batch_.n_tokens) * m.row_bytes;
    cuda::embed(device_, m.type,
                {batch_.tokens, m.data, m.row_bytes, codebook_.data(), streams_.data(), int32_t(config_->n_embd),
                 int32_t(config_->n_stream)},
                batch_.n_tokens);
}

void CudaBackend::run_hyper(const HyperWeights &h, const float *norm, int32_t n_mix, const int32_t *rows,
                            int32_t n_rows) {
    const Config &c = *config_;
    HyperArgs a{};
    a.streams = streams_.data();
    a.out = has_out_ ? out_.data() : nullptr;
    a.post = post_.data();
    a.comb = comb_.data();
    a.rows = rows;
    a.fn = h.fn.data;
    a.row_bytes = h.fn.row_bytes;
    a.codebook = codebook_.data();
    a.base = h.base.data;
    a.scale = h.scale.data;
    a.norm = norm;
    a.partial = partial_.data();
    a.x = x_.data();
    a.n_embd = int32_t(c.n_embd);
    a.n_stream = int32_t(c.n_stream);
    a.n_mix = n_mix;
    a.n_blocks = n_channel_blocks(c);
    a.n_sinkhorn = int32_t(c.n_sinkhorn);
    a.hc_eps = c.hc_eps;
    a.rms_eps = c.rms_eps;
    weights_read_ += h.fn.mat_bytes;
    cuda::hyper(device_, h.fn.type, a, n_rows);
}

void CudaBackend::hyper(uint32_t layer, Sub sub) {
    const LayerWeights &l = weights_->layers[layer];
    run_hyper(sub == Sub::attn ? l.hyper_attn : l.hyper_ffn, sub == Sub::attn ? l.attn_norm.data : l.ffn_norm.data,
              int32_t(config_->n_mix()), nullptr, batch_.n_tokens);
    has_out_ = true;
}

void CudaBackend::head() {
    const int32_t n = batch_.n_wanted;
    if (n == 0) return;
    run_hyper(weights_->hyper_head, weights_->output_norm.data, int32_t(config_->n_stream), batch_.wanted, n);
    for (int32_t first = 0; first < n; first += logit_slice) {
        const int32_t slice = std::min(logit_slice, n - first);
        multiply(weights_->output, x_.data() + int64_t(first) * config_->n_embd, logits_.data(), slice);
        copy_rows(first, slice);
    }
}

// Logits of wanted rows [first, first + n) to where the caller wants them; neighbours together.
void CudaBackend::copy_rows(int32_t first, int32_t n) {
    const size_t n_vocab = config_->n_vocab;
    for (int32_t i = 0; i < n;) {
        int32_t end = i + 1;
        while (end < n && host_.rows[first + end] == host_.rows[first + end - 1] + 1) end++;
        device_.copy(rows_ + size_t(host_.rows[first + i]) * n_vocab, logits_.data() + size_t(i) * n_vocab,
                     size_t(end - i) * n_vocab * sizeof(float), cudaMemcpyDeviceToHost);
        i = end;
    }
}

void CudaBackend::finish() { device_.wait(); }

} // namespace cuda
} // namespace ds4
