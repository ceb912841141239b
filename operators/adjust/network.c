/* adjust/network: moves items up whose form (light, medium, heavy) is clicked more on this type of
 * network, or while the data budget is low, than was predicted without knowing it.
 * In: recommendations (`items` with score and form), or impressions, with columns net (wifi, 5g, 4g, 3g)
 * and budget_low. Out: the same with reasons.network and reasons.budget. Tables `network`, `budget`: lifts of feature/lift; without one its terms are 0.
 * Whether the item arrives in time is adjust/delivery's. */
#include "operators/adjust/lifted.h"

static const char *const types[] = {"wifi", "5g", "4g", "3g", NULL};
static const struct factor network = {
    .name = "network",
    .class = "form",
    .columns = {"net"},
    .kind = LEVEL_NUMBER,
    .names = types,
    .half_life_ms = 180 * DAY_MS,
};
FACTOR_REGISTER(network);

static const struct factor budget = {
    .name = "budget",
    .class = "form",
    .columns = {"budget_low"},
    .kind = LEVEL_NUMBER,
    .levels = 2,
    .half_life_ms = 180 * DAY_MS,
};
FACTOR_REGISTER(budget);

static const struct factor *const factors[] = {&network, &budget};
static const struct table_use network_tables[] = {
    LIFTED_TABLE("network", "Lifts of feature/lift by network type."),
    LIFTED_TABLE("budget", "Lifts of feature/lift by data budget."),
    {0},
};

static bool network_describe(struct describe *describe, struct error *err)
{
    return lifted_describe(describe, factors, 2, err);
}

static bool network_open(struct op *op, struct error *err)
{
    return lifted_open(op, factors, 2, err);
}

const struct operator_def adjust_network = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "adjust/network",
    .help = "Adjusts scores by how a form of content is clicked on this type of network.",
    .config_size = sizeof(struct lifted_config),
    .options = lifted_options,
    .inputs = lifted_in,
    .outputs = lifted_out,
    .tables = network_tables,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = network_describe,
    .open = network_open,
    .process = lifted_process,
};
OPERATOR_REGISTER(adjust_network);
