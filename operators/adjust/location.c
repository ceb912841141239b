/* adjust/location: moves items up whose class is clicked more in this city than was predicted without
 * knowing it. The parent of a city is its region, which speaks for cities that are seldom met.
 * In: recommendations (`items` with score), or impressions, with columns city and region (numbers from
 * 0). Out: the same with reasons.location. Table `location`: lifts of feature/lift. */
#include "operators/adjust/lifted.h"

static const struct factor location = {
    .name = "location",
    .class = "category",
    .columns = {"city", "region"},
    .kind = LEVEL_NESTED,
    .levels = 30,
    .parents = 8,
    .half_life_ms = 180 * DAY_MS,
};
FACTOR_REGISTER(location);

static const struct factor *const factors[] = {&location};
static const struct table_use location_tables[] = {
    LIFTED_TABLE("location", "Lifts of feature/lift by city."),
    {0},
};

static bool location_describe(struct describe *describe, struct error *err)
{
    return lifted_describe(describe, factors, 1, err);
}

static bool location_open(struct op *op, struct error *err)
{
    return lifted_open(op, factors, 1, err);
}

const struct operator_def adjust_location = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "adjust/location",
    .help = "Adjusts scores by how an item's class is clicked in this city and region.",
    .config_size = sizeof(struct lifted_config),
    .options = lifted_options,
    .inputs = lifted_in,
    .outputs = lifted_out,
    .tables = location_tables,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = location_describe,
    .open = location_open,
    .process = lifted_process,
};
OPERATOR_REGISTER(adjust_location);
