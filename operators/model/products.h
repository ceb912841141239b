/* products: of a user's vector with those of many rows of a table, as scores. Whatever has no vector
 * scores 0. Rows are scattered over memory: they are asked for some at a time, so that their ways
 * overlap and they are still in the CPU's cache when they are read. */
#ifndef MILLRACE_MODEL_PRODUCTS_H
#define MILLRACE_MODEL_PRODUCTS_H

#include "runtime/api/table.h"

/* The vectors are in `column`, as wide as the user's. */
struct products {
    const struct op *op;
    uint32_t table, column;
    const float *user;
};

void products_by_id(const struct products *products, const uint64_t *ids, uint32_t count,
                    double *scores);
void products_of_rows(const struct products *products, const struct table_row *const *rows,
                      uint32_t count, double *scores);

#endif
