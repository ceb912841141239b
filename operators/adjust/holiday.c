/* adjust/holiday: moves items up whose class is clicked more so many days before or after a holiday
 * than was predicted without knowing it. The parent of a holiday's bin is that bin of all holidays.
 * In: recommendations (`items` with score), or impressions, with columns holiday (one of
 * spring-festival, dragon-boat, mid-autumn, christmas, 11-11, 6-18, or of `names`; or its number) and
 * holiday_days (negative before it), as feature/calendar gives them.
 * Out: the same with reasons.holiday. Table `holiday`: lifts of feature/lift. */
#include "operators/adjust/lifted.h"

static const char *const names[] = {"spring-festival", "dragon-boat", "mid-autumn", "christmas",
                                    "11-11",           "6-18",        NULL};
static const struct factor holiday = {
    .name = "holiday",
    .class = "category",
    .columns = {"holiday", "holiday_days"},
    .kind = LEVEL_HOLIDAY,
    .names = names,
    .half_life_ms = 1500 * DAY_MS,
};
FACTOR_REGISTER(holiday);

static const struct factor *const factors[] = {&holiday};
static const struct table_use holiday_tables[] = {
    LIFTED_TABLE("holiday", "Lifts of feature/lift by holiday."),
    {0},
};

static bool holiday_describe(struct describe *describe, struct error *err)
{
    return lifted_describe(describe, factors, 1, err);
}

static bool holiday_open(struct op *op, struct error *err)
{
    return lifted_open(op, factors, 1, err);
}

const struct operator_def adjust_holiday = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "adjust/holiday",
    .help = "Adjusts scores by how an item's class is clicked around this holiday.",
    .config_size = sizeof(struct lifted_config),
    .options = lifted_options,
    .inputs = lifted_in,
    .outputs = lifted_out,
    .tables = holiday_tables,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = holiday_describe,
    .open = holiday_open,
    .process = lifted_process,
};
OPERATOR_REGISTER(adjust_holiday);
