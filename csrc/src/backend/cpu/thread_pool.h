// A pool of threads that runs the tasks of one parallel region at a time. One pool per engine.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace ds4 {

class ThreadPool {
public:
    explicit ThreadPool(int n_threads); // n_threads >= 1, the caller included; throws Error(BACKEND)
    ~ThreadPool();
    ThreadPool(const ThreadPool &) = delete;
    ThreadPool &operator=(const ThreadPool &) = delete;

    int size() const noexcept { return int(workers_.size()) + 1; }

    // Calls f(task, thread) for every task in [0, n_tasks); returns when all are done. f must not throw. Which thread
    // takes which task is left to chance, so results must not depend on it.
    template <typename F> void run(int64_t n_tasks, const F &f) {
        if (workers_.empty() || n_tasks <= 1) {
            for (int64_t i = 0; i < n_tasks; i++) f(i, 0);
            return;
        }
        for (int64_t first = 0; first < n_tasks; first += max_tasks) {
            const auto shifted = [&f, first](int64_t task, int thread) { f(first + task, thread); };
            using Shifted = decltype(shifted);
            run_region(
                n_tasks - first < max_tasks ? n_tasks - first : max_tasks,
                [](const void *ctx, int64_t task, int thread) { (*static_cast<const Shifted *>(ctx))(task, thread); },
                &shifted);
        }
    }

private:
    using TaskFn = void (*)(const void *ctx, int64_t task, int thread);
    static constexpr int64_t max_tasks = 1 << 19;

    void run_region(int64_t n_tasks, TaskFn fn, const void *ctx);
    void take_tasks(int thread);
    void work(int thread);
    void stop() noexcept;

    std::vector<std::thread> workers_;
    // generation (24 bits) | number of tasks (20) | next task (20). One atomic, so that a late worker either gets a task
    // of the region that is open now, or none.
    std::atomic<uint64_t> ticket_{0};
    std::atomic<int64_t> remaining_{0};
    TaskFn fn_ = nullptr;
    const void *ctx_ = nullptr;
    std::atomic<bool> stop_{false};
    std::atomic<int> sleepers_{0};
    std::mutex mutex_;
    std::condition_variable wake_;
};

} // namespace ds4
