// Products on the tensor cores: 64 rows of the matrix by 64 rows of activations a block, 32 inputs at a time, rounded to
// f16 on the way into shared memory, summed in f32.
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
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

// To f16 at the nearest, large values to the largest.
__device__ inline __half rounded(float x) { return __float2half_rn(fminf(fmaxf(x, -65504.0f), 65504.0f)); }
__device__ inline void store8(__half *to, const float *x) {
    for (int i = 0; i < 8; i++) to[i] = rounded(x[i]);
}

template <GgmlType type> __device__ void load_weights(const ProductArgs &a, const uint8_t *w, int out, int k, __half *to) {
    float v[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    if (out < a.n_out) {
        const uint8_t *row = w + size_t(out) * a.row_bytes;
        if (k + 8 <= a.n_in) {
            Weights8<type>::load8(row, k / 8, a.codebook, v);
        } else if constexpr (is_dense(type)) {
            for (int i = 0; k + i < a.n_in; i++) v[i] = Weights8<type>::one(row, k + i);
        }
    }
    store8(to, v);
}

__device__ inline void load_activations(const ProductArgs &a, const Tile &tile, int i, int k, __half *to) {
    float v[8] = {0, 0, 0, 0, 0, 0, 0, 0};
    if (i < tile.count) {
        const float *x = x_row(a, row_number(a, tile, i));
        if (k + 8 <= a.n_in)
            load_x8(a, x, k, v);
        else
            for (int j = 0; k + j < a.n_in; j++) v[j] = x[k + j];
    }
    store8(to, v);
}

template <GgmlType type> __global__ void tensor_kernel(ProductArgs a) {
    __shared__ __half w_tile[tile_out * stride], x_tile[tensor_tile * stride];
    Tile tile;
    if (!find_tile(a, tensor_tile, &tile)) return;
    const uint8_t *w = a.w + size_t(tile.mat) * a.mat_bytes;
    const int first_out = blockIdx.x * tile_out, thread = threadIdx.x;
    const int warp = thread / warp_size, lane = thread % warp_size, quad = lane / 4, pair = 2 * (lane % 4);
    const int out_at = warp % 2 * 32, row_at = warp / 2 * 32; // a warp's quarter of the block's tile
    float sum[2][4][4] = {};
    for (int k = 0; k < a.n_in; k += tile_in) {
        for (int piece = thread; piece < tile_out * tile_in / 8; piece += threads) {
            const int r = piece / (tile_in / 8), c = piece % (tile_in / 8) * 8;
            load_weights<type>(a, w, first_out + r, k + c, w_tile + r * stride + c);
        }
        for (int piece = thread; piece < tensor_tile * tile_in / 8; piece += threads) {
            const int r = piece / (tile_in / 8), c = piece % (tile_in / 8) * 8;
            load_activations(a, tile, r, k + c, x_tile + r * stride + c);
        }
        __syncthreads();
#pragma unroll
        for (int step = 0; step < tile_in; step += 16) {
            const auto two = [](const __half *p) { return *reinterpret_cast<const uint32_t *>(p); };
            uint32_t fa[2][4], fb[4][2];
#pragma unroll
            for (int m = 0; m < 2; m++) {
                const __half *p = w_tile + (out_at + 16 * m + quad) * stride + step + pair;
                fa[m][0] = two(p);
                fa[m][1] = two(p + 8 * stride);
                fa[m][2] = two(p + 8);
                fa[m][3] = two(p + 8 * stride + 8);
            }
#pragma unroll
            for (int n = 0; n < 4; n++) {
                const __half *p = x_tile + (row_at + 8 * n + quad) * stride + step + pair;
                fb[n][0] = two(p);
                fb[n][1] = two(p + 8);
            }
#pragma unroll
            for (int m = 0; m < 2; m++)
#pragma unroll
                for (int n = 0; n < 4; n++) multiply_add(sum[m][n], fa[m], fb[n]);
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
                if (out < a.n_out) y[out] = sum[m][n][i];
                if (out + 8 < a.n_out) y[out + 8] = sum[m][n][2 + i];
            }
        }
}

} // namespace

void tensor_product(Device &device, const Product &p, const uint64_t *codebook) {
    const ProductArgs a = product_args(p, codebook);
    const unsigned blocks = unsigned((a.n_out + tile_out - 1) / tile_out);
    const unsigned tiles = p.groups ? unsigned(p.groups->max_tiles) : unsigned((p.n_rows + tensor_tile - 1) / tensor_tile);
    const dim3 grid(blocks, tiles, p.groups ? 1u : unsigned(p.n_planes));
    with_type(p.matrix->type, [&](auto type) {
        device.launch("tensor_product", tensor_kernel<decltype(type)::value>, grid, threads, 0, a);
    });
}

} // namespace cuda
} // namespace ds4
