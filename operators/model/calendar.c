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

/* An event whose occurrences are being added. libical has one cursor a component, so the dates that are
 * left out are taken from it first. */
struct event {
    const char *name;
    int32_t days; /* of each occurrence */
    uint32_t out_count;
    int32_t *out;
};

static int32_t day_of(struct icaltimetype time)
{
    return calendar_day_of(time.year, time.month, time.day);
}

static void find_left_out(struct event *event, icalcomponent *from, struct arena *arena)
{
    int count = icalcomponent_count_properties(from, ICAL_EXDATE_PROPERTY);
    icalproperty *at = icalcomponent_get_first_property(from, ICAL_EXDATE_PROPERTY);

    event->out = arena_new(arena, ((size_t)count + 1) * sizeof(event->out[0]));
    for (; at; at = icalcomponent_get_next_property(from, ICAL_EXDATE_PROPERTY))
        event->out[event->out_count++] = day_of(icalproperty_get_exdate(at));
}

/* The end is the first day that does not belong to it; without one it is a day. */
static int32_t days_of(icalcomponent *from, struct icaltimetype first)
{
    struct icaltimetype end = icalcomponent_get_dtend(from);
    int32_t days = icaltime_is_null_time(end) || icaltime_is_null_time(first)
                       ? 1
                       : day_of(end) - day_of(first);

    return days < 1 ? 1 : days > CALENDAR_EVENT_MAX ? CALENDAR_EVENT_MAX : days;
}

static void add(struct calendar *calendar, const struct event *event, struct icaltimetype time)
{
    int32_t first = day_of(time);

    if (icaltime_is_null_time(time))
        return;
    for (uint32_t i = 0; i < event->out_count; i++)
        if (event->out[i] == first)
            return;
    calendar->full = calendar->full || calendar->count + (uint32_t)event->days > CALENDAR_DAYS_MAX;
    for (int32_t i = 0; i < event->days && calendar->count < CALENDAR_DAYS_MAX; i++) {
        struct calendar_day *day = &calendar->days[calendar->count++];
        day->day = first + i;
        snprintf(day->name, sizeof(day->name), "%s", event->name);
    }
}

static void add_rule(struct calendar *calendar, const struct event *event, icalproperty *rule,
                     struct icaltimetype first)
{
    icalrecur_iterator *times = icalrecur_iterator_new(icalproperty_get_rrule(rule), first);

    if (!times)
        return;
    for (uint32_t i = 0; i <= CALENDAR_DAYS_MAX; i++) {
        struct icaltimetype next = icalrecur_iterator_next(times);
        if (icaltime_is_null_time(next) || next.year > LAST_YEAR)
            break;
        add(calendar, event, next);
    }
    icalrecur_iterator_free(times);
}

/* False: it has a name, but no date that can be read. What has no name is no holiday. */
static bool add_event(struct calendar *calendar, icalcomponent *from, struct arena *arena,
                      struct error *err)
{
    struct icaltimetype first = icalcomponent_get_dtstart(from);
    struct event event = {.name = icalcomponent_get_summary(from), .days = days_of(from, first)};
    icalproperty *at = icalcomponent_get_first_property(from, ICAL_RRULE_PROPERTY);

    if (!event.name)
        return true;
    if (icaltime_is_null_time(first))
        return error_set(err, ERROR_CONFIG, "", "write DTSTART;VALUE=DATE:20250129",
                         "the event \"%.60s\" has no date", event.name);
    find_left_out(&event, from, arena);
    if (at)
        add_rule(calendar, &event, at, first);
    else
        add(calendar, &event, first);
    at = icalcomponent_get_first_property(from, ICAL_RDATE_PROPERTY);
    for (; at; at = icalcomponent_get_next_property(from, ICAL_RDATE_PROPERTY)) {
        struct icaldatetimeperiodtype date = icalproperty_get_rdate(at);
        add(calendar, &event, icaltime_is_null_time(date.time) ? date.period.start : date.time);
    }
    return !calendar->full || error_set(err, ERROR_CONFIG, "", "end its rules with UNTIL",
                                        "it has more than %u days", CALENDAR_DAYS_MAX);
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
    bool good = true;

    calendar->days = arena_new(arena, CALENDAR_DAYS_MAX * sizeof(calendar->days[0]));
    for (event = root ? icalcomponent_get_first_component(root, ICAL_VEVENT_COMPONENT) : NULL;
         event && good; event = icalcomponent_get_next_component(root, ICAL_VEVENT_COMPONENT))
        good = add_event(calendar, event, arena, err);
    if (root)
        icalcomponent_free(root);
    if (good && !calendar->count)
        good = error_set(err, ERROR_CONFIG, "", "give an iCalendar file with VEVENTs",
                         "it has no events");
    if (!good)
        return NULL;
    qsort(calendar->days, calendar->count, sizeof(calendar->days[0]), by_day);
    return calendar;
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
