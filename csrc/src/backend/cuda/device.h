// One CUDA device as the backend uses it: a stream, memory, launches, and the failure that marks it for good.
#pragma once

#include "base/error.h"

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace ds4 {
namespace cuda {

// Wall clock on the device of every kernel of one name, while profiling.
struct KernelTime {
    const char *name = "";
    uint64_t calls = 0;
    double ms = 0;
};

class Device {
public:
    // Throws Error(BACKEND).
    explicit Device(int index);
    ~Device();
    Device(const Device &) = delete;
    Device &operator=(const Device &) = delete;

    int index() const noexcept { return index_; }
    cudaStream_t stream() const noexcept { return stream_; }
    // Throws Error(BACKEND) when an earlier call failed: nothing the device holds can be trusted then.
    void require() const;
    // Throws for anything but success; every error but one of memory marks the device.
    void check(cudaError_t error, const char *what);

    // Zeroed neither. Throws Error(MEMORY) with the sizes.
    void *allocate(size_t bytes, const char *what);
    void release(void *memory) noexcept;
    // Blocks that come and go, in the order of the stream; nullptr when there is no memory.
    uint8_t *allocate_block(size_t bytes) noexcept;
    void release_block(uint8_t *block) noexcept;

    void copy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind); // enqueued
    void wait();                                                              // for everything enqueued

    // Enqueues one kernel. Arguments are converted to its parameters' types.
    template <typename... P, typename... A>
    void launch(const char *name, void (*kernel)(P...), dim3 grid, int threads, size_t shared_bytes, A... args);

    uint64_t launches() const noexcept { return launches_; }
    void profile(bool enable);
    const std::vector<KernelTime> &kernel_times(); // after wait()

private:
    struct Timed {
        size_t entry;
        cudaEvent_t begin, end;
    };
    void close() noexcept;
    void before_launch(const char *name);
    void after_launch(const char *name);

    const int index_;
    cudaStream_t stream_ = nullptr;
    cudaMemPool_t blocks_ = nullptr;
    mutable std::mutex mutex_; // of failure_
    std::string failure_;
    uint64_t launches_ = 0;
    bool profiling_ = false;
    std::vector<Timed> timed_;
    std::vector<cudaEvent_t> spare_events_;
    std::vector<KernelTime> kernel_times_;
};

// Makes a device the calling thread's own for a while: the thread may be anybody's.
class DeviceScope {
public:
    explicit DeviceScope(int index) noexcept {
        if (cudaGetDevice(&before_) != cudaSuccess) before_ = index;
        if (before_ != index) cudaSetDevice(index);
        index_ = index;
    }
    ~DeviceScope() {
        // Another device may refuse; that is no failure of ours, and nobody may find it at his next launch.
        if (before_ != index_ && cudaSetDevice(before_) != cudaSuccess) cudaGetLastError();
    }
    DeviceScope(const DeviceScope &) = delete;
    DeviceScope &operator=(const DeviceScope &) = delete;

private:
    int before_ = 0, index_ = 0;
};

// Device memory of a size that is known once.
template <typename T> class Buffer {
public:
    Buffer() = default;
    ~Buffer() { clear(); }
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;
    // Contents are lost; nothing enqueued may use the old ones. Throws Error(MEMORY); the buffer is empty then.
    void resize(Device &device, size_t n, const char *what) {
        if (n <= n_) return;
        clear();
        data_ = static_cast<T *>(device.allocate(n * sizeof(T), what));
        device_ = &device;
        n_ = n;
    }
    void clear() noexcept {
        if (data_) device_->release(data_);
        data_ = nullptr;
        n_ = 0;
    }
    T *data() const noexcept { return data_; }
    size_t size() const noexcept { return n_; }
    size_t bytes() const noexcept { return n_ * sizeof(T); }

private:
    Device *device_ = nullptr;
    T *data_ = nullptr;
    size_t n_ = 0;
};

// Pinned host memory, which the device reads and writes by itself.
class Pinned {
public:
    Pinned() = default;
    ~Pinned() { clear(); }
    Pinned(const Pinned &) = delete;
    Pinned &operator=(const Pinned &) = delete;
    void resize(Device &device, size_t bytes);
    void clear() noexcept;
    uint8_t *data() const noexcept { return data_; }
    size_t bytes() const noexcept { return bytes_; }

private:
    uint8_t *data_ = nullptr;
    size_t bytes_ = 0;
};

template <typename... P, typename... A>
void Device::launch(const char *name, void (*kernel)(P...), dim3 grid, int threads, size_t shared_bytes, A... args) {
    if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
    before_launch(name);
#if defined(DS4_CUDA_EMULATION)
    check(emulated_launch(grid, dim3(unsigned(threads)), shared_bytes, [&] { kernel(P(args)...); }), name);
#else
    kernel<<<grid, dim3(unsigned(threads)), shared_bytes, stream_>>>(P(args)...);
    check(cudaGetLastError(), name);
#endif
    after_launch(name);
}

} // namespace cuda
} // namespace ds4
