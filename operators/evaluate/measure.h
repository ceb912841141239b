/* measure: what labelled impressions say, as variables and figures of a tally: clicks, conversions,
 * satisfaction, calibration. For evaluate/clicks and evaluate/ab.
 * A mark (clicked, converted, cancelled) is a bool that is true, or a column of another type that is
 * not null, as a join leaves it. */
#ifndef MILLRACE_EVALUATE_MEASURE_H
#define MILLRACE_EVALUATE_MEASURE_H

#include "operators/evaluate/tally.h"

struct measure_options { /* names of columns; NULL: not told of */
    const char *clicked, *predicted, *converted, *dwell, *score, *cancelled;
};

struct measure {
    uint32_t clicked, predicted, converted, dwell, score, cancelled;
};

/* Fails where a column has a type that cannot be read. */
bool measure_describe(struct describe *describe, const struct measure_options *options,
                      struct error *err);
void measure_plan(const struct measure_options *options, struct tally_plan *plan);
void measure_open(struct op *op, const struct measure_options *options, struct measure *measure);
/* TALLY_VARIABLES_MAX values. */
void measure_values(const struct measure *measure, const struct batch *in, uint32_t row,
                    double *values);

bool measure_mark(const struct column *column, uint32_t row);

#endif
