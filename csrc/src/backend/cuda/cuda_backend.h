// The CUDA backend: one device, one stream, one workspace, the ops of backend.h as kernels enqueued in their order.
//
// Nothing waits inside a token but finish(). Sums have one order that shapes decide: the same batch gives the same bits.
// With `exact` one product kernel serves every batch size, so a token's logits do not depend on the batch at all.
#pragma once

#include "backend/backend.h"
#include "backend/cuda/device.h"
#include "backend/cuda/kernels.h"
#include "backend/cuda/plugin.h"
#include "backend/cuda/weights.h"

#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace ds4 {
namespace cuda {

class CudaBackend final : public Backend {
public:
    CudaBackend(const BackendOptions &options, int32_t device, uint64_t weight_bytes, TensorReader reader);
    ~CudaBackend() override;

    // Memory of its workspace once a session has n_ctx tokens, without making one.
    static uint64_t plan_bytes(const Config &config, const KvLayout &kv, const BackendOptions &options, uint64_t n_ctx);

    int32_t device_index() const noexcept { return device_.index(); }
    int32_t kind() const noexcept override { return DS4X_BACKEND_CUDA; }
    uint64_t copied_bytes() const noexcept override { return weights_used_; }
    uint64_t workspace_bytes() const noexcept override;
    uint64_t weights_read() const noexcept override { return weights_read_; }
    uint64_t workspace_for(uint64_t n_ctx) const noexcept override {
        return plan_bytes(*config_, *kv_, options_, n_ctx);
    }

    Matrix upload(const TensorInfo &tensor, int64_t n_in, int64_t n_out, int64_t n_mat, Use use) override;
    Vector upload_f32(const TensorInfo &tensor) override;
    const int32_t *upload_i32(const TensorInfo &tensor) override;
    void ready(const Config &config, const KvLayout &kv, const Weights &weights) override;

    uint8_t *kv_alloc(size_t bytes) noexcept override { return device_.allocate_block(bytes); }
    void kv_free(uint8_t *block, size_t) noexcept override { device_.release_block(block); }
    void kv_copy(uint8_t *dst, const uint8_t *src, size_t bytes) override;
    void kv_read(void *host, const uint8_t *src, size_t bytes) override;
    void kv_write(uint8_t *dst, const void *host, size_t bytes) override;

    void begin(const Batch &batch) override;
    void embed() override;
    void hyper(uint32_t layer, Sub sub) override;
    void project(uint32_t layer) override;
    void compress(uint32_t layer) override;
    void attend(uint32_t layer) override;
    void experts(uint32_t layer) override;
    void head() override;
    void finish() override;

    void reserve_rows(uint32_t n_rows) override;
    const float *logits(uint32_t row) override;

    size_t selection(int32_t token, int32_t *out, size_t cap) override;
    void wait() override { device_.wait(); }
    void profile(bool enable) override { device_.profile(enable); }
    size_t kernel_times(BackendKernelTime *out, size_t cap) override;

private:
    // The compressed rows that this batch closes, for the layers of one ratio.
    struct Closings {
        uint32_t ratio = 0;
        int32_t n = 0;
        const Closing *list = nullptr; // device
    };

    // Calls add(member, elements) for every buffer whose size the model and n_batch decide.
    template <typename Add> static void plan(const Config &config, int64_t n_batch, Add &&add);
    uint8_t *place(uint64_t bytes);
    void upload_metadata(const Batch &batch);
    const Closings &closings(uint32_t ratio) const;

    Product dense(const Matrix &m, const float *x, int64_t n_in, float *y, int32_t n_rows) const;
    void multiply(const Product &p, bool exact);
    void multiply(const Matrix &m, const float *x, float *y, int32_t n_rows) {
        multiply(dense(m, x, m.n_in, y, n_rows), options_.exact);
    }
    void run_hyper(const HyperWeights &h, const float *norm, int32_t n_mix, const int32_t *rows, int32_t n_rows);
    const float *rope_table(uint32_t layer) const;
    bool prunes(uint32_t layer) const;
    void close(uint32_t layer, bool index);
    void store(const float *rows, size_t offset, int32_t width, int32_t n_slots, bool f16);
    void select(uint32_t layer);
    void copy_rows(int32_t first, int32_t n);

    const BackendOptions options_;
    Device device_;
    TensorReader reader_;
    std::unique_ptr<WeightLoader> loader_;                             // until ready()
    std::map<std::pair<const uint8_t *, uint64_t>, uint8_t *> placed_; // tensors that share their bytes are loaded once
    std::vector<std::vector<float>> converted_;                        // host copies on their way, until ready()
    const Config *config_ = nullptr;
    const KvLayout *kv_ = nullptr;
    const Weights *weights_ = nullptr;
    Buffer<uint8_t> weight_memory_;
    uint64_t weights_used_ = 0, weights_read_ = 0;
    Buffer<uint64_t> codebook_; // IQ2_XXS: 256 entries of eight magnitudes
    Buffer<float> freq_;        // [2][n_rot / 2]

    Batch host_; // the batch in host memory, valid until finish()
    DeviceBatch batch_;
    std::vector<Closings> closings_;
    int64_t longest_ = 0;      // tokens of the longest session, this batch included
    int32_t longest_span_ = 0; // tokens
    bool has_out_ = false;     // out_ holds a block's output not yet merged into the streams
    Pinned staging_;           // the metadata on its way
    Buffer<uint8_t> metadata_;
    cudaEvent_t uploaded_ = nullptr;

    Buffer<float> streams_;                 // [n][n_stream][n_embd]
    Buffer<float> out_;                     // [n][n_embd]
    Buffer<float> x_;                       // [n][n_embd]
    Buffer<float> partial_;                 // [n][n_blocks][n_mix + 1]
    Buffer<float> post_, comb_;             // [n][n_stream], [n][n_stream^2]
    Buffer<float> rope_;                    // [2][n][n_rot]
    Buffer<float> q_latent_;                // [n][q_rank]
    Buffer<float> q_;                       // [n][n_head * head_dim] queries, then attention output
    Buffer<float> kv_row_;                  // [n][head_dim]
    Buffer<float> comp_kv_, comp_score_;    // [n][2 * head_dim]
    Buffer<float> index_kv_, index_score_;  // [n][2 * idx_dim]
    Buffer<float> index_q_, index_alpha_;   // [n][idx_head * idx_dim], [n][idx_head]
    Buffer<float> scores_;                  // indexer scores of as many tokens as fit
    Buffer<int32_t> selected_, n_selected_; // [n][idx_top_k], [n]
    Buffer<float> group_out_;               // [n][n_group * o_rank]
    Buffer<float> router_;                  // [n][n_expert]
    Buffer<int32_t> expert_;                // [n][n_used]
    Buffer<float> expert_weight_;           // [n][n_used]
    Buffer<int32_t> expert_first_, expert_next_, order_, n_tiles_;
    Buffer<Tile> tiles_;
    Buffer<float> gate_, up_;               // [n * n_used][n_ff]
    Buffer<float> gate_shared_, up_shared_; // [n][n_ff_shared]
    Buffer<float> part_, shared_out_;       // [n * n_used][n_embd], [n][n_embd]
    Buffer<float> logits_;                  // [logit_slice][n_vocab]
    Pinned pinned_rows_;                    // [rows][n_vocab]: few rows
    std::vector<float> plain_rows_;         // many
    float *rows_ = nullptr;
    uint32_t n_row_room_ = 0;
};

} // namespace cuda
} // namespace ds4
