// The op interface the graph is written against. Made for a GPU: ops enqueue and return nothing, choices of the router and
// the indexer stay in backend memory, the batch's metadata is one struct handed over once, and only logits() and sample()
// wait. The CPU implements it trivially.
#pragma once

#include "ds4x.h"
#include "gguf/gguf.h"
#include "kv/layout.h"
#include "model/config.h"
#include "quant/types.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace ds4 {

// A matrix in backend memory: n_mat matrices of [n_out][n_in], row-major, applied as y = W x.
struct Matrix {
    GgmlType type = GgmlType::F32;
    int64_t n_in = 0;
    int64_t n_out = 0;
    int64_t n_mat = 1;             // experts
    const uint8_t *data = nullptr; // backend pointer
    size_t row_bytes = 0;          // of the file's layout
    size_t mat_bytes = 0;          // from one matrix to the next
    bool repacked = false;         // in a layout of the backend's own
    explicit operator bool() const noexcept { return data != nullptr; }
    const uint8_t *mat(int64_t index) const noexcept { return data + size_t(index) * mat_bytes; }
};
// What a matrix is for: multiplied with activations as its type wants them, multiplied with activations that are never
// quantised (hyper-connections, router), or rows looked up (embedding).
enum class Use { product, f32_product, lookup };
// A small f32 tensor in backend memory (norms, biases, sinks, positional biases).
struct Vector {
    const float *data = nullptr;
    int64_t n = 0;
    explicit operator bool() const noexcept { return data != nullptr; }
};

// Weights of one hyper-connection: n_mix rows over all streams, and the head's with n_stream rows.
struct HyperWeights {
    Matrix fn;    // [n_mix][n_stream * n_embd]
    Vector base;  // [n_mix]
    Vector scale; // [3] pre, post, comb; the head has [1]
};
struct CompressorWeights {
    Matrix kv;   // [lanes * dim][n_embd]
    Matrix gate; // [lanes * dim][n_embd]
    Vector ape;  // [ratio][lanes * dim]
    Vector norm; // [dim]
};
struct LayerWeights {
    HyperWeights hyper_attn, hyper_ffn;
    Vector attn_norm, ffn_norm;            // [n_embd]
    Matrix q_a;                            // [q_rank][n_embd]
    Vector q_a_norm;                       // [q_rank]
    Matrix q_b;                            // [n_head * head_dim][q_rank]
    Matrix kv;                             // [head_dim][n_embd]
    Vector kv_norm;                        // [head_dim]
    Vector sinks;                          // [n_head]
    Matrix out_a;                          // n_group x [o_rank][n_head / n_group * head_dim]
    Matrix out_b;                          // [n_embd][n_group * o_rank]
    CompressorWeights comp;                // CSA, HCA
    Matrix idx_q;                          // CSA: [idx_head * idx_dim][q_rank]
    Matrix idx_proj;                       // CSA: [idx_head][n_embd]
    CompressorWeights idx_comp;            // CSA
    Matrix router;                         // [n_expert][n_embd]
    Vector router_bias;                    // [n_expert]; null on hash-routed layers
    const int32_t *hash_experts = nullptr; // [n_vocab][n_expert_used] backend memory, hash-routed layers
    Matrix gate_exps, up_exps;             // n_expert x [n_ff][n_embd]
    Matrix down_exps;                      // n_expert x [n_embd][n_ff]
    Matrix gate_shared, up_shared;         // [n_ff_shared][n_embd]
    Matrix down_shared;                    // [n_embd][n_ff_shared]
};
struct Weights {
    Matrix embed;            // [n_vocab][n_embd]
    Matrix output;           // [n_vocab][n_embd]
    Vector output_norm;      // [n_embd]
    HyperWeights hyper_head; // fn [n_stream][n_stream * n_embd]
    std::vector<LayerWeights> layers;
};

// One span's part of a batch, as the ops see it. Pointers are backend pointers.
struct BatchSpan {
    int32_t first = 0; // its first token in the batch
    int32_t n_tokens = 0;
    int64_t pos = 0;                 // position of its first token; everything before is in state and pages
    uint8_t *state = nullptr;        // private state, read and written
    uint8_t *const *pages = nullptr; // page table: page p holds tokens p * page_tokens ...
};

// What one forward piece computes. Fixed maxima: n_batch tokens, as many spans and wanted rows.
struct Batch {
    int32_t n_tokens = 0;
    int32_t n_spans = 0;
    int32_t n_wanted = 0;
    const int32_t *tokens = nullptr;  // [n_tokens] ids
    const int32_t *span_of = nullptr; // [n_tokens] index into spans
    const BatchSpan *spans = nullptr; // [n_spans]
    const int32_t *wanted = nullptr;  // [n_wanted] batch indices whose logits are kept
    const int32_t *rows = nullptr;    // [n_wanted] the logits row of each
};

enum class Sub { attn, ffn };

struct BackendOptions {
    int32_t n_threads = 0;
    bool exact = false;
    bool kv_simulation = false;
    int32_t isa = DS4X_ISA_AUTO;
    uint32_t n_batch = 512;
    bool repack = false; // weights may be copied into a layout of the backend's own
};

// What a device's kernels of one name took while profiling.
struct BackendKernelTime {
    const char *name = "";
    uint64_t calls = 0, ns = 0;
};

class Backend {
public:
    virtual ~Backend() = default;

    virtual int32_t kind() const noexcept = 0; // ds4x_backend
    virtual int32_t isa() const noexcept { return 0; }
    virtual int32_t n_threads() const noexcept { return 0; }
    virtual uint64_t copied_bytes() const noexcept = 0; // weights copied or repacked
    virtual uint64_t workspace_bytes() const noexcept = 0;
    // Of a device: what it would be once a session has n_ctx tokens. After ready().
    virtual uint64_t workspace_for(uint64_t) const noexcept { return 0; }
    virtual uint64_t weights_read() const noexcept = 0; // bytes of weights that the ops have read so far

    // Binds a tensor: the CPU returns the mapped pointer, a GPU copies and repacks. Throws Error(UNSUPPORTED) naming the
    // tensor when its type can not be computed with, Error(MEMORY).
    virtual Matrix upload(const TensorInfo &tensor, int64_t n_in, int64_t n_out, int64_t n_mat, Use use) = 0;
    virtual Vector upload_f32(const TensorInfo &tensor) = 0; // converted to f32
    virtual const int32_t *upload_i32(const TensorInfo &tensor) = 0;
    // All weights are bound: allocate the workspace.
    virtual void ready(const Config &config, const KvLayout &kv, const Weights &weights) = 0;

    // KV memory. A block is 64-byte aligned and not initialised; alloc returns nullptr when there is no memory.
    virtual uint8_t *kv_alloc(size_t bytes) noexcept = 0;
    virtual void kv_free(uint8_t *block, size_t bytes) noexcept = 0;
    virtual void kv_copy(uint8_t *dst, const uint8_t *src, size_t bytes) = 0;
    virtual void kv_read(void *host, const uint8_t *src, size_t bytes) = 0;
    virtual void kv_write(uint8_t *dst, const void *host, size_t bytes) = 0;
    // The same memory as the host reads and writes it; nullptr where it can not.
    virtual uint8_t *kv_host(uint8_t *) noexcept { return nullptr; }

    // The forward pass of one batch, in this order; hyper() spans the sub-layer boundary: it folds the previous block's
    // output into the streams with the previous post and comb, and leaves the next block's normed input.
    virtual void begin(const Batch &batch) = 0;
    virtual void embed() = 0;
    virtual void hyper(uint32_t layer, Sub sub) = 0;
    virtual void project(uint32_t layer) = 0;  // q, kv, compressor and indexer rows of every token
    virtual void compress(uint32_t layer) = 0; // pushes the compressors, closes rows
    virtual void attend(uint32_t layer) = 0;   // picks rows, attends, stores the raw rows, projects out
    virtual void experts(uint32_t layer) = 0;
    virtual void head() = 0;   // logits of the wanted tokens
    virtual void finish() = 0; // waits; throws Error(BACKEND) when the device failed

    // Rows of logits left by the forwards since reserve_rows; valid until the next reserve_rows.
    virtual void reserve_rows(uint32_t n_rows) = 0;
    virtual const float *logits(uint32_t row) = 0; // host memory

    // For tests: the compressed rows that token `token` of the last batch picked in the last layer with an indexer.
    // Writes up to cap of them; how many there are.
    virtual size_t selection(int32_t, int32_t *, size_t) { return 0; }
    // For measuring: waits until all ops so far are done; times every kernel by name.
    virtual void wait() {}
    virtual void profile(bool) {}
    virtual size_t kernel_times(BackendKernelTime *, size_t) { return 0; } // writes up to cap; how many there are
};

// backend/cpu. Throws Error(UNSUPPORTED | MEMORY).
std::unique_ptr<Backend> make_cpu_backend(const BackendOptions &options);
// Bytes that its workspace takes for this model once a session has n_ctx tokens, without making one; logits apart.
// k_types: some matrix is multiplied with activations in blocks of 256.
uint64_t cpu_workspace_bytes(const Config &config, const KvLayout &kv, const BackendOptions &options, uint64_t n_ctx,
                             bool k_types);
bool cpu_is_k_type(int32_t type, const BackendOptions &options) noexcept;
// Bytes that it copies for a tensor of this type and shape when it is uploaded.
uint64_t cpu_copied_bytes(const TensorInfo &tensor, int64_t n_in, int64_t n_out, int64_t n_mat, Use use,
                          const BackendOptions &options);

} // namespace ds4
