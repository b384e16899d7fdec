// Engines on both backends over one file, how far their logits are apart, and the emulated device where it is one.
#pragma once

#include "cuda_emulation/control.h"
#include "session_fixture.h"

#include <cmath>
#include <dlfcn.h>
#include <string>
#include <unistd.h>

namespace cuda_test {

using namespace session_test;

struct Choice {
    int32_t backend = DS4X_BACKEND_AUTO;
    bool exact = true;
    uint32_t n_batch = 64;
    bool kv_simulation = false;
    uint64_t kv_bytes_max = 0;
};

inline ds4::EngineOptions options_of(const std::string &path, const Choice &choice) {
    ds4::EngineOptions o;
    o.model_path = path;
    o.backend = choice.backend;
    o.kv_bytes_max = choice.kv_bytes_max;
    o.backend_options.exact = choice.exact;
    o.backend_options.n_batch = choice.n_batch;
    o.backend_options.n_threads = 2;
    o.backend_options.kv_simulation = choice.kv_simulation;
    return o;
}
inline std::shared_ptr<Engine> open(const std::string &path, const Choice &choice) {
    return Engine::open(options_of(path, choice));
}

// The largest difference in units of the standard deviation of the second.
inline double far_apart(const std::vector<Logits> &a, const std::vector<Logits> &b) {
    double sum = 0, squares = 0, worst = 0;
    size_t n = 0;
    for (size_t r = 0; r < b.size(); r++)
        for (size_t i = 0; i < b[r].size(); i++, n++) {
            sum += b[r][i];
            squares += double(b[r][i]) * b[r][i];
            const double d = std::fabs(double(a[r][i]) - b[r][i]);
            worst = d > worst || d != d ? (d != d ? INFINITY : d) : worst;
        }
    const double mean = sum / double(n);
    return worst / std::sqrt(squares / double(n) - mean * mean);
}

// The emulated device's controls; nullptr on a real one.
inline EmulatedDevice *emulated() {
    char self[4096];
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0) return nullptr;
    std::string folder(self, size_t(n));
    folder.resize(folder.rfind('/'));
    void *library = dlopen((folder + "/libds4_cuda.so").c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) return nullptr;
    const auto get = reinterpret_cast<EmulatedDevice *(*)()>(dlsym(library, emulated_device_symbol));
    return get ? get() : nullptr;
}

// Another device for a while; does nothing where it is real.
class DeviceIs {
public:
    template <typename F> explicit DeviceIs(F &&change) : device_(emulated()) {
        if (!device_) return;
        before_ = *device_;
        change(*device_);
    }
    ~DeviceIs() {
        if (!device_) return;
        const size_t used = device_->used_bytes;
        *device_ = before_;
        device_->used_bytes = used;
    }
    DeviceIs(const DeviceIs &) = delete;
    DeviceIs &operator=(const DeviceIs &) = delete;

private:
    EmulatedDevice *device_;
    EmulatedDevice before_;
};

// The compressed rows that a token of the last batch picked in the last layer with an indexer.
inline std::vector<int32_t> picked_rows(Engine &engine, int32_t token) {
    std::vector<int32_t> rows(engine.config().idx_top_k);
    rows.resize(engine.backend()->selection(token, rows.data(), rows.size()));
    return rows;
}

} // namespace cuda_test
