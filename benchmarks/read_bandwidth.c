/* Reads a buffer with several threads as fast as plain loads can; prints bytes per second, one line per round.
 *
 * Compiled and run by read_bandwidth.py (-O3 -march=native). Eight independent sums of full vectors keep enough loads in
 * flight that the memory, not the adder, is the limit.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__linux__)
#  include <sys/mman.h>
#endif

typedef uint64_t vec __attribute__((vector_size(64)));

enum { n_sums = 8, most_threads = 256 };

typedef struct {
    pthread_barrier_t start, stop;
    int passes, rounds;
} Shared;

typedef struct {
    Shared *shared;
    const vec *data;
    size_t n; /* vectors, a multiple of n_sums */
    uint64_t sum;
} Part;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void read_once(Part *part) {
    vec sums[n_sums] = {{0}};
    for (size_t i = 0; i < part->n; i += n_sums)
        for (int k = 0; k < n_sums; k++) sums[k] += part->data[i + (size_t)k];
    for (int k = 1; k < n_sums; k++) sums[0] += sums[k];
    for (int k = 0; k < 8; k++) part->sum += sums[0][k];
    __asm__ volatile("" ::: "memory"); /* every pass reads again */
}

static void *run(void *arg) {
    Part *part = (Part *)arg;
    for (int round = 0; round < part->shared->rounds; round++) {
        pthread_barrier_wait(&part->shared->start);
        for (int pass = 0; pass < part->shared->passes; pass++) read_once(part);
        pthread_barrier_wait(&part->shared->stop);
    }
    return NULL;
}

static int fail(const char *what) {
    fprintf(stderr, "read_bandwidth: %s\n", what);
    return 1;
}

int main(int argc, char **argv) {
    static Part parts[most_threads];
    static pthread_t threads[most_threads];
    static Shared shared;
    if (argc != 6) return fail("arguments: threads bytes rounds passes huge_pages(0|1)");
    const int n_threads = atoi(argv[1]), huge_pages = atoi(argv[5]);
    const size_t step = n_sums * sizeof(vec), align = (size_t)2 << 20;
    if (n_threads < 1 || n_threads > most_threads) return fail("threads: 1 to 256");
    const size_t each = (size_t)strtoull(argv[2], NULL, 10) / (size_t)n_threads / step * step;
    const size_t bytes = each * (size_t)n_threads;
    void *buffer = NULL;
    if (bytes == 0 || posix_memalign(&buffer, align, bytes)) return fail("no memory for the buffer");
#if defined(__linux__)
    madvise(buffer, bytes, huge_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#endif
    memset(buffer, 1, bytes); /* every page exists before the clock starts */
    shared.rounds = atoi(argv[3]);
    shared.passes = atoi(argv[4]);
    pthread_barrier_init(&shared.start, NULL, (unsigned)n_threads);
    pthread_barrier_init(&shared.stop, NULL, (unsigned)n_threads);
    for (int i = 0; i < n_threads; i++) {
        parts[i].shared = &shared;
        parts[i].data = (const vec *)((const char *)buffer + (size_t)i * each);
        parts[i].n = each / sizeof(vec);
        if (i && pthread_create(&threads[i], NULL, run, &parts[i])) return fail("no more threads");
    }
    for (int round = 0; round < shared.rounds; round++) {
        pthread_barrier_wait(&shared.start);
        const double begin = now();
        for (int pass = 0; pass < shared.passes; pass++) read_once(&parts[0]);
        pthread_barrier_wait(&shared.stop);
        printf("%.0f\n", (double)bytes * shared.passes / (now() - begin));
    }
    uint64_t sum = 0;
    for (int i = 1; i < n_threads; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < n_threads; i++) sum += parts[i].sum;
    return sum == 0; /* the sum is used, so that the reads stay */
}
