// The entry of libds4_cuda: the one symbol that leaves it.
#include "backend/cuda/plugin.h"

#include "backend/cuda/cuda_backend.h"

#include "api/guard.h"

namespace ds4 {
namespace cuda {
namespace {

// A kernel without work: whether there is code for a device is asked of it.
__global__ void nothing_kernel() {}

void answer(CudaProbe *out, int32_t status, const std::string &message) {
    out->status = status;
    std::snprintf(out->message, sizeof out->message, "%s", message.c_str());
}

std::string version_text(int version) { return format("%d.%d", version / 1000, version % 1000 / 10); }

// Why device i can not be used; empty: it can.
std::string try_device(int i, CudaProbe *out) {
    cudaDeviceProp prop;
    if (const cudaError_t e = cudaGetDeviceProperties(&prop, i))
        return format("device %d does not answer: %s", i, cudaGetErrorString(e));
    const std::string name = format("%s, compute capability %d.%d", prop.name, prop.major, prop.minor);
    const DeviceScope scope(i);
    cudaFuncAttributes attributes;
    const cudaError_t code = cudaFuncGetAttributes(&attributes, nothing_kernel);
    if (code == cudaErrorNoKernelImageForDevice || code == cudaErrorInvalidDeviceFunction ||
        code == cudaErrorUnsupportedPtxVersion)
        return format("device %d (%s): this libds4_cuda has code for %s only: build it with "
                      "-DDS4_CUDA_ARCHITECTURES=%d%d",
                      i, name.c_str(), DS4_CUDA_ARCHITECTURES, prop.major, prop.minor);
    if (code != cudaSuccess) return format("device %d (%s): %s", i, name.c_str(), cudaGetErrorString(code));
    int pools = 0;
    cudaDeviceGetAttribute(&pools, cudaDevAttrMemoryPoolsSupported, i);
    if (!pools) return format("device %d (%s) has no memory pools", i, name.c_str());
    size_t free = 0, total = 0;
    if (const cudaError_t e = cudaMemGetInfo(&free, &total))
        return format("device %d (%s): %s", i, name.c_str(), cudaGetErrorString(e));
    out->index = i;
    out->free_bytes = free;
    out->total_bytes = total;
    std::snprintf(out->device, sizeof out->device, "%s", name.c_str());
    return {};
}

void probe_devices(CudaProbe *out) {
    int n = 0;
    const cudaError_t e = cudaGetDeviceCount(&n);
    if (e == cudaErrorInsufficientDriver) {
        cudaGetLastError();
        int driver = 0, runtime = 0;
        cudaDriverGetVersion(&driver);
        cudaRuntimeGetVersion(&runtime);
        if (driver == 0) return answer(out, DS4X_ERR_BACKEND, "no CUDA driver is installed");
        return answer(out, DS4X_ERR_BACKEND,
                      format("the CUDA driver serves CUDA %s, this libds4_cuda needs %s: update the driver",
                             version_text(driver).c_str(), version_text(runtime).c_str()));
    }
    if (e == cudaErrorNoDevice || (e == cudaSuccess && n == 0)) {
        cudaGetLastError();
        return answer(out, DS4X_ERR_BACKEND, "no CUDA device is visible (see CUDA_VISIBLE_DEVICES)");
    }
    if (e != cudaSuccess) {
        cudaGetLastError();
        return answer(out, DS4X_ERR_BACKEND, format("CUDA does not start: %s", cudaGetErrorString(e)));
    }
    std::string reasons;
    for (int i = 0; i < n; i++) {
        const std::string reason = try_device(i, out);
        if (reason.empty()) return answer(out, DS4X_OK, "");
        cudaGetLastError();
        reasons += (reasons.empty() ? "" : "; ") + reason;
    }
    answer(out, DS4X_ERR_BACKEND, reasons);
}

void probe(CudaProbe *out) {
    ds4x_error err;
    *out = CudaProbe();
    if (const int32_t status = guard(&err, [&] { probe_devices(out); })) answer(out, status, err.message);
}

int32_t make(const BackendOptions &options, int32_t device, uint64_t weight_bytes, TensorReader reader, Backend **out,
             ds4x_error *err) {
    return guard(err, [&] {
        const DeviceScope scope(device);
        *out = new CudaBackend(options, device, weight_bytes, reader);
    });
}

int32_t run_guarded(Backend *backend, void (*body)(void *), void *arg, ds4x_error *err) {
    return guard(err, [&] {
        const DeviceScope scope(static_cast<CudaBackend *>(backend)->device_index());
        body(arg);
    });
}

size_t layers_seen(const Config &config, uint32_t ratio, float frequency) {
    const bool right = !config.layers.empty() && config.layers.back().ratio == ratio && !config.freq_sliding.empty() &&
                       config.freq_sliding.back() == frequency;
    return right ? config.layers.size() : 0;
}

} // namespace
} // namespace cuda
} // namespace ds4

extern "C" __attribute__((visibility("default"))) const ds4::CudaPlugin *ds4_cuda_plugin() {
    static const ds4::CudaPlugin table = {
        ds4::cuda_plugin_version, ds4::cuda_struct_fingerprint(),     DS4_VERSION,     DS4_CUDA_ARCHITECTURES,
        ds4::cuda::probe,         ds4::cuda::CudaBackend::plan_bytes, ds4::cuda::make, ds4::cuda::run_guarded,
        ds4::cuda::layers_seen};
    return &table;
}
