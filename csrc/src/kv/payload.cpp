// Writing and reading payloads. Rows are addressed by position: KvLayout says where a position lies.
#include "kv/payload.h"

#include "quant/load.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace ds4 {
namespace {

constexpr uint32_t magic = 0x34565344, version = 1; // "DSV4"
constexpr uint32_t prefill_cap_max = 2048;
constexpr float empty_score = -1e30f, empty_limit = -1e29f; // a slot without a row; other writers use -inf
constexpr float half_max = 65504;

enum Field : uint32_t {
    f_magic,
    f_version,
    f_ctx,
    f_prefill_cap,
    f_raw_cap,
    f_raw_window,
    f_comp_cap,
    f_tokens,
    f_layers,
    f_head_dim,
    f_idx_dim,
    f_vocab,
    f_raw_live,
    n_fields
};

struct Header {
    uint32_t field[n_fields];
};

// What a session with this context writes in the fields that do not depend on its position.
Header header_of(const Config &c, uint32_t n_ctx) {
    uint32_t ratio = 0; // the smallest
    for (const LayerConfig &l : c.layers)
        if (l.ratio && (!ratio || l.ratio < ratio)) ratio = l.ratio;
    Header h{};
    h.field[f_magic] = magic;
    h.field[f_version] = version;
    h.field[f_ctx] = n_ctx;
    h.field[f_prefill_cap] = std::min(n_ctx, prefill_cap_max);
    h.field[f_raw_cap] = h.field[f_raw_window] = std::min(c.n_window, n_ctx);
    h.field[f_comp_cap] = n_ctx / (ratio ? ratio : 4) + 2;
    h.field[f_layers] = c.n_layer;
    h.field[f_head_dim] = c.head_dim;
    h.field[f_idx_dim] = c.idx_dim;
    h.field[f_vocab] = c.n_vocab;
    return h;
}

uint32_t n_rows(const LayerConfig &l, uint32_t n_tokens) { return l.ratio ? n_tokens / l.ratio : 0; }
uint32_t n_index_rows(const LayerConfig &l, uint32_t n_tokens) {
    return l.kind == LayerKind::csa ? n_tokens / l.ratio : 0;
}
// Rows of a compressor's state: the previous and the open block (two lanes), or the open block.
uint32_t n_state_rows(const LayerConfig &l) { return l.lanes() * l.ratio; }

// The position that row `row` of a compressor's state belongs to; -1 when that slot is empty.
int64_t state_position(const LayerConfig &l, uint32_t row, uint32_t n_tokens) {
    const int64_t open = n_tokens - n_tokens % l.ratio;
    const int64_t pos = open + int64_t(row) - int64_t(l.lanes() - 1) * l.ratio;
    return pos < int64_t(n_tokens) ? std::max<int64_t>(pos, -1) : -1;
}

uint16_t half_of(float x) { // round to nearest even, |x| <= half_max
    uint32_t bits;
    std::memcpy(&bits, &x, 4);
    const uint32_t sign = bits >> 16 & 0x8000, a = bits & 0x7fffffffu;
    if (a < 0x38800000u) { // a subnormal half: the sum's last bit is 2^-24
        const float sum = std::fabs(x) + 0.5f;
        std::memcpy(&bits, &sum, 4);
        return uint16_t(sign | (bits - 0x3f000000u));
    }
    return uint16_t(sign | ((a - 0x38000000u + 0xfffu + (a >> 13 & 1)) >> 13));
}

// Moves float rows between host buffers and the KV memory of one timeline.
class Rows {
public:
    Rows(Session &s, uint8_t *state, const std::vector<Page *> &pages)
        : backend_(s.engine().pool().backend()), layout_(s.engine().kv_layout()), state_(state), pages_(pages) {}

    // Addresses of rows.
    uint8_t *main(uint32_t il, uint32_t row, uint32_t head_dim) const {
        const LayerKv &l = layout_.layers[il];
        return pages_[row / l.rows_per_page]->data + l.page_main +
               size_t(row % l.rows_per_page) * head_dim * layout_.element_bytes();
    }
    uint8_t *index(uint32_t il, uint32_t row, uint32_t idx_dim) const {
        const LayerKv &l = layout_.layers[il];
        return pages_[row / l.rows_per_page]->data + l.page_index +
               size_t(row % l.rows_per_page) * idx_dim * layout_.element_bytes();
    }
    uint8_t *raw(uint32_t il, uint32_t pos, uint32_t head_dim) const {
        const LayerKv &l = layout_.layers[il];
        return state_ + l.raw + size_t(pos % l.n_raw_slots) * head_dim * layout_.element_bytes();
    }
    uint8_t *frontier(size_t section, const FrontierLayout &f, int64_t pos) const {
        return state_ + section + size_t(pos % f.n_slots) * f.width * sizeof(float);
    }

    // n values in the KV dtype.
    void get(const uint8_t *src, size_t n, float *out) {
        if (!layout_.f16) return backend_.kv_read(out, src, n * sizeof(float));
        half_.resize(n);
        backend_.kv_read(half_.data(), src, n * 2);
        for (size_t i = 0; i < n; i++) out[i] = quant::half_to_float(half_[i]);
    }
    void put(uint8_t *dst, size_t n, const float *x) {
        for (size_t i = 0; i < n; i++) check_finite(x[i]);
        if (!layout_.f16) return backend_.kv_write(dst, x, n * sizeof(float));
        half_.resize(n);
        for (size_t i = 0; i < n; i++) {
            if (std::fabs(x[i]) > half_max)
                fail(DS4X_ERR_FORMAT, "KV checkpoint holds %g, which f16 KV rows can not: use f32 rows", double(x[i]));
            half_[i] = half_of(x[i]);
        }
        backend_.kv_write(dst, half_.data(), n * 2);
    }
    void get_f32(const uint8_t *src, size_t n, float *out) { backend_.kv_read(out, src, n * sizeof(float)); }
    void put_f32(uint8_t *dst, size_t n, const float *x) { backend_.kv_write(dst, x, n * sizeof(float)); }
    static void check_finite(float x) {
        if (!std::isfinite(x)) fail(DS4X_ERR_FORMAT, "KV checkpoint holds a value that is not finite: it is damaged");
    }

private:
    Backend &backend_;
    const KvLayout &layout_;
    uint8_t *state_;
    const std::vector<Page *> &pages_;
    std::vector<uint16_t> half_;
};

// The order of the rows in a payload, told once for both directions: io.row() moves one row in the KV dtype, io.state()
// the float rows of one compressor's previous and open block.
template <typename Io>
void each_row(const Config &c, const KvLayout &layout, uint32_t n_tokens, uint32_t n_raw, Rows &rows, Io &&io) {
    for (uint32_t il = 0; il < c.n_layer; il++) {
        const LayerConfig &l = c.layers[il];
        const LayerKv &kv = layout.layers[il];
        for (uint32_t pos = n_tokens - n_raw; pos < n_tokens; pos++) io.row(rows.raw(il, pos, c.head_dim), c.head_dim);
        if (!l.ratio) continue;
        for (uint32_t r = 0; r < n_rows(l, n_tokens); r++) io.row(rows.main(il, r, c.head_dim), c.head_dim);
        io.state(l, kv.main);
        if (l.kind != LayerKind::csa) continue;
        for (uint32_t r = 0; r < n_index_rows(l, n_tokens); r++) io.row(rows.index(il, r, c.idx_dim), c.idx_dim);
        io.state(l, kv.index);
    }
}

// Rows are small: they are collected, so that a file descriptor sees few large writes.
constexpr size_t buffer_bytes = 64 * 1024;

class Writer {
public:
    Writer(Rows &rows, uint32_t n_tokens, ByteSink &sink) : rows_(rows), n_tokens_(n_tokens), sink_(sink) {
        out_.reserve(buffer_bytes);
    }
    void bytes(const void *data, size_t n) {
        if (n > buffer_bytes - out_.size()) flush();
        if (n > buffer_bytes) return sink_.write(data, n);
        const uint8_t *p = static_cast<const uint8_t *>(data);
        out_.insert(out_.end(), p, p + n);
    }
    void flush() {
        sink_.write(out_.data(), out_.size());
        out_.clear();
    }
    void u32(uint32_t v) {
        const uint8_t b[4] = {uint8_t(v), uint8_t(v >> 8), uint8_t(v >> 16), uint8_t(v >> 24)};
        bytes(b, 4);
    }
    void row(const uint8_t *src, uint32_t width) {
        buffer_.resize(width);
        rows_.get(src, width, buffer_.data());
        bytes(buffer_.data(), width * sizeof(float));
    }
    void state(const LayerConfig &l, const FrontierLayout &f) {
        for (const size_t section : {f.kv, f.score}) {
            for (uint32_t r = 0; r < n_state_rows(l); r++) {
                const int64_t pos = state_position(l, r, n_tokens_);
                buffer_.assign(f.width, section == f.kv ? 0 : empty_score);
                if (pos >= 0) rows_.get_f32(rows_.frontier(section, f, pos), f.width, buffer_.data());
                bytes(buffer_.data(), f.width * sizeof(float));
            }
        }
    }

private:
    Rows &rows_;
    uint32_t n_tokens_;
    ByteSink &sink_;
    std::vector<float> buffer_; // one row
    std::vector<uint8_t> out_;  // not written yet
};

// Reads at most the payload's bytes.
class Input {
public:
    Input(ByteSource &source, uint64_t n_bytes) : source_(source), left_(n_bytes), unread_(n_bytes) {}
    void bytes(void *data, uint64_t n) {
        need(n);
        left_ -= n;
        uint8_t *p = static_cast<uint8_t *>(data);
        while (n) {
            if (at_ == ahead_.size()) {
                at_ = 0;
                ahead_.clear();
                if (!read_ahead_ || n >= buffer_bytes) return read(p, size_t(n));
                ahead_.resize(size_t(std::min<uint64_t>(buffer_bytes, unread_)));
                read(ahead_.data(), ahead_.size());
            }
            const size_t size = size_t(std::min<uint64_t>(n, ahead_.size() - at_));
            std::memcpy(p, ahead_.data() + at_, size);
            p += size, n -= size, at_ += size;
        }
    }
    uint32_t u32() {
        uint8_t b[4];
        bytes(b, 4);
        return quant::load_u32(b);
    }
    void need(uint64_t n) const {
        if (n > left_) fail(DS4X_ERR_FORMAT, "truncated session payload");
    }
    uint64_t left() const noexcept { return left_; }
    // What follows is small and all wanted: reads some of it ahead.
    void read_ahead() noexcept { read_ahead_ = true; }

private:
    void read(void *data, size_t n) {
        source_.read(data, n);
        unread_ -= n;
    }
    ByteSource &source_;
    uint64_t left_;   // not handed out yet
    uint64_t unread_; // not read from the source yet
    std::vector<uint8_t> ahead_;
    size_t at_ = 0; // in ahead_
    bool read_ahead_ = false;
};

class Reader {
public:
    Reader(Rows &rows, uint32_t n_tokens, Input &in) : rows_(rows), n_tokens_(n_tokens), in_(in) {}
    void row(uint8_t *dst, uint32_t width) {
        take(width);
        rows_.put(dst, width, buffer_.data());
    }
    void state(const LayerConfig &l, const FrontierLayout &f) {
        for (const size_t section : {f.kv, f.score}) {
            for (uint32_t r = 0; r < n_state_rows(l); r++) {
                take(f.width);
                const int64_t pos = state_position(l, r, n_tokens_);
                if (pos < 0) continue; // empty, or left over from an older block
                for (float &x : buffer_) {
                    if (section == f.score && x <= empty_limit) x = empty_score;
                    Rows::check_finite(x);
                }
                rows_.put_f32(rows_.frontier(section, f, pos), f.width, buffer_.data());
            }
        }
    }

private:
    void take(uint32_t width) {
        buffer_.resize(width);
        in_.bytes(buffer_.data(), width * sizeof(float));
    }
    Rows &rows_;
    uint32_t n_tokens_;
    Input &in_;
    std::vector<float> buffer_;
};

void check_header(const Header &h, const Header &mine) {
    const uint32_t *f = h.field, *m = mine.field;
    if (f[f_magic] != magic || f[f_version] != version) fail(DS4X_ERR_FORMAT, "unsupported session payload version");
    if (f[f_ctx] > m[f_ctx] || f[f_tokens] >= m[f_ctx])
        fail(DS4X_ERR_CONTEXT, "KV checkpoint does not fit current context");
    for (const Field i : {f_layers, f_head_dim, f_idx_dim, f_vocab})
        if (f[i] != m[i]) fail(DS4X_ERR_FORMAT, "KV checkpoint was written for a different DS4 layout");
    if (f[f_prefill_cap] != m[f_prefill_cap] || f[f_raw_window] != m[f_raw_window])
        fail(DS4X_ERR_CONTEXT, "KV checkpoint graph chunk layout does not match current runtime");
    if (f[f_raw_cap] == 0 || f[f_raw_live] != std::min(f[f_tokens], f[f_raw_window]) || f[f_raw_live] > f[f_raw_cap])
        fail(DS4X_ERR_FORMAT, "KV checkpoint raw ring layout does not match current context");
    if (f[f_comp_cap] > m[f_comp_cap])
        fail(DS4X_ERR_CONTEXT, "KV checkpoint compressed cache is larger than current context");
}

} // namespace

uint64_t payload_bytes(const Session &s) {
    const Config &c = s.engine().config();
    const uint64_t t = s.pos(), f32 = sizeof(float);
    uint64_t n = 4 * (n_fields + t + 2 * uint64_t(c.n_layer)) + c.n_vocab * f32;
    const uint64_t n_raw = std::min<uint64_t>(t, std::min(c.n_window, s.n_ctx()));
    for (const LayerConfig &l : c.layers) {
        n += n_raw * c.head_dim * f32;
        if (!l.ratio) continue;
        const uint64_t state_floats = 2 * uint64_t(n_state_rows(l)) * l.lanes();
        n += (n_rows(l, uint32_t(t)) + state_floats) * c.head_dim * f32;
        if (l.kind == LayerKind::csa) n += (n_index_rows(l, uint32_t(t)) + state_floats) * c.idx_dim * f32;
    }
    return n;
}

void save_payload(Session &s, const float *logits, ByteSink &sink) {
    const Config &c = s.engine().config();
    Rows rows(s, s.state(), s.pages());
    std::vector<int32_t> tokens(s.pos());
    const uint32_t n = s.copy_tokens(tokens.data(), uint32_t(tokens.size()));
    Header h = header_of(c, s.n_ctx());
    h.field[f_tokens] = n;
    h.field[f_raw_live] = std::min(n, h.field[f_raw_window]);
    Writer out(rows, n, sink);
    for (const uint32_t v : h.field) out.u32(v);
    for (const int32_t token : tokens) out.u32(uint32_t(token));
    out.bytes(logits, c.n_vocab * sizeof(float));
    for (const LayerConfig &l : c.layers) out.u32(n_rows(l, n));
    for (const LayerConfig &l : c.layers) out.u32(n_index_rows(l, n));
    each_row(c, s.engine().kv_layout(), n, h.field[f_raw_live], rows, out);
    out.flush();
}

void load_payload(Session &s, ByteSource &source, uint64_t n_bytes, std::vector<float> &logits) {
    const Config &c = s.engine().config();
    Input in(source, n_bytes);
    Header h{};
    h.field[f_magic] = in.u32();
    h.field[f_version] = in.u32();
    if (h.field[f_magic] == magic && h.field[f_version] == version)
        for (uint32_t i = f_ctx; i < n_fields; i++) h.field[i] = in.u32();
    check_header(h, header_of(c, s.n_ctx()));
    const uint32_t n = h.field[f_tokens];
    in.need(4 * (uint64_t(n) + c.n_vocab + 2 * uint64_t(c.n_layer))); // before memory is taken for them

    std::vector<int32_t> tokens(n);
    in.bytes(tokens.data(), uint64_t(n) * 4);
    for (uint32_t i = 0; i < n; i++)
        if (tokens[i] < 0 || uint32_t(tokens[i]) >= c.n_vocab)
            fail(DS4X_ERR_FORMAT, "KV checkpoint has token %d at %u, outside the vocabulary of %u", tokens[i], i,
                 c.n_vocab);
    std::vector<float> saved(c.n_vocab);
    in.bytes(saved.data(), uint64_t(c.n_vocab) * sizeof(float));
    if (n)
        for (const float x : saved) Rows::check_finite(x);
    for (const LayerConfig &l : c.layers)
        if (in.u32() != n_rows(l, n)) fail(DS4X_ERR_FORMAT, "KV checkpoint has invalid compressed row count");
    for (const LayerConfig &l : c.layers)
        if (in.u32() != n_index_rows(l, n)) fail(DS4X_ERR_FORMAT, "KV checkpoint has invalid indexer row count");

    s.replace(tokens.data(), n, [&](uint8_t *state, const std::vector<Page *> &pages) {
        Rows rows(s, state, pages);
        in.read_ahead();
        each_row(c, s.engine().kv_layout(), n, h.field[f_raw_live], rows, Reader(rows, n, in));
        if (in.left()) fail(DS4X_ERR_FORMAT, "KV checkpoint has trailing payload bytes");
    });
    logits.swap(saved);
}

} // namespace ds4
