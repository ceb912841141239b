/* ranking_trails: walks along the links of a ring against the same over the whole list of events. */
#include "operators/learn/ranking_trails.h"
#include "tests/unit/near.h"

#include <stdlib.h>
#include <string.h>

#define ITEMS 30u
#define USERS 9u
#define EVENTS 500u
#define RING 90u
#define HISTORY 14u

static const struct ranker_limits limits = {ITEMS, ITEMS, EMBEDDING_PIECE, 2};
static struct ranker ranker;
static struct trail ring[RING];
static struct trails trails = {ring, RING, 0};
static uint32_t items[EVENTS], users[EVENTS], lasts[USERS], history[HISTORY];
static void *memory;

static void begin_request(void)
{
    struct ranker_request asked = {.history = history, .history_count = HISTORY, .now = trails.now};

    for (uint32_t b = 0; b < HISTORY; b++)
        history[b] = (b * 7 + 3) % ITEMS;
    ranker_begin(&ranker, &asked);
    for (uint32_t i = 0; i < ITEMS; i++)
        ranker_meet(&ranker, i);
}

static int begin(void **state)
{
    (void)state;
    memory = calloc(1, ranker_size(&limits));
    ranker_init(&ranker, &limits, false, memory);
    ranker.items.count = ITEMS;
    for (uint32_t e = 0; e < EVENTS; e++) {
        items[e] = (uint32_t)(hash_draw(1, e) % (ITEMS - 1)); /* the last one is never met */
        users[e] = (uint32_t)(hash_draw(2, e) % USERS);
        lasts[users[e]] = trails_keep(&trails, &ranker, 1000 + users[e], lasts[users[e]], items[e]);
        assert_int_equal(lasts[users[e]], e + 1);
        ranker_count(&ranker, items[e], e);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(memory);
    return 0;
}

/* ---- the same, plainly ---- */

/* The `step`-th event of the user of `e` after it, or before it; below 0: none in the ring. */
static int along(int e, int step, int direction)
{
    int at = e;

    while (step > 0) {
        at += direction;
        if (at < (int)(EVENTS - RING) || at >= (int)EVENTS)
            return -1;
        step -= users[at] == users[e];
    }
    return at;
}

static void add(double *sums, int e, double weight)
{
    if (e >= 0)
        sums[items[e]] += weight;
}

static void walk_plainly(uint32_t user, uint32_t most, double *follow, double *peers)
{
    double common[USERS] = {0};
    int newest[USERS];

    for (uint32_t b = 0; b < 11; b++) {
        double rarity = log(1 + (EVENTS + 1) / (double)ranker.items.events[history[b]]);
        uint32_t met = 0;
        for (int e = EVENTS - 1; e >= (int)(EVENTS - RING) && met < most; e--) {
            if (items[e] != history[b])
                continue;
            met++;
            if (users[e] == user)
                continue;
            for (int step = 1; step <= 10; step++)
                add(follow, along(e, step, 1),
                    pow(0.7, b) * exp2(-(EVENTS - e) / 1000.0) * pow(0.7, step - 1));
            if (common[users[e]] == 0)
                newest[users[e]] = e;
            common[users[e]] += pow(0.75, b) * rarity;
        }
    }
    for (uint32_t w = 0; w < USERS; w++)
        for (int step = 1; step <= 20 && common[w] > 0; step++)
            add(peers, along(newest[w], step, -1),
                common[w] * common[w] * exp2(-((int)EVENTS - newest[w]) / 2000.0) *
                    pow(0.8, step - 1));
}

static void test_walk(void **state)
{
    static struct trails_walk walk;
    static const uint32_t most[] = {1, 3, TRAILS_MAX};

    (void)state;
    for (uint32_t user = 0; user <= USERS; user++) /* the last one is nobody yet */
        for (uint32_t m = 0; m < 3; m++) {
            double follow[ITEMS] = {0}, peers[ITEMS] = {0}, sum = 0;

            begin_request();
            trails_add(&trails, &ranker, &walk, 1000 + user, most[m]);
            walk_plainly(user, most[m], follow, peers);
            for (uint32_t i = 0; i < ITEMS; i++) {
                uint32_t place = (uint32_t)ranker_place(&ranker, i);
                assert_alike(ranker.sums[SUM_FOLLOW][place], follow[i]);
                assert_alike(ranker.sums[SUM_PEERS][place], peers[i]);
                sum += follow[i] + peers[i];
            }
            assert_true(sum > 1);
        }
}

/* A user without a past finds none, and so does an item that was never met. */
static void test_nothing(void **state)
{
    static struct trails_walk walk;
    static const uint32_t unmet[] = {ITEMS - 1};
    struct ranker_request asked = {.history = unmet, .history_count = 0, .now = trails.now};

    (void)state;
    for (uint32_t count = 0; count < 2; count++) {
        asked.history_count = count;
        ranker_begin(&ranker, &asked);
        trails_add(&trails, &ranker, &walk, 1, TRAILS_MAX);
        assert_int_equal(ranker.count, 0);
    }
    assert_null(trails_at(&trails, 0));
    assert_null(trails_at(&trails, EVENTS - RING)); /* just gone */
    assert_non_null(trails_at(&trails, EVENTS - RING + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_walk), cmocka_unit_test(test_nothing)};

    return cmocka_run_group_tests_name("trails", tests, begin, end);
}
