/* mf: a half-step against plain elimination, what it minimises, and that alternating steps only ever
 * bring the loss down. */
#include "operators/model/mf.h"

#include "runtime/base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define USERS 30u
#define ITEMS 20u
#define WIDTH 6u
#define RIDGE 0.02
#define CONFIDENCE 9.0

static float users[USERS][WIDTH], items[ITEMS][WIDTH];
static bool met[USERS][ITEMS];

static void fill(struct random *random)
{
    for (uint32_t u = 0; u < USERS; u++)
        for (uint32_t i = 0; i < ITEMS; i++)
            met[u][i] = random_below(random, 10) < (u % 2 == i % 2 ? 6u : 1u);
    memset(users, 0, sizeof(users));
    for (uint32_t i = 0; i < ITEMS; i++)
        mf_start(1, i, WIDTH, items[i]);
}

static double dot(const float *a, const float *b)
{
    double sum = 0;

    for (uint32_t i = 0; i < WIDTH; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* By all pairs of a user, or of an item. */
static double ridge_of(uint32_t which, bool user)
{
    double pairs = 0;

    for (uint32_t k = 0; k < (user ? ITEMS : USERS); k++)
        pairs += (user ? met[which][k] : met[k][which]) ? 1 + CONFIDENCE : 1;
    return RIDGE * pairs;
}

/* Of all pairs, those that did not meet too. */
static double loss(void)
{
    double sum = 0;

    for (uint32_t u = 0; u < USERS; u++)
        for (uint32_t i = 0; i < ITEMS; i++) {
            double error = dot(users[u], items[i]) - met[u][i];
            sum += (met[u][i] ? 1 + CONFIDENCE : 1) * error * error;
        }
    for (uint32_t u = 0; u < USERS; u++)
        sum += ridge_of(u, true) * dot(users[u], users[u]);
    for (uint32_t i = 0; i < ITEMS; i++)
        sum += ridge_of(i, false) * dot(items[i], items[i]);
    return sum;
}

static void solve_user(uint32_t user)
{
    double gram[WIDTH * WIDTH] = {0};
    struct mf_system system;

    for (uint32_t i = 0; i < ITEMS; i++)
        mf_gram(gram, items[i], WIDTH, 1);
    mf_begin(&system, gram, WIDTH, RIDGE, ITEMS);
    for (uint32_t i = 0; i < ITEMS; i++)
        if (met[user][i])
            mf_add(&system, items[i], CONFIDENCE);
    assert_true(mf_solve(&system, users[user]));
}

static void solve_item(uint32_t item)
{
    double gram[WIDTH * WIDTH] = {0};
    struct mf_system system;

    for (uint32_t u = 0; u < USERS; u++)
        mf_gram(gram, users[u], WIDTH, 1);
    mf_begin(&system, gram, WIDTH, RIDGE, USERS);
    for (uint32_t u = 0; u < USERS; u++)
        if (met[u][item])
            mf_add(&system, users[u], CONFIDENCE);
    assert_true(mf_solve(&system, items[item]));
}

/* The gradient of the loss at the vector that was solved is 0, by the whole sum over all items. */
static void test_minimum(void **state)
{
    struct random random = {3};

    (void)state;
    fill(&random);
    for (uint32_t u = 0; u < USERS; u++) {
        solve_user(u);
        for (uint32_t k = 0; k < WIDTH; k++) {
            double slope = ridge_of(u, true) * (double)users[u][k];
            for (uint32_t i = 0; i < ITEMS; i++)
                slope += (met[u][i] ? 1 + CONFIDENCE : 1) * (dot(users[u], items[i]) - met[u][i]) *
                         (double)items[i][k];
            assert_true(fabs(slope) < 1e-5);
        }
    }
}

static void test_descent(void **state)
{
    struct random random = {5};
    double before = INFINITY, began;

    (void)state;
    fill(&random);
    began = loss();
    for (uint32_t round = 0; round < 10; round++) {
        for (uint32_t u = 0; u < USERS; u++)
            solve_user(u);
        assert_true(loss() <= before * (1 + 1e-6));
        before = loss();
        for (uint32_t i = 0; i < ITEMS; i++)
            solve_item(i);
        assert_true(loss() <= before * (1 + 1e-6));
        before = loss();
    }
    assert_true(before < 0.7 * began);
    assert_true(dot(users[0], items[0]) > dot(users[0], items[1])); /* the two groups */
}

/* A sum that vectors join and leave is the sum of those that are there. */
static void test_gram(void **state)
{
    struct random random = {7};
    double kept[WIDTH * WIDTH] = {0}, fresh[WIDTH * WIDTH] = {0};

    (void)state;
    fill(&random);
    for (uint32_t i = 0; i < ITEMS; i++)
        mf_gram(kept, items[i], WIDTH, 1);
    for (uint32_t i = 0; i < ITEMS; i++) {
        mf_gram(kept, items[i], WIDTH, -1);
        mf_start(2, i, WIDTH, items[i]);
        mf_gram(kept, items[i], WIDTH, 1);
    }
    for (uint32_t i = 0; i < ITEMS; i++)
        mf_gram(fresh, items[i], WIDTH, 1);
    for (uint32_t k = 0; k < WIDTH * WIDTH; k++)
        assert_true(fabs(kept[k] - fresh[k]) < 1e-12);
}

static void test_singular(void **state)
{
    double gram[4] = {0};
    float vector[2] = {3, 4}, zero[2] = {0};
    struct mf_system system;

    (void)state;
    mf_begin(&system, gram, 2, 0, 1);
    mf_add(&system, zero, 1);
    assert_false(mf_solve(&system, vector));
    assert_true(vector[0] == 3 && vector[1] == 4);
}

static void test_start(void **state)
{
    double sum = 0, squares = 0;
    float vector[MF_WIDTH_MAX];

    (void)state;
    for (uint64_t id = 0; id < 500; id++) {
        mf_start(9, id, MF_WIDTH_MAX, vector);
        for (uint32_t i = 0; i < MF_WIDTH_MAX; i++) {
            sum += (double)vector[i];
            squares += (double)vector[i] * (double)vector[i];
        }
    }
    assert_true(fabs(sum / (500 * MF_WIDTH_MAX)) < 0.001);
    assert_true(fabs(squares / 500 - 0.01) < 0.0005);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_minimum), cmocka_unit_test(test_descent),
        cmocka_unit_test(test_gram),    cmocka_unit_test(test_singular),
        cmocka_unit_test(test_start),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
