/* world_parts: what the files of the world share among themselves. */
#ifndef MILLRACE_MODEL_WORLD_PARTS_H
#define MILLRACE_MODEL_WORLD_PARTS_H

#include "operators/model/world.h"

#define WORLD_WEEKEND 1.15    /* visits of a day of the weekend, over a weekday */
#define WORLD_NEW 1.3         /* of a user in the first days, over later */
#define WORLD_SHIFT_HOURS 1.2 /* deviation of users' habits of the day */

/* The share of an hour in a day's visits, linear between hours; `hour` in [-24, 48). */
double world_hour_share(const struct world *world, double hour);
int32_t world_city(const struct world *world, double share); /* share in [0, 1) */
enum world_stage world_stage_at(const struct world *world, const struct world_user *user,
                                int64_t day);
int64_t world_plan_day(const struct world *world, uint32_t user); /* when its month begins: 0-29 */

static inline double world_round(double value, double per_unit)
{
    return rint(value * per_unit) / per_unit;
}

#endif
