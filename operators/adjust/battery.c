/* adjust/battery: the charge of the device as a factor. The generated world makes it go with the hour
 * and the network and gives it no effect: a factor that must fade by itself.
 * In: recommendations (`items` with score), or impressions, with a column battery (0 to 4). Out: the same
 * with reasons.battery.
 * Table `battery`: lifts of feature/lift. */
#include "operators/adjust/lifted.h"

static const struct factor battery = {
    .name = "battery",
    .class = "category",
    .columns = {"battery"},
    .kind = LEVEL_NUMBER,
    .levels = 5,
    .half_life_ms = 90 * DAY_MS,
};
FACTOR_REGISTER(battery);

static const struct factor *const factors[] = {&battery};
static const struct table_use battery_tables[] = {
    LIFTED_TABLE("battery", "Lifts of feature/lift by charge."),
    {0},
};

static bool battery_describe(struct describe *describe, struct error *err)
{
    return lifted_describe(describe, factors, 1, err);
}

static bool battery_open(struct op *op, struct error *err)
{
    return lifted_open(op, factors, 1, err);
}

const struct operator_def adjust_battery = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "adjust/battery",
    .help = "Adjusts scores by how an item's class is clicked at this charge of the device.",
    .config_size = sizeof(struct lifted_config),
    .options = lifted_options,
    .inputs = lifted_in,
    .outputs = lifted_out,
    .tables = battery_tables,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = battery_describe,
    .open = battery_open,
    .process = lifted_process,
};
OPERATOR_REGISTER(adjust_battery);
