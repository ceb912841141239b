/* adjust/place: moves items up whose class is clicked more at this kind of place (home, work, on the
 * way) than was predicted without knowing the place.
 * In: recommendations (`items` with score), or impressions, with a column place. Out: the same with
 * reasons.place. Table `place`: lifts of feature/lift. For a factor of your own copy this file, and change
 * the names and levels. */
#include "operators/adjust/lifted.h"

static const char *const places[] = {"home", "work", "commute", "out", "travel", NULL};
static const struct factor place = {
    .name = "place",
    .class = "category",
    .columns = {"place"},
    .kind = LEVEL_NUMBER,
    .names = places,
    .half_life_ms = 180 * DAY_MS,
};
FACTOR_REGISTER(place);

static const struct factor *const factors[] = {&place};
static const struct table_use place_tables[] = {
    LIFTED_TABLE("place", "Lifts of feature/lift by place."),
    {0},
};

static bool place_describe(struct describe *describe, struct error *err)
{
    return lifted_describe(describe, factors, 1, err);
}

static bool place_open(struct op *op, struct error *err)
{
    return lifted_open(op, factors, 1, err);
}

const struct operator_def adjust_place = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "adjust/place",
    .help = "Adjusts scores by how an item's class is clicked at this kind of place.",
    .config_size = sizeof(struct lifted_config),
    .options = lifted_options,
    .inputs = lifted_in,
    .outputs = lifted_out,
    .tables = place_tables,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = place_describe,
    .open = place_open,
    .process = lifted_process,
};
OPERATOR_REGISTER(adjust_place);
