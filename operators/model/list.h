/* list: what the adjust operators share in handling rows. A row of recommendations has a list `items`
 * with score; an operator adds columns to it:
 *     reasons.NAME  a term of the score, which stays the sum of its reasons
 *     rank.NAME     a term of the order only (delivery, diversity): the order is that of score + ranks,
 *                   and the score stays the logit of a click
 *     shadow.NAME   computed but neither: feature/lift counts it in
 * A row without the list is itself one item (an impression of a log whose terms are to be computed);
 * its `score`, where it has one, gets the reasons. Columns that stay are shared, not copied. */
#ifndef MILLRACE_MODEL_LIST_H
#define MILLRACE_MODEL_LIST_H

#include "runtime/api/operator.h"

#define LIST_RANKS_MAX 8u
#define LIST_TERMS_MAX 4u /* of one operator */

struct list_layout {
    uint32_t list;  /* FIELD_NONE: each row is an item */
    uint32_t score; /* of the items; FIELD_NONE: none */
    uint32_t rank_count, ranks[LIST_RANKS_MAX];
    const char *const *names; /* of the columns that are added */
    uint32_t count;
};

/* The schema of the items: the list's, or the row's own. */
const struct schema *list_schema(const struct schema *in);

/* While planning: whether the request has a column `name` of i32 or i64; `option` names it. */
bool list_number(struct describe *describe, const char *option, const char *name,
                 struct error *err) NODISCARD;

/* Sets output 0: the input with f64 columns added to its items. */
bool list_describe(struct describe *describe, const char *const *names, uint32_t count,
                   struct error *err);
/* In open. `names` is borrowed. */
void list_open(const struct op *op, struct list_layout *layout, const char *const *names,
               uint32_t count);

/* All items of a batch, those of all rows one after another. */
const struct batch *list_items(const struct list_layout *layout, const struct batch *in);
/* The items of a row: [*begin, *end) of the above. */
void list_range(const struct list_layout *layout, const struct batch *in, uint32_t row,
                uint32_t *begin, uint32_t *end);
/* Whether each item is one of some row: none of a list that is null, or before or behind all lists. */
bool list_covers(const struct list_layout *layout, const struct batch *in);

/* A new f64 column of zeros, or of what is to be written to all of it; *values to fill it. */
struct column *list_column(uint32_t rows, double **values);
struct column *list_column_unset(uint32_t rows, double **values);

/* Emits `in` with the added columns (ownership moves in) and scores to match. Lists are ordered, largest
 * first, and cut at `top`; ties keep their former order. LIST_LEAVE: they stay as they came, which costs
 * no sort and no copy: what comes last orders once. */
#define LIST_LEAVE 0u
void list_emit(struct op *op, const struct list_layout *layout, const struct batch *in,
               struct column **added, uint32_t top);

/* `in` with its items in their places, but wider (moves in). */
struct batch *list_widened(const struct list_layout *layout, const struct batch *in,
                           struct batch *wide);

/* What items [begin, end) are ordered by: score and terms of the order. */
void list_values(const struct list_layout *layout, const struct batch *items, uint32_t begin,
                 uint32_t end, double *values);

/* Orders [begin, end) by value, largest first, ties by place: places into `order`. */
struct list_place {
    double value;
    uint32_t place;
};
void list_order(struct list_place *places, uint32_t count);
/* The best `most` of `count` values in the same order, or all: places, from `first` on, into `best`. */
void list_best(const double *values, uint32_t count, uint32_t first, uint32_t most,
               struct list_place *best);

/* `in` with its items replaced by rows `places` of `items` (moves in, may be wider), `counts` of them
 * a row. */
struct batch *list_with(const struct list_layout *layout, const struct batch *in,
                        struct batch **items, const uint32_t *places, const uint32_t *counts);
/* The same with all rows of `items`, one after another. */
struct batch *list_filled(const struct list_layout *layout, const struct batch *in,
                          struct batch *items, const uint32_t *counts);

#endif
