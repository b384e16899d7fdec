// Sums and maxima over a warp or a block, in an order that the number of threads alone decides.
#pragma once

#include <cuda_runtime.h>

// The block's shared memory whose size the launch decides, as floats.
#if defined(DS4_CUDA_EMULATION)
#  define DS4_DYNAMIC_SHARED(name) float *name = static_cast<float *>(cuda_emulation::dynamic_shared())
#else
#  define DS4_DYNAMIC_SHARED(name) extern __shared__ float name[]
#endif

namespace ds4 {
namespace cuda {

constexpr int warp_size = 32;
constexpr unsigned all_lanes = 0xffffffffu;

// Every lane gets the same bits: two lanes that meet add the same two numbers.
__device__ inline float warp_sum(float v) {
#if defined(DS4_CUDA_EMULATION)
    return emulated_warp_sum(v); // the same sum in one meeting of the lanes
#else
    for (int offset = warp_size / 2; offset; offset /= 2) v += __shfl_xor_sync(all_lanes, v, offset);
    return v;
#endif
}
__device__ inline float warp_max(float v) {
    for (int offset = warp_size / 2; offset; offset /= 2) v = fmaxf(v, __shfl_xor_sync(all_lanes, v, offset));
    return v;
}
// Every thread gets the sum. scratch: shared, one float a warp. All threads of the block call it.
__device__ inline float block_sum(float v, float *scratch) {
    v = warp_sum(v);
    __syncthreads(); // the scratch may still be read from the call before
    if (threadIdx.x % warp_size == 0) scratch[threadIdx.x / warp_size] = v;
    __syncthreads();
    float sum = 0;
    for (unsigned i = 0; i < blockDim.x / warp_size; i++) sum += scratch[i];
    return sum;
}

} // namespace cuda
} // namespace ds4
