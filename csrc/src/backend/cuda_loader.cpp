// Finds libds4_cuda beside libds4, and nowhere else; what it throws is caught on its side and thrown anew on ours.
#include "backend/cuda_loader.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <mutex>
#include <type_traits>

#if !defined(_WIN32)
#  include <dlfcn.h>
#  include <unistd.h>
#endif

namespace ds4 {
namespace {

// Memory that stays free on the device: the driver's own, and what others take meanwhile.
constexpr uint64_t device_reserve = 256u << 20;

#if defined(_WIN32) || defined(__APPLE__)

const CudaPlugin *load_plugin(std::string &why_not) {
    why_not = "there is no CUDA backend for this system";
    return nullptr;
}

#else

// The folder of the file that this code lies in: libds4, or a program that links its objects.
std::string own_folder() {
    Dl_info info;
    if (!dladdr(reinterpret_cast<const void *>(&find_cuda), &info) || !info.dli_fname) return {};
    char *real = realpath(info.dli_fname, nullptr);
    if (!real) return {};
    std::string path = real;
    std::free(real);
    return path.substr(0, path.rfind('/'));
}

// Whether its standard library lays vectors out as ours does: it reads some of ours.
bool reads_our_vectors(const CudaPlugin &plugin) {
    Config config;
    config.layers.resize(3);
    config.layers[2].ratio = 128;
    config.freq_sliding = {0.5f, 0.25f};
    return plugin.layers_seen(config, 128, 0.25f) == 3;
}

const CudaPlugin *load_plugin(std::string &why_not) {
    const std::string folder = own_folder();
    if (folder.empty()) {
        why_not = "the folder of libds4 is not known";
        return nullptr;
    }
    const std::string path = folder + "/libds4_cuda.so";
    if (access(path.c_str(), F_OK) != 0) {
        why_not = "libds4 was installed without its CUDA backend (no libds4_cuda beside it)";
        return nullptr;
    }
    void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL); // for the life of the process
    if (!library) {
        const char *message = dlerror();
        why_not = std::string("libds4_cuda can not be loaded: ") + (message ? message : "no reason given");
        return nullptr;
    }
    const auto entry = reinterpret_cast<const CudaPlugin *(*)()>(dlsym(library, cuda_plugin_symbol));
    const CudaPlugin *plugin = entry ? entry() : nullptr;
    if (!plugin || plugin->version != cuda_plugin_version || plugin->fingerprint != cuda_struct_fingerprint() ||
        std::strcmp(plugin->release, DS4_VERSION) != 0 || !reads_our_vectors(*plugin)) {
        why_not = "libds4_cuda is of another build than libds4: install both together";
        return nullptr;
    }
    return plugin;
}

#endif

double gib(uint64_t bytes) { return double(bytes) / double(1u << 30); }

// A backend of the other library. Every call that may throw goes through its guard.
class CudaProxy final : public Backend {
public:
    CudaProxy(const CudaPlugin &plugin, std::unique_ptr<Backend> inner) : plugin_(plugin), inner_(std::move(inner)) {}

    int32_t kind() const noexcept override { return inner_->kind(); }
    uint64_t copied_bytes() const noexcept override { return inner_->copied_bytes(); }
    uint64_t workspace_bytes() const noexcept override { return inner_->workspace_bytes(); }
    uint64_t weights_read() const noexcept override { return inner_->weights_read(); }
    uint64_t workspace_for(uint64_t n_ctx) const noexcept override { return inner_->workspace_for(n_ctx); }

    Matrix upload(const TensorInfo &tensor, int64_t n_in, int64_t n_out, int64_t n_mat, Use use) override {
        return call([&](Backend &b) { return b.upload(tensor, n_in, n_out, n_mat, use); });
    }
    Vector upload_f32(const TensorInfo &tensor) override {
        return call([&](Backend &b) { return b.upload_f32(tensor); });
    }
    const int32_t *upload_i32(const TensorInfo &tensor) override {
        return call([&](Backend &b) { return b.upload_i32(tensor); });
    }
    void ready(const Config &config, const KvLayout &kv, const Weights &weights) override {
        run([&](Backend &b) { b.ready(config, kv, weights); });
    }

    uint8_t *kv_alloc(size_t bytes) noexcept override { return inner_->kv_alloc(bytes); }
    void kv_free(uint8_t *block, size_t bytes) noexcept override { inner_->kv_free(block, bytes); }
    void kv_copy(uint8_t *dst, const uint8_t *src, size_t bytes) override {
        run([&](Backend &b) { b.kv_copy(dst, src, bytes); });
    }
    void kv_read(void *host, const uint8_t *src, size_t bytes) override {
        run([&](Backend &b) { b.kv_read(host, src, bytes); });
    }
    void kv_write(uint8_t *dst, const void *host, size_t bytes) override {
        run([&](Backend &b) { b.kv_write(dst, host, bytes); });
    }

    void begin(const Batch &batch) override {
        run([&](Backend &b) { b.begin(batch); });
    }
    void embed() override {
        run([](Backend &b) { b.embed(); });
    }
    void hyper(uint32_t layer, Sub sub) override {
        run([&](Backend &b) { b.hyper(layer, sub); });
    }
    void project(uint32_t layer) override {
        run([&](Backend &b) { b.project(layer); });
    }
    void compress(uint32_t layer) override {
        run([&](Backend &b) { b.compress(layer); });
    }
    void attend(uint32_t layer) override {
        run([&](Backend &b) { b.attend(layer); });
    }
    void experts(uint32_t layer) override {
        run([&](Backend &b) { b.experts(layer); });
    }
    void head() override {
        run([](Backend &b) { b.head(); });
    }
    void finish() override {
        run([](Backend &b) { b.finish(); });
    }

    void reserve_rows(uint32_t n_rows) override {
        run([&](Backend &b) { b.reserve_rows(n_rows); });
    }
    const float *logits(uint32_t row) override {
        return call([&](Backend &b) { return b.logits(row); });
    }

    size_t selection(int32_t token, int32_t *out, size_t cap) override {
        return call([&](Backend &b) { return b.selection(token, out, cap); });
    }
    void wait() override {
        run([](Backend &b) { b.wait(); });
    }
    void profile(bool enable) override {
        run([&](Backend &b) { b.profile(enable); });
    }
    size_t kernel_times(BackendKernelTime *out, size_t cap) override {
        return call([&](Backend &b) { return b.kernel_times(out, cap); });
    }

private:
    template <typename F> void run(F &&f) {
        struct Call {
            F &f;
            Backend &inner;
        } call{f, *inner_};
        ds4x_error err;
        const auto body = [](void *arg) {
            Call &c = *static_cast<Call *>(arg);
            c.f(c.inner);
        };
        if (const int32_t status = plugin_.guard(inner_.get(), body, &call, &err))
            throw Error(ds4x_status(status), err.message);
    }
    template <typename F> std::invoke_result_t<F, Backend &> call(F &&f) {
        std::invoke_result_t<F, Backend &> out{};
        run([&](Backend &b) { out = f(b); });
        return out;
    }

    const CudaPlugin &plugin_;
    std::unique_ptr<Backend> inner_;
};

// On the other library's threads: nothing may be thrown there.
int32_t read_tensor(void *user, const TensorInfo &tensor, uint64_t offset, void *out, size_t n, ds4x_error *err) {
    try {
        static_cast<const GgufFile *>(user)->read(tensor, offset, out, n);
        return DS4X_OK;
    } catch (const Error &e) {
        std::snprintf(err->message, sizeof err->message, "%s", e.what());
        return e.code();
    } catch (...) {
        std::snprintf(err->message, sizeof err->message, "out of memory");
        return DS4X_ERR_MEMORY;
    }
}

} // namespace

CudaChoice find_cuda() {
    static std::mutex mutex;
    static const CudaPlugin *plugin = nullptr; // once it is there, it stays
    CudaChoice out;
    {
        const std::lock_guard<std::mutex> lock(mutex);
        if (!plugin) plugin = load_plugin(out.reason);
        out.plugin = plugin;
    }
    out.status = DS4X_ERR_BACKEND;
    if (!out.plugin) return out;
    out.plugin->probe(&out.probe);
    out.status = out.probe.status;
    out.reason = out.usable() ? out.probe.device : out.probe.message;
    return out;
}

void check_cuda(CudaChoice &choice, const Config &config, const KvLayout &kv, const BackendOptions &options,
                uint64_t weight_bytes, const std::string &obstacle) {
    if (!choice.usable()) return;
    const auto refuse = [&](int32_t status, const std::string &reason) {
        choice.status = status;
        choice.reason = reason;
    };
    if (!obstacle.empty())
        return refuse(DS4X_ERR_UNSUPPORTED, obstacle + ", which the CUDA backend does not compute with");
    if (options.isa != DS4X_ISA_AUTO)
        return refuse(DS4X_ERR_ARGUMENT, "an instruction set was asked for, which is the CPU's");
    if (options.n_batch > cuda_max_batch)
        return refuse(DS4X_ERR_ARGUMENT, format("n_batch is %u, the CUDA backend computes at most %u tokens at once",
                                                options.n_batch, cuda_max_batch));
    const uint64_t workspace = choice.plugin->workspace_bytes(config, kv, options, kv.page_tokens);
    const uint64_t session = 2 * kv.state_bytes + kv.page_bytes;
    if (weight_bytes + workspace + session + device_reserve > choice.probe.free_bytes)
        refuse(
            DS4X_ERR_MEMORY,
            format("%s has too little memory: %.2f GiB for weights, %.2f GiB of workspace and %.2f GiB for a session "
                   "are needed, %.2f of %.2f GiB are free",
                   choice.probe.device, gib(weight_bytes), gib(workspace), gib(session), gib(choice.probe.free_bytes),
                   gib(choice.probe.total_bytes)));
}

std::unique_ptr<Backend> make_cuda_backend(const CudaChoice &choice, const BackendOptions &options,
                                           const GgufFile &file, uint64_t weight_bytes) {
    Backend *inner = nullptr;
    ds4x_error err;
    const TensorReader reader{const_cast<GgufFile *>(&file), read_tensor};
    if (const int32_t status = choice.plugin->make(options, choice.probe.index, weight_bytes, reader, &inner, &err))
        throw Error(ds4x_status(status), err.message);
    return std::make_unique<CudaProxy>(*choice.plugin, std::unique_ptr<Backend>(inner));
}

bool cuda_computes_with(int32_t type) noexcept {
    return std::find(std::begin(cuda_types), std::end(cuda_types), GgmlType(type)) != std::end(cuda_types);
}

} // namespace ds4
