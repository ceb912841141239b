/* world_choice: the laws of choice against their published sizes, and the switches of the effects. */
#include "operators/model/world_choice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEEDS 40

#define assert_near(a, b) assert_true(fabs((a) - (b)) < 1e-12) /* cmocka's compares floats */

struct rig {
    struct world *world;
    struct choice *choice;
    struct world_user user;
    struct choice_user habits;
};

static struct world_options options_of(const char *text)
{
    struct world_options options;
    struct arena *arena = arena_create(256);
    struct error err;

    assert_true(world_options_read(&options, text, strlen(text), arena, &err));
    arena_close(arena); /* no option here is a text */
    return options;
}

static void rig_open(struct rig *rig, const struct world_options *options, uint32_t user)
{
    rig->world = calloc(1, world_size(options));
    world_init(rig->world, options);
    rig->choice = choice_create(rig->world);
    world_user_make(rig->world, user, &rig->user);
    choice_user_make(rig->choice, user, &rig->habits);
}

static void rig_close(struct rig *rig)
{
    choice_close(rig->choice);
    free(rig->world);
}

static struct world_context afternoon(void)
{
    return (struct world_context){.ts_ms = WORLD_DAY0_MS + 15 * WORLD_HOUR_MS,
                                  .hour = 15,
                                  .hour_local = 15,
                                  .weekday = 2,
                                  .day_of_year = 1,
                                  .holiday = {-1, 0}};
}

static const struct world_item *item_of(struct rig *rig, uint32_t slot)
{
    static struct world_item item;

    world_item_make(rig->world, slot, world_generation(rig->world, slot, afternoon().ts_ms), &item);
    return &item;
}

static void terms_of(struct rig *rig, const struct world_context *context, uint32_t slot,
                     double *terms)
{
    struct choice_request request;
    struct choice_past past = {0};

    choice_request_make(rig->choice, &rig->user, &rig->habits, context, &request);
    choice_item_terms(&request, item_of(rig, slot), &past, terms);
}

/* ---- sizes ---- */

struct level { /* what a factor's levels are taken from */
    const char *name;
    enum choice_term term;
    uint32_t levels;
    double rms, tolerance;
};

static void set_level(enum choice_term term, uint32_t level, struct world_context *context)
{
    switch (term) {
    case TERM_TIME:
        context->hour_local = (int32_t)(level % 24);
        context->weekday = (int32_t)level / 24;
        break;
    case TERM_SEASON:
        context->day_of_year = 1 + (int32_t)level;
        break;
    case TERM_LOCATION:
        context->city = (int32_t)level;
        break;
    case TERM_PLACE:
        context->place = (enum world_place)level;
        break;
    case TERM_HOLIDAY: /* the year of country 0: its days are what they are */
        context->holiday = world_holiday_near(level, 0);
        break;
    case TERM_HABIT:
        context->hour_local = (int32_t)(6 * level);
        break;
    case TERM_NETWORK:
    case TERM_BUDGET:
    case TERM_BASE:
    case TERM_SENSITIVITY:
    case TERM_INTERACTION:
    case TERM_FATIGUE:
        break;
    }
}

static double rms_of(const char *site, enum choice_term term, uint32_t levels)
{
    double squares = 0, terms[CHOICE_TERMS];
    char text[64];

    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
        struct world_options options;
        struct rig rig;
        snprintf(text, sizeof(text), "site=%s seed=%u", site, seed);
        options = options_of(text);
        rig_open(&rig, &options, seed);
        for (uint32_t level = 0; level < levels; level++)
            for (uint32_t slot = 0; slot < WORLD_CATEGORIES; slot++) {
                struct world_context context = afternoon();
                set_level(term, level, &context);
                terms_of(&rig, &context, slot, terms);
                squares += terms[term] * terms[term];
            }
        rig_close(&rig);
    }
    return sqrt(squares / (SEEDS * (double)levels * WORLD_CATEGORIES));
}

static void test_sizes(void **state)
{
    static const struct level cases[] = {
        {"shop", TERM_TIME, 168, .19, .02},    {"shop", TERM_SEASON, 365, .2, .03},
        {"video", TERM_SEASON, 365, .12, .02}, {"shop", TERM_HOLIDAY, 365, .12, .03},
        {"shop", TERM_LOCATION, 30, .2, .02},  {"shop", TERM_PLACE, 5, .12, .01},
        {"shop", TERM_HABIT, 4, .25, .02},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        double rms = rms_of(cases[i].name, cases[i].term, cases[i].levels);
        assert_true(fabs(rms - cases[i].rms) < cases[i].tolerance);
    }
}

/* The gifts' categories rise to .8 and more three days before, and are over at once. */
static void test_holiday(void **state)
{
    struct world_options options = options_of("site=shop seed=5");
    struct rig rig;
    double terms[CHOICE_TERMS], before[] = {0, .4444, 1, .25, 0};
    int32_t days[] = {-21, -9, -3, 0, 1};
    double peak = 0;

    (void)state;
    rig_open(&rig, &options, 3);
    for (int32_t i = 4; i >= 0; i--) {
        struct world_context context = afternoon();
        context.holiday = (struct world_holiday){0, -3};
        terms_of(&rig, &context, 1, terms);
        peak = terms[TERM_HOLIDAY];
        context.holiday.days = days[i];
        terms_of(&rig, &context, 1, terms);
        assert_true(fabs(terms[TERM_HOLIDAY] - peak * before[i]) < 1e-3);
        terms_of(&rig, &context, 7, terms);
        assert_near(terms[TERM_HOLIDAY], -.06);
    }
    assert_true(peak >= .8 && peak < 1.5);
    rig_close(&rig);
}

/* ---- switches ---- */

static struct world_context busy(void)
{
    struct world_context context = afternoon();

    context.hour_local = 18;
    context.holiday = (struct world_holiday){0, -5};
    context.place = PLACE_COMMUTE;
    context.net = NET_3G;
    context.budget_low = true;
    return context;
}

/* An item that all effects bear on: a gift, heavy. */
static uint32_t heavy_slot(struct rig *rig)
{
    for (uint32_t slot = 0;; slot++)
        if (item_of(rig, slot)->form == FORM_HEAVY && item_of(rig, slot)->category < 3)
            return slot;
}

static void test_switches(void **state)
{
    static const struct {
        enum world_effect effect;
        enum choice_term term;
    } cases[] = {{EFFECT_TIME, TERM_TIME},       {EFFECT_SEASON, TERM_SEASON},
                 {EFFECT_HOLIDAY, TERM_HOLIDAY}, {EFFECT_LOCATION, TERM_LOCATION},
                 {EFFECT_PLACE, TERM_PLACE},     {EFFECT_NETWORK, TERM_NETWORK},
                 {EFFECT_BUDGET, TERM_BUDGET},   {EFFECT_INTERACTION, TERM_INTERACTION},
                 {EFFECT_HABIT, TERM_HABIT}};
    static const double times[] = {0, -1, 2};
    struct world_options usual = options_of("site=shop seed=5");
    struct world_context context = busy();
    double before[CHOICE_TERMS], after[CHOICE_TERMS];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (size_t k = 0; k < 3; k++) {
            struct world_options options = usual;
            struct rig rig, other;
            options.effect.times[cases[i].effect] = times[k];
            rig_open(&rig, &usual, 3);
            rig_open(&other, &options, 3);
            terms_of(&rig, &context, heavy_slot(&rig), before);
            terms_of(&other, &context, heavy_slot(&rig), after);
            assert_true(fabs(before[cases[i].term]) > 1e-4);
            for (uint32_t term = 0; term < CHOICE_TERMS; term++) {
                double factor = term == (uint32_t)cases[i].term ? times[k] : 1;
                if (term != TERM_SENSITIVITY)
                    assert_near(after[term], factor * before[term]);
            }
            rig_close(&rig);
            rig_close(&other);
        }
}

static void test_from_day(void **state)
{
    struct world_options options = options_of("site=shop effect.time=0 effect.from-day.time=1");
    struct world_context context = afternoon();
    double first[CHOICE_TERMS], second[CHOICE_TERMS];
    struct rig rig;

    (void)state;
    rig_open(&rig, &options, 3);
    terms_of(&rig, &context, 2, first);
    context.day = 1;
    context.hour += 24;
    context.ts_ms += WORLD_DAY_MS;
    terms_of(&rig, &context, 2, second);
    assert_true(fabs(first[TERM_TIME]) > 1e-4 && second[TERM_TIME] == 0);
    rig_close(&rig);
}

/* x is the sum of its terms; fatigue is capped, and off with its switch. */
static void test_sum(void **state)
{
    static const struct {
        struct choice_past past;
        double fatigue;
    } cases[] = {{{0, 0, 0}, 0},
                 {{1, 2, 0}, -.25},
                 {{3, 10, 1}, -.66 - .15 - 1},
                 {{50, 50, 50}, -1.1 - .3 - 2}};
    struct world_context context = busy();

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        bool off = i % 2;
        struct world_options options = options_of(off ? "site=news effect.fatigue=0" : "site=news");
        struct choice_request request;
        double terms[CHOICE_TERMS], sum = 0;
        struct choice_item item;
        struct rig rig;
        rig_open(&rig, &options, 9);
        choice_request_make(rig.choice, &rig.user, &rig.habits, &context, &request);
        choice_item_terms(&request, item_of(&rig, 1), &cases[i / 2].past, terms);
        item = choice_item_make(&request, item_of(&rig, 1), &cases[i / 2].past);
        for (uint32_t term = 0; term < CHOICE_TERMS; term++)
            sum += terms[term];
        assert_near(item.x, sum);
        assert_near(terms[TERM_FATIGUE], off ? 0 : cases[i / 2].fatigue);
        assert_near(item.theta, sum - terms[TERM_BASE] - terms[TERM_FATIGUE]);
        rig_close(&rig);
    }
}

/* ---- luck ---- */

/* The luck is the item's in the request, so a better position clicks whenever a worse one does. */
static void test_twins(void **state)
{
    struct world_options options = options_of("site=shop");
    struct rig rig;
    uint32_t better = 0, worse = 0;

    (void)state;
    rig_open(&rig, &options, 4);
    for (uint32_t hour = 0; hour < 400; hour++) {
        struct world_context context = afternoon();
        struct choice_past past = {0};
        struct choice_request request;
        context.hour = hour;
        choice_request_make(rig.choice, &rig.user, &rig.habits, &context, &request);
        for (uint32_t slot = 0; slot < 40; slot++) {
            const struct world_item *item = item_of(&rig, slot);
            double p = choice_sigmoid(choice_item_make(&request, item, &past).x);
            double u = choice_luck(&request, TAG_CLICK, item);
            bool first = u < choice_examination(1) * p, ninth = u < choice_examination(9) * p;
            assert_true(first || !ninth);
            assert_true(u == choice_luck(&request, TAG_CLICK, item));
            assert_true(u != choice_luck(&request, TAG_DISLIKE, item));
            better += first;
            worse += ninth;
        }
    }
    assert_true(better > 2 * worse && worse > 100); /* three times, in expectation */
    rig_close(&rig);
}

static void test_share(void **state)
{
    static const double means[] = {.1, .5, .8};

    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        double sum = 0;
        for (uint32_t k = 0; k < 100000; k++)
            sum += choice_share_draw(means[i], (k + .5) / 1e5) / 1e5;
        assert_true(fabs(sum - means[i]) < 2e-3);
    }
}

/* ---- delivery ---- */

static struct link steady(double mbits)
{
    struct link link = {.rtt_ms = 50, .loss = 0};

    for (uint32_t i = 0; i < LINK_SECONDS; i++)
        link.mbits[i] = mbits;
    return link;
}

static void test_play(void **state)
{
    static const struct {
        const char *world;
        double mbits, bitrate, variant, seconds, conversion;
        bool started;
    } cases[] = {
        {"site=video", 4, 1.6, 1, 1, 1, true},
        {"site=video", 1, 1.6, .5, .2 * 0.494106, 1, false}, /* (1/1.6)^1.5 */
        {"site=video", 1, 1.2, 1, (1 - .06 * 0.415037) * 0.760726, 1, true},
        {"site=video effect.delivery=0", 1, 1.6, 1, 1, 1, false},
        {"site=shop", 1, 2.5, 1, 1, 1, true},
        {"site=shop", 1, 4, 1, .5, .5, false},
        {"site=shop", 1, 1, .3, .97, 1, true},
        {"site=shop effect.delivery=-1", 1, 4, 1, 1.5, 1.5, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world_options options = options_of(cases[i].world);
        struct world_context context = afternoon();
        struct link link = steady(cases[i].mbits);
        struct choice_request request;
        struct choice_play play;
        struct rig rig;
        rig_open(&rig, &options, 4);
        choice_request_make(rig.choice, &rig.user, &rig.habits, &context, &request);
        play = choice_play_make(&request, &link, cases[i].bitrate, cases[i].variant);
        assert_float_equal(play.keep_seconds, cases[i].seconds, 1e-4);
        assert_int_equal(play.started, cases[i].started);
        assert_float_equal(play.keep_conversion, cases[i].conversion, 1e-9);
        rig_close(&rig);
    }
}

static void test_stalls(void **state)
{
    struct link good = steady(2), half = steady(.5);
    struct choice_stalls stalls = choice_stalls_make(&good, 1.6, .5, 100);

    (void)state;
    assert_int_equal(stalls.count, 0);
    stalls = choice_stalls_make(&half, 1, 4, 100);
    assert_true(stalls.count > 5 && stalls.seconds > 10 && stalls.seconds < 20);
    assert_int_equal(choice_stalls_make(&half, 1, 4, 2).count, 0); /* left before */
}

static void test_variant(void **state)
{
    struct world_options options = options_of("site=video");
    struct world_context context = afternoon();
    struct world_item item = {.weight = 3.2};
    struct choice_request request;
    struct rig rig;

    (void)state;
    rig_open(&rig, &options, 4);
    choice_request_make(rig.choice, &rig.user, &rig.habits, &context, &request);
    assert_float_equal(choice_variant(&request, &item, NET_WIFI), 1, 0);
    assert_float_equal(choice_variant(&request, &item, NET_5G), 1, 0);
    assert_float_equal(choice_variant(&request, &item, NET_4G), .5, 0);
    assert_float_equal(choice_variant(&request, &item, NET_3G), .25, 0);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),    cmocka_unit_test(test_holiday),
        cmocka_unit_test(test_switches), cmocka_unit_test(test_from_day),
        cmocka_unit_test(test_sum),      cmocka_unit_test(test_twins),
        cmocka_unit_test(test_share),    cmocka_unit_test(test_play),
        cmocka_unit_test(test_stalls),   cmocka_unit_test(test_variant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
