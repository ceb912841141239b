/* clicks: the gradient against finite differences, and on simulated clicks whose truth is known: logits
 * go with the truth, predictions are calibrated though lists are chosen by them, new items start at
 * their category, and drift is followed. */
#include "operators/model/clicks.h"

#include "runtime/base/hash.h"
#include "runtime/base/random.h"
#include "tests/unit/near.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USERS 150u
#define CATEGORIES 6u
#define ITEMS 90u
#define LEVEL -2.0
#define LENGTH 10u
#define MINUTE INT64_C(60000) /* ms */
#define DAY (1440 * MINUTE)

static const struct clicks_priors priors = {
    .level = {.bias = 1, .drift_ms = 365 * DAY},
    .category = {.bias = .25, .taste = .06, .drift_ms = 365 * DAY},
    .item = {.bias = .2, .taste = .09, .drift_ms = 365 * DAY},
    .user = {.bias = .09, .taste = .5, .drift_ms = 180 * DAY},
};

/* ---- a world ---- */

static double uniform(struct random *random)
{
    return hash_positive(random_next(random));
}

static double normal(struct random *random)
{
    return sqrt(-2 * log(uniform(random))) * cos(6.283185307179586 * uniform(random));
}

struct thing {
    double vector[CLICKS_WIDTH], bias;
};

struct world {
    struct random random;
    struct thing users[USERS], categories[CATEGORIES], items[ITEMS];
    struct clicks_number level;
    struct clicks_part learnt_users[USERS], learnt_categories[CATEGORIES], learnt_items[ITEMS];
    int64_t now_ms;
    double spread;                 /* of tastes, in log-odds */
    double predicted[2], truth[2]; /* of the lists since they were set to 0: greedy, uniform */
};

/* At a place a share of the way from `from`, of length 1. */
static void draw_vector(struct random *random, const double *from, double share, double noise,
                        double *vector)
{
    double length = 0;

    for (uint32_t i = 0; i < CLICKS_WIDTH; i++) {
        vector[i] = (from ? share * from[i] : 0) + noise * normal(random);
        length += vector[i] * vector[i];
    }
    for (uint32_t i = 0; i < CLICKS_WIDTH; i++)
        vector[i] /= sqrt(length);
}

static void draw_item(struct world *world, uint32_t item)
{
    struct thing *thing = &world->items[item];

    draw_vector(&world->random, world->categories[item % CATEGORIES].vector, .75, .3,
                thing->vector);
    thing->bias = .45 * normal(&world->random);
    clicks_part_init(&world->learnt_items[item], &priors.item, world->now_ms);
}

static struct world *make_world(uint64_t seed)
{
    struct world *world = calloc(1, sizeof(*world));

    world->random.state = seed;
    world->spread = .7 * sqrt(CLICKS_WIDTH);
    clicks_number_init(&world->level, &priors.level, 0);
    world->level.mean = -3;
    for (uint32_t i = 0; i < CATEGORIES; i++) {
        draw_vector(&world->random, NULL, 0, 1, world->categories[i].vector);
        world->categories[i].bias = .3 * normal(&world->random);
        clicks_category_init(&world->learnt_categories[i], &priors.category, i + 1, 0);
    }
    for (uint32_t i = 0; i < ITEMS; i++)
        draw_item(world, i);
    for (uint32_t i = 0; i < USERS; i++) {
        draw_vector(&world->random, NULL, 0, 1, world->users[i].vector);
        clicks_part_init(&world->learnt_users[i], &priors.user, 0);
    }
    return world;
}

static double true_logit(const struct world *world, uint32_t user, uint32_t item)
{
    const struct thing *thing = &world->items[item];
    double taste = 0;

    for (uint32_t i = 0; i < CLICKS_WIDTH; i++)
        taste += world->users[user].vector[i] * thing->vector[i];
    return LEVEL + world->spread * taste + thing->bias + world->categories[item % CATEGORIES].bias;
}

static struct clicks_row row_of(struct world *world, uint32_t user, uint32_t item)
{
    return (struct clicks_row){.level = &world->level,
                               .category = &world->learnt_categories[item % CATEGORIES],
                               .item = &world->learnt_items[item],
                               .user = &world->learnt_users[user]};
}

static double learnt_logit(struct world *world, uint32_t user, uint32_t item)
{
    struct clicks_row row = row_of(world, user, item);

    return clicks_logit(&row);
}

static double sigmoid(double logit)
{
    return 1 / (1 + exp(-logit));
}

/* Items of one list: uniform, or the best of CANDIDATES by what is learnt. */
static void draw_list(struct world *world, uint32_t user, bool greedy, uint32_t *list)
{
    enum { CANDIDATES = 40 };
    uint32_t drawn[ITEMS], count = greedy ? CANDIDATES : LENGTH;

    for (uint32_t i = 0; i < ITEMS; i++)
        drawn[i] = i;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i + (uint32_t)random_below(&world->random, ITEMS - i), item = drawn[at];
        drawn[at] = drawn[i];
        drawn[i] = item;
    }
    for (uint32_t k = 0; k < LENGTH; k++) {
        for (uint32_t i = k + 1; i < count; i++) {
            uint32_t item = drawn[i];
            if (!greedy || learnt_logit(world, user, item) <= learnt_logit(world, user, drawn[k]))
                continue;
            drawn[i] = drawn[k];
            drawn[k] = item;
        }
        list[k] = drawn[k];
    }
}

/* Serves and learns; a list is judged and clicked before any of it is learnt. */
static void live(struct world *world, uint32_t impressions, double greedy_share)
{
    for (uint32_t i = 0; i < impressions; i += LENGTH) {
        uint32_t user = (uint32_t)random_below(&world->random, USERS), list[LENGTH];
        bool greedy = uniform(&world->random) < greedy_share, clicked[LENGTH];
        draw_list(world, user, greedy, list);
        world->now_ms += MINUTE;
        for (uint32_t k = 0; k < LENGTH; k++) {
            double e = 1 / sqrt(k + 1.), p = e * sigmoid(true_logit(world, user, list[k]));
            world->truth[!greedy] += p;
            world->predicted[!greedy] += e * sigmoid(learnt_logit(world, user, list[k]));
            clicked[k] = uniform(&world->random) < p;
        }
        for (uint32_t k = 0; k < LENGTH; k++) {
            struct clicks_row row = row_of(world, user, list[k]);
            clicks_learn(&row, &priors, 0, 1 / sqrt(k + 1.), clicked[k], world->now_ms);
        }
    }
}

static double correlation(struct world *world)
{
    double n = 0, x = 0, y = 0, xx = 0, yy = 0, xy = 0;

    for (uint32_t user = 0; user < USERS; user++)
        for (uint32_t item = 0; item < ITEMS; item++) {
            double a = learnt_logit(world, user, item), b = true_logit(world, user, item);
            n++;
            x += a;
            y += b;
            xx += a * a;
            yy += b * b;
            xy += a * b;
        }
    return (xy - x * y / n) / sqrt((xx - x * x / n) * (yy - y * y / n));
}

static void forget_sums(struct world *world)
{
    memset(world->predicted, 0, sizeof(world->predicted));
    memset(world->truth, 0, sizeof(world->truth));
}

static double calibration(const struct world *world)
{
    return (world->predicted[0] + world->predicted[1]) / (world->truth[0] + world->truth[1]);
}

/* ---- tests ---- */

static double log_likelihood(double logit, double examination, bool clicked)
{
    double p = examination * sigmoid(logit);

    return clicked ? log(p) : log1p(-p);
}

static void test_gradient(void **state)
{
    static const double logits[] = {-6, -2, -.5, 0, 1.5, 4}, examinations[] = {.2, .5, .9};
    const double step = 1e-5;

    (void)state;
    for (uint32_t i = 0; i < 6; i++)
        for (uint32_t k = 0; k < 3; k++) {
            double x = logits[i], e = examinations[k], p = e * sigmoid(x), mean = 0;
            for (int clicked = 0; clicked < 2; clicked++) {
                double g = clicks_gradient(x, e, clicked);
                double finite =
                    (log_likelihood(x + step, e, clicked) - log_likelihood(x - step, e, clicked)) /
                    (2 * step);
                assert_near(g, finite, 1e-8);
                mean += (clicked ? p : 1 - p) * g * g;
            }
            assert_near(clicks_information(x, e), mean, 1e-12);
        }
}

/* With small variances a step is variance x slope x gradient for each number: so it tells the slopes,
 * and they are those of the logit. */
static void test_slopes(void **state)
{
    const double v = 1e-4;
    const struct clicks_prior prior = {v, v, 0};
    const struct clicks_priors small = {prior, prior, prior, prior, prior};
    struct clicks_number numbers[3], sensitivity;
    struct clicks_part parts[3], learnt[3];
    struct clicks_row row = {&numbers[0], &numbers[1], &numbers[2],  &parts[0],
                             &parts[1],   &parts[2],   &sensitivity, .4};
    double g;

    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        clicks_number_init(&numbers[i], &prior, 0);
        clicks_category_init(&parts[i], &prior, i + 7, 0);
    }
    clicks_number_init(&sensitivity, &prior, 0);
    numbers[0].mean = -1;
    g = clicks_gradient(clicks_logit(&row) + .3, .7, true);
    memcpy(learnt, parts, sizeof(parts));
    row.category = &learnt[0];
    row.item = &learnt[1];
    row.user = &learnt[2];
    clicks_learn(&row, &small, .3, .7, true, 0);
    assert_near(sensitivity.mean, .4 * v * g, .002 * v);
    for (uint32_t i = 0; i < 3; i++) {
        assert_near(numbers[i].mean - (i == 0 ? -1 : 0), v * g, .002 * v);
        assert_near((double)learnt[i].mean[0], v * g, .002 * v);
    }
    row =
        (struct clicks_row){&numbers[0], &numbers[1], &numbers[2], &parts[0], &parts[1], &parts[2]};
    for (uint32_t i = 0; i < 3; i++)
        for (uint32_t k = 0; k < CLICKS_WIDTH; k++) {
            const float old = parts[i].mean[1 + k], reach = .01f;
            double up, down;
            parts[i].mean[1 + k] = old + reach;
            up = clicks_logit(&row);
            parts[i].mean[1 + k] = old - reach;
            down = clicks_logit(&row);
            parts[i].mean[1 + k] = old;
            assert_near((double)learnt[i].mean[1 + k] - (double)old,
                        v * g * (up - down) / (2 * (double)reach), .005 * v);
        }
}

static void test_uniform(void **state)
{
    struct world *world = make_world(3);

    (void)state;
    live(world, 100000, 0);
    forget_sums(world);
    live(world, 100000, 0);
    assert_true(correlation(world) > .8);
    assert_near(calibration(world), 1, .02);
    free(world);
}

/* Lists that are chosen by what is learnt are chosen for its errors, too; the uniform share is not. */
static void test_greedy(void **state)
{
    struct world *world = make_world(2);

    (void)state;
    live(world, 100000, .9);
    forget_sums(world);
    live(world, 100000, .9);
    assert_true(correlation(world) > .7);
    assert_near(calibration(world), 1, .02);
    assert_near(world->predicted[1] / world->truth[1], 1, .05);
    free(world);
}

/* Mean over users of an item's logit, learnt or true. */
static double level_of(struct world *world, uint32_t item, bool truth)
{
    double sum = 0;

    for (uint32_t user = 0; user < USERS; user++)
        sum += truth ? true_logit(world, user, item) : learnt_logit(world, user, item);
    return sum / USERS;
}

static void test_new_item(void **state)
{
    struct world *world = make_world(4);
    double category = 0;

    (void)state;
    live(world, 200000, .5);
    for (uint32_t item = 0; item < ITEMS; item += CATEGORIES)
        category += level_of(world, item, true) * CATEGORIES / ITEMS;
    draw_item(world, 0);
    assert_near(level_of(world, 0, false), category, .25);
    world->items[0].bias += 1.5;
    live(world, 100000, .5);
    assert_near(level_of(world, 0, false), level_of(world, 0, true), .35);
    free(world);
}

static void test_drift(void **state)
{
    struct world *world = make_world(5);
    double before, after;

    (void)state;
    live(world, 200000, 0);
    before = correlation(world);
    for (uint32_t item = 0; item < ITEMS; item++)
        world->items[item].bias += item % 2 ? .8 : -.8;
    after = correlation(world);
    assert_true(after < before - .1);
    live(world, 200000, 0);
    assert_true(correlation(world) > before - .03);
    free(world);
}

/* What is unknown takes no part; a number that was not seen for long is as uncertain as a new one. */
static void test_parts(void **state)
{
    struct clicks_number level;
    struct clicks_part item;
    struct clicks_row row = {.level = &level, .item = &item};

    (void)state;
    clicks_number_init(&level, &priors.level, 0);
    clicks_part_init(&item, &priors.item, 0);
    for (uint32_t i = 0; i < 1000; i++)
        clicks_learn(&row, &priors, 0, 1, i % 4 == 0, i);
    assert_near(clicks_logit(&row), log(1. / 3), .1);
    assert_true((double)item.covariance[0] < .15);
    clicks_learn(&row, &priors, 0, 1, false, 3650 * DAY);
    assert_true((double)item.covariance[0] > .15);
    assert_true((double)item.covariance[0] <= .2);
    assert_int_equal(clicks_age(-1), 0);
    assert_int_equal(clicks_age(NAN), 0);
    assert_int_equal(clicks_age(.126), 1);
    assert_int_equal(clicks_age(.9999), CLICKS_AGES - 1);
    assert_int_equal(clicks_age(1e300), CLICKS_AGES - 1);
}

/* What is served moves this user half as much again as it says. */
static void test_sensitivity(void **state)
{
    struct random random = {.state = 7};
    struct clicks_number level, sensitivity;
    struct clicks_row row = {.level = &level, .sensitivity = &sensitivity};
    struct clicks_priors both = priors;

    (void)state;
    both.sensitivity = (struct clicks_prior){.bias = .16};
    clicks_number_init(&level, &priors.level, 0);
    clicks_number_init(&sensitivity, &both.sensitivity, 0);
    for (uint32_t i = 0; i < 20000; i++) {
        row.moved = i % 2 ? .8 : -.8;
        clicks_learn(&row, &both, row.moved, 1, uniform(&random) < sigmoid(LEVEL + 1.5 * row.moved),
                     i);
    }
    assert_near(sensitivity.mean, .5, .1);
    assert_near(clicks_logit(&row), LEVEL + .4, .1);
}

/* Users like categories more or less at each quarter of the day, by `spread`. Returns the mean weight of
 * later days, and the slope of the truth on what is learnt. */
static double learn_habits(double spread, double *slope)
{
    enum { PEOPLE = 40, KINDS = 4 };
    static struct clicks_habits habits[PEOPLE][KINDS];
    double truth[PEOPLE][KINDS][CLICKS_QUARTERS], xx = 0, xy = 0;
    struct random random = {.state = 11};
    struct clicks_number level, weight;
    struct clicks_priors all = priors;

    memset(habits, 0, sizeof(habits));
    all.habit = (struct clicks_prior){.bias = .04};
    all.weight = (struct clicks_prior){.bias = .25};
    clicks_number_init(&level, &priors.level, 0);
    clicks_number_init(&weight, &all.weight, 0);
    weight.mean = 1;
    for (uint32_t i = 0; i < PEOPLE * KINDS * CLICKS_QUARTERS; i++)
        (&truth[0][0][0])[i] = spread * normal(&random);
    for (uint32_t i = 0; i < 400000; i++) {
        uint32_t user = (uint32_t)random_below(&random, PEOPLE);
        uint32_t kind = (uint32_t)random_below(&random, KINDS);
        struct clicks_row row = {.level = &level, .weight = &weight};
        row.quarter = (uint32_t)random_below(&random, CLICKS_QUARTERS);
        row.habits = clicks_habits_find(habits[user], KINDS, &all.habit, kind + 1, i);
        clicks_learn(&row, &all, 0, 1,
                     uniform(&random) < sigmoid(LEVEL + truth[user][kind][row.quarter]), i);
    }
    for (uint32_t i = 0; i < PEOPLE * KINDS; i++)
        for (uint32_t k = 0; k < CLICKS_QUARTERS; k++) {
            const struct clicks_habits *learnt = &habits[0][0] + i;
            uint32_t user = i / KINDS, kind = (uint32_t)learnt->category - 1;
            xx += (double)learnt->mean[k] * (double)learnt->mean[k];
            xy += (double)learnt->mean[k] * truth[user][kind][k];
        }
    *slope = xy / xx;
    return weight.mean;
}

/* Where there are habits they are found, and count; where there are none, what is learnt is noise and
 * counts for nothing. */
static void test_habits(void **state)
{
    double slope;

    (void)state;
    assert_near(learn_habits(.3, &slope), 1.1, .2);
    assert_near(slope, 1.2, .15);
    assert_near(learn_habits(0, &slope), 0, .2);
}

static void test_habits_find(void **state)
{
    const struct clicks_prior prior = {.bias = .04, .drift_ms = 100};
    struct clicks_habits habits[2] = {{0}}, *found;
    struct clicks_number level;
    struct clicks_row row = {.level = &level};
    struct clicks_priors all = priors;
    uint32_t quarter = 9;

    (void)state;
    clicks_number_init(&level, &priors.level, 0);
    found = clicks_habits_find(habits, 2, &prior, 5, 0);
    assert_ptr_equal(found, clicks_habits_find(habits, 2, &prior, 5, 9));
    row.habits = found;
    all.habit = prior;
    clicks_learn(&row, &all, 0, 1, true, 0);
    assert_true(found->mean[0] > 0 && found->mean[1] == 0);
    assert_true(found->variance[0] < found->variance[1]);
    assert_ptr_not_equal(found, clicks_habits_find(habits, 2, &prior, 6, 0));
    /* Of 6 least is known, so that 7 takes its place. */
    clicks_habits_find(habits, 2, &prior, 7, 0);
    assert_ptr_equal(found, clicks_habits_find(habits, 2, &prior, 5, 0));
    assert_int_equal(habits[0].category + habits[1].category, 12);
    assert_true(clicks_quarter(0, &quarter) && quarter == 0);
    assert_true(clicks_quarter(23.9, &quarter) && quarter == 3);
    assert_true(clicks_quarter(6, &quarter) && quarter == 1);
    assert_false(clicks_quarter(24, &quarter) || clicks_quarter(-1, &quarter));
    assert_false(clicks_quarter(NAN, &quarter));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient), cmocka_unit_test(test_slopes),
        cmocka_unit_test(test_uniform),  cmocka_unit_test(test_greedy),
        cmocka_unit_test(test_new_item), cmocka_unit_test(test_drift),
        cmocka_unit_test(test_parts),    cmocka_unit_test(test_sensitivity),
        cmocka_unit_test(test_habits),   cmocka_unit_test(test_habits_find),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
