/* adjust/feedback: moves items down that this user was shown and did not click, that are of a category
 * shown too often, or of one the user disliked, and up those of one the user liked, by how such items are
 * clicked.
 * In: recommendations (`items` with score), or impressions, with the user's counts of feature/fatigue
 * (fatigue_item, fatigue_category, dislikes, and likes or not). Out: the same with reasons.fatigue,
 * reasons.category-fatigue, reasons.dislike and, where there are likes, reasons.like. Tables: lifts of feature/lift keyed by site. */
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

static const double like_cuts[] = {.3, .8, 1.8};
static const struct factor like = {
    .name = "like",
    .class = "site",
    .columns = {"likes"},
    .kind = LEVEL_CUTS,
    .levels = 4,
    .cuts = like_cuts,
    .half_life_ms = 90 * DAY_MS,
};
FACTOR_REGISTER(like);

static const struct factor *const factors[] = {&item_fatigue, &category_fatigue, &dislike, &like};
static const struct table_use feedback_tables[] = {
    LIFTED_TABLE("fatigue", "Lifts of feature/lift by impressions of the item."),
    LIFTED_TABLE("category-fatigue", "Lifts of feature/lift by impressions of the category."),
    LIFTED_TABLE("dislike", "Lifts of feature/lift by dislikes of the category."),
    LIFTED_TABLE("like", "Lifts of feature/lift by likes of the category."),
    {0},
};

enum { LIKE = 3 };

/* Likes are there where feature/fatigue was asked for them. */
static uint32_t factor_count(const struct schema *in)
{
    bool likes = schema_find(in, "likes") != FIELD_NONE ||
                 schema_find(list_schema(in), "likes") != FIELD_NONE;

    return likes ? 4 : 3;
}

static bool feedback_describe(struct describe *describe, struct error *err)
{
    const struct schema *in = describe_input(describe, 0);

    if (describe_table(describe, LIKE) && factor_count(in) <= LIKE)
        return describe_error(describe, err, "from", "write likes: true at feature/fatigue",
                              "neither the list nor the request has column \"likes\"");
    return lifted_describe(describe, factors, factor_count(in), err);
}

static bool feedback_open(struct op *op, struct error *err)
{
    return lifted_open(op, factors, factor_count(op_input_schema(op, 0)), err);
}

const struct operator_def adjust_feedback = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "adjust/feedback",
    .help = "Adjusts scores by what this user was shown, passed over, disliked and liked.",
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
