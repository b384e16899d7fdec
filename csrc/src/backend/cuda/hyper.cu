// Embedding, rotation tables and hyper-connections.
#include "backend/cuda/dequantize.cuh"
#include "backend/cuda/kernels.h"
#include "backend/cuda/reduce.cuh"

#include <algorithm>

namespace ds4 {
namespace cuda {
namespace {

constexpr int max_stream = 8, max_mix = max_stream * (2 + max_stream);

template <GgmlType type> __global__ void embed_kernel(EmbedArgs a) {
    const uint8_t *row = a.w + size_t(a.tokens[blockIdx.x]) * a.row_bytes;
    float *x = a.streams + int64_t(blockIdx.x) * a.n_stream * a.n_embd;
    for (int k = 8 * int(threadIdx.x); k < a.n_embd; k += 8 * int(blockDim.x)) {
        float v[8];
        const int n = min(8, a.n_embd - k);
        if (n == 8)
            Weights8<type>::load8(row, k / 8, a.codebook, v);
        else
            for (int i = 0; i < n; i++) v[i] = weight_at<type>(row, k + i, a.codebook);
        for (int s = 0; s < a.n_stream; s++)
            for (int i = 0; i < n; i++) x[int64_t(s) * a.n_embd + k + i] = v[i];
    }
}

__global__ void rope_table_kernel(RopeTableArgs a) {
    const int half = a.n_rot / 2, which = blockIdx.y;
    for (int j = threadIdx.x; j < half; j += blockDim.x) {
        const float angle = float(a.pos[blockIdx.x]) * a.freq[which * half + j]; // one f32 product
        float *row = a.table + (int64_t(which) * a.n_tokens + blockIdx.x) * a.n_rot;
        row[j] = cosf(angle);
        row[half + j] = sinf(angle);
    }
}

// Block (channels, row): merges the last block's output into its channels of all streams, then their part of the products.
template <GgmlType type> __global__ void hyper_products_kernel(HyperArgs a) {
    __shared__ float part[max_mix + 1][hyper_channels / warp_size];
    const int t = a.rows ? a.rows[blockIdx.y] : int(blockIdx.y), d = a.n_embd, n = a.n_stream;
    const int c = blockIdx.x * hyper_channels + threadIdx.x, lane = threadIdx.x % warp_size,
              warp = threadIdx.x / warp_size;
    float *streams = a.streams + int64_t(t) * n * d;
    float x[max_stream];
#pragma unroll
    for (int s = 0; s < max_stream; s++) x[s] = s < n && c < d ? streams[int64_t(s) * d + c] : 0.0f;
    if (a.out && c < d) {
        const float out = a.out[int64_t(t) * d + c], *post = a.post + int64_t(t) * n,
                    *comb = a.comb + int64_t(t) * n * n;
        float y[max_stream];
#pragma unroll
        for (int j = 0; j < max_stream; j++) {
            if (j >= n) break;
            y[j] = out * post[j];
#pragma unroll
            for (int s = 0; s < max_stream; s++)
                if (s < n) y[j] += comb[s * n + j] * x[s];
        }
#pragma unroll
        for (int j = 0; j < max_stream; j++)
            if (j < n) streams[int64_t(j) * d + c] = x[j] = y[j];
    }
    float squares = 0;
#pragma unroll
    for (int s = 0; s < max_stream; s++) squares += x[s] * x[s];
    squares = warp_sum(squares);
    if (lane == 0) part[a.n_mix][warp] = squares;
    for (int m = 0; m < a.n_mix; m++) {
        const uint8_t *row = a.fn + size_t(m) * a.row_bytes;
        float sum = 0;
#pragma unroll
        for (int s = 0; s < max_stream; s++)
            if (s < n && c < d) sum += weight_at<type>(row, s * d + c, a.codebook) * x[s];
        sum = warp_sum(sum);
        if (lane == 0) part[m][warp] = sum;
    }
    __syncthreads();
    for (int m = threadIdx.x; m <= a.n_mix; m += blockDim.x) {
        float sum = 0;
        for (int w = 0; w < hyper_channels / warp_size; w++) sum += part[m][w];
        a.partial[(int64_t(blockIdx.y) * a.n_blocks + blockIdx.x) * (a.n_mix + 1) + m] = sum;
    }
}

__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// One warp: softmax over columns, then columns and rows in turn; the last pass is over columns. k [n][n] in shared memory.
__device__ void sinkhorn(float *k, int n, int passes, float eps) {
    const int lane = threadIdx.x % warp_size;
    const auto each = [&](auto &&of) { // every element from the values before, all at once
        float next[2];
        for (int i = 0; i < 2; i++)
            if (lane + i * warp_size < n * n) next[i] = of(lane + i * warp_size);
        __syncwarp();
        for (int i = 0; i < 2; i++)
            if (lane + i * warp_size < n * n) k[lane + i * warp_size] = next[i];
        __syncwarp();
    };
    const auto row_sum = [&](int at) {
        float sum = 0;
        for (int j = 0; j < n; j++) sum += k[at / n * n + j];
        return sum;
    };
    const auto column_sum = [&](int at) {
        float sum = 0;
        for (int i = 0; i < n; i++) sum += k[i * n + at % n];
        return sum;
    };
    each([&](int at) {
        float top = k[at / n * n];
        for (int j = 1; j < n; j++) top = fmaxf(top, k[at / n * n + j]);
        return expf(k[at] - top);
    });
    each([&](int at) { return k[at] / row_sum(at) + eps; });
    each([&](int at) { return k[at] / (column_sum(at) + eps); });
    for (int pass = 1; pass < passes; pass++) {
        each([&](int at) { return k[at] / (row_sum(at) + eps); });
        each([&](int at) { return k[at] / (column_sum(at) + eps); });
    }
}

// One block a row: pre, post and comb from the products; then the streams collapse into the normed input.
__global__ void hyper_mix_kernel(HyperArgs a) {
    __shared__ float mix[max_mix + 1], pre[max_stream], comb[max_stream * max_stream], scratch[warp_size];
    const int t = a.rows ? a.rows[blockIdx.x] : int(blockIdx.x), d = a.n_embd, n = a.n_stream;
    const bool head = a.n_mix == n;
    for (int m = threadIdx.x; m <= a.n_mix; m += blockDim.x) {
        float sum = 0;
        for (int b = 0; b < a.n_blocks; b++)
            sum += a.partial[(int64_t(blockIdx.x) * a.n_blocks + b) * (a.n_mix + 1) + m];
        mix[m] = sum;
    }
    __syncthreads();
    if (threadIdx.x < warp_size) {
        const float r = 1.0f / sqrtf(mix[a.n_mix] / (float(n) * float(d)) + a.rms_eps);
        for (int m = threadIdx.x; m < a.n_mix; m += warp_size) {
            if (m < n)
                pre[m] = sigmoid(mix[m] * r * a.scale[0] + a.base[m]) + a.hc_eps;
            else if (m < 2 * n)
                a.post[int64_t(t) * n + m - n] = 2.0f * sigmoid(mix[m] * r * a.scale[1] + a.base[m]);
            else
                comb[m - 2 * n] = mix[m] * r * a.scale[2] + a.base[m];
        }
        __syncwarp();
        if (!head) {
            sinkhorn(comb, n, a.n_sinkhorn, a.hc_eps);
            for (int i = threadIdx.x; i < n * n; i += warp_size) a.comb[int64_t(t) * n * n + i] = comb[i];
        }
    }
    __syncthreads();
    const float *streams = a.streams + int64_t(t) * n * d;
    float *x = a.x + int64_t(blockIdx.x) * d;
    float squares = 0;
    for (int c = threadIdx.x; c < d; c += blockDim.x) {
        float y = 0;
        for (int s = 0; s < n; s++) y += pre[s] * streams[int64_t(s) * d + c];
        x[c] = y;
        squares += y * y;
    }
    const float r = 1.0f / sqrtf(block_sum(squares, scratch) / float(d) + a.rms_eps);
    for (int c = threadIdx.x; c < d; c += blockDim.x) x[c] = x[c] * r * a.norm[c];
}

} // namespace

void embed(Device &device, GgmlType type, const EmbedArgs &a, int32_t n_tokens) {
    with_type(type, [&](auto t) {
        device.launch("embed", embed_kernel<decltype(t)::value>, dim3(unsigned(n_tokens)), 256, 0, a);
    });
}

void rope_tables(Device &device, const RopeTableArgs &a) {
    device.launch("rope_tables", rope_table_kernel, dim3(unsigned(a.n_tokens), 2), 32, 0, a);
}

void hyper(Device &device, GgmlType type, const HyperArgs &a, int32_t n_rows) {
    with_type(type, [&](auto t) {
        device.launch("hyper_products", hyper_products_kernel<decltype(t)::value>,
                      dim3(unsigned(a.n_blocks), unsigned(n_rows)), hyper_channels, 0, a);
    });
    device.launch("hyper_mix", hyper_mix_kernel, dim3(unsigned(n_rows)), a.n_embd >= 2048 ? 1024 : 256, 0, a);
}

} // namespace cuda
} // namespace ds4
