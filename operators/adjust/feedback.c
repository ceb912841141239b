/* adjust/feedback: moves items down that this user was shown and did not click, that are of a category
 * shown too often, or of one the user disliked, by how such items are clicked.
 * In: recommendations (`items` with score), or impressions, with the user's counts of feature/fatigue
 * (fatigue_item, fatigue_category, dislikes). Out: the same with reasons.fatigue,
 * reasons.category-fatigue and reasons.dislike. Tables: lifts of feature/lift keyed by site. */
#include "operators/adjust/lifted.h"

static const double item_cuts[] = {.05, .6, 1.2, 2.2, 3.5};
static const struct factor item_fatigue = {
    .name = "fatigue",
    .class = "site",
    .columns = {"fatigue_item"},
    .kind = LEVEL_CUTS,
    .levels = 6,
    .cuts = item_cuts,
    .half_life_ms = 90 * DAY_MS,
};
FACTOR_REGISTER(item_fatigue);

static const double category_cuts[] = {1, 3, 6, 10};
static const struct factor category_fatigue = {
    .name = "category-fatigue",
    .class = "site",
    .columns = {"fatigue_category"},
    .kind = LEVEL_CUTS,
    .levels = 5,
    .cuts = category_cuts,
    .half_life_ms = 90 * DAY_MS,
};
FACTOR_REGISTER(category_fatigue);

static const double dislike_cuts[] = {.3, .8};
static const struct factor dislike = {
    .name = "dislike",
    .class = "site",
    .columns = {"dislikes"},
    .kind = LEVEL_CUTS,
    .levels = 3,
    .cuts = dislike_cuts,
    .half_life_ms = 90 * DAY_MS,
};
FACTOR_REGISTER(dislike);

static const struct factor *const factors[] = {&item_fatigue, &category_fatigue, &dislike};
static const struct table_use feedback_tables[] = {
    LIFTED_TABLE("fatigue", "Lifts of feature/lift by impressions of the item."),
    LIFTED_TABLE("category-fatigue", "Lifts of feature/lift by impressions of the category."),
    LIFTED_TABLE("dislike", "Lifts of feature/lift by dislikes of the category."),
    {0},
};

static bool feedback_describe(struct describe *describe, struct error *err)
{
    return lifted_describe(describe, factors, 3, err);
}

static bool feedback_open(struct op *op, struct error *err)
{
    return lifted_open(op, factors, 3, err);
}

const struct operator_def adjust_feedback = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "adjust/feedback",
    .help = "Adjusts scores by what this user was shown, passed over and disliked.",
    .config_size = sizeof(struct lifted_config),
    .options = lifted_options,
    .inputs = lifted_in,
    .outputs = lifted_out,
    .tables = feedback_tables,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = feedback_describe,
    .open = feedback_open,
    .process = lifted_process,
};
OPERATOR_REGISTER(adjust_feedback);
