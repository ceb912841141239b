/* sessions: rows in any order against sessions found by sorting them. The operator as a whole:
 * tests/golden/window-aggregate-session. */
#include "operators/window-aggregate/sessions.h"

#include "runtime/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS_MAX 60u

struct slots {
    uint64_t rows, sum;
};

static void merge(const void *context, void *into, const void *from)
{
    struct slots *a = into;
    const struct slots *b = from;

    assert_null(context);
    a->rows += b->rows;
    a->sum += b->sum;
}

static struct session_kind kind = {.size = sizeof(struct session) + sizeof(struct slots),
                                   .merge = merge};
static uint64_t
    cell[(sizeof(struct sessions) + ROWS_MAX * (sizeof(struct session) + sizeof(struct slots))) /
         sizeof(uint64_t)];

static void add(struct sessions *sessions, int64_t time_ms, uint64_t value)
{
    uint32_t before = sessions->count;
    bool apart = sessions_apart(&kind, sessions, time_ms);
    struct slots *slots;

    sessions_add(&kind, sessions, time_ms);
    assert_true(apart ? sessions->count == before + 1 : sessions->count <= before);
    slots = (struct slots *)(void *)sessions_find(&kind, sessions, time_ms)->slots;
    slots->rows++;
    slots->sum += value;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Values are the times, so that the sum tells which rows are in a session. */
static void check(const struct sessions *sessions, int64_t *times, uint32_t rows)
{
    uint32_t at = 0;

    qsort(times, rows, sizeof(*times), by_time);
    for (uint32_t i = 0; i < rows; at++) {
        const struct session *session = sessions_at(&kind, sessions, at);
        const struct slots *slots = (const struct slots *)(const void *)session->slots;
        struct slots want = {0, 0};
        uint32_t first = i;

        assert_true(at < sessions->count);
        do {
            want.rows++;
            want.sum += (uint64_t)times[i++];
        } while (i < rows && times[i] - times[i - 1] <= kind.gap_ms);
        assert_int_equal(session->begin_ms, times[first]);
        assert_int_equal(session->last_ms, times[i - 1]);
        assert_int_equal(session_end(&kind, session), times[i - 1] + kind.gap_ms);
        assert_int_equal(slots->rows, want.rows);
        assert_int_equal(slots->sum, want.sum);
    }
    assert_int_equal(at, sessions->count);
}

static void test_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        struct random random = {seed};
        struct sessions *sessions = memset(cell, 0, sizeof(cell));
        uint32_t rows = 1 + (uint32_t)random_below(&random, ROWS_MAX);
        int64_t times[ROWS_MAX], span = 1 + (int64_t)random_below(&random, 900);

        kind.gap_ms = 1 + (int64_t)random_below(&random, 40);
        for (uint32_t i = 0; i < rows; i++) {
            times[i] = (int64_t)random_below(&random, (uint64_t)span) - 300;
            add(sessions, times[i], (uint64_t)times[i]);
        }
        check(sessions, times, rows);
    }
}

/* At just the gap two rows belong together, a millisecond later they do not. */
static void test_bounds(void **state)
{
    struct sessions *sessions = memset(cell, 0, sizeof(cell));

    (void)state;
    kind.gap_ms = 10;
    add(sessions, 100, 1);
    add(sessions, 121, 1);
    add(sessions, 89, 1);
    assert_int_equal(sessions->count, 3);
    add(sessions, 111, 1); /* touches 121, but not 100 */
    assert_int_equal(sessions->count, 3);
    add(sessions, 110, 1); /* joins them */
    assert_int_equal(sessions->count, 2);
    assert_int_equal(sessions_at(&kind, sessions, 1)->begin_ms, 100);
    assert_int_equal(session_end(&kind, sessions_at(&kind, sessions, 1)), 131);
    sessions_drop(&kind, sessions, 1);
    assert_int_equal(sessions->count, 1);
    assert_int_equal(sessions_at(&kind, sessions, 0)->begin_ms, 100);
    sessions_drop(&kind, sessions, 1);
    assert_int_equal(sessions->count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
