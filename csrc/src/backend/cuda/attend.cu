// Attention of one query over its window and its compressed rows, which are keys and values at once.
#include "backend/cuda/kernels.h"
#include "backend/cuda/kv_row.cuh"

#include <algorithm>

namespace ds4 {
namespace cuda {
namespace {

constexpr int threads = 256, tile_rows = 16, max_channels = 4; // channels a thread owns

// Where row i of a query lies. Raw rows of the window come first, in order of position, then compressed rows.
struct RowList {
    int64_t first_raw; // position
    int n_raw, n_rows;
    const int32_t *picked; // compressed rows in their order, nullptr: 0, 1, 2, ...
};

__device__ inline RowList list_rows(const AttendArgs &a, int t) {
    const int64_t p = a.batch.pos[t];
    RowList out;
    out.first_raw = p + 1 > a.n_window ? p + 1 - a.n_window : 0;
    out.n_raw = int(p + 1 - out.first_raw);
    out.picked = nullptr;
    int n_compressed = 0;
    if (a.kind != int(LayerKind::sliding)) n_compressed = int((p + 1) / a.ratio);
    if (a.pruned) {
        out.picked = a.selected + int64_t(t) * a.top_k;
        n_compressed = a.n_selected[t];
    }
    out.n_rows = out.n_raw + n_compressed;
    return out;
}

// Channel c of row i: of the batch itself, of the ring, or of a page.
__device__ inline float row_value(const AttendArgs &a, const BatchSpan &span, const RowList &list, int i, int c) {
    if (i < list.n_raw) {
        const int64_t p = list.first_raw + i;
        if (p >= span.pos) return a.kv[int64_t(span.first + p - span.pos) * a.head_dim + c];
        return load_kv(span.state + a.layer.raw + size_t(p % a.layer.n_raw_slots) * a.head_dim * (a.f16 ? 2 : 4), c,
                       a.f16);
    }
    const int w = list.picked ? list.picked[i - list.n_raw] : i - list.n_raw;
    return load_kv(span.pages[w / int(a.layer.rows_per_page)] + a.layer.page_main +
                       size_t(w % int(a.layer.rows_per_page)) * a.head_dim * (a.f16 ? 2 : 4),
                   c, a.f16);
}

// Block (heads, token). Rows in tiles of 16, softmax carried along. What one head computes depends on its rows alone.
template <int n_heads, int n_channels> __global__ void attend_kernel(AttendArgs a) {
    DS4_DYNAMIC_SHARED(shared); // rows [tile_rows][head_dim], queries [n_heads][head_dim]
    __shared__ float score[n_heads][tile_rows], top[n_heads], shrink[n_heads]; // scores become weights
    const int t = blockIdx.y, first_head = blockIdx.x * n_heads, dim = a.head_dim, thread = threadIdx.x;
    const int lane = thread % warp_size, warp = thread / warp_size;
    const int heads = min(n_heads, a.n_head - first_head);
    float *rows = shared, *q = shared + tile_rows * dim;
    const BatchSpan span = a.batch.spans[a.batch.span_of[t]];
    const RowList list = list_rows(a, t);
    float *queries = a.q + (int64_t(t) * a.n_head + first_head) * dim;
    for (int i = thread; i < heads * dim; i += threads) q[i] = queries[i];

    float sum[n_heads][n_channels] = {}, total[n_heads];
    if (thread < heads) top[thread] = a.sinks[first_head + thread];
#pragma unroll
    for (int h = 0; h < n_heads; h++) total[h] = 1; // the sink is in the denominator only
    for (int first = 0; first < list.n_rows; first += tile_rows) {
        const int n = min(tile_rows, list.n_rows - first);
        __syncthreads(); // the tile and the scores before are used up
        for (int r = warp; r < n; r += threads / warp_size)
            for (int c = lane; c < dim; c += warp_size) rows[r * dim + c] = row_value(a, span, list, first + r, c);
        __syncthreads();
        for (int pair = warp; pair < heads * tile_rows; pair += threads / warp_size) {
            const int h = pair / tile_rows, r = pair % tile_rows;
            float dot = 0;
            if (r < n)
                for (int c = lane; c < dim; c += warp_size) dot += q[h * dim + c] * rows[r * dim + c];
            dot = warp_sum(dot);
            if (lane == 0) score[h][r] = r < n ? dot * a.scale : -INFINITY;
        }
        __syncthreads();
        if (thread < heads) {
            float higher = top[thread];
            for (int r = 0; r < n; r++) higher = fmaxf(higher, score[thread][r]);
            shrink[thread] = expf(top[thread] - higher);
            top[thread] = higher;
        }
        __syncthreads();
        for (int pair = thread; pair < heads * tile_rows; pair += threads) {
            const int h = pair / tile_rows, r = pair % tile_rows;
            score[h][r] = expf(score[h][r] - top[h]);
        }
        __syncthreads();
#pragma unroll
        for (int h = 0; h < n_heads; h++) {
            if (h >= heads) break;
            total[h] *= shrink[h];
#pragma unroll
            for (int i = 0; i < n_channels; i++) sum[h][i] *= shrink[h];
            for (int r = 0; r < n; r++) {
                const float weight = score[h][r];
                total[h] += weight;
#pragma unroll
                for (int i = 0; i < n_channels; i++) {
                    const int c = thread + i * threads;
                    if (c < dim) sum[h][i] += weight * rows[r * dim + c];
                }
            }
        }
    }
    __syncthreads();
#pragma unroll
    for (int h = 0; h < n_heads; h++) {
        if (h >= heads) break;
#pragma unroll
        for (int i = 0; i < n_channels; i++) {
            const int c = thread + i * threads;
            if (c < dim) q[h * dim + c] = sum[h][i] / total[h];
        }
    }
    __syncthreads();
    const int half = a.n_rot / 2;
    const float *table = a.rope + int64_t(t) * a.n_rot;
    for (int i = thread; i < heads * half; i += threads) {
        const int h = i / half, j = i % half;
        rotate(q + h * dim + dim - a.n_rot + 2 * j, table[j], -table[half + j]);
    }
    __syncthreads();
    for (int i = thread; i < heads * dim; i += threads) queries[i] = q[i];
}

template <int n_heads, int n_channels> void launch(Device &device, const AttendArgs &a) {
    const size_t shared_bytes = size_t(tile_rows + n_heads) * a.head_dim * sizeof(float);
    const auto kernel = attend_kernel<n_heads, n_channels>;
    if (shared_bytes > 40 * 1024) // more than every kernel may have without asking
        device.check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int(shared_bytes)),
                     "shared memory for attention");
    device.launch("attend", kernel, dim3(unsigned((a.n_head + n_heads - 1) / n_heads), unsigned(a.batch.n_tokens)),
                  threads, shared_bytes, a);
}

} // namespace

bool attend_supports(int64_t head_dim) noexcept { return head_dim <= max_channels * threads; }

bool attend(Device &device, const AttendArgs &a) {
    if (!attend_supports(a.head_dim)) return false;
    // Few tokens: few heads a block, so that there are enough blocks. Many: the rows are read once for several heads.
    const bool few = a.batch.n_tokens * a.n_head <= 1024;
    if (a.head_dim <= threads)
        few ? launch<1, 1>(device, a) : launch<8, 1>(device, a);
    else if (a.head_dim <= 2 * threads)
        few ? launch<1, 2>(device, a) : launch<8, 2>(device, a);
    else
        few ? launch<1, max_channels>(device, a) : launch<4, max_channels>(device, a);
    return true;
}

} // namespace cuda
} // namespace ds4
