// Moving KV memory that the host can not see: through a bounded buffer, with the same bytes and checksums.
#include "kv/kv_stream.h"

#include "check.h"

#include <cstring>

namespace {

// A backend whose memory the host does not see: addresses that are not its own, and every transfer counted.
class FarBackend final : public ds4::Backend {
public:
    static constexpr uintptr_t far = uintptr_t(1) << 20;
    std::vector<uint8_t> memory = std::vector<uint8_t>(300000);
    size_t largest = 0;
    uint8_t *at(size_t offset) const { return reinterpret_cast<uint8_t *>(far + offset); }

    void kv_read(void *host, const uint8_t *src, size_t bytes) override {
        largest = std::max(largest, bytes);
        std::memcpy(host, memory.data() + (reinterpret_cast<uintptr_t>(src) - far), bytes);
    }
    void kv_write(uint8_t *dst, const void *host, size_t bytes) override {
        largest = std::max(largest, bytes);
        std::memcpy(memory.data() + (reinterpret_cast<uintptr_t>(dst) - far), host, bytes);
    }
    int32_t kind() const noexcept override { return 0; }
    uint64_t copied_bytes() const noexcept override { return 0; }
    uint64_t workspace_bytes() const noexcept override { return 0; }
    uint64_t weights_read() const noexcept override { return 0; }
    ds4::Matrix upload(const ds4::TensorInfo &, int64_t, int64_t, int64_t, ds4::Use) override { return {}; }
    ds4::Vector upload_f32(const ds4::TensorInfo &) override { return {}; }
    const int32_t *upload_i32(const ds4::TensorInfo &) override { return nullptr; }
    void ready(const ds4::Config &, const ds4::KvLayout &, const ds4::Weights &) override {}
    uint8_t *kv_alloc(size_t) noexcept override { return nullptr; }
    void kv_free(uint8_t *, size_t) noexcept override {}
    void kv_copy(uint8_t *, const uint8_t *, size_t) override {}
    void begin(const ds4::Batch &) override {}
    void embed() override {}
    void hyper(uint32_t, ds4::Sub) override {}
    void project(uint32_t) override {}
    void compress(uint32_t) override {}
    void attend(uint32_t) override {}
    void experts(uint32_t) override {}
    void head() override {}
    void finish() override {}
    void reserve_rows(uint32_t) override {}
    const float *logits(uint32_t) override { return nullptr; }
};

} // namespace

TEST(kv_stream_stages_memory_that_the_host_does_not_see) {
    FarBackend backend;
    std::vector<uint8_t> expected(200001);
    for (size_t i = 0; i < expected.size(); i++) expected[i] = uint8_t(i * 2654435761u >> 11);
    ds4::KvStream kv(backend);
    ds4::MemorySource source(expected.data(), expected.size());
    uint32_t in = 0, out = 0;
    kv.load(backend.at(64), expected.size(), source, in);
    CHECK(std::equal(expected.begin(), expected.end(), backend.memory.begin() + 64));
    std::vector<uint8_t> back(expected.size());
    ds4::MemorySink sink(back.data(), back.size());
    kv.save(backend.at(64), back.size(), sink, out);
    CHECK(back == expected);
    CHECK_EQ(in, ds4::crc32c(0, expected.data(), expected.size()));
    CHECK_EQ(in, out);
    CHECK_EQ(backend.largest, size_t(64 * 1024));
}
