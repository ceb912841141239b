/* quantity: durations and byte sizes, a number and a unit. The number may have a fraction as long
 * as the value is whole (`1.5s`, not `0.5ms`); one space may stand before the unit. Exact: no
 * floating point. */
#include "runtime/base/option.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FRACTION_DIGITS_MAX 9u

struct unit {
    const char *name;
    int64_t size;
};

/* Largest first: duration_text takes the first that divides. */
static const struct unit duration_units[] = {
    {"d", DAY_MS}, {"h", HOUR_MS}, {"m", MINUTE_MS}, {"s", SECOND_MS}, {"ms", 1}, {NULL, 0},
};

static const struct unit byte_units[] = {
    {"gb", 1 << 30}, {"mb", 1 << 20}, {"kb", 1 << 10}, {"b", 1}, {NULL, 0},
};

static int64_t unit_size(const struct unit *units, const char *name)
{
    for (const struct unit *unit = units; unit->name; unit++)
        if (strcasecmp(unit->name, name) == 0)
            return unit->size;
    return 0;
}

/* `digits` and perhaps `.digits` as number / scale; *text is moved behind them. */
static bool parse_number(const char **text, int64_t *number, int64_t *scale)
{
    unsigned digits = 0, fraction = 0;
    const char *at = *text;
    bool point = false;

    *number = 0;
    *scale = 1;
    for (; (*at >= '0' && *at <= '9') || (*at == '.' && !point); at++) {
        if (*at == '.') {
            point = true;
            continue;
        }
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, *at - '0', number))
            return false;
        digits++;
        if (point) {
            *scale *= 10;
            fraction++;
        }
    }
    *text = at;
    return digits > fraction && point == (fraction > 0) && fraction <= FRACTION_DIGITS_MAX;
}

static bool parse(const char *text, const struct unit *units, int64_t *value)
{
    int64_t number, scale, size;
    __int128 scaled;

    if (!parse_number(&text, &number, &scale))
        return false;
    if (*text == ' ')
        text++;
    /* Nothing is nothing in every unit. */
    size = number == 0 && *text == 0 ? 1 : unit_size(units, text);
    scaled = (__int128)number * size;
    if (size == 0 || scaled % scale != 0 || scaled / scale > INT64_MAX)
        return false;
    *value = (int64_t)(scaled / scale);
    return true;
}

bool duration_parse(const char *text, int64_t *ms)
{
    bool negative = *text == '-';

    if (!parse(text + negative, duration_units, ms))
        return false;
    if (negative)
        *ms = -*ms;
    return true;
}

bool byte_size_parse(const char *text, int64_t *size)
{
    return parse(text, byte_units, size);
}

static const char *unit_text(int64_t value, const struct unit *unit, char *text, size_t size)
{
    while (value % unit->size != 0)
        unit++;
    snprintf(text, size, "%" PRId64 "%s", value / unit->size, unit->name);
    return text;
}

const char *duration_text(int64_t ms, char *text, size_t size)
{
    if (ms == 0)
        return unit_text(0, &duration_units[3], text, size);
    return unit_text(ms, duration_units, text, size);
}

const char *byte_size_text(int64_t bytes, char *text, size_t size)
{
    if (bytes == 0)
        return unit_text(0, &byte_units[3], text, size);
    return unit_text(bytes, byte_units, text, size);
}
