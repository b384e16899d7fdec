/* Counts calls of the heap in a whole process, and counts those of each decoded token.
 *
 * Compiled by heap_calls.py as a shared library and put before libc with LD_PRELOAD; glibc only. The loop over tokens is
 * here, not in Python, so that every counted call is libds4's.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "ds4x.h"

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static atomic_ullong calls;

static void count(void) { atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed); }

void *malloc(size_t n) {
    count();
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size) {
    count();
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n) {
    count();
    return __libc_realloc(p, n);
}

void free(void *p) {
    if (p) count();
    __libc_free(p);
}

void *memalign(size_t align, size_t n) {
    count();
    return __libc_memalign(align, n);
}

void *aligned_alloc(size_t align, size_t n) { return memalign(align, n); }

int posix_memalign(void **out, size_t align, size_t n) {
    void *p = memalign(align, n);
    if (p) *out = p;
    return p ? 0 : ENOMEM;
}

typedef int32_t (*forward_fn)(ds4x_engine *, ds4x_span *, uint32_t, const int32_t *, ds4x_error *);
typedef int32_t (*sample_fn)(ds4x_engine *, ds4x_sample_params *, uint32_t, ds4x_error *);

/* Appends n tokens one at a time, each followed by a draw; counts[i] is the number of heap calls of step i.
 * Returns the first failure's status. */
int32_t ds4_count_decode(forward_fn forward, sample_fn sample, ds4x_engine *engine, ds4x_span *span,
                         ds4x_sample_params *draw, ds4x_error *err, const int32_t *tokens, uint32_t n,
                         uint64_t *counts) {
    for (uint32_t i = 0; i < n; i++) {
        const unsigned long long before = atomic_load(&calls);
        int32_t status;
        span->tokens = tokens + i;
        span->n_tokens = 1;
        status = forward(engine, span, 1, NULL, err);
        if (status == DS4X_OK) status = span->status;
        if (status == DS4X_OK) status = sample(engine, draw, 1, err);
        if (status != DS4X_OK) return status;
        counts[i] = atomic_load(&calls) - before;
    }
    return DS4X_OK;
}
