/* world_calendar: see world_calendar.h. Civil days from dates by the method of shifted years that
 * begin in March (Richards 1998, Explanatory Supplement). */
#include "operators/model/world_calendar.h"

#define YEAR0 2025
#define YEARS 11

/* MMDD of each year from 2025; a fixed date has only the first. */
static const struct {
    const char *name;
    uint32_t countries; /* mask */
    int32_t dates[YEARS];
} holidays[WORLD_HOLIDAYS] = {
    {"spring-festival", 1, {129, 217, 206, 126, 213, 203, 123, 211, 131, 219, 208}},
    {"dragon-boat", 1, {531, 619, 609, 528, 616, 605, 624, 612, 601, 620, 610}},
    {"mid-autumn", 1, {1006, 925, 915, 1003, 922, 912, 1001, 919, 908, 927, 916}},
    {"christmas", 6, {1225}},
    {"11-11", 7, {1111}},
    {"6-18", 1, {618}},
};

int64_t world_day_of(int32_t year, int32_t month, int32_t day_of_month)
{
    int64_t y = year - (month < 3), era = y / 400, of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day_of_month - 1;
    int64_t day = era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year;

    return day - 719468 - WORLD_DAY0_MS / WORLD_DAY_MS; /* 1970-01-01, then day 0 */
}

int32_t world_weekday(int64_t day)
{
    return (int32_t)((day + 2) % 7);
}

static int32_t year_of(int64_t day)
{
    int32_t year = YEAR0 + (int32_t)(day / 366);

    while (world_day_of(year + 1, 1, 1) <= day)
        year++;
    return year;
}

int32_t world_day_of_year(int64_t day)
{
    return (int32_t)(day - world_day_of(year_of(day), 1, 1)) + 1;
}

static int64_t holiday_day(int32_t holiday, int32_t year)
{
    const int32_t *dates = holidays[holiday].dates;
    int32_t date = dates[1] ? dates[year - YEAR0] : dates[0];

    return world_day_of(year, date / 100, date % 100);
}

static bool nearer(int64_t days, const struct world_holiday *best)
{
    int64_t apart = days < 0 ? -days : days, so_far = best->days < 0 ? -best->days : best->days;

    if (days < -WORLD_HOLIDAY_BEFORE || days > WORLD_HOLIDAY_AFTER)
        return false;
    return best->holiday < 0 || apart < so_far || (apart == so_far && days < best->days);
}

struct world_holiday world_holiday_near(int64_t day, int32_t country)
{
    struct world_holiday best = {-1, 0};
    int32_t year = year_of(day);

    for (int32_t holiday = 0; holiday < WORLD_HOLIDAYS; holiday++) {
        if (!(holidays[holiday].countries >> country & 1))
            continue;
        for (int32_t of = year - 1; of <= year + 1; of++) {
            int64_t days;
            if (of < YEAR0 || of >= YEAR0 + YEARS)
                continue;
            days = day - holiday_day(holiday, of);
            if (nearer(days, &best))
                best = (struct world_holiday){holiday, (int32_t)days};
        }
    }
    return best;
}

const char *world_holiday_name(int32_t holiday)
{
    return holidays[holiday].name;
}
