/* factor: see factor.h. */
#include "operators/model/factor.h"

#include "operators/model/loops.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define HOURS 24u
#define WEEKEND 5 /* Saturday */
#define FORTNIGHTS 26u
#define YEAR_DAYS 365
#define HALF_YEAR_DAYS 182.5
#define BINS 7u /* of days around a holiday, beside none */

extern const struct factor *const __start_millrace_factors[] __attribute__((weak));
extern const struct factor *const __stop_millrace_factors[] __attribute__((weak));

static uint32_t registered(void)
{
    return __start_millrace_factors ? (uint32_t)(__stop_millrace_factors - __start_millrace_factors)
                                    : 0;
}

const struct factor *factor_find(const char *name)
{
    for (uint32_t i = 0; i < registered(); i++)
        if (strcmp(__start_millrace_factors[i]->name, name) == 0)
            return __start_millrace_factors[i];
    return NULL;
}

/* Their order in the section is the linker's. */
const struct factor *factor_next(const char *last)
{
    const struct factor *next = NULL;

    for (uint32_t i = 0; i < registered(); i++) {
        const struct factor *factor = __start_millrace_factors[i];
        if (strcmp(factor->name, last) > 0 && (!next || strcmp(factor->name, next->name) < 0))
            next = factor;
    }
    return next;
}

const char *factor_names(char *text, size_t size)
{
    const struct factor *factor = factor_next("");
    size_t used = 0;

    CHECK(size > 0);
    text[0] = 0;
    for (; factor && used < size; factor = factor_next(factor->name))
        used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", factor->name);
    return text;
}

struct factor factor_with(const struct factor *factor, const char *const *names, int64_t levels,
                          int64_t parents)
{
    struct factor with = *factor;

    if (names) {
        with.names = names;
        if (with.kind == LEVEL_NUMBER)
            with.levels = 0;
    }
    if (levels)
        with.levels = (uint32_t)levels;
    if (parents)
        with.parents = (uint32_t)parents;
    return with;
}

static uint32_t name_count(const struct factor *factor)
{
    uint32_t count = 0;

    while (factor->names && factor->names[count])
        count++;
    return count;
}

uint32_t factor_levels(const struct factor *factor)
{
    switch (factor->kind) {
    case LEVEL_NUMBER:
        return factor->levels ? factor->levels : name_count(factor);
    case LEVEL_CUTS:
    case LEVEL_POSITION:
    case LEVEL_NESTED:
        return factor->levels;
    case LEVEL_DAY:
        return 2 * HOURS;
    case LEVEL_YEAR:
        return FORTNIGHTS;
    case LEVEL_HOLIDAY:
        return 1 + BINS * name_count(factor);
    }
    CHECK(false);
    return 0;
}

uint32_t factor_cells(const struct factor *factor)
{
    uint32_t levels = factor_levels(factor);

    switch (factor->kind) {
    case LEVEL_DAY:
        return levels + HOURS;
    case LEVEL_HOLIDAY:
        return levels + BINS;
    case LEVEL_NESTED:
        return levels + factor->parents;
    case LEVEL_NUMBER:
    case LEVEL_CUTS:
    case LEVEL_POSITION:
    case LEVEL_YEAR:
        return levels;
    }
    CHECK(false);
    return 0;
}

/* ---- the manual ---- */

static void put_below(struct bytes *out, uint32_t limit)
{
    if (limit == 2)
        bytes_text(out, "false or true, or 0 or 1");
    else
        bytes_format(out, "a number from 0 to %u", limit - 1);
}

static void put_names(struct bytes *out, const char *const *names)
{
    CHECK(names);
    for (uint32_t i = 0; names[i]; i++)
        bytes_format(out, "%s%s", i ? ", " : "one of ", names[i]);
}

static void put_cuts(struct bytes *out, const struct factor *factor)
{
    bytes_text(out, "a number, told apart at");
    for (uint32_t i = 0; i + 1 < factor->levels; i++)
        bytes_format(out, "%s %g", i ? "," : "", factor->cuts[i]);
}

static void put_first(struct bytes *out, const struct factor *factor)
{
    switch (factor->kind) {
    case LEVEL_NUMBER:
        if (factor->names)
            put_names(out, factor->names);
        else
            put_below(out, factor->levels);
        return;
    case LEVEL_CUTS:
        put_cuts(out, factor);
        return;
    case LEVEL_POSITION:
        bytes_format(out, "a number from 1 to %u", factor->levels);
        return;
    case LEVEL_DAY:
        put_below(out, HOURS);
        return;
    case LEVEL_YEAR:
        bytes_format(out, "a number from 1 to %u", YEAR_DAYS + 1);
        return;
    case LEVEL_HOLIDAY:
        put_names(out, factor->names);
        return;
    case LEVEL_NESTED:
        put_below(out, factor->levels);
        return;
    }
    CHECK(false);
}

static void put_second(struct bytes *out, const struct factor *factor)
{
    if (factor->kind == LEVEL_DAY)
        bytes_format(out, "a number from 0, Monday, to %d", WEEKEND + 1);
    else if (factor->kind == LEVEL_YEAR)
        bytes_text(out, "south, a number below 0, or true: half a year apart");
    else if (factor->kind == LEVEL_HOLIDAY)
        bytes_text(out, "days since it, below 0 before it");
    else
        put_below(out, factor->parents);
}

void factor_manual(const struct factor *factor, struct bytes *out)
{
    bytes_format(out, "%s (", factor->columns[0]);
    put_first(out, factor);
    bytes_text(out, ")");
    if (!factor->columns[1])
        return;
    bytes_format(out, ", %s (", factor->columns[1]);
    put_second(out, factor);
    bytes_text(out, ")");
}

/* ---- a row ---- */

/* The place of a text among the names, or NaN. */
static double named(const struct factor *factor, const struct column *column, uint32_t row)
{
    uint32_t size;
    const char *text = column_text(column, row, &size);

    for (uint32_t i = 0; factor->names && factor->names[i]; i++) {
        const char *name = factor->names[i];
        if (size > 0 && *name != *text)
            continue; /* most are told apart by this */
        if (strlen(name) == size && memcmp(name, text, size) == 0)
            return i;
    }
    return NAN;
}

static double value_of(const struct factor *factor, const struct column *column, uint32_t row)
{
    if (!column || !column_valid(column, row))
        return NAN;
    return column->type == TYPE_UTF8 ? named(factor, column, row) : column_number(column, row);
}

static uint32_t pack(uint32_t level, uint32_t parent)
{
    return level | parent << 16;
}

static uint32_t below(double value, uint32_t limit)
{
    return value >= 0 && value < limit ? (uint32_t)value : FACTOR_NONE;
}

static uint32_t day_level(double hour, double weekday)
{
    uint32_t at = below(hour, HOURS);

    if (at == FACTOR_NONE || isnan(weekday))
        return pack(FACTOR_NONE, FACTOR_NONE);
    return pack(weekday >= WEEKEND ? HOURS + at : at, 2 * HOURS + at);
}

static uint32_t year_level(double day, bool south)
{
    double shifted = fmod(day - 1 + (south ? HALF_YEAR_DAYS : 0), YEAR_DAYS);
    uint32_t level;

    if (!(shifted >= 0))
        return pack(FACTOR_NONE, FACTOR_NONE);
    level = (uint32_t)(shifted / 14);
    return pack(level < FORTNIGHTS ? level : FORTNIGHTS - 1, FACTOR_NONE);
}

static uint32_t days_bin(double days)
{
    static const double ends[BINS] = {-14, -7, -3, 0, .5, 3.5, INFINITY};
    uint32_t bin = 0;

    while (days >= ends[bin])
        bin++;
    return bin;
}

/* A holiday that is not among the names counts for the bin of all holidays only. */
static uint32_t holiday_level(const struct factor *factor, double holiday, double days, bool near)
{
    uint32_t names = name_count(factor), which = below(holiday, names), bin;

    if (!near || isnan(days))
        return pack(0, FACTOR_NONE);
    bin = days_bin(days);
    return pack(which == FACTOR_NONE ? FACTOR_NONE : 1 + which * BINS + bin,
                1 + names * BINS + bin);
}

static uint32_t cut_level(const struct factor *factor, double value)
{
    uint32_t level = 0;

    if (isnan(value))
        return pack(FACTOR_NONE, FACTOR_NONE);
    while (level + 1 < factor->levels && value >= factor->cuts[level])
        level++;
    return pack(level, FACTOR_NONE);
}

/* Text that begins with an s, a number below 0, or true. */
static bool is_south(const struct column *column, uint32_t row)
{
    uint32_t size;

    if (!column || !column_valid(column, row))
        return false;
    if (column->type == TYPE_BOOL)
        return column_bool(column, row);
    if (column->type == TYPE_UTF8)
        return column_text(column, row, &size)[0] == 's' && size > 0;
    return column_number(column, row) < 0;
}

static bool is_near(const struct column *column, uint32_t row)
{
    uint32_t size;
    const char *text;

    if (!column_valid(column, row))
        return false;
    if (column->type != TYPE_UTF8)
        return column_number(column, row) >= 0;
    text = column_text(column, row, &size);
    return size > 0 && !(size == 4 && memcmp(text, "none", 4) == 0);
}

static uint32_t nested_level(const struct factor *factor, double value, double within)
{
    uint32_t parent = below(within, factor->parents);

    return pack(below(value, factor->levels),
                parent == FACTOR_NONE ? FACTOR_NONE : factor->levels + parent);
}

static uint32_t row_level(const struct factor *factor, const struct column *first,
                          const struct column *second, uint32_t row)
{
    double value = value_of(factor, first, row);

    switch (factor->kind) {
    case LEVEL_NUMBER:
        return pack(below(value, factor_levels(factor)), FACTOR_NONE);
    case LEVEL_POSITION:
        return pack(below(value - 1, factor->levels), FACTOR_NONE);
    case LEVEL_CUTS:
        return cut_level(factor, value);
    case LEVEL_DAY:
        return day_level(value, value_of(factor, second, row));
    case LEVEL_YEAR:
        return year_level(value, is_south(second, row));
    case LEVEL_HOLIDAY:
        return holiday_level(factor, value, value_of(factor, second, row), is_near(first, row));
    case LEVEL_NESTED:
        return nested_level(factor, value, value_of(factor, second, row));
    }
    CHECK(false);
    return 0;
}

static void find_numbers(uint32_t limit, const int32_t *values, uint32_t count, uint32_t *levels)
{
    for (uint32_t i = 0; i < count; i++)
        levels[i] =
            pack((uint32_t)values[i] < limit ? (uint32_t)values[i] : FACTOR_NONE, FACTOR_NONE);
}

void factor_find_levels(const struct factor *factor, const struct column *first,
                        const struct column *second, uint32_t begin, uint32_t count,
                        uint32_t *levels)
{
    if (factor->kind == LEVEL_CUTS && first->type == TYPE_F64 && !first->validity) {
        CHECK(factor->levels > 0);
        loops_cuts((const double *)first->values + begin, count, factor->cuts, factor->levels - 1,
                   FACTOR_NONE, FACTOR_NONE, levels);
        return;
    }
    if (factor->kind == LEVEL_NUMBER && first->type == TYPE_I32 && !first->validity) {
        find_numbers(factor_levels(factor), (const int32_t *)first->values + begin, count, levels);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        levels[i] = row_level(factor, first, second, begin + i);
}
