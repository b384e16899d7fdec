// Where a saved session goes to and comes from: memory, a file descriptor, a FILE. One interface for every format.
#pragma once

#include "base/error.h"

#include <cstdint>
#include <cstdio>
#include <cstring>

namespace ds4 {

struct ByteSink {
    virtual ~ByteSink() = default;
    virtual void write(const void *data, size_t n) = 0; // all of it; throws Error(IO | BUFFER)
};
struct ByteSource {
    virtual ~ByteSource() = default;
    virtual void read(void *data, size_t n) = 0; // exactly n bytes; throws Error(IO | FORMAT)
};

// Memory of n bytes.
class MemorySink : public ByteSink {
public:
    MemorySink(uint8_t *at, uint64_t n) : at_(at), left_(n) {}
    void write(const void *data, size_t n) override {
        if (n > left_) fail(DS4X_ERR_BUFFER, "the buffer is %llu bytes too small", (unsigned long long)(n - left_));
        if (n) std::memcpy(at_, data, n);
        at_ += n;
        left_ -= n;
    }

private:
    uint8_t *at_;
    uint64_t left_;
};
class MemorySource : public ByteSource {
public:
    MemorySource(const uint8_t *at, uint64_t n) : at_(at), left_(n) {}
    void read(void *data, size_t n) override {
        if (n > left_) fail(DS4X_ERR_FORMAT, "the data ends %llu bytes too early", (unsigned long long)(n - left_));
        if (n) std::memcpy(data, at_, n);
        at_ += n;
        left_ -= n;
    }

private:
    const uint8_t *at_;
    uint64_t left_;
};

// A file descriptor, from where it stands; on Windows it must be open in binary mode. Interrupted and partial transfers
// are continued. Unbuffered: nothing is read beyond what was asked for, and nothing is held back.
class DescriptorStream : public ByteSink, public ByteSource {
public:
    explicit DescriptorStream(int fd) : fd_(fd) {}
    void write(const void *data, size_t n) override; // a reader that went away is Error(IO), never SIGPIPE
    void read(void *data, size_t n) override;        // Error(FORMAT) at the end of the file

private:
    int fd_;
    uint64_t done_ = 0; // bytes moved so far, for messages
};

// A FILE, from where it stands, with DS4's own words when it fails.
class FileStream : public ByteSink, public ByteSource {
public:
    explicit FileStream(std::FILE *file) : file_(file) {}
    void write(const void *data, size_t n) override {
        if (std::fwrite(data, 1, n, file_) != n) fail(DS4X_ERR_IO, "failed to write session payload");
    }
    void read(void *data, size_t n) override {
        if (std::fread(data, 1, n, file_) != n) fail(DS4X_ERR_IO, "failed to read session payload");
    }

private:
    std::FILE *file_;
};

} // namespace ds4
