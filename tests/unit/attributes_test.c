/* ranking_attributes: features of attributes against their formulas in the plainest way. */
#include "operators/model/ranking_attributes.h"
#include "runtime/base/hash.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ITEMS 40u
#define EVENTS 300u
#define HISTORY 25u
#define TAGS 9u /* of all items */
#define NUMBERS 2u

struct rig {
    struct ranker ranker;
    struct attributes attributes;
    void *memory;
};

static uint32_t history[HISTORY], events[EVENTS];
static const int64_t times_ms[HISTORY];

static void assert_near(double a, double b)
{
    if (fabs(a - b) > 2e-5 * (1 + fabs(b)))
        fail_msg("%.9g is not %.9g", a, b);
}

static bool has(uint32_t item, uint32_t tag)
{
    return item % 11 != 0 && hash_draw(item, tag) % 3 == 0; /* some items have none */
}

static uint32_t tags_of(uint32_t item)
{
    uint32_t count = 0;

    for (uint32_t tag = 0; tag < TAGS; tag++)
        count += has(item, tag);
    return count;
}

static bool knows(uint32_t item, uint32_t n)
{
    return (item + n) % 7 != 0;
}

static double number_of(uint32_t item, uint32_t n)
{
    return 1900 + (double)(hash_draw(77 + n, item) % 100);
}

static struct attributes_item attributes_of(uint32_t item)
{
    struct attributes_item its = {0};

    for (uint32_t tag = 0; tag < TAGS; tag++)
        if (has(item, tag))
            attributes_add_tag(&its, tag == 0 ? 0 : 1 + tag); /* 0 is kept as 1 */
    for (uint32_t n = 0; n < NUMBERS; n++) {
        its.known |= (uint32_t)knows(item, n) << n;
        its.numbers[n] = (float)number_of(item, n);
    }
    return its;
}

static void begin(struct rig *rig)
{
    static const struct ranker_limits limits = {ITEMS, ITEMS, EMBEDDING_PIECE, 2};
    size_t size = ranker_size(&limits);

    rig->memory = calloc(1, size + attributes_size(ITEMS));
    ranker_init(&rig->ranker, &limits, false, rig->memory);
    attributes_init(&rig->attributes, &rig->ranker, NUMBERS, ITEMS, (uint8_t *)rig->memory + size);
    rig->ranker.items.count = ITEMS;
    for (uint32_t b = 0; b < HISTORY; b++)
        history[b] = (b * 3) % ITEMS;
}

static void request(struct rig *rig, uint32_t now, uint32_t history_count)
{
    struct ranker_request asked = {history,       history, times_ms, history_count,
                                   history_count, 0,       now,      -1};

    ranker_begin(&rig->ranker, &asked);
    for (uint32_t item = 0; item < ITEMS; item++)
        ranker_meet(&rig->ranker, item);
    ranker_rate(&rig->ranker);
}

/* A stream of events, with a history that stays. */
static void live(struct rig *rig)
{
    for (uint32_t e = 0; e < EVENTS; e++) {
        uint32_t item = events[e] = (uint32_t)(hash_draw(5, e) % ITEMS);

        for (uint32_t i = e == 0 ? 0 : ITEMS; i < ITEMS; i++) {
            struct attributes_item its = attributes_of(i);
            attributes_set(&rig->attributes, i, &its);
        }
        request(rig, e, HISTORY);
        attributes_count(&rig->attributes, item);
        ranker_count(&rig->ranker, item, e);
    }
}

/* ---- the same, plainly ---- */

static double weight_of(uint32_t tag)
{
    double sum = 0;

    for (uint32_t b = 0; b < HISTORY; b++)
        if (has(history[b], tag))
            sum += pow(0.95, b) / sqrt(tags_of(history[b]));
    return sum;
}

static double lift_of(uint32_t tag)
{
    double taken = 0, all = 0, share = 0.5;

    for (uint32_t b = 0; b < HISTORY; b++) {
        taken += has(history[b], tag) ? pow(0.9, b) : 0;
        all += pow(0.9, b);
    }
    for (uint32_t e = 0; e < EVENTS; e++)
        share += has(events[e], tag);
    share /= EVENTS + 5;
    return 0.5 * log((taken + 3 * share) / (all + 3) / share);
}

static double mean_of(uint32_t n)
{
    double sum = 0, weights = 0;

    for (uint32_t b = 0; b < HISTORY; b++) {
        sum += knows(history[b], n) ? pow(0.9, b) * number_of(history[b], n) : 0;
        weights += knows(history[b], n) ? pow(0.9, b) : 0;
    }
    return sum / weights;
}

static double spread_of(uint32_t n)
{
    double sum = 0, count = 0;

    for (uint32_t e = 0; e < EVENTS; e++) {
        sum += knows(events[e], n) ? fabs(number_of(events[e], n) - mean_of(n)) : 0;
        count += knows(events[e], n);
    }
    return sum / count;
}

/* Each feature of tags. */
static void tags_plainly(uint32_t item, double *values)
{
    double profile = 0, square = 0, common = 0, lift = 0, least = 99, own = tags_of(item);

    memset(values, 0, 4 * sizeof(*values));
    for (uint32_t tag = 0; tag < TAGS; tag++) {
        square += weight_of(tag) * weight_of(tag);
        if (!has(item, tag))
            continue;
        profile += weight_of(tag);
        common += has(history[0], tag);
        lift += lift_of(tag);
        least = fmin(least, lift_of(tag));
    }
    if (own == 0)
        return;
    values[0] = profile / sqrt(own * square);
    values[1] = tags_of(history[0]) > 0 ? common / sqrt(own * tags_of(history[0])) : 0;
    values[2] = lift / own;
    values[3] = least;
}

static float value(struct rig *rig, uint32_t feature, uint32_t item)
{
    return ranker_values(&rig->ranker, feature)[ranker_place(&rig->ranker, item)];
}

static void test_tags(void **state)
{
    struct rig *rig = *state;
    double values[4];

    for (uint32_t b = 0; b < HISTORY; b++)
        history[b] = (b * 3 + 1) % ITEMS; /* the newest one has tags */
    assert_true(tags_of(history[0]) > 0);
    request(rig, EVENTS, HISTORY);
    assert_true(rig->ranker.count > 0);
    for (uint32_t i = 0; i < rig->ranker.count; i++) {
        uint32_t item = rig->ranker.candidates[i];

        tags_plainly(item, values);
        for (uint32_t f = 0; f < 4; f++)
            assert_near(value(rig, FEATURE_TAGS + f, item), values[f]);
    }
}

static void test_numbers(void **state)
{
    struct rig *rig = *state;

    for (uint32_t b = 0; b < HISTORY; b++)
        history[b] = (b * 3) % ITEMS; /* as in `live` */
    request(rig, EVENTS, HISTORY);
    for (uint32_t n = 0; n < NUMBERS; n++) {
        for (uint32_t i = 0; i < rig->ranker.count; i++) {
            uint32_t item = rig->ranker.candidates[i];
            double away = fabs(number_of(item, n) - mean_of(n)) / spread_of(n);

            assert_near(value(rig, FEATURE_NUMBER + n, item),
                        -0.4 * log(1 + 8 * (knows(item, n) ? away : 1)));
        }
    }
}

/* Nothing is known of a user without a history. */
static void test_newcomer(void **state)
{
    struct rig *rig = *state;

    request(rig, EVENTS, 0);
    assert_int_equal(rig->ranker.count, ITEMS);
    for (uint32_t item = 0; item < ITEMS; item++)
        for (uint32_t f = FEATURE_TAGS; f < FEATURE_NUMBER + NUMBERS; f++)
            assert_near(value(rig, f, item), 0);
}

/* What is restored gives the same bits, whatever order tags came in. */
static void test_restored(void **state)
{
    struct rig *rig = *state, *other = calloc(1, sizeof(*other));

    begin(other);
    for (uint32_t item = ITEMS; item-- > 0;) {
        ranker_set_events(&other->ranker, item, rig->ranker.items.events[item]);
        attributes_set(&other->attributes, item, &rig->attributes.items[item]);
    }
    memcpy(other->attributes.spreads, rig->attributes.spreads, sizeof(other->attributes.spreads));
    request(rig, EVENTS, HISTORY);
    request(other, EVENTS, HISTORY);
    for (uint32_t f = FEATURE_TAGS; f < FEATURE_NUMBER + NUMBERS; f++)
        for (uint32_t i = 0; i < rig->ranker.count; i++)
            assert_true(value(rig, f, rig->ranker.candidates[i]) ==
                        value(other, f, rig->ranker.candidates[i]));
    free(other->memory);
    free(other);
}

/* Tags of an item change for ever: those that are gone leave, and counts stay right. */
static void test_changes(void **state)
{
    struct rig *rig = *state;
    struct attributes *attributes = &rig->attributes;
    struct attributes_item before = attributes->items[1], its = {0};

    for (uint32_t round = 0; round < 1000; round++) {
        its.tag_count = 0;
        for (uint32_t i = 0; i < ATTRIBUTES_TAGS + 2; i++)
            attributes_add_tag(&its, 100 + round * 20 + i);
        assert_int_equal(its.tag_count, ATTRIBUTES_TAGS);
        attributes_set(attributes, 1, &its);
        assert_true(attributes->tag_count <= (attributes->mask + 1) / 2);
    }
    attributes_set(attributes, 1, &before);
    test_tags(state);
}

static int open_rig(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    begin(rig);
    live(rig);
    *state = rig;
    return 0;
}

static int close_rig(void **state)
{
    struct rig *rig = *state;

    free(rig->memory);
    free(rig);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tags),     cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_newcomer), cmocka_unit_test(test_restored),
        cmocka_unit_test(test_changes),
    };

    return cmocka_run_group_tests(tests, open_rig, close_rig);
}
