// File descriptors, with the system's own calls.
#include "kv/byte_stream.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

#if defined(_WIN32)
#  include <io.h>
#else
#  include <csignal>
#  include <pthread.h>
#  include <unistd.h>
#endif

namespace ds4 {
namespace {

constexpr size_t most_at_once = size_t(1) << 30; // systems limit one call to something below 2 GiB

#if defined(_WIN32)

struct NoPipeSignal {};
int64_t write_some(int fd, const void *data, size_t n) { return _write(fd, data, unsigned(n)); }
int64_t read_some(int fd, void *data, size_t n) { return _read(fd, data, unsigned(n)); }

#else

// Keeps the SIGPIPE that a write may raise on this thread from reaching the program: it is blocked meanwhile, and taken
// away if it came and was not pending before.
class NoPipeSignal {
public:
    NoPipeSignal() noexcept {
        sigset_t pending;
        sigemptyset(&pipe_);
        sigaddset(&pipe_, SIGPIPE);
        was_pending_ = sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
        blocked_ = pthread_sigmask(SIG_BLOCK, &pipe_, &before_) == 0;
    }
    ~NoPipeSignal() {
        if (!blocked_) return;
        const int saved = errno;
        sigset_t pending;
        if (!was_pending_ && sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1) {
            int signal;
            sigwait(&pipe_, &signal);
        }
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
        errno = saved;
    }
    NoPipeSignal(const NoPipeSignal &) = delete;
    NoPipeSignal &operator=(const NoPipeSignal &) = delete;

private:
    sigset_t pipe_, before_;
    bool was_pending_ = false, blocked_ = false;
};
int64_t write_some(int fd, const void *data, size_t n) { return ::write(fd, data, n); }
int64_t read_some(int fd, void *data, size_t n) { return ::read(fd, data, n); }

#endif

[[noreturn]] void refuse(const char *what, int fd, uint64_t done, int error) {
    fail(DS4X_ERR_IO, "%s file descriptor %d failed after %llu bytes: %s", what, fd, (unsigned long long)done,
         std::generic_category().message(error).c_str());
}

} // namespace

void DescriptorStream::write(const void *data, size_t n) {
    const uint8_t *p = static_cast<const uint8_t *>(data);
    [[maybe_unused]] const NoPipeSignal guard{};
    while (n) {
        const int64_t moved = write_some(fd_, p, std::min(n, most_at_once));
        if (moved < 0 && errno == EINTR) continue;
        if (moved <= 0) refuse("writing to", fd_, done_, moved < 0 ? errno : ENOSPC);
        p += moved, n -= size_t(moved), done_ += uint64_t(moved);
    }
}

void DescriptorStream::read(void *data, size_t n) {
    uint8_t *p = static_cast<uint8_t *>(data);
    while (n) {
        const int64_t moved = read_some(fd_, p, std::min(n, most_at_once));
        if (moved < 0 && errno == EINTR) continue;
        if (moved < 0) refuse("reading from", fd_, done_, errno);
        if (moved == 0)
            fail(DS4X_ERR_FORMAT,
                 "file descriptor %d ends after %llu bytes, at least %llu more are expected: cut short", fd_,
                 (unsigned long long)done_, (unsigned long long)n);
        p += moved, n -= size_t(moved), done_ += uint64_t(moved);
    }
}

} // namespace ds4
