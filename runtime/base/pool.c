/* pool: threads that take work from one list, first in first out. One mutex: work is a file
 * written or a state loaded, milliseconds against the lock's microsecond. */
#include "runtime/base/check.h"
#include "runtime/base/executor.h"
#include "runtime/base/memory.h"

#include <pthread.h>
#include <signal.h>

#define POOL_THREADS_MAX 256u

struct pool {
    struct executor executor; /* first: pool_executor hands out its address */
    pthread_mutex_t mutex;
    pthread_cond_t more;     /* there is work, or the pool is closing */
    pthread_cond_t finished; /* some work is done, or its owner was woken */
    unsigned waking;         /* owners that are about to be */
    struct work *first, **last;
    bool closing;
    unsigned thread_count;
    pthread_t threads[];
};

static void submit(struct executor *executor, struct work *work)
{
    struct pool *pool = (struct pool *)executor;

    work->next = NULL;
    pthread_mutex_lock(&pool->mutex);
    CHECK(!pool->closing);
    *pool->last = work;
    pool->last = &work->next;
    pthread_cond_signal(&pool->more);
    pthread_mutex_unlock(&pool->mutex);
}

static void wait(struct executor *executor, struct work *work)
{
    struct pool *pool = (struct pool *)executor;

    pthread_mutex_lock(&pool->mutex);
    while (!work_done(work))
        pthread_cond_wait(&pool->finished, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
}

/* NULL when the pool is closing and nothing is left. */
static struct work *take(struct pool *pool)
{
    struct work *work;

    pthread_mutex_lock(&pool->mutex);
    while (!pool->first && !pool->closing)
        pthread_cond_wait(&pool->more, &pool->mutex);
    work = pool->first;
    if (work) {
        pool->first = work->next;
        if (!pool->first)
            pool->last = &pool->first;
    }
    pthread_mutex_unlock(&pool->mutex);
    return work;
}

static void *thread_main(void *argument)
{
    struct pool *pool = argument;
    struct work *work;

    while ((work = take(pool)) != NULL) {
        /* Read before `done`: from then on the owner may free the work. */
        struct waker *waker = work->waker;

        work->run(work);
        pthread_mutex_lock(&pool->mutex);
        pool->waking++;
        atomic_store_explicit(&work->done, true, memory_order_release);
        pthread_cond_broadcast(&pool->finished);
        pthread_mutex_unlock(&pool->mutex);
        waker_wake(waker);
        pthread_mutex_lock(&pool->mutex);
        if (--pool->waking == 0)
            pthread_cond_broadcast(&pool->finished);
        pthread_mutex_unlock(&pool->mutex);
    }
    return NULL;
}

struct pool *pool_create(unsigned threads)
{
    struct pool *pool;
    sigset_t all, old;

    CHECK(threads > 0 && threads <= POOL_THREADS_MAX);
    pool = memory_new(sizeof(*pool) + threads * sizeof(pool->threads[0]));
    pool->executor = (struct executor){.submit = submit, .wait = wait};
    pool->last = &pool->first;
    CHECK(pthread_mutex_init(&pool->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&pool->more, NULL) == 0);
    CHECK(pthread_cond_init(&pool->finished, NULL) == 0);
    /* Signals belong to the thread that handles them. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (pool->thread_count = 0; pool->thread_count < threads; pool->thread_count++)
        CHECK(pthread_create(&pool->threads[pool->thread_count], NULL, thread_main, pool) == 0);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return pool;
}

struct executor *pool_executor(struct pool *pool)
{
    return &pool->executor;
}

void pool_settle(struct pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    while (pool->waking > 0)
        pthread_cond_wait(&pool->finished, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
}

void pool_close(struct pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->mutex);
    pool->closing = true;
    pthread_cond_broadcast(&pool->more);
    pthread_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->finished);
    pthread_cond_destroy(&pool->more);
    pthread_mutex_destroy(&pool->mutex);
    memory_free(pool);
}
