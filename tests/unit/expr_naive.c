/* Evaluation for expr_naive.h: one row and one value at a time. */
#include "runtime/base/timestamp.h"
#include "runtime/batch/json.h"
#include "tests/unit/expr_naive_tree.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_VALUE_MAX (1u << 20)

/* ---- evaluation ---- */

struct place {
    struct naive *naive;
    const struct batch *batch;
    uint32_t row;
};

static struct naive_value eval(const struct place *place, const struct node *node);

static const struct naive_value nothing = {.null = true};

static struct naive_value of_i64(int64_t value)
{
    return (struct naive_value){.i64 = value};
}

static struct naive_value of_f64(double value)
{
    return isfinite(value) ? (struct naive_value){.f64 = value} : nothing;
}

static struct naive_value of_text(const char *text, size_t size)
{
    return size > TEXT_VALUE_MAX ? nothing : (struct naive_value){.text = text, .size = size};
}

/* The value of a kid at a type that its own goes into. */
static struct naive_value as(const struct place *place, const struct node *kid, enum type type)
{
    struct naive_value value = eval(place, kid);

    if (type == TYPE_F64 && naive_wide(kid->type) == TYPE_I64)
        value.f64 = (double)value.i64;
    return value;
}

static struct naive_value column_value(const struct place *place, const struct node *node)
{
    const struct column *column = node->column == FIELD_NONE
                                      ? place->batch->columns[HIDDEN_TIME]
                                      : batch_column(place->batch, node->column);
    struct naive_value value = {0};
    uint32_t size;

    if (!column_valid(column, place->row))
        return nothing;
    if (node->type == TYPE_BOOL) {
        value.i64 = column_bool(column, place->row);
    } else if (node->type == TYPE_I32) {
        value.i64 = ((const int32_t *)column->values)[place->row];
    } else if (node->type == TYPE_F32) {
        value.f64 = (double)((const float *)column->values)[place->row];
    } else if (node->type == TYPE_F64) {
        value.f64 = ((const double *)column->values)[place->row];
    } else if (node->type == TYPE_UTF8) {
        value.text = column_text(column, place->row, &size);
        value.size = size;
    } else {
        value.i64 = ((const int64_t *)column->values)[place->row];
    }
    return value;
}

static bool in_calendar(int64_t ms)
{
    return ms >= TIMESTAMP_MIN_MS && ms <= TIMESTAMP_MAX_MS;
}

static struct naive_value of_wide(__int128 value, enum type type)
{
    if (value < INT64_MIN || value > INT64_MAX)
        return nothing;
    return type == TYPE_TIMESTAMP && !in_calendar((int64_t)value) ? nothing
                                                                  : of_i64((int64_t)value);
}

static struct naive_value joined(const struct place *place, struct naive_value a,
                                 struct naive_value b)
{
    char *text = arena_new(place->naive->row, a.size + b.size);

    memcpy(text, a.text, a.size);
    memcpy(text + a.size, b.text, b.size);
    return of_text(text, a.size + b.size);
}

static struct naive_value arithmetic(const struct place *place, const struct node *node)
{
    struct naive_value a = as(place, node->kids[0], node->type);
    struct naive_value b = as(place, node->kids[1], node->type);

    if (a.null || b.null)
        return nothing;
    if (node->type == TYPE_UTF8)
        return joined(place, a, b);
    if (node->type != TYPE_F64)
        switch (*node->op) {
        case '+':
            return of_wide((__int128)a.i64 + b.i64, node->type);
        case '-':
            return of_wide((__int128)a.i64 - b.i64, node->type);
        case '*':
            return of_wide((__int128)a.i64 * b.i64, node->type);
        default:
            return b.i64 == 0 ? nothing : of_wide((__int128)a.i64 % b.i64, node->type);
        }
    switch (*node->op) {
    case '+':
        return of_f64(a.f64 + b.f64);
    case '-':
        return of_f64(a.f64 - b.f64);
    case '*':
        return of_f64(a.f64 * b.f64);
    case '/':
        return of_f64(a.f64 / b.f64);
    default:
        return of_f64(fmod(a.f64, b.f64));
    }
}

static int text_order(struct naive_value a, struct naive_value b)
{
    for (size_t i = 0; i < a.size && i < b.size; i++)
        if (a.text[i] != b.text[i])
            return (unsigned char)a.text[i] < (unsigned char)b.text[i] ? -1 : 1;
    return a.size < b.size ? -1 : a.size > b.size;
}

/* Whether a `op` b holds for two values of a type, which are not null. */
static bool holds(const char *op, enum type type, struct naive_value a, struct naive_value b)
{
    int order = type == TYPE_UTF8 ? text_order(a, b) : a.i64 < b.i64 ? -1 : a.i64 > b.i64;

    if (type == TYPE_F64) {
        if (isnan(a.f64) || isnan(b.f64))
            return strcmp(op, "!=") == 0;
        order = a.f64 < b.f64 ? -1 : a.f64 > b.f64;
    }
    if (strcmp(op, "=") == 0)
        return order == 0;
    if (strcmp(op, "!=") == 0)
        return order != 0;
    if (*op == '<')
        return order < 0 || (op[1] && order == 0);
    return order > 0 || (op[1] && order == 0);
}

static struct naive_value compare(const struct place *place, const char *op, const struct node *a,
                                  const struct node *b, enum type type)
{
    struct naive_value left = as(place, a, type), right = as(place, b, type);

    if (left.null || right.null)
        return nothing;
    return of_i64(holds(op, type, left, right));
}

/* `stop` decides; otherwise null wins over the other. */
static struct naive_value both(struct naive_value a, struct naive_value b, bool stop)
{
    if ((!a.null && a.i64 == stop) || (!b.null && b.i64 == stop))
        return of_i64(stop);
    return a.null || b.null ? nothing : of_i64(!stop);
}

static struct naive_value in_list(const struct place *place, const struct node *node)
{
    enum type type = naive_common_of(node, 0, 1);
    struct naive_value found = of_i64(0);

    for (uint32_t i = 1; i < node->count; i++)
        found = both(found, compare(place, "=", node->kids[0], node->kids[i], type), true);
    return found;
}

static bool continues(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

static bool like(const char *text, size_t size, const char *pattern, size_t left)
{
    size_t step = 1;

    if (left == 0)
        return size == 0;
    if (*pattern == '%') {
        while (left > 1 && pattern[1] == '%') {
            pattern++;
            left--;
        }
        for (size_t i = 0; i <= size; i++)
            if (like(text + i, size - i, pattern + 1, left - 1))
                return true;
        return false;
    }
    if (size == 0)
        return false;
    if (*pattern == '_') {
        while (step < size && continues(text[step]))
            step++;
        return like(text + step, size - step, pattern + 1, left - 1);
    }
    if (*pattern == '\\' && left > 1) {
        pattern++;
        left--;
    }
    return *text == *pattern && like(text + 1, size - 1, pattern + 1, left - 1);
}

static struct naive_value logic(const struct place *place, const struct node *node)
{
    const char *op = node->op;
    struct naive_value a = eval(place, node->kids[0]), b;

    if (strcmp(op, "isnull") == 0 || strcmp(op, "notnull") == 0)
        return of_i64(a.null == (*op == 'i'));
    if (strcmp(op, "not") == 0)
        return a.null ? nothing : of_i64(!a.i64);
    b = eval(place, node->kids[1]);
    if (strcmp(op, "and") == 0 || strcmp(op, "or") == 0)
        return both(a, b, *op == 'o');
    if (strcmp(op, "between") == 0) {
        enum type type = naive_common_of(node, 0, 1);
        return both(compare(place, ">=", node->kids[0], node->kids[1], type),
                    compare(place, "<=", node->kids[0], node->kids[2], type), false);
    }
    if (strcmp(op, "like") == 0)
        return a.null ? nothing : of_i64(like(a.text, a.size, b.text, b.size));
    return compare(place, op, node->kids[0], node->kids[1], naive_common_of(node, 0, 1));
}

static struct naive_value choice(const struct place *place, const struct node *node)
{
    enum type type = node->type;
    struct naive_value value;

    if (strcmp(node->op, "if") == 0) {
        value = eval(place, node->kids[0]);
        return as(place, node->kids[!value.null && value.i64 ? 1 : 2], type);
    }
    if (strcmp(node->op, "nullif") == 0) {
        value = compare(place, "=", node->kids[0], node->kids[1], type);
        return !value.null && value.i64 ? nothing : as(place, node->kids[0], type);
    }
    if (strcmp(node->op, "coalesce") == 0) {
        for (uint32_t i = 0; i < node->count; i++) {
            value = as(place, node->kids[i], type);
            if (!value.null)
                return value;
        }
        return nothing;
    }
    for (uint32_t i = 1; i + 1 < node->count; i += 2) {
        value = eval(place, node->kids[i]);
        if (!value.null && value.i64)
            return as(place, node->kids[i + 1], type);
    }
    return as(place, node->kids[0], type);
}

/* ---- casts ---- */

/* -?digits[.digits][e[+-]digits] and nothing else. */
static bool number_text(const struct naive_value *text, char *copy, bool *integer)
{
    const char *at = copy;
    size_t digits;

    if (text->size > 120 || memchr(text->text, 0, text->size))
        return false;
    memcpy(copy, text->text, text->size);
    copy[text->size] = 0;
    at += *at == '-';
    digits = strspn(at, "0123456789");
    at += digits;
    *integer = *at == 0;
    if (digits == 0)
        return false;
    if (*at == '.') {
        digits = strspn(++at, "0123456789");
        at += digits;
        if (digits == 0)
            return false;
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '-' || *at == '+';
        digits = strspn(at, "0123456789");
        at += digits;
        if (digits == 0)
            return false;
    }
    return *at == 0;
}

static struct naive_value cast_text(struct naive_value a, enum type to)
{
    char copy[121];
    bool integer;
    int64_t ms;
    double f64;

    if (to == TYPE_TIMESTAMP)
        return timestamp_parse(a.text, a.size, &ms) ? of_i64(ms) : nothing;
    if (to == TYPE_BOOL)
        return a.size == 4 && memcmp(a.text, "true", 4) == 0    ? of_i64(1)
               : a.size == 5 && memcmp(a.text, "false", 5) == 0 ? of_i64(0)
                                                                : nothing;
    if (!number_text(&a, copy, &integer))
        return nothing;
    f64 = strtod(copy, NULL);
    errno = 0;
    ms = strtoll(copy, NULL, 10);
    if (integer && errno == 0) /* -0 is 0 */
        return to == TYPE_F64 ? of_f64((double)ms) : of_i64(ms);
    if (to == TYPE_F64)
        return of_f64(f64);
    return fabs(f64) <= 0x1p53 && f64 == floor(f64) ? of_i64((int64_t)f64) : nothing;
}

static struct naive_value to_text(const struct place *place, const struct node *kid,
                                  struct naive_value a)
{
    char text[48];
    size_t size = 0;

    switch (kid->type) {
    case TYPE_BOOL:
        size = (size_t)snprintf(text, sizeof(text), "%s", a.i64 ? "true" : "false");
        break;
    case TYPE_TIMESTAMP:
        size = in_calendar(a.i64) ? timestamp_text(a.i64, text, sizeof(text)) : 0;
        break;
    case TYPE_F32:
        size = isfinite(a.f64) ? json_f32_text((float)a.f64, text) : 0;
        break;
    case TYPE_F64:
        size = isfinite(a.f64) ? json_f64_text(a.f64, text) : 0;
        break;
    default:
        size = (size_t)snprintf(text, sizeof(text), "%" PRId64, a.i64);
    }
    return size ? of_text(arena_copy(place->naive->row, text, size), size) : nothing;
}

static struct naive_value narrow_i64(__int128 value, enum type to)
{
    if (to == TYPE_I32 && (value < INT32_MIN || value > INT32_MAX))
        return nothing;
    return of_wide(value, to);
}

static struct naive_value cast(const struct place *place, const struct node *node)
{
    const struct node *kid = node->kids[0];
    struct naive_value a = eval(place, kid);
    enum type from = naive_wide(kid->type), to = node->type;

    if (a.null || kid->type == to || (from == to && to == TYPE_UTF8))
        return a;
    if (to == TYPE_UTF8)
        return to_text(place, kid, a);
    if (from == TYPE_UTF8) {
        enum type over = naive_wide(to);
        a = cast_text(a, over);
        if (a.null || over == to)
            return a;
        from = over;
    }
    if (to == TYPE_BOOL)
        return from == TYPE_F64 ? isnan(a.f64) ? nothing : of_i64(a.f64 != 0) : of_i64(a.i64 != 0);
    if (from == TYPE_F64 && naive_wide(to) != TYPE_F64)
        return a.f64 >= -0x1p63 && a.f64 < 0x1p63 ? narrow_i64((int64_t)a.f64, to) : nothing;
    if (naive_wide(to) != TYPE_F64)
        return narrow_i64(a.i64, to);
    if (from != TYPE_F64)
        a.f64 = (double)a.i64;
    if (from == to)
        return a;
    return to == TYPE_F32 ? of_f64((double)(float)a.f64) : a;
}

/* ---- functions ---- */

static struct naive_value extreme(const struct place *place, const struct node *node)
{
    struct naive_value best = as(place, node->kids[0], node->type), other;
    bool least = strcmp(node->op, "min") == 0;

    for (uint32_t i = 1; i < node->count; i++) {
        other = as(place, node->kids[i], node->type);
        if (best.null || other.null)
            return nothing;
        if (node->type == TYPE_F64) {
            if (isnan(best.f64) || isnan(other.f64))
                return nothing;
            if (least ? other.f64 < best.f64 : other.f64 > best.f64)
                best = other;
            best = of_f64(best.f64);
        } else if (least ? other.i64 < best.i64 : other.i64 > best.i64) {
            best = other;
        }
    }
    return best;
}

static struct naive_value number_call(const struct place *place, const struct node *node)
{
    const char *op = node->op;
    struct naive_value a = as(place, node->kids[0], node->type), b = {0};

    if (node->count > 1)
        b = as(place, node->kids[1], node->type);
    if (a.null || b.null)
        return nothing;
    if (node->type == TYPE_I64) {
        if (strcmp(op, "neg") == 0)
            return of_wide(-(__int128)a.i64, TYPE_I64);
        return strcmp(op, "abs") == 0 && a.i64 < 0 ? of_wide(-(__int128)a.i64, TYPE_I64) : a;
    }
    return of_f64(strcmp(op, "neg") == 0     ? -a.f64
                  : strcmp(op, "abs") == 0   ? fabs(a.f64)
                  : strcmp(op, "floor") == 0 ? floor(a.f64)
                  : strcmp(op, "ceil") == 0  ? ceil(a.f64)
                  : strcmp(op, "round") == 0 ? round(a.f64)
                  : strcmp(op, "sqrt") == 0  ? sqrt(a.f64)
                  : strcmp(op, "ln") == 0    ? log(a.f64)
                  : strcmp(op, "exp") == 0   ? exp(a.f64)
                  : strcmp(op, "log10") == 0 ? log10(a.f64)
                                             : pow(a.f64, b.f64));
}

static struct naive_value substr(struct naive_value a, struct naive_value from,
                                 struct naive_value count)
{
    size_t begin = a.size, end = 0;
    __int128 number = 0;

    for (size_t i = 0; i < a.size; i++) {
        number += i == 0 || !continues(a.text[i]);
        if (number < from.i64 || number >= (__int128)from.i64 + count.i64)
            continue;
        begin = i < begin ? i : begin;
        end = i + 1;
    }
    return begin < end ? of_text(a.text + begin, end - begin) : of_text(a.text, 0);
}

static struct naive_value text_call(const struct place *place, const struct node *node)
{
    const char *op = node->op;
    struct naive_value a = eval(place, node->kids[0]);
    char *copy;
    int64_t count = 0;

    if (a.null)
        return nothing;
    if (strcmp(op, "length") == 0) {
        for (size_t i = 0; i < a.size; i++)
            count += i == 0 || !continues(a.text[i]);
        return of_i64(count);
    }
    if (strcmp(op, "trim") == 0) {
        while (a.size && strchr(" \t\n\v\f\r", *a.text) && *a.text) {
            a.text++;
            a.size--;
        }
        while (a.size && strchr(" \t\n\v\f\r", a.text[a.size - 1]) && a.text[a.size - 1])
            a.size--;
        return a;
    }
    copy = arena_copy(place->naive->row, a.text, a.size);
    for (size_t i = 0; i < a.size; i++)
        if ((unsigned char)copy[i] < 0x80)
            copy[i] = (char)(*op == 'l' ? tolower(copy[i]) : toupper(copy[i]));
    return of_text(copy, a.size);
}

static struct naive_value texts_call(const struct place *place, const struct node *node)
{
    const char *op = node->op;
    struct naive_value values[3], all = of_text("", 0);

    for (uint32_t i = 0; i < node->count; i++) {
        struct naive_value value = eval(place, node->kids[i]);

        if (value.null || all.null)
            return nothing;
        if (i < 3)
            values[i] = value;
        if (strcmp(op, "concat") == 0)
            all = joined(place, all, value);
    }
    if (strcmp(op, "concat") == 0)
        return all;
    if (strcmp(op, "substr") == 0)
        return substr(values[0], values[1], node->count > 2 ? values[2] : of_i64(INT64_MAX));
    for (size_t i = 0; i + values[1].size <= values[0].size; i++)
        if (memcmp(values[0].text + i, values[1].text, values[1].size) == 0 &&
            (*op != 's' || i == 0) && (*op != 'e' || i + values[1].size == values[0].size))
            return of_i64(1);
    return of_i64(0);
}

static int64_t truncated(const char *unit, int64_t ms)
{
    struct civil civil = timestamp_civil(ms);
    int64_t of_day = ((int64_t)civil.hour * 60 + civil.minute) * 60000 + civil.second * 1000;
    int64_t day = ms - of_day - civil.millisecond;

    if (strcmp(unit, "second") == 0)
        return ms - civil.millisecond;
    if (strcmp(unit, "minute") == 0)
        return ms - civil.millisecond - civil.second * 1000;
    if (strcmp(unit, "hour") == 0)
        return day + civil.hour * INT64_C(3600000);
    if (strcmp(unit, "day") == 0)
        return day;
    if (strcmp(unit, "week") == 0)
        return day - (civil.weekday - 1) * INT64_C(86400000);
    if (strcmp(unit, "month") == 0)
        return timestamp_from_civil(civil.year, civil.month, 1);
    if (strcmp(unit, "quarter") == 0)
        return timestamp_from_civil(civil.year, (civil.month - 1) / 3 * 3 + 1, 1);
    return timestamp_from_civil(civil.year, 1, 1);
}

static struct naive_value time_call(const struct place *place, const struct node *node)
{
    const char *op = node->op;
    struct naive_value a = eval(place, node->kids[node->count - 1]);
    struct civil civil;

    if (a.null || strcmp(op, "epoch_ms") == 0)
        return a;
    if (!in_calendar(a.i64))
        return nothing;
    civil = timestamp_civil(a.i64);
    if (strcmp(op, "date_trunc") == 0)
        return of_i64(truncated(eval(place, node->kids[0]).text, a.i64));
    return of_i64(strcmp(op, "year") == 0      ? civil.year
                  : strcmp(op, "month") == 0   ? civil.month
                  : strcmp(op, "day") == 0     ? civil.day
                  : strcmp(op, "hour") == 0    ? civil.hour
                  : strcmp(op, "minute") == 0  ? civil.minute
                  : strcmp(op, "second") == 0  ? civil.second
                  : strcmp(op, "weekday") == 0 ? civil.weekday
                                               : civil.day_of_year);
}

static struct naive_value eval(const struct place *place, const struct node *node)
{
    static const struct {
        const char *ops;
        struct naive_value (*eval)(const struct place *place, const struct node *node);
    } rows[] = {
        {" column ", column_value},
        {" + - * / % ", arithmetic},
        {" = != < <= > >= and or not isnull notnull between like ", logic},
        {" in ", in_list},
        {" if nullif coalesce case ", choice},
        {" cast ", cast},
        {" min max ", extreme},
        {" neg abs floor ceil round sqrt ln exp log10 pow ", number_call},
        {" length trim lower upper ", text_call},
        {" concat substr contains starts_with ends_with ", texts_call},
        {" year month day hour minute second weekday day_of_year epoch_ms date_trunc ", time_call},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (naive_one_of(node->op, rows[i].ops))
            return rows[i].eval(place, node);
    return node->value; /* a constant */
}

struct naive_value naive_eval(struct naive *naive, const struct batch *batch, uint32_t row)
{
    struct place place = {naive, batch, row};

    arena_reset(naive->row);
    return eval(&place, naive->root);
}

/* ---- comparing ---- */

static bool same(const struct column *column, uint32_t row, const struct naive_value *value)
{
    uint32_t size;
    const char *text;

    if (!column_valid(column, row) || value->null)
        return !column_valid(column, row) && value->null;
    switch (column->type) {
    case TYPE_BOOL:
        return column_bool(column, row) == (value->i64 != 0);
    case TYPE_I32:
        return ((const int32_t *)column->values)[row] == value->i64;
    case TYPE_I64:
    case TYPE_TIMESTAMP:
        return ((const int64_t *)column->values)[row] == value->i64;
    case TYPE_F32:
        return memcmp((const float *)column->values + row, &(float){(float)value->f64}, 4) == 0;
    case TYPE_F64:
        return memcmp((const double *)column->values + row, &value->f64, 8) == 0;
    case TYPE_UTF8:
        text = column_text(column, row, &size);
        return size == value->size && memcmp(text, value->text, size) == 0;
    default:
        return false;
    }
}

static void describe(const struct naive_value *value, enum type type, char *text, size_t size)
{
    if (value->null)
        snprintf(text, size, "null");
    else if (type == TYPE_UTF8)
        snprintf(text, size, "'%.*s'", value->size > 80 ? 80 : (int)value->size, value->text);
    else if (naive_wide(type) == TYPE_F64)
        snprintf(text, size, "%.17g", value->f64);
    else
        snprintf(text, size, "%" PRId64, value->i64);
}

bool naive_agrees(struct naive *naive, const struct batch *batch, const struct column *column,
                  char *text, size_t size)
{
    struct naive_value value;
    char want[128];

    if (column->type != naive_type(naive)) {
        snprintf(text, size, "type %s, expected %s", type_name(column->type),
                 type_name(naive_type(naive)));
        return false;
    }
    for (uint32_t k = 0; k < batch->selected; k++) {
        uint32_t row = batch_row(batch, k);

        value = naive_eval(naive, batch, row);
        if (same(column, row, &value))
            continue;
        describe(&value, column->type, want, sizeof(want));
        snprintf(text, size, "row %u of %u: %s, expected %s", row, batch->rows,
                 column_valid(column, row) ? "another value" : "null", want);
        return false;
    }
    return true;
}
