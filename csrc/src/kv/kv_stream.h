// Moves KV memory to and from a byte stream, keeping a checksum: straight from its place where the host sees it,
// through a bounded buffer where it does not.
#pragma once

#include "backend/backend.h"
#include "base/crc32c.h"
#include "kv/byte_stream.h"

#include <algorithm>
#include <vector>

namespace ds4 {

// Bytes moved at once: a piece is still in the processor's cache when it is copied after its checksum was taken.
constexpr size_t kv_stream_chunk = 64 * 1024;

class KvStream {
public:
    explicit KvStream(Backend &backend) : backend_(backend) {}

    void save(uint8_t *block, size_t n, ByteSink &sink, uint32_t &crc) {
        const uint8_t *host = backend_.kv_host(block);
        each_chunk(n, [&](size_t at, size_t size) {
            const uint8_t *p = host ? host + at : staging();
            if (!host) backend_.kv_read(buffer_.data(), block + at, size);
            crc = crc32c(crc, p, size);
            sink.write(p, size);
        });
    }
    void load(uint8_t *block, size_t n, ByteSource &source, uint32_t &crc) {
        uint8_t *host = backend_.kv_host(block);
        each_chunk(n, [&](size_t at, size_t size) {
            uint8_t *p = host ? host + at : staging();
            source.read(p, size);
            crc = crc32c(crc, p, size);
            if (!host) backend_.kv_write(block + at, p, size);
        });
    }

private:
    template <typename F> static void each_chunk(size_t n, F &&f) {
        for (size_t at = 0; at < n; at += kv_stream_chunk) f(at, std::min(kv_stream_chunk, n - at));
    }
    uint8_t *staging() {
        buffer_.resize(kv_stream_chunk);
        return buffer_.data();
    }

    Backend &backend_;
    std::vector<uint8_t> buffer_; // empty while the host sees the memory
};

} // namespace ds4
