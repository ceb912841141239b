/* option: defaults and parsing of option tables. A failure leaves the field as it was. */
#include "runtime/base/option.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUOTE_MAX 80 /* bytes of the user's text in a message */

/* Bytes of the field of a type; 0 for a group, whose size is its own affair. */
static size_t type_size(enum option_type type)
{
    switch (type) {
    case OPT_NONE:
    case OPT_GROUP:
        return 0;
    case OPT_BOOL:
        return sizeof(bool);
    case OPT_I64:
    case OPT_DURATION:
    case OPT_BYTES:
        return sizeof(int64_t);
    case OPT_F64:
    case OPT_RATIO:
        return sizeof(double);
    case OPT_TEXT:
    case OPT_EXPRESSION:
    case OPT_FIELD:
        return sizeof(const char *);
    case OPT_ENUM:
        return sizeof(int32_t);
    case OPT_FIELDS:
    case OPT_TEXTS:
        return sizeof(struct text_list);
    case OPT_MAP:
        return sizeof(struct option_map);
    case OPT_WINDOW:
        return sizeof(struct window);
    }
    return 0;
}

static void *field_of(const struct option *option, void *config)
{
    size_t size = type_size(option->type);

    CHECK(size == 0 || size == option->size);
    return (char *)config + option->offset;
}

void option_defaults(const struct option *options, void *config)
{
    for (const struct option *option = options; option->name; option++) {
        void *field = field_of(option, config);

        switch (option->type) {
        case OPT_BOOL:
            memcpy(field, &option->def.flag, sizeof(bool));
            break;
        case OPT_I64:
        case OPT_DURATION:
        case OPT_BYTES:
        case OPT_F64:
        case OPT_RATIO:
        case OPT_TEXT:
        case OPT_EXPRESSION:
        case OPT_FIELD:
            memcpy(field, &option->def, option->size);
            break;
        case OPT_ENUM:
            memcpy(field, &(int32_t){(int32_t)option->def.i64}, sizeof(int32_t));
            break;
        case OPT_GROUP:
            option_defaults(option->group, field);
            break;
        case OPT_NONE:
        case OPT_FIELDS:
        case OPT_TEXTS:
        case OPT_MAP:
        case OPT_WINDOW:
            break; /* zero is their empty value */
        }
    }
}

const struct option *option_find(const struct option *options, const char *name)
{
    for (const struct option *option = options; option->name; option++)
        if (strcmp(option->name, name) == 0)
            return option;
    return NULL;
}

static bool wrong_type(const struct option *option, const char *text, const char *kind,
                       struct error *err)
{
    char how[160];

    snprintf(how, sizeof(how), "write %s", option_type_help(option->type));
    return error_set(err, ERROR_CONFIG, option->name, how, "\"%.*s\" is not %s", QUOTE_MAX, text,
                     kind);
}

static bool out_of_range(const struct option *option, const char *text, struct error *err)
{
    char how[200], range[160];

    snprintf(how, sizeof(how), "write a value %s", option_range(option, range, sizeof(range)));
    return error_set(err, ERROR_CONFIG, option->name, how, "\"%.*s\" is out of range", QUOTE_MAX,
                     text);
}

static bool parse_i64(const char *text, int64_t *value)
{
    char *end;

    if (text[strspn(text, "+-0123456789")] != 0)
        return false; /* strtoll would skip space */
    errno = 0;
    *value = strtoll(text, &end, 10);
    return end != text && *end == 0 && errno == 0;
}

static bool parse_f64(const char *text, double *value)
{
    char *end;

    if (text[strspn(text, "+-0123456789.eE")] != 0)
        return false; /* strtod would take space, hexadecimals, inf and nan */
    *value = strtod(text, &end);
    return end != text && *end == 0 && *value - *value == 0; /* 1e999 is infinite */
}

static bool parse_ratio(const char *text, double *value)
{
    size_t length = strlen(text);
    char number[64];

    if (length == 0 || text[length - 1] != '%')
        return parse_f64(text, value);
    if (length > sizeof(number))
        return false;
    memcpy(number, text, length - 1);
    number[length - 1] = 0;
    if (!parse_f64(number, value))
        return false;
    *value /= 100;
    return true;
}

static bool set_integer(const struct option *option, const char *text, int64_t value, void *config,
                        struct error *err)
{
    struct option_bounds bounds = option_bounds(option);

    if (value < bounds.min.i64 || value > bounds.max.i64)
        return out_of_range(option, text, err);
    memcpy(field_of(option, config), &value, sizeof(value));
    return true;
}

static bool set_float(const struct option *option, const char *text, double value, void *config,
                      struct error *err)
{
    struct option_bounds bounds = option_bounds(option);

    if (value < bounds.min.f64 || value > bounds.max.f64)
        return out_of_range(option, text, err);
    memcpy(field_of(option, config), &value, sizeof(value));
    return true;
}

static bool set_bool(const struct option *option, const char *text, void *config, struct error *err)
{
    bool value = strcmp(text, "true") == 0;

    if (!value && strcmp(text, "false") != 0)
        return wrong_type(option, text, "a boolean", err);
    memcpy(field_of(option, config), &value, sizeof(value));
    return true;
}

static bool set_text(const struct option *option, const char *text, void *config,
                     struct arena *arena)
{
    const char *copy = arena_text(arena, text);

    memcpy(field_of(option, config), &copy, sizeof(copy));
    return true;
}

static bool set_choice(const struct option *option, const char *text, void *config,
                       struct error *err)
{
    struct bytes how = {0};
    const char *near;
    uint32_t count = 0;

    for (; option->choices[count]; count++) {
        if (strcmp(option->choices[count], text) != 0)
            continue;
        memcpy(field_of(option, config), &(int32_t){(int32_t)count}, sizeof(int32_t));
        return true;
    }
    for (uint32_t i = 0; i < count; i++)
        bytes_format(&how, "%s%s", i ? ", " : "write one of ", option->choices[i]);
    near = text_nearest(option->choices, count, text);
    if (near)
        bytes_format(&how, "; did you mean `%s`?", near);
    bytes_put(&how, "", 1);
    error_set(err, ERROR_CONFIG, option->name, (const char *)how.data, "\"%.*s\" is not a choice",
              QUOTE_MAX, text);
    bytes_clear(&how);
    return false;
}

bool option_parse(const struct option *option, const char *text, void *config, struct arena *arena,
                  struct error *err)
{
    int64_t integer;
    double real;

    CHECK(option->name && text && config && arena);
    switch (option->type) {
    case OPT_BOOL:
        return set_bool(option, text, config, err);
    case OPT_I64:
        return parse_i64(text, &integer) ? set_integer(option, text, integer, config, err)
                                         : wrong_type(option, text, "an integer", err);
    case OPT_DURATION:
        return duration_parse(text, &integer) ? set_integer(option, text, integer, config, err)
                                              : wrong_type(option, text, "a duration", err);
    case OPT_BYTES:
        return byte_size_parse(text, &integer) ? set_integer(option, text, integer, config, err)
                                               : wrong_type(option, text, "a byte size", err);
    case OPT_F64:
        return parse_f64(text, &real) ? set_float(option, text, real, config, err)
                                      : wrong_type(option, text, "a number", err);
    case OPT_RATIO:
        return parse_ratio(text, &real) ? set_float(option, text, real, config, err)
                                        : wrong_type(option, text, "a ratio", err);
    case OPT_ENUM:
        return set_choice(option, text, config, err);
    case OPT_EXPRESSION:
    case OPT_FIELD:
        if (!text[0])
            return wrong_type(option, text,
                              option->type == OPT_FIELD ? "a column" : "an expression", err);
        return set_text(option, text, config, arena);
    case OPT_TEXT:
        if (option->required && !text[0])
            return wrong_type(option, text, "a text", err);
        return set_text(option, text, config, arena);
    case OPT_NONE:
    case OPT_FIELDS:
    case OPT_TEXTS:
    case OPT_MAP:
    case OPT_WINDOW:
    case OPT_GROUP:
        break; /* the caller's bug */
    }
    check_failed(__FILE__, __LINE__, "option_parse: not a scalar");
}

static bool unsound(const struct option *option, struct error *err, const char *what)
{
    return error_set(err, ERROR_CONFIG, option->name, NULL, "%s", what);
}

static bool default_in_range(const struct option *option)
{
    struct option_bounds bounds = option_bounds(option);

    switch (option->type) {
    case OPT_I64:
    case OPT_DURATION:
    case OPT_BYTES:
        return bounds.min.i64 <= bounds.max.i64 && option->def.i64 >= bounds.min.i64 &&
               option->def.i64 <= bounds.max.i64;
    case OPT_F64:
    case OPT_RATIO:
        return bounds.min.f64 <= bounds.max.f64 && option->def.f64 >= bounds.min.f64 &&
               option->def.f64 <= bounds.max.f64;
    case OPT_ENUM: {
        int64_t count = 0;

        while (option->choices[count])
            count++;
        return option->def.i64 >= 0 && option->def.i64 < count;
    }
    case OPT_NONE:
    case OPT_BOOL:
    case OPT_TEXT:
    case OPT_EXPRESSION:
    case OPT_FIELD:
    case OPT_FIELDS:
    case OPT_TEXTS:
    case OPT_MAP:
    case OPT_WINDOW:
    case OPT_GROUP:
        break;
    }
    return true;
}

bool option_check(const struct option *options, size_t config_size, struct error *err)
{
    for (const struct option *option = options; option->name; option++) {
        size_t size = type_size(option->type);

        if (option->type == OPT_NONE)
            return unsound(option, err, "has no type");
        if (!option->help || !option->help[0])
            return unsound(option, err, "has no help");
        if (option->size == 0 || (size != 0 && size != option->size))
            return unsound(option, err, "has a field of another size");
        if (option->offset > config_size || option->size > config_size - option->offset)
            return unsound(option, err, "lies outside the struct");
        if ((option->type == OPT_ENUM) != (option->choices != NULL))
            return unsound(option, err, "has choices and is not an enum, or the other way round");
        if ((option->type == OPT_GROUP) != (option->group != NULL))
            return unsound(option, err, "has a group and is none, or the other way round");
        if (option->life != LIFE_FREE && option->type > OPT_FIELD)
            return unsound(option, err, "is told or fixed and no scalar");
        if (!option->required && !default_in_range(option))
            return unsound(option, err, "has a default out of its range");
        if (option_find(options, option->name) != option)
            return unsound(option, err, "is there twice");
        if (option->group && !option_check(option->group, option->size, err))
            return error_wrap(err, "%s", option->name);
    }
    return true;
}
