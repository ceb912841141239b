/* decay: counts that lose half of their weight every DECAY_HALF_HOURS, in whole hours, so that
 * writer and reader agree on every bit: powers come from one table made by multiplication, not from
 * a library's exp. A count is kept as its value at the hour of its last change. */
#ifndef MILLRACE_MODEL_DECAY_H
#define MILLRACE_MODEL_DECAY_H

#include <stdint.h>

#define DECAY_HALF_HOURS 72
#define DECAY_HOURS_MAX 4320 /* 60 half-lives: nothing is left */

struct decay {
    double powers[DECAY_HOURS_MAX + 1];
};

void decay_init(struct decay *decay);

/* What a value of hour `from` is worth at `hour`; time does not run backwards. */
static inline double decay_read(const struct decay *decay, double value, int64_t from, int64_t hour)
{
    if (hour <= from)
        return value;
    return hour - from > DECAY_HOURS_MAX ? 0 : value * decay->powers[hour - from];
}

/* Whole hours since 1970, rounded down. */
int64_t decay_hour(int64_t time_ms);

/* Orders values of different hours as decay_read does at any later hour, short of
 * DECAY_HOURS_MAX: log2(value) + hour / half-life. */
double decay_rank(double value, int64_t hour);

#endif
