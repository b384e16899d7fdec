// The part of CUDA that the CUDA backend uses, on the CPU: its sources compile against this header unchanged, so that
// machines without a device run the same kernels, index for index. Every thread of a block is a fiber; blocks run one
// after the other. It says nothing about speed, and little about the order of memory between threads.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __shared__ static // one block runs at a time

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(16) uint4 {
    unsigned x, y, z, w;
};

extern dim3 threadIdx, blockIdx, blockDim, gridDim;

// ------------------------------------------------------------------------------------------------------ inside kernels

namespace cuda_emulation {

void sync_block();
void sync_warp();
// Room for the lanes of the calling thread's warp, the same for all of them until their next exchange.
uint64_t *exchange();
int lane();
void *dynamic_shared();
using Body = void (*)(void *);
int run(dim3 grid, dim3 block, size_t shared_bytes, Body body, void *arg);

} // namespace cuda_emulation

inline void __syncthreads() { cuda_emulation::sync_block(); }
inline void __syncwarp() { cuda_emulation::sync_warp(); }
template <typename T> T __shfl_xor_sync(unsigned, T value, int mask) {
    static_assert(sizeof(T) <= 8);
    uint64_t *slots = cuda_emulation::exchange();
    const int lane = cuda_emulation::lane();
    std::memcpy(&slots[lane], &value, sizeof value);
    cuda_emulation::sync_warp();
    std::memcpy(&value, &slots[lane ^ mask], sizeof value);
    return value;
}
inline float emulated_warp_sum(float v) {
    float *slots = reinterpret_cast<float *>(cuda_emulation::exchange());
    slots[cuda_emulation::lane()] = v;
    cuda_emulation::sync_warp();
    float sum[16];
    for (int i = 0; i < 16; i++) sum[i] = slots[i] + slots[i + 16];
    for (int n = 8; n; n /= 2)
        for (int i = 0; i < n; i++) sum[i] += sum[i + n];
    return sum[0];
}
inline unsigned __ballot_sync(unsigned, bool vote) {
    uint64_t *slots = cuda_emulation::exchange();
    slots[cuda_emulation::lane()] = vote;
    cuda_emulation::sync_warp();
    unsigned out = 0;
    for (int i = 0; i < 32; i++) out |= unsigned(slots[i]) << i;
    return out;
}
void emulated_mma_m16n8k16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);

template <typename T> T atomicAdd(T *to, T value) {
    const T before = *to;
    *to += value;
    return before;
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline unsigned __float_as_uint(float x) {
    unsigned u;
    std::memcpy(&u, &x, 4);
    return u;
}
inline float __uint_as_float(unsigned u) {
    float x;
    std::memcpy(&x, &u, 4);
    return x;
}
template <typename T> constexpr T min(T a, T b) { return b < a ? b : a; }
template <typename T> constexpr T max(T a, T b) { return a < b ? b : a; }

// ------------------------------------------------------------------------------------------------------------- runtime

enum cudaError_t {
    cudaSuccess = 0,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInsufficientDriver = 35,
    cudaErrorInvalidDeviceFunction = 98,
    cudaErrorNoDevice = 100,
    cudaErrorNoKernelImageForDevice = 209,
    cudaErrorUnsupportedPtxVersion = 222,
    cudaErrorIllegalAddress = 700,
};
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum { cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2, cudaHostAllocDefault = 0 };
enum cudaDeviceAttr { cudaDevAttrMemoryPoolsSupported = 115 };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum cudaMemAllocationType { cudaMemAllocationTypePinned = 1 };
enum cudaMemLocationType { cudaMemLocationTypeDevice = 1 };
enum cudaMemPoolAttr { cudaMemPoolAttrReleaseThreshold = 4 };

using cudaStream_t = struct EmulatedStream *;
using cudaEvent_t = struct EmulatedEvent *;
using cudaMemPool_t = struct EmulatedPool *;
struct cudaMemPoolProps {
    cudaMemAllocationType allocType;
    struct {
        cudaMemLocationType type;
        int id;
    } location;
};
struct cudaDeviceProp {
    char name[256];
    int major, minor;
};
struct cudaFuncAttributes {
    int numRegs;
};

const char *cudaGetErrorString(cudaError_t error);
const char *cudaGetErrorName(cudaError_t error);
cudaError_t cudaGetLastError();
cudaError_t cudaGetDeviceCount(int *n);
cudaError_t cudaDriverGetVersion(int *version);
cudaError_t cudaRuntimeGetVersion(int *version);
cudaError_t cudaGetDevice(int *device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *out, int device);
cudaError_t cudaDeviceGetAttribute(int *out, cudaDeviceAttr attribute, int device);
cudaError_t cudaMemGetInfo(size_t *free, size_t *total);
cudaError_t cudaMalloc(void **out, size_t bytes);
cudaError_t cudaFree(void *memory);
cudaError_t cudaHostAlloc(void **out, size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void *memory);
cudaError_t cudaMemPoolCreate(cudaMemPool_t *out, const cudaMemPoolProps *props);
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void *value);
cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool);
cudaError_t cudaMallocFromPoolAsync(void **out, size_t bytes, cudaMemPool_t pool, cudaStream_t stream);
cudaError_t cudaFreeAsync(void *memory, cudaStream_t stream);
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned flags);
inline cudaError_t cudaEventCreate(cudaEvent_t *out) { return cudaEventCreateWithFlags(out, 0); }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t begin, cudaEvent_t end);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t emulated_function_attributes();
template <typename F> cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *, F *) {
    return emulated_function_attributes();
}
template <typename F> cudaError_t cudaFuncSetAttribute(F *, cudaFuncAttribute, int) { return cudaSuccess; }

// Runs f once a thread of the grid.
template <typename F> cudaError_t emulated_launch(dim3 grid, dim3 block, size_t shared_bytes, F &&f) {
    const auto body = [](void *arg) { (*static_cast<std::remove_reference_t<F> *>(arg))(); };
    return cudaError_t(cuda_emulation::run(grid, block, shared_bytes, body, &f));
}
