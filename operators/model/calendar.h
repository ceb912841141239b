/* calendar: holidays of an iCalendar file (RFC 5545, read with libical): days and names of its events
 * (SUMMARY; DTSTART to DTEND or DURATION, RRULE followed to the end of 2035, RDATE, EXDATE). Borrowed
 * from the arena. */
#ifndef MILLRACE_MODEL_CALENDAR_H
#define MILLRACE_MODEL_CALENDAR_H

#include "runtime/base/error.h"
#include "runtime/base/memory.h"

#include <stdbool.h>
#include <stdint.h>

#define CALENDAR_DAYS_MAX 4096u
#define CALENDAR_EVENT_MAX 62 /* days of one event */
#define CALENDAR_NAME_MAX 64u
#define CALENDAR_BEFORE 21 /* days around a holiday that count as near it */
#define CALENDAR_AFTER 7

struct calendar {
    uint32_t count;
    bool full;            /* more days than there is room for: an error */
    struct calendar_day { /* ascending by day, then name */
        int32_t day;      /* since 1970-01-01 */
        char name[CALENDAR_NAME_MAX];
    } * days;
};

/* NULL with `err` filled: it cannot be read, has no events, too many days, or an event without a date. */
const struct calendar *calendar_read(const char *path, struct arena *arena, struct error *err);
const struct calendar *calendar_parse(const char *text, struct arena *arena, struct error *err);

/* The nearest holiday and the days since it, below 0 before it; of two as near the one to come. NULL
 * where none is near. */
const char *calendar_near(const struct calendar *calendar, int32_t day, int32_t *since);

/* Days since 1970-01-01, and back to the day of its year from 1. */
int32_t calendar_day_of(int32_t year, int32_t month, int32_t day);
int32_t calendar_year_day(int32_t day);

#endif
