// A session as bytes, in the DS4 payload format, version 1: header, tokens, logits, row counts, then per layer the raw
// rows of the window, the compressed rows and the open blocks, all f32. Works for any model shape and KV dtype.
#pragma once

#include "session/session.h"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

namespace ds4 {

struct PayloadSink {
    virtual ~PayloadSink() = default;
    virtual bool write(const void *data, size_t n) = 0; // false: failed
};
struct PayloadSource {
    virtual ~PayloadSource() = default;
    virtual bool read(void *data, size_t n) = 0; // exactly n bytes; false: failed or at the end
};

// From where the file stands.
struct FileStream : PayloadSink, PayloadSource {
    explicit FileStream(std::FILE *file) : file(file) {}
    bool write(const void *data, size_t n) override { return std::fwrite(data, 1, n, file) == n; }
    bool read(void *data, size_t n) override { return std::fread(data, 1, n, file) == n; }
    std::FILE *file;
};
// Memory of `left` bytes.
struct MemoryStream : PayloadSink, PayloadSource {
    MemoryStream(uint8_t *at, uint64_t n) : at(at), left(n) {}
    bool write(const void *data, size_t n) override { return move(at, data, n); }
    bool read(void *data, size_t n) override { return move(data, at, n); }
    bool move(void *to, const void *from, size_t n) {
        if (n > left) return false;
        if (n) std::memcpy(to, from, n);
        at += n;
        left -= n;
        return true;
    }
    uint8_t *at;
    uint64_t left;
};

// Bytes that save_payload writes for a session at its position.
uint64_t payload_bytes(const Session &session);

// logits: [n_vocab] of the session's last token. The caller holds the engine's mutex. Throws Error(IO).
void save_payload(Session &session, const float *logits, PayloadSink &sink);

// Replaces the session's timeline by the payload of n_bytes and fills logits. Everything is checked while it is read
// into a fresh timeline; after a failure session and logits are unchanged. The caller holds the engine's mutex.
// Throws Error(FORMAT | CONTEXT | IO | MEMORY | TOKEN).
void load_payload(Session &session, PayloadSource &source, uint64_t n_bytes, std::vector<float> &logits);

} // namespace ds4
