/* The functions of the expression language. A row tells the types that are wanted and the kernel;
 * what is not so plain has a function of its own. */
#include "runtime/batch/expr_parts.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MANY 255u

struct function {
    const char *name, *usage;
    uint32_t least, most;         /* values */
    enum type args[OPERANDS_MAX]; /* as type_wants */
    enum type result;
    kernel *run, *run_f64;
    const enum time_part *part;
    /* Types the values and makes the steps. */
    bool (*make)(struct compiler *c, const struct function *function, struct operands *list,
                 struct operand *out);
    /* Also reads the values, from "(" on. */
    bool (*parse)(struct compiler *c, struct operand *out);
};

/* ---- made from values of several types ---- */

static bool make_abs(struct compiler *c, const struct function *function, struct operands *list,
                     struct operand *out)
{
    bool i64 = type_wide(list->items[0].type) == TYPE_I64;
    enum type type = i64 ? TYPE_I64 : TYPE_F64;

    if (!type_wants(c, &list->items[0], type, function->name))
        return false;
    *out = type_unary(c, i64 ? function->run : function->run_f64, type, &list->items[0]);
    return true;
}

/* Integers are whole already. */
static bool make_whole(struct compiler *c, const struct function *function, struct operands *list,
                       struct operand *out)
{
    *out = list->items[0];
    if (type_wide(out->type) == TYPE_I64)
        return type_wants(c, out, TYPE_I64, function->name);
    if (!type_wants(c, &list->items[0], TYPE_F64, function->name))
        return false;
    *out = type_unary(c, function->run, TYPE_F64, &list->items[0]);
    return true;
}

static bool make_extreme(struct compiler *c, const struct function *function, struct operands *list,
                         struct operand *out)
{
    if (!type_unify(c, list->items, list->count, function->name))
        return false;
    if (list->items[0].type != TYPE_TIMESTAMP && list->items[0].type != TYPE_I64)
        for (uint32_t i = 0; i < list->count; i++)
            if (!type_wants(c, &list->items[i], TYPE_F64, function->name))
                return false;
    *out = list->items[0];
    for (uint32_t i = 1; i < list->count; i++)
        *out = type_binary(c, out->type == TYPE_F64 ? function->run_f64 : function->run, out->type,
                           out, &list->items[i]);
    return true;
}

static bool make_concat(struct compiler *c, const struct function *function, struct operands *list,
                        struct operand *out)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (!type_wants(c, &list->items[i], TYPE_UTF8, function->name))
            return false;
        *out = i ? type_binary(c, text_concat, TYPE_UTF8, out, &list->items[i]) : list->items[0];
    }
    return true;
}

static bool make_substr(struct compiler *c, const struct function *function, struct operands *list,
                        struct operand *out)
{
    const int64_t rest = INT64_MAX;
    const struct operand *in[OPERANDS_MAX];

    if (list->count == 2) {
        struct operand count = type_constant(c, TYPE_I64, &rest);
        operands_add(c, list, &count);
    }
    for (uint32_t i = 0; i < OPERANDS_MAX; i++) {
        if (!type_wants(c, &list->items[i], function->args[i], function->name))
            return false;
        in[i] = &list->items[i];
    }
    *out = type_run(c, text_substr, TYPE_UTF8, true, NULL, in, OPERANDS_MAX);
    return true;
}

static bool make_trunc(struct compiler *c, const struct function *function, struct operands *list,
                       struct operand *out)
{
    const struct operand *unit = &list->items[0], *in = &list->items[1];
    const char *names[16];
    uint32_t count = 0;
    char quote[QUOTE_SIZE];
    char how[sizeof(c->err->how)];

    if (!type_wants(c, &list->items[1], TYPE_TIMESTAMP, function->name))
        return false;
    if (unit->type != TYPE_UTF8 || !unit->constant || unit->reg->valid == 0)
        return lex_error(c, unit->begin, function->usage,
                         "date_trunc wants the name of a unit first");
    for (const struct time_unit *known = time_units; known->name; known++) {
        const struct text *name = unit->reg->values;

        if (strlen(known->name) == name->size && memcmp(known->name, name->data, name->size) == 0) {
            *out = type_run(c, known->run, TYPE_TIMESTAMP, true, known, &in, 1);
            return true;
        }
        names[count++] = known->name;
    }
    lex_known(how, sizeof(how), names, count, ((const struct text *)unit->reg->values)->data);
    return lex_error(c, unit->begin, how, "there is no unit of time %s",
                     lex_quote(c, unit->begin, unit->end, quote));
}

static bool make_epoch(struct compiler *c, const struct function *function, struct operands *list,
                       struct operand *out)
{
    return type_wants(c, &list->items[0], TYPE_TIMESTAMP, function->name) &&
           type_cast(c, &list->items[0], TYPE_I64, out);
}

static bool make_nullif(struct compiler *c, const struct function *function, struct operands *list,
                        struct operand *out)
{
    struct operand equal, nothing;

    if (!type_unify(c, list->items, 2, function->name) ||
        !type_compare(c, "=", &list->items[0], &list->items[1], &equal))
        return false;
    nothing = type_null(c, list->items[0].type);
    *out = type_select(c, &equal, &nothing, &list->items[0]);
    return true;
}

/* ---- those that read their values themselves: not all are worked out for all rows ---- */

static bool parse_coalesce(struct compiler *c, struct operand *out)
{
    struct operands values = {0}, known = {0};
    uint32_t scopes = c->open_count, i;
    struct operand value, not_null;

    do {
        if (!lex_next(c) || !parse_nested(c, &value)) /* behind "(" or "," */
            return false;
        not_null = type_is_null(c, &value, false);
        operands_add(c, &values, &value);
        operands_add(c, &known, &not_null);
        if (!type_narrow(c, &not_null, NARROW_NOT_TRUE))
            return false;
    } while (lex_symbol(c, ","));
    if (!parse_symbol(c, ")"))
        return false;
    while (c->open_count > scopes)
        type_widen(c);
    if (!type_unify(c, values.items, values.count, "coalesce"))
        return false;
    i = values.count - 1;
    *out = values.items[i];
    while (i-- > 0)
        *out = type_select(c, &known.items[i], &values.items[i], out);
    return true;
}

static bool parse_if(struct compiler *c, struct operand *out)
{
    struct operand condition, values[2];

    if (!lex_next(c) || !parse_nested(c, &condition) || !type_bool(c, &condition, "if") ||
        !parse_symbol(c, ",") || !type_narrow(c, &condition, NARROW_TRUE) ||
        !parse_nested(c, &values[0]))
        return false;
    type_widen(c);
    if (!parse_symbol(c, ",") || !type_narrow(c, &condition, NARROW_NOT_TRUE) ||
        !parse_nested(c, &values[1]) || !parse_symbol(c, ")"))
        return false;
    type_widen(c);
    if (!type_unify(c, values, 2, "if"))
        return false;
    *out = type_select(c, &condition, &values[0], &values[1]);
    return true;
}

static bool parse_type(struct compiler *c, enum type *type)
{
    static const char *const names[] = {"bool", "i32", "i64", "f32", "f64", "timestamp", "utf8"};
    char how[sizeof(c->err->how)];

    if (c->token.kind != TOKEN_NAME)
        return parse_expected(c, "a type");
    if (type_parse(c->token.text.data, type))
        return lex_next(c);
    lex_known(how, sizeof(how), names, sizeof(names) / sizeof(names[0]), c->token.text.data);
    return lex_error(c, c->token.begin, how, "there is no type \"%s\"", c->token.text.data);
}

static bool parse_cast(struct compiler *c, struct operand *out)
{
    struct operand value;
    enum type type = TYPE_NONE;

    return lex_next(c) && parse_nested(c, &value) && parse_word(c, "as") && parse_type(c, &type) &&
           parse_symbol(c, ")") && type_cast(c, &value, type, out);
}

/* ---- the table ---- */

static const enum time_part parts[] = {PART_YEAR,   PART_MONTH,  PART_DAY,     PART_HOUR,
                                       PART_MINUTE, PART_SECOND, PART_WEEKDAY, PART_DAY_OF_YEAR};

#define NUMBER_FUNCTION(name, run)                                                                 \
    {                                                                                              \
        name, name "(number)", 1, 1, {TYPE_F64}, TYPE_F64, run                                     \
    }
#define TIME_FUNCTION(name, part)                                                                  \
    {                                                                                              \
        name, name "(timestamp)", 1, 1, {TYPE_TIMESTAMP}, TYPE_I64, time_part, NULL, &parts[part]  \
    }

static const struct function functions[] = {
    {"abs", "abs(number)", 1, 1, .run = number_abs_i64, .run_f64 = number_abs_f64,
     .make = make_abs},
    {"floor", "floor(number)", 1, 1, .run = number_floor, .make = make_whole},
    {"ceil", "ceil(number)", 1, 1, .run = number_ceil, .make = make_whole},
    {"round", "round(number)", 1, 1, .run = number_round, .make = make_whole},
    NUMBER_FUNCTION("sqrt", number_sqrt),
    NUMBER_FUNCTION("ln", number_ln),
    NUMBER_FUNCTION("exp", number_exp),
    NUMBER_FUNCTION("log10", number_log10),
    {"pow", "pow(number, exponent)", 2, 2, {TYPE_F64, TYPE_F64}, TYPE_F64, number_pow},
    {"min", "min(a, b, ...)", 2, MANY, .run = number_min_i64, .run_f64 = number_min_f64,
     .make = make_extreme},
    {"max", "max(a, b, ...)", 2, MANY, .run = number_max_i64, .run_f64 = number_max_f64,
     .make = make_extreme},
    {"lower", "lower(text)", 1, 1, {TYPE_UTF8}, TYPE_UTF8, text_lower},
    {"upper", "upper(text)", 1, 1, {TYPE_UTF8}, TYPE_UTF8, text_upper},
    {"length", "length(text)", 1, 1, {TYPE_UTF8}, TYPE_I64, text_length},
    {"trim", "trim(text)", 1, 1, {TYPE_UTF8}, TYPE_UTF8, text_trim},
    {"substr",
     "substr(text, from, count), the first character is 1",
     2,
     3,
     {TYPE_UTF8, TYPE_I64, TYPE_I64},
     TYPE_UTF8,
     .make = make_substr},
    {"contains", "contains(text, part)", 2, 2, {TYPE_UTF8, TYPE_UTF8}, TYPE_BOOL, text_contains},
    {"starts_with",
     "starts_with(text, part)",
     2,
     2,
     {TYPE_UTF8, TYPE_UTF8},
     TYPE_BOOL,
     text_starts_with},
    {"ends_with", "ends_with(text, part)", 2, 2, {TYPE_UTF8, TYPE_UTF8}, TYPE_BOOL, text_ends_with},
    {"concat", "concat(text, text, ...)", 1, MANY, .make = make_concat},
    TIME_FUNCTION("year", PART_YEAR),
    TIME_FUNCTION("month", PART_MONTH),
    TIME_FUNCTION("day", PART_DAY),
    TIME_FUNCTION("hour", PART_HOUR),
    TIME_FUNCTION("minute", PART_MINUTE),
    TIME_FUNCTION("second", PART_SECOND),
    TIME_FUNCTION("weekday", PART_WEEKDAY),
    TIME_FUNCTION("day_of_year", PART_DAY_OF_YEAR),
    {"date_trunc", "date_trunc('hour', timestamp)", 2, 2, .make = make_trunc},
    {"epoch_ms", "epoch_ms(timestamp)", 1, 1, .make = make_epoch},
    {"nullif", "nullif(value, null when equal to this)", 2, 2, .make = make_nullif},
    {"coalesce", "coalesce(a, b, ...)", .parse = parse_coalesce},
    {"if", "if(condition, then, else)", .parse = parse_if},
    {"cast", "cast(value as type)", .parse = parse_cast},
};

#define FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

static const struct function *find(struct compiler *c)
{
    const char *names[FUNCTIONS];
    char how[sizeof(c->err->how)];

    for (uint32_t i = 0; i < FUNCTIONS; i++) {
        names[i] = functions[i].name;
        if (lex_word(c, names[i]))
            return &functions[i];
    }
    lex_known(how, sizeof(how), names, FUNCTIONS, c->token.text.data);
    lex_error(c, c->token.begin, how, "there is no function \"%s\"", c->token.text.data);
    return NULL;
}

static bool count_wrong(const struct compiler *c, const struct function *function, uint32_t at,
                        uint32_t count)
{
    char takes[32];

    if (function->most == MANY)
        snprintf(takes, sizeof(takes), "%u or more values", function->least);
    else if (function->most > function->least)
        snprintf(takes, sizeof(takes), "%u or %u values", function->least, function->most);
    else
        snprintf(takes, sizeof(takes), "%u value%s", function->least,
                 function->least == 1 ? "" : "s");
    return lex_error(c, at, function->usage, "%s takes %s, not %u", function->name, takes, count);
}

static bool make_plain(struct compiler *c, const struct function *function, struct operands *list,
                       struct operand *out)
{
    const struct operand *in[OPERANDS_MAX];

    for (uint32_t i = 0; i < list->count; i++) {
        if (!type_wants(c, &list->items[i], function->args[i], function->name))
            return false;
        in[i] = &list->items[i];
    }
    *out = type_run(c, function->run, function->result, true, function->part, in, list->count);
    return true;
}

bool call_parse(struct compiler *c, struct operand *out)
{
    const struct function *function = find(c);
    uint32_t begin = c->token.begin;
    struct operands list = {0};

    if (!function || !lex_next(c))
        return false;
    if (function->parse)
        return function->parse(c, out);
    if (!parse_list(c, &list))
        return false;
    if (list.count < function->least || list.count > function->most)
        return count_wrong(c, function, begin, list.count);
    return function->make ? function->make(c, function, &list, out)
                          : make_plain(c, function, &list, out);
}
