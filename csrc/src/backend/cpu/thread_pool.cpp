// The thread pool: workers spin for a short while between regions, then sleep.
#include "backend/cpu/thread_pool.h"

#include "base/error.h"

#include <system_error>

#if defined(__x86_64__)
#  include <immintrin.h>
#endif

namespace ds4 {
namespace {

constexpr int task_bits = 20;
constexpr uint64_t task_mask = (uint64_t(1) << task_bits) - 1;
constexpr int spins_before_sleep = 4000; // about 0.1 ms: longer than the serial gaps inside a forward pass

inline void pause() noexcept {
#if defined(__x86_64__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

} // namespace

ThreadPool::ThreadPool(int n_threads) {
    try {
        workers_.reserve(size_t(n_threads - 1));
        for (int i = 1; i < n_threads; i++) workers_.emplace_back([this, i] { work(i); });
    } catch (const std::system_error &e) {
        const int n_started = int(workers_.size());
        stop();
        fail(DS4X_ERR_BACKEND, "can not start thread %d of n_threads = %d: %s", n_started + 2, n_threads, e.what());
    } catch (...) {
        stop();
        throw;
    }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() noexcept {
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        stop_ = true;
    }
    wake_.notify_all();
    for (std::thread &t : workers_) t.join();
    workers_.clear();
}

void ThreadPool::take_tasks(int thread) {
    for (;;) {
        const uint64_t t = ticket_.fetch_add(1, std::memory_order_acq_rel);
        const uint64_t task = t & task_mask, n = (t >> task_bits) & task_mask;
        if (task >= n) return; // each thread looks past the end once a region: far from spilling into the next field
        // The region this task belongs to can not end before the task does, so fn_ and ctx_ are its own.
        fn_(ctx_, int64_t(task), thread);
        remaining_.fetch_sub(1, std::memory_order_release);
    }
}

void ThreadPool::run_region(int64_t n_tasks, TaskFn fn, const void *ctx) {
    fn_ = fn;
    ctx_ = ctx;
    remaining_.store(n_tasks, std::memory_order_relaxed);
    const uint64_t generation = (ticket_.load(std::memory_order_relaxed) >> (2 * task_bits)) + 1;
    ticket_.store(generation << (2 * task_bits) | uint64_t(n_tasks) << task_bits, std::memory_order_seq_cst);
    if (sleepers_.load(std::memory_order_seq_cst)) {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
        }
        wake_.notify_all();
    }
    take_tasks(0);
    for (int spin = 0; remaining_.load(std::memory_order_acquire); spin++) {
        pause();
        if (spin > spins_before_sleep) std::this_thread::yield(); // a worker lost its processor
    }
}

void ThreadPool::work(int thread) {
    uint64_t seen = 0;
    for (int spin = 0;;) {
        const uint64_t t = ticket_.load(std::memory_order_acquire);
        const uint64_t generation = t >> (2 * task_bits);
        if (generation != seen) {
            seen = generation;
            take_tasks(thread);
            spin = 0;
            continue;
        }
        if (stop_.load(std::memory_order_relaxed)) return;
        pause();
        if (++spin < spins_before_sleep) continue;
        std::unique_lock<std::mutex> lock(mutex_);
        sleepers_.fetch_add(1, std::memory_order_seq_cst);
        wake_.wait(lock,
                   [&] { return stop_.load() || ticket_.load(std::memory_order_seq_cst) >> (2 * task_bits) != seen; });
        sleepers_.fetch_sub(1, std::memory_order_seq_cst);
        spin = 0;
    }
}

} // namespace ds4
