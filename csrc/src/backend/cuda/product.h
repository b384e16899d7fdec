// Matrix times activation rows on the device: which rows of which matrix, and the two kernels that do it.
#pragma once

#include "backend/backend.h"
#include "backend/cuda/device.h"

namespace ds4 {
namespace cuda {

// Rows of one matrix that are multiplied together: entries [first, first + count) of `order`.
struct Tile {
    int32_t mat = 0, first = 0, count = 0;
};

// Rows grouped by the matrix they meet (experts). In device memory, made there.
struct Groups {
    const Tile *tiles = nullptr;      // [max_tiles]
    const int32_t *n_tiles = nullptr; // [1] of which so many are real
    const int32_t *order = nullptr;   // row numbers, those of one matrix side by side
    int32_t max_tiles = 0;
    int32_t tile_rows = 0; // no tile has more
};

// y[r] = W x[r / x_div] for every row r. Three ways to say which matrix: all rows meet `n_planes` matrices in turn, each
// with a slice of x and of y of its own; row r meets matrix mat_of[r]; or groups.
struct Product {
    const Matrix *matrix = nullptr;
    const float *x = nullptr;
    int64_t x_stride = 0; // floats
    int32_t x_div = 1;
    float *y = nullptr;
    int64_t y_stride = 0;
    int32_t n_rows = 0;
    int32_t n_planes = 1;
    int64_t x_plane = 0, y_plane = 0; // floats from one matrix's slice to the next
    const int32_t *mat_of = nullptr;  // device [n_rows]
    const Groups *groups = nullptr;
};

// From this many rows on products run on the tensor cores, unless they are to be exact.
constexpr int32_t tensor_rows = 9;
// Rows of a tile of each kernel.
constexpr int32_t vector_tile = 8, tensor_tile = 64;

bool type_supported(GgmlType type) noexcept;

// f32 throughout. For one row and one output the order of the sum depends on the number of inputs alone.
void vector_product(Device &device, const Product &p, const uint64_t *codebook);
// On the tensor cores, every number as two halves, summed in f32. The order depends on the number of inputs alone.
void tensor_product(Device &device, const Product &p, const uint64_t *codebook);

} // namespace cuda
} // namespace ds4
