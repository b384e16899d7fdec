// Products on the tensor cores: 64 rows of the matrix by 64 rows of activations a block, 32 inputs at a time, summed in
// f32. Each number enters as two halves, high + low / 2048, and three of the four products are computed: what is left out
// is below the last bit of a float. One half alone would do for the logits, but moves experts and rows that are chosen by
// a narrow margin.
#include "backend/cuda/product_args.cuh"
#include "backend/cuda/reduce.cuh"

namespace ds4 {
namespace cuda {
namespace {

constexpr int tile_out = 64, tile_in = 32, threads = 128;
constexpr int stride = tile_in + 8; // halves from row to row: the eight rows of a fragment fall into different banks

// c += a b for fragments of 16 x 16, 16 x 8 and 16 x 8 elements, spread over a warp as the instruction wants them.
__device__ inline void multiply_add(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if defined(DS4_CUDA_EMULATION)
    emulated_mma_m16n8k16(c, a, b);
#else
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

constexpr float low_scale = 2048; // brings what the high half leaves into the range of a half

// To f16 at the nearest, large values to the largest.
__device__ inline __half rounded(float x) { return __float2half_rn(fminf(fmaxf(x, -65504.0f), 65504.0f)); }
__device__ inline void store8(__half *high, __half *low, const float *x) {
    alignas(16) __half h[8], l[8];
#pragma unroll
    for (int i = 0; i < 8; i++) {
        h[i] = rounded(x[i]);
        l[i] = rounded((x[i] - __half2float(h[i])) * low_scale);
    }
    *reinterpret_cast<uint4 *>(high) = *reinterpret_cast<const uint4 *>(h);
    *reinterpret_cast<uint4 *>(low) = *reinterpret_cast<const uint4 *>(l);
}

template <GgmlType type>
__device__ void load_weights(const ProductArgs &a, const uint8_t *w, int out, int k, __half *high, __half *low) {
    float v[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    if (out < a.n_out) {
        const uint8_t *row = w + size_t(out) * a.row_bytes;
        if (k + 8 <= a.n_in) {
            Weights8<type>::load8(row, k / 8, a.codebook, v);
        } else if constexpr (is_dense(type)) {
            for (int i = 0; k + i < a.n_in; i++) v[i] = Weights8<type>::one(row, k + i);
        }
    }
    store8(high, low, v);
}

__device__ inline void load_activations(const ProductArgs &a, const Tile &tile, int i, int k, __half *high,
                                        __half *low) {
    float v[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    if (i < tile.count) {
        const float *x = x_row(a, row_number(a, tile, i));
        if (k + 8 <= a.n_in)
            load_x8(a, x, k, v);
        else
            for (int j = 0; k + j < a.n_in; j++) v[j] = x[k + j];
    }
    store8(high, low, v);
}

__device__ inline uint32_t two_halves(const __half *p) { return *reinterpret_cast<const uint32_t *>(p); }
// A warp's 32 x 16 of the matrix, and 32 x 16 of the activations.
__device__ inline void load_fragments(const __half *tile, uint32_t (&out)[2][4], int quad, int pair) {
#pragma unroll
    for (int m = 0; m < 2; m++) {
        const __half *p = tile + (16 * m + quad) * stride + pair;
        out[m][0] = two_halves(p);
        out[m][1] = two_halves(p + 8 * stride);
        out[m][2] = two_halves(p + 8);
        out[m][3] = two_halves(p + 8 * stride + 8);
    }
}
__device__ inline void load_fragments(const __half *tile, uint32_t (&out)[4][2], int quad, int pair) {
#pragma unroll
    for (int n = 0; n < 4; n++) {
        const __half *p = tile + (8 * n + quad) * stride + pair;
        out[n][0] = two_halves(p);
        out[n][1] = two_halves(p + 8);
    }
}

template <GgmlType type> __global__ void tensor_kernel(ProductArgs a) {
    alignas(16) __shared__ __half w_high[tile_out * stride];
    alignas(16) __shared__ __half w_low[tile_out * stride];
    alignas(16) __shared__ __half x_high[tensor_tile * stride];
    alignas(16) __shared__ __half x_low[tensor_tile * stride];
    Tile tile;
    if (!find_tile(a, tensor_tile, &tile)) return;
    const uint8_t *w = a.w + size_t(tile.mat) * a.mat_bytes;
    const int first_out = blockIdx.x * tile_out, thread = threadIdx.x;
    const int warp = thread / warp_size, lane = thread % warp_size, quad = lane / 4, pair = 2 * (lane % 4);
    const int out_at = warp % 2 * 32, row_at = warp / 2 * 32; // a warp's quarter of the block's tile
    float sum[2][4][4] = {}, low_sum[2][4][4] = {};           // low_sum is low_scale times too large
    for (int k = 0; k < a.n_in; k += tile_in) {
        for (int piece = thread; piece < tile_out * tile_in / 8; piece += threads) {
            const int r = piece / (tile_in / 8), c = piece % (tile_in / 8) * 8;
            load_weights<type>(a, w, first_out + r, k + c, w_high + r * stride + c, w_low + r * stride + c);
        }
        for (int piece = thread; piece < tensor_tile * tile_in / 8; piece += threads) {
            const int r = piece / (tile_in / 8), c = piece % (tile_in / 8) * 8;
            load_activations(a, tile, r, k + c, x_high + r * stride + c, x_low + r * stride + c);
        }
        __syncthreads();
#pragma unroll
        for (int step = 0; step < tile_in; step += 16) {
            uint32_t w_fragment[2][2][4], x_fragment[2][4][2]; // [high, low]
            load_fragments(w_high + out_at * stride + step, w_fragment[0], quad, pair);
            load_fragments(w_low + out_at * stride + step, w_fragment[1], quad, pair);
            load_fragments(x_high + row_at * stride + step, x_fragment[0], quad, pair);
            load_fragments(x_low + row_at * stride + step, x_fragment[1], quad, pair);
#pragma unroll
            for (int m = 0; m < 2; m++)
#pragma unroll
                for (int n = 0; n < 4; n++) {
                    float part[4] = {0, 0, 0, 0}; // the cores cut off when they add up; here it is rounded
                    multiply_add(part, w_fragment[0][m], x_fragment[0][n]);
#pragma unroll
                    for (int i = 0; i < 4; i++) sum[m][n][i] += part[i];
                    multiply_add(low_sum[m][n], w_fragment[0][m], x_fragment[1][n]);
                    multiply_add(low_sum[m][n], w_fragment[1][m], x_fragment[0][n]);
                }
        }
        __syncthreads();
    }
#pragma unroll
    for (int n = 0; n < 4; n++)
#pragma unroll
        for (int i = 0; i < 2; i++) { // columns of the fragment: rows of activations
            const int r = row_at + 8 * n + pair + i;
            if (r >= tile.count) continue;
            float *y = y_row(a, row_number(a, tile, r));
#pragma unroll
            for (int m = 0; m < 2; m++) {
                const int out = first_out + out_at + 16 * m + quad;
                if (out < a.n_out) y[out] = sum[m][n][i] + low_sum[m][n][i] / low_scale;
                if (out + 8 < a.n_out) y[out + 8] = sum[m][n][2 + i] + low_sum[m][n][2 + i] / low_scale;
            }
        }
}

} // namespace

void tensor_product(Device &device, const Product &p, const uint64_t *codebook) {
    const ProductArgs a = product_args(p, codebook);
    const unsigned blocks = unsigned((a.n_out + tile_out - 1) / tile_out);
    const unsigned tiles =
        p.groups ? unsigned(p.groups->max_tiles) : unsigned((p.n_rows + tensor_tile - 1) / tensor_tile);
    const dim3 grid(blocks, tiles, p.groups ? 1u : unsigned(p.n_planes));
    with_type(p.matrix->type, [&](auto type) {
        device.launch("tensor_product", tensor_kernel<decltype(type)::value>, grid, threads, 0, a);
    });
}

} // namespace cuda
} // namespace ds4
