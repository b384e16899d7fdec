// The CPU backend: one workspace, one thread pool, the ops of backend.h on the kernels of one instruction set.
#pragma once

#include "backend/backend.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/thread_pool.h"

#include <algorithm>
#include <memory>
#include <new>
#include <vector>

namespace ds4 {

// Work below this many bytes of weights (times tokens) is not worth waking another thread for.
constexpr int64_t parallel_bytes = 96 * 1024;

// A 64-byte aligned array whose memory comes at ready() and is counted.
template <typename T> class Buffer {
public:
    Buffer() = default;
    ~Buffer() { release(); }
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;
    Buffer(Buffer &&o) noexcept : data_(o.data_), n_(o.n_) { o.data_ = nullptr, o.n_ = 0; }
    // Contents are lost. Throws std::bad_alloc; the buffer is then as it was.
    void resize(size_t n) {
        if (n <= n_) return;
        T *bigger = static_cast<T *>(::operator new(n * sizeof(T), std::align_val_t(64)));
        release();
        data_ = bigger;
        n_ = n;
    }
    T *data() const noexcept { return data_; }
    T &operator[](size_t i) const noexcept { return data_[i]; }
    size_t bytes() const noexcept { return n_ * sizeof(T); }

private:
    void release() noexcept {
        if (data_) ::operator delete(data_, std::align_val_t(64));
        data_ = nullptr;
        n_ = 0;
    }
    T *data_ = nullptr;
    size_t n_ = 0;
};

// One set of activation rows and the forms the kernels want them in.
struct ActSet {
    const float *f32 = nullptr;
    int64_t n_in = 0, n_rows = 0;
    bool has_q8 = false, has_q8k = false;
    Buffer<int8_t> q8, q8k;
    Buffer<float> d8, d8k;
    Buffer<int32_t> sums8, sums8k;
};

// A matrix product of one parallel region.
struct MatJob {
    const Matrix *matrix = nullptr;
    MatmulFn fn = nullptr;
    int64_t index = 0; // which matrix of an expert tensor
    Activations x;
    const int32_t *x_rows = nullptr;
    int64_t n_tokens = 0;
    float *y = nullptr; // y[t * y_stride + row]
    int64_t y_stride = 0;
    int64_t tile = 0, first_task = 0; // set by run_jobs
};

class CpuBackend final : public Backend {
public:
    explicit CpuBackend(const BackendOptions &options);

    int32_t kind() const noexcept override { return DS4X_BACKEND_CPU; }
    int32_t isa() const noexcept override { return k_.isa; }
    int32_t n_threads() const noexcept override { return pool_.size(); }
    uint64_t copied_bytes() const noexcept override;
    uint64_t workspace_bytes() const noexcept override;
    uint64_t weights_read() const noexcept override { return weights_read_; }
    // What workspace_bytes will be after ready(), without a backend.
    static uint64_t plan_bytes(const Config &config, const KvLayout &kv, const BackendOptions &options, uint64_t n_ctx,
                               bool k_types);

    Matrix upload(const TensorInfo &tensor, int64_t n_in, int64_t n_out, int64_t n_mat, Use use) override;
    Vector upload_f32(const TensorInfo &tensor) override;
    const int32_t *upload_i32(const TensorInfo &tensor) override;
    void ready(const Config &config, const KvLayout &kv, const Weights &weights) override;

    uint8_t *kv_alloc(size_t bytes) noexcept override;
    void kv_free(uint8_t *block, size_t bytes) noexcept override;
    void kv_copy(uint8_t *dst, const uint8_t *src, size_t bytes) override;
    void kv_read(void *host, const uint8_t *src, size_t bytes) override;
    void kv_write(uint8_t *dst, const void *host, size_t bytes) override;
    uint8_t *kv_host(uint8_t *block) noexcept override { return block; }

    void begin(const Batch &batch) override;
    void embed() override;
    void hyper(uint32_t layer, Sub sub) override;
    void project(uint32_t layer) override;
    void compress(uint32_t layer) override;
    void attend(uint32_t layer) override;
    void experts(uint32_t layer) override;
    void head() override;
    void finish() override {}

    void reserve_rows(uint32_t n_rows) override;
    size_t selection(int32_t token, int32_t *out, size_t cap) override;
    const float *logits(uint32_t row) override { return logits_.data() + size_t(row) * config_->n_vocab; }

private:
    // Per-thread scratch.
    struct Scratch {
        Buffer<float> tile;              // converted KV rows
        Buffer<float> scores;            // attention scores, then indexer scores
        Buffer<int32_t> order;           // indexer selection
        Buffer<const void *> rows;       // row pointers of one query
        Buffer<const float *> kv, score; // candidates of one closing row
        Buffer<float> wide;              // one row of the widest kind, then cosines and sines
    };
    // Elements of the scratch buffers whose size depends on how long the longest session is.
    struct ScratchSizes {
        int64_t tile = 0, scores = 0, rows = 0, order = 0;
    };
    // A compressed row that this batch closes.
    struct Closing {
        int32_t span;
        int64_t row;
    };

    // Calls add(member, elements) for every buffer whose size is known from the model.
    template <typename Add> static void plan(const Config &config, const KvLayout &kv, int64_t n_batch, Add &&add);
    // Runs f(token, thread) for [0, n), in parallel when n * bytes_per_token touched is worth it.
    template <typename F> void each_token(int64_t n, int64_t bytes_per_token, const F &f) {
        if (n * bytes_per_token < parallel_bytes) {
            for (int64_t t = 0; t < n; t++) f(t, 0);
            return;
        }
        const int64_t chunk = std::max<int64_t>(1, n / (8 * pool_.size()));
        pool_.run((n + chunk - 1) / chunk, [&](int64_t task, int thread) {
            for (int64_t t = task * chunk; t < std::min(n, (task + 1) * chunk); t++) f(t, thread);
        });
    }
    Activations activations(ActSet &set, GgmlType type);
    void set_input(ActSet &set, const float *f32, int64_t n_in, int64_t n_rows);
    MatJob job(const Matrix &m, ActSet &set, float *y, int64_t n_tokens) { return job(m, set, y, n_tokens, m.n_out); }
    MatJob job(const Matrix &m, ActSet &set, float *y, int64_t n_tokens, int64_t y_stride);
    // A product whose activations are never quantised (router, hyper-connections), whatever the weights are.
    MatJob f32_job(const Matrix &m, const float *x, float *y, int64_t n_tokens) const;
    void run_jobs(MatJob *jobs, size_t n);
    void run_tile(const MatJob &job, int64_t tile_index, float *y, int64_t y_stride) const;
    MatmulFn kernel(const Matrix &m) const {
        return m.repacked ? k_.matmul->matmul_repacked_q8_0 : k_.matmul->find(m.type, options_.exact);
    }

    void rope_tables(const Batch &batch);
    const float *rope_table(uint32_t layer, int64_t token) const noexcept;
    void finish_rows(uint32_t layer, bool index);
    void simulate_kv(float *row) const noexcept;
    void simulate_index(float *row) const noexcept;
    void close_row(uint32_t layer, bool indexer, const Closing &closing, Scratch &scratch);
    void store_frontier(uint32_t layer, bool indexer);
    void store_raw(uint32_t layer);
    void select_rows(uint32_t layer);
    void select_token(uint32_t layer, int64_t token, Scratch &scratch);
    void score_rows(uint32_t layer, int64_t token, int64_t first, int64_t last, float *scores, Scratch &scratch);
    void pick_top(int64_t token, int64_t n_visible, const float *scores, int32_t *order);
    void attend_token(uint32_t layer, int64_t token, int64_t head_begin, int64_t head_end, Scratch &scratch);
    void reserve_scratch(const Batch &batch);
    static ScratchSizes scratch_sizes(const Config &config, uint64_t n_tokens);
    static uint64_t scratch_bytes(const Config &config, uint64_t n_tokens, int64_t n_threads);
    void route(uint32_t layer);
    void group_by_expert();
    void merge_streams(int64_t token, const float *out);
    int64_t position(int64_t token) const noexcept {
        const BatchSpan &s = batch_.spans[batch_.span_of[token]];
        return s.pos + token - s.first;
    }

    const BackendOptions options_;
    const CpuKernels &k_;
    ThreadPool pool_;
    const Config *config_ = nullptr;
    const KvLayout *kv_ = nullptr;
    const Weights *weights_ = nullptr;
    std::vector<Buffer<float>> converted_;  // small tensors held as f32
    std::vector<Buffer<uint8_t>> repacked_; // matrices in the kernels' own layout
    uint64_t copied_bytes_ = 0;
    uint64_t weights_read_ = 0;

    Batch batch_;
    bool has_out_ = false;                 // out_ holds a block's output not yet merged into the streams
    Buffer<float> streams_;                // [n][n_stream][n_embd]
    Buffer<float> out_;                    // [n][n_embd] the last block's output
    Buffer<float> x_;                      // [n][n_embd] the block's normed input
    Buffer<float> mix_;                    // [n][n_mix]
    Buffer<float> pre_, post_, comb_;      // [n][n_stream], [n][n_stream], [n][n_stream^2]
    Buffer<float> cos_sin_;                // [2 tables][n][n_rot]
    Buffer<float> qr_;                     // [n][q_rank]
    Buffer<float> q_;                      // [n][n_head * head_dim] queries, then attention output
    Buffer<float> kv_row_;                 // [n][row_stride(head_dim)] raw rows, rounded to the KV dtype
    Buffer<uint8_t> raw_;                  // [n][head_dim] KV dtype
    Buffer<float> comp_kv_, comp_score_;   // [n][2 * head_dim]
    Buffer<float> index_kv_, index_score_; // [n][2 * idx_dim]
    Buffer<float> index_q_;                // [n][idx_head * idx_dim]
    Buffer<float> index_alpha_;            // [n][idx_head]
    Buffer<int32_t> selected_;             // [n][idx_top_k]
    Buffer<int32_t> n_selected_;           // [n]
    Buffer<float> shared_scores_;          // indexer scores of one query, when several threads score it
    std::vector<Closing> closings_;
    Buffer<int32_t> group_row_;             // [n_group][n] rows of the attention output seen as [n * n_group] rows
    Buffer<float> group_out_;               // [n][n_group * o_rank]
    Buffer<float> router_;                  // [n][n_expert]
    Buffer<int32_t> expert_;                // [n][n_expert_used], ascending
    Buffer<float> expert_weight_;           // [n][n_expert_used]
    Buffer<int32_t> expert_first_;          // [n_expert + 1] into the next two
    Buffer<int32_t> expert_token_;          // [n * n_expert_used] tokens of each expert, ascending
    Buffer<int32_t> expert_slot_;           // [n * n_expert_used] token * n_expert_used + slot
    Buffer<float> gate_, up_;               // [n * n_expert_used][n_ff]
    Buffer<float> gate_shared_, up_shared_; // [n][n_ff_shared]
    ActSet act_a_, act_b_;
    std::vector<MatJob> jobs_;
    std::vector<Scratch> scratch_; // [n_threads]
    uint64_t scratch_tokens_ = 0;  // longest session there is scratch for
    Buffer<float> logits_;         // [rows][n_vocab]
    size_t n_logit_rows_ = 0;
};

} // namespace ds4
