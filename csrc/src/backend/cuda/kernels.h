// The kernels but the products: what each is given, and a function that enqueues it. All pointers are device pointers.
#pragma once

#include "backend/backend.h"
#include "backend/cuda/device.h"
#include "backend/cuda/product.h"

namespace ds4 {
namespace cuda {

// A compressed row that a batch closes.
struct Closing {
    int32_t span = 0;
    int32_t pad = 0;
    int64_t row = 0;
};

// The batch's metadata in device memory, uploaded in one copy. Page tables lie there too: spans point to them.
struct DeviceBatch {
    int32_t n_tokens = 0, n_spans = 0, n_wanted = 0;
    const int32_t *tokens = nullptr;  // [n_tokens]
    const int32_t *span_of = nullptr; // [n_tokens]
    const int64_t *pos = nullptr;     // [n_tokens]
    const BatchSpan *spans = nullptr; // [n_spans]
    const int32_t *wanted = nullptr;  // [n_wanted] tokens
};

// ------------------------------------------------------------------------------------ embedding, hyper-connections

// streams [n][n_stream][n_embd]: the embedding in every stream.
struct EmbedArgs {
    const int32_t *tokens;
    const uint8_t *w;
    size_t row_bytes;
    const uint64_t *codebook;
    float *streams;
    int32_t n_embd, n_stream;
};
void embed(Device &device, GgmlType type, const EmbedArgs &a, int32_t n_tokens);

// cos and sin of position * f_j: table [2][n][n_rot], with the frequencies of sliding layers, then of compressed ones.
struct RopeTableArgs {
    const int64_t *pos;
    const float *freq; // [2][n_rot / 2]
    float *table;
    int32_t n_tokens, n_rot;
};
void rope_tables(Device &device, const RopeTableArgs &a);

// Channels of one hyper-connection block: the products of fn are summed per block of channels, then over the blocks.
constexpr int32_t hyper_channels = 128;
struct HyperArgs {
    float *streams;      // [n][n_stream][n_embd]; the block before is merged into them
    const float *out;    // [n][n_embd] its output; nullptr: there is none
    float *post, *comb;  // [n][n_stream], [n][n_stream^2]: read for the merge, then overwritten with this block's
    const int32_t *rows; // nullptr, or the tokens to work on
    const uint8_t *fn;   // [n_mix][n_stream * n_embd]
    size_t row_bytes;
    const uint64_t *codebook;
    const float *base, *scale; // [n_mix], [3] or [1]
    const float *norm;         // [n_embd]
    float *partial;            // [n][n_blocks][n_mix + 1]: products of a block of channels, and its sum of squares
    float *x;                  // [n][n_embd] out: the next block's normed input
    int32_t n_embd, n_stream, n_mix, n_blocks, n_sinkhorn;
    float hc_eps, rms_eps;
};
// n_mix == n_stream: the head's, which has no post and comb.
void hyper(Device &device, GgmlType type, const HyperArgs &a, int32_t n_rows);

// ------------------------------------------------------------------------------------ rows for attention

// Norms, rotation, rounding of one token's projections.
struct ProjectedArgs {
    DeviceBatch batch;
    float *q_latent;              // [n][q_rank] normed in place
    const float *q_norm;          // [q_rank]
    float *kv;                    // [n][head_dim] in place: normed, rotated, rounded to the KV dtype
    const float *kv_norm;         // [head_dim]
    const float *rope;            // [n][n_rot]
    float *score, *index_score;   // [n][width], [n][index_width]: ape is added; nullptr: none
    const float *ape, *index_ape; // [ratio][width]
    int32_t q_rank, head_dim, n_rot, ratio, width, index_width;
    float rms_eps;
    bool f16, simulate;
};
void project_rows(Device &device, const ProjectedArgs &a);

// Queries [n][n_head][dim]: normed per head (eps > 0 only), rotated, and rounded as indexer rows if asked.
struct QueryArgs {
    float *q;
    const float *rope;
    int32_t n_head, dim, n_rot;
    float eps;
    bool norm, simulate_index;
};
void query_rows(Device &device, const QueryArgs &a, int32_t n_tokens);

// ------------------------------------------------------------------------------------ compressors

struct CloseArgs {
    DeviceBatch batch;
    const Closing *closings;
    const float *new_kv, *new_score; // [n][width] of the batch
    FrontierLayout frontier;
    const float *norm, *freq; // [dim], [n_rot / 2]
    size_t page_offset;
    int32_t dim, n_rot, ratio, lanes, rows_per_page;
    float rms_eps;
    bool f16, simulate_kv, simulate_index;
};
void close_rows(Device &device, const CloseArgs &a, int32_t n_closings);

// Rows of the batch that go to a ring of the private state: floats, or floats that become the KV dtype.
struct StoreArgs {
    DeviceBatch batch;
    const float *rows; // [n][width]
    size_t offset;     // of the ring in the state
    int32_t width, n_slots;
    bool f16;
};
void store_rows(Device &device, const StoreArgs &a, int32_t max_rows);

// ------------------------------------------------------------------------------------ attention

// Indexer scores of the visible rows of tokens [first, first + n): scores [n][stride].
struct ScoreArgs {
    DeviceBatch batch;
    const float *q, *alpha; // [n][idx_head][idx_dim], [n][idx_head]
    float *scores;
    int64_t stride;
    size_t page_offset;
    int32_t first, ratio, top_k, idx_head, idx_dim, rows_per_page;
    float scale;
    bool f16;
};
void score_rows(Device &device, const ScoreArgs &a, int32_t n_tokens, int64_t max_visible);

// The top_k visible rows of tokens [first, first + n), ascending; all of them where there are no more.
struct SelectArgs {
    DeviceBatch batch;
    const float *scores;
    int64_t stride;
    int32_t *selected, *n_selected; // [n_batch][top_k], [n_batch]
    int32_t first, ratio, top_k;
};
void select_rows(Device &device, const SelectArgs &a, int32_t n_tokens);

struct AttendArgs {
    DeviceBatch batch;
    float *q;                             // [n][n_head][head_dim] in: queries, out: attention output, rotated back
    const float *kv;                      // [n][head_dim] rows of the batch
    const float *sinks;                   // [n_head]
    const float *rope;                    // [n][n_rot]
    const int32_t *selected, *n_selected; // CSA with more rows than may be picked
    LayerKv layer;
    int32_t kind; // LayerKind
    int32_t n_head, head_dim, n_rot, n_window, ratio, top_k;
    float scale;
    bool f16, pruned; // pruned: selected is filled
};
// False: heads are too wide for it.
bool attend(Device &device, const AttendArgs &a);
bool attend_supports(int64_t head_dim) noexcept;

// ------------------------------------------------------------------------------------ experts

struct RouteArgs {
    float *scores;         // [n][n_expert] in: router products
    const float *bias;     // [n_expert] or nullptr
    const int32_t *hash;   // [n_vocab][n_used] or nullptr
    const int32_t *tokens; // [n]
    int32_t *expert;       // [n][n_used] ascending
    float *weight;         // [n][n_used]
    int32_t n_expert, n_used;
    float scale;
    bool normalise;
};
void route(Device &device, const RouteArgs &a, int32_t n_tokens);

// Groups the rows (token, slot) by expert.
struct GroupArgs {
    const int32_t *expert; // [n_rows]
    int32_t *first;        // scratch [n_expert + 1]
    int32_t *next;         // scratch [n_expert]
    int32_t *order;        // [n_rows]
    Tile *tiles;           // [max_tiles]
    int32_t *n_tiles;      // [1]
    int32_t n_rows, n_expert, tile_rows;
};
void group_by_expert(Device &device, const GroupArgs &a);

// gate = silu(min(gate, clamp)) * clamp(up, -clamp, clamp); clamp 0 = none.
void swiglu(Device &device, float *gate, const float *up, float clamp, int64_t n);

// out [n][n_embd] = sum over slots of weight * part[token * n_used + slot], experts ascending, then the shared expert.
struct CombineArgs {
    const float *part, *shared, *weight;
    float *out;
    int32_t n_used, n_embd;
};
void combine(Device &device, const CombineArgs &a, int32_t n_tokens);

} // namespace cuda
} // namespace ds4
