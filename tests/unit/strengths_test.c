/* Strengths against the truth of drawn clicks, against Newton's method run to its end on all rows, and the
 * slope against finite differences of the likelihood. */
#include "operators/model/strengths.h"

#include "operators/model/lift.h"
#include "runtime/base/hash.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROWS 60000u
#define COUNT 5u /* level, base, two factors that have an effect, one that has none */
#define WINDOW 3000u

struct row {
    double terms[COUNT], examination;
    bool click;
};

static const double truth[COUNT] = {0.2, 0.9, 1.4, 0.5, 0};
static const double means[COUNT] = {0, 1, 1, 1, 1}, errors[COUNT] = {1, 1, 1, 1, 1};

static double uniform(uint64_t row, uint64_t draw)
{
    return hash_positive(hash_draw(row, draw));
}

static double normal(uint64_t row, uint64_t draw)
{
    return sqrt(-2 * log(uniform(row, draw))) * cos(2 * M_PI * uniform(row, draw + 100));
}

static struct row *make_rows(void)
{
    struct row *rows = calloc(ROWS, sizeof(*rows));

    assert_non_null(rows);
    for (uint32_t i = 0; i < ROWS; i++) {
        double logit = 0;
        rows[i].terms[0] = 1;
        rows[i].terms[1] = -2 + normal(i, 1);
        for (uint32_t k = 2; k < COUNT; k++)
            rows[i].terms[k] = 0.4 * normal(i, k);
        for (uint32_t k = 0; k < COUNT; k++)
            logit += truth[k] * rows[i].terms[k];
        rows[i].examination = 1 / sqrt(1 + i % 10);
        rows[i].click = uniform(i, 50) < rows[i].examination * lift_sigmoid(logit);
    }
    return rows;
}

static void add_rows(struct strengths *strengths, const struct row *rows, uint32_t from,
                     uint32_t count)
{
    for (uint32_t i = from; i < from + count; i++)
        strengths_add(strengths, COUNT, rows[i].terms,
                      strengths_logit(strengths, COUNT, rows[i].terms), rows[i].examination,
                      rows[i].click);
}

/* All rows expanded at the values of the step before, until nothing moves. */
static struct strengths newton(const struct row *rows)
{
    struct strengths now;
    double values[COUNT];

    strengths_init(&now, COUNT, means, errors);
    for (int step = 0; step < 12; step++) {
        for (uint32_t k = 0; k < COUNT; k++)
            values[k] = now.values[k];
        strengths_init(&now, COUNT, means, errors);
        for (uint32_t k = 0; k < COUNT; k++)
            now.values[k] = values[k];
        add_rows(&now, rows, 0, ROWS);
        strengths_solve(&now, COUNT);
    }
    for (uint32_t k = 0; k < COUNT; k++)
        assert_true(fabs(now.values[k] - values[k]) < 1e-9);
    return now;
}

static void test_truth(void **state)
{
    struct row *rows = make_rows();
    struct strengths all = newton(rows), once;

    (void)state;
    strengths_init(&once, COUNT, means, errors);
    for (uint32_t from = 0; from < ROWS; from += WINDOW) {
        add_rows(&once, rows, from, WINDOW);
        strengths_solve(&once, COUNT);
    }
    for (uint32_t k = 0; k < COUNT; k++) {
        if (!(fabs(all.values[k] - truth[k]) < 3 * all.errors[k]) || !(all.errors[k] < 0.1))
            fail_msg("%u: %g +- %g, truly %g", k, all.values[k], all.errors[k], truth[k]);
        if (!(fabs(once.values[k] - all.values[k]) < 0.4 * all.errors[k]) ||
            !(fabs(once.errors[k] / all.errors[k] - 1) < 0.02))
            fail_msg("%u: in one pass %g +- %g, at the end %g +- %g", k, once.values[k],
                     once.errors[k], all.values[k], all.errors[k]);
    }
    free(rows);
}

/* What nobody saw stays at its prior; a term that is always 0 too. */
static void test_prior(void **state)
{
    struct strengths strengths;
    const double terms[COUNT] = {1, -2, 0.3, 0, 0};

    (void)state;
    strengths_init(&strengths, COUNT, means, errors);
    strengths_solve(&strengths, COUNT);
    for (uint32_t k = 0; k < COUNT; k++) {
        assert_true(fabs(strengths.values[k] - means[k]) < 1e-12);
        assert_true(fabs(strengths.errors[k] - 1) < 1e-12);
    }
    for (uint32_t i = 0; i < 1000; i++)
        strengths_add(&strengths, COUNT, terms, strengths_logit(&strengths, COUNT, terms), 0.7,
                      i % 5 == 0);
    strengths_solve(&strengths, COUNT);
    assert_true(fabs(strengths.values[3] - 1) < 1e-12);
    assert_true(fabs(strengths.errors[3] - 1) < 1e-12);
    assert_true(strengths.errors[0] < 0.95);
}

/* Half of what was seen, and the whole prior. */
static void test_fade(void **state)
{
    struct strengths one;
    const double mean = 1, error = 0.5, term = 2;
    double precision, right;

    (void)state;
    strengths_init(&one, 1, &mean, &error);
    strengths_add(&one, 1, &term, 0, 0.8, true);
    precision = one.precision[0] - 4;
    right = one.right[0] - 4;
    strengths_fade(&one, 1, &mean, &error, 0.5);
    assert_true(fabs(one.precision[0] - (4 + precision / 2)) < 1e-12);
    assert_true(fabs(one.right[0] - (4 + right / 2)) < 1e-12);
    strengths_fade(&one, 1, &mean, &error, 0);
    strengths_solve(&one, 1);
    assert_true(fabs(one.values[0] - 1) < 1e-12);
    assert_true(fabs(one.errors[0] - 0.5) < 1e-12);
}

static void test_slope(void **state)
{
    static const double logits[] = {-6, -2, 0, 1.5, 4}, looks[] = {0.1, 0.5, 1};

    (void)state;
    for (uint32_t i = 0; i < sizeof(logits) / sizeof(logits[0]); i++)
        for (uint32_t k = 0; k < sizeof(looks) / sizeof(looks[0]); k++)
            for (int click = 0; click < 2; click++) {
                struct strengths one;
                const double mean = logits[i], error = 1e6, term = 1;
                double step = 1e-5, slope, expected;

                strengths_init(&one, 1, &mean, &error);
                strengths_add(&one, 1, &term, mean, looks[k], click);
                slope = one.right[0] - one.precision[0] * mean;
                expected = (strengths_likelihood(mean + step, looks[k], click) -
                            strengths_likelihood(mean - step, looks[k], click)) /
                           (2 * step);
                if (!(fabs(slope - expected) < 1e-6))
                    fail_msg("at %g, %g: %g, not %g", mean, looks[k], slope, expected);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truth),
        cmocka_unit_test(test_prior),
        cmocka_unit_test(test_fade),
        cmocka_unit_test(test_slope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
