/* executor: the seam for work off the slot threads (writing files, loading state). A pool of
 * threads in a process, at once or in virtual time in the simulation. */
#ifndef MILLRACE_BASE_EXECUTOR_H
#define MILLRACE_BASE_EXECUTOR_H

#include "runtime/base/waker.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

/* One piece of work, in its owner's memory. `run` is called once on some thread; after it returns
 * `done` is set and `waker` (may be NULL) is woken. The owner touches it again only once done. */
struct work {
    void (*run)(struct work *work);
    struct waker *waker;
    atomic_bool done;
    struct work *next; /* the executor's */
};

struct executor {
    void (*submit)(struct executor *executor, struct work *work);
    /* Returns once the work is done; may run it at once. NULL: executor_wait polls. */
    void (*wait)(struct executor *executor, struct work *work);
};

static inline void executor_submit(struct executor *executor, struct work *work)
{
    atomic_store_explicit(&work->done, false, memory_order_relaxed);
    executor->submit(executor, work);
}

static inline bool work_done(const struct work *work)
{
    return atomic_load_explicit(&work->done, memory_order_acquire);
}

/* Blocks until submitted work is done. For closing only. */
static inline void executor_wait(struct executor *executor, struct work *work)
{
    static const struct timespec pause = {.tv_nsec = 50000};

    if (executor->wait)
        executor->wait(executor, work);
    while (!work_done(work))
        (void)nanosleep(&pause, NULL);
}

/* A pool of `threads` threads, first in first out. close waits for what was submitted. */
struct pool;
struct pool *pool_create(unsigned threads);
struct executor *pool_executor(struct pool *pool);
/* Returns once no waker of work that is done will be woken any more: before wakers are freed. */
void pool_settle(struct pool *pool);
void pool_close(struct pool *pool); /* NULL is fine */

#endif
