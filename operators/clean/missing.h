/* missing: what a value that is missing is taken for.
 *   mean, median, last, interpolate   of the last values of its column and key
 *   constant                          `value`, which also stands where nothing is known for the others
 * `interpolate` is the line through the two newest values, carried on: a row leaves when it comes, so
 * what follows it is not known. `else: reject` rejects the row where nothing is known; otherwise the
 * value stays missing. */
#ifndef MILLRACE_CLEAN_MISSING_H
#define MILLRACE_CLEAN_MISSING_H

#include "operators/clean/history.h"
#include "operators/clean/mistakes.h"

enum missing_fill {
    MISSING_NONE,
    MISSING_CONSTANT,
    MISSING_MEAN,
    MISSING_MEDIAN,
    MISSING_LAST,
    MISSING_LINE,
};

struct missing {
    enum missing_fill fill;
    bool rejects;
    const char *text; /* `value`; NULL: not given */
    int64_t integer;  /* `value` of integers and bools */
    double number;    /* `value` of floats */
};

/* `entry` of the option `missing`, of a column of this type. False after telling. */
bool missing_parse(struct mistakes *mistakes, const struct option_entry *entry, enum type type,
                   struct missing *missing);

/* How many of the last values it looks at, of `room`. */
uint32_t missing_room(const struct missing *missing, uint32_t room);

/* The value that a float, or the mean of integers, gets. Wants one value at least in the view. */
double missing_value(const struct missing *missing, const struct history_view *view,
                     int64_t time_ms);

#endif
