/* Kernels over times, UTC. Times that expressions make lie in the years 1 to 9999, and parts are
 * taken of such times alone: all else is null. */
#include "runtime/base/option.h"
#include "runtime/base/timestamp.h"
#include "runtime/batch/expr_parts.h"

static bool in_calendar(int64_t ms)
{
    return ms >= TIMESTAMP_MIN_MS && ms <= TIMESTAMP_MAX_MS;
}

static int64_t part_of(int64_t ms, enum time_part part)
{
    struct civil civil = timestamp_civil(ms);

    switch (part) {
    case PART_YEAR:
        return civil.year;
    case PART_MONTH:
        return civil.month;
    case PART_DAY:
        return civil.day;
    case PART_HOUR:
        return civil.hour;
    case PART_MINUTE:
        return civil.minute;
    case PART_SECOND:
        return civil.second;
    case PART_WEEKDAY:
        return civil.weekday;
    case PART_DAY_OF_YEAR:
        return civil.day_of_year;
    }
    return 0;
}

uint64_t time_part(const struct strip *strip)
{
    const int64_t *ms = strip->in[0];
    int64_t *out = strip->out;
    enum time_part part = *(const enum time_part *)strip->data;
    uint64_t rows = strip->rows, valid = 0;

    while (rows) {
        uint32_t row = strip_next(&rows);

        if (!in_calendar(ms[row]))
            continue;
        out[row] = part_of(ms[row], part);
        valid |= UINT64_C(1) << row;
    }
    return valid;
}

/* ---- date_trunc ---- */

static int64_t trunc_ms(const struct time_unit *unit, int64_t ms)
{
    int64_t from = (ms - unit->from_ms) % unit->size_ms;

    return ms - (from < 0 ? from + unit->size_ms : from);
}

uint64_t time_trunc(const struct strip *strip)
{
    const int64_t *ms = strip->in[0];
    int64_t *out = strip->out;
    uint64_t rows = strip->rows, valid = 0;

    while (rows) {
        uint32_t row = strip_next(&rows);

        if (!in_calendar(ms[row]))
            continue;
        out[row] = trunc_ms(strip->data, ms[row]);
        valid |= (uint64_t)in_calendar(out[row]) << row;
    }
    return valid;
}

uint64_t time_trunc_civil(const struct strip *strip)
{
    const struct time_unit *unit = strip->data;
    const int64_t *ms = strip->in[0];
    int64_t *out = strip->out;
    uint64_t rows = strip->rows, valid = 0;

    while (rows) {
        uint32_t row = strip_next(&rows);

        if (!in_calendar(ms[row]))
            continue;
        struct civil civil = timestamp_civil(ms[row]);
        int32_t past = (civil.month - 1) % unit->months;
        out[row] = timestamp_from_civil(civil.year, civil.month - past, 1);
        valid |= UINT64_C(1) << row;
    }
    return valid;
}

const struct time_unit time_units[] = {
    {"second", time_trunc, .size_ms = SECOND_MS},
    {"minute", time_trunc, .size_ms = MINUTE_MS},
    {"hour", time_trunc, .size_ms = HOUR_MS},
    {"day", time_trunc, .size_ms = DAY_MS},
    {"week", time_trunc, .size_ms = 7 * DAY_MS, .from_ms = 4 * DAY_MS}, /* a Monday */
    {"month", time_trunc_civil, .months = 1},
    {"quarter", time_trunc_civil, .months = 3},
    {"year", time_trunc_civil, .months = 12},
    {0},
};

/* ---- arithmetic ---- */

uint64_t time_check(const struct strip *strip)
{
    const int64_t *a = strip->in[0];
    int64_t *out = strip->out;
    uint8_t flags[STRIP];

    for (uint32_t i = 0; i < STRIP; i++) {
        out[i] = a[i];
        flags[i] = in_calendar(a[i]);
    }
    return strip_bits(flags);
}

uint64_t time_add(const struct strip *strip)
{
    const int64_t *a = strip->in[0], *b = strip->in[1];
    int64_t *out = strip->out;
    uint8_t flags[STRIP];

    for (uint32_t i = 0; i < STRIP; i++)
        flags[i] = !__builtin_add_overflow(a[i], b[i], &out[i]) && in_calendar(out[i]);
    return strip_bits(flags);
}

uint64_t time_sub(const struct strip *strip)
{
    const int64_t *a = strip->in[0], *b = strip->in[1];
    int64_t *out = strip->out;
    uint8_t flags[STRIP];

    for (uint32_t i = 0; i < STRIP; i++)
        flags[i] = !__builtin_sub_overflow(a[i], b[i], &out[i]) && in_calendar(out[i]);
    return strip_bits(flags);
}
