/* world_user: the users of the generated world; see world.h. Traits are the same on all sites. */
#include "operators/model/world_hash.h"
#include "operators/model/world_parts.h"

#define OLD 0.75 /* share of users who were there before all time */
#define JOIN_DAYS 700
#define NEW_DAYS 14
#define LAPSE_DAYS 45
#define LAPSING 0.12
#define PLAN_DAYS 30

enum {
    DRAW_CENTRE,
    DRAW_BASE,
    DRAW_POLES,
    DRAW_PERIOD = DRAW_POLES + 2,
    DRAW_RATE,
    DRAW_OLD,
    DRAW_JOIN,
    DRAW_CITY,
    DRAW_SHIFT,
    DRAW_COMMUTER,
    DRAW_TRANSPORT,
    DRAW_5G,
    DRAW_PLAN,
    DRAW_PLAN_DAY,
    DRAW_SENSITIVITY,
};

int32_t world_region_of(int32_t city)
{
    return city % (int32_t)WORLD_REGIONS;
}

int32_t world_country_of(int32_t region)
{
    return region < 5 ? 0 : region < 7 ? 1 : 2;
}

int32_t world_city(const struct world *world, double share)
{
    int32_t city = 0;

    while (city + 1 < (int32_t)WORLD_CITIES && share >= world->city_until[city])
        city++;
    return city;
}

static uint64_t draws_of(const struct world *world, uint32_t user)
{
    return world_hash(world->seed, TAG_USER, user, 0, 0);
}

int64_t world_plan_day(const struct world *world, uint32_t user)
{
    return (int64_t)(hash_positive(world_draw(draws_of(world, user), DRAW_PLAN_DAY)) * PLAN_DAYS);
}

static void make_taste(const struct world *world, uint64_t draws, struct world_user *made)
{
    uint32_t centre = (uint32_t)(world_draw(draws, DRAW_CENTRE) % WORLD_CENTRES);

    world_unit(world_draw(draws, DRAW_BASE), 0.8, world->centre[centre], 0.3, made->base, WORLD_D);
    for (uint32_t pole = 0; pole < 2; pole++)
        world_unit(world_draw(draws, DRAW_POLES + pole), 1, made->base, 0.28, made->pole[pole],
                   WORLD_D);
    made->drift_days = 4 * (30 + 90 * hash_positive(world_draw(draws, DRAW_PERIOD)));
}

void world_user_make(const struct world *world, uint32_t user, struct world_user *made)
{
    static const int32_t plans_gb[] = {2, 5, 10, 30, 0};
    uint64_t draws = draws_of(world, user);

    made->id = user;
    make_taste(world, draws, made);
    made->join_day = INT32_MIN;
    if (hash_positive(world_draw(draws, DRAW_OLD)) >= OLD)
        made->join_day = (int32_t)(hash_positive(world_draw(draws, DRAW_JOIN)) * JOIN_DAYS);
    made->rate = 0.9 * exp(0.6 * world_normal(world_draw(draws, DRAW_RATE)));
    made->shift_hours = WORLD_SHIFT_HOURS * world_normal(world_draw(draws, DRAW_SHIFT));
    made->sensitivity = world_normal(world_draw(draws, DRAW_SENSITIVITY));
    made->city = world_city(world, hash_positive(world_draw(draws, DRAW_CITY)));
    made->region = world_region_of(made->city);
    made->country = world_country_of(made->region);
    made->plan_gb = plans_gb[world_draw(draws, DRAW_PLAN) % 5];
    made->commuter = hash_positive(world_draw(draws, DRAW_COMMUTER)) < 0.6;
    made->transport = (enum link_kind)(LINK_METRO + world_draw(draws, DRAW_TRANSPORT) % 5);
    made->capable_5g = hash_positive(world_draw(draws, DRAW_5G)) < 0.45;
    made->sessions = world_hash_of(world->seed, TAG_SESSION, user);
}

void world_taste(const struct world *world, const struct world_user *user, double day,
                 float taste[WORLD_D])
{
    double drift = world_effect_at(world, EFFECT_DRIFT, (int64_t)floor(day));
    double turn = 2 * M_PI * day / user->drift_days, sum = 0;
    double first = 0.7 * drift * sin(turn), second = 0.5 * drift * sin(2.3 * turn);

    for (uint32_t i = 0; i < WORLD_D; i++) {
        double base = (double)user->base[i];
        double at = base + first * ((double)user->pole[0][i] - base) +
                    second * ((double)user->pole[1][i] - base);
        taste[i] = (float)at;
        sum += at * at;
    }
    for (uint32_t i = 0; i < WORLD_D; i++)
        taste[i] = (float)((double)taste[i] / sqrt(sum));
}

double world_sensitivity(const struct world *world, const struct world_user *user, int64_t day)
{
    double times = world_effect_at(world, EFFECT_SENSITIVITY, day);

    return exp(0.4 * times * user->sensitivity - 0.08 * times * times);
}

enum world_stage world_stage_at(const struct world *world, const struct world_user *user,
                                int64_t day)
{
    uint64_t epoch = (uint64_t)(day / LAPSE_DAYS);

    if (user->join_day >= 0 && day < user->join_day + NEW_DAYS)
        return STAGE_NEW;
    return hash_positive(world_hash(world->seed, TAG_LAPSE, user->id, epoch, 0)) < LAPSING
               ? STAGE_LAPSING
               : STAGE_ACTIVE;
}
