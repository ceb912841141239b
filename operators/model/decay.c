/* decay: see decay.h. */
#include "operators/model/decay.h"

#include <math.h>

#define HOUR 3600000 /* ms */

static const double hourly = 0x1.fb1837ef67896p-1; /* 2^(-1/72) */

void decay_init(struct decay *decay)
{
    decay->powers[0] = 1;
    for (uint32_t i = 1; i <= DECAY_HOURS_MAX; i++)
        decay->powers[i] = decay->powers[i - 1] * hourly;
}

int64_t decay_hour(int64_t time_ms)
{
    return time_ms / HOUR - (time_ms % HOUR < 0);
}

double decay_rank(double value, int64_t hour)
{
    return log2(value) + (double)hour / DECAY_HALF_HOURS;
}
