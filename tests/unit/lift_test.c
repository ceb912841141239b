/* lift: on simulated clicks whose true effects are known: the slope of learnt on true terms, a factor
 * without effect that goes with one that has one, and nothing at all. */
#include "operators/model/lift.h"

#include "runtime/base/hash.h"
#include "runtime/base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#define CLASSES 12u
#define LEVELS 8u
#define DECOYS 5u
#define ROUNDS 60u

static double uniform(struct random *random)
{
    return hash_positive(random_next(random));
}

static double normal(struct random *random)
{
    return sqrt(-2 * log(uniform(random))) * cos(6.283185307179586 * uniform(random));
}

struct world {
    double effect[CLASSES][LEVELS];
    struct lift_sums factor[CLASSES * LEVELS], decoy[CLASSES * DECOYS], marginal[CLASSES * DECOYS];
    double terms[CLASSES][LEVELS], decoy_terms[CLASSES][DECOYS];
};

static void tally(struct lift_sums *sums, bool clicked, double e, double s)
{
    sums->clicks += clicked;
    sums->expected += e * s;
    sums->squares += e * s * s;
}

/* One window: impressions at positions 1 to 10, predictions with all terms in, then new terms. The
 * decoy goes with the level. */
static void live(struct world *world, struct random *random, uint32_t impressions, double base)
{
    for (uint32_t i = 0; i < impressions; i++) {
        uint32_t c = (uint32_t)random_below(random, CLASSES);
        uint32_t l = (uint32_t)random_below(random, LEVELS);
        uint32_t d = (uint32_t)fmin(DECOYS - 1, l * .5 + 2 * uniform(random));
        double e = pow(1 + (double)random_below(random, 10), -.5), x = base + .5 * normal(random);
        bool clicked = uniform(random) < e * lift_sigmoid(x + world->effect[c][l]);
        tally(&world->factor[c * LEVELS + l], clicked, e,
              lift_sigmoid(x + world->decoy_terms[c][d]));
        tally(&world->decoy[c * DECOYS + d], clicked, e, lift_sigmoid(x + world->terms[c][l]));
        tally(&world->marginal[c * DECOYS + d], clicked, e, lift_sigmoid(x));
    }
    double prior = lift_prior(lift_spread(world->factor, CLASSES, LEVELS, 1), 1);
    double decoy_prior = lift_prior(lift_spread(world->decoy, CLASSES, DECOYS, 1), 1);
    for (uint32_t c = 0; c < CLASSES; c++) {
        for (uint32_t l = 0; l < LEVELS; l++)
            world->terms[c][l] = lift_term(&world->factor[c * LEVELS + l], prior, 1, LIFT_CAP);
        for (uint32_t d = 0; d < DECOYS; d++)
            world->decoy_terms[c][d] =
                lift_term(&world->decoy[c * DECOYS + d], decoy_prior, 1, LIFT_CAP);
    }
}

static void run(struct world *world, uint64_t seed, double spread, uint32_t impressions,
                double base)
{
    struct random random = {seed};

    *world = (struct world){0};
    for (uint32_t c = 0; c < CLASSES; c++)
        for (uint32_t l = 0; l < LEVELS; l++)
            world->effect[c][l] = spread * normal(&random);
    for (uint32_t i = 0; i < ROUNDS; i++)
        live(world, &random, impressions / ROUNDS, base);
}

/* Of learnt on true effects. */
static double slope(const struct world *world, double (*term)(const struct lift_sums *))
{
    double xy = 0, xx = 0;

    for (uint32_t c = 0; c < CLASSES; c++)
        for (uint32_t l = 0; l < LEVELS; l++) {
            xy += term(&world->factor[c * LEVELS + l]) * world->effect[c][l];
            xx += world->effect[c][l] * world->effect[c][l];
        }
    return xy / xx;
}

static double odds(const struct lift_sums *sums)
{
    return lift_term(sums, 4, 1, LIFT_CAP);
}

static double rates(const struct lift_sums *sums)
{
    return log(lift_ratio(sums, 4, 1));
}

static double rms(const double *values, uint32_t many)
{
    double sum = 0;

    for (uint32_t i = 0; i < many; i++)
        sum += values[i] * values[i];
    return sqrt(sum / many);
}

/* At predictions of .25, as at the top of a list. */
static void test_slope(void **state)
{
    static struct world world;

    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        run(&world, seed, .3, 1200000, -1.1);
        assert_true(slope(&world, odds) > .95 && slope(&world, odds) < 1.05);
        assert_true(slope(&world, rates) < .9);
    }
}

static void test_decoy(void **state)
{
    static struct world world;
    double marginal[CLASSES * DECOYS];

    (void)state;
    run(&world, 4, .3, 1200000, -1.1);
    for (uint32_t i = 0; i < CLASSES * DECOYS; i++)
        marginal[i] = lift_term(&world.marginal[i], 4, 1, LIFT_CAP);
    assert_true(rms(world.decoy_terms[0], CLASSES * DECOYS) < .02);
    assert_true(rms(marginal, CLASSES * DECOYS) > .05); /* what it is spared */
}

static void test_no_effect(void **state)
{
    static struct world world;
    double faded[3], fixed[CLASSES * LEVELS];

    (void)state;
    for (uint64_t seed = 5; seed < 8; seed++) {
        run(&world, seed, 0, 300000, -2.5);
        faded[seed - 5] = rms(world.terms[0], CLASSES * LEVELS);
    }
    for (uint32_t i = 0; i < CLASSES * LEVELS; i++)
        fixed[i] = odds(&world.factor[i]);
    assert_true(rms(faded, 3) < .012);
    assert_true(rms(fixed, CLASSES * LEVELS) > .03); /* a fixed prior serves noise */
}

/* Cells that differ by class only, with the spread of clicks that come in clusters: what a class has
 * in common is not for a factor that tells nothing within it. */
static void test_clusters(void **state)
{
    static struct lift_sums cells[CLASSES * DECOYS];
    static double terms[CLASSES * DECOYS], known[CLASSES * DECOYS];

    (void)state;
    for (uint64_t seed = 10; seed < 13; seed++) {
        struct random random = {seed};
        double prior;
        for (uint32_t i = 0; i < CLASSES * DECOYS; i++) {
            double rate = i / DECOYS % 2 ? 1.2 : .8, expected = 3000;
            double clicks = rate * expected + sqrt(1.6 * rate * expected) * normal(&random);
            cells[i] = (struct lift_sums){clicks, expected, .07 * expected};
        }
        prior = lift_prior(lift_spread(cells, CLASSES, DECOYS, 1), 1);
        for (uint32_t i = 0; i < CLASSES * DECOYS; i++) {
            terms[i] = lift_term(&cells[i], prior, 1, LIFT_CAP);
            known[i] = odds(&cells[i]);
        }
        assert_true(rms(terms, CLASSES * DECOYS) < .001);
        assert_true(rms(known, CLASSES * DECOYS) > .2);
    }
}

static void test_edges(void **state)
{
    const struct lift_sums none = {0, 0, 0}, sure = {9, 1, .9}, all = {5, 4, 4}, never = {0, 90, 9};

    (void)state;
    assert_true(lift_term(&none, 4, 1, 1.2) == 0);
    assert_true(lift_term(&none, 4, 0, 1.2) == -1.2);
    assert_true(lift_term(&sure, 4, 1, 1.2) == 1.2);
    assert_true(lift_term(&all, 4, 1, 1.2) == 1.2); /* predictions of 1 */
    assert_true(lift_term(&never, 4, 1, 1.2) == -1.2);
    assert_true(lift_spread(&none, 1, 1, 1) == 0);
    assert_true(lift_prior(0, 1) == 1 / LIFT_TAU2_MIN);
    assert_true(lift_prior(10, 1) == LIFT_PRIOR_MIN);
    assert_true(lift_variance(0, 5) == 1);
    assert_true(lift_variance(5, 5) == .75);
    assert_true(lift_variance(5, 0) == 1);
    assert_true(lift_ratio(&(struct lift_sums){6, 4, 1}, 4, 2) == 14. / 8);
}

static void test_smooth(void **state)
{
    const struct lift_sums cells[6] = {{1, 0, 0}, {2, 0, 0},  {4, 0, 0},
                                       {8, 0, 0}, {16, 2, 1}, {32, 0, 0}};

    (void)state;
    assert_true(lift_smooth(cells, 0, 3).clicks == 1 + .5 * (2 + 4));
    assert_true(lift_smooth(cells, 3, 3).clicks == 8 + .5 * (16 + 32));
    assert_true(lift_smooth(cells, 5, 3).expected == 1);
    assert_true(lift_smooth(cells, 0, 6).clicks == 1 + .5 * (2 + 32));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slope),     cmocka_unit_test(test_decoy),
        cmocka_unit_test(test_no_effect), cmocka_unit_test(test_clusters),
        cmocka_unit_test(test_edges),     cmocka_unit_test(test_smooth),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
