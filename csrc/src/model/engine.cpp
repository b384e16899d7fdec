// Opening a model, its memory, and its lifetime. The forward pass is in forward.cpp.
#include "model/engine.h"

#include "backend/cuda_loader.h"
#include "session/checkpoint.h"

#include <algorithm>
#include <cstring>
#include <thread>

#if defined(__linux__)
#  include <sched.h>
#endif
#if !defined(_WIN32)
#  include <unistd.h>
#else
#  include <process.h>
#  define getpid _getpid
#endif

namespace ds4 {
namespace {

// Opening a file copies no more weights than this unless the caller allows it.
constexpr uint64_t copy_unasked = 64u << 20;
// Automatic checkpoints lie at least this many tokens apart on a long way, and get this many states' bytes, but no less
// than this, unless the caller says otherwise.
constexpr uint32_t checkpoint_tokens = 2048;
constexpr uint64_t checkpoint_states = 16, checkpoint_bytes_least = 64u << 20;

int32_t usable_processors() {
#if defined(__linux__)
    cpu_set_t set; // what this process may run on, not what the machine has
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
#endif
    const unsigned n = std::thread::hardware_concurrency();
    return n ? int32_t(n) : 1;
}

// The KV activation simulation is defined on blocks of 64 unrotated channels and on indexer rows of a power of two.
void check_simulation(const Config &c) {
    if ((c.head_dim - c.n_rot) % 64)
        fail(DS4X_ERR_UNSUPPORTED, "kv_simulation needs a multiple of 64 unrotated channels, the model has %u",
             c.head_dim - c.n_rot);
    if (c.idx_dim && (c.idx_dim % 32 || (c.idx_dim & (c.idx_dim - 1))))
        fail(DS4X_ERR_UNSUPPORTED,
             "kv_simulation needs an indexer width that is a power of two from 32, the model has %u", c.idx_dim);
}

} // namespace

std::shared_ptr<Engine> Engine::open(const EngineOptions &given) {
    std::shared_ptr<Engine> e(new Engine);
    try {
        e->load(given);
    } catch (const Error &error) {
        // Every message about a file names it.
        if (!e->file_ || std::strstr(error.what(), given.model_path.c_str())) throw;
        throw Error(error.code(), given.model_path + ": " + error.what());
    }
    return e;
}

void Engine::load(const EngineOptions &given) {
    options_ = given;
    BackendOptions &bo = options_.backend_options;
    if (bo.n_threads < 0 || bo.n_threads > 1024)
        fail(DS4X_ERR_ARGUMENT, "n_threads is %d, expected 0 (one per processor) to 1024", bo.n_threads);
    if (bo.n_batch > 65536) fail(DS4X_ERR_ARGUMENT, "n_batch is %u, expected 0 (512) to 65536", bo.n_batch);
    if (bo.n_threads == 0) bo.n_threads = usable_processors();
    if (bo.n_batch == 0) bo.n_batch = 512;
    if (given.kv_dtype < DS4X_KV_AUTO || given.kv_dtype > DS4X_KV_F16)
        fail(DS4X_ERR_ARGUMENT, "kv_dtype is %d, expected a ds4x_kv_dtype", given.kv_dtype);
    if (bo.exact && given.kv_dtype == DS4X_KV_F16)
        fail(DS4X_ERR_ARGUMENT, "exact keeps KV rows in f32: kv_dtype F16 contradicts it");
    if (given.backend == DS4X_BACKEND_METAL)
        fail(DS4X_ERR_BACKEND, "backend metal is not in this build of libds4: use cpu, cuda or auto");
    if (given.backend < DS4X_BACKEND_AUTO || given.backend > DS4X_BACKEND_CUDA)
        fail(DS4X_ERR_ARGUMENT, "backend is %d, expected a ds4x_backend", given.backend);
    const bool f16 = given.kv_dtype == DS4X_KV_F16 || (given.kv_dtype == DS4X_KV_AUTO && !bo.exact);

    process_id_ = getpid();
    file_ = GgufFile::open(given.model_path, given.vocab_only ? GgufFile::Mode::header_only : GgufFile::Mode::full);
    config_ = Config::from_gguf(*file_);
    tokenizer_ = Tokenizer::from_gguf(*file_, config_.n_vocab);
    layout_ = KvLayout::make(config_, f16);
    checkpoint_interval_ = (checkpoint_tokens + layout_.page_tokens - 1) / layout_.page_tokens * layout_.page_tokens;
    if (options_.checkpoint_bytes_max == 0)
        options_.checkpoint_bytes_max = std::max(checkpoint_states * layout_.state_bytes, checkpoint_bytes_least);
    if (bo.kv_simulation) check_simulation(config_);
    // A vocabulary may come without tensors; when they are described, their sizes are reported.
    if (file_->tensor_count() || !given.vocab_only) {
        BackendOptions repacking = bo;
        repacking.repack = true;
        facts_ = check_weights(*file_, config_, repacking);
        // A small model is repacked unasked.
        bo.repack = bo.repack || facts_.copied_bytes <= copy_unasked;
        if (!bo.repack) facts_ = check_weights(*file_, config_, bo);
    }
    if (given.vocab_only) return;
    make_backend(given.backend);
    pool_ = std::make_unique<KvPool>(*backend_, layout_, given.kv_bytes_max, options_.checkpoint_bytes_max);
    prepare_batches();
    log(DS4X_LOG_INFO, format("opened %s: %u layers, %.1f MiB of weights, backend %s", given.model_path.c_str(),
                              config_.n_layer, double(facts_.weight_bytes) / 1048576.0, backend_reason_.c_str()));
}

// Opens the weights on the backend that was asked for, or the best that works here.
void Engine::make_backend(int32_t wanted) {
    const BackendOptions &bo = options_.backend_options;
    const auto open = [&](std::unique_ptr<Backend> backend) {
        weights_ = bind_weights(*file_, config_, *backend);
        backend->ready(config_, layout_, weights_);
        backend_ = std::move(backend);
    };
    std::string why_cpu = "asked for";
    if (wanted != DS4X_BACKEND_CPU) {
        CudaChoice cuda = find_cuda();
        check_cuda(cuda, config_, layout_, bo, facts_.cuda_bytes, facts_.cuda_obstacle);
        try {
            if (!cuda.usable()) throw Error(ds4x_status(cuda.status), "backend cuda can not be used: " + cuda.reason);
            open(make_cuda_backend(cuda, bo, *file_, facts_.cuda_bytes));
            device_name_ = cuda.reason;
            backend_reason_ = "cuda: " + cuda.reason;
            return;
        } catch (const Error &e) {
            // With "auto" the CPU serves instead; a file that can not be read would fail there too.
            if (wanted == DS4X_BACKEND_CUDA || e.code() == DS4X_ERR_IO || e.code() == DS4X_ERR_MODEL) throw;
            why_cpu = cuda.usable() ? e.what() : cuda.reason;
        }
    }
    open(make_cpu_backend(bo));
    backend_reason_ = "cpu: " + why_cpu;
}

Engine::~Engine() {
    pool_.reset(); // before the backend that owns its memory
}

const Tokenizer &Engine::tokenizer() const {
    if (!tokenizer_)
        fail(DS4X_ERR_NO_VOCAB, "%s has no vocabulary (tokenizer.ggml.tokens): use token ids", file_->path().c_str());
    return *tokenizer_;
}

KvPool &Engine::pool() {
    if (!pool_) fail(DS4X_ERR_STATE, "%s was opened without weights (vocab_only)", file_->path().c_str());
    return *pool_;
}

bool Engine::foreign_process() const noexcept { return process_id_ != getpid(); }

void Engine::check_usable(bool weights) const {
    if (foreign_process())
        fail(DS4X_ERR_FORKED, "the engine was opened in process %lld; open one in this process",
             (long long)process_id_);
    if (closed_) fail(DS4X_ERR_STATE, "the engine is closed");
    if (weights && !backend_) fail(DS4X_ERR_STATE, "%s was opened without weights (vocab_only)", file_->path().c_str());
}

std::unique_lock<std::mutex> Engine::lock(bool weights) {
    check_usable(weights);
    return std::unique_lock<std::mutex>(mutex_);
}

void Engine::log(int32_t level, const std::string &message) const {
    if (options_.log) options_.log(options_.log_user, level, message.c_str());
}

const float *Engine::logits(uint32_t row) {
    const uint32_t n = n_rows_;
    if (row >= n) fail(DS4X_ERR_STATE, "no logits row %u: the last forward left %u", row, n);
    if (!row_filled_[row]) fail(DS4X_ERR_STATE, "logits row %u belongs to a span that failed", row);
    return backend_->logits(row);
}

ds4x_memory Engine::memory_estimate(uint64_t n_ctx, uint32_t n_sessions) const {
    ds4x_memory m{};
    const bool device = backend_ && backend_->kind() != DS4X_BACKEND_CPU; // weights are copied there, not mapped
    m.weights_mapped = device ? 0 : facts_.weight_bytes;
    m.weights_copied = device ? backend_->copied_bytes() : facts_.copied_bytes;
    const uint64_t rows = std::max<uint32_t>(1, n_sessions) + uint64_t(1); // and one that sessions use themselves
    m.workspace = rows * config_.n_vocab * sizeof(float) +
                  (device ? backend_->workspace_for(n_ctx)
                          : cpu_workspace_bytes(config_, layout_, options_.backend_options, n_ctx, facts_.k_types));
    // A long span holds a second state while it runs.
    m.session_state = (uint64_t(n_sessions) + 1) * layout_.state_bytes;
    m.kv_pages = uint64_t(n_sessions) * layout_.pages_for(n_ctx) * layout_.page_bytes;
    // One prompt each: checkpoints on the way and at its end.
    const auto packed = [&](uint64_t pos) {
        return live_bytes(live_pieces(config_, layout_, uint32_t(pos), Checkpoint::back_max(layout_, uint32_t(pos))));
    };
    uint64_t marks = n_ctx % checkpoint_interval_ ? packed(n_ctx) : 0;
    if (const uint64_t n = n_ctx / checkpoint_interval_) {
        // At multiples of the interval, which is one of every ratio, no block is open: they are alike from here on.
        const uint64_t one = packed(checkpoint_interval_);
        marks += n * one;
    }
    m.checkpoints = std::min(n_sessions * marks, options_.checkpoint_bytes_max);
    m.total = m.weights_mapped + m.weights_copied + m.workspace + m.session_state + m.kv_pages + m.checkpoints;
    return m;
}

ds4x_memory Engine::memory_used() const {
    ds4x_memory m{};
    if (!backend_) return m;
    m.weights_mapped = backend_->kind() == DS4X_BACKEND_CPU ? facts_.weight_bytes : 0;
    m.weights_copied = backend_->copied_bytes();
    m.workspace = backend_->workspace_bytes();
    m.session_state = pool_->state_bytes_used();
    m.kv_pages = pool_->page_bytes_used();
    m.checkpoints = pool_->checkpoint_bytes_used();
    m.total = m.weights_mapped + m.weights_copied + m.workspace + m.session_state + m.kv_pages + m.checkpoints;
    return m;
}

void Engine::profile(bool enable) {
    if (backend_) backend_->profile(enable);
    profiling_ = enable;
    if (enable) op_times_ = {};
}

} // namespace ds4
