// A regular file mapped read-only, and whether it is still the file that was mapped.
#pragma once

#include <cstdint>
#include <string>

namespace ds4 {

class Mapping {
public:
    // Throws Error(IO) naming the path and the reason: missing, a directory, not a regular file, unreadable. Never blocks
    // on a pipe. An empty file maps to data() == nullptr, size() == 0.
    explicit Mapping(const std::string &path);
    ~Mapping();
    Mapping(const Mapping &) = delete;
    Mapping &operator=(const Mapping &) = delete;

    const uint8_t *data() const noexcept { return data_; }
    uint64_t size() const noexcept { return size_; }

    // Throws Error(IO) when the mapped file's size or modification time has changed. It asks the open file, not the path:
    // a file replaced by renaming another one over it leaves this mapping whole. A file cut short while its pages are
    // being read can not be caught here; calling this before each use keeps that window small.
    void check_unchanged() const;
    void advise_willneed() const noexcept;
    // Copies bytes from the file itself: its pages do not become this process's. Any thread. Throws Error(IO).
    void read(uint64_t at, void *out, size_t n) const;

private:
    struct Stamp {
        uint64_t size = 0;
        int64_t mtime_s = 0;
        int64_t mtime_ns = 0;
    };
    Stamp stamp() const; // of the open file
    void close() noexcept;

    std::string path_;
    const uint8_t *data_ = nullptr;
    uint64_t size_ = 0;
    Stamp opened_;
#if defined(_WIN32)
    void *file_ = nullptr;
    void *section_ = nullptr;
#else
    int fd_ = -1;
#endif
};

} // namespace ds4
