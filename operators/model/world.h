/* world: users, items, requests and their circumstances in the generated world. Everything is a
 * function of the options and of numbers (user, hour, request; slot, generation), so that any subtask
 * can make any part, in any order, as often as it likes. A hour is counted from 2025-01-01 00:00, a
 * day likewise; local time is UTC.
 * What is measured (throughput, weights, lengths) is rounded as a log would have it, so that no figure
 * hangs on the last bit of a library function.
 * The draws are those of world_hash.h; what follows a click is in world_choice.h. */
#ifndef MILLRACE_MODEL_WORLD_H
#define MILLRACE_MODEL_WORLD_H

#include "operators/model/link.h"
#include "operators/model/world_calendar.h"
#include "operators/model/world_options.h"

#include <math.h>

#define WORLD_D 8u
#define WORLD_CATEGORIES 12u
#define WORLD_CENTRES 16u
#define WORLD_FORMS 3u
#define WORLD_CITIES 30u
#define WORLD_REGIONS 8u
#define WORLD_COUNTRIES 3u
#define WORLD_REQUESTS_MAX 6u /* of a session */

enum world_form { FORM_LIGHT, FORM_MEDIUM, FORM_HEAVY };
enum world_place { PLACE_HOME, PLACE_WORK, PLACE_COMMUTE, PLACE_OUT, PLACE_TRAVEL };
enum world_net { NET_WIFI, NET_5G, NET_4G, NET_3G };
enum world_stage { STAGE_NEW, STAGE_ACTIVE, STAGE_LAPSING };

extern const char *const world_form_names[]; /* each ends with NULL */
extern const char *const world_place_names[];
extern const char *const world_net_names[];
extern const char *const world_stage_names[];

struct world_day {
    int32_t weekday, day_of_year; /* 0 is Monday; from 1 */
    struct world_holiday holiday[WORLD_COUNTRIES];
};

/* Open for reading; nothing changes after world_init but what is said below. */
struct world {
    struct world_options options;
    uint64_t seed;
    float category[WORLD_CATEGORIES][WORLD_D]; /* unit vectors */
    float centre[WORLD_CENTRES][WORLD_D];
    double city_until[WORLD_CITIES]; /* cumulated shares */
    double hours[24];                /* sessions of an hour over those of a day */
    double hours_max;     /* no user's share of an hour is higher, life cycle and weekend in it */
    double demand[2][24]; /* expected over mean: weekdays, weekends */
    const struct link_traces *traces; /* set after world_init; NULL: all links are drawn */
    struct world_day days[];          /* from options.first_day */
};
size_t world_size(const struct world_options *options);
/* `world`: world_size bytes, such as of op_memory. The options have passed world_options_check. */
void world_init(struct world *world, const struct world_options *options);

/* What an effect is multiplied by on a day. */
double world_effect_at(const struct world *world, enum world_effect effect, int64_t day);

/* ---- users: 0 to options.users - 1 ---- */
struct world_user {
    uint32_t id;
    int32_t join_day; /* INT32_MIN: before all time */
    float base[WORLD_D], pole[2][WORLD_D];
    double drift_days;             /* period */
    double rate;                   /* sessions a day */
    double shift_hours;            /* of the day's habit */
    double sensitivity;            /* standard normal: see world_sensitivity */
    int32_t city, region, country; /* home */
    int32_t plan_gb;               /* 0: unlimited */
    enum link_kind transport;
    bool commuter, capable_5g;
    uint64_t sessions; /* draws of its hours */
};
void world_user_make(const struct world *world, uint32_t user, struct world_user *made);

/* A unit vector; `day` since 2025-01-01, with its fraction. */
void world_taste(const struct world *world, const struct world_user *user, double day,
                 float taste[WORLD_D]);
/* What multiplies the user's environment terms on a day: exp(k N(0, .4) - .08 k^2). */
double world_sensitivity(const struct world *world, const struct world_user *user, int64_t day);
int32_t world_region_of(int32_t city);
int32_t world_country_of(int32_t region);

/* ---- items: a slot's generations follow one another ---- */
struct world_item {
    int64_t id;                          /* generation x WORLD_ITEMS_MAX + slot */
    int64_t generation, born_ms, end_ms; /* half-open, Unix */
    uint32_t slot;
    int32_t category;
    enum world_form form;
    float vector[WORLD_D];
    double quality;
    double weight;    /* video: native rate, Mbit/s; otherwise Mbit of the page */
    double seconds;   /* to see or read it all */
    double age_steps; /* of 1e-4, a ms */
};
int64_t world_generation(const struct world *world, uint32_t slot, int64_t ts_ms); /* that lives */
void world_item_make(const struct world *world, uint32_t slot, int64_t generation,
                     struct world_item *made);

static inline double world_item_age(const struct world_item *item, int64_t ts_ms) /* over life */
{
    return rint((double)(ts_ms - item->born_ms) * item->age_steps) / 1e4;
}

static inline uint32_t world_item_slot(int64_t id)
{
    return (uint32_t)(id % WORLD_ITEMS_MAX);
}

static inline int64_t world_item_generation(int64_t id)
{
    return id / WORLD_ITEMS_MAX;
}

/* The item that lives in a slot, by a table of options.items items, zeroed at first: what it holds
 * follows from the world alone. */
static inline const struct world_item *world_item_at(const struct world *world,
                                                     struct world_item *table, uint32_t slot,
                                                     int64_t ts_ms)
{
    struct world_item *item = &table[slot];

    if (ts_ms < item->born_ms || ts_ms >= item->end_ms)
        world_item_make(world, slot, world_generation(world, slot, ts_ms), item);
    return item;
}

/* ---- requests: (user, hour, request) ---- */
/* Requests of a user in an hour; mostly 0. All of one session. */
uint32_t world_request_count(const struct world *world, const struct world_user *user,
                             int64_t hour);
/* When a request comes: within its hour, ascending in `request`. */
int64_t world_request_ms(const struct world *world, const struct world_user *user, int64_t hour,
                         uint32_t request);

/* rec_id: site << 50 | user << 24 | hour x 8 + request. */
static inline int64_t world_rec_id(enum world_site site, uint32_t user, int64_t hour,
                                   uint32_t request)
{
    return (int64_t)site << 50 | (int64_t)user << 24 | (hour * 8 + request);
}

static inline uint32_t world_rec_user(int64_t rec_id)
{
    return (uint32_t)(rec_id >> 24 & ((1 << 26) - 1));
}

static inline int64_t world_rec_hour(int64_t rec_id)
{
    return (rec_id & ((1 << 24) - 1)) >> 3;
}

static inline uint32_t world_rec_request(int64_t rec_id)
{
    return (uint32_t)(rec_id & 7);
}

struct world_context {
    int64_t ts_ms, hour, day, rec_id, session_id;
    uint32_t user, request;
    int32_t hour_local, weekday, day_of_year;
    struct world_holiday holiday; /* of the user's country */
    enum world_place place;
    int32_t city, region, country; /* city and region: where the user is; country: the home's */
    bool south;                    /* of the equator, where the user is */
    enum world_net net;
    double budget_used; /* of the month's data plan; 0 where unlimited */
    bool budget_low;    /* cellular, and more than .8 is used */
    int32_t battery;    /* 0 to 4: the decoy */
    enum world_stage stage;
    double load;      /* expected demand over capacity */
    struct link link; /* see world_link_past */
};
/* All but the link. */
void world_context_make(const struct world *world, const struct world_user *user, int64_t hour,
                        uint32_t request, struct world_context *context);
/* Then the link as it is known when the request is served: q20, mean, rtt_ms, loss. */
void world_link_past(const struct world *world, const struct world_user *user,
                     struct world_context *context);
/* Then the seconds after it, for link_start. */
void world_link_next(struct world_context *context);

/* Slots of options.candidates different items, spread over all, each equally likely. */
void world_candidates(const struct world *world, const struct world_context *context,
                      uint32_t *slots);

#endif
