/* world_calendar: days of the generated world and the holidays that its users observe. Pure.
 * Day 0 is 2025-01-01, a Wednesday; the holidays are known to the end of 2035, lunar ones by a table
 * of dates. Time zones there are none. */
#ifndef MILLRACE_MODEL_WORLD_CALENDAR_H
#define MILLRACE_MODEL_WORLD_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#define WORLD_DAY0_MS INT64_C(1735689600000)
#define WORLD_HOUR_MS INT64_C(3600000)
#define WORLD_DAY_MS (24 * WORLD_HOUR_MS)
#define WORLD_DAYS_MAX 4017 /* to the end of 2035 */
#define WORLD_HOLIDAYS 6
#define WORLD_HOLIDAY_BEFORE 21 /* days around a holiday in which it is told */
#define WORLD_HOLIDAY_AFTER 7

int32_t world_weekday(int64_t day);     /* 0 is Monday */
int32_t world_day_of_year(int64_t day); /* from 1 */
int64_t world_day_of(int32_t year, int32_t month, int32_t day_of_month);

/* The nearest holiday observed in a country, the coming one of two equally near. */
struct world_holiday {
    int32_t holiday; /* -1: none near */
    int32_t days;    /* from it to this day: negative before */
};
struct world_holiday world_holiday_near(int64_t day, int32_t country);
const char *world_holiday_name(int32_t holiday);

#endif
