// The threads that load weights. Each has two stages of pinned memory and a stream: it reads into one stage while the
// other travels.
#include "backend/cuda/weights.h"

#include <algorithm>

namespace ds4 {
namespace cuda {
namespace {

constexpr size_t stage_bytes = 8u << 20;

// What one thread owns.
struct Lane {
    explicit Lane(Device &device) {
        try {
            device.check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
            for (int i = 0; i < 2; i++) {
                stages[i].resize(device, stage_bytes);
                device.check(cudaEventCreateWithFlags(&travelled[i], cudaEventDisableTiming), "making an event");
            }
        } catch (...) {
            close();
            throw;
        }
    }
    ~Lane() { close(); }
    void close() noexcept {
        if (stream) cudaStreamSynchronize(stream);
        for (cudaEvent_t event : travelled)
            if (event) cudaEventDestroy(event);
        if (stream) cudaStreamDestroy(stream);
    }
    cudaStream_t stream = nullptr;
    Pinned stages[2];
    cudaEvent_t travelled[2] = {nullptr, nullptr};
};

} // namespace

WeightLoader::~WeightLoader() {
    note(DS4X_ERR_CANCELLED, ""); // what still waits when opening failed is not read
    stop();
}

void WeightLoader::add(const TensorInfo &tensor, uint8_t *to) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (uint64_t at = 0; at < tensor.bytes; at += stage_bytes) {
        const size_t n = size_t(std::min<uint64_t>(stage_bytes, tensor.bytes - at));
        pieces_.push_back({&tensor, at, n, to + at});
    }
    more_.notify_all();
    if (threads_.size() < max_threads_ && pieces_.size() > threads_.size()) threads_.emplace_back([this] { work(); });
}

void WeightLoader::finish() {
    stop();
    if (status_ != DS4X_OK) throw Error(ds4x_status(status_), message_);
}

void WeightLoader::stop() noexcept {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        closed_ = true;
        more_.notify_all();
    }
    for (std::thread &t : threads_) t.join();
    threads_.clear();
}

// The next piece; false when there will be none.
bool WeightLoader::take(Piece &out) {
    std::unique_lock<std::mutex> lock(mutex_);
    more_.wait(lock, [&] { return closed_ || !pieces_.empty() || status_ != DS4X_OK; });
    if (pieces_.empty() || status_ != DS4X_OK) return false;
    out = pieces_.front();
    pieces_.pop_front();
    return true;
}

void WeightLoader::note(int32_t status, const char *message) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (status_ != DS4X_OK) return;
    status_ = status;
    try {
        message_ = message;
    } catch (...) {
        message_.clear();
    }
    more_.notify_all();
}

void WeightLoader::work() noexcept {
    try {
        work_until_done();
    } catch (const Error &e) {
        note(e.code(), e.what());
    } catch (...) {
        note(DS4X_ERR_MEMORY, "out of memory while weights were loaded");
    }
}

void WeightLoader::work_until_done() {
    device_.check(cudaSetDevice(device_.index()), "choosing the device");
    Lane lane(device_);
    Piece piece;
    for (int i = 0; take(piece); i ^= 1) {
        device_.check(cudaEventSynchronize(lane.travelled[i]), "loading weights");
        ds4x_error err;
        if (const int32_t status =
                reader_.read(reader_.user, *piece.tensor, piece.offset, lane.stages[i].data(), piece.bytes, &err))
            return note(status, err.message);
        device_.check(
            cudaMemcpyAsync(piece.to, lane.stages[i].data(), piece.bytes, cudaMemcpyHostToDevice, lane.stream),
            "loading weights");
        device_.check(cudaEventRecord(lane.travelled[i], lane.stream), "loading weights");
    }
    device_.check(cudaStreamSynchronize(lane.stream), "loading weights");
}

} // namespace cuda
} // namespace ds4
