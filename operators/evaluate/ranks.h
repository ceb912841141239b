/* ranks: the columns of evaluate/rank, as evaluate/truth (in lists) and evaluate/offline (in
 * impressions) find them: ranks.ARM, i32, from 1, null where the arm's list does not have the item. */
#ifndef MILLRACE_EVALUATE_RANKS_H
#define MILLRACE_EVALUATE_RANKS_H

#include "operators/evaluate/tally.h"

#define RANKS_PREFIX "ranks."
#define RANKS_ARMS_MAX 32u
#define RANKS_MAX 100 /* of an arm that are looked at */

/* What both weigh ranks by: `k` and `examination` of their options. */
#define RANKS_OPTIONS(config)                                                                      \
    {.name = "k",                                                                                  \
     .type = OPT_I64,                                                                              \
     FIELD(config, k),                                                                             \
     .def.i64 = 10,                                                                                \
     .min.i64 = 1,                                                                                 \
     .max.i64 = RANKS_MAX,                                                                         \
     .help = "Ranks of an arm's list that would have been shown."},                                \
    {                                                                                              \
        .name = "examination", .type = OPT_F64, FIELD(config, examination), .def.f64 = 0.5,        \
        .max.f64 = 4, .help = "Position k is looked at with probability k^-examination."           \
    }

struct ranks {
    uint32_t count;
    struct ranks_arm {
        const char *name; /* without the prefix; of the schema */
        uint32_t column;
    } arms[RANKS_ARMS_MAX];
    double exam[RANKS_MAX + 1];  /* by rank, from 1 */
    double total[RANKS_MAX + 1]; /* of exam up to there */
};

/* The columns of `schema` that `names` names, or, where it is empty, all with the prefix. */
void ranks_find(struct ranks *ranks, const struct schema *schema, const struct text_list *names,
                double examination);
/* Tells what is wrong with them: none, too many, not a number; and a `base` that is none of them. */
bool ranks_describe(struct describe *describe, const struct schema *schema,
                    const struct text_list *names, const char *base, struct error *err);

/* The rank of a row by an arm; 0: not among the first k. */
static inline uint32_t ranks_of(const struct column *column, uint32_t row, uint32_t k)
{
    double rank;

    if (column->type == TYPE_I32) { /* as evaluate/rank gives it */
        int32_t value = ((const int32_t *)column->values)[row];
        return column_valid(column, row) && value >= 1 && value <= (int32_t)k ? (uint32_t)value : 0;
    }
    rank = column_number(column, row);
    return rank >= 1 && rank <= k ? (uint32_t)rank : 0;
}

#endif
