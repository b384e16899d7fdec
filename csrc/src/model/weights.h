// Binds a file's tensors to the model's weights by name, with their shapes checked.
#pragma once

#include "backend/backend.h"

namespace ds4 {

struct WeightFacts {
    uint64_t weight_bytes = 0; // tensors the model uses
    uint64_t decode_bytes = 0; // read for one decoded token
    uint64_t copied_bytes = 0; // what the backend copies of them
    bool k_types = false;      // some matrix takes activations in blocks of 256
    uint64_t cuda_bytes = 0;   // device memory that the CUDA backend needs for them
    std::string cuda_obstacle; // why it can not compute with them; empty: it can
};

// Checks that every tensor is there with the right shape, without touching data. Throws Error(MODEL) naming the tensor.
WeightFacts check_weights(const GgufFile &file, const Config &config, const BackendOptions &options);
// Uploads everything. Throws as check_weights and Backend::upload do.
Weights bind_weights(const GgufFile &file, const Config &config, Backend &backend);

} // namespace ds4
