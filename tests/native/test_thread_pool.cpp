// The thread pool: every task exactly once, also over many short regions.
#include "backend/cpu/thread_pool.h"
#include "check.h"

#include <atomic>

using ds4::ThreadPool;

TEST(thread_pool_runs_every_task_once) {
    for (int n_threads : {1, 2, 3, 8}) {
        ThreadPool pool(n_threads);
        CHECK_EQ(pool.size(), n_threads);
        for (int64_t n : {0, 1, 2, 7, 1000}) {
            std::vector<std::atomic<int>> hits(static_cast<size_t>(n));
            pool.run(n, [&](int64_t task, int thread) {
                if (thread < 0 || thread >= n_threads) check::report(__FILE__, __LINE__, "thread number out of range");
                hits[size_t(task)]++;
            });
            for (const auto &h : hits) CHECK_EQ(h.load(), 1);
        }
    }
}

TEST(thread_pool_keeps_regions_apart) {
    // A worker that wakes late must never run a task of an earlier region with a later region's function.
    ThreadPool pool(3);
    int64_t wrong = 0;
    for (int64_t region = 0; region < 20000; region++) {
        std::atomic<int64_t> sum{0};
        pool.run(5, [&, region](int64_t task, int) { sum += region * 10 + task; });
        wrong += sum != region * 50 + 10;
    }
    CHECK_EQ(wrong, 0);
}

#if defined(__linux__)
#  include "base/error.h"

#  include <sys/mman.h>
#  include <sys/resource.h>

TEST(a_thread_that_can_not_be_started_is_an_error) {
    // Address space for a few stacks only. Not under a sanitizer, which needs terabytes of it.
#  if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    rlimit space{};
    getrlimit(RLIMIT_AS, &space);
    rlimit small = space;
    small.rlim_cur = 1u << 30;
    setrlimit(RLIMIT_AS, &small);
    // An emulator of another processor takes the limit and does not enforce it: there every thread starts.
    void *more = mmap(nullptr, 2u << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const bool enforced = more == MAP_FAILED;
    if (!enforced) munmap(more, 2u << 30);
    if (enforced) CHECK_ERROR(ThreadPool(1024), DS4X_ERR_BACKEND, "n_threads = 1024");
    setrlimit(RLIMIT_AS, &space);
#  endif
    ThreadPool pool(2); // and the process goes on
    CHECK_EQ(pool.size(), 2);
}
#endif
