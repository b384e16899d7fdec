// Saved sessions through file descriptors and at the end of readable memory: pipes, files, interruptions, failures.
#include "state_fixture.h"
#include "tiny_model.h"

#if !defined(_WIN32)

#  include <atomic>
#  include <csignal>
#  include <fcntl.h>
#  include <pthread.h>
#  include <sys/mman.h>
#  include <sys/wait.h>
#  include <thread>
#  include <unistd.h>

using namespace state_fixture;

namespace {

constexpr int32_t formats[] = {DS4X_STATE_PAGES, DS4X_STATE_PAYLOAD};

struct Fixture {
    ScratchDir dir;
    Model m{dir.write("tiny.gguf", tiny_model::make().build())};
    std::vector<int32_t> prompt = m.prompt(700);
    std::vector<float> logits;
    Session source{m, 1000};
    explicit Fixture(uint32_t n) { logits = source.eval(prompt, 0, n, 1)[0]; }
};

// Closes what is left open.
struct Pipe {
    int fd[2] = {-1, -1};
    Pipe() { CHECK_EQ(pipe(fd), 0); }
    ~Pipe() {
        for (int &end : fd) close_end(end);
    }
    static void close_end(int &end) {
        if (end >= 0) close(end);
        end = -1;
    }
};

void do_nothing(int) {}

// While it lives, a signal that does nothing interrupts the calls of one thread again and again.
class Interruptions {
public:
    explicit Interruptions(pthread_t target) {
        struct sigaction action{};
        action.sa_handler = do_nothing; // without SA_RESTART
        sigaction(SIGUSR1, &action, &before_);
        thread_ = std::thread([this, target] {
            while (!stop_) {
                pthread_kill(target, SIGUSR1);
                usleep(50);
            }
        });
    }
    ~Interruptions() {
        stop_ = true;
        thread_.join();
        sigaction(SIGUSR1, &before_, nullptr);
    }

private:
    struct sigaction before_{};
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

// Everything until the other end is closed, in small pieces.
Bytes drain(int fd) {
    Bytes out;
    uint8_t piece[777];
    for (ssize_t n; (n = read(fd, piece, sizeof piece)) != 0;) {
        if (n > 0) out.insert(out.end(), piece, piece + n);
    }
    return out;
}

} // namespace

TEST(state_goes_through_a_pipe_despite_interruptions) {
    Fixture f(600);
    for (const int32_t format : formats) {
        const Bytes expected = f.source.save(format, &f.logits);
        Session loaded(f.m, 1000);
        Pipe p;
        Bytes got;
        std::thread reader([&] { got = drain(p.fd[0]); });
        {
            const Interruptions interruptions(pthread_self());
            CHECK_EQ(ds4x_state_save_fd(f.source.s, format, f.logits.data(), p.fd[1], &f.source.err), DS4X_OK);
        }
        Pipe::close_end(p.fd[1]);
        reader.join();
        CHECK(got == expected);

        Pipe back;
        std::thread writer([&] {
            for (size_t at = 0; at < expected.size();) { // in small pieces, so that reads come back short
                const ssize_t n = write(back.fd[1], expected.data() + at, std::min<size_t>(333, expected.size() - at));
                if (n > 0) at += size_t(n);
            }
        });
        std::vector<float> logits(f.m.info.n_vocab);
        int32_t has = -1;
        {
            const Interruptions interruptions(pthread_self());
            CHECK_EQ(
                ds4x_state_load_fd(loaded.s, format, back.fd[0], expected.size(), logits.data(), &has, &loaded.err),
                DS4X_OK);
        }
        writer.join();
        CHECK(has == 1 && logits == f.logits);
        CHECK(loaded.save(format, &logits) == expected);
    }
}

TEST(state_goes_through_a_file_that_continues) {
    Fixture f(150);
    const std::string path = f.dir.path("state");
    for (const int32_t format : formats) {
        const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
        CHECK_EQ(write(fd, "head", 4), ssize_t(4));
        CHECK_EQ(ds4x_state_save_fd(f.source.s, format, f.logits.data(), fd, &f.source.err), DS4X_OK);
        const uint64_t n = f.source.bytes(format, true);
        CHECK_EQ(uint64_t(lseek(fd, 0, SEEK_CUR)), 4 + n);
        CHECK_EQ(write(fd, "tail", 4), ssize_t(4));
        lseek(fd, 4, SEEK_SET);
        Session loaded(f.m, 1000);
        CHECK_EQ(ds4x_state_load_fd(loaded.s, format, fd, n, nullptr, nullptr, &loaded.err), DS4X_OK);
        CHECK_EQ(uint64_t(lseek(fd, 0, SEEK_CUR)), 4 + n); // not read beyond
        CHECK(loaded.save(format, &f.logits) == f.source.save(format, &f.logits));

        Session other(f.m, 1000);
        other.sync(f.prompt, 20);
        const Bytes before = other.save(DS4X_STATE_PAGES);
        lseek(fd, 4, SEEK_SET); // the file is longer than what is asked for, and shorter than what is promised
        CHECK_EQ(ds4x_state_load_fd(other.s, format, fd, n + 4, nullptr, nullptr, &other.err), DS4X_ERR_FORMAT);
        for (const uint64_t left : {n - 1, n / 2, uint64_t(91), uint64_t(50), uint64_t(3), uint64_t(0)}) {
            CHECK_EQ(ftruncate(fd, off_t(4 + left)), 0);
            lseek(fd, 4, SEEK_SET);
            CHECK_EQ(ds4x_state_load_fd(other.s, format, fd, n, nullptr, nullptr, &other.err), DS4X_ERR_FORMAT);
            CHECK(other.says("cut short"));
        }
        CHECK(other.save(DS4X_STATE_PAGES) == before);
        close(fd);
    }
}

TEST(state_reports_why_a_descriptor_fails) {
    Fixture f(150);
    const int read_only = open(f.dir.write("empty", {}).c_str(), O_RDONLY);
    const int write_only = open(f.dir.path("out").c_str(), O_WRONLY | O_CREAT, 0600);
    const int full = open("/dev/full", O_WRONLY); // where there is one
    const int closed = dup(read_only);
    close(closed);
    Session other(f.m, 200);
    for (const int32_t format : formats) {
        const auto save = [&](int fd) {
            return ds4x_state_save_fd(f.source.s, format, f.logits.data(), fd, &f.source.err);
        };
        CHECK(save(-1) == DS4X_ERR_IO && f.source.says("file descriptor -1"));
        CHECK(save(closed) == DS4X_ERR_IO && f.source.says(std::strerror(EBADF)));
        CHECK(save(read_only) == DS4X_ERR_IO && f.source.says(std::strerror(EBADF)));
        if (full >= 0) CHECK(save(full) == DS4X_ERR_IO && f.source.says(std::strerror(ENOSPC)));
        Pipe p;
        Pipe::close_end(p.fd[0]); // its reader went away, and the program lives on
        CHECK(save(p.fd[1]) == DS4X_ERR_IO && f.source.says(std::strerror(EPIPE)));
        sigset_t pending;
        CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 0);
        for (const int fd : {-1, closed, write_only}) {
            CHECK_EQ(ds4x_state_load_fd(other.s, format, fd, 1000, nullptr, nullptr, &other.err), DS4X_ERR_IO);
            CHECK(other.says(std::strerror(EBADF)));
        }
    }
    CHECK_EQ(other.pos(), 0u);
    for (const int fd : {read_only, write_only, full})
        if (fd >= 0) close(fd);
}

TEST(state_is_not_read_or_written_beyond_its_buffer) {
    Fixture f(150);
    const size_t page = size_t(sysconf(_SC_PAGESIZE));
    for (const int32_t format : formats) {
        const Bytes saved = f.source.save(format, &f.logits);
        const size_t room = (saved.size() + page - 1) / page * page;
        void *map = mmap(nullptr, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(map != MAP_FAILED);
        uint8_t *end = static_cast<uint8_t *>(map) + room;
        CHECK_EQ(mprotect(end, page, PROT_NONE), 0);
        uint64_t n = 0;
        CHECK_EQ(ds4x_state_save(f.source.s, format, f.logits.data(), end - saved.size(), saved.size(), &n, nullptr),
                 DS4X_OK);
        CHECK(std::equal(saved.begin(), saved.end(), end - saved.size()));
        Session loaded(f.m, 1000);
        CHECK_EQ(ds4x_state_load(loaded.s, format, end - saved.size(), saved.size(), nullptr, nullptr, &loaded.err),
                 DS4X_OK);
        for (size_t n_bytes = 0; n_bytes < saved.size();
             n_bytes += 1 + n_bytes / 16) { // cut short, right at the border
            std::memcpy(end - n_bytes, saved.data(), n_bytes);
            CHECK_EQ(ds4x_state_load(loaded.s, format, end - n_bytes, n_bytes, nullptr, nullptr, &loaded.err),
                     DS4X_ERR_FORMAT);
        }
        CHECK_EQ(loaded.pos(), 150u);
        munmap(map, room + page);
    }
}

TEST(state_in_a_forked_child_is_refused) {
    Fixture f(10);
    uint8_t byte = 0;
    uint64_t n = 0;
    const pid_t child = fork();
    if (child == 0) {
        bool refused = ds4x_fingerprint(f.m.e, &byte, nullptr) == DS4X_ERR_FORKED;
        for (const int32_t format : formats) {
            const float *logits = f.logits.data();
            refused &= ds4x_state_bytes(f.source.s, format, 1, &n, nullptr) == DS4X_ERR_FORKED;
            refused &= ds4x_state_save(f.source.s, format, logits, &byte, 1, &n, nullptr) == DS4X_ERR_FORKED;
            refused &= ds4x_state_save_fd(f.source.s, format, logits, 1, nullptr) == DS4X_ERR_FORKED;
            refused &= ds4x_state_load(f.source.s, format, &byte, 1, nullptr, nullptr, nullptr) == DS4X_ERR_FORKED;
            refused &= ds4x_state_load_fd(f.source.s, format, 0, 1, nullptr, nullptr, nullptr) == DS4X_ERR_FORKED;
        }
        _exit(refused ? 0 : 1);
    }
    int status = -1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#endif
