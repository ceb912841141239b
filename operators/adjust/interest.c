/* adjust/interest: moves items up of categories that this user clicks more than was predicted. Keyed
 * by user: the levels are the categories; the prior is pooled over users.
 * In: recommendations (`items` with score and category), or impressions, with a column user_id.
 * Out: the same with reasons.interest.
 * Table `interest`: lifts of feature/lift keyed by user_id. */
#include "operators/adjust/lifted.h"

static const struct factor interest = {
    .name = "interest",
    .class = "user_id",
    .columns = {"category"},
    .kind = LEVEL_NUMBER,
    .levels = 12,
    .half_life_ms = 14 * DAY_MS,
};
FACTOR_REGISTER(interest);

static const struct factor *const factors[] = {&interest};
static const struct table_use interest_tables[] = {
    LIFTED_TABLE("interest", "Lifts of feature/lift by user and category."),
    {0},
};

static bool interest_describe(struct describe *describe, struct error *err)
{
    return lifted_describe(describe, factors, 1, err);
}

static bool interest_open(struct op *op, struct error *err)
{
    return lifted_open(op, factors, 1, err);
}

const struct operator_def adjust_interest = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "adjust/interest",
    .help = "Adjusts scores by how this user clicks an item's category.",
    .config_size = sizeof(struct lifted_config),
    .options = lifted_options,
    .inputs = lifted_in,
    .outputs = lifted_out,
    .tables = interest_tables,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = interest_describe,
    .open = interest_open,
    .process = lifted_process,
};
OPERATOR_REGISTER(adjust_interest);
