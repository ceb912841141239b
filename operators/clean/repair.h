/* repair: outliers and missing values of the rows that are still good, column by column in the order
 * of the schema: what stands apart is rejected or dropped, what is missing is filled, what is there
 * and good is remembered. A row is judged by the rows of its key before it. Pure; the memory is a part
 * of clean's state cell. */
#ifndef MILLRACE_CLEAN_REPAIR_H
#define MILLRACE_CLEAN_REPAIR_H

#include "operators/clean/history.h"
#include "operators/clean/mistakes.h"

struct repair_history {
    struct text_list by;
    int64_t rows, within_ms, after;
};

struct repair_options {
    const struct option_map *missing, *outliers;
    const struct repair_history *history;
};

struct repair;
/* `schema`: the columns after their casts. NULL after all mistakes have been told. The options must
 * outlive it. */
struct repair *repair_create(const struct repair_options *options, const struct schema *schema,
                             rules_fault *fault, void *context);
void repair_close(struct repair *repair); /* NULL is fine */

/* Bytes of a cell. 0: nothing is remembered, so neither a key nor an order is needed. */
size_t repair_size(const struct repair *repair);
bool repair_reads(const struct repair *repair, uint32_t column);

struct repair_counts {
    uint64_t outliers, filled;
};
/* Works on result->batch and its good rows, which are in order of event time where something is
 * remembered; rejected rows get a rule from `first_rule` on. cells[row] is the row's cell, of which
 * this has the bytes from `offset` on. */
void repair_run(struct repair *repair, struct rules_result *result, void *const *cells,
                size_t offset, uint32_t first_rule, struct repair_counts *counts);

/* Of a rule less `first_rule`. */
const char *repair_field(const struct repair *repair, uint32_t rule);
void repair_reason(const struct repair *repair, const struct batch *in,
                   const struct rules_reject *reject, uint32_t rule, char *reason);

#endif
