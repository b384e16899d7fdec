// Models and sessions through the C API for tests of saved sessions, and saved sessions taken apart and sealed again.
#pragma once

#include "base/crc32c.h"
#include "check.h"
#include "ds4x.h"
#include "gguf_builder.h"
#include "scratch_dir.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace state_fixture {

using gguf_builder::Bytes;

struct Model {
    ds4x_engine *e = nullptr;
    ds4x_engine_info info{};

    explicit Model(const std::string &path, int32_t kv_dtype = DS4X_KV_F16, bool exact = false,
                   bool kv_simulation = false, uint64_t kv_bytes_max = 0) {
        ds4x_options o;
        ds4x_options_init(&o, sizeof o);
        o.model_path = path.c_str();
        o.n_threads = 1;
        o.kv_dtype = kv_dtype;
        o.exact = exact;
        o.kv_simulation = kv_simulation;
        o.kv_bytes_max = kv_bytes_max;
        ds4x_error err{};
        CHECK_EQ(ds4x_engine_open(&o, &e, &err), DS4X_OK);
        info.struct_size = sizeof info;
        CHECK_EQ(ds4x_engine_get_info(e, &info, &err), DS4X_OK);
    }
    ~Model() { ds4x_engine_close(e); }
    Model(const Model &) = delete;
    Model &operator=(const Model &) = delete;

    // n arbitrary tokens, always the same.
    std::vector<int32_t> prompt(uint32_t n) const {
        std::vector<int32_t> out(n);
        for (uint32_t i = 0; i < n; i++) out[i] = int32_t((i * 2654435761u >> 8) % info.n_vocab);
        return out;
    }
};

using Rows = std::vector<std::vector<float>>;

struct Session {
    ds4x_session *s = nullptr;
    const Model &m;
    ds4x_error err{};

    Session(const Model &model, uint32_t n_ctx) : m(model) {
        CHECK_EQ(ds4x_session_create(m.e, n_ctx, &s, &err), DS4X_OK);
    }
    ~Session() { ds4x_session_free(s); }
    Session(const Session &) = delete;
    Session &operator=(const Session &) = delete;

    uint32_t pos() const { return ds4x_session_pos(s); }
    std::string error() const { return err.message; }
    bool says(const std::string &words) const { return error().find(words) != std::string::npos; }
    std::vector<int32_t> tokens() const {
        std::vector<int32_t> out(pos());
        ds4x_session_tokens(s, out.data(), pos());
        return out;
    }

    // Appends tokens[from, to) in one span; the logits of the last n_rows of them.
    Rows eval(const std::vector<int32_t> &tokens, uint32_t from, uint32_t to, uint32_t n_rows) {
        if (from == to) return {};
        std::vector<uint32_t> wanted;
        for (uint32_t i = to - from - std::min(n_rows, to - from); i < to - from; i++) wanted.push_back(i);
        ds4x_span span{};
        span.session = s;
        span.tokens = tokens.data() + from;
        span.n_tokens = to - from;
        span.wanted = wanted.data();
        span.n_wanted = uint32_t(wanted.size());
        const int32_t code = ds4x_forward(m.e, &span, 1, nullptr, &err);
        CHECK_EQ(code, DS4X_OK);
        CHECK_EQ(span.status, DS4X_OK);
        Rows rows(wanted.size(), std::vector<float>(m.info.n_vocab));
        for (uint32_t i = 0; i < rows.size(); i++)
            CHECK_EQ(ds4x_logits(m.e, span.first_row + i, rows[i].data(), m.info.n_vocab, &err), DS4X_OK);
        return rows;
    }
    void sync(const std::vector<int32_t> &tokens, uint32_t to) { eval(tokens, pos(), to, 0); }

    uint64_t bytes(int32_t format, bool with_logits) {
        uint64_t n = 0;
        CHECK_EQ(ds4x_state_bytes(s, format, with_logits, &n, &err), DS4X_OK);
        return n;
    }
    Bytes save(int32_t format, const std::vector<float> *logits = nullptr) {
        const float *l = logits ? logits->data() : nullptr;
        Bytes out(bytes(format, l != nullptr));
        uint64_t n = 0;
        CHECK_EQ(ds4x_state_save(s, format, l, out.data(), out.size(), &n, &err), DS4X_OK);
        CHECK_EQ(n, out.size());
        return out;
    }
    int32_t load(int32_t format, const Bytes &bytes, std::vector<float> *logits = nullptr, int32_t *has = nullptr) {
        const std::vector<uint8_t> copy(bytes); // its own block, so that a sanitizer sees reads past the end
        return ds4x_state_load(s, format, copy.data(), copy.size(), logits ? logits->data() : nullptr, has, &err);
    }
};

// Offsets of the header's fields, as docs/state_format.md has them.
enum : size_t {
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
    at_header_crc = 88,
    at_tokens = 92
};

template <typename T> T get(const Bytes &b, size_t at) {
    T v;
    std::memcpy(&v, b.data() + at, sizeof v);
    return v;
}
template <typename T> void set(Bytes &b, size_t at, T v) { std::memcpy(b.data() + at, &v, sizeof v); }

struct Section {
    size_t begin = 0, end = 0; // its checksum follows at end
};
// What the header promises, as far as it lies within the bytes.
inline std::vector<Section> sections(const Bytes &b) {
    std::vector<Section> out;
    if (b.size() < at_tokens) return out;
    const uint64_t n_tokens = get<uint32_t>(b, at_n_tokens), page_tokens = get<uint32_t>(b, at_page_tokens);
    size_t at = 0;
    const auto add = [&](uint64_t size) {
        const bool fits = size + 4 <= b.size() - at;
        if (fits) {
            out.push_back({at, size_t(at + size)});
            at += size_t(size) + 4;
        }
        return fits;
    };
    add(at_header_crc);
    if (!add(n_tokens * 4)) return out;
    if (get<uint32_t>(b, at_flags) & 4 && !add(get<uint32_t>(b, at_n_vocab) * uint64_t(4))) return out;
    if (get<uint64_t>(b, at_state_bytes) > b.size() || !add(get<uint64_t>(b, at_state_bytes))) return out;
    const uint64_t page_bytes = get<uint64_t>(b, at_page_bytes);
    for (uint64_t i = 0; page_tokens && page_bytes <= b.size() && i < n_tokens / page_tokens; i++)
        if (!add(page_bytes)) return out;
    if (at < b.size()) add(b.size() - at - 4 <= b.size() ? b.size() - at - 4 : 0);
    return out;
}
// Makes every checksum right again.
inline Bytes sealed(Bytes b) {
    uint32_t crc = 0;
    for (const Section &s : sections(b)) {
        crc = ds4::crc32c_portable(crc, b.data() + s.begin, s.end - s.begin);
        set(b, s.end, crc);
    }
    return b;
}
template <typename T> Bytes with(Bytes b, size_t at, T v) {
    set(b, at, v);
    return sealed(std::move(b));
}

} // namespace state_fixture
