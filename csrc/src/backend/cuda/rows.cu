// Everything between the projections and attention: norms and rotation, the compressors, and the rings of the state.
#include "backend/cuda/kernels.h"
#include "backend/cuda/kv_row.cuh"

namespace ds4 {
namespace cuda {
namespace {

constexpr int threads = 256;

// 1 / rms of n values that the block reads.
__device__ inline float norm_scale(const float *x, int n, float eps, float *scratch) {
    float squares = 0;
    for (int c = threadIdx.x; c < n; c += blockDim.x) squares += x[c] * x[c];
    return 1.0f / sqrtf(block_sum(squares, scratch) / float(n) + eps);
}

__global__ void project_kernel(ProjectedArgs a) {
    DS4_DYNAMIC_SHARED(row); // [head_dim]
    __shared__ float scratch[warp_size];
    const int t = blockIdx.x, half = a.n_rot / 2, plain = a.head_dim - a.n_rot;
    float *latent = a.q_latent + int64_t(t) * a.q_rank, *kv = a.kv + int64_t(t) * a.head_dim;
    const float q_scale = norm_scale(latent, a.q_rank, a.rms_eps, scratch);
    for (int c = threadIdx.x; c < a.q_rank; c += blockDim.x) latent[c] = latent[c] * q_scale * a.q_norm[c];

    const float kv_scale = norm_scale(kv, a.head_dim, a.rms_eps, scratch);
    for (int c = threadIdx.x; c < a.head_dim; c += blockDim.x) row[c] = kv[c] * kv_scale * a.kv_norm[c];
    __syncthreads();
    const float *table = a.rope + int64_t(t) * a.n_rot;
    for (int j = threadIdx.x; j < half; j += blockDim.x) rotate(row + plain + 2 * j, table[j], table[half + j]);
    __syncthreads();
    if (a.simulate) {
        if (threadIdx.x < warp_size) simulate_kv_row(row, plain);
        __syncthreads();
    }
    for (int c = threadIdx.x; c < a.head_dim; c += blockDim.x) kv[c] = rounded_kv(row[c], a.f16);

    if (!a.score) return;
    const int slot = int(a.batch.pos[t] % a.ratio);
    for (int c = threadIdx.x; c < a.width; c += blockDim.x)
        a.score[int64_t(t) * a.width + c] += a.ape[slot * a.width + c];
    if (!a.index_score) return;
    for (int c = threadIdx.x; c < a.index_width; c += blockDim.x)
        a.index_score[int64_t(t) * a.index_width + c] += a.index_ape[slot * a.index_width + c];
}

// One warp a head.
__global__ void query_kernel(QueryArgs a) {
    DS4_DYNAMIC_SHARED(rows); // [warps][dim]
    const int lane = threadIdx.x % warp_size, warp = threadIdx.x / warp_size, half = a.n_rot / 2;
    const int h = blockIdx.y * (blockDim.x / warp_size) + warp;
    if (h >= a.n_head) return;
    float *q = a.q + (int64_t(blockIdx.x) * a.n_head + h) * a.dim, *row = rows + warp * a.dim;
    float squares = 0;
    for (int c = lane; c < a.dim; c += warp_size) {
        row[c] = q[c];
        squares += row[c] * row[c];
    }
    __syncwarp();
    if (a.norm) {
        const float scale = 1.0f / sqrtf(warp_sum(squares) / float(a.dim) + a.eps);
        for (int c = lane; c < a.dim; c += warp_size) row[c] *= scale;
        __syncwarp();
    }
    const float *table = a.rope + int64_t(blockIdx.x) * a.n_rot;
    for (int j = lane; j < half; j += warp_size) rotate(row + a.dim - a.n_rot + 2 * j, table[j], table[half + j]);
    __syncwarp();
    if (a.simulate_index) simulate_index_row(row, a.dim);
    for (int c = lane; c < a.dim; c += warp_size) q[c] = row[c];
}

// One block a closing row: pools its candidates per channel, norms and rotates, writes to the page.
__global__ void close_kernel(CloseArgs a) {
    DS4_DYNAMIC_SHARED(row); // [dim]
    __shared__ float scratch[warp_size];
    const Closing closing = a.closings[blockIdx.x];
    const BatchSpan span = a.batch.spans[closing.span];
    const FrontierLayout f = a.frontier;
    const int64_t first = closing.row * a.ratio;
    // Two lanes: lane A of the block before, lane B of this one; the first block has none before it.
    const bool two = a.lanes == 2;
    const int64_t from = two && closing.row > 0 ? first - a.ratio : first;
    const int n = int(first + a.ratio - from);
    const float *old_kv = reinterpret_cast<const float *>(span.state + f.kv);
    const float *old_score = reinterpret_cast<const float *>(span.state + f.score);
    for (int c = threadIdx.x; c < a.dim; c += blockDim.x) {
        float top = -INFINITY, sum = 0, value = 0;
        for (int pass = 0; pass < 2; pass++)
            for (int i = 0; i < n; i++) {
                const int64_t p = from + i;
                const int lane = two && p >= first ? 1 : 0;
                const bool fresh = p >= span.pos;
                const int64_t at = (fresh ? span.first + p - span.pos : p % f.n_slots) * f.width + lane * a.dim + c;
                const float score = (fresh ? a.new_score : old_score)[at];
                if (pass == 0) {
                    top = fmaxf(top, score);
                } else {
                    const float e = expf(score - top);
                    sum += e;
                    value += e * (fresh ? a.new_kv : old_kv)[at];
                }
            }
        row[c] = value / sum;
    }
    const float scale = norm_scale(row, a.dim, a.rms_eps, scratch); // every thread reads what it wrote
    for (int c = threadIdx.x; c < a.dim; c += blockDim.x) row[c] = row[c] * scale * a.norm[c];
    __syncthreads();
    for (int j = threadIdx.x; j < a.n_rot / 2; j += blockDim.x) {
        const float angle = float(first) * a.freq[j];
        rotate(row + a.dim - a.n_rot + 2 * j, cosf(angle), sinf(angle));
    }
    __syncthreads();
    if (a.simulate_kv || a.simulate_index) {
        if (threadIdx.x < warp_size) {
            if (a.simulate_kv)
                simulate_kv_row(row, a.dim - a.n_rot);
            else
                simulate_index_row(row, a.dim);
        }
        __syncthreads();
    }
    uint8_t *page = span.pages[closing.row / a.rows_per_page] + a.page_offset;
    const int64_t in_page = closing.row % a.rows_per_page;
    uint8_t *out = page + size_t(in_page) * a.dim * (a.f16 ? 2 : 4);
    for (int c = threadIdx.x; c < a.dim; c += blockDim.x) store_kv(out, c, a.f16, row[c]);
}

// Block (k, span): the k-th of the span's last n_slots rows.
__global__ void store_kernel(StoreArgs a) {
    const BatchSpan span = a.batch.spans[blockIdx.y];
    const int n = min(span.n_tokens, a.n_slots);
    if (int(blockIdx.x) >= n) return;
    const int k = span.n_tokens - n + int(blockIdx.x);
    const float *from = a.rows + int64_t(span.first + k) * a.width;
    uint8_t *to = span.state + a.offset + size_t((span.pos + k) % a.n_slots) * a.width * (a.f16 ? 2 : 4);
    for (int c = threadIdx.x; c < a.width; c += blockDim.x) store_kv(to, c, a.f16, from[c]);
}

} // namespace

void project_rows(Device &device, const ProjectedArgs &a) {
    device.launch("project_rows", project_kernel, dim3(unsigned(a.batch.n_tokens)), threads,
                  size_t(a.head_dim) * sizeof(float), a);
}

void query_rows(Device &device, const QueryArgs &a, int32_t n_tokens) {
    constexpr int warps = 4;
    device.launch(a.norm ? "query_rows" : "index_queries", query_kernel,
                  dim3(unsigned(n_tokens), unsigned((a.n_head + warps - 1) / warps)), warps * warp_size,
                  size_t(warps) * a.dim * sizeof(float), a);
}

void close_rows(Device &device, const CloseArgs &a, int32_t n_closings) {
    device.launch("close_rows", close_kernel, dim3(unsigned(n_closings)), threads, size_t(a.dim) * sizeof(float), a);
}

void store_rows(Device &device, const StoreArgs &a, int32_t max_rows) {
    device.launch("store_rows", store_kernel, dim3(unsigned(max_rows), unsigned(a.batch.n_spans)), threads, 0, a);
}

} // namespace cuda
} // namespace ds4
