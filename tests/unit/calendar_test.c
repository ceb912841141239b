/* calendar: days of civil dates, the files of jobs/calendars, rules, and what is near. */
#include "operators/model/calendar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_days(void **state)
{
    (void)state;
    assert_int_equal(calendar_day_of(1970, 1, 1), 0);
    assert_int_equal(calendar_day_of(2000, 3, 1), 11017);
    assert_int_equal(calendar_day_of(1969, 12, 31), -1);
    assert_int_equal(calendar_year_day(calendar_day_of(2024, 12, 31)), 366);
    assert_int_equal(calendar_year_day(calendar_day_of(2025, 1, 1)), 1);
    assert_int_equal(calendar_year_day(calendar_day_of(1969, 12, 31)), 365);
}

static void near(const struct calendar *calendar, int32_t day, const char *name, int32_t since)
{
    int32_t got = 0;
    const char *found = calendar_near(calendar, day, &got);

    assert_int_equal(name == NULL, found == NULL);
    if (name) {
        assert_string_equal(found, name);
        assert_int_equal(got, since);
    }
}

static void test_files(void **state)
{
    struct arena *arena = arena_create(1024);
    struct error err = {0};
    const struct calendar *lunar = calendar_read("jobs/calendars/country-0.ics", arena, &err);
    const struct calendar *other = calendar_read("jobs/calendars/country-1.ics", arena, &err);

    (void)state;
    assert_non_null(lunar);
    assert_non_null(other);
    assert_int_equal(lunar->count, 5 * 11);
    assert_int_equal(other->count, 2 * 11);
    near(lunar, calendar_day_of(2025, 1, 29), "spring-festival", 0);
    near(lunar, calendar_day_of(2035, 2, 1), "spring-festival", -7);
    near(lunar, calendar_day_of(2025, 6, 6), "dragon-boat", 6);
    near(lunar, calendar_day_of(2025, 6, 9), "6-18", -9);
    near(lunar, calendar_day_of(2025, 10, 13), "mid-autumn", 7);
    near(lunar, calendar_day_of(2025, 10, 14), NULL, 0);
    near(other, calendar_day_of(2035, 12, 4), "christmas", -21);
    near(other, calendar_day_of(2035, 12, 3), NULL, 0);
    arena_close(arena);
}

#define EVENT(lines) "BEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20250101T000000Z\r\n" lines "END:VEVENT\r\n"

/* Lunar days as a list, a rule without one of its days, days that last, names that are missing. */
static void test_events(void **state)
{
    static const char text[] = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//own//EN\r\n" EVENT(
        "SUMMARY:lunar\r\nDTSTART;VALUE=DATE:20250129\r\n"
        "RDATE;VALUE=DATE:20260217,20270206\r\nRDATE;VALUE=DATE:20280126\r\n")
        EVENT("SUMMARY:yearly\r\nDTSTART;VALUE=DATE:20300501\r\n"
              "RRULE:FREQ=YEARLY\r\nRDATE;VALUE=DATE:20300901\r\n"
              "EXDATE;VALUE=DATE:20310501,20330501\r\n")
            EVENT("SUMMARY:week\r\nDTSTART;VALUE=DATE:20251001\r\n"
                  "DTEND;VALUE=DATE:20251008\r\nRRULE:FREQ=YEARLY;COUNT=2\r\n")
                EVENT("SUMMARY:hours\r\nDTSTART:20240101T100000Z\r\nDURATION:PT2H\r\n")
                    EVENT("SUMMARY:long\r\nDTSTART;VALUE=DATE:20220101\r\n"
                          "DTEND;VALUE=DATE:20230101\r\n")
                        EVENT("DTSTART;VALUE=DATE:20210101\r\n") "END:VCALENDAR\r\n";
    struct arena *arena = arena_create(1024);
    const struct calendar *calendar = calendar_parse(text, arena, NULL);

    (void)state;
    assert_non_null(calendar);
    assert_int_equal(calendar->count, 4 + (6 - 2 + 1) + 2 * 7 + 1 + CALENDAR_EVENT_MAX);
    near(calendar, calendar_day_of(2026, 2, 17), "lunar", 0);
    near(calendar, calendar_day_of(2027, 2, 6), "lunar", 0);
    near(calendar, calendar_day_of(2028, 1, 25), "lunar", -1);
    near(calendar, calendar_day_of(2029, 2, 13), NULL, 0);
    near(calendar, calendar_day_of(2030, 9, 1), "yearly", 0);
    near(calendar, calendar_day_of(2031, 5, 1), NULL, 0);
    near(calendar, calendar_day_of(2032, 5, 1), "yearly", 0);
    near(calendar, calendar_day_of(2033, 5, 1), NULL, 0);
    near(calendar, calendar_day_of(2035, 5, 1), "yearly", 0);
    near(calendar, calendar_day_of(2025, 9, 30), "week", -1);
    near(calendar, calendar_day_of(2026, 10, 7), "week", 0);
    near(calendar, calendar_day_of(2026, 10, 9), "week", 2);
    near(calendar, calendar_day_of(2024, 1, 2), "hours", 1);
    near(calendar, calendar_day_of(2021, 1, 1), NULL, 0);
    arena_close(arena);
}

static void test_errors(void **state)
{
    struct arena *arena = arena_create(1024);
    struct error err = {0};

    (void)state;
    assert_null(calendar_read("jobs/calendars/none.ics", arena, &err));
    assert_int_equal(err.code, ERROR_IO);
    assert_null(calendar_parse("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", arena, &err));
    assert_null(calendar_parse("no calendar", arena, &err));
    assert_null(calendar_parse("", arena, &err));
    assert_int_equal(err.code, ERROR_CONFIG);
    assert_string_equal(err.what, "it has no events");
    assert_null(calendar_parse(
        "BEGIN:VCALENDAR\r\n" EVENT("SUMMARY:fair\r\nDTSTART;VALUE=DATE:29 January\r\n")
            EVENT("SUMMARY:good\r\nDTSTART;VALUE=DATE:20250129\r\n") "END:VCALENDAR\r\n",
        arena, &err));
    assert_string_equal(err.what, "the event \"fair\" has no date");
    assert_null(calendar_parse(
        "BEGIN:VCALENDAR\r\n" EVENT("SUMMARY:daily\r\nDTSTART;VALUE=DATE:20200101\r\n"
                                    "RRULE:FREQ=DAILY\r\n") "END:VCALENDAR\r\n",
        arena, &err));
    assert_string_equal(err.what, "it has more than 4096 days");
    arena_close(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_days), cmocka_unit_test(test_files),
                                       cmocka_unit_test(test_events),
                                       cmocka_unit_test(test_errors)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
