/* outcome: a user's past against a naive count, the lists of open loops, and what comes of them: rates
 * of clicks and orders on all sites. */
#include "operators/generator/policy.h"
#include "operators/generator/reality.h"
#include "runtime/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SLOTS 40

/* ---- the past ---- */

struct seen {
    int64_t item, ts_ms;
    bool clicked;
};

/* The law as it is written: over the last 64, each alone. */
static struct choice_past naive(const struct seen *seen, uint32_t count,
                                const struct seen *dislikes, uint32_t dislike_count, int64_t item,
                                int64_t now_ms)
{
    struct choice_past past = {0};
    int64_t category = item % WORLD_ITEMS_MAX % WORLD_CATEGORIES;

    for (uint32_t i = count > PAST_SHOWN ? count - PAST_SHOWN : 0; i < count; i++) {
        double age_h = (double)(now_ms - seen[i].ts_ms) / 3.6e6;
        if (seen[i].clicked)
            continue;
        if (seen[i].item == item)
            past.item += pow(.5, age_h / 48);
        if (seen[i].item % WORLD_ITEMS_MAX % WORLD_CATEGORIES == category)
            past.category += pow(.5, age_h / 12);
    }
    for (uint32_t i = dislike_count > PAST_DISLIKES ? dislike_count - PAST_DISLIKES : 0;
         i < dislike_count; i++)
        if (dislikes[i].item == category)
            past.dislikes += pow(.5, (double)(now_ms - dislikes[i].ts_ms) / 3.6e6 / 168);
    return past;
}

static void check_past(const struct past *past, const struct seen *seen, uint32_t count,
                       const struct seen *dislikes, uint32_t dislike_count, int64_t now_ms)
{
    static struct past_item items[SLOTS];
    struct past_counts counts = {.items = items};

    past_count(past, now_ms, &counts);
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        struct world_item item = {
            .id = slot, .slot = slot, .category = (int32_t)(slot % WORLD_CATEGORIES)};
        struct choice_past got = past_of(&counts, &item);
        struct choice_past want = naive(seen, count, dislikes, dislike_count, slot, now_ms);
        assert_true(fabs(got.item - want.item) < 1e-9);
        assert_true(fabs(got.category - want.category) < 1e-9);
        assert_true(fabs(got.dislikes - want.dislikes) < 1e-9);
    }
    past_clear(past, &counts);
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        assert_true(items[slot].id == 0 && items[slot].count == 0);
}

static void test_past(void **state)
{
    struct random random = {11};
    static struct seen seen[2000], dislikes[400];

    (void)state;
    for (uint32_t round = 0; round < 20; round++) {
        struct past past = {0};
        uint32_t count = 0, dislike_count = 0;
        int64_t now_ms = WORLD_DAY0_MS;
        while (count < 400) {
            now_ms += (int64_t)random_below(&random, 20 * WORLD_HOUR_MS);
            check_past(&past, seen, count, dislikes, dislike_count, now_ms);
            for (uint32_t k = 0; k < 10; k++) {
                struct seen next = {(int64_t)random_below(&random, SLOTS), now_ms,
                                    random_below(&random, 5) == 0};
                past_show(&past, next.item, now_ms, next.clicked);
                seen[count++] = next;
                if (random_below(&random, 10) != 0)
                    continue;
                next.item %= WORLD_CATEGORIES;
                past_dislike(&past, (int32_t)next.item, now_ms);
                dislikes[dislike_count++] = next;
            }
        }
    }
}

/* An item that follows another in its slot begins anew. */
static void test_generations(void **state)
{
    static struct past_item items[SLOTS];
    struct past_counts counts = {.items = items};
    struct world_item item = {.id = WORLD_ITEMS_MAX + 3, .slot = 3, .category = 3};
    struct past past = {0};

    (void)state;
    past_show(&past, 3, WORLD_DAY0_MS, false);
    past_show(&past, WORLD_ITEMS_MAX + 3, WORLD_DAY0_MS, false);
    past_count(&past, WORLD_DAY0_MS, &counts);
    assert_float_equal(past_of(&counts, &item).item, 1, 0);
    assert_float_equal(past_of(&counts, &item).category, 2, 0);
    item.id += WORLD_ITEMS_MAX;
    assert_float_equal(past_of(&counts, &item).item, 0, 0);
    past_clear(&past, &counts);
}

static void fetch(struct past *past, int64_t first, int64_t count, int64_t ts_ms)
{
    for (int64_t item = first; item < first + count; item++)
        past_fetch(past, item, ts_ms);
}

static void test_cache(void **state)
{
    struct past past = {0};

    (void)state;
    assert_false(past_cached(&past, 0, WORLD_DAY0_MS));
    fetch(&past, 0, 3, WORLD_DAY0_MS);
    assert_true(past_cached(&past, 0, WORLD_DAY0_MS + PAST_CACHE_MS));
    assert_false(past_cached(&past, 0, WORLD_DAY0_MS + PAST_CACHE_MS + 1));
    assert_false(past_cached(&past, 3, WORLD_DAY0_MS));
    fetch(&past, 3, 3, WORLD_DAY0_MS + 1);
    assert_true(past_cached(&past, 0, WORLD_DAY0_MS));
    fetch(&past, 0, 1, WORLD_DAY0_MS + 2); /* again: now 1 is the oldest */
    fetch(&past, 9, 1, WORLD_DAY0_MS + 2);
    assert_true(past_cached(&past, 0, WORLD_DAY0_MS + 2 + PAST_CACHE_MS));
    assert_false(past_cached(&past, 1, WORLD_DAY0_MS + 2));
    assert_true(past_cached(&past, 2, WORLD_DAY0_MS + 2));
    assert_true(past_cached(&past, 9, WORLD_DAY0_MS + 2));
}

/* ---- lists ---- */

static void open_world(struct reality *reality, const char *text)
{
    struct error err;

    assert_true(reality_set(reality, text, (uint32_t)strlen(text), &err));
}

/* Each place is as likely at each position; none comes twice. */
static void test_uniform(void **state)
{
    struct world world = {.seed = 3};
    struct choice_request request = {.world = &world};
    uint32_t counts[10][12] = {0}, requests = 12000;

    (void)state;
    for (uint32_t i = 0; i < requests; i++) {
        uint32_t places[10], seen = 0;
        request.user = i % 100;
        request.key = i / 100;
        policy_uniform(&request, 12, 10, places);
        for (uint32_t k = 0; k < 10; k++) {
            assert_false(seen >> places[k] & 1);
            seen |= 1u << places[k];
            counts[k][places[k]]++;
        }
    }
    for (uint32_t k = 0; k < 10; k++)
        for (uint32_t place = 0; place < 12; place++)
            assert_true(abs((int)counts[k][place] - (int)requests / 12) < 5 * 31);
}

static void test_best(void **state)
{
    static const double values[] = {1, 5, 3, 5, -2, 4};
    uint32_t places[6];

    (void)state;
    policy_best(values, 6, 3, places);
    assert_int_equal(places[0], 1);
    assert_int_equal(places[1], 3);
    assert_int_equal(places[2], 5);
    policy_best(values, 6, 6, places);
    assert_int_equal(places[5], 4);
    policy_best(values, 6, 0, places);
}

/* ---- rates ---- */

struct rates {
    double impressions, clicks, orders, expected;
};

static void serve(struct reality *reality, struct scene *scene, struct past *past, bool popular,
                  struct rates *rates)
{
    const struct world *world = reality_world(reality);
    uint32_t slots[WORLD_CANDIDATES_MAX], places[10], count = (uint32_t)world->options.candidates;
    int64_t ids[WORLD_CANDIDATES_MAX], ts_ms = scene->context.ts_ms;
    double values[WORLD_CANDIDATES_MAX];
    bool clicked[10];

    world_candidates(world, &scene->context, slots);
    for (uint32_t i = 0; i < count; i++) {
        ids[i] = world_generation(world, slots[i], ts_ms) * WORLD_ITEMS_MAX + slots[i];
        values[i] = choice_standing(&scene->request, reality_item(reality, ids[i], ts_ms));
    }
    if (popular)
        policy_best(values, count, 10, places);
    else
        policy_uniform(&scene->request, count, 10, places);
    past_count(past, ts_ms, reality_counts(reality));
    for (uint32_t k = 0; k < 10; k++) {
        const struct world_item *item = reality_item(reality, ids[places[k]], ts_ms);
        struct choice_past counts = past_of(reality_counts(reality), item);
        struct choice_item chosen = choice_item_make(&scene->request, item, &counts);
        struct choice_play play = choice_play_cached(&scene->request, item->weight, 1);
        double p = choice_examination(k + 1) * choice_sigmoid(chosen.x);
        clicked[k] = choice_luck(&scene->request, TAG_CLICK, item) < p;
        rates->impressions++;
        rates->clicks += clicked[k];
        rates->expected += p;
        rates->orders += p * choice_conversion(&scene->request, &chosen, &play);
    }
    past_clear(past, reality_counts(reality));
    for (uint32_t k = 0; k < 10; k++)
        past_show(past, ids[places[k]], ts_ms, clicked[k]);
}

static struct rates simulate(const char *text, bool popular)
{
    struct reality *reality = reality_create();
    struct rates rates = {0};
    const struct world *world;

    open_world(reality, text);
    world = reality_world(reality);
    for (uint32_t u = 0; u < world->options.users; u++) {
        struct world_user user;
        struct past past = {0};
        world_user_make(world, u, &user);
        for (int64_t hour = 0; hour < 24 * world->options.days; hour++)
            for (uint32_t k = 0; k < world_request_count(world, &user, hour); k++) {
                int64_t rec = world_rec_id((enum world_site)world->options.site, u, hour, k);
                struct scene scene;
                assert_true(reality_scene(reality, rec, &scene));
                serve(reality, &scene, &past, popular, &rates);
            }
    }
    reality_close(reality);
    return rates;
}

/* On every site and for several seeds: CTR 2 to 8 %, orders 1 to 3 % of the clicks of a shop. */
static void test_rates(void **state)
{
    static const char *const sites[] = {"shop", "video", "news"};

    (void)state;
    for (uint32_t i = 0; i < 18; i++) {
        char text[100];
        struct rates rates;
        double ctr, noise;
        snprintf(text, sizeof(text), "site=%s seed=%u users=150 days=20", sites[i % 3], 1 + i / 6);
        rates = simulate(text, i / 3 % 2);
        ctr = rates.clicks / rates.impressions;
        noise = sqrt(rates.expected) / rates.impressions;
        assert_true(fabs(ctr - rates.expected / rates.impressions) < 4 * noise);
        assert_true(ctr > .02 && ctr < .08);
        if (i % 3 == 0)
            assert_true(rates.orders > .01 * rates.expected && rates.orders < .03 * rates.expected);
    }
}

/* ---- other worlds ---- */

static void test_scene(void **state)
{
    struct reality *reality = reality_create();
    struct scene scene;
    struct error err;

    (void)state;
    open_world(reality, "site=video users=50 days=3 first-day=10");
    assert_true(reality_scene(reality, world_rec_id(SITE_VIDEO, 49, 240, 5), &scene));
    assert_int_equal(scene.context.user, 49);
    assert_true(reality_link(reality, &scene) == &scene.context.link);
    assert_false(reality_scene(reality, world_rec_id(SITE_VIDEO, 50, 240, 5), &scene));
    assert_false(reality_scene(reality, world_rec_id(SITE_VIDEO, 49, 239, 0), &scene));
    assert_false(reality_scene(reality, world_rec_id(SITE_VIDEO, 49, 312, 0), &scene));
    assert_false(reality_scene(reality, world_rec_id(SITE_NEWS, 49, 240, 0), &scene));
    assert_false(reality_scene(reality, world_rec_id(SITE_VIDEO, 49, 240, 7), &scene));
    assert_false(reality_scene(reality, -1, &scene));
    assert_null(reality_item(reality, 400, WORLD_DAY0_MS));
    assert_null(reality_item(reality, -1, WORLD_DAY0_MS));
    assert_null(reality_item(reality, 900 * WORLD_ITEMS_MAX, WORLD_DAY0_MS));
    assert_false(reality_set(reality, "site=moon", 9, &err));
    assert_true(reality_world(reality)->options.users == 50); /* as it was */
    open_world(reality, "site=video users=20");
    assert_true(reality_world(reality)->options.users == 20);
    reality_close(reality);
    reality_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_past),  cmocka_unit_test(test_generations),
        cmocka_unit_test(test_cache), cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_best),  cmocka_unit_test(test_rates),
        cmocka_unit_test(test_scene),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
