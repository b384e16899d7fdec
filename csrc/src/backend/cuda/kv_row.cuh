// One row of keys and values: its two dtypes, its rotation, and the rounding that the released model was trained with.
#pragma once

#include "backend/cuda/reduce.cuh"

#include <cuda_fp16.h>

#include <cstdint>

namespace ds4 {
namespace cuda {

__device__ inline float load_kv(const uint8_t *row, int c, bool f16) {
    return f16 ? __half2float(reinterpret_cast<const __half *>(row)[c]) : reinterpret_cast<const float *>(row)[c];
}
__device__ inline void store_kv(uint8_t *row, int c, bool f16, float x) {
    if (f16)
        reinterpret_cast<__half *>(row)[c] = __float2half_rn(x);
    else
        reinterpret_cast<float *>(row)[c] = x;
}
__device__ inline float rounded_kv(float x, bool f16) { return f16 ? __half2float(__float2half_rn(x)) : x; }

// One pair of rotated channels; c and s are of the angle.
__device__ inline void rotate(float *pair, float c, float s) {
    const float a = pair[0], b = pair[1];
    pair[0] = a * c - b * s;
    pair[1] = a * s + b * c;
}

// x to a float with `mantissa` bits below the leading one and smallest exponent e_min, ties to even.
__device__ inline float round_to(float x, int mantissa, int e_min) {
    if (x == 0) return x;
    int e;
    frexpf(x, &e);
    const float step = ldexpf(1.0f, max(e - 1, e_min) - mantissa);
    return nearbyintf(x / step) * step;
}
// The power of two at or above x.
__device__ inline float power_above(float x) {
    int e;
    const float m = frexpf(x, &e);
    return ldexpf(1.0f, m == 0.5f ? e - 1 : e);
}

// One warp rounds n values that share a scale; x in shared memory.
__device__ inline void round_block(float *x, int n, float floor, float limit, int mantissa, int e_min) {
    const int lane = threadIdx.x % warp_size;
    float top = floor;
    for (int i = lane; i < n; i += warp_size) top = fmaxf(top, fabsf(x[i]));
    const float scale = power_above(warp_max(top) / limit);
    for (int i = lane; i < n; i += warp_size)
        x[i] = round_to(fminf(fmaxf(x[i] / scale, -limit), limit), mantissa, e_min) * scale;
    __syncwarp();
}
// The first n channels, E4M3 in blocks of 64. One warp.
__device__ inline void simulate_kv_row(float *x, int n) {
    for (int i = 0; i < n; i += 64) round_block(x + i, 64, 1e-4f, 448.0f, 3, -6);
}
// All n channels: Walsh-Hadamard, then E2M1 in blocks of 32. One warp.
__device__ inline void simulate_index_row(float *x, int n) {
    const int lane = threadIdx.x % warp_size;
    for (int stride = 1; stride < n; stride *= 2) {
        for (int i = lane; i < n / 2; i += warp_size) {
            const int k = i / stride * 2 * stride + i % stride;
            const float a = x[k], b = x[k + stride];
            x[k] = a + b;
            x[k + stride] = a - b;
        }
        __syncwarp();
    }
    const float norm = float(1.0 / sqrt(double(n)));
    for (int i = lane; i < n; i += warp_size) x[i] *= norm;
    __syncwarp();
    for (int i = 0; i < n; i += 32) round_block(x + i, 32, 6.0f * 1.1754943508222875e-38f, 6.0f, 1, 0);
}

} // namespace cuda
} // namespace ds4
