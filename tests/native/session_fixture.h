// Engines over the three-layer model, tokens, and logits to compare with.
#pragma once

#include "check.h"
#include "scratch_dir.h"
#include "session/session.h"
#include "tiny_model.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace session_test {

using ds4::Engine;
using ds4::Session;
using Tokens = std::vector<int32_t>;
using Logits = std::vector<float>;
using Positions = std::vector<uint32_t>;
constexpr uint32_t n_layer = tiny_model::n_layer;

struct Setup {
    uint64_t kv_bytes_max = 0;
    uint64_t checkpoint_bytes_max = 0;
    bool exact = true;
    uint32_t n_batch = 16;
    int32_t n_threads = 2;
    uint32_t n_window = tiny_model::n_window;
};

inline std::string write_tiny(const ScratchDir &dir, uint32_t n_window = tiny_model::n_window) {
    static int n_files = 0; // each engine its own file: rewriting one under an open engine is an error
    gguf_builder::Builder b = tiny_model::make();
    gguf_builder::Bytes value;
    gguf_builder::put<uint32_t>(value, n_window);
    b.kv("deepseek4.attention.sliding_window")->value = value;
    return dir.write("tiny" + std::to_string(n_files++) + ".gguf", b.build());
}

inline std::shared_ptr<Engine> open_tiny(const ScratchDir &dir, const Setup &setup = {}) {
    ds4::EngineOptions o;
    o.model_path = write_tiny(dir, setup.n_window);
    o.kv_bytes_max = setup.kv_bytes_max;
    o.checkpoint_bytes_max = setup.checkpoint_bytes_max;
    o.backend_options.exact = setup.exact;
#if defined(DS4_TEST_CUDA)
    // These tests ask for the same bits in any batch. On a device that is what the exact mode promises.
    o.backend = DS4X_BACKEND_CUDA;
    o.backend_options.exact = true;
#endif
    o.backend_options.n_threads = setup.n_threads;
    o.backend_options.n_batch = setup.n_batch;
    return Engine::open(o);
}

inline Tokens prompt(uint32_t n, uint32_t seed = 0) {
    Tokens out(n);
    for (uint32_t i = 0; i < n; i++) out[i] = int32_t(3 + (i * 37 + i / 5 + seed * (i * i + 101)) % 250);
    return out;
}

// Appends tokens [from, to), with the logits of the last n_wanted.
inline ds4::ForwardSpan forward(Session &s, const Tokens &tokens, size_t from, size_t to, uint32_t n_wanted,
                                const int32_t *cancel = nullptr) {
    std::vector<uint32_t> wanted(n_wanted);
    for (uint32_t i = 0; i < n_wanted; i++) wanted[i] = uint32_t(to - from) - n_wanted + i;
    ds4::ForwardSpan span;
    span.session = &s;
    span.tokens = tokens.data() + from;
    span.n_tokens = uint32_t(to - from);
    span.wanted = wanted.data();
    span.n_wanted = n_wanted;
    s.engine().forward(&span, 1, cancel);
    if (span.status != DS4X_OK) throw ds4::Error(ds4x_status(span.status), span.message);
    return span;
}
inline Logits row(Engine &engine, uint32_t index) {
    Logits out(engine.config().n_vocab);
    std::copy_n(engine.logits(index), out.size(), out.begin());
    return out;
}

// Appends tokens and returns the logits of the last one.
inline Logits feed(Session &s, const Tokens &tokens, size_t from, size_t to) {
    return row(s.engine(), forward(s, tokens, from, to, 1).first_row);
}

// The logits after each of the first n tokens, by a session of its own.
inline std::vector<Logits> all_rows(const std::shared_ptr<Engine> &engine, const Tokens &tokens, uint32_t n) {
    Session s(engine, n);
    s.set_auto_checkpoints(false);
    const ds4::ForwardSpan span = forward(s, tokens, 0, n, n);
    std::vector<Logits> out;
    for (uint32_t i = 0; i < n; i++) out.push_back(row(*engine, span.first_row + i));
    return out;
}
inline Logits fresh(const std::shared_ptr<Engine> &engine, const Tokens &tokens, size_t n) {
    Session s(engine, uint32_t(n));
    s.set_auto_checkpoints(false);
    return feed(s, tokens, 0, n);
}

inline Tokens tokens_of(const Session &s) {
    Tokens out(s.pos());
    s.copy_tokens(out.data(), s.pos());
    return out;
}
inline Positions checkpoints_of(const Session &s) {
    Positions out(s.copy_checkpoints(nullptr, 0));
    s.copy_checkpoints(out.data(), uint32_t(out.size()));
    return out;
}

// Everything that sessions and checkpoints hold.
inline uint64_t kv_bytes(Engine &engine) {
    const ds4x_memory m = engine.memory_used();
    return m.session_state + m.kv_pages + m.checkpoints;
}

// A session with this many tokens, fed so that it has a checkpoint at each of the ends (more than 9 tokens apart).
inline std::unique_ptr<Session> session_with(const std::shared_ptr<Engine> &engine, const Tokens &tokens,
                                             const Positions &ends, uint32_t n_ctx = 8192) {
    auto s = std::make_unique<Session>(engine, n_ctx);
    for (const uint32_t end : ends) feed(*s, tokens, s->pos(), end);
    return s;
}

// Layers computed by f.
template <typename F> uint64_t layers(Engine &engine, F &&f) {
    const uint64_t before = engine.layers_computed();
    f();
    return engine.layers_computed() - before;
}

inline uint64_t replay_layers(uint64_t n_tokens, uint32_t n_batch) {
    return (n_tokens + n_batch - 1) / n_batch * n_layer;
}

// Goes on with tokens from where the session stands, in two spans, and compares with rows computed in one go.
inline void check_goes_on(Session &s, const Tokens &tokens, const std::vector<Logits> &rows, uint32_t n = 14) {
    const uint32_t at = s.pos(), end = std::min(at + n, uint32_t(rows.size()));
    CHECK(tokens_of(s) == Tokens(tokens.begin(), tokens.begin() + at));
    if (at == end) return;
    CHECK(feed(s, tokens, at, at + 1) == rows[at]);
    if (at + 1 < end) CHECK(feed(s, tokens, at + 1, end) == rows[end - 1]);
}

} // namespace session_test
