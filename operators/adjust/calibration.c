/* adjust/calibration: what the base gets wrong about classes of items, apart for lists that were
 * chosen (for their errors, too: they promise too much) and lists at random. Use it with
 * `served: false`: it is not served, but counted in where factors are learnt, so that these errors do
 * not leak into them.
 * In: recommendations (`items` with score), or impressions, with a column explore. Out: the same with
 * shadow.calibration. Table `calibration`: lifts of feature/lift. */
#include "operators/adjust/lifted.h"

static const struct factor calibration = {
    .name = "calibration",
    .class = "category",
    .columns = {"explore"},
    .kind = LEVEL_NUMBER,
    .levels = 2,
    .half_life_ms = 30 * DAY_MS,
};
FACTOR_REGISTER(calibration);

static const struct factor *const factors[] = {&calibration};
static const struct table_use calibration_tables[] = {
    LIFTED_TABLE("calibration", "Lifts of feature/lift by lists chosen and at random."),
    {0},
};

static bool calibration_describe(struct describe *describe, struct error *err)
{
    return lifted_describe(describe, factors, 1, err);
}

static bool calibration_open(struct op *op, struct error *err)
{
    return lifted_open(op, factors, 1, err);
}

const struct operator_def adjust_calibration = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "adjust/calibration",
    .help = "Computes what the base gets wrong, so that factors do not learn it.",
    .config_size = sizeof(struct lifted_config),
    .options = lifted_options,
    .inputs = lifted_in,
    .outputs = lifted_out,
    .tables = calibration_tables,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = calibration_describe,
    .open = calibration_open,
    .process = lifted_process,
};
OPERATOR_REGISTER(adjust_calibration);
