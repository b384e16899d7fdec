// Memory, errors and timing of one CUDA device.
#include "backend/cuda/device.h"

#include <cstring>

namespace ds4 {
namespace cuda {

Device::Device(int index) : index_(index) {
    try {
        check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
        cudaMemPoolProps props = {};
        props.allocType = cudaMemAllocationTypePinned;
        props.location.type = cudaMemLocationTypeDevice;
        props.location.id = index;
        check(cudaMemPoolCreate(&blocks_, &props), "making a memory pool");
        uint64_t keep = UINT64_MAX; // what is freed stays with the pool: blocks of the same sizes come back soon
        check(cudaMemPoolSetAttribute(blocks_, cudaMemPoolAttrReleaseThreshold, &keep), "making a memory pool");
    } catch (...) {
        close();
        throw;
    }
}

Device::~Device() { close(); }

// Errors are of no interest any more, and at the end of the process the driver may be gone already.
void Device::close() noexcept {
    if (stream_) cudaStreamSynchronize(stream_);
    for (const Timed &t : timed_) cudaEventDestroy(t.begin), cudaEventDestroy(t.end);
    for (cudaEvent_t event : spare_events_) cudaEventDestroy(event);
    if (blocks_) cudaMemPoolDestroy(blocks_);
    if (stream_) cudaStreamDestroy(stream_);
}

void Device::require() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!failure_.empty())
        fail(DS4X_ERR_BACKEND,
             "the CUDA device failed earlier (%s): close this engine and open it again, in a new process if that fails "
             "too",
             failure_.c_str());
}

void Device::check(cudaError_t error, const char *what) {
    if (error == cudaSuccess) return;
    cudaGetLastError(); // an error that does not stick is answered once
    if (error == cudaErrorMemoryAllocation) fail(DS4X_ERR_MEMORY, "CUDA: %s: out of device memory", what);
    const std::string text = format("%s: %s (%s)", what, cudaGetErrorString(error), cudaGetErrorName(error));
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (failure_.empty()) failure_ = text;
    }
    fail(DS4X_ERR_BACKEND, "CUDA: %s", text.c_str());
}

void *Device::allocate(size_t bytes, const char *what) {
    void *out = nullptr;
    const cudaError_t error = cudaMalloc(&out, bytes);
    if (error == cudaErrorMemoryAllocation) {
        cudaGetLastError();
        size_t free = 0, total = 0;
        cudaMemGetInfo(&free, &total);
        fail(DS4X_ERR_MEMORY, "no device memory for %s: %zu bytes are needed, %zu of %zu are free", what, bytes, free,
             total);
    }
    check(error, what);
    return out;
}

void Device::release(void *memory) noexcept {
    const DeviceScope scope(index_);
    cudaFree(memory);
}

uint8_t *Device::allocate_block(size_t bytes) noexcept {
    const DeviceScope scope(index_);
    void *out = nullptr;
    if (cudaMallocFromPoolAsync(&out, bytes, blocks_, stream_) == cudaSuccess) return static_cast<uint8_t *>(out);
    cudaGetLastError();
    return nullptr;
}

void Device::release_block(uint8_t *block) noexcept {
    const DeviceScope scope(index_);
    cudaFreeAsync(block, stream_);
    cudaGetLastError();
}

void Device::copy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind) {
    if (bytes) check(cudaMemcpyAsync(to, from, bytes, kind, stream_), "copying memory");
}

void Device::wait() { check(cudaStreamSynchronize(stream_), "waiting for the device"); }

// ----------------------------------------------------------------------------------------------------------- profiling

void Device::profile(bool enable) {
    wait();
    kernel_times(); // events still out come back
    profiling_ = enable;
    if (enable) kernel_times_.clear();
}

void Device::before_launch(const char *name) {
    launches_++;
    if (!profiling_) return;
    size_t entry = 0;
    while (entry < kernel_times_.size() && std::strcmp(kernel_times_[entry].name, name)) entry++;
    if (entry == kernel_times_.size()) {
        kernel_times_.emplace_back();
        kernel_times_.back().name = name;
    }
    Timed t{entry, nullptr, nullptr};
    for (cudaEvent_t *event : {&t.begin, &t.end}) {
        if (spare_events_.empty()) {
            check(cudaEventCreate(event), "making an event");
        } else {
            *event = spare_events_.back();
            spare_events_.pop_back();
        }
    }
    timed_.push_back(t);
    check(cudaEventRecord(t.begin, stream_), "timing a kernel");
}

void Device::after_launch(const char *) {
    if (profiling_) check(cudaEventRecord(timed_.back().end, stream_), "timing a kernel");
}

const std::vector<KernelTime> &Device::kernel_times() {
    for (const Timed &t : timed_) {
        float ms = 0;
        if (cudaEventElapsedTime(&ms, t.begin, t.end) == cudaSuccess) {
            kernel_times_[t.entry].calls++;
            kernel_times_[t.entry].ms += double(ms);
        }
        spare_events_.push_back(t.begin);
        spare_events_.push_back(t.end);
    }
    timed_.clear();
    return kernel_times_;
}

// -------------------------------------------------------------------------------------------------------- pinned memory

void Pinned::resize(Device &device, size_t bytes) {
    if (bytes <= bytes_) return;
    clear();
    void *out = nullptr;
    const cudaError_t error = cudaHostAlloc(&out, bytes, cudaHostAllocDefault);
    if (error == cudaErrorMemoryAllocation) {
        cudaGetLastError();
        fail(DS4X_ERR_MEMORY, "no pinned host memory: %zu bytes are needed", bytes);
    }
    device.check(error, "pinned host memory");
    data_ = static_cast<uint8_t *>(out);
    bytes_ = bytes;
}

void Pinned::clear() noexcept {
    if (data_) cudaFreeHost(data_);
    data_ = nullptr;
    bytes_ = 0;
}

} // namespace cuda
} // namespace ds4
