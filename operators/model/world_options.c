/* world_options: see world_options.h. The text is written and read by way of the option table. */
#include "operators/model/world_options.h"

#include "operators/model/world_calendar.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *const world_site_names[] = {"shop", "video", "news", NULL};
const char *const world_effect_names[] = {
    "time",    "season",      "holiday", "location",    "place", "network",  "budget",
    "fatigue", "interaction", "drift",   "sensitivity", "habit", "delivery", NULL,
};

#define TIMES(effect)                                                                              \
    .type = OPT_F64, .offset = offsetof(struct world_effects, times[effect]),                      \
    .size = sizeof(double), .def.f64 = 1, .min.f64 = -100, .max.f64 = 100, .life = LIFE_TOLD
#define FROM(effect)                                                                               \
    .type = OPT_I64, .offset = sizeof(int64_t) * (effect), .size = sizeof(int64_t),                \
    .max.i64 = WORLD_DAYS_MAX, .life = LIFE_TOLD

static const struct option from_options[] = {
    {.name = "time", FROM(EFFECT_TIME), .help = "First day of effect.time."},
    {.name = "season", FROM(EFFECT_SEASON), .help = "First day of effect.season."},
    {.name = "holiday", FROM(EFFECT_HOLIDAY), .help = "First day of effect.holiday."},
    {.name = "location", FROM(EFFECT_LOCATION), .help = "First day of effect.location."},
    {.name = "place", FROM(EFFECT_PLACE), .help = "First day of effect.place."},
    {.name = "network", FROM(EFFECT_NETWORK), .help = "First day of effect.network."},
    {.name = "budget", FROM(EFFECT_BUDGET), .help = "First day of effect.budget."},
    {.name = "fatigue", FROM(EFFECT_FATIGUE), .help = "First day of effect.fatigue."},
    {.name = "interaction", FROM(EFFECT_INTERACTION), .help = "First day of effect.interaction."},
    {.name = "drift", FROM(EFFECT_DRIFT), .help = "First day of effect.drift."},
    {.name = "sensitivity", FROM(EFFECT_SENSITIVITY), .help = "First day of effect.sensitivity."},
    {.name = "habit", FROM(EFFECT_HABIT), .help = "First day of effect.habit."},
    {.name = "delivery", FROM(EFFECT_DELIVERY), .help = "First day of effect.delivery."},
    {0},
};

static const struct option effect_options[] = {
    {.name = "time", TIMES(EFFECT_TIME), .help = "Hour and weekend by category."},
    {.name = "season", TIMES(EFFECT_SEASON), .help = "Time of the local year by category."},
    {.name = "holiday", TIMES(EFFECT_HOLIDAY), .help = "Days around holidays by category."},
    {.name = "location", TIMES(EFFECT_LOCATION), .help = "Region and city by category."},
    {.name = "place", TIMES(EFFECT_PLACE), .help = "Home, work, commute, out, travel by category."},
    {.name = "network", TIMES(EFFECT_NETWORK), .help = "Kind of network by form."},
    {.name = "budget", TIMES(EFFECT_BUDGET), .help = "Data plan nearly used up by form."},
    {.name = "fatigue",
     TIMES(EFFECT_FATIGUE),
     .help = "What was shown and not clicked, and what was disliked."},
    {.name = "interaction",
     TIMES(EFFECT_INTERACTION),
     .help = "Factors together, which no single one can tell."},
    {.name = "drift", TIMES(EFFECT_DRIFT), .help = "Tastes wander."},
    {.name = "sensitivity",
     TIMES(EFFECT_SENSITIVITY),
     .help = "Users differ in how far circumstances move them."},
    {.name = "habit",
     TIMES(EFFECT_HABIT),
     .help = "Users have categories of their own for a quarter of the day."},
    {.name = "delivery",
     TIMES(EFFECT_DELIVERY),
     .help = "What starts late or stalls is watched and read less."},
    {.name = "from-day",
     .type = OPT_GROUP,
     FIELD(struct world_effects, from_day),
     .group = from_options,
     .help =
         "{time: 365}: days since 2025-01-01 from which effects are as given; before, they are as "
         "by default. Without it from the beginning."},
    {0},
};

const struct option world_option_table[] = {
    {.name = "site",
     .type = OPT_ENUM,
     FIELD(struct world_options, site),
     .life = LIFE_FIXED,
     .choices = world_site_names,
     .help = "shop: pages of goods that live 180 days; video: clips and films, 90 days; news: "
             "articles, "
             "48 hours."},
    {.name = "seed",
     .type = OPT_I64,
     FIELD(struct world_options, seed),
     .life = LIFE_FIXED,
     .def.i64 = 1,
     .max.i64 = INT64_MAX,
     .help = "Another seed is another world: users, items, visits, effects."},
    {.name = "users",
     .type = OPT_I64,
     FIELD(struct world_options, users),
     .life = LIFE_FIXED,
     .def.i64 = 700,
     .min.i64 = 1,
     .max.i64 = WORLD_USERS_MAX,
     .help = "Users; a quarter of them join during the first 700 days."},
    {.name = "items",
     .type = OPT_I64,
     FIELD(struct world_options, items),
     .life = LIFE_FIXED,
     .def.i64 = 400,
     .min.i64 = 1,
     .max.i64 = WORLD_ITEMS_MAX,
     .help = "Items that live at any time; one that has had its time gives way to a new one."},
    {.name = "candidates",
     .type = OPT_I64,
     FIELD(struct world_options, candidates),
     .life = LIFE_TOLD,
     .def.i64 = 80,
     .min.i64 = 1,
     .max.i64 = WORLD_CANDIDATES_MAX,
     .help = "Items that each request may be answered from, drawn evenly; at most `items`."},
    {.name = "length",
     .type = OPT_I64,
     FIELD(struct world_options, length),
     .life = LIFE_TOLD,
     .def.i64 = 10,
     .min.i64 = 1,
     .max.i64 = WORLD_CANDIDATES_MAX,
     .help = "Items that a request asks for; at most `candidates`."},
    {.name = "first-day",
     .type = OPT_I64,
     FIELD(struct world_options, first_day),
     .life = LIFE_FIXED,
     .max.i64 = WORLD_DAYS_MAX - 1,
     .help = "Where the requests begin, in days since 2025-01-01."},
    {.name = "days",
     .type = OPT_I64,
     FIELD(struct world_options, days),
     .def.i64 = 60,
     .min.i64 = 1,
     .max.i64 = WORLD_DAYS_MAX,
     .help = "Days of requests; the calendar ends with 2035."},
    {.name = "volume-contrast",
     .type = OPT_F64,
     FIELD(struct world_options, volume_contrast),
     .life = LIFE_FIXED,
     .def.f64 = 1.1,
     .max.f64 = 4,
     .help = "How far the hours of the day differ in visits: the busiest has 9 times those of the "
             "quietest with 1.1, about 28 times with 1.7, as many with 0."},
    {.name = "capacity",
     .type = OPT_F64,
     FIELD(struct world_options, capacity),
     .life = LIFE_TOLD,
     .def.f64 = 1.1,
     .min.f64 = 0.01,
     .max.f64 = 1000,
     .help = "What the site can serve, over its mean demand: the column `load` is demand over "
             "capacity."},
    {.name = "effect",
     .type = OPT_GROUP,
     FIELD(struct world_options, effect),
     .group = effect_options,
     .help =
         "{time: 0, season: -1}: what the effects of circumstances on clicks are multiplied by: 0 "
         "is off, -1 turned round, 2 twice as strong; 1 by default. They act in "
         "generator/outcome."},
    {.name = "traces",
     .type = OPT_TEXT,
     FIELD(struct world_options, traces),
     .life = LIFE_TOLD,
     .help = "Folder of link traces to replay in the place of drawn links: files of two columns, "
             "seconds and Mbit/s. A word of the file's or a folder's name tells the kind: metro, "
             "tram, bus, train, car, ferry; broadband (Wi-Fi); oboe (all else). Kinds without one "
             "stay drawn."},
    {0}, /* traces is the last: its value takes the rest of a text */
};

#define TRACES_MAX 1024 /* bytes of the path */
static_assert(WORLD_EFFECTS + 1 == sizeof(world_effect_names) / sizeof(world_effect_names[0]),
              "each effect has its name");

bool world_options_check(const struct world_options *options, struct error *err)
{
    if (options->candidates > options->items)
        return error_set(err, ERROR_CONFIG, "candidates", "lower it, or raise `items`",
                         "%" PRId64 " candidates are more than the %" PRId64 " items",
                         options->candidates, options->items);
    if (options->length > options->candidates)
        return error_set(err, ERROR_CONFIG, "length", "lower it, or raise `candidates`",
                         "a list of %" PRId64 " is longer than the %" PRId64 " candidates",
                         options->length, options->candidates);
    if (options->first_day + options->days > WORLD_DAYS_MAX)
        return error_set(err, ERROR_CONFIG, "days", "lower it, or `first-day`",
                         "the calendar ends with 2035, %d days after 2025-01-01", WORLD_DAYS_MAX);
    if (options->traces && strlen(options->traces) > TRACES_MAX)
        return error_set(err, ERROR_CONFIG, "traces", "shorten it",
                         "a path of over %d bytes does not fit into the column `world`",
                         TRACES_MAX);
    return true;
}

/* ---- text ---- */

struct writer {
    char *text;
    size_t size, used;
};

static void put(struct writer *writer, const char *form, const char *prefix, const char *name,
                const char *value)
{
    int more = snprintf(writer->text + writer->used, writer->size - writer->used, form, prefix,
                        name, value);

    CHECK(more >= 0 && (size_t)more < writer->size - writer->used);
    writer->used += (size_t)more;
}

static void put_table(struct writer *writer, const struct option *table, const char *prefix,
                      const void *config)
{
    for (const struct option *option = table; option->name; option++) {
        const void *field = (const char *)config + option->offset;
        char value[64];

        if (option->type == OPT_GROUP) {
            snprintf(value, sizeof(value), "%s%s.", prefix, option->name);
            put_table(writer, option->group, value, field);
            continue;
        }
        if (option->type == OPT_TEXT) {
            const char *text = *(const char *const *)field;
            if (text && text[0])
                put(writer, writer->used ? " %s%s=%s" : "%s%s=%s", prefix, option->name, text);
            continue;
        }
        if (option->type == OPT_ENUM) /* always told */
            snprintf(value, sizeof(value), "%s", option->choices[*(const int32_t *)field]);
        else if (memcmp(field, &option->def, option->size) == 0)
            continue;
        else if (option->type == OPT_F64)
            snprintf(value, sizeof(value), "%.17g", *(const double *)field);
        else
            snprintf(value, sizeof(value), "%" PRId64, *(const int64_t *)field);
        put(writer, writer->used ? " %s%s=%s" : "%s%s=%s", prefix, option->name, value);
    }
}

const char *world_options_text(const struct world_options *options, char *text, size_t size)
{
    struct writer writer = {text, size, 0};

    text[0] = 0;
    put_table(&writer, world_option_table, "", options);
    return text;
}

/* A path such as effect.from-day.time; *config moves to the struct it is in. */
static const struct option *find(char *path, void **config)
{
    const struct option *table = world_option_table, *option = NULL;

    for (char *step; (step = strsep(&path, "."));) {
        option = option_find(table, step);
        if (!option || (option->type == OPT_GROUP) == !path)
            return NULL;
        if (!path)
            break;
        *config = (char *)*config + option->offset;
        table = option->group;
    }
    return option;
}

static bool read_pair(struct world_options *options, char *pair, struct arena *arena,
                      struct error *err)
{
    char *equals = strchr(pair, '=');
    void *config = options;
    const struct option *option;

    if (equals)
        *equals = 0;
    option = equals ? find(pair, &config) : NULL;
    if (!option)
        return error_set(err, ERROR_CONFIG, "column world", "take it as source/generator gave it",
                         "\"%s\" is no option of a world", pair);
    return option_parse(option, equals + 1, config, arena, err) || error_wrap(err, "column world");
}

/* The next pair; the value of the last may have spaces. */
static char *next_pair(char **rest)
{
    char *pair = *rest;

    if (strncmp(pair, "traces=", 7) != 0)
        return strsep(rest, " ");
    *rest = NULL;
    return pair;
}

bool world_options_read(struct world_options *options, const char *text, size_t size,
                        struct arena *arena, struct error *err)
{
    struct world_options made = {0};
    char *rest = arena_copy(arena, text, size);
    bool good = size < WORLD_OPTIONS_TEXT_MAX && !memchr(text, 0, size);

    if (!good)
        error_set(err, ERROR_CONFIG, "column world", "take it as source/generator gave it",
                  "the text has %u bytes or more, or a 0 byte", WORLD_OPTIONS_TEXT_MAX);
    option_defaults(world_option_table, &made);
    while (good && rest)
        good = read_pair(&made, next_pair(&rest), arena, err);
    good = good && (world_options_check(&made, err) || error_wrap(err, "column world"));
    if (good)
        *options = made;
    return good;
}
