/* aggregate: the functions of window-aggregate over slots of a pane's cell: parse, add columns,
 * merge, read. Pure. Slots are mergeable in any order and a zeroed slot is empty.
 *
 *   count      i64
 *   sum, mean  struct sum (fixed point) and how many values
 *   min, max   a code that orders as the values do, and whether there is any
 *   distinct   struct distinct */
#ifndef MILLRACE_WINDOW_AGGREGATE_AGGREGATE_H
#define MILLRACE_WINDOW_AGGREGATE_AGGREGATE_H

#include "runtime/base/error.h"
#include "runtime/batch/builder.h"

enum function {
    FUNCTION_NONE,
    FUNCTION_COUNT,
    FUNCTION_SUM,
    FUNCTION_MEAN,
    FUNCTION_MIN,
    FUNCTION_MAX,
    FUNCTION_DISTINCT,
};

struct aggregate {
    enum function function;
    uint32_t column; /* of the input; FIELD_NONE: count() of rows */
    enum type type;  /* of that column */
    uint32_t offset; /* of the slot in the cell */
};

/* The function that `sum(amount)` names; only for texts that aggregate_parse took. Cheap enough
 * for every merge of two cells. */
enum function aggregate_function(const char *text);
uint32_t aggregate_slot_size(enum function function);
enum type aggregate_result_type(const struct aggregate *aggregate);

/* Reads such as `sum(amount)`. False with `what` and `how` filled. */
bool aggregate_parse(const char *text, const struct schema *schema, struct aggregate *aggregate,
                     struct error *err);

/* Adds a column's rows to their cells. Returns how many values were no numbers that can be added
 * (nan, infinities, beyond 2^80): these are passed over. `scratch`: 2 x 8 bytes a row. */
uint64_t aggregate_add(const struct aggregate *aggregate, const struct column *column,
                       void *const *cells, uint32_t rows, uint64_t *scratch);

void aggregate_merge(enum function function, void *into, const void *from);

/* Sets the column of the row begun last; null where no value was there. */
void aggregate_put(const struct aggregate *aggregate, const void *cell, struct builder *out,
                   uint32_t column);

#endif
