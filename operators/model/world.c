/* world: see world.h. What all entities share: vectors, shares of cities and hours, days. */
#include "operators/model/world_hash.h"
#include "operators/model/world_parts.h"

const char *const world_form_names[] = {"light", "medium", "heavy", NULL};
const char *const world_place_names[] = {"home", "work", "commute", "out", "travel", NULL};
const char *const world_net_names[] = {"wifi", "5g", "4g", "3g", NULL};
const char *const world_stage_names[] = {"new", "active", "lapsing", NULL};

/* Visits by local hour: low at 4 h, high in the evening. */
static const double hours[24] = {.45, .25, .14, .10, .09, .12, .30, .62, .80, .72, .70, .78,
                                 .95, .85, .72, .70, .72, .80, .90, 1.0, 1.1, 1.1, .95, .70};

size_t world_size(const struct world_options *options)
{
    return sizeof(struct world) + (size_t)options->days * sizeof(struct world_day);
}

static void init_vectors(struct world *world)
{
    for (uint32_t i = 0; i < WORLD_CENTRES; i++)
        world_unit(world_hash(world->seed, TAG_CENTRE, 0, i, 0), 0, NULL, 1, world->centre[i],
                   WORLD_D);
    for (uint32_t i = 0; i < WORLD_CATEGORIES; i++)
        world_unit(world_hash(world->seed, TAG_CENTRE, 1, i, 0), 0, NULL, 1, world->category[i],
                   WORLD_D);
}

static void init_cities(struct world *world)
{
    double sum = 0;

    for (uint32_t city = 0; city < WORLD_CITIES; city++)
        sum += world->city_until[city] = 1.0 / (city + 2);
    for (uint32_t city = 0; city < WORLD_CITIES; city++)
        world->city_until[city] =
            world->city_until[city] / sum + (city ? world->city_until[city - 1] : 0);
}

/* Demand: the habits of all users, whose days are shifted against each other. */
static void init_hours(struct world *world)
{
    double sum = 0, weight = 0, week = 5 + 2 * WORLD_WEEKEND, highest = 0;

    for (uint32_t hour = 0; hour < 24; hour++)
        sum += world->hours[hour] = pow(hours[hour], world->options.volume_contrast);
    for (uint32_t hour = 0; hour < 24; hour++) {
        world->hours[hour] /= sum;
        highest = fmax(highest, world->hours[hour]);
    }
    world->hours_max = highest * WORLD_NEW * WORLD_WEEKEND;
    for (int32_t z = -40; z <= 40; z++)
        weight += exp(-z * z / 200.0);
    for (uint32_t hour = 0; hour < 24; hour++) {
        double mean = 0;

        for (int32_t z = -40; z <= 40; z++)
            mean += exp(-z * z / 200.0) / weight *
                    world_hour_share(world, hour - WORLD_SHIFT_HOURS * z / 10.0);
        world->demand[0][hour] = mean * 24 * 7 / week;
        world->demand[1][hour] = mean * 24 * 7 / week * WORLD_WEEKEND;
    }
}

static void init_days(struct world *world)
{
    for (int64_t i = 0; i < world->options.days; i++) {
        struct world_day *day = &world->days[i];

        day->weekday = world_weekday(world->options.first_day + i);
        day->day_of_year = world_day_of_year(world->options.first_day + i);
        for (int32_t country = 0; country < (int32_t)WORLD_COUNTRIES; country++)
            day->holiday[country] = world_holiday_near(world->options.first_day + i, country);
    }
}

void world_init(struct world *world, const struct world_options *options)
{
    world->options = *options;
    world->seed = (uint64_t)options->seed;
    init_vectors(world);
    init_cities(world);
    init_hours(world);
    init_days(world);
}

double world_effect_at(const struct world *world, enum world_effect effect, int64_t day)
{
    const struct world_effects *effects = &world->options.effect;

    return day < effects->from_day[effect] ? 1 : effects->times[effect];
}

double world_hour_share(const struct world *world, double hour)
{
    double at = hour < 0 ? hour + 24 : hour >= 24 ? hour - 24 : hour;
    uint32_t before = (uint32_t)at % 24;
    double part = at - floor(at);

    CHECK(at >= 0 && at < 24);
    return world->hours[before] * (1 - part) + world->hours[(before + 1) % 24] * part;
}

/* One of each of as many equal stretches of the ring of slots, which begins anywhere: then each slot
 * is as likely as any other. */
void world_candidates(const struct world *world, const struct world_context *context,
                      uint32_t *slots)
{
    uint64_t items = (uint64_t)world->options.items, count = (uint64_t)world->options.candidates;
    uint64_t hash =
        world_hash(world->seed, TAG_CANDIDATES, context->user,
                   (uint64_t)context->hour * 8 + context->request, (uint64_t)world->options.site);
    uint64_t ring = (hash >> 32) * items >> 32, begin = 0;

    for (uint64_t i = 0; i < count; i++) {
        uint64_t end = (i + 1) * items / count, draw = world_draw(hash, i) >> 32;
        uint64_t slot = ring + begin + ((draw * (end - begin)) >> 32);

        slots[i] = (uint32_t)(slot < items ? slot : slot - items);
        begin = end;
    }
}
