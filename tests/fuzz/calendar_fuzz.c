/* Calendars of any bytes: what is read is sorted, within bounds and named, and reading the same again
 * gives the same. */
#include "operators/model/calendar.h"

#include "runtime/base/check.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_days(const struct calendar *calendar)
{
    CHECK(calendar->count > 0 && calendar->count <= CALENDAR_DAYS_MAX);
    for (uint32_t i = 0; i < calendar->count; i++) {
        const struct calendar_day *day = &calendar->days[i];
        int32_t since = 0;
        CHECK(memchr(day->name, 0, CALENDAR_NAME_MAX));
        CHECK(i == 0 || calendar->days[i - 1].day <= day->day);
        CHECK(calendar_near(calendar, day->day, &since) && since == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_create(4096);
    char *text = arena_copy(arena, data, size);
    const struct calendar *calendar = calendar_parse(text, arena, NULL);
    const struct calendar *again = calendar_parse(text, arena, NULL);

    CHECK(!calendar == !again);
    if (calendar) {
        check_days(calendar);
        CHECK(calendar->count == again->count);
        CHECK(memcmp(calendar->days, again->days, calendar->count * sizeof(calendar->days[0])) ==
              0);
    }
    arena_close(arena);
    return 0;
}
