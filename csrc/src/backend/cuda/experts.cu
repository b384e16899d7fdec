// The mixture of experts but its products: routing, grouping, the activation, and the sum in ascending order of expert.
#include "backend/cuda/kernels.h"
#include "backend/cuda/reduce.cuh"

#include <algorithm>

namespace ds4 {
namespace cuda {
namespace {

constexpr int threads = 256;

// sqrt(softplus(z)), the router's score.
__device__ inline float route_score(float z) { return sqrtf(z > 20.0f ? z : log1pf(expf(z))); }

// One warp a token. Ranks are picked from the top; equal ones by lower id, and what is not a number comes last.
__global__ void route_kernel(RouteArgs a) {
    const int t = blockIdx.x, lane = threadIdx.x;
    float *score = a.scores + int64_t(t) * a.n_expert, *weight = a.weight + int64_t(t) * a.n_used;
    int32_t *pick = a.expert + int64_t(t) * a.n_used;
    for (int e = lane; e < a.n_expert; e += warp_size) score[e] = route_score(score[e]);
    __syncwarp();
    if (a.hash) {
        for (int i = lane; i < a.n_used; i += warp_size) pick[i] = a.hash[int64_t(a.tokens[t]) * a.n_used + i];
    } else {
        float last = INFINITY;
        int last_id = -1;
        for (int i = 0; i < a.n_used; i++) {
            float best = -INFINITY;
            int best_id = a.n_expert;
            for (int e = lane; e < a.n_expert; e += warp_size) {
                float rank = a.bias ? score[e] + a.bias[e] : score[e];
                if (rank != rank) rank = -INFINITY;
                const bool open = rank < last || (rank == last && e > last_id);
                if (open && (best_id == a.n_expert || rank > best)) best = rank, best_id = e;
            }
            for (int offset = warp_size / 2; offset; offset /= 2) {
                const float other = __shfl_xor_sync(all_lanes, best, offset);
                const int other_id = __shfl_xor_sync(all_lanes, best_id, offset);
                if (other_id == a.n_expert) continue;
                if (best_id == a.n_expert || other > best || (other == best && other_id < best_id))
                    best = other, best_id = other_id;
            }
            last = best;
            last_id = best_id;
            if (lane == 0) pick[i] = best_id;
        }
    }
    __syncwarp();
    if (lane) return;
    for (int i = 1; i < a.n_used; i++) { // ascending, so that sums have one order
        const int32_t id = pick[i];
        int at = i;
        for (; at > 0 && pick[at - 1] > id; at--) pick[at] = pick[at - 1];
        pick[at] = id;
    }
    float sum = 0;
    for (int i = 0; i < a.n_used; i++) sum += score[pick[i]];
    const float norm = (a.normalise ? 1.0f / (sum + 1e-20f) : 1.0f) * a.scale;
    for (int i = 0; i < a.n_used; i++) weight[i] = score[pick[i]] * norm;
}

// One block: counts, offsets, rows in order, tiles. Which place a row gets among those of its expert changes no result.
__global__ void group_kernel(GroupArgs a) {
    const int thread = threadIdx.x;
    for (int e = thread; e <= a.n_expert; e += blockDim.x) a.first[e] = 0;
    __syncthreads();
    for (int i = thread; i < a.n_rows; i += blockDim.x) atomicAdd(&a.first[a.expert[i] + 1], 1);
    __syncthreads();
    if (thread == 0) {
        int n_tiles = 0;
        for (int e = 0; e < a.n_expert; e++) {
            const int count = a.first[e + 1];
            for (int i = 0; i < count; i += a.tile_rows)
                a.tiles[n_tiles++] = Tile{e, a.first[e] + i, min(a.tile_rows, count - i)};
            a.next[e] = a.first[e];
            a.first[e + 1] += a.first[e];
        }
        *a.n_tiles = n_tiles;
    }
    __syncthreads();
    for (int i = thread; i < a.n_rows; i += blockDim.x) a.order[atomicAdd(&a.next[a.expert[i]], 1)] = i;
}

__global__ void swiglu_kernel(float *gate, const float *up, float clamp, int64_t n) {
    const float hi = clamp > 0 ? clamp : INFINITY;
    for (int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x; i < n; i += int64_t(gridDim.x) * threads) {
        const float g = fminf(gate[i], hi), u = fmaxf(fminf(up[i], hi), -hi);
        gate[i] = g * (1.0f / (1.0f + expf(-g))) * u;
    }
}

__global__ void combine_kernel(CombineArgs a) {
    const int64_t t = blockIdx.y;
    const int c = int(blockIdx.x) * threads + int(threadIdx.x);
    if (c >= a.n_embd) return;
    float sum = 0;
    for (int i = 0; i < a.n_used; i++) sum += a.weight[t * a.n_used + i] * a.part[(t * a.n_used + i) * a.n_embd + c];
    a.out[t * a.n_embd + c] = sum + a.shared[t * a.n_embd + c];
}

} // namespace

void route(Device &device, const RouteArgs &a, int32_t n_tokens) {
    device.launch("route", route_kernel, dim3(unsigned(n_tokens)), warp_size, 0, a);
}

void group_by_expert(Device &device, const GroupArgs &a) {
    device.launch("group_by_expert", group_kernel, dim3(1), 1024, 0, a);
}

void swiglu(Device &device, float *gate, const float *up, float clamp, int64_t n) {
    const int64_t blocks = std::min<int64_t>((n + threads - 1) / threads, 65535);
    device.launch("swiglu", swiglu_kernel, dim3(unsigned(blocks)), threads, 0, gate, up, clamp, n);
}

void combine(Device &device, const CombineArgs &a, int32_t n_tokens) {
    device.launch("combine", combine_kernel, dim3(unsigned((a.n_embd + threads - 1) / threads), unsigned(n_tokens)),
                  threads, 0, a);
}

} // namespace cuda
} // namespace ds4
