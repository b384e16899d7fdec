// What both product kernels are given, and how a block finds its rows.
#pragma once

#include "backend/cuda/dequantize.cuh"
#include "backend/cuda/product.h"

namespace ds4 {
namespace cuda {

struct ProductArgs {
    const uint8_t *w;
    size_t row_bytes, mat_bytes;
    int32_t n_in, n_out;
    const uint64_t *codebook;
    const float *x;
    int64_t x_stride, x_plane;
    int32_t x_div;
    float *y;
    int64_t y_stride, y_plane;
    int32_t n_rows;
    bool vector_x; // rows of x begin at multiples of 16 bytes
    const int32_t *mat_of;
    const Tile *tiles;
    const int32_t *n_tiles, *order;
};

inline ProductArgs product_args(const Product &p, const uint64_t *codebook) {
    const Matrix &m = *p.matrix;
    ProductArgs a{};
    a.w = m.data;
    a.row_bytes = m.row_bytes;
    a.mat_bytes = m.mat_bytes;
    a.n_in = int32_t(m.n_in);
    a.n_out = int32_t(m.n_out);
    a.codebook = codebook;
    a.x = p.x;
    a.x_stride = p.x_stride;
    a.x_plane = p.x_plane;
    a.x_div = p.x_div;
    a.y = p.y;
    a.y_stride = p.y_stride;
    a.y_plane = p.y_plane;
    a.n_rows = p.n_rows;
    a.vector_x = p.x_stride % 4 == 0 && p.x_plane % 4 == 0 && reinterpret_cast<uintptr_t>(p.x) % 16 == 0;
    a.mat_of = p.mat_of;
    if (p.groups) {
        a.tiles = p.groups->tiles;
        a.n_tiles = p.groups->n_tiles;
        a.order = p.groups->order;
    }
    return a;
}

// The rows of block (y, z) in a grid of tiles of tile_rows; false when it has none.
__device__ inline bool find_tile(const ProductArgs &a, int tile_rows, Tile *out) {
    if (a.tiles) {
        if (int(blockIdx.y) >= *a.n_tiles) return false;
        *out = a.tiles[blockIdx.y];
        return true;
    }
    out->first = int(blockIdx.y) * tile_rows;
    out->count = min(tile_rows, a.n_rows - out->first);
    out->mat = a.mat_of ? a.mat_of[blockIdx.y] : int(blockIdx.z);
    return true;
}
__device__ inline int row_number(const ProductArgs &a, const Tile &tile, int i) {
    return a.order ? a.order[tile.first + i] : tile.first + i;
}
__device__ inline const float *x_row(const ProductArgs &a, int row) {
    return a.x + int64_t(row / a.x_div) * a.x_stride + int64_t(blockIdx.z) * a.x_plane;
}
__device__ inline float *y_row(const ProductArgs &a, int row) {
    return a.y + int64_t(row) * a.y_stride + int64_t(blockIdx.z) * a.y_plane;
}
// Eight neighbours of a row of activations.
__device__ inline void load_x8(const ProductArgs &a, const float *x, int k, float *out) {
    if (a.vector_x) {
        const float4 lo = *reinterpret_cast<const float4 *>(x + k), hi = *reinterpret_cast<const float4 *>(x + k + 4);
        out[0] = lo.x, out[1] = lo.y, out[2] = lo.z, out[3] = lo.w;
        out[4] = hi.x, out[5] = hi.y, out[6] = hi.z, out[7] = hi.w;
    } else {
        for (int i = 0; i < 8; i++) out[i] = x[k + i];
    }
}

} // namespace cuda
} // namespace ds4
