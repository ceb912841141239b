/* Each search finds the top of hills whose top is known, smooth or stepped, stays in its box, keeps the best
 * that it has met, and gives the same points for the same seed. */
#include "operators/model/search.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define WIDTH 6u
#define GENERATIONS 60u

static const char *const names[] = {"cross-entropy", "swarm", "genetic"};
static const double ones[WIDTH] = {1, 1, 1, 1, 1, 1};

static double sphere(const double *x)
{
    double value = 0;

    for (uint32_t i = 0; i < WIDTH; i++)
        value -= (x[i] - 0.3 * i) * (x[i] - 0.3 * i);
    return value;
}

/* Coordinates that hang together, in steps, as ranks are. */
static double stairs(const double *x)
{
    double value = 0;

    for (uint32_t i = 0; i + 1 < WIDTH; i++) {
        double off = x[i] + x[i + 1] - 1.5, apart = x[i] - x[i + 1];
        value -= off * off + 0.2 * apart * apart;
    }
    return floor(value * 200) / 200;
}

static void check_box(const struct search *search)
{
    for (uint32_t k = 0; k < SEARCH_POINTS; k++)
        for (uint32_t i = 0; i < search->width; i++)
            assert_true(search->points[k][i] >= search->low &&
                        search->points[k][i] <= search->high);
}

static double run(struct search *search, enum search_method method, double (*value)(const double *),
                  uint64_t seed)
{
    double best = -INFINITY;

    search_init(search, method, WIDTH, -1, 4, ones, seed);
    assert_memory_equal(search->points[0], ones, sizeof(ones));
    for (uint32_t generation = 0; generation < GENERATIONS; generation++) {
        check_box(search);
        for (uint32_t k = 0; k < SEARCH_POINTS; k++) {
            search->values[k] = value(search->points[k]);
            best = fmax(best, search->values[k]);
        }
        search_next(search);
        assert_true(search->best_value == best);
        assert_true(value(search->best) == best);
    }
    return best;
}

static void test_finds(void **state)
{
    static struct search search;

    (void)state;
    for (int method = 0; method < 3; method++)
        for (uint64_t seed = 0; seed < 5; seed++) {
            double round = run(&search, (enum search_method)method, sphere, seed), steps;
            if (round < -0.02)
                fail_msg("%s, seed %d: %g on the sphere", names[method], (int)seed, round);
            steps = run(&search, (enum search_method)method, stairs, seed);
            if (steps < -0.03)
                fail_msg("%s, seed %d: %g on the stairs", names[method], (int)seed, steps);
        }
}

static void test_repeats(void **state)
{
    static struct search one, other;

    (void)state;
    for (int method = 0; method < 3; method++) {
        run(&one, (enum search_method)method, stairs, 3);
        run(&other, (enum search_method)method, stairs, 3);
        assert_memory_equal(one.points, other.points, sizeof(one.points));
        run(&other, (enum search_method)method, stairs, 4);
        assert_true(memcmp(one.points, other.points, sizeof(one.points)) != 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds),
        cmocka_unit_test(test_repeats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
