/* clean's memory: what a history tells against the plainest computation, verdicts of outliers, sums of
 * columns in invariants, totals. The operator as a whole: tests/golden/clean-*. */
#include "operators/clean/invariants.h"
#include "operators/clean/outliers.h"

#include "runtime/base/random.h"
#include "runtime/batch/builder.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROOM 16u

static struct history *history_create(uint32_t room)
{
    return memory_new(history_size(room));
}

static void test_ring(void **state)
{
    struct history *history = history_create(ROOM);
    struct history_view view;

    (void)state;
    history_see(history, ROOM, INT64_MIN, &view);
    assert_int_equal(view.count, 0);
    for (int64_t i = 0; i < 100; i++)
        history_add(history, ROOM, (double)i, i, i * 10);
    history_see(history, ROOM, INT64_MIN, &view);
    assert_int_equal(view.count, ROOM);
    for (uint32_t i = 0; i < ROOM; i++)
        assert_true(view.values[i] == 84 + i);
    history_see(history, ROOM, 950, &view);
    assert_int_equal(view.count, 5);
    assert_true(view.values[0] == 95 && view.times[0] == 950);
    assert_int_equal(history->bits, 99);
    memory_free(history);
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

/* Mean of the k least distances to all but `self`. */
static double naive_nearest(const struct history_view *view, uint32_t self, uint32_t k,
                            double value)
{
    double apart[HISTORY_ROOM_MAX], sum = 0;
    uint32_t count = 0;

    for (uint32_t i = 0; i < view->count; i++)
        if (i != self)
            apart[count++] = fabs(view->values[i] - value);
    qsort(apart, count, sizeof(apart[0]), by_value);
    for (uint32_t i = 0; i < k; i++)
        sum += apart[i];
    return sum / k;
}

static void test_nearest(void **state)
{
    struct random random = {7};

    (void)state;
    for (uint32_t round = 0; round < 2000; round++) {
        struct history_view view = {.count = 2 + random_below(&random, 20)};
        uint32_t k = 1 + random_below(&random, view.count - 1);
        double value = random_below(&random, 12), usual, sum = 0, apart;
        for (uint32_t i = 0; i < view.count; i++)
            view.values[i] = random_below(&random, 12); /* with ties */
        apart = history_nearest(&view, k, value, &usual);
        for (uint32_t i = 0; i < view.count; i++)
            sum += naive_nearest(&view, i, k, view.values[i]);
        assert_true(fabs(apart - naive_nearest(&view, UINT32_MAX, k, value)) < 1e-12);
        assert_true(fabs(usual - sum / view.count) < 1e-12);
    }
}

static void test_line(void **state)
{
    struct history_view view = {.count = 2, .values = {10, 14}, .times = {100, 200}};

    (void)state;
    assert_true(history_line(&view, 200) == 14);
    assert_true(history_line(&view, 250) == 16);
    assert_true(history_line(&view, 300) == 18);
    assert_true(history_line(&view, 9000) == 18); /* no further ahead than the other is back */
    view.times[0] = 200;
    assert_true(history_line(&view, 250) == 14);
    view.count = 1;
    assert_true(history_line(&view, 250) == 10);
}

/* A level that has moved for good is believed in the end, by each method. */
static void test_moved_level(void **state)
{
    static const struct outliers methods[] = {
        {.method = OUTLIERS_SIGMA, .limit = 3},
        {.method = OUTLIERS_MAD, .limit = 3.5},
        {.method = OUTLIERS_ISOLATION, .limit = 3, .k = 3},
    };
    struct random random = {9};

    (void)state;
    for (uint32_t m = 0; m < 3; m++) {
        struct history *history = history_create(ROOM);
        uint32_t early = 0, late = 0, first = 0;
        for (uint32_t i = 0; i < 200; i++) {
            double value = random_below(&random, 100) + (i < 100 ? 0 : 1000);
            struct history_view view;
            struct outliers_verdict verdict;
            history_see(history, ROOM, INT64_MIN, &view);
            verdict = outliers_judge(&methods[m], &view, 10, value);
            early += i < 100 && verdict.out;
            first += i == 100 && verdict.out;
            late += i >= 150 && verdict.out;
            history_add(history, ROOM, verdict.remembered, 0, i);
        }
        assert_true(early <= 12); /* windows are short, so some of the even values are far out */
        assert_int_equal(first, 1);
        assert_true(late <= 6);
        memory_free(history);
    }
}

static void test_no_spread(void **state)
{
    struct outliers outliers = {.method = OUTLIERS_SIGMA, .limit = 3};
    struct history_view view = {.count = 12};

    (void)state;
    assert_false(outliers_judge(&outliers, &view, 10, 5).out);
    outliers.floor = 1;
    assert_true(outliers_judge(&outliers, &view, 10, 5).out);
    assert_false(outliers_judge(&outliers, &view, 10, 2).out);
    assert_false(outliers_judge(&outliers, &view, 13, 5).out); /* too few are known */
    outliers.method = OUTLIERS_MAD;
    view.values[3] = 6; /* the MAD is 0, the mean distance is not */
    outliers.floor = 0;
    assert_true(fabs(history_mad(&view, 0) - 1.2533 * 0.5) < 1e-12);
    assert_true(outliers_judge(&outliers, &view, 10, 2.1).out);
}

/* ---- invariants ---- */

static struct field fields[] = {
    {.name = "reasons.base", .type = TYPE_F64},
    {.name = "reasons.time", .type = TYPE_F64},
    {.name = "sum", .type = TYPE_F64},
};
static const struct schema schema = {3, fields};
static struct rules_result result;

static void give(struct builder *builder)
{
    result.batch = builder_finish(builder);
    result.count = result.batch->rows;
    result.rejected_count = 0;
    for (uint32_t i = 0; i < result.count; i++)
        result.rows[i] = i;
}

static void row(struct builder *builder, double base, double time, double sum)
{
    builder_row(builder, 0, 0, 0);
    builder_f64(builder, 0, base);
    if (!isnan(time))
        builder_f64(builder, 1, time);
    if (!isnan(sum))
        builder_f64(builder, 2, sum);
}

static void test_sums(void **state)
{
    struct option_entry entries[] = {
        {.name = "adds-up",
         .text = "'sum(x.*)' = 'sum(x.*)' and sum(reasons.*)=sum and SUM(reasons.*) < 9"}};
    struct option_map map = {1, entries}, none = {0};
    struct invariants_options options = {&map, &none, 1000};
    struct invariants *invariants = invariants_create(&options, &schema, NULL, NULL);
    struct builder *builder = builder_create(&schema, false);

    (void)state;
    assert_non_null(invariants);
    assert_int_equal(invariants_size(invariants), 0);
    assert_true(invariants_reads(invariants, 1));
    row(builder, 1, 2, 3);
    row(builder, 1, 2, 4);
    row(builder, 1, NAN, 1);
    row(builder, 1, 2, NAN); /* cannot be told */
    row(builder, 8, 2, 10);
    give(builder);
    assert_int_equal(invariants_run(invariants, &result, NULL, 0, 100), 2);
    assert_int_equal(result.count, 3);
    assert_int_equal(result.rejected[0].row, 1);
    assert_int_equal(result.rejected[1].row, 4);
    assert_int_equal(result.rejected[1].rule, 100);
    batch_release(&result.batch);
    builder_close(builder);
    invariants_close(invariants);
}

static void test_totals(void **state)
{
    struct option_entry parts[] = {{.name = "of", .text = "`reasons.base`"},
                                   {.name = "most", .text = "sum"}};
    struct option_map part = {2, parts}, none = {0};
    struct option_entry entries[] = {{.name = "total", .map = &part}};
    struct option_map map = {1, entries};
    struct invariants_options options = {&none, &map, 1000};
    struct invariants *invariants = invariants_create(&options, &schema, NULL, NULL);
    struct builder *builder = builder_create(&schema, false);
    uint64_t cell[16] = {0};
    void *cells[] = {cell, cell, cell, cell, cell};
    char reason[RULES_REASON_SIZE];

    (void)state;
    assert_non_null(invariants);
    assert_true(invariants_size(invariants) > 0 && invariants_size(invariants) <= sizeof(cell));
    for (uint32_t i = 0; i < 5; i++)
        row(builder, i == 2 ? 0.5 : 0.3, 0, 1);
    give(builder);
    assert_int_equal(invariants_run(invariants, &result, cells, 0, 0), 2); /* .3 .3 - .3 - */
    assert_int_equal(result.rejected[0].row, 2);
    assert_int_equal(result.rejected[1].row, 4);
    invariants_reason(invariants, &result.rejected[0], 0, reason);
    assert_string_equal(reason, "the total 1.1 is above 1");
    batch_release(&result.batch);
    builder_close(builder);
    invariants_close(invariants);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ring),      cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_line),      cmocka_unit_test(test_moved_level),
        cmocka_unit_test(test_no_spread), cmocka_unit_test(test_sums),
        cmocka_unit_test(test_totals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
