// A loaded model: file, vocabulary, configuration, weights on a backend, KV pool, and the one forward pass.
#pragma once

#include "kv/pool.h"
#include "model/fingerprint.h"
#include "model/weights.h"
#include "text/tokenizer.h"

#include <array>
#include <atomic>
#include <memory>
#include <mutex>

namespace ds4 {

class Session;

struct EngineOptions {
    std::string model_path;
    int32_t backend = DS4X_BACKEND_AUTO;
    int32_t kv_dtype = DS4X_KV_AUTO;
    bool vocab_only = false;
    uint64_t kv_bytes_max = 0;
    uint64_t checkpoint_bytes_max = 0; // of automatic checkpoints; 0: a default
    BackendOptions backend_options;
    ds4x_log_fn log = nullptr;
    void *log_user = nullptr;
};

// One span of a forward call.
struct ForwardSpan {
    Session *session = nullptr;
    const int32_t *tokens = nullptr;
    uint32_t n_tokens = 0;
    const uint32_t *wanted = nullptr; // ascending offsets into tokens
    uint32_t n_wanted = 0;
    const int32_t *cancel = nullptr;
    const int32_t *abandon = nullptr; // a second flag like cancel
    bool mark_end = false;            // a checkpoint is wanted at its end, whatever its length
    uint32_t first_row = 0;           // out
    uint32_t done = 0;                // tokens computed so far, in this call
    uint32_t piece = 0;               // of them in the last piece
    uint32_t wanted_done = 0;
    uint32_t pos = 0;         // the session's position before the call
    bool begun = false;       // the session holds what the span needs, to be committed or abandoned
    int32_t status = DS4X_OK; // out
    char message[512] = "";   // out, when status is not OK; fixed, so that reporting can not fail
};

// Wall clock per op, when profiling is on.
enum class Op : uint32_t { embed, hyper, project, compress, attend, experts, head, other, count };
struct OpTime {
    uint64_t calls = 0, ns = 0, bytes = 0;
};

class Engine {
public:
    // Throws Error; nothing is left behind.
    static std::shared_ptr<Engine> open(const EngineOptions &options);
    ~Engine();

    const EngineOptions &options() const noexcept { return options_; }
    const GgufFile &file() const noexcept { return *file_; }
    const Config &config() const noexcept { return config_; }
    const KvLayout &kv_layout() const noexcept { return layout_; }
    const Tokenizer &tokenizer() const; // throws Error(NO_VOCAB)
    bool has_tokenizer() const noexcept { return tokenizer_ != nullptr; }
    bool has_weights() const noexcept { return backend_ != nullptr; }
    Backend *backend() noexcept { return backend_.get(); }
    const Backend *backend() const noexcept { return backend_.get(); }
    const std::string &device_name() const noexcept { return device_name_; }       // empty: the CPU
    const std::string &backend_reason() const noexcept { return backend_reason_; } // which backend, and why
    const WeightFacts &facts() const noexcept { return facts_; }
    uint32_t n_batch() const noexcept { return options_.backend_options.n_batch; }
    const Fingerprint &fingerprint() { return fingerprint_.get(*file_, config_); } // computed at the first call
    KvPool &pool(); // throws Error(STATE) without weights

    ds4x_memory memory_estimate(uint64_t n_ctx, uint32_t n_sessions) const;
    ds4x_memory memory_used() const;

    // Throws when the engine is closed, belongs to another process, or has no weights when those are needed.
    void check_usable(bool weights) const;
    bool foreign_process() const noexcept; // after fork(), in the child: nothing may be touched, not even freed
    void close() noexcept { closed_ = true; }
    void log(int32_t level, const std::string &message) const;

    // Appends every span to its session. Per-span failures go to the spans; throws when the call itself can not be
    // carried out (then no session has changed).
    // keep: the rows of the last forward stay, and one row at most is wanted, which own_logits() answers.
    enum class Rows { replace, keep };
    void forward(ForwardSpan *spans, uint32_t n_spans, const int32_t *cancel, Rows rows = Rows::replace);
    // Serialises everything that computes or reads rows.
    std::mutex &mutex() noexcept { return mutex_; }
    // Its lock, after the checks that must work in a forked child, where a lock may be held forever.
    std::unique_lock<std::mutex> lock(bool weights = true);
    uint32_t n_rows() const noexcept { return n_rows_; }
    const float *logits(uint32_t row);                              // throws Error(STATE) when there is no such row
    const float *own_logits() { return backend_->logits(n_rows_); } // of the last forward that kept the rows
    // Sessions make a checkpoint of themselves where their position is a multiple of this.
    uint32_t checkpoint_interval() const noexcept { return checkpoint_interval_; }

    void profile(bool enable);
    const std::array<OpTime, size_t(Op::count)> &op_times() const noexcept { return op_times_; }
    uint64_t layers_computed() const noexcept { return layers_computed_; }

private:
    Engine() = default;
    void load(const EngineOptions &given);
    void make_backend(int32_t wanted);
    void prepare_batches();
    void check(ForwardSpan &span) const noexcept;
    void admit(ForwardSpan &span) noexcept;
    uint32_t next_piece(const ForwardSpan &span) const noexcept;
    void mark(ForwardSpan &span) noexcept;
    void run_piece(ForwardSpan *spans, uint32_t n_spans, const int32_t *cancel);
    bool all_cancelled(ForwardSpan *spans, uint32_t n_spans, const int32_t *cancel) const noexcept;
    void compute(ForwardSpan *spans, uint32_t n_spans, const int32_t *cancel) noexcept;
    void run_layers(ForwardSpan *spans, uint32_t n_spans, const int32_t *cancel, const Batch &batch);
    template <typename F> void timed(Op op, F &&run);

    EngineOptions options_;
    std::unique_ptr<GgufFile> file_;
    Config config_;
    std::unique_ptr<Tokenizer> tokenizer_;
    KvLayout layout_;
    uint32_t checkpoint_interval_ = 0;
    WeightFacts facts_;
    Weights weights_;
    std::unique_ptr<Backend> backend_;
    std::string device_name_, backend_reason_;
    std::unique_ptr<KvPool> pool_;
    FingerprintCache fingerprint_;
    int64_t process_id_ = 0;
    std::atomic<bool> closed_{false};
    std::mutex mutex_;
    std::atomic<uint32_t> n_rows_{0};
    std::vector<uint8_t> row_filled_; // [n_rows]: a failed span leaves its rows empty
    // The batch's metadata, kept between calls: a decode step makes no heap call.
    std::vector<int32_t> batch_tokens_, batch_span_of_, batch_wanted_, batch_rows_;
    std::vector<BatchSpan> batch_spans_;
    std::vector<uint8_t *> page_table_;
    std::atomic<uint64_t> layers_computed_{0};
    bool profiling_ = false;
    std::array<OpTime, size_t(Op::count)> op_times_{};
};

} // namespace ds4
