// The indexer: scores of the compressed rows a token sees, and the best of them.
#include "backend/cuda/kernels.h"
#include "backend/cuda/kv_row.cuh"

namespace ds4 {
namespace cuda {
namespace {

constexpr int score_warps = 4, warp_rows = 4, block_rows = score_warps * warp_rows;

// Block (rows, token): a warp scores four rows; a lane owns heads lane, lane + 32, ...
__global__ void score_kernel(ScoreArgs a) {
    DS4_DYNAMIC_SHARED(shared); // [score_warps][idx_dim][warp_rows]
    const int t = a.first + int(blockIdx.y), lane = threadIdx.x % warp_size, warp = threadIdx.x / warp_size;
    const int64_t n_visible = (a.batch.pos[t] + 1) / a.ratio;
    if (n_visible <= a.top_k) return;
    const int64_t first = int64_t(blockIdx.x) * block_rows + warp * warp_rows;
    if (first >= n_visible) return;
    const BatchSpan span = a.batch.spans[a.batch.span_of[t]];
    float *rows = shared + warp * a.idx_dim * warp_rows;
    for (int r = 0; r < warp_rows; r++) {
        const int64_t w = min(first + r, n_visible - 1);
        const uint8_t *row =
            span.pages[w / a.rows_per_page] + a.page_offset + size_t(w % a.rows_per_page) * a.idx_dim * (a.f16 ? 2 : 4);
        for (int c = lane; c < a.idx_dim; c += warp_size) rows[c * warp_rows + r] = load_kv(row, c, a.f16);
    }
    __syncwarp();
    float sum[warp_rows] = {};
    for (int h = lane; h < a.idx_head; h += warp_size) {
        const float *q = a.q + (int64_t(t) * a.idx_head + h) * a.idx_dim;
        float dot[warp_rows] = {};
        for (int c = 0; c < a.idx_dim; c++)
            for (int r = 0; r < warp_rows; r++) dot[r] += q[c] * rows[c * warp_rows + r];
        const float alpha = a.alpha[int64_t(t) * a.idx_head + h];
        for (int r = 0; r < warp_rows; r++) sum[r] += alpha * fmaxf(dot[r], 0.0f);
    }
    for (int r = 0; r < warp_rows; r++) {
        const float score = warp_sum(sum[r]) * a.scale;
        if (lane == 0 && first + r < n_visible) a.scores[int64_t(blockIdx.y) * a.stride + first + r] = score;
    }
}

constexpr int select_threads = 256;

// Order of scores as order of integers; what is not a number is above everything, and there is one zero.
__device__ inline uint32_t key_of(float x) {
    if (x != x) return 0xffffffffu;
    const uint32_t bits = __float_as_uint(x == 0 ? 0.0f : x);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

// One block a token: finds the k-th largest key a byte at a time, then collects ascending.
__global__ void select_kernel(SelectArgs a) {
    __shared__ unsigned count[256];
    __shared__ uint32_t prefix;
    __shared__ unsigned left, above[select_threads / warp_size], equal[select_threads / warp_size];
    const int t = a.first + int(blockIdx.x), thread = threadIdx.x, lane = thread % warp_size, warp = thread / warp_size;
    const int64_t n = (a.batch.pos[t] + 1) / a.ratio;
    int32_t *out = a.selected + int64_t(t) * a.top_k;
    if (n <= a.top_k) {
        for (int64_t i = thread; i < n; i += select_threads) out[i] = int32_t(i);
        if (thread == 0) a.n_selected[t] = int32_t(n);
        return;
    }
    const float *scores = a.scores + int64_t(blockIdx.x) * a.stride;
    if (thread == 0) prefix = 0, left = unsigned(a.top_k);
    for (int shift = 24; shift >= 0; shift -= 8) {
        count[thread] = 0; // as many threads as values of a byte
        __syncthreads();
        const uint32_t known = shift == 24 ? 0 : ~0u << (shift + 8), want = prefix;
        for (int64_t i = thread; i < n; i += select_threads) {
            const uint32_t key = key_of(scores[i]);
            if ((key & known) == want) atomicAdd(&count[key >> shift & 255], 1u);
        }
        __syncthreads();
        if (thread == 0) { // the byte of the left-th largest
            int byte = 255;
            while (byte > 0 && count[byte] < left) left -= count[byte--];
            prefix |= uint32_t(byte) << shift;
        }
        __syncthreads();
    }
    // All that are larger, and of those that are equal the first ones.
    const uint32_t threshold = prefix;
    const unsigned n_equal = left;
    unsigned equal_before = 0, taken = 0;
    for (int64_t start = 0; start < n; start += select_threads) {
        const int64_t i = start + thread;
        const uint32_t key = i < n ? key_of(scores[i]) : 0;
        const bool is_equal = i < n && key == threshold, is_above = i < n && key > threshold;
        const unsigned equals = __ballot_sync(all_lanes, is_equal), lower = (1u << lane) - 1;
        if (lane == 0) equal[warp] = unsigned(__popc(equals));
        __syncthreads();
        unsigned rank = equal_before + unsigned(__popc(equals & lower)), all_equal = 0;
        for (int w = 0; w < select_threads / warp_size; w++) {
            if (w < warp) rank += equal[w];
            all_equal += equal[w];
        }
        const bool take = is_above || (is_equal && rank < n_equal);
        const unsigned takes = __ballot_sync(all_lanes, take);
        if (lane == 0) above[warp] = unsigned(__popc(takes));
        __syncthreads();
        unsigned at = taken + unsigned(__popc(takes & lower)), all_taken = 0;
        for (int w = 0; w < select_threads / warp_size; w++) {
            if (w < warp) at += above[w];
            all_taken += above[w];
        }
        if (take) out[at] = int32_t(i);
        equal_before += all_equal;
        taken += all_taken;
        __syncthreads(); // before the counts of the warps are written again
    }
    if (thread == 0) a.n_selected[t] = a.top_k;
}

} // namespace

void score_rows(Device &device, const ScoreArgs &a, int32_t n_tokens, int64_t max_visible) {
    device.launch("score_rows", score_kernel,
                  dim3(unsigned((max_visible + block_rows - 1) / block_rows), unsigned(n_tokens)),
                  score_warps * warp_size, size_t(score_warps) * warp_rows * a.idx_dim * sizeof(float), a);
}

void select_rows(Device &device, const SelectArgs &a, int32_t n_tokens) {
    device.launch("select_rows", select_kernel, dim3(unsigned(n_tokens)), select_threads, 0, a);
}

} // namespace cuda
} // namespace ds4
