/* world_choice: see world_choice.h. */
#include "operators/model/world_choice.h"

#include "runtime/base/memory.h"

#include <math.h>
#include <stdlib.h>

#define CATEGORIES WORLD_CATEGORIES
#define YEAR_DAYS 367 /* a day of the year is 1 to 366 */
#define NEAR_DAYS (WORLD_HOLIDAY_BEFORE + WORLD_HOLIDAY_AFTER + 1)
#define PLACES 5
#define GIFTS 3u  /* categories below are bought before holidays */
#define FEASTS 5u /* the next ones around them */

/* Constants of a site. */
struct choice_site {
    double bias, aging, conversion, season;
};
static const struct choice_site sites[WORLD_SITES] = {
    [SITE_SHOP] = {-2.95, 0.15, -4.3, 1},
    [SITE_VIDEO] = {-2.95, 0.5, -3.4, 0.6},
    [SITE_NEWS] = {-2.75, 1.3, -3.4, 0.6},
};
/* log-odds, light, medium, heavy: on Wi-Fi, 5G, 4G, 3G; and while the data budget is low. */
static const double network_terms[4][WORLD_FORMS] = {
    {0, 0, 0}, {.03, 0, -.10}, {.10, -.05, -.37}, {.20, -.20, -.90}};
static const double budget_terms[WORLD_FORMS] = {.05, -.15, -.50};

const char *const choice_terms[CHOICE_TERMS] = {"base",        "time",        "season",  "holiday",
                                                "location",    "place",       "network", "budget",
                                                "sensitivity", "interaction", "habit",   "fatigue"};

struct choice { /* terms by level, then category */
    const struct world *world;
    const struct choice_site *site;
    double taste;                            /* g */
    double time[2][24][CATEGORIES];          /* weekdays, weekends */
    double season[2][YEAR_DAYS][CATEGORIES]; /* north, south */
    double holiday[WORLD_HOLIDAYS][NEAR_DAYS][CATEGORIES];
    double location[WORLD_CITIES][CATEGORIES];
    double place[PLACES][CATEGORIES];
};

static const double no_terms[CATEGORIES];

/* ---- the tables ---- */

static uint64_t draw(const struct choice *choice, enum world_tag tag, uint32_t category, uint64_t k)
{
    return world_hash(choice->world->seed, tag, category, k, (uint64_t)choice->world->options.site);
}

static double normal(const struct choice *choice, enum world_tag tag, uint32_t category, uint64_t k)
{
    return world_normal(draw(choice, tag, category, k));
}

/* N(0, .22) of a daily and N(0, .1) of a half-daily wave, their peaks anywhere; N(0, .1) at weekends,
 * -.4 of it on other days. */
static void make_time(struct choice *choice, uint32_t c)
{
    double daily = .22 * normal(choice, TAG_TIME, c, 0);
    double half = .10 * normal(choice, TAG_TIME, c, 1),
           weekend = .1 * normal(choice, TAG_TIME, c, 2);
    double peak = 24 * hash_positive(draw(choice, TAG_TIME, c, 3));
    double half_peak = 12 * hash_positive(draw(choice, TAG_TIME, c, 4));

    for (int hour = 0; hour < 24; hour++) {
        double wave = daily * cos(2 * M_PI * (hour - peak) / 24) +
                      half * cos(2 * M_PI * (hour - half_peak) / 12);
        choice->time[0][hour][c] = wave - .4 * weekend;
        choice->time[1][hour][c] = wave + weekend;
    }
}

/* One wave a year, large for 40 % of the categories (of queries: 39 %); half a year later in the
 * south. */
static void make_season(struct choice *choice, uint32_t c)
{
    double amplitude = hash_positive(draw(choice, TAG_SEASON, c, 0)) < .4 ? .45 : .08;
    double peak = 365 * hash_positive(draw(choice, TAG_SEASON, c, 1));

    for (int south = 0; south < 2; south++)
        for (int day = 0; day < YEAR_DAYS; day++)
            choice->season[south][day][c] = amplitude * choice->site->season *
                                            cos(2 * M_PI * (day - peak - south * 182.5) / 365);
}

/* Gifts are looked for more and more up to three days before, then there is no time left; feasts from
 * two days before to six after; the rest waits a little. */
static double holiday_shape(uint32_t category, double amplitude, int32_t days)
{
    if (category < GIFTS) {
        if (days <= -3)
            return amplitude * (days + 21) * (days + 21) / (18. * 18);
        return days <= 0 ? amplitude * (.25 - .25 * days) : 0;
    }
    if (category < FEASTS)
        return amplitude * fmax(0, 1 - abs(days - 2) / 4.);
    return -.06;
}

static void make_holiday(struct choice *choice, uint32_t c)
{
    for (uint32_t holiday = 0; holiday < WORLD_HOLIDAYS; holiday++) {
        double amplitude = .8 + .15 * fabs(normal(choice, TAG_HOLIDAY, c, holiday));
        if (c >= GIFTS)
            amplitude = .45 + .1 * hash_positive(draw(choice, TAG_HOLIDAY, c, holiday));
        for (int32_t i = 0; i < NEAR_DAYS; i++)
            choice->holiday[holiday][i][c] = holiday_shape(c, amplitude, i - WORLD_HOLIDAY_BEFORE);
    }
}

static void make_places(struct choice *choice, uint32_t c)
{
    for (uint32_t city = 0; city < WORLD_CITIES; city++) {
        uint64_t region = (uint64_t)world_region_of((int32_t)city);
        choice->location[city][c] = .18 * normal(choice, TAG_LOCATION, c, region) +
                                    .10 * normal(choice, TAG_LOCATION, c, 64 + city);
    }
    for (uint32_t place = 0; place < PLACES; place++)
        choice->place[place][c] = .12 * normal(choice, TAG_PLACE, c, place);
}

struct choice *choice_create(const struct world *world)
{
    struct choice *choice = memory_new(sizeof(*choice));

    choice->world = world;
    choice->site = &sites[world->options.site];
    choice->taste = .7 * sqrt(WORLD_D);
    for (uint32_t c = 0; c < CATEGORIES; c++) {
        make_time(choice, c);
        make_season(choice, c);
        make_holiday(choice, c);
        make_places(choice, c);
    }
    return choice;
}

void choice_close(struct choice *choice)
{
    memory_free(choice);
}

void choice_user_make(const struct choice *choice, uint32_t user, struct choice_user *made)
{
    for (uint32_t quarter = 0; quarter < 4; quarter++)
        for (uint32_t c = 0; c < CATEGORIES; c++)
            made->habit[quarter][c] =
                .25 * world_normal(world_hash(choice->world->seed, TAG_HABIT, user, quarter, c));
}

/* ---- a request ---- */

static void find_rows(const struct choice *choice, const struct choice_user *habits,
                      const struct world_context *context, struct choice_request *made)
{
    int32_t near = context->holiday.days + WORLD_HOLIDAY_BEFORE;

    made->rows[TERM_BASE] = no_terms;
    made->rows[TERM_TIME] = choice->time[context->weekday >= 5][context->hour_local];
    made->rows[TERM_SEASON] = choice->season[context->south][context->day_of_year];
    made->rows[TERM_HOLIDAY] =
        context->holiday.holiday < 0 ? no_terms : choice->holiday[context->holiday.holiday][near];
    made->rows[TERM_LOCATION] = choice->location[context->city];
    made->rows[TERM_PLACE] = choice->place[context->place];
    made->habit = habits->habit[context->hour_local / 6];
    made->network = network_terms[context->net];
    made->budget_low = context->budget_low;
    made->tired_commute = context->place == PLACE_COMMUTE && context->hour_local >= 17;
    made->idle_work = context->place == PLACE_WORK && context->net != NET_WIFI;
}

void choice_request_make(const struct choice *choice, const struct world_user *user,
                         const struct choice_user *habits, const struct world_context *context,
                         struct choice_request *made)
{
    const struct world *world = choice->world;

    made->world = world;
    made->choice = choice;
    made->user = user->id;
    made->key = (uint64_t)context->hour * 8 + context->request;
    made->ts_ms = context->ts_ms;
    for (uint32_t i = 0; i < WORLD_EFFECTS; i++)
        made->strength[i] = world_effect_at(world, (enum world_effect)i, context->day);
    made->sensitivity = world_sensitivity(world, user, context->day);
    world_taste(world, user, (double)(context->ts_ms - WORLD_DAY0_MS) / (double)WORLD_DAY_MS,
                made->taste);
    find_rows(choice, habits, context, made);
    for (uint32_t c = 0; c < CATEGORIES; c++) {
        double sum = 0;
        for (uint32_t term = TERM_TIME; term <= TERM_PLACE; term++)
            sum += made->strength[term - TERM_TIME + EFFECT_TIME] * made->rows[term][c];
        made->in_category[c] = sum;
        made->out_category[c] = made->strength[EFFECT_HABIT] * made->habit[c];
    }
    for (uint32_t form = 0; form < WORLD_FORMS; form++)
        made->in_form[form] =
            made->strength[EFFECT_NETWORK] * made->network[form] +
            (made->budget_low ? made->strength[EFFECT_BUDGET] * budget_terms[form] : 0);
}

/* ---- an item ---- */

/* What no factor alone can express: heavy content on the way home, leisure at work off Wi-Fi. */
static double interaction(const struct choice_request *request, const struct world_item *item)
{
    double sum = request->tired_commute && item->form == FORM_HEAVY ? -.4 : 0;

    return request->idle_work && item->category < 2 ? sum + .3 : sum;
}

/* Log-odds for unclicked impressions and dislikes. */
static double tiredness(const struct choice_past *past)
{
    return -.22 * fmin(past->item, 5) - .015 * fmin(past->category, 20) -
           1.0 * fmin(past->dislikes, 2);
}

static double taste_of(const struct choice_request *request, const struct world_item *item)
{
    float sum = 0;

    for (uint32_t i = 0; i < WORLD_D; i++)
        sum += request->taste[i] * item->vector[i];
    return request->choice->taste * (double)sum;
}

double choice_standing(const struct choice_request *request, const struct world_item *item)
{
    const struct choice_site *site = request->choice->site;

    return site->bias + item->quality - site->aging * world_item_age(item, request->ts_ms);
}

struct choice_item choice_item_make(const struct choice_request *request,
                                    const struct world_item *item, const struct choice_past *past)
{
    struct choice_item made = {.taste = taste_of(request, item)};
    double inside = request->in_category[item->category] + request->in_form[item->form];

    made.theta = request->sensitivity * inside + request->out_category[item->category] +
                 request->strength[EFFECT_INTERACTION] * interaction(request, item);
    made.x = choice_standing(request, item) + made.taste + made.theta +
             request->strength[EFFECT_FATIGUE] * tiredness(past);
    return made;
}

void choice_item_terms(const struct choice_request *request, const struct world_item *item,
                       const struct choice_past *past, double terms[CHOICE_TERMS])
{
    const double *strength = request->strength;
    double inside = 0;

    terms[TERM_BASE] = choice_standing(request, item) + taste_of(request, item);
    for (uint32_t term = TERM_TIME; term <= TERM_PLACE; term++)
        terms[term] =
            strength[term - TERM_TIME + EFFECT_TIME] * request->rows[term][item->category];
    terms[TERM_NETWORK] = strength[EFFECT_NETWORK] * request->network[item->form];
    terms[TERM_BUDGET] =
        request->budget_low ? strength[EFFECT_BUDGET] * budget_terms[item->form] : 0;
    for (uint32_t term = TERM_TIME; term <= TERM_BUDGET; term++)
        inside += terms[term];
    terms[TERM_SENSITIVITY] = (request->sensitivity - 1) * inside;
    terms[TERM_INTERACTION] = strength[EFFECT_INTERACTION] * interaction(request, item);
    terms[TERM_HABIT] = request->out_category[item->category];
    terms[TERM_FATIGUE] = strength[EFFECT_FATIGUE] * tiredness(past);
}

double choice_examination(uint32_t position)
{
    return 1 / sqrt(position);
}

double choice_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

double choice_dislike(const struct choice_item *item, uint32_t position)
{
    return fmin(1, .006 * choice_examination(position) * exp(-item->taste));
}

double choice_luck(const struct choice_request *request, enum world_tag tag,
                   const struct world_item *item)
{
    return hash_positive(
        world_hash(request->world->seed, tag, request->user, request->key, (uint64_t)item->id));
}

/* ---- content on a link ---- */

static bool is_video(const struct choice_request *request)
{
    return request->world->options.site == SITE_VIDEO;
}

/* What is left of a figure that delivery multiplies by `factor`, at the effect's strength. */
static double left_over(const struct choice_request *request, double factor)
{
    return fmax(0, 1 + request->strength[EFFECT_DELIVERY] * (factor - 1));
}

/* A better picture is watched longer; a light page is read a little less. */
static double worth(const struct choice_request *request, double bitrate, double variant)
{
    if (is_video(request))
        return 1 + .06 * log2(bitrate / 1.6);
    return variant < 1 ? .97 : 1;
}

/* A video that fails keeps .2 of its seconds, and of what is sustained r^1.5; a page that fails keeps
 * half of its reading and conversion. */
struct choice_play choice_play_make(const struct choice_request *request, const struct link *link,
                                    double bitrate, double variant)
{
    struct choice_play play = {.keep_conversion = 1};

    if (is_video(request)) {
        play.start = link_start(link, bitrate, 2 * bitrate);
        play.started = play.start.start_s <= LINK_FAIL_S;
        play.keep_seconds =
            left_over(request, (play.started ? 1 : .2) * pow(play.start.share, 1.5));
    } else {
        play.start = link_start(link, 0, bitrate);
        play.started = play.start.start_s <= LINK_FAIL_S;
        play.keep_seconds = play.keep_conversion = left_over(request, play.started ? 1 : .5);
    }
    play.keep_seconds *= worth(request, bitrate, variant);
    return play;
}

struct choice_play choice_play_cached(const struct choice_request *request, double bitrate,
                                      double variant)
{
    return (struct choice_play){.start = {0, 1},
                                .started = true,
                                .keep_seconds = worth(request, bitrate, variant),
                                .keep_conversion = 1};
}

double choice_variant(const struct choice_request *request, const struct world_item *item,
                      enum world_net net)
{
    static const double most[] = {[NET_WIFI] = INFINITY, [NET_5G] = INFINITY, 1.6, .8};
    double share = 1;

    while (is_video(request) && share > .125 && share * item->weight > most[net])
        share /= 2;
    return share;
}

/* The buffer holds two seconds when it starts; it stands still while less than one is there. */
struct choice_stalls choice_stalls_make(const struct link *link, double bitrate, double start_s,
                                        double seconds)
{
    struct choice_stalls stalls = {0};
    double buffer = 2, played = 0;
    bool still = false;

    for (uint32_t s = (uint32_t)ceil(start_s); s < LINK_NEXT && played < seconds; s++) {
        buffer += link->mbits[LINK_PAST + s] / (1 + 12 * link->loss) / bitrate;
        if (buffer >= 1) {
            buffer -= 1;
            played += 1;
            still = false;
            continue;
        }
        stalls.count += !still;
        stalls.seconds += 1;
        still = true;
    }
    return stalls;
}

/* ---- after a click ---- */

double choice_conversion(const struct choice_request *request, const struct choice_item *item,
                         const struct choice_play *play)
{
    return choice_sigmoid(request->choice->site->conversion + .6 * item->taste + .6 * item->theta) *
           play->keep_conversion;
}

double choice_fraction(const struct choice_item *item)
{
    return choice_sigmoid(.3 + .6 * item->taste + .3 * item->theta);
}

double choice_share_draw(double mean, double u)
{
    return pow(u, (1 - mean) / mean);
}
