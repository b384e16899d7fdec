// The emulated device: fibers for threads, malloc for memory, and errors on demand.
#include "control.h"
#include "cuda_fp16.h"
#include "cuda_runtime.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <mutex>
#include <sys/mman.h>
#include <vector>

dim3 threadIdx, blockIdx, blockDim, gridDim;

extern "C" __attribute__((visibility("default"))) EmulatedDevice *ds4_emulated_device() {
    static EmulatedDevice device;
    return &device;
}

// ------------------------------------------------------------------------------------------------------------- fibers

extern "C" void ds4_emulation_switch(void **save, void *load);
asm(R"(
.text
.hidden ds4_emulation_switch
.globl ds4_emulation_switch
ds4_emulation_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");

namespace cuda_emulation {
namespace {

constexpr size_t stack_bytes = 256 * 1024;
constexpr int warp_lanes = 32;

struct Barrier {
    int members = 0, arrived = 0;
    unsigned generation = 0;
};
struct Fiber {
    void *sp = nullptr;
    const Barrier *at = nullptr; // where it waits, in this generation
    unsigned generation = 0;
    unsigned exchanges = 0;
    bool done = false;
};
struct Warp {
    Barrier barrier;
    uint64_t slots[2][warp_lanes];
};

std::mutex running; // one kernel at a time
std::vector<uint8_t *> stacks;
std::vector<Fiber> fibers;
std::vector<Warp> warps;
Barrier block_barrier;
std::vector<uint64_t> shared;
void *scheduler = nullptr;
size_t current = 0;
Body kernel = nullptr;
void *kernel_arg = nullptr;

void yield() {
    const size_t self = current;
    const dim3 thread = threadIdx;
    ds4_emulation_switch(&fibers[self].sp, scheduler);
    current = self;
    threadIdx = thread;
}
void release_if_complete(Barrier &b) {
    if (b.members == 0 || b.arrived < b.members) return;
    b.arrived = 0;
    b.generation++;
}
void wait_at(Barrier &b) {
    const unsigned generation = b.generation;
    b.arrived++;
    release_if_complete(b);
    if (b.generation != generation) return;
    fibers[current].at = &b;
    fibers[current].generation = generation;
    yield();
}
void leave(Barrier &b) {
    b.members--;
    release_if_complete(b);
}

void thread_main() {
    kernel(kernel_arg);
    Fiber &f = fibers[current];
    f.done = true;
    leave(warps[current / warp_lanes].barrier);
    leave(block_barrier);
    ds4_emulation_switch(&f.sp, scheduler);
    std::abort(); // never resumed
}

void start(size_t i) {
    if (i >= stacks.size())
        stacks.push_back(static_cast<uint8_t *>(
            mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)));
    // Tops at different distances from a page's end: all at one would share a few sets of the cache.
    void **top = reinterpret_cast<void **>(stacks[i] + stack_bytes - i * 1040 % 65536 / 16 * 16) - 2;
    *top = reinterpret_cast<void *>(&thread_main);
    fibers[i].sp = top - 6;
    fibers[i].at = nullptr;
    fibers[i].done = false;
    fibers[i].exchanges = 0;
}

void run_block(size_t n) {
    block_barrier = {int(n), 0, 0};
    for (size_t w = 0; w * warp_lanes < n; w++)
        warps[w].barrier = {int(std::min<size_t>(warp_lanes, n - w * warp_lanes)), 0, 0};
    for (size_t i = 0; i < n; i++) start(i);
    for (size_t left = n; left;) {
        for (size_t i = 0; i < n; i++) {
            const Fiber &f = fibers[i];
            if (f.done || (f.at && f.at->generation == f.generation)) continue;
            current = i;
            threadIdx = dim3(unsigned(i), 0, 0);
            ds4_emulation_switch(&scheduler, fibers[i].sp);
            left -= fibers[i].done;
        }
    }
}

} // namespace

void sync_block() { wait_at(block_barrier); }
void sync_warp() { wait_at(warps[current / warp_lanes].barrier); }
uint64_t *exchange() { return warps[current / warp_lanes].slots[fibers[current].exchanges++ % 2]; }
int lane() { return int(current % warp_lanes); }
void *dynamic_shared() { return shared.data(); }

} // namespace cuda_emulation

namespace {

// Counts a call; an error once it is due, and then for ever.
cudaError_t called() {
    static std::mutex mutex;
    const std::lock_guard<std::mutex> lock(mutex);
    EmulatedDevice &d = *ds4_emulated_device();
    d.calls++;
    if (d.fail_after < 0) return cudaSuccess;
    if (d.fail_after > 0) d.fail_after--;
    return d.fail_after == 0 ? cudaError_t(d.fail_with) : cudaSuccess;
}

} // namespace

int cuda_emulation::run(dim3 grid, dim3 block, size_t shared_bytes, Body body, void *arg) {
    if (const cudaError_t e = called()) return e;
    if (block.x > 1024 || block.x % warp_lanes || grid.y > 65535 || grid.z > 65535 || shared_bytes > 227 * 1024)
        return cudaErrorInvalidDeviceFunction;
    const std::lock_guard<std::mutex> lock(running);
    gridDim = grid;
    blockDim = block;
    kernel = body;
    kernel_arg = arg;
    fibers.resize(std::max<size_t>(fibers.size(), block.x));
    warps.resize(std::max<size_t>(warps.size(), (block.x + 31) / 32));
    shared.resize((shared_bytes + 7) / 8 + 1);
    for (unsigned z = 0; z < grid.z; z++)
        for (unsigned y = 0; y < grid.y; y++)
            for (unsigned x = 0; x < grid.x; x++) {
                blockIdx = dim3(x, y, z);
                std::memset(shared.data(), 0xff, shared.size() * 8); // not a number
                run_block(block.x);
            }
    return cudaSuccess;
}

void emulated_mma_m16n8k16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    // Every lane lays its fragments out for all, then computes the four elements that are its own.
    float wa[16][16], wb[16][8];
    const auto half_of = [](uint32_t two, int i) { return __half2float(__half{uint16_t(two >> (16 * i))}); };
    for (int reg = 0; reg < 6; reg++) {
        uint64_t *slots = cuda_emulation::exchange();
        slots[cuda_emulation::lane()] = reg < 4 ? a[reg] : b[reg - 4];
        cuda_emulation::sync_warp();
        for (int l = 0; l < 32; l++)
            for (int i = 0; i < 2; i++) {
                const float v = half_of(uint32_t(slots[l]), i);
                const int quad = l / 4, pair = 2 * (l % 4) + i;
                if (reg < 4)
                    wa[quad + 8 * (reg % 2)][pair + 8 * (reg / 2)] = v;
                else
                    wb[pair + 8 * (reg - 4)][quad] = v;
            }
    }
    const int quad = cuda_emulation::lane() / 4, pair = 2 * (cuda_emulation::lane() % 4);
    for (int i = 0; i < 4; i++) {
        const int row = quad + 8 * (i / 2), column = pair + i % 2;
        for (int k = 0; k < 16; k++) c[i] += wa[row][k] * wb[k][column];
    }
}

// ------------------------------------------------------------------------------------------------------------ runtime

namespace {

std::mutex memory_mutex;
std::map<void *, size_t> blocks; // device memory

cudaError_t take(void **out, size_t bytes) {
    if (const cudaError_t e = called()) return e;
    const std::lock_guard<std::mutex> lock(memory_mutex);
    EmulatedDevice &d = *ds4_emulated_device();
    if (bytes > d.total_bytes - std::min(d.total_bytes, d.used_bytes)) return cudaErrorMemoryAllocation;
    *out = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    if (!*out) return cudaErrorMemoryAllocation;
    std::memset(*out, 0xff, bytes); // not a number
    blocks[*out] = bytes;
    d.used_bytes += bytes;
    return cudaSuccess;
}
cudaError_t give(void *memory) {
    if (!memory) return cudaSuccess;
    const std::lock_guard<std::mutex> lock(memory_mutex);
    const auto at = blocks.find(memory);
    if (at == blocks.end()) std::abort(); // freed twice, or never allocated
    ds4_emulated_device()->used_bytes -= at->second;
    blocks.erase(at);
    std::free(memory);
    return cudaSuccess;
}

} // namespace

struct EmulatedStream {};
struct EmulatedPool {};
struct EmulatedEvent {
    std::chrono::steady_clock::time_point at;
};

const char *cudaGetErrorString(cudaError_t e) {
    return e == cudaErrorIllegalAddress ? "an illegal memory access was encountered" : "an emulated error";
}
const char *cudaGetErrorName(cudaError_t e) {
    return e == cudaErrorIllegalAddress ? "cudaErrorIllegalAddress" : "cudaError";
}
cudaError_t cudaGetLastError() { return cudaSuccess; }
cudaError_t cudaGetDeviceCount(int *n) {
    const EmulatedDevice &d = *ds4_emulated_device();
    *n = d.n_devices;
    if (d.driver < 13000) return cudaErrorInsufficientDriver;
    return d.n_devices ? called() : cudaErrorNoDevice;
}
cudaError_t cudaDriverGetVersion(int *version) {
    *version = ds4_emulated_device()->driver;
    return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int *version) {
    *version = 13000;
    return cudaSuccess;
}
cudaError_t cudaGetDevice(int *device) {
    *device = 0;
    return cudaSuccess;
}
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp *out, int) {
    std::strcpy(out->name, "Emulated device");
    out->major = 9;
    out->minor = 0;
    return called();
}
cudaError_t cudaDeviceGetAttribute(int *out, cudaDeviceAttr, int) {
    *out = 1;
    return called();
}
cudaError_t emulated_function_attributes() {
    return ds4_emulated_device()->has_code ? called() : cudaErrorNoKernelImageForDevice;
}
cudaError_t cudaMemGetInfo(size_t *free, size_t *total) {
    const EmulatedDevice &d = *ds4_emulated_device();
    *total = d.total_bytes;
    *free = d.total_bytes - std::min(d.total_bytes, d.used_bytes);
    return called();
}
cudaError_t cudaMalloc(void **out, size_t bytes) { return take(out, bytes); }
cudaError_t cudaFree(void *memory) { return give(memory); }
cudaError_t cudaHostAlloc(void **out, size_t bytes, unsigned) {
    if (const cudaError_t e = called()) return e;
    *out = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    return *out ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFreeHost(void *memory) {
    std::free(memory);
    return cudaSuccess;
}
cudaError_t cudaMemPoolCreate(cudaMemPool_t *out, const cudaMemPoolProps *) {
    *out = new EmulatedPool;
    return called();
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void *) { return called(); }
cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) {
    delete pool;
    return cudaSuccess;
}
cudaError_t cudaMallocFromPoolAsync(void **out, size_t bytes, cudaMemPool_t, cudaStream_t) { return take(out, bytes); }
cudaError_t cudaFreeAsync(void *memory, cudaStream_t) { return give(memory); }
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind, cudaStream_t) {
    if (const cudaError_t e = called()) return e;
    std::memmove(to, from, bytes);
    return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned) {
    *out = new EmulatedStream;
    return called();
}
cudaError_t cudaStreamSynchronize(cudaStream_t) { return called(); }
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    delete stream;
    return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned) {
    *out = new EmulatedEvent;
    return called();
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
    event->at = std::chrono::steady_clock::now();
    return called();
}
cudaError_t cudaEventSynchronize(cudaEvent_t) { return called(); }
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t begin, cudaEvent_t end) {
    *ms = std::chrono::duration<float, std::milli>(end->at - begin->at).count();
    return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
    delete event;
    return cudaSuccess;
}
