// libds4_cuda seen from libds4: found beside it, asked for a device, wrapped so that its failures are ours.
#pragma once

#include "backend/cuda/plugin.h"

#include <memory>
#include <string>

namespace ds4 {

// Whether CUDA can be used here, and for what a model needs.
struct CudaChoice {
    const CudaPlugin *plugin = nullptr;
    CudaProbe probe;
    int32_t status = 0; // ds4x_status: OK when it can be used
    std::string reason; // a sentence either way
    bool usable() const noexcept { return status == 0; }
};

// Loads the library (once a process) and asks it for a device. Never throws for a reason that has to do with CUDA.
CudaChoice find_cuda();
// Adds what the model and the options ask for to a choice that is usable so far.
void check_cuda(CudaChoice &choice, const Config &config, const KvLayout &kv, const BackendOptions &options,
                uint64_t weight_bytes, const std::string &obstacle);
// Throws Error(BACKEND | MEMORY). The file must stay open until ready().
std::unique_ptr<Backend> make_cuda_backend(const CudaChoice &choice, const BackendOptions &options,
                                           const GgufFile &file, uint64_t weight_bytes);

bool cuda_computes_with(int32_t type) noexcept;
inline uint64_t cuda_tensor_bytes(uint64_t bytes) noexcept {
    return (bytes + cuda_tensor_alignment - 1) / cuda_tensor_alignment * cuda_tensor_alignment;
}

} // namespace ds4
