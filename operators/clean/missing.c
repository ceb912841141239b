/* missing: see missing.h. */
#include "operators/clean/missing.h"

#include "runtime/batch/number.h"

#include <string.h>

enum { FILL, VALUE, ELSE, PARTS };

static const char *const part_names[] = {"fill", "value", "else", NULL};
static const char *const fills[] = {"constant", "mean", "median", "last", "interpolate", NULL};
static const char *const elses[] = {"reject", "null", NULL};

static const char *part(struct mistakes *mistakes, const struct option_entry *entry, uint32_t place)
{
    return arena_format(mistakes->arena, "missing.%s.%s", entry->name, part_names[place]);
}

static bool is_float(enum type type)
{
    return type == TYPE_F32 || type == TYPE_F64;
}

static bool is_number(enum type type)
{
    return is_float(type) || type == TYPE_I32 || type == TYPE_I64;
}

static bool parse_value(enum type type, const char *text, struct missing *missing)
{
    struct number number;

    missing->text = text;
    if (type == TYPE_UTF8)
        return true;
    if (type == TYPE_BOOL) {
        missing->integer = strcmp(text, "true") == 0;
        return missing->integer || strcmp(text, "false") == 0;
    }
    if (!is_number(type) || !number_parse(text, &number) || *number.end)
        return false;
    missing->number = number_f64(&number);
    if (is_float(type))
        return true;
    return number_i64(&number, &missing->integer) &&
           (type == TYPE_I64 || missing->integer == (int32_t)missing->integer);
}

static bool fits(enum missing_fill fill, enum type type)
{
    if (fill == MISSING_CONSTANT)
        return is_number(type) || type == TYPE_BOOL || type == TYPE_UTF8;
    return is_number(type) || (fill == MISSING_LAST &&
                               (type == TYPE_BOOL || type == TYPE_UTF8 || type == TYPE_TIMESTAMP));
}

bool missing_parse(struct mistakes *mistakes, const struct option_entry *entry, enum type type,
                   struct missing *missing)
{
    const char *option = arena_format(mistakes->arena, "missing.%s", entry->name), *texts[PARTS];
    uint32_t fill = 0, other = 1;

    if (!mistakes_parts(mistakes, "missing", entry, part_names, texts))
        return false;
    if (texts[FILL] &&
        !mistakes_choice(mistakes, part(mistakes, entry, FILL), texts[FILL], fills, &fill))
        return false;
    missing->fill = (enum missing_fill)(fill + MISSING_CONSTANT);
    if (!fits(missing->fill, type))
        return mistakes_add(mistakes, option, "numbers take any, bools and texts last and constant",
                            "a column of %s cannot be filled by %s", type_name(type), fills[fill]);
    if (texts[VALUE] && !parse_value(type, texts[VALUE], missing))
        return mistakes_add(mistakes, part(mistakes, entry, VALUE),
                            "write a value of the column's type", "\"%s\" is no %s", texts[VALUE],
                            type_name(type));
    if (missing->fill == MISSING_CONSTANT && !texts[VALUE])
        return mistakes_add(mistakes, option, "write {value: 0}, say", "there is no value");
    if (texts[ELSE] &&
        !mistakes_choice(mistakes, part(mistakes, entry, ELSE), texts[ELSE], elses, &other))
        return false;
    missing->rejects = other == 0;
    return true;
}

uint32_t missing_room(const struct missing *missing, uint32_t room)
{
    switch (missing->fill) {
    case MISSING_NONE:
    case MISSING_CONSTANT:
        return 0;
    case MISSING_LAST:
        return 1;
    case MISSING_LINE:
        return 2;
    case MISSING_MEAN:
    case MISSING_MEDIAN:
        break;
    }
    return room;
}

double missing_value(const struct missing *missing, const struct history_view *view,
                     int64_t time_ms)
{
    switch (missing->fill) {
    case MISSING_NONE:
    case MISSING_CONSTANT:
        break;
    case MISSING_MEAN:
        return history_mean(view);
    case MISSING_MEDIAN:
        return history_median(view);
    case MISSING_LAST:
        return view->values[view->count - 1];
    case MISSING_LINE:
        return history_line(view, time_ms);
    }
    return missing->number;
}
