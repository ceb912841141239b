/* pool: every work runs once, in order with one thread; done before the waker; waiting; closing. */
#include "runtime/base/executor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <semaphore.h>

#define WORKS 2000

struct job {
    struct work work;
    int number, order;
};

static atomic_int counter;

static void run_job(struct work *work)
{
    struct job *job = (struct job *)work;

    job->order = atomic_fetch_add(&counter, 1);
}

struct signal {
    struct waker waker;
    sem_t woken;
};

static void wake(struct waker *waker)
{
    sem_post(&((struct signal *)waker)->woken);
}

static struct job jobs[WORKS];

static void submit_all(struct executor *executor, struct waker *waker)
{
    atomic_store(&counter, 0);
    for (int i = 0; i < WORKS; i++) {
        jobs[i] = (struct job){.work = {.run = run_job, .waker = waker}, .number = i, .order = -1};
        executor_submit(executor, &jobs[i].work);
    }
}

static void test_one_thread_keeps_order(void **state)
{
    struct pool *pool = pool_create(1);

    (void)state;
    submit_all(pool_executor(pool), NULL);
    pool_close(pool);
    for (int i = 0; i < WORKS; i++) {
        assert_true(work_done(&jobs[i].work));
        assert_int_equal(jobs[i].order, i);
    }
}

static void test_each_runs_once(void **state)
{
    struct pool *pool = pool_create(4);
    static bool seen[WORKS];

    (void)state;
    submit_all(pool_executor(pool), NULL);
    pool_close(pool);
    for (int i = 0; i < WORKS; i++) {
        assert_in_range(jobs[i].order, 0, WORKS - 1);
        assert_false(seen[jobs[i].order]);
        seen[jobs[i].order] = true;
    }
}

static void test_woken_when_done(void **state)
{
    struct signal signal = {.waker = {.wake = wake}};
    struct pool *pool = pool_create(2);

    (void)state;
    assert_int_equal(sem_init(&signal.woken, 0, 0), 0);
    submit_all(pool_executor(pool), &signal.waker);
    for (int i = 0; i < WORKS; i++)
        while (sem_wait(&signal.woken) != 0)
            ;
    for (int i = 0; i < WORKS; i++)
        assert_true(work_done(&jobs[i].work));
    pool_close(pool);
    sem_destroy(&signal.woken);
}

static void test_wait(void **state)
{
    struct pool *pool = pool_create(3);
    struct executor *executor = pool_executor(pool);

    (void)state;
    submit_all(executor, NULL);
    for (int i = WORKS; i-- > 0;) {
        executor_wait(executor, &jobs[i].work);
        assert_true(jobs[i].order >= 0);
    }
    executor_wait(executor, &jobs[0].work); /* done already */
    pool_close(pool);
}

/* A waker that takes its time, and whose owner goes by what is done. */
struct slow {
    struct waker waker;
    atomic_bool woken;
};

static void wake_slowly(struct waker *waker)
{
    static const struct timespec pause = {.tv_nsec = 20000000};

    (void)nanosleep(&pause, NULL);
    atomic_store(&((struct slow *)waker)->woken, true);
}

static void test_settle(void **state)
{
    struct slow slow = {.waker = {.wake = wake_slowly}};
    struct job job = {.work = {.run = run_job, .waker = &slow.waker}};
    struct pool *pool = pool_create(2);

    (void)state;
    executor_submit(pool_executor(pool), &job.work);
    executor_wait(pool_executor(pool), &job.work);
    pool_settle(pool);
    assert_true(atomic_load(&slow.woken));
    pool_settle(pool); /* nothing to wait for */
    pool_close(pool);
}

static void test_close_of_nothing(void **state)
{
    (void)state;
    pool_close(NULL);
    pool_close(pool_create(8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_thread_keeps_order),
        cmocka_unit_test(test_each_runs_once),
        cmocka_unit_test(test_woken_when_done),
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_settle),
        cmocka_unit_test(test_close_of_nothing),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
