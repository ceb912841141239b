/* windows: which windows are told, when, and once, against a naive list of all windows. The panes
 * are a set of our own. */
#include "operators/model/windows.h"

#include "runtime/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define TIME_MAX 400
#define PANES_MAX (2 * TIME_MAX)

struct op { /* panes that have rows, by begin + TIME_MAX */
    bool panes[PANES_MAX];
    int64_t dropped_ms;
    bool again;
};

void op_again(struct op *op)
{
    op->again = true;
}

int64_t op_pane_first(struct op *op, uint32_t state, int64_t from_ms)
{
    (void)state;
    for (int64_t i = from_ms < -TIME_MAX ? 0 : from_ms + TIME_MAX; i < PANES_MAX; i++)
        if (op->panes[i])
            return i - TIME_MAX;
    return INT64_MAX;
}

void op_pane_drop(struct op *op, uint32_t state, int64_t before_ms)
{
    (void)state;
    op->dropped_ms = before_ms;
    for (int64_t i = 0; i < before_ms + TIME_MAX && i < PANES_MAX; i++)
        op->panes[i] = false;
}

struct told {
    uint32_t count, calls;
    int64_t ends[PANES_MAX + TIME_MAX];
    const struct window *window;
};

/* Every third window takes two calls. */
static bool tell(struct op *op, void *context, int64_t begin_ms, int64_t end_ms, bool *more,
                 struct error *err)
{
    struct told *told = context;

    (void)op;
    (void)err;
    assert_int_equal(end_ms - begin_ms, told->window->size_ms);
    *more = ++told->calls % 4 == 3;
    if (!*more)
        told->ends[told->count++] = end_ms;
    return true;
}

static void advance(struct op *op, struct windows *windows, int64_t time_ms, struct told *told)
{
    do {
        op->again = false;
        assert_true(windows_advance(op, 0, windows, time_ms, tell, told, NULL));
    } while (op->again);
}

static void test_table(void **state)
{
    static const struct {
        const char *name;
        struct window window;
        int64_t done_ms, pane_ms, end_ms;
    } cases[] = {
        {"first", {60, 10}, INT64_MIN, 120, 130},
        {"negative time", {60, 10}, INT64_MIN, -30, -20},
        {"before the pane", {60, 10}, 5, 120, 130},
        {"last ms of a window is done", {60, 10}, 129, 120, 140},
        {"one ms before", {60, 10}, 128, 120, 130},
        {"one ms after", {60, 10}, 130, 120, 140},
        {"tumbling", {10, 10}, 129, 130, 140},
        {"no pane", {10, 10}, 129, INT64_MAX, INT64_MAX},
        {"no more time", {10, 10}, INT64_MAX - 5, INT64_MAX, INT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t end = windows_next_end(&cases[i].window, cases[i].done_ms, cases[i].pane_ms);
        if (end != cases[i].end_ms)
            print_error("case: %s\n", cases[i].name);
        assert_int_equal(end, cases[i].end_ms);
    }
    assert_int_equal(windows_last_ms(60, 0), 59);
    assert_int_equal(windows_last_ms(60, 59), 59);
    assert_int_equal(windows_last_ms(60, 60), 119);
    assert_int_equal(windows_last_ms(60, -1), -1);
    assert_int_equal(windows_last_ms(60, -60), -1);
    assert_int_equal(windows_last_ms(60, -61), -61);
}

/* All windows that a row at one of `times` is in, told by ends that are closed at `watermark`. */
static uint32_t naive(const struct window *window, const bool *rows, int64_t watermark_ms,
                      int64_t *ends)
{
    uint32_t count = 0;

    for (int64_t end = -TIME_MAX - window->size_ms; end <= TIME_MAX + window->size_ms; end++) {
        bool any = false;
        if (end % window->every_ms != 0 || end - 1 > watermark_ms)
            continue;
        for (int64_t time = end - window->size_ms; time < end; time++)
            any = any || (time >= -TIME_MAX && time < TIME_MAX && rows[time + TIME_MAX]);
        if (any)
            ends[count++] = end;
    }
    return count;
}

/* Rows come behind the watermark by nothing; it moves by steps of any size, and the operator is
 * made anew now and then, as after a restore. */
static void run(uint64_t seed)
{
    struct random made = {.state = seed}, *random = &made;
    static struct op op;
    static struct told told;
    static bool rows[PANES_MAX];
    static int64_t ends[PANES_MAX + TIME_MAX];
    int64_t every = 1 + (int64_t)random_below(random, 12);
    struct window window = {every * (1 + (int64_t)random_below(random, 6)), every};
    struct windows windows = {window, INT64_MIN};
    int64_t watermark_ms = INT64_MIN;

    op = (struct op){.dropped_ms = INT64_MIN};
    told = (struct told){.window = &window};
    memset(rows, 0, sizeof(rows));
    for (int64_t time = -TIME_MAX; time < TIME_MAX; time++) {
        if (random_below(random, 40) == 0 && time > watermark_ms) {
            int64_t pane = windows_last_ms(every, time) + 1 - every;
            rows[time + TIME_MAX] = true;
            if (pane >= -TIME_MAX)
                op.panes[pane + TIME_MAX] = true;
            else
                rows[time + TIME_MAX] = false; /* its pane has no place in our set */
        }
        if (random_below(random, 30) != 0)
            continue;
        watermark_ms = time;
        advance(&op, &windows, watermark_ms, &told);
        assert_int_equal(naive(&window, rows, watermark_ms, ends), told.count);
        if (random_below(random, 4) == 0)
            windows = (struct windows){window, watermark_ms};
    }
    advance(&op, &windows, INT64_MAX, &told);
    if (naive(&window, rows, INT64_MAX, ends) != told.count)
        print_error("seed %lu\n", (unsigned long)seed);
    assert_int_equal(naive(&window, rows, INT64_MAX, ends), told.count);
    assert_memory_equal(told.ends, ends, told.count * sizeof(ends[0]));
}

static void test_against_naive(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++)
        run(seed);
}

/* Panes that no open window needs are gone; those that one needs stay. */
static void test_drop(void **state)
{
    struct window window = {60, 10};
    struct windows windows = {window, INT64_MIN};
    struct told told = {.window = &window};
    struct op op = {.dropped_ms = INT64_MIN};

    (void)state;
    op.panes[0 + TIME_MAX] = true;
    advance(&op, &windows, 8, &told);
    assert_int_equal(told.count, 0);
    advance(&op, &windows, 58, &told);
    assert_int_equal(told.count, 5);
    assert_int_equal(op.dropped_ms, 0);
    assert_true(op.panes[0 + TIME_MAX]);
    advance(&op, &windows, 59, &told);
    assert_int_equal(told.count, 6);
    assert_false(op.panes[0 + TIME_MAX]);
}

/* Windows of 10, keys that are dropped after 25: at the end of a window, never within it. */
static void stale_test(void **state)
{
    static const struct {
        int64_t size_ms, forget_ms, due_ms, time_ms;
        bool stale;
    } cases[] = {
        {10, 25, 109, 110, false}, {10, 25, 109, 139, false}, {10, 25, 109, 140, true},
        {10, 25, 109, 149, true},  {10, 20, 109, 129, false}, {10, 20, 109, 130, true},
        {10, 0, 109, 1000, false}, {0, 25, 100, 124, false},  {0, 25, 100, 125, true},
        {0, 0, 100, 1000, false},  {10, 25, -1, 29, false},   {10, 25, -1, 30, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (windows_stale(cases[i].size_ms, cases[i].forget_ms, cases[i].due_ms,
                          cases[i].time_ms) != cases[i].stale)
            fail_msg("case %zu", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stale_test),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_against_naive),
        cmocka_unit_test(test_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
