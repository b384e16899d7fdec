// Weights on their way from the file to the device: several threads read into pinned memory while others' bytes travel.
#pragma once

#include "backend/cuda/device.h"
#include "backend/cuda/plugin.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace ds4 {
namespace cuda {

class WeightLoader {
public:
    WeightLoader(Device &device, TensorReader reader, int32_t n_threads)
        : device_(device), reader_(reader), max_threads_(size_t(n_threads < 1   ? 1
                                                                : n_threads > 8 ? 8
                                                                                : n_threads)) {}
    ~WeightLoader();
    WeightLoader(const WeightLoader &) = delete;
    WeightLoader &operator=(const WeightLoader &) = delete;

    // Returns at once. The tensor's description must stay until finish().
    void add(const TensorInfo &tensor, uint8_t *to);
    // Waits for all. Throws what went wrong first.
    void finish();

private:
    struct Piece {
        const TensorInfo *tensor;
        uint64_t offset;
        size_t bytes;
        uint8_t *to;
    };
    void work() noexcept;
    void work_until_done();
    bool take(Piece &out);
    void note(int32_t status, const char *message) noexcept;
    void stop() noexcept;

    Device &device_;
    const TensorReader reader_;
    const size_t max_threads_;
    std::vector<std::thread> threads_;
    std::mutex mutex_;
    std::condition_variable more_;
    std::deque<Piece> pieces_;
    bool closed_ = false;
    int32_t status_ = DS4X_OK;
    std::string message_;
};

} // namespace cuda
} // namespace ds4
