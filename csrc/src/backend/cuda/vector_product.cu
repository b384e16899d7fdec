// Products in f32: a warp owns one row of the matrix, reads it once for up to eight rows of activations.
#include "backend/cuda/product_args.cuh"
#include "backend/cuda/reduce.cuh"

#include <algorithm>

namespace ds4 {
namespace cuda {
namespace {

constexpr int block_warps = 8;

// Lane l sums the groups of eight l, l + 32, ...; then the lanes meet.
template <GgmlType type, int n_rows> __global__ void vector_kernel(ProductArgs a) {
    Tile tile;
    if (!find_tile(a, n_rows, &tile)) return;
    const int lane = threadIdx.x % warp_size, out = blockIdx.x * block_warps + threadIdx.x / warp_size;
    if (out >= a.n_out) return;
    const uint8_t *w = a.w + size_t(tile.mat) * a.mat_bytes + size_t(out) * a.row_bytes;
    const float *x[n_rows];
    float sum[n_rows];
    for (int r = 0; r < n_rows; r++) { // rows past the last one repeat it and are not kept
        x[r] = x_row(a, row_number(a, tile, min(r, tile.count - 1)));
        sum[r] = 0;
    }
    const int n_groups = a.n_in / 8;
    for (int g = lane; g < n_groups; g += warp_size) {
        float v[8];
        Weights8<type>::load8(w, g, a.codebook, v);
#pragma unroll
        for (int r = 0; r < n_rows; r++) {
            float u[8];
            load_x8(a, x[r], 8 * g, u);
#pragma unroll
            for (int i = 0; i < 8; i++) sum[r] += v[i] * u[i];
        }
    }
    if constexpr (is_dense(type)) {
        if (a.n_in % 8 && lane == n_groups % warp_size)
            for (int k = 8 * n_groups; k < a.n_in; k++) {
                const float v = Weights8<type>::one(w, k);
                for (int r = 0; r < n_rows; r++) sum[r] += v * x[r][k];
            }
    }
#pragma unroll
    for (int r = 0; r < n_rows; r++) {
        const float y = warp_sum(sum[r]);
        if (lane == 0 && r < tile.count) y_row(a, row_number(a, tile, r))[out] = y;
    }
}

template <GgmlType type> void launch(Device &device, const ProductArgs &a, int tile_rows, dim3 grid) {
    const int threads = block_warps * warp_size;
    switch (tile_rows) {
    case 1: return device.launch("vector_product_1", vector_kernel<type, 1>, grid, threads, 0, a);
    case 2: return device.launch("vector_product_2", vector_kernel<type, 2>, grid, threads, 0, a);
    case 4: return device.launch("vector_product_4", vector_kernel<type, 4>, grid, threads, 0, a);
    default: return device.launch("vector_product_8", vector_kernel<type, 8>, grid, threads, 0, a);
    }
}

} // namespace

bool type_supported(GgmlType type) noexcept {
    bool known = false;
    with_type(type, [&](auto) { known = true; });
    return known;
}

void vector_product(Device &device, const Product &p, const uint64_t *codebook) {
    const ProductArgs a = product_args(p, codebook);
    const unsigned blocks = unsigned((a.n_out + block_warps - 1) / block_warps);
    if (p.groups)
        return with_type(p.matrix->type, [&](auto type) {
            launch<decltype(type)::value>(device, a, vector_tile, dim3(blocks, unsigned(p.groups->max_tiles)));
        });
    const int tile = p.mat_of || p.n_rows == 1 ? 1 : p.n_rows == 2 ? 2 : p.n_rows <= 4 ? 4 : vector_tile;
    const unsigned tiles = unsigned((p.n_rows + tile - 1) / tile);
    with_type(p.matrix->type, [&](auto type) {
        launch<decltype(type)::value>(device, a, tile, dim3(blocks, tiles, unsigned(p.n_planes)));
    });
}

} // namespace cuda
} // namespace ds4
