// Computes the KV layout.
#include "kv/layout.h"

#include <numeric>

namespace ds4 {
namespace {

constexpr size_t align = 64; // every section starts on a cache line

size_t take(size_t &at, size_t bytes) {
    const size_t offset = at;
    at = (at + bytes + align - 1) / align * align;
    return offset;
}

FrontierLayout frontier(size_t &at, uint32_t n_slots, uint32_t width) {
    FrontierLayout f;
    f.n_slots = n_slots;
    f.width = width;
    f.kv = take(at, size_t(n_slots) * width * sizeof(float));
    f.score = take(at, size_t(n_slots) * width * sizeof(float));
    return f;
}

} // namespace

KvLayout KvLayout::make(const Config &c, bool f16) {
    KvLayout out;
    out.f16 = f16;
    uint64_t lcm = 1;
    for (const LayerConfig &l : c.layers) {
        if (l.ratio) lcm = std::lcm(lcm, uint64_t(l.ratio));
        if (lcm > 65536)
            fail(DS4X_ERR_MODEL,
                 "deepseek4.attention.compress_ratios: the ratios' least common multiple exceeds 65536");
    }
    out.page_tokens = uint32_t((128 + lcm - 1) / lcm * lcm);
    const size_t element = out.element_bytes();
    out.layers.resize(c.n_layer);
    for (uint32_t il = 0; il < c.n_layer; il++) {
        const LayerConfig &l = c.layers[il];
        LayerKv &kv = out.layers[il];
        kv.n_raw_slots = c.n_window + ring_slack;
        kv.raw = take(out.state_bytes, size_t(kv.n_raw_slots) * c.head_dim * element);
        if (l.kind == LayerKind::sliding) continue;
        kv.rows_per_page = out.page_tokens / l.ratio;
        kv.page_main = take(out.page_bytes, size_t(kv.rows_per_page) * c.head_dim * element);
        const bool csa = l.kind == LayerKind::csa;
        // A closing CSA row reads this block and the one before; going back rewind_slack positions must not lose either.
        const uint32_t n_slots = csa ? 2 * l.ratio + rewind_slack - 1 : l.ratio + ring_slack;
        kv.main = frontier(out.state_bytes, n_slots, l.lanes() * c.head_dim);
        if (!csa) continue;
        kv.page_index = take(out.page_bytes, size_t(kv.rows_per_page) * c.idx_dim * element);
        kv.index = frontier(out.state_bytes, n_slots, 2 * c.idx_dim);
    }
    if (out.page_bytes == 0) out.page_bytes = align; // a model of sliding layers only
    return out;
}

} // namespace ds4
