/* world_laws: users, items and requests of the generated world against the laws that they are drawn
 * from, within about four standard errors; and that everything is a function of its arguments. */
#include "operators/model/calendar.h"
#include "operators/model/world_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define USERS 20000u

static struct world *make(const char *text)
{
    struct world_options options;
    struct arena *arena = arena_create(256);
    struct error err = {0};
    struct world *world;

    if (!world_options_read(&options, text, strlen(text), arena, &err))
        fail_msg("%s: %s", err.where, err.what);
    arena_close(arena); /* no option here is a text */
    world = memory_new(world_size(&options));
    world_init(world, &options);
    return world;
}

static void close_to(double value, double expected, double within, const char *what)
{
    if (!(fabs(value - expected) <= within))
        fail_msg("%s is %g, not %g", what, value, expected);
}

/* A share of n draws within 4 standard errors. */
static void share_close(double count, double n, double expected, const char *what)
{
    close_to(count / n, expected, 4 * sqrt(expected * (1 - expected) / n), what);
}

/* ---- options ---- */

static void test_options(void **state)
{
    static const char *const texts[] = {
        "site=shop",
        "site=news seed=7 users=20 days=2",
        "site=video volume-contrast=1.7 effect.time=0 effect.delivery=-1.5",
        "site=shop effect.season=2 effect.from-day.season=30",
        "site=news traces=/data/my traces=x",
    };
    static const char *const bad[] = {
        "",
        "site",
        "site=shop ",
        "sight=shop",
        "effect=2",
        "site=x",
        "effect.time.x=2",
        "effect.from-day=3",
        "candidates=401",
        "length=81",
        "days=0",
        "site=shop\nseed=2",
        "first-day=4000 days=18",
    };
    struct arena *arena = arena_create(WORLD_OPTIONS_TEXT_MAX);
    struct world_options options;
    struct error err = {0};
    char text[WORLD_OPTIONS_TEXT_MAX];

    (void)state;
    assert_true(option_check(world_option_table, sizeof(options), &err));
    for (uint32_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_true(world_options_read(&options, texts[i], strlen(texts[i]), arena, &err));
        assert_string_equal(world_options_text(&options, text, sizeof(text)), texts[i]);
    }
    for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (world_options_read(&options, bad[i], strlen(bad[i]), arena, &err))
            fail_msg("\"%s\" was taken", bad[i]);
    assert_false(world_options_read(&options, "site=shop\0seed=2", 16, arena, &err));
    memset(text, ' ', sizeof(text));
    assert_false(world_options_read(&options, text, sizeof(text), arena, &err));
    assert_non_null(strstr(err.what, "4096"));
    arena_close(arena);
}

/* The longest text there can be fits. */
static void test_options_longest(void **state)
{
    struct arena *arena = arena_create(WORLD_OPTIONS_TEXT_MAX);
    struct world_options options, again;
    struct error err = {0};
    char text[WORLD_OPTIONS_TEXT_MAX], path[1025] = {0};

    (void)state;
    option_defaults(world_option_table, &options);
    options.seed = INT64_MAX;
    options.users = WORLD_USERS_MAX;
    options.items = WORLD_ITEMS_MAX;
    options.candidates = options.length = WORLD_CANDIDATES_MAX;
    options.volume_contrast = options.capacity = 1.0 / 3;
    options.first_day = options.days = 1234;
    options.site = SITE_VIDEO;
    for (uint32_t i = 0; i < WORLD_EFFECTS; i++) {
        options.effect.times[i] = -1.0 / 30;
        options.effect.from_day[i] = WORLD_DAYS_MAX;
    }
    options.traces = memset(path, ' ', sizeof(path) - 1);
    world_options_text(&options, text, sizeof(text));
    assert_true(world_options_read(&again, text, strlen(text), arena, &err));
    assert_string_equal(world_options_text(&again, text, sizeof(text)), text);
    assert_int_equal(again.effect.from_day[EFFECT_DELIVERY], WORLD_DAYS_MAX);
    assert_string_equal(again.traces, path);
    arena_close(arena);
}

static void test_effects(void **state)
{
    struct world *world = make("effect.time=0 effect.season=-1 effect.from-day.season=30");

    (void)state;
    assert_float_equal(world_effect_at(world, EFFECT_TIME, 0), 0, 0);
    assert_float_equal(world_effect_at(world, EFFECT_SEASON, 29), 1, 0);
    assert_float_equal(world_effect_at(world, EFFECT_SEASON, 30), -1, 0);
    assert_float_equal(world_effect_at(world, EFFECT_DRIFT, 30), 1, 0);
    memory_free(world);
}

/* ---- users ---- */

struct traits {
    double commuters, able, old, plans[31], transport[LINK_KINDS], country[WORLD_COUNTRIES];
    double city0, log_rate, log_rate2, shift, shift2, sensitivity, near_pole, near_centre;
};

static double dot(const float *a, const float *b)
{
    double sum = 0;

    for (uint32_t i = 0; i < WORLD_D; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void add_user(const struct world *world, const struct world_user *user,
                     struct traits *traits)
{
    double nearest = -1;

    assert_float_equal(dot(user->base, user->base), 1, 1e-5);
    for (uint32_t i = 0; i < WORLD_CENTRES; i++)
        nearest = fmax(nearest, dot(user->base, world->centre[i]));
    traits->near_centre += nearest / USERS;
    traits->near_pole += dot(user->base, user->pole[0]) / USERS;
    traits->commuters += user->commuter;
    traits->able += user->capable_5g;
    traits->old += user->join_day == INT32_MIN;
    traits->plans[user->plan_gb]++;
    traits->transport[user->transport]++;
    traits->country[user->country]++;
    traits->city0 += user->city == 0;
    traits->log_rate += log(user->rate) / USERS;
    traits->log_rate2 += log(user->rate) * log(user->rate) / USERS;
    traits->shift += user->shift_hours / USERS;
    traits->shift2 += user->shift_hours * user->shift_hours / USERS;
    traits->sensitivity += world_sensitivity(world, user, 0) / USERS;
    assert_true(user->drift_days >= 120 && user->drift_days <= 480);
}

static void test_users(void **state)
{
    struct world *world = make("seed=3 days=1");
    struct traits traits = {0};
    double zipf = 0;

    (void)state;
    for (uint32_t i = 0; i < USERS; i++) {
        struct world_user user;
        world_user_make(world, i, &user);
        add_user(world, &user, &traits);
    }
    for (uint32_t city = 0; city < WORLD_CITIES; city++)
        zipf += 1.0 / (city + 2);
    share_close(traits.commuters, USERS, .6, "commuters");
    share_close(traits.able, USERS, .45, "5G");
    share_close(traits.old, USERS, .75, "old users");
    for (uint32_t plan = 0; plan < 31; plan++)
        if (plan == 0 || plan == 2 || plan == 5 || plan == 10 || plan == 30)
            share_close(traits.plans[plan], USERS, .2, "a plan");
        else
            assert_float_equal(traits.plans[plan], 0, 0);
    for (uint32_t kind = LINK_METRO; kind <= LINK_CAR; kind++)
        share_close(traits.transport[kind], USERS, .2, "a transport");
    share_close(traits.city0, USERS, .5 / zipf, "city 0");
    assert_true(traits.country[0] > traits.country[1] && traits.country[1] > traits.country[2]);
    close_to(traits.log_rate, log(.9), 4 * .6 / sqrt(USERS), "log rate");
    close_to(sqrt(traits.log_rate2 - traits.log_rate * traits.log_rate), .6, .015, "its deviation");
    close_to(traits.shift, 0, 4 * 1.2 / sqrt(USERS), "shift");
    close_to(sqrt(traits.shift2), 1.2, .03, "its deviation");
    close_to(traits.sensitivity, 1, .015, "sensitivity");
    close_to(traits.near_pole, .78, .03, "likeness of a pole");        /* 1 / sqrt(1 + 8 x .28^2) */
    assert_true(traits.near_centre > .69 && traits.near_centre < .78); /* of the own one .69 */
    memory_free(world);
}

/* The taste of a day by its formula. */
static void expect_taste(const struct world_user *user, double day, const float *taste)
{
    double first = .7 * sin(2 * M_PI * day / user->drift_days), length = 0;
    double second = .5 * sin(2.3 * 2 * M_PI * day / user->drift_days), expected[WORLD_D];

    for (uint32_t i = 0; i < WORLD_D; i++) {
        expected[i] = (double)user->base[i] * (1 - first - second) +
                      (double)user->pole[0][i] * first + (double)user->pole[1][i] * second;
        length += expected[i] * expected[i];
    }
    for (uint32_t i = 0; i < WORLD_D; i++)
        assert_float_equal(taste[i], expected[i] / sqrt(length), 1e-5);
}

static void test_drift(void **state)
{
    struct world *world = make("seed=3"), *still = make("seed=3 effect.drift=0");
    struct world_user user;
    float taste[WORLD_D];
    double least = 1;

    (void)state;
    world_user_make(world, 5, &user);
    for (uint32_t day = 0; day < 400; day++) {
        world_taste(world, &user, day, taste);
        assert_float_equal(dot(taste, taste), 1, 1e-5);
        expect_taste(&user, day, taste);
        least = fmin(least, dot(taste, user.base));
        world_taste(still, &user, day, taste);
        assert_float_equal(dot(taste, user.base), 1, 1e-5);
    }
    assert_true(least > .3 && least < .95);
    memory_free(world);
    memory_free(still);
}

/* ---- items ---- */

static void test_items(void **state)
{
    static const double forms[][3] = {{.15, .65, .20}, {.25, .30, .45}, {.35, .45, .20}};
    static const double weights[][3] = {{.3, .8, 2.5}, {.8, 1.6, 3.2}, {.2, .8, 2.5}};
    static const double seconds[][3] = {{30, 30, 40}, {45, 180, 900}, {90, 60, 75}};
    static const int64_t lives_h[] = {180 * 24, 90 * 24, 48};

    (void)state;
    for (uint32_t site = 0; site < WORLD_SITES; site++) {
        struct world *world = make(site == 0   ? "site=shop"
                                   : site == 1 ? "site=video"
                                               : "site=news");
        double count[3] = {0}, weight[3] = {0}, length[3] = {0}, quality = 0, own = 0;
        double weight2 = 0, length2 = 0;

        for (uint32_t slot = 0; slot < USERS; slot++) {
            struct world_item item;
            world_item_make(world, slot, slot % 7, &item);
            count[item.form]++;
            weight[item.form] += log(item.weight);
            length[item.form] += log(item.seconds);
            weight2 += pow(log(item.weight / weights[site][item.form]), 2) / USERS;
            length2 += pow(log(item.seconds / seconds[site][item.form]), 2) / USERS;
            quality += item.quality * item.quality / USERS;
            own += dot(item.vector, world->category[item.category]) / USERS;
            assert_int_equal(item.category, slot % 12);
            assert_int_equal(item.end_ms - item.born_ms, lives_h[site] * WORLD_HOUR_MS);
            assert_int_equal(world_item_slot(item.id), slot);
            assert_int_equal(world_item_generation(item.id), slot % 7);
        }
        for (uint32_t form = 0; form < 3; form++) {
            share_close(count[form], USERS, forms[site][form], "a form");
            close_to(weight[form] / count[form], log(weights[site][form]),
                     4 * .25 / sqrt(count[form]), "log weight");
            close_to(length[form] / count[form], log(seconds[site][form]),
                     4 * .5 / sqrt(count[form]), "log length");
        }
        close_to(sqrt(weight2), .25, .01, "deviation of log weight");
        close_to(sqrt(length2), .5, .02, "deviation of log length");
        close_to(sqrt(quality), .45, .01, "quality");
        close_to(own, .68, .03, "likeness of the category");
        memory_free(world);
    }
}

/* Generations of a slot follow one another without a gap, and the table holds the one that lives. */
static void test_generations(void **state)
{
    struct world *world = make("site=news items=80 days=9");
    struct world_item *table = memory_array(80, sizeof(*table)), item;
    double age = 0, looks = 0;

    (void)state;
    for (int64_t ms = WORLD_DAY0_MS; ms < WORLD_DAY0_MS + 9 * WORLD_DAY_MS; ms += 1234567)
        for (uint32_t slot = 0; slot < 80; slot++) {
            const struct world_item *at = world_item_at(world, table, slot, ms);
            assert_true(at->born_ms <= ms && ms < at->end_ms && at->slot == slot);
            assert_int_equal(at->generation, world_generation(world, slot, ms));
            world_item_make(world, slot, at->generation + 1, &item);
            assert_int_equal(item.born_ms, at->end_ms);
            age += world_item_age(at, ms);
            looks++;
        }
    close_to(age / looks, .5, .05, "mean age");
    memory_free(table);
    memory_free(world);
}

/* ---- requests ---- */

struct visits {
    double requests, sessions, hours[24], wifi[24], weekend, weekday, low, cellular;
    double place[5], wifi_at[5], net[4], stage[3], battery[5], begin;
};

static void add_request(const struct world *world, const struct world_user *user, int64_t hour,
                        uint32_t request, struct visits *visits)
{
    struct world_context context = {0};

    world_context_make(world, user, hour, request, &context);
    assert_true(context.ts_ms >= WORLD_DAY0_MS + hour * WORLD_HOUR_MS &&
                context.ts_ms < WORLD_DAY0_MS + (hour + 1) * WORLD_HOUR_MS);
    assert_true(context.budget_low == (context.budget_used > .8 && context.net != NET_WIFI));
    assert_true(user->plan_gb > 0 || context.budget_used <= 0);
    assert_int_equal(world_rec_user(context.rec_id), user->id);
    assert_int_equal(world_rec_hour(context.rec_id), hour);
    assert_int_equal(world_rec_request(context.rec_id), request);
    assert_true(request > 0 || context.session_id == context.rec_id);
    visits->requests++;
    visits->sessions += request == 0;
    visits->hours[context.hour_local]++;
    visits->wifi[context.hour_local] += context.net == NET_WIFI;
    *(context.weekday >= 5 ? &visits->weekend : &visits->weekday) += 1;
    visits->low += context.budget_low;
    visits->place[context.place]++;
    visits->wifi_at[context.place] += context.net == NET_WIFI;
    visits->begin += request ? 0 : (double)(context.ts_ms % WORLD_HOUR_MS) / WORLD_HOUR_MS;
    visits->net[context.net]++;
    visits->stage[context.stage]++;
    visits->battery[context.battery]++;
}

static void visit(const struct world *world, struct visits *visits)
{
    int64_t end = (world->options.first_day + world->options.days) * 24;

    *visits = (struct visits){0};
    for (uint32_t i = 0; i < (uint32_t)world->options.users; i++) {
        struct world_user user;
        world_user_make(world, i, &user);
        for (int64_t hour = world->options.first_day * 24; hour < end; hour++) {
            uint32_t count = world_request_count(world, &user, hour);
            assert_true(count <= WORLD_REQUESTS_MAX);
            for (uint32_t request = 0; request < count; request++)
                add_request(world, &user, hour, request, visits);
        }
    }
}

static double peak_over_trough(const struct visits *visits)
{
    double peak = 0, trough = INFINITY;

    for (uint32_t hour = 0; hour < 24; hour++) {
        peak = fmax(peak, visits->hours[hour]);
        trough = fmin(trough, visits->hours[hour]);
    }
    return peak / trough;
}

static void test_when(void **state)
{
    struct world *world = make("seed=5 users=3000 days=70"); /* ten weeks */
    struct visits visits;
    double mean = 0, expected = 0;

    (void)state;
    visit(world, &visits);
    assert_true(peak_over_trough(&visits) >= 8 && peak_over_trough(&visits) < 11);
    close_to(visits.weekend / 2 / (visits.weekday / 5), 1.15, .015, "weekend over weekday");
    for (uint32_t extra = 0; extra < WORLD_REQUESTS_MAX; extra++)
        mean += pow(.55, extra);
    close_to(visits.requests / visits.sessions, mean, .03, "requests of a session");
    close_to(visits.begin / visits.sessions, 1500.0 / 3600, .005, "part of the hour");
    /* exp(.6^2 / 2), life cycles: 12 % lapse; of the joiners about a twentieth are there */
    expected = .9 * exp(.18) * (.88 + .12 * .25) * (.75 + .25 * .05) * 70 * 3000 * 36.05 / 35;
    close_to(visits.sessions / expected, 1, .05, "sessions over expected");
    for (uint32_t hour = 0; hour < 24; hour++)
        close_to(visits.hours[hour] / visits.requests,
                 (5 * world->demand[0][hour] + 2 * world->demand[1][hour]) / 7 / 24, .003,
                 "share of an hour");
    share_close(visits.stage[STAGE_LAPSING] / 4, visits.requests / 4, .12 * .25 / (.88 + .12 * .25),
                "lapsing users' share");
    memory_free(world);
}

static void test_contrast(void **state)
{
    static const char *const texts[] = {"seed=5 users=1500 volume-contrast=0",
                                        "seed=5 users=1500 volume-contrast=1",
                                        "seed=5 users=1500 volume-contrast=1.7"};
    static const double low[] = {1, 7, 20}, high[] = {1.2, 8.9, 40};

    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        struct world *world = make(texts[i]);
        struct visits visits;
        visit(world, &visits);
        close_to(peak_over_trough(&visits), (low[i] + high[i]) / 2, (high[i] - low[i]) / 2,
                 "peak over trough");
        memory_free(world);
    }
}

static void test_where(void **state)
{
    static const double wifi_at[] = {.88, .6, .04, .25, .4};
    struct world *world = make("seed=6 users=3000 days=70");
    struct visits visits;

    (void)state;
    visit(world, &visits);
    close_to(visits.wifi[22] / visits.hours[22], .79, .015, "Wi-Fi at 22 h");
    close_to(visits.wifi[18] / visits.hours[18], .51, .015, "Wi-Fi at 18 h");
    for (uint32_t place = 0; place < 5; place++)
        close_to(visits.wifi_at[place] / visits.place[place], wifi_at[place], .02,
                 "Wi-Fi at a place");
    close_to(visits.place[PLACE_TRAVEL] / visits.requests, .05, .006, "travel");
    close_to(visits.net[NET_WIFI] / visits.requests, .65, .02, "Wi-Fi");
    /* 5G: .45 x .6 of what is not Wi-Fi */
    close_to(visits.net[NET_5G] / (visits.requests - visits.net[NET_WIFI]), .27, .015, "5G");
    close_to(visits.net[NET_3G] / (visits.net[NET_3G] + visits.net[NET_4G]), .067, .01, "3G");
    close_to(visits.low / (visits.requests - visits.net[NET_WIFI]), .09, .02, "low budgets");
    for (uint32_t level = 0; level < 5; level++)
        assert_true(visits.battery[level] > .03 * visits.requests);
    memory_free(world);
}

/* Links: what the kind of network and the commute make of them, as known when a request is served. */
static void test_links(void **state)
{
    static const double times[] = {6, 10, 4, 1}, rtt_ms[] = {25, 25, 50, 120};
    struct world *world = make("seed=8 users=100 days=70");
    double count[4] = {0}, rtt[4] = {0}, log_mean[4] = {0}, commute[2] = {0};

    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        struct world_user user;
        world_user_make(world, i, &user);
        for (int64_t hour = 0; hour < (int64_t)70 * 24; hour++) {
            struct world_context context;
            if (world_request_count(world, &user, hour) == 0)
                continue;
            world_context_make(world, &user, hour, 0, &context);
            world_link_past(world, &user, &context);
            assert_true(context.link.q20 > 0 && context.link.q20 <= context.link.mean);
            assert_true(context.link.loss >= .002 && context.link.loss <= .062);
            if (context.place == PLACE_COMMUTE && context.net != NET_WIFI) {
                commute[0]++;
                commute[1] += log(context.link.mean / times[context.net]);
                continue;
            }
            count[context.net]++;
            log_mean[context.net] += log(context.link.mean / times[context.net]);
            rtt[context.net] += log(context.link.rtt_ms / (1 + 2 / (1 + context.link.mean)));
        }
    }
    for (uint32_t net = 0; net < 4; net++)
        close_to(rtt[net] / count[net], log(rtt_ms[net]), 5 * .4 / sqrt(count[net]), "log RTT");
    /* The mean of a minute lies above the median by half of the variance within a session. */
    close_to(log_mean[NET_WIFI] / count[NET_WIFI], -.03 + .48 * .48 / 2, .08, "broadband");
    close_to(log_mean[NET_4G] / count[NET_4G], .83 + .3 * .3 / 2, .1, "oboe");
    close_to(commute[1] / commute[0], .23, .2, "the commute: mean of five kinds");
    memory_free(world);
}

/* ---- all is a function of its arguments ---- */

static void test_pure(void **state)
{
    struct world *world = make("seed=9 users=50 days=20"), *same = make("seed=9 users=50 days=30");
    struct world *other = make("seed=10 users=50 days=20");
    uint32_t differ = 0, rows = 0;

    (void)state;
    for (uint32_t i = 50; i-- > 0;) { /* in another order */
        struct world_user user, again, stranger;
        world_user_make(world, i, &user);
        world_user_make(same, i, &again);
        world_user_make(other, i, &stranger);
        for (int64_t hour = 0; hour < (int64_t)20 * 24; hour++) {
            uint32_t count = world_request_count(world, &user, hour);
            struct world_context a, b;
            assert_int_equal(count, world_request_count(same, &again, hour));
            differ += count != world_request_count(other, &stranger, hour);
            if (count == 0)
                continue;
            memset(&a, 0, sizeof(a));
            memset(&b, 255, sizeof(b));
            world_context_make(world, &user, hour, count - 1, &a);
            world_context_make(same, &again, hour, count - 1, &b);
            world_link_past(world, &user, &a);
            world_link_past(same, &again, &b);
            world_link_next(&a);
            world_link_next(&b);
            assert_true(a.ts_ms == b.ts_ms && a.place == b.place && a.battery == b.battery);
            assert_memory_equal(a.link.mbits, b.link.mbits, sizeof(a.link.mbits));
            rows++;
        }
    }
    assert_true(rows > 400 && differ > 400);
    memory_free(world);
    memory_free(same);
    memory_free(other);
}

static void test_candidates(void **state)
{
    enum { ITEMS = 97, TAKEN = 10, DRAWS = 20000 };
    struct world *world = make("seed=4 items=97 candidates=10 length=5");
    uint32_t counts[ITEMS] = {0}, slots[TAKEN];
    double squares = 0, expected = (double)DRAWS * TAKEN / ITEMS;

    (void)state;
    for (uint32_t draw = 0; draw < DRAWS; draw++) {
        struct world_context context = {
            .user = draw % 100, .hour = draw / 100, .request = draw & 1};
        bool taken[ITEMS] = {false};
        world_candidates(world, &context, slots);
        for (uint32_t i = 0; i < TAKEN; i++) {
            assert_true(slots[i] < ITEMS && !taken[slots[i]]);
            taken[slots[i]] = true;
            counts[slots[i]]++;
        }
    }
    for (uint32_t slot = 0; slot < ITEMS; slot++)
        squares += (counts[slot] - expected) * (counts[slot] - expected) / expected;
    assert_true(squares < 145); /* chi-square of 96 degrees, .999 */
    memory_free(world);
}

static void test_all_candidates(void **state)
{
    struct world *world = make("items=80 candidates=80");
    struct world_context context = {.user = 3, .hour = 70};
    uint32_t slots[80];
    uint64_t sum = 0;

    (void)state;
    world_candidates(world, &context, slots);
    for (uint32_t i = 0; i < 80; i++)
        sum += slots[i];
    assert_int_equal(sum, 79 * 80 / 2);
    memory_free(world);
}

/* ---- the calendar has two forms: files for jobs, a table here. They say the same. ---- */

static void test_holidays(void **state)
{
    static const char *const paths[] = {"jobs/calendars/country-0.ics",
                                        "jobs/calendars/country-1.ics",
                                        "jobs/calendars/country-2.ics"};

    (void)state;
    for (int32_t country = 0; country < (int32_t)WORLD_COUNTRIES; country++) {
        struct arena *arena = arena_create(1 << 16);
        struct error err = {0};
        const struct calendar *calendar = calendar_read(paths[country], arena, &err);
        if (!calendar)
            fail_msg("%s: %s", err.where, err.what);
        for (int64_t day = 0; day < WORLD_DAYS_MAX; day++) {
            struct world_holiday near = world_holiday_near(day, country);
            int32_t since = 0, of = (int32_t)(WORLD_DAY0_MS / WORLD_DAY_MS + day);
            const char *name = calendar_near(calendar, of, &since);
            assert_int_equal(name != NULL, near.holiday >= 0);
            if (name) {
                assert_string_equal(name, world_holiday_name(near.holiday));
                assert_int_equal(since, near.days);
            }
            assert_int_equal(world_day_of_year(day), calendar_year_day(of));
        }
        arena_close(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),     cmocka_unit_test(test_options_longest),
        cmocka_unit_test(test_effects),     cmocka_unit_test(test_users),
        cmocka_unit_test(test_drift),       cmocka_unit_test(test_items),
        cmocka_unit_test(test_generations), cmocka_unit_test(test_when),
        cmocka_unit_test(test_contrast),    cmocka_unit_test(test_where),
        cmocka_unit_test(test_links),       cmocka_unit_test(test_pure),
        cmocka_unit_test(test_candidates),  cmocka_unit_test(test_all_candidates),
        cmocka_unit_test(test_holidays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
