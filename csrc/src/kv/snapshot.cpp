// Writing and reading snapshots. Every checksum continues the one before it, so that no section can be exchanged.
#include "kv/snapshot.h"

#include "kv/kv_stream.h"
#include "kv/live_state.h"
#include "quant/load.h"

#include <algorithm>
#include <cstring>

namespace ds4 {
namespace {

using ull = unsigned long long;

constexpr uint8_t magic[8] = {'D', 'S', '4', 'S', 'T', 'A', 'T', 'E'};
constexpr uint32_t version = 1;
enum Flag : uint32_t { flag_exact = 1, flag_kv_simulation = 2, flag_logits = 4, flags_known = 7 };

// Where the header's fields lie. The checksum of the header follows it.
enum Offset : size_t {
    at_magic = 0,
    at_version = 8,
    at_flags = 12,
    at_total_bytes = 16,
    at_state_bytes = 24,
    at_page_bytes = 32,
    at_page_tokens = 40,
    at_kv_dtype = 44,
    at_n_vocab = 48,
    at_n_tokens = 52,
    at_fingerprint = 56,
    header_bytes = 88
};
constexpr size_t crc_bytes = 4;

struct Header {
    uint32_t flags = 0;
    uint64_t total_bytes = 0; // of the snapshot
    uint64_t state_bytes = 0; // live parts of the private state
    uint64_t page_bytes = 0;  // rows of a full page
    uint32_t page_tokens = 0;
    uint32_t kv_dtype = 0;
    uint32_t n_vocab = 0;
    uint32_t n_tokens = 0;
    Fingerprint fingerprint{};
};

// Where the rows lie in a page that the first n_tokens of its tokens have filled, in order of layers, main rows before
// indexer rows. Neighbours are joined: without gaps a full page is one piece.
std::vector<StatePiece> page_pieces(const Config &c, const KvLayout &layout, uint32_t n_tokens) {
    std::vector<StatePiece> out;
    const auto add = [&](size_t offset, size_t bytes) {
        if (!out.empty() && out.back().offset + out.back().bytes == offset)
            out.back().bytes += bytes;
        else if (bytes)
            out.push_back({offset, bytes});
    };
    for (uint32_t il = 0; il < c.n_layer; il++) {
        const LayerConfig &l = c.layers[il];
        if (!l.ratio) continue;
        const size_t n_rows = n_tokens / l.ratio, element = layout.element_bytes();
        add(layout.layers[il].page_main, n_rows * c.head_dim * element);
        if (l.kind == LayerKind::csa) add(layout.layers[il].page_index, n_rows * c.idx_dim * element);
    }
    return out;
}
uint32_t tokens_in_page(const KvLayout &layout, uint32_t n_tokens, size_t page) {
    return std::min(layout.page_tokens, n_tokens - uint32_t(page) * layout.page_tokens);
}

// What a session of this engine writes at a position.
Header header_of(const Engine &engine, const Fingerprint &model, uint32_t n_tokens, bool with_logits) {
    const Config &c = engine.config();
    const KvLayout &layout = engine.kv_layout();
    const BackendOptions &options = engine.options().backend_options;
    Header h;
    h.flags = (options.exact ? uint32_t(flag_exact) : 0) | (options.kv_simulation ? uint32_t(flag_kv_simulation) : 0) |
              (with_logits ? uint32_t(flag_logits) : 0);
    h.state_bytes = live_bytes(live_pieces(c, layout, n_tokens));
    h.page_bytes = live_bytes(page_pieces(c, layout, layout.page_tokens));
    h.page_tokens = layout.page_tokens;
    h.kv_dtype = layout.f16 ? DS4X_KV_F16 : DS4X_KV_F32;
    h.n_vocab = c.n_vocab;
    h.n_tokens = n_tokens;
    h.fingerprint = model;
    const uint64_t last = live_bytes(page_pieces(c, layout, n_tokens % layout.page_tokens));
    h.total_bytes = header_bytes + crc_bytes + uint64_t(n_tokens) * sizeof(int32_t) + crc_bytes +
                    (with_logits ? uint64_t(c.n_vocab) * sizeof(float) + crc_bytes : 0) + h.state_bytes + crc_bytes +
                    n_tokens / layout.page_tokens * h.page_bytes + last + layout.pages_for(n_tokens) * crc_bytes;
    return h;
}

template <typename T> void store(uint8_t *p, T v) { std::memcpy(p, &v, sizeof v); }

class Writer {
public:
    Writer(Backend &backend, ByteSink &sink) : kv_(backend), sink_(sink) {}
    void bytes(const void *data, size_t n) {
        crc_ = crc32c(crc_, data, n);
        sink_.write(data, n);
    }
    void kv(uint8_t *block, const std::vector<StatePiece> &pieces) {
        for (const StatePiece &piece : pieces) kv_.save(block + piece.offset, piece.bytes, sink_, crc_);
    }
    void header(const Header &h) {
        uint8_t b[header_bytes];
        std::memcpy(b + at_magic, magic, sizeof magic);
        store(b + at_version, version);
        store(b + at_flags, h.flags);
        store(b + at_total_bytes, h.total_bytes);
        store(b + at_state_bytes, h.state_bytes);
        store(b + at_page_bytes, h.page_bytes);
        store(b + at_page_tokens, h.page_tokens);
        store(b + at_kv_dtype, h.kv_dtype);
        store(b + at_n_vocab, h.n_vocab);
        store(b + at_n_tokens, h.n_tokens);
        std::memcpy(b + at_fingerprint, h.fingerprint.data(), h.fingerprint.size());
        bytes(b, sizeof b);
    }
    void end_section() {
        uint8_t b[crc_bytes];
        store(b, crc_);
        sink_.write(b, sizeof b);
    }

private:
    KvStream kv_;
    ByteSink &sink_;
    uint32_t crc_ = 0;
};

class Reader {
public:
    Reader(Backend &backend, ByteSource &source) : kv_(backend), source_(source) {}
    void bytes(void *data, size_t n) {
        source_.read(data, n);
        crc_ = crc32c(crc_, data, n);
    }
    void kv(uint8_t *block, const std::vector<StatePiece> &pieces) {
        for (const StatePiece &piece : pieces) kv_.load(block + piece.offset, piece.bytes, source_, crc_);
    }
    Header header() {
        uint8_t b[header_bytes];
        bytes(b, sizeof b);
        if (std::memcmp(b + at_magic, magic, sizeof magic))
            fail(DS4X_ERR_FORMAT, "not a saved session: it begins with %016llx, expected %016llx (\"DS4STATE\")",
                 (ull)big_endian(b), (ull)big_endian(magic));
        if (const uint32_t v = quant::load_u32(b + at_version); v != version)
            fail(DS4X_ERR_FORMAT, "the saved session has format version %u, this libds4 reads version %u", v, version);
        end_section("header");
        Header h;
        h.flags = quant::load_u32(b + at_flags);
        h.total_bytes = quant::load_u64(b + at_total_bytes);
        h.state_bytes = quant::load_u64(b + at_state_bytes);
        h.page_bytes = quant::load_u64(b + at_page_bytes);
        h.page_tokens = quant::load_u32(b + at_page_tokens);
        h.kv_dtype = quant::load_u32(b + at_kv_dtype);
        h.n_vocab = quant::load_u32(b + at_n_vocab);
        h.n_tokens = quant::load_u32(b + at_n_tokens);
        std::memcpy(h.fingerprint.data(), b + at_fingerprint, h.fingerprint.size());
        return h;
    }
    void end_section(const char *what) {
        uint8_t b[crc_bytes];
        source_.read(b, sizeof b);
        if (const uint32_t saved = quant::load_u32(b); saved != crc_)
            fail(DS4X_ERR_FORMAT, "the saved session is damaged: the checksum up to its %s is %08x, expected %08x",
                 what, crc_, saved);
    }

private:
    static uint64_t big_endian(const uint8_t *b) {
        uint64_t v = 0;
        for (int i = 0; i < 8; i++) v = v << 8 | b[i];
        return v;
    }
    KvStream kv_;
    ByteSource &source_;
    uint32_t crc_ = 0;
};

const char *dtype_name(uint32_t dtype) {
    return dtype == DS4X_KV_F32 ? "f32" : dtype == DS4X_KV_F16 ? "f16" : "unknown";
}

// Whether this session can go on from what was saved under the header h, of which n_bytes are there.
void check_header(const Header &h, const Session &s, const Fingerprint &model, uint64_t n_bytes) {
    if (h.fingerprint != model)
        fail(DS4X_ERR_FORMAT, "the saved session is of another model: its fingerprint is %s, this model's is %s",
             hex(h.fingerprint).c_str(), hex(model).c_str());
    if (h.flags & ~uint32_t(flags_known))
        fail(DS4X_ERR_FORMAT, "the saved session has flags %#x, this libds4 knows %#x", h.flags, unsigned(flags_known));
    const Header mine = header_of(s.engine(), model, 0, h.flags & flag_logits);
    if (h.kv_dtype != mine.kv_dtype)
        fail(DS4X_ERR_FORMAT, "the saved session has %s KV rows (kv_dtype %u), this engine keeps %s (%u)",
             dtype_name(h.kv_dtype), h.kv_dtype, dtype_name(mine.kv_dtype), mine.kv_dtype);
    const auto same_flag = [&](Flag flag, const char *name) {
        if ((h.flags ^ mine.flags) & flag)
            fail(DS4X_ERR_FORMAT, "the saved session was computed with %s = %d, this engine has %s = %d", name,
                 h.flags & flag ? 1 : 0, name, mine.flags & flag ? 1 : 0);
    };
    same_flag(flag_exact, "exact");
    same_flag(flag_kv_simulation, "kv_simulation");
    const auto same = [](const char *name, uint64_t saved, uint64_t own) {
        if (saved != own)
            fail(DS4X_ERR_FORMAT, "the saved session has %s = %llu, expected %llu", name, (ull)saved, (ull)own);
    };
    same("page_tokens", h.page_tokens, mine.page_tokens);
    same("page_bytes", h.page_bytes, mine.page_bytes);
    same("n_vocab", h.n_vocab, mine.n_vocab);
    if (h.n_tokens > s.n_ctx())
        fail(DS4X_ERR_CONTEXT, "the saved session holds %u tokens, this session's n_ctx is %u", h.n_tokens, s.n_ctx());
    const Header full = header_of(s.engine(), model, h.n_tokens, h.flags & flag_logits);
    same("state_bytes", h.state_bytes, full.state_bytes);
    same("total_bytes", h.total_bytes, full.total_bytes);
    if (n_bytes != h.total_bytes)
        fail(DS4X_ERR_FORMAT, "the saved session %s: it has %llu bytes, %llu are given",
             n_bytes < h.total_bytes ? "is cut short" : "is followed by other bytes", (ull)h.total_bytes, (ull)n_bytes);
}

} // namespace

uint64_t snapshot_bytes(const Session &s, bool with_logits) {
    return header_of(s.engine(), Fingerprint{}, s.pos(), with_logits).total_bytes;
}

void save_snapshot(Session &s, const Fingerprint &model, const float *logits, ByteSink &sink) {
    Engine &engine = s.engine();
    const Config &c = engine.config();
    const KvLayout &layout = engine.kv_layout();
    std::vector<int32_t> tokens(s.pos());
    const uint32_t n = s.copy_tokens(tokens.data(), uint32_t(tokens.size()));
    Writer out(engine.pool().backend(), sink);
    out.header(header_of(engine, model, n, logits != nullptr));
    out.end_section();
    out.bytes(tokens.data(), tokens.size() * sizeof(int32_t));
    out.end_section();
    if (logits) {
        out.bytes(logits, c.n_vocab * sizeof(float));
        out.end_section();
    }
    out.kv(s.state(), live_pieces(c, layout, n));
    out.end_section();
    std::vector<StatePiece> pieces = page_pieces(c, layout, layout.page_tokens);
    for (size_t i = 0; i < layout.pages_for(n); i++) {
        const uint32_t in_page = tokens_in_page(layout, n, i);
        if (in_page < layout.page_tokens) pieces = page_pieces(c, layout, in_page);
        out.kv(s.pages()[i]->data, pieces);
        out.end_section();
    }
}

bool load_snapshot(Session &s, const Fingerprint &model, ByteSource &source, uint64_t n_bytes,
                   std::vector<float> &logits) {
    Engine &engine = s.engine();
    const Config &c = engine.config();
    const KvLayout &layout = engine.kv_layout();
    if (n_bytes < header_bytes + crc_bytes)
        fail(DS4X_ERR_FORMAT, "the saved session is cut short: its header has %zu bytes, %llu are given",
             size_t(header_bytes + crc_bytes), (ull)n_bytes);
    Reader in(engine.pool().backend(), source);
    const Header h = in.header();
    check_header(h, s, model, n_bytes);
    const uint32_t n = h.n_tokens;

    std::vector<int32_t> tokens(n);
    in.bytes(tokens.data(), tokens.size() * sizeof(int32_t));
    in.end_section("token ids");
    for (uint32_t i = 0; i < n; i++)
        if (tokens[i] < 0 || uint32_t(tokens[i]) >= c.n_vocab)
            fail(DS4X_ERR_FORMAT, "the saved session has token %d at %u, outside the vocabulary of %u", tokens[i], i,
                 c.n_vocab);
    std::vector<float> saved;
    const bool has_logits = h.flags & flag_logits;
    if (has_logits) {
        saved.resize(c.n_vocab);
        in.bytes(saved.data(), saved.size() * sizeof(float));
        in.end_section("logits");
    }
    s.replace(tokens.data(), n, [&](uint8_t *state, const std::vector<Page *> &pages) {
        in.kv(state, live_pieces(c, layout, n));
        in.end_section("private state");
        std::vector<StatePiece> pieces = page_pieces(c, layout, layout.page_tokens);
        for (size_t i = 0; i < pages.size(); i++) {
            const uint32_t in_page = tokens_in_page(layout, n, i);
            if (in_page < layout.page_tokens) pieces = page_pieces(c, layout, in_page);
            in.kv(pages[i]->data, pieces);
            in.end_section(format("KV page %zu", i).c_str());
        }
    });
    if (has_logits) logits.swap(saved);
    return has_logits;
}

} // namespace ds4
