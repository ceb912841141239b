/* world_context: when requests of the generated world come, from where and over which link; see
 * world.h. Most hours of most users have none, which one hash and a comparison tell. */
#include "operators/model/link_traces.h"
#include "operators/model/world_hash.h"
#include "operators/model/world_parts.h"

#include <assert.h>

#define SESSION_MAX 0.9      /* probability in an hour */
#define LAPSING_RATE 0.25    /* of a lapsing user's visits, over an active one's */
#define MORE 0.55            /* of one more request in the session */
#define BEGIN_MAX_MS 3000000 /* of a session, in its hour: the last request stays inside */
#define GAP_MIN_MS 15000
#define GAP_MS 100000 /* up to so much more */
static_assert(BEGIN_MAX_MS + (WORLD_REQUESTS_MAX - 1) * (GAP_MIN_MS + GAP_MS) <= WORLD_HOUR_MS,
              "a session ends in its hour");

enum { /* draws of a session */
       DRAW_COUNT,
       DRAW_BEGIN,
       DRAW_PLACE,
       DRAW_WIFI,
       DRAW_5G,
       DRAW_3G,
       DRAW_BATTERY,
       DRAW_LINK,
       DRAW_GAPS, /* and so on */
       DRAW_TRACE = DRAW_GAPS + WORLD_REQUESTS_MAX,
       DRAW_OFFSET,
};
enum { DRAW_RTT, DRAW_LOSS, DRAW_STEPS }; /* of a request */

static double draw(uint64_t hash, uint64_t number)
{
    return hash_positive(world_draw(hash, number));
}

static const struct world_day *day_of(const struct world *world, int64_t day)
{
    int64_t at = day - world->options.first_day;

    CHECK(at >= 0 && at < world->options.days);
    return &world->days[at];
}

static uint64_t session_of(const struct world *world, const struct world_user *user, int64_t hour)
{
    return world_hash_at(user->sessions, (uint64_t)hour, (uint64_t)world->options.site);
}

/* ---- when ---- */

static double session_probability(const struct world *world, const struct world_user *user,
                                  int64_t hour)
{
    int64_t day = hour / 24;
    double rate = user->rate * world_hour_share(world, (double)(hour % 24) - user->shift_hours);

    if (day < user->join_day)
        return 0;
    if (day_of(world, day)->weekday >= 5)
        rate *= WORLD_WEEKEND;
    switch (world_stage_at(world, user, day)) {
    case STAGE_NEW:
        rate *= WORLD_NEW;
        break;
    case STAGE_LAPSING:
        rate *= LAPSING_RATE;
        break;
    case STAGE_ACTIVE:
        break;
    }
    return fmin(rate, SESSION_MAX);
}

uint32_t world_request_count(const struct world *world, const struct world_user *user, int64_t hour)
{
    uint64_t session = session_of(world, user, hour);
    double luck = hash_positive(session), more = draw(session, DRAW_COUNT), chance = MORE;
    uint32_t count = 1;

    if (luck >= user->rate * world->hours_max || luck >= session_probability(world, user, hour))
        return 0;
    for (; count < WORLD_REQUESTS_MAX && more < chance; chance *= MORE)
        count++;
    return count;
}

int64_t world_request_ms(const struct world *world, const struct world_user *user, int64_t hour,
                         uint32_t request)
{
    uint64_t session = session_of(world, user, hour);
    int64_t ms = (int64_t)(draw(session, DRAW_BEGIN) * BEGIN_MAX_MS);

    for (uint32_t i = 1; i <= request; i++)
        ms += GAP_MIN_MS + (int64_t)(draw(session, DRAW_GAPS + i) * GAP_MS);
    return WORLD_DAY0_MS + hour * WORLD_HOUR_MS + ms;
}

/* ---- where ---- */

static void set_place(const struct world_user *user, uint64_t session,
                      struct world_context *context)
{
    int32_t hour = context->hour_local;
    double luck = draw(session, DRAW_PLACE);
    bool weekend = context->weekday >= 5;

    if (context->place == PLACE_TRAVEL)
        return;
    if (!weekend && hour >= 9 && hour <= 17)
        context->place = luck < .65 ? PLACE_WORK : luck < .85 ? PLACE_HOME : PLACE_OUT;
    else if (!weekend && user->commuter && (hour == 7 || hour == 8 || hour == 18 || hour == 19) &&
             luck < .75)
        context->place = PLACE_COMMUTE;
    else /* a draw of its own: a commuter's first one was at least .75 here */
        context->place = hash_positive(world_mix(world_draw(session, DRAW_PLACE))) <
                                 (weekend && hour >= 9 && hour <= 19 ? .6 : .88)
                             ? PLACE_HOME
                             : PLACE_OUT;
}

/* One week in twenty a user is in another city. */
static void set_city(const struct world *world, const struct world_user *user,
                     struct world_context *context)
{
    uint64_t travel =
        world_hash(world->seed, TAG_TRAVEL, user->id, (uint64_t)(context->day / 7), 0);

    context->city = user->city;
    context->country = user->country;
    context->place = PLACE_HOME;
    if (hash_positive(travel) < 0.05) {
        double before = user->city ? world->city_until[user->city - 1] : 0;
        double own = world->city_until[user->city] - before;
        double share = draw(travel, 0) * (1 - own);

        context->city = world_city(world, share < before ? share : share + own);
        context->place = PLACE_TRAVEL;
    }
    context->region = world_region_of(context->city);
    context->south = world_country_of(context->region) == 2;
}

static void set_net(const struct world_user *user, uint64_t session, struct world_context *context)
{
    static const double wifi[] = {[PLACE_HOME] = .88,
                                  [PLACE_WORK] = .6,
                                  [PLACE_COMMUTE] = .04,
                                  [PLACE_OUT] = .25,
                                  [PLACE_TRAVEL] = .4};
    double poor = context->place == PLACE_COMMUTE ? .15 : .05;

    if (draw(session, DRAW_WIFI) < wifi[context->place])
        context->net = NET_WIFI;
    else if (user->capable_5g && draw(session, DRAW_5G) < .6)
        context->net = NET_5G;
    else
        context->net = draw(session, DRAW_3G) < poor ? NET_3G : NET_4G;
}

/* Other traffic uses up .3 to 1.3 of the plan by the end of a month of 30 days. */
static void set_budget(const struct world *world, const struct world_user *user,
                       struct world_context *context)
{
    int64_t day = context->day + world_plan_day(world, user->id), month = day / 30;
    double part = (double)(day % 30) + context->hour_local / 24.0;

    context->budget_used = 0;
    if (user->plan_gb > 0)
        context->budget_used = world_round(
            (.3 + hash_positive(world_hash(world->seed, TAG_PLAN, user->id, (uint64_t)month, 0))) *
                part / 30,
            10000);
    context->budget_low = context->net != NET_WIFI && context->budget_used > .8;
}

/* The decoy: it goes with hour and network, and nothing goes with it. */
static void set_battery(uint64_t session, struct world_context *context)
{
    double level = .45 * (1 - (context->hour_local + 18) % 24 / 24.0) +
                   .65 * draw(session, DRAW_BATTERY) - (context->net != NET_WIFI ? .1 : 0);

    context->battery = (level >= .2) + (level >= .4) + (level >= .6) + (level >= .8);
}

void world_context_make(const struct world *world, const struct world_user *user, int64_t hour,
                        uint32_t request, struct world_context *context)
{
    uint64_t session = session_of(world, user, hour);
    const struct world_day *day = day_of(world, hour / 24);
    enum world_site site = (enum world_site)world->options.site;

    CHECK(request < WORLD_REQUESTS_MAX);
    context->ts_ms = world_request_ms(world, user, hour, request);
    context->hour = hour;
    context->day = hour / 24;
    context->rec_id = world_rec_id(site, user->id, hour, request);
    context->session_id = world_rec_id(site, user->id, hour, 0);
    context->user = user->id;
    context->request = request;
    context->hour_local = (int32_t)(hour % 24);
    context->weekday = day->weekday;
    context->day_of_year = day->day_of_year;
    context->holiday = day->holiday[user->country];
    set_city(world, user, context);
    set_place(user, session, context);
    set_net(user, session, context);
    set_budget(world, user, context);
    set_battery(session, context);
    context->stage = world_stage_at(world, user, context->day);
    context->load = world_round(
        world->demand[day->weekday >= 5][context->hour_local] / world->options.capacity, 10000);
}

/* ---- the link ---- */

/* A session's requests see one trace go by. A kind of which there is no trace is drawn. */
static void start_link(const struct world *world, const struct world_user *user,
                       struct world_context *context, enum link_kind kind, double times,
                       uint64_t steps)
{
    uint64_t session = session_of(world, user, context->hour);
    const struct link_traces_kind *of = world->traces ? &world->traces->kinds[kind] : NULL;
    const struct link_trace *trace;
    int64_t since_ms;

    if (!of || of->count == 0) {
        link_draw_past(&context->link, kind, times, world_draw(session, DRAW_LINK), steps);
        return;
    }
    trace = &of->traces[world_draw(session, DRAW_TRACE) % of->count];
    since_ms = context->ts_ms - world_request_ms(world, user, context->hour, 0);
    link_replay_past(
        &context->link, trace,
        world_draw(session, DRAW_OFFSET) % trace->seconds + (uint64_t)(since_ms / 1000), times);
}

void world_link_past(const struct world *world, const struct world_user *user,
                     struct world_context *context)
{
    static const double times[] = {[NET_WIFI] = 6, [NET_5G] = 10, [NET_4G] = 4, [NET_3G] = 1};
    static const double rtt_ms[] = {[NET_WIFI] = 25, [NET_5G] = 25, [NET_4G] = 50, [NET_3G] = 120};
    uint64_t hash =
        world_hash(world->seed, TAG_REQUEST, user->id,
                   (uint64_t)context->hour * 8 + context->request, (uint64_t)world->options.site);
    struct link *link = &context->link;
    double unlucky = pow(draw(hash, DRAW_LOSS), 4);
    enum link_kind kind = context->net == NET_WIFI          ? LINK_BROADBAND
                          : context->place == PLACE_COMMUTE ? user->transport
                                                            : LINK_OBOE;

    start_link(world, user, context, kind, times[context->net], world_draw(hash, DRAW_STEPS));
    link->rtt_ms =
        world_round(rtt_ms[context->net] * exp(.4 * world_normal(world_draw(hash, DRAW_RTT))) *
                        (1 + 2 / (1 + link->mean)),
                    10);
    link->loss = world_round(.002 + .03 * unlucky * (context->net == NET_WIFI ? .5 : 1) *
                                        (context->place == PLACE_COMMUTE ? 2 : 1),
                             100000);
    link->mean = world_round(link->mean, 1000);
    link->q20 = fmax(world_round(link->q20, 1000), .001); /* a logarithm is taken of it */
}

void world_link_next(struct world_context *context)
{
    link_next(&context->link);
}
