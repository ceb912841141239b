/* invariants: conditions with a name that rows keep, after all else is done to them; and totals, sums
 * over the rows of a key that stay under a bound. A condition that cannot be told (null) is kept.
 *
 * In an invariant sum(PREFIX.*) stands for the sum of all columns whose names begin with PREFIX. ,
 * missing ones as 0: `abs(sum(reasons.*) - ln(p / (1 - p))) < 0.00001`. Pure; the memory of totals is a
 * part of clean's state cell. */
#ifndef MILLRACE_CLEAN_INVARIANTS_H
#define MILLRACE_CLEAN_INVARIANTS_H

#include "operators/clean/mistakes.h"

#define INVARIANTS_SLACK 1e-6 /* that a total may be over its bound: rounding of what is summed */

struct invariants_options {
    const struct option_map *invariants; /* name -> expression */
    const struct option_map *totals;     /* name -> {of: expression, most: expression} */
    int64_t within_ms;                   /* a total begins anew after so long without a row */
};

struct invariants;
/* `schema`: the columns that leave. NULL after all mistakes have been told. The options must outlive
 * it. */
struct invariants *invariants_create(const struct invariants_options *options,
                                     const struct schema *schema, rules_fault *fault,
                                     void *context);
void invariants_close(struct invariants *invariants);        /* NULL is fine */
size_t invariants_size(const struct invariants *invariants); /* bytes of a cell; 0: no totals */
bool invariants_reads(const struct invariants *invariants, uint32_t column);

/* Rejects rows of result->batch, as repair_run does. Returns how many. */
uint32_t invariants_run(struct invariants *invariants, struct rules_result *result,
                        void *const *cells, size_t offset, uint32_t first_rule);

/* Of a rule less `first_rule`. */
const char *invariants_field(const struct invariants *invariants, uint32_t rule);
void invariants_reason(const struct invariants *invariants, const struct rules_reject *reject,
                       uint32_t rule, char *reason);

#endif
