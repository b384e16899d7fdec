// The CPU kernels but the matrix products, on the sixteen-lane vectors of vec.h. Included by kernels_<isa>.cpp.
//
// The order of every sum depends on the shapes alone, so a token's result does not depend on what else is computed.
#include "backend/cpu/kernels.h"
#include "backend/cpu/vec.h"

// Nothing of the standard library's templates is used here: their out-of-line copies would be shared with the rest of the
// library, compiled for a processor that may not be there.
namespace ds4 {
namespace DS4_ISA_NS {
namespace {

template <typename T> inline T min_of(T a, T b) { return a < b ? a : b; }
inline float root(float x) { return __builtin_sqrtf(x); }

#if defined(__clang__) || __GNUC__ >= 12
#  define DS4_SHUFFLE(v, ...) __builtin_shufflevector(v, v, __VA_ARGS__)
#else
#  define DS4_SHUFFLE(v, ...) __builtin_shuffle(v, (i16v){__VA_ARGS__})
#endif

// out[r] = sum16(acc[r])
template <int n> inline void sums16(const v16 *acc, float *out) {
#if defined(__AVX512F__)
    if constexpr (n == 16) {
        __m512 a[16], b[8], c[4];
        for (int i = 0; i < 16; i++) a[i] = (__m512)acc[i];
        for (int i = 0; i < 8; i++) // halves of 8: two sums of 8 lanes in each
            b[i] = _mm512_add_ps(_mm512_shuffle_f32x4(a[2 * i], a[2 * i + 1], 0x44),
                                 _mm512_shuffle_f32x4(a[2 * i], a[2 * i + 1], 0xee));
        for (int i = 0; i < 4; i++) // halves of 4
            c[i] = _mm512_add_ps(_mm512_shuffle_f32x4(b[2 * i], b[2 * i + 1], 0x88),
                                 _mm512_shuffle_f32x4(b[2 * i], b[2 * i + 1], 0xdd));
        const __m512 d0 = _mm512_add_ps(_mm512_shuffle_ps(c[0], c[1], 0x44), _mm512_shuffle_ps(c[0], c[1], 0xee));
        const __m512 d1 = _mm512_add_ps(_mm512_shuffle_ps(c[2], c[3], 0x44), _mm512_shuffle_ps(c[2], c[3], 0xee));
        const __m512 e = _mm512_add_ps(_mm512_shuffle_ps(d0, d1, 0x88), _mm512_shuffle_ps(d0, d1, 0xdd));
        const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        _mm512_storeu_ps(out, _mm512_permutexvar_ps(order, e));
        return;
    }
#endif
    for (int i = 0; i < n; i++) out[i] = sum16(acc[i]);
}

float sum_squares(const float *x, int64_t n) {
    v16 a = {}, b = {};
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
        const v16 u = load16(x + i), v = load16(x + i + 16);
        a = fma16(u, u, a);
        b = fma16(v, v, b);
    }
    if (i + 16 <= n) {
        const v16 u = load16(x + i);
        a = fma16(u, u, a);
        i += 16;
    }
    if (i < n) {
        const v16 u = load_part(x + i, int(n - i));
        b = fma16(u, u, b);
    }
    return sum16(a + b);
}

// Calls f(offset, count) over [0, n) in vectors; count is 16 but for the last.
template <typename F> inline void each16(int64_t n, F &&f) {
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) f(i, 16);
    if (i < n) f(i, int(n - i));
}
inline v16 get(const float *p, int count) { return count == 16 ? load16(p) : load_part(p, count); }
inline void put(float *p, v16 v, int count) {
    if (count == 16)
        store16(p, v);
    else
        store_part(p, v, count);
}

void rms_norm(const float *x, const float *w, int64_t n, float eps, float *out) {
    const float r = 1.0f / root(sum_squares(x, n) / float(n) + eps);
    if (w)
        each16(n, [&](int64_t i, int c) { put(out + i, get(x + i, c) * r * get(w + i, c), c); });
    else
        each16(n, [&](int64_t i, int c) { put(out + i, get(x + i, c) * r, c); });
}

void hyper_merge(float *x, const float *out, const float *post, const float *comb, int32_t n_stream, int64_t n_embd) {
    constexpr int max_stream = 8;
    each16(n_embd, [&](int64_t i, int c) {
        v16 in[max_stream];
        const v16 o = get(out + i, c);
        for (int s = 0; s < n_stream; s++) in[s] = get(x + s * n_embd + i, c);
        for (int j = 0; j < n_stream; j++) {
            v16 sum = o * post[j];
            for (int s = 0; s < n_stream; s++) sum = fma16(splat(comb[s * n_stream + j]), in[s], sum);
            put(x + j * n_embd + i, sum, c);
        }
    });
}

inline float sigmoid1(float x) { return 1.0f / (1.0f + exp1(-x)); }

// Softmax over columns, then alternating column and row normalisation; the last pass is over columns.
void sinkhorn_any(float *k, int n, int passes, float eps) {
    const auto columns = [&] {
        for (int j = 0; j < n; j++) {
            float sum = 0;
            for (int i = 0; i < n; i++) sum += k[i * n + j];
            for (int i = 0; i < n; i++) k[i * n + j] /= sum + eps;
        }
    };
    for (int i = 0; i < n; i++) {
        float *row = k + i * n, top = row[0], sum = 0;
        for (int j = 1; j < n; j++) top = top > row[j] ? top : row[j];
        for (int j = 0; j < n; j++) sum += row[j] = exp1(row[j] - top);
        for (int j = 0; j < n; j++) row[j] = row[j] / sum + eps;
    }
    columns();
    for (int pass = 1; pass < passes; pass++) {
        for (int i = 0; i < n; i++) {
            float sum = 0;
            for (int j = 0; j < n; j++) sum += k[i * n + j];
            for (int j = 0; j < n; j++) k[i * n + j] /= sum + eps;
        }
        columns();
    }
}

// The 4 x 4 case in one vector: sums over rows and columns are two shuffled additions each.
void sinkhorn_4(float *k, int passes, float eps) {
    const auto next_in_row = [](v16 v) { return DS4_SHUFFLE(v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14); };
    const auto pair_in_row = [](v16 v) { return DS4_SHUFFLE(v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13); };
    const auto next_row = [](v16 v) { return DS4_SHUFFLE(v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11); };
    const auto pair_row = [](v16 v) { return DS4_SHUFFLE(v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7); };
    const auto row_sum = [&](v16 v) {
        v = v + next_in_row(v);
        return v + pair_in_row(v);
    };
    const auto col_sum = [&](v16 v) {
        v = v + next_row(v);
        return v + pair_row(v);
    };
    v16 v = load16(k);
    v16 top = vmax(v, next_in_row(v));
    top = vmax(top, pair_in_row(top));
    v = exp16(v - top);
    v = v / row_sum(v) + eps;
    v = v / (col_sum(v) + eps);
    for (int pass = 1; pass < passes; pass++) {
        v = v / (row_sum(v) + eps);
        v = v / (col_sum(v) + eps);
    }
    store16(k, v);
}

// 1 / rms of the flattened streams; the products were made with the unnormalised values.
float flat_scale(const HyperArgs &a, const float *x) {
    const int64_t n = a.n_stream * a.n_embd;
    return 1.0f / root(sum_squares(x, n) / float(n) + a.rms_eps);
}

void hyper_mix(const HyperArgs &a, const float *x, const float *mix, float *pre, float *post, float *comb) {
    const int n = a.n_stream;
    const float r = flat_scale(a, x);
    for (int i = 0; i < n; i++) {
        pre[i] = sigmoid1(mix[i] * r * a.scale[0] + a.base[i]) + a.hc_eps;
        post[i] = 2.0f * sigmoid1(mix[n + i] * r * a.scale[1] + a.base[n + i]);
    }
    for (int i = 0; i < n * n; i++) comb[i] = mix[2 * n + i] * r * a.scale[2] + a.base[2 * n + i];
    if (n == 4)
        sinkhorn_4(comb, a.n_sinkhorn, a.hc_eps);
    else
        sinkhorn_any(comb, n, a.n_sinkhorn, a.hc_eps);
}

void hyper_head(const HyperArgs &a, const float *x, const float *mix, float *pre) {
    const float r = flat_scale(a, x);
    for (int i = 0; i < a.n_stream; i++) pre[i] = sigmoid1(mix[i] * r * a.scale[0] + a.base[i]) + a.hc_eps;
}

void hyper_collapse(const float *x, const float *pre, int32_t n_stream, int64_t n_embd, float *out) {
    each16(n_embd, [&](int64_t i, int c) {
        v16 sum = get(x + i, c) * pre[0];
        for (int s = 1; s < n_stream; s++) sum = fma16(splat(pre[s]), get(x + s * n_embd + i, c), sum);
        put(out + i, sum, c);
    });
}

void rope(float *x, int64_t n, int64_t stride, int64_t dim, int64_t n_rot, const float *cs, bool inverse) {
    const int64_t half = n_rot / 2;
    const float sign = inverse ? -1.0f : 1.0f;
    for (int64_t v = 0; v < n; v++) {
        float *tail = x + v * stride + dim - n_rot;
        for (int64_t j = 0; j < half; j++) {
            const float c = cs[j], s = sign * cs[half + j], a = tail[2 * j], b = tail[2 * j + 1];
            tail[2 * j] = a * c - b * s;
            tail[2 * j + 1] = a * s + b * c;
        }
    }
}

void swiglu(const float *gate, const float *up, float clamp, int64_t n, float *out) {
    const v16 hi = splat(clamp > 0 ? clamp : INFINITY), lo = -hi;
    each16(n, [&](int64_t i, int c) {
        const v16 g = vmin(get(gate + i, c), hi), u = vmax(vmin(get(up + i, c), hi), lo);
        put(out + i, g * sigmoid16(g) * u, c);
    });
}

void add(float *y, const float *x, int64_t n) {
    each16(n, [&](int64_t i, int c) { put(y + i, get(y + i, c) + get(x + i, c), c); });
}

void axpy(float *y, float a, const float *x, int64_t n) {
    const v16 av = splat(a);
    each16(n, [&](int64_t i, int c) { put(y + i, fma16(av, get(x + i, c), get(y + i, c)), c); });
}

void to_row(const float *x, int64_t n, bool f16, void *row) {
    if (!f16) {
        __builtin_memcpy(row, x, size_t(n) * 4);
        return;
    }
    uint16_t *h = static_cast<uint16_t *>(row);
    for (int64_t i = 0; i < n; i++) h[i] = to_f16(x[i]);
}

void from_row(const void *row, int64_t n, bool f16, float *x) {
    if (!f16) {
        __builtin_memcpy(x, row, size_t(n) * 4);
        return;
    }
    const uint16_t *h = static_cast<const uint16_t *>(row);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) store16(x + i, load_f16(h + i));
    for (; i < n; i++) x[i] = from_f16(h[i]);
}

void pool(const float *const *kv, const float *const *score, int64_t n, int64_t dim, float *out) {
    each16(dim, [&](int64_t c, int count) {
        v16 top = get(score[0] + c, count);
        for (int64_t i = 1; i < n; i++) top = vmax(top, get(score[i] + c, count));
        v16 sum = {}, value = {};
        for (int64_t i = 0; i < n; i++) {
            const v16 e = exp16(get(score[i] + c, count) - top);
            sum = sum + e;
            value = fma16(e, get(kv[i] + c, count), value);
        }
        put(out + c, value / sum, count);
    });
}

// Rows whose products are kept in registers at once.
#if defined(__AVX512F__)
constexpr int block_rows = 16;
#else
constexpr int block_rows = 4;
#endif

// out[r] = q . rows[r] for block_rows rows.
inline void dots(const float *q, const float *const *rows, int64_t dim, float *out) {
    v16 acc[block_rows] = {};
    int64_t d = 0;
    for (; d + 16 <= dim; d += 16) {
        const v16 x = load16(q + d);
        for (int r = 0; r < block_rows; r++) acc[r] = fma16(x, load16(rows[r] + d), acc[r]);
    }
    if (d < dim) {
        const v16 x = load_part(q + d, int(dim - d));
        for (int r = 0; r < block_rows; r++) acc[r] = fma16(x, load_part(rows[r] + d, int(dim - d)), acc[r]);
    }
    sums16<block_rows>(acc, out);
}

// Rows [first, first + n) as float pointers: the rows themselves when they are f32, else converted into the tile.
inline void float_rows(const AttendArgs &a, int64_t first, int64_t n, const float **out) {
    for (int64_t r = 0; r < n; r++) {
        const bool is_f32 = !a.f16 || (first + r >= a.f32_begin && first + r < a.f32_end);
        if (!is_f32) {
            float *dst = a.tile + r * row_stride(a.head_dim);
            from_row(a.rows[first + r], a.head_dim, true, dst);
            out[r] = dst;
        } else {
            out[r] = static_cast<const float *>(a.rows[first + r]);
        }
    }
}

// y[h] += sum over rows of p[h][row] * row, for channels [c, c + 16 * width) of `heads` heads; rows in ascending order.
template <int heads, int width>
inline void weigh_block(float *y, int64_t y_stride, const float *p, int64_t p_stride, const float *const *rows,
                        int64_t n, int64_t c) {
    v16 acc[heads][width];
    for (int h = 0; h < heads; h++)
        for (int w = 0; w < width; w++) acc[h][w] = load16(y + h * y_stride + c + 16 * w);
    for (int64_t r = 0; r < n; r++) {
        v16 row[width];
        for (int w = 0; w < width; w++) row[w] = load16(rows[r] + c + 16 * w);
        for (int h = 0; h < heads; h++) {
            const v16 weight = splat(p[h * p_stride + r]);
            for (int w = 0; w < width; w++) acc[h][w] = fma16(weight, row[w], acc[h][w]);
        }
    }
    for (int h = 0; h < heads; h++)
        for (int w = 0; w < width; w++) store16(y + h * y_stride + c + 16 * w, acc[h][w]);
}

inline void weigh_tail(float *y, const float *p, const float *const *rows, int64_t n, int64_t c, int count) {
    v16 acc = load_part(y + c, count);
    for (int64_t r = 0; r < n; r++) acc = fma16(splat(p[r]), load_part(rows[r] + c, count), acc);
    store_part(y + c, acc, count);
}

inline void weigh(const AttendArgs &a, float *y, const float *p, int64_t p_stride, const float *const *rows,
                  int64_t n) {
    const int64_t dim = a.head_dim;
    int64_t h = 0;
    for (; h + 4 <= a.n_head; h += 4) {
        int64_t c = 0;
        for (; c + 64 <= dim; c += 64) weigh_block<4, 4>(y + h * dim, dim, p + h * p_stride, p_stride, rows, n, c);
        for (; c + 16 <= dim; c += 16) weigh_block<4, 1>(y + h * dim, dim, p + h * p_stride, p_stride, rows, n, c);
        if (c < dim)
            for (int64_t k = h; k < h + 4; k++) weigh_tail(y + k * dim, p + k * p_stride, rows, n, c, int(dim - c));
    }
    for (; h < a.n_head; h++) {
        int64_t c = 0;
        for (; c + 64 <= dim; c += 64) weigh_block<1, 4>(y + h * dim, dim, p + h * p_stride, p_stride, rows, n, c);
        for (; c + 16 <= dim; c += 16) weigh_block<1, 1>(y + h * dim, dim, p + h * p_stride, p_stride, rows, n, c);
        if (c < dim) weigh_tail(y + h * dim, p + h * p_stride, rows, n, c, int(dim - c));
    }
}

// Two passes over the rows, in tiles: scores, softmax with the sink in the denominator only, weighted sum. The values are
// the keys.
void attend(const AttendArgs &a) {
    constexpr int64_t max_tile = 512;
    const float *rows[max_tile + block_rows];
    const int64_t tile = min_of(max_tile, a.tile_rows), padded = (a.n_rows + 15) / 16 * 16;
    const bool one_tile = a.n_rows <= tile;
    for (int64_t first = 0; first < a.n_rows; first += tile) {
        const int64_t n = min_of(tile, a.n_rows - first);
        float_rows(a, first, n, rows);
        for (int64_t r = n; r % block_rows; r++) rows[r] = rows[n - 1]; // products nobody reads
        for (int64_t r = 0; r < n; r += block_rows)
            for (int64_t h = 0; h < a.n_head; h++)
                dots(a.q + h * a.head_dim, rows + r, a.head_dim, a.scores + h * padded + first + r);
    }
    for (int64_t h = 0; h < a.n_head; h++) {
        float *s = a.scores + h * padded;
        for (int64_t r = a.n_rows; r < padded; r++) s[r] = -INFINITY;
        v16 top = splat(a.sinks[h]);
        for (int64_t r = 0; r < padded; r += 16) {
            const v16 v = load16(s + r) * a.scale;
            store16(s + r, v);
            top = vmax(top, v);
        }
        const float m = max16(top);
        v16 sum = {};
        for (int64_t r = 0; r < padded; r += 16) {
            const v16 e = exp16(load16(s + r) - m);
            store16(s + r, e);
            sum = sum + e;
        }
        const float inv = 1.0f / (sum16(sum) + exp1(a.sinks[h] - m));
        for (int64_t r = 0; r < padded; r += 16) store16(s + r, load16(s + r) * inv);
    }
    __builtin_memset(a.q, 0, size_t(a.n_head * a.head_dim) * sizeof(float));
    for (int64_t first = 0; first < a.n_rows; first += tile) {
        const int64_t n = min_of(tile, a.n_rows - first);
        if (!one_tile) float_rows(a, first, n, rows);
        weigh(a, a.q, a.scores + first, padded, rows, n);
    }
}

void index_scores(const IndexArgs &a) {
    const size_t row_bytes = size_t(a.dim) * (a.f16 ? 2 : 4);
    const float *rows[block_rows];
    for (int64_t first = 0; first < a.n_rows; first += block_rows) {
        const int64_t n = min_of<int64_t>(block_rows, a.n_rows - first);
        for (int64_t r = 0; r < block_rows; r++) {
            const void *row = static_cast<const uint8_t *>(a.rows) + size_t(first + min_of(r, n - 1)) * row_bytes;
            if (a.f16) {
                from_row(row, a.dim, true, a.tile + r * a.dim);
                rows[r] = a.tile + r * a.dim;
            } else {
                rows[r] = static_cast<const float *>(row);
            }
        }
        float sum[block_rows] = {}, dot[block_rows];
        for (int64_t h = 0; h < a.n_head; h++) {
            dots(a.q + h * a.dim, rows, a.dim, dot);
            for (int r = 0; r < block_rows; r++) sum[r] += a.alpha[h] * (dot[r] > 0 ? dot[r] : 0.0f);
        }
        for (int64_t r = 0; r < n; r++) a.scores[first + r] = sum[r] * a.scale;
    }
}

// A constant: nothing of this instruction set may run while the library is loaded.
constexpr CpuKernels table = {DS4_ISA_ID, &DS4_ISA_MATMUL, sum_squares, rms_norm, hyper_merge, hyper_mix,
                              hyper_head, hyper_collapse,  rope,        swiglu,   add,         axpy,
                              to_row,     from_row,        pool,        attend,   index_scores};

} // namespace

} // namespace DS4_ISA_NS
} // namespace ds4
