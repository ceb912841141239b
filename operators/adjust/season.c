/* adjust/season: moves items up whose class is clicked more in this fortnight of the local year (half
 * a year later in the south) than was predicted without knowing it. A base that learns live follows
 * seasons by itself: this adds what it lags behind.
 * In: recommendations (`items` with score), or impressions, with columns day_of_year (from 1) and
 * hemisphere (north, south). Out: the same with reasons.season.
 * Table `season`: lifts of feature/lift. */
#include "operators/adjust/lifted.h"

static const struct factor season = {
    .name = "season",
    .class = "category",
    .columns = {"day_of_year", "hemisphere"},
    .kind = LEVEL_YEAR,
    .circle = 26,
    .half_life_ms = 540 * DAY_MS,
};
FACTOR_REGISTER(season);

static const struct factor *const factors[] = {&season};
static const struct table_use season_tables[] = {
    LIFTED_TABLE("season", "Lifts of feature/lift by fortnight."),
    {0},
};

static bool season_describe(struct describe *describe, struct error *err)
{
    return lifted_describe(describe, factors, 1, err);
}

static bool season_open(struct op *op, struct error *err)
{
    return lifted_open(op, factors, 1, err);
}

const struct operator_def adjust_season = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "adjust/season",
    .help = "Adjusts scores by how an item's class is clicked in this season.",
    .config_size = sizeof(struct lifted_config),
    .options = lifted_options,
    .inputs = lifted_in,
    .outputs = lifted_out,
    .tables = season_tables,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = season_describe,
    .open = season_open,
    .process = lifted_process,
};
OPERATOR_REGISTER(adjust_season);
