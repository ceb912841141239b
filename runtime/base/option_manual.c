/* option_manual: what an option table says to people: ranges, accepted forms, manual pages. */
#include "runtime/base/option.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAME_WIDTH 22u
#define HELP_WIDTH 84u /* of a help line, without its indent */
#define PREFIX_SIZE_MAX 128u

const char *option_type_help(enum option_type type)
{
    switch (type) {
    case OPT_NONE:
        return "nothing";
    case OPT_BOOL:
        return "true or false";
    case OPT_I64:
        return "a whole number, such as 20";
    case OPT_F64:
        return "a number, such as 0.5 or 1e-3";
    case OPT_DURATION:
        return "a number and ms, s, m, h or d, such as 90s";
    case OPT_BYTES:
        return "a number and b, kb, mb or gb, such as 64mb";
    case OPT_RATIO:
        return "a number from 0 to 1 or a percentage, such as 0.3 or 30%";
    case OPT_TEXT:
        return "a text";
    case OPT_ENUM:
        return "one of the choices";
    case OPT_EXPRESSION:
        return "an expression, such as \"rating >= 4\"";
    case OPT_FIELD:
        return "the name of a column of the input";
    case OPT_FIELDS:
        return "a list of columns of the input, such as [user, item]";
    case OPT_TEXTS:
        return "a list of texts, such as [a, b]";
    case OPT_MAP:
        return "a mapping of names to values, such as {a: x, b: y}";
    case OPT_WINDOW:
        return "{tumbling: 1h} or {sliding: 1h, every: 5m}";
    case OPT_GROUP:
        return "a mapping of the fields below it";
    }
    return "";
}

static const char *type_name(enum option_type type)
{
    static const char *const names[] = {
        [OPT_NONE] = "",
        [OPT_BOOL] = "boolean",
        [OPT_I64] = "integer",
        [OPT_F64] = "number",
        [OPT_DURATION] = "duration",
        [OPT_BYTES] = "size",
        [OPT_RATIO] = "ratio",
        [OPT_TEXT] = "text",
        [OPT_ENUM] = "choice",
        [OPT_FIELD] = "column",
        [OPT_EXPRESSION] = "expression",
        [OPT_FIELDS] = "columns",
        [OPT_TEXTS] = "texts",
        [OPT_MAP] = "mapping",
        [OPT_WINDOW] = "window",
        [OPT_GROUP] = "section",
    };

    return names[type];
}

static bool has_range(const struct option *option)
{
    return option->min.i64 != 0 || option->max.i64 != 0;
}

struct option_bounds option_bounds(const struct option *option)
{
    bool real = option->type == OPT_F64 || option->type == OPT_RATIO;
    struct option_bounds bounds = {option->min, option->max};

    if (has_range(option))
        return bounds;
    if (real) {
        bounds.min.f64 = option->type == OPT_RATIO ? 0 : -__DBL_MAX__;
        bounds.max.f64 = option->type == OPT_RATIO ? 1 : __DBL_MAX__;
        return bounds;
    }
    bounds.min.i64 = option->type == OPT_I64 ? INT64_MIN : 0;
    bounds.max.i64 = INT64_MAX;
    return bounds;
}

static const char *value_text(const struct option *option, union option_value value, char *text,
                              size_t size)
{
    switch (option->type) {
    case OPT_BOOL:
        snprintf(text, size, "%s", value.flag ? "true" : "false");
        break;
    case OPT_I64:
        snprintf(text, size, "%" PRId64, value.i64);
        break;
    case OPT_DURATION:
        return duration_text(value.i64, text, size);
    case OPT_BYTES:
        return byte_size_text(value.i64, text, size);
    case OPT_F64:
    case OPT_RATIO:
        snprintf(text, size, "%.15g", value.f64);
        break;
    case OPT_ENUM:
        snprintf(text, size, "%s", option->choices[value.i64]);
        break;
    case OPT_TEXT:
    case OPT_EXPRESSION:
    case OPT_FIELD:
        if (value.text)
            snprintf(text, size, "\"%s\"", value.text);
        else
            text[0] = 0;
        break;
    case OPT_NONE:
    case OPT_FIELDS:
    case OPT_TEXTS:
    case OPT_MAP:
    case OPT_WINDOW:
    case OPT_GROUP:
        text[0] = 0;
        break;
    }
    return text;
}

static void put_text(const char *text, struct bytes *out)
{
    for (; *text; text++)
        bytes_put(out, *text == '\n' ? " " : text, 1);
}

void option_value(const struct option *option, const void *config, struct bytes *out)
{
    const void *field = (const char *)config + option->offset;
    union option_value value = {0};
    char text[64];

    switch (option->type) {
    case OPT_BOOL:
        value.flag = *(const bool *)field;
        break;
    case OPT_ENUM:
        bytes_text(out, option->choices[*(const int32_t *)field]);
        return;
    case OPT_TEXT:
    case OPT_EXPRESSION:
    case OPT_FIELD:
        value.text = *(const char *const *)field;
        put_text(value.text ? value.text : "none", out);
        return;
    case OPT_I64:
    case OPT_F64:
    case OPT_DURATION:
    case OPT_BYTES:
    case OPT_RATIO:
        memcpy(&value, field, sizeof(value));
        break;
    case OPT_NONE:
    case OPT_FIELDS:
    case OPT_TEXTS:
    case OPT_MAP:
    case OPT_WINDOW:
    case OPT_GROUP:
        return;
    }
    bytes_text(out, value_text(option, value, text, sizeof(text)));
}

const char *option_range(const struct option *option, char *text, size_t size)
{
    struct option_bounds bounds = option_bounds(option);
    bool real = option->type == OPT_F64 || option->type == OPT_RATIO;
    char min[64], max[64];

    value_text(option, bounds.min, min, sizeof(min));
    value_text(option, bounds.max, max, sizeof(max));
    if (real ? bounds.max.f64 == __DBL_MAX__ : bounds.max.i64 == INT64_MAX)
        snprintf(text, size, "from %s up", min);
    else
        snprintf(text, size, "from %s to %s", min, max);
    return text;
}

static void put_help(const char *help, struct bytes *out)
{
    while (*help) {
        size_t size = strlen(help);

        if (size > HELP_WIDTH) {
            size = HELP_WIDTH;
            while (size > 0 && help[size] != ' ')
                size--;
            if (size == 0)
                size = strcspn(help, " ");
        }
        bytes_format(out, "      %.*s\n", (int)size, help);
        help += size;
        help += strspn(help, " ");
    }
}

static void put_row(const struct option *option, const char *prefix, struct bytes *out)
{
    char name[PREFIX_SIZE_MAX], text[256];

    snprintf(name, sizeof(name), "%s%s", prefix, option->name);
    bytes_format(out, "  %-*s  ", (int)NAME_WIDTH, name);
    if (option->type == OPT_ENUM)
        for (uint32_t i = 0; option->choices[i]; i++)
            bytes_format(out, "%s%s", i ? " | " : "", option->choices[i]);
    else
        bytes_text(out, type_name(option->type));
    if (option->required)
        bytes_text(out, ", required");
    else if (value_text(option, option->def, text, sizeof(text))[0])
        bytes_format(out, ", default %s", text);
    if (has_range(option))
        bytes_format(out, ", %s", option_range(option, text, sizeof(text)));
    if (option->life == LIFE_FIXED)
        bytes_text(out, ", fixed for the life of a checkpoint");
    bytes_text(out, "\n");
    put_help(option->help, out);
}

static void put_table(const struct option *options, const char *prefix, struct bytes *out)
{
    for (const struct option *option = options; option->name; option++) {
        char inner[PREFIX_SIZE_MAX];

        put_row(option, prefix, out);
        if (option->type != OPT_GROUP)
            continue;
        snprintf(inner, sizeof(inner), "%s%s.", prefix, option->name);
        put_table(option->group, inner, out);
    }
}

void option_manual(const struct option *options, struct bytes *out)
{
    put_table(options, "", out);
}
