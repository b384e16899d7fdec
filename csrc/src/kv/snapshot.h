// A session as bytes, in our own format (docs/state_format.md): rows as they lie in memory, page after page, with
// checksums and a fingerprint of the model. Read and written in one pass, without a copy of the session.
#pragma once

#include "kv/byte_stream.h"
#include "model/fingerprint.h"
#include "session/session.h"

#include <cstdint>
#include <vector>

namespace ds4 {

// Bytes that save_snapshot writes for a session at its position.
uint64_t snapshot_bytes(const Session &session, bool with_logits);

// logits: [n_vocab] of the session's last token, or nullptr. The caller holds the engine's mutex. Throws Error(IO).
void save_snapshot(Session &session, const Fingerprint &model, const float *logits, ByteSink &sink);

// Replaces the session's timeline by the n_bytes that the source gives. Fills logits and returns true when they were
// saved. Everything is checked while it is read into a fresh timeline; after a failure nothing has changed.
// The caller holds the engine's mutex. Throws Error(FORMAT | CONTEXT | IO | MEMORY).
bool load_snapshot(Session &session, const Fingerprint &model, ByteSource &source, uint64_t n_bytes,
                   std::vector<float> &logits);

} // namespace ds4
