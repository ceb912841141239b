/* calendar: see calendar.h. Civil days by Hinnant's algorithm (2013). */
#include "operators/model/calendar.h"

#include "runtime/base/file.h"

#include <libical/ical.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAST_YEAR 2035
#define FILE_SIZE_MAX (1u << 20)

int32_t calendar_day_of(int32_t year, int32_t month, int32_t day)
{
    int32_t y = month <= 2 ? year - 1 : year;
    int32_t era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    int32_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

int32_t calendar_year_day(int32_t day)
{
    int32_t year = 1970 + (int32_t)(day / 365.2425);

    while (calendar_day_of(year, 1, 1) > day)
        year--;
    while (calendar_day_of(year + 1, 1, 1) <= day)
        year++;
    return day - calendar_day_of(year, 1, 1) + 1;
}

/* ---- reading ---- */

static void add(struct calendar *calendar, const char *name, struct icaltimetype time)
{
    struct calendar_day *day = &calendar->days[calendar->count];

    if (calendar->count == CALENDAR_DAYS_MAX || icaltime_is_null_time(time))
        return;
    day->day = calendar_day_of(time.year, time.month, time.day);
    snprintf(day->name, sizeof(day->name), "%s", name);
    calendar->count++;
}

static void add_event(struct calendar *calendar, icalcomponent *event)
{
    icalproperty *rule = icalcomponent_get_first_property(event, ICAL_RRULE_PROPERTY);
    struct icaltimetype first = icalcomponent_get_dtstart(event), next;
    const char *name = icalcomponent_get_summary(event);
    icalrecur_iterator *times;

    if (!name)
        return;
    if (!rule) {
        add(calendar, name, first);
        return;
    }
    times = icalrecur_iterator_new(icalproperty_get_rrule(rule), first);
    if (!times)
        return;
    for (uint32_t i = 0; i < CALENDAR_DAYS_MAX; i++) {
        next = icalrecur_iterator_next(times);
        if (icaltime_is_null_time(next) || next.year > LAST_YEAR)
            break;
        add(calendar, name, next);
    }
    icalrecur_iterator_free(times);
}

static int by_day(const void *left, const void *right)
{
    const struct calendar_day *a = left, *b = right;

    if (a->day != b->day)
        return a->day < b->day ? -1 : 1;
    return strcmp(a->name, b->name);
}

const struct calendar *calendar_parse(const char *text, struct arena *arena, struct error *err)
{
    struct calendar *calendar = arena_new(arena, sizeof(*calendar));
    icalcomponent *root = icalparser_parse_string(text), *event;

    calendar->days = arena_new(arena, CALENDAR_DAYS_MAX * sizeof(calendar->days[0]));
    calendar->count = 0;
    for (event = root ? icalcomponent_get_first_component(root, ICAL_VEVENT_COMPONENT) : NULL;
         event; event = icalcomponent_get_next_component(root, ICAL_VEVENT_COMPONENT))
        add_event(calendar, event);
    if (root)
        icalcomponent_free(root);
    qsort(calendar->days, calendar->count, sizeof(calendar->days[0]), by_day);
    if (calendar->count)
        return calendar;
    (void)error_set(err, ERROR_CONFIG, "", "give an iCalendar file with VEVENTs",
                    "it has no events");
    return NULL;
}

const struct calendar *calendar_read(const char *path, struct arena *arena, struct error *err)
{
    struct bytes text = {0};
    const struct calendar *calendar = NULL;

    if (file_read(path, FILE_SIZE_MAX, &text, err)) {
        bytes_put(&text, "", 1);
        calendar = calendar_parse((const char *)text.data, arena, err);
    }
    bytes_clear(&text);
    return calendar;
}

/* ---- looking up ---- */

const char *calendar_near(const struct calendar *calendar, int32_t day, int32_t *since)
{
    const char *name = NULL;
    int32_t best = CALENDAR_BEFORE + 1;

    for (uint32_t i = 0; i < calendar->count; i++) {
        int32_t days = day - calendar->days[i].day, apart = days < 0 ? -days : days;
        if (days < -CALENDAR_BEFORE || days > CALENDAR_AFTER)
            continue;
        if (apart < best || (apart == best && days < 0)) {
            best = apart;
            *since = days;
            name = calendar->days[i].name;
        }
    }
    return name;
}
