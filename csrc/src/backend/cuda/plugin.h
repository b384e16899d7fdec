// What libds4 and libds4_cuda agree on. libds4 finds libds4_cuda beside itself and asks for this table; no exception and
// no C++ symbol crosses between the two but the virtual functions of Backend, whose exceptions guard() catches at home.
#pragma once

#include "backend/backend.h"

namespace ds4 {

// The first usable device, or why there is none.
struct CudaProbe {
    int32_t status = 0; // ds4x_status
    char message[512] = "";
    char device[128] = ""; // "NVIDIA H200, compute capability 9.0"
    int32_t index = -1;
    uint64_t total_bytes = 0, free_bytes = 0;
};

// Reads bytes of a tensor's data, from any thread. A ds4x_status, with a message in err.
struct TensorReader {
    void *user = nullptr;
    int32_t (*read)(void *user, const TensorInfo &tensor, uint64_t offset, void *out, size_t n,
                    ds4x_error *err) = nullptr;
};

struct CudaPlugin {
    uint32_t version = 0;      // cuda_plugin_version of its build
    uint64_t fingerprint = 0;  // cuda_struct_fingerprint of its build
    const char *release = "";  // DS4_VERSION
    const char *code_for = ""; // architectures it was compiled for
    void (*probe)(CudaProbe *out) = nullptr;
    // Device memory besides weights and KV once a session has n_ctx tokens.
    uint64_t (*workspace_bytes)(const Config &, const KvLayout &, const BackendOptions &, uint64_t n_ctx) = nullptr;
    // A ds4x_status; weight_bytes: of all tensors as they will lie on the device.
    int32_t (*make)(const BackendOptions &, int32_t device, uint64_t weight_bytes, TensorReader, Backend **out,
                    ds4x_error *err) = nullptr;
    // Runs a body that calls the backend, on its device.
    int32_t (*guard)(Backend *backend, void (*body)(void *), void *arg, ds4x_error *err) = nullptr;
    // The number of layers when the last one's ratio and the last sliding frequency are these, else 0: a vector of one
    // side is read on the other, and what is read is right.
    size_t (*layers_seen)(const Config &, uint32_t ratio, float frequency) = nullptr;
};

constexpr uint32_t cuda_plugin_version = 2;
constexpr const char *cuda_plugin_symbol = "ds4_cuda_plugin";

// Structs of the same layout on both sides: the two libraries were built from the same sources. Their compilers may have
// different standard libraries: what crosses is plain, but for vectors, which both sides only read.
constexpr uint64_t cuda_struct_fingerprint() {
    uint64_t hash = 1469598103934665603ull;
    for (const uint64_t size :
         {sizeof(BackendOptions), sizeof(Config), sizeof(LayerConfig), sizeof(KvLayout), sizeof(LayerKv),
          sizeof(Weights), sizeof(LayerWeights), sizeof(TensorInfo), sizeof(Batch), sizeof(BatchSpan),
          sizeof(CudaProbe), sizeof(ds4x_error), sizeof(void *)})
        hash = (hash ^ size) * 1099511628211ull;
    return hash;
}

// Every tensor begins at a multiple of this in device memory.
constexpr uint64_t cuda_tensor_alignment = 256;
// Types of matrices that it computes with.
constexpr GgmlType cuda_types[] = {GgmlType::F32,  GgmlType::F16,  GgmlType::BF16,    GgmlType::Q8_0,
                                   GgmlType::Q2_K, GgmlType::Q4_K, GgmlType::IQ2_XXS, GgmlType::MXFP4};
// Most tokens computed at once.
constexpr uint32_t cuda_max_batch = 8192;

} // namespace ds4
