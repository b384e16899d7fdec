// A session as bytes, in the DS4 payload format, version 1: header, tokens, logits, row counts, then per layer the raw
// rows of the window, the compressed rows and the open blocks, all f32. Works for any model shape and KV dtype.
#pragma once

#include "kv/byte_stream.h"
#include "session/session.h"

#include <cstdint>
#include <vector>

namespace ds4 {

using PayloadSource = ByteSource;
// One buffer, as a sink or as a source.
struct MemoryStream : MemorySink, MemorySource {
    MemoryStream(uint8_t *at, uint64_t n) : MemorySink(at, n), MemorySource(at, n) {}
};

// Bytes that save_payload writes for a session at its position.
uint64_t payload_bytes(const Session &session);

// logits: [n_vocab] of the session's last token. The caller holds the engine's mutex. Throws Error(IO | BUFFER).
void save_payload(Session &session, const float *logits, ByteSink &sink);

// Replaces the session's timeline by the payload of n_bytes and fills logits. Everything is checked while it is read
// into a fresh timeline; after a failure session and logits are unchanged. The caller holds the engine's mutex.
// Throws Error(FORMAT | CONTEXT | IO | MEMORY).
void load_payload(Session &session, ByteSource &source, uint64_t n_bytes, std::vector<float> &logits);

} // namespace ds4
