/* rules: see rules.h. Casts, ranges and derivations are all expressions (expr.h) over the columns
 * as they are at that point; this file writes their texts and applies them one after the other to
 * the rows that are still good. */
#include "operators/clean/rules.h"

#include "operators/clean/mistakes.h"
#include "runtime/base/timestamp.h"
#include "runtime/batch/expr.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum rule_kind { RULE_CAST, RULE_RANGE, RULE_DERIVE };

struct rule {
    enum rule_kind kind;
    struct expr *expr; /* the new column; of a range: whether the row is good */
    uint32_t column;   /* of the working schema: read, replaced or appended */
    const char *field;
    const char *broken; /* behind the value in a reason; NULL: the value is missing */
};

struct rules {
    struct arena *arena;
    uint32_t count, capacity;
    struct rule *rules;
    struct expr *filter;
    struct schema *working; /* input's columns, cast, then derived ones */
    struct schema *cast;    /* input's columns, cast */
    struct schema *out;
    uint32_t first_derived;            /* rules from there on derive */
    uint32_t raw;                      /* the records' bytes in the input; FIELD_NONE: not there */
    uint32_t out_columns[COLUMNS_MAX]; /* of the working schema */
};

struct building {
    struct rules *rules;
    const struct schema *in;
    struct mistakes mistakes;
};

/* ---- mistakes ---- */

static void tell(struct building *building, const char *option, const struct error *err)
{
    building->mistakes.bad = true;
    if (building->mistakes.fault)
        building->mistakes.fault(building->mistakes.context, option, err);
}

static const char *path(struct building *building, const char *map, const char *field,
                        const char *part)
{
    return arena_format(building->rules->arena, "%s.%s%s%s", map, field, part ? "." : "",
                        part ? part : "");
}

/* ---- making rules ---- */

/* NULL after telling. */
static struct expr *compile(struct building *building, const char *option, const char *text)
{
    struct error err;
    struct expr *expr = expr_compile(text, building->rules->working, &err);

    if (!expr)
        tell(building, option, &err);
    return expr;
}

static struct rule *add_rule(struct building *building, enum rule_kind kind, const char *field,
                             uint32_t column, struct expr *expr)
{
    struct rules *rules = building->rules;

    if (rules->count == rules->capacity) {
        rules->capacity = rules->capacity ? rules->capacity * 2 : 8;
        rules->rules = memory_grow(rules->rules, rules->capacity, sizeof(*rules->rules));
    }
    rules->rules[rules->count] = (struct rule){kind, expr, column, field, NULL};
    return &rules->rules[rules->count++];
}

/* Between quotes, with quotes within doubled. */
static const char *quoted(struct arena *arena, const char *text, char quote)
{
    char *copy = arena_new(arena, 2 * strlen(text) + 3), *to = copy;

    *to++ = quote;
    for (; *text; text++) {
        if (*text == quote)
            *to++ = quote;
        *to++ = *text;
    }
    *to = quote;
    return copy;
}

static bool is_float(enum type type)
{
    return type == TYPE_F32 || type == TYPE_F64;
}

static bool is_integer(enum type type)
{
    return type == TYPE_I32 || type == TYPE_I64;
}

static void add_cast(struct building *building, const struct option_entry *entry)
{
    struct arena *arena = building->rules->arena;
    struct field *fields = building->rules->working->fields;
    const char *option = path(building, "types", entry->name, NULL), *name;
    uint32_t column = mistakes_column(&building->mistakes, building->in, "types", entry->name);
    struct expr *expr;
    enum type type;

    if (column == FIELD_NONE)
        return;
    if (!entry->text || !type_parse(entry->text, &type)) {
        mistakes_add(&building->mistakes, option,
                     "types are bool, i32, i64, f32, f64, timestamp and utf8",
                     "\"%s\" is not a type", entry->text ? entry->text : "this");
        return;
    }
    if (type == fields[column].type)
        return;
    name = quoted(arena, entry->name, '`');
    if (is_float(fields[column].type) && is_integer(type)) /* a fraction is not dropped silently */
        name = arena_format(arena, "if(floor(%s) = %s, %s, null)", name, name, name);
    expr = expr_compile(arena_format(arena, "cast(%s as %s)", name, type_name(type)),
                        building->rules->working, NULL);
    if (!expr) {
        mistakes_add(&building->mistakes, option, "choose another type, or derive a column",
                     "the column is %s, which does not go into this type",
                     type_name(fields[column].type));
        return;
    }
    add_rule(building, RULE_CAST, entry->name, column, expr)->broken =
        arena_format(arena, "expected %s", type_name(type));
    fields[column].type = type;
}

/* A value of the job file as a literal of a column's type; NULL after telling. */
static const char *literal(struct building *building, const char *option, const char *text,
                           enum type type)
{
    static const struct schema nothing = {0};
    struct arena *arena = building->rules->arena;
    const char *made = text;
    struct expr *expr;

    if (type == TYPE_UTF8)
        return quoted(arena, text, '\'');
    if (type == TYPE_TIMESTAMP)
        made = arena_format(arena, "timestamp %s", quoted(arena, text, '\''));
    expr = expr_compile(made, &nothing, NULL);
    if (expr && (expr_type(expr) == type ||
                 (expr_type(expr) != TYPE_BOOL && (is_float(type) || is_integer(type))))) {
        expr_close(expr);
        return made;
    }
    expr_close(expr);
    mistakes_add(
        &building->mistakes, option,
        arena_format(arena, "the column is %s%s", type_name(type),
                     type == TYPE_TIMESTAMP ? "; write a time as 2020-01-31T12:00:00Z" : ""),
        "\"%s\" cannot be compared with the column", text);
    return NULL;
}

static void add_range(struct building *building, const struct option_entry *field, uint32_t column,
                      const char *option, const char *test, const char *broken)
{
    struct arena *arena = building->rules->arena;
    const char *name = quoted(arena, field->name, '`');
    struct expr *expr =
        compile(building, option, arena_format(arena, "%s is null or %s %s", name, name, test));

    if (expr)
        add_rule(building, RULE_RANGE, field->name, column, expr)->broken = broken;
}

static void add_bound(struct building *building, const struct option_entry *field,
                      const struct option_entry *part, uint32_t column)
{
    struct arena *arena = building->rules->arena;
    const char *option = path(building, "ranges", field->name, part->name), *value;
    bool least = strcmp(part->name, "min") == 0;

    if (!part->text) {
        mistakes_add(&building->mistakes, option, "write a number, a text or a time",
                     "\"%s\" wants one value", part->name);
        return;
    }
    value = literal(building, option, part->text, building->rules->working->fields[column].type);
    if (value)
        add_range(building, field, column, option,
                  arena_format(arena, "%s (%s)", least ? ">=" : "<=", value),
                  arena_format(arena, "%s %.60s", least ? "below" : "above", part->text));
}

static void add_list(struct building *building, const struct option_entry *field,
                     const struct option_entry *part, uint32_t column)
{
    struct arena *arena = building->rules->arena;
    const char *option = path(building, "ranges", field->name, "in"), *test = "in (", *value;
    struct text_list one = {1, (const char **)&part->text};
    const struct text_list *list = part->list ? part->list : &one;

    if ((!part->list && !part->text) || list->count == 0) {
        mistakes_add(&building->mistakes, option, "write in: [a, b]",
                     "\"%s\" wants a list of values", "in");
        return;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        value = literal(building, option, list->items[i],
                        building->rules->working->fields[column].type);
        if (!value)
            return;
        test = arena_format(arena, "%s%s%s", test, i ? ", " : "", value);
    }
    add_range(building, field, column, option, arena_format(arena, "%s)", test),
              "which is not in the list");
}

static void add_required(struct building *building, const struct option_entry *field,
                         const struct option_entry *part, uint32_t column)
{
    const char *option = path(building, "ranges", field->name, "required");
    const char *name = quoted(building->rules->arena, field->name, '`');
    struct expr *expr;

    if (part->text && strcmp(part->text, "false") == 0)
        return;
    if (!part->text || strcmp(part->text, "true") != 0) {
        mistakes_add(&building->mistakes, option, "write required: true", "\"%s\" is true or false",
                     "required");
        return;
    }
    expr = compile(building, option, arena_format(building->rules->arena, "%s is not null", name));
    if (expr)
        add_rule(building, RULE_RANGE, field->name, column, expr);
}

static void add_ranges(struct building *building, const struct option_entry *field)
{
    static const char *const parts[] = {"min", "max", "in", "required"};
    uint32_t column = mistakes_column(&building->mistakes, building->in, "ranges", field->name);

    if (column == FIELD_NONE)
        return;
    if (!field->map) {
        mistakes_add(&building->mistakes, path(building, "ranges", field->name, NULL),
                     "write {min: 1, max: 5}, {in: [a, b]} or {required: true}",
                     "\"%s\" has no range here", field->name);
        return;
    }
    for (uint32_t i = 0; i < field->map->count; i++) {
        const struct option_entry *part = &field->map->entries[i];
        const char *near = text_nearest(parts, sizeof(parts) / sizeof(parts[0]), part->name);

        if (strcmp(part->name, "min") == 0 || strcmp(part->name, "max") == 0)
            add_bound(building, field, part, column);
        else if (strcmp(part->name, "in") == 0)
            add_list(building, field, part, column);
        else if (strcmp(part->name, "required") == 0)
            add_required(building, field, part, column);
        else
            mistakes_add(
                &building->mistakes, path(building, "ranges", field->name, part->name),
                near ? arena_format(building->rules->arena,
                                    "did you mean \"%s\"; known are min, max, in, required", near)
                     : "known are min, max, in, required",
                "a range has no \"%s\"", part->name);
    }
}

static bool is_key(const struct text_list *key, const char *name)
{
    for (uint32_t i = 0; key && i < key->count; i++)
        if (strcmp(key->items[i], name) == 0)
            return true;
    return false;
}

/* False: what comes later may name this column, so it is not looked at. */
static bool add_derived(struct building *building, const struct option_entry *entry,
                        const struct text_list *key)
{
    struct rules *rules = building->rules;
    const char *option = path(building, "derive", entry->name, NULL);
    uint32_t column = schema_find(rules->working, entry->name);
    struct expr *expr;

    if (is_key(key, entry->name))
        return mistakes_add(&building->mistakes, option, "choose another name",
                            "\"%s\" is the key of the rows, which have been sent by it",
                            entry->name);
    if (column != FIELD_NONE && column == rules->raw)
        return mistakes_add(&building->mistakes, option, "choose another name",
                            "\"%s\" holds the bytes of the record", entry->name);
    if (!entry->text)
        return mistakes_add(&building->mistakes, option, "write an expression, such as price * 2",
                            "\"%s\" wants an expression", entry->name);
    expr = compile(building, option, entry->text);
    if (!expr)
        return false;
    if (column == FIELD_NONE) {
        column = rules->working->count;
        if (!schema_add_column(rules->working, rules->arena, entry->name, expr_type(expr))) {
            expr_close(expr);
            return mistakes_add(&building->mistakes, option, "shorten it, or drop columns before",
                                "\"%s\" is too long a name, or one column too many", entry->name);
        }
    }
    rules->working->fields[column] = (struct field){.type = expr_type(expr)};
    memcpy(rules->working->fields[column].name, entry->name, strlen(entry->name) + 1);
    add_rule(building, RULE_DERIVE, entry->name, column, expr);
    return true;
}

static bool add_filter(struct building *building, const char *filter)
{
    struct rules *rules = building->rules;

    if (!filter || !*filter)
        return true;
    rules->filter = compile(building, "filter", filter);
    if (rules->filter && expr_type(rules->filter) != TYPE_BOOL)
        return mistakes_add(&building->mistakes, "filter", "compare it with something",
                            "the filter is no bool but %s", type_name(expr_type(rules->filter)));
    return rules->filter != NULL;
}

static void make_out(struct rules *rules)
{
    for (uint32_t i = 0; i < rules->working->count; i++) {
        if (i == rules->raw)
            continue;
        rules->out_columns[rules->out->count] = i;
        CHECK(schema_add(rules->out, rules->arena, &rules->working->fields[i]));
    }
}

static void build(struct building *building, const struct rules_options *options)
{
    for (uint32_t i = 0; i < options->types->count; i++)
        add_cast(building, &options->types->entries[i]);
    for (uint32_t i = 0; i < options->ranges->count; i++)
        add_ranges(building, &options->ranges->entries[i]);
    for (uint32_t i = 0; i < building->in->count; i++)
        CHECK(schema_add(building->rules->cast, building->rules->arena,
                         &building->rules->working->fields[i]));
    building->rules->first_derived = building->rules->count;
    for (uint32_t i = 0; i < options->derive->count; i++)
        if (!add_derived(building, &options->derive->entries[i], options->key))
            return;
    if (add_filter(building, options->filter) && !building->mistakes.bad)
        make_out(building->rules);
}

struct rules *rules_create(const struct rules_options *options, const struct schema *in,
                           rules_fault *fault, void *context)
{
    struct rules *rules = memory_new(sizeof(*rules));
    struct building building = {rules, in, {fault, context, NULL, false}};

    building.mistakes.arena = rules->arena = arena_create(4096);
    rules->working = schema_create(rules->arena);
    rules->cast = schema_create(rules->arena);
    rules->out = schema_create(rules->arena);
    for (uint32_t i = 0; i < in->count; i++)
        CHECK(schema_add(rules->working, rules->arena, &in->fields[i]));
    rules->raw = schema_find(in, "raw");
    if (rules->raw != FIELD_NONE && in->fields[rules->raw].type != TYPE_UTF8)
        rules->raw = FIELD_NONE;
    build(&building, options);
    if (!building.mistakes.bad)
        return rules;
    rules_close(rules);
    return NULL;
}

void rules_close(struct rules *rules)
{
    if (!rules)
        return;
    for (uint32_t i = 0; i < rules->count; i++)
        expr_close(rules->rules[i].expr);
    expr_close(rules->filter);
    memory_free(rules->rules);
    arena_close(rules->arena);
    memory_free(rules);
}

const struct schema *rules_schema(const struct rules *rules)
{
    return rules->out;
}

const struct schema *rules_cast_schema(const struct rules *rules)
{
    return rules->cast;
}

bool rules_read(const struct rules *rules, uint32_t column)
{
    for (uint32_t i = 0; i < rules->count; i++)
        if (rules->rules[i].column == column || expr_reads(rules->rules[i].expr, column))
            return true;
    return rules->filter && expr_reads(rules->filter, column);
}

/* ---- running ---- */

/* Expressions are worked out only for the rows that are still good. */
static void show_rows(struct batch *work, const struct rules_result *result)
{
    bool all = result->count == work->rows;

    work->selection = all ? NULL : result->rows;
    work->selected = result->count;
}

/* The rows that pass are `passed`, a part of result->rows; the others break `rule`. */
static void keep_rows(struct rules_result *result, const uint32_t *passed, uint32_t count,
                      uint32_t rule)
{
    uint32_t k = 0;

    if (count == result->count)
        return;
    for (uint32_t i = 0; i < result->count; i++) {
        if (k < count && result->rows[i] == passed[k])
            k++;
        else
            result->rejected[result->rejected_count++] =
                (struct rules_reject){.row = result->rows[i], .rule = rule};
    }
    memcpy(result->rows, passed, count * sizeof(*passed));
    result->count = count;
}

static void put_column(struct batch *work, uint32_t column, struct column *made)
{
    struct column **place = &work->columns[HIDDEN_COUNT + column];

    column_release(place);
    *place = made;
}

/* A value that is there and is none of the new type breaks the rule. */
static void run_cast(const struct rule *rule, uint32_t number, struct batch *work,
                     struct rules_result *result)
{
    const struct column *old = batch_column(work, rule->column);
    struct column *made = expr_eval(rule->expr, work);
    uint32_t passed[BATCH_ROWS_MAX], count = 0;

    for (uint32_t i = 0; made->validity && i < result->count; i++) {
        passed[count] = result->rows[i];
        count += column_valid(made, passed[count]) || !column_valid(old, passed[count]);
    }
    if (made->validity)
        keep_rows(result, passed, count, number);
    put_column(work, rule->column, made);
}

static void run_rule(const struct rule *rule, uint32_t number, struct batch *work,
                     struct rules_result *result)
{
    uint32_t passed[BATCH_ROWS_MAX], count;

    show_rows(work, result);
    switch (rule->kind) {
    case RULE_CAST:
        run_cast(rule, number, work, result);
        break;
    case RULE_RANGE:
        count = expr_filter(rule->expr, work, passed);
        keep_rows(result, passed, count, number);
        break;
    case RULE_DERIVE:
        put_column(work, rule->column, expr_eval(rule->expr, work));
        break;
    }
}

static void run_filter(struct rules *rules, struct batch *work, struct rules_result *result)
{
    uint32_t passed[BATCH_ROWS_MAX];

    show_rows(work, result);
    uint32_t count = expr_filter(rules->filter, work, passed);
    result->filtered = result->count - count;
    memcpy(result->rows, passed, count * sizeof(*passed));
    result->count = count;
}

static int by_row(const void *left, const void *right)
{
    const struct rules_reject *a = left, *b = right;

    return (a->row > b->row) - (a->row < b->row);
}

/* A shell with references to the input's columns and room for the derived ones. */
static struct batch *work_create(const struct rules *rules, const struct batch *in)
{
    struct batch *work = batch_create(in->rows, rules->working->count);

    for (uint32_t i = 0; i < HIDDEN_COUNT + in->column_count; i++) {
        work->columns[i] = in->columns[i];
        if (work->columns[i])
            column_ref(work->columns[i]);
    }
    return work;
}

void rules_check(struct rules *rules, const struct batch *in, struct rules_result *result)
{
    CHECK(in->selected <= BATCH_ROWS_MAX);
    result->batch = work_create(rules, in);
    result->count = in->selected;
    result->filtered = result->rejected_count = 0;
    for (uint32_t k = 0; k < in->selected; k++)
        result->rows[k] = batch_row(in, k);
    for (uint32_t i = 0; i < rules->first_derived; i++)
        run_rule(&rules->rules[i], i, result->batch, result);
}

void rules_derive(struct rules *rules, struct rules_result *result)
{
    struct batch *work = result->batch;

    for (uint32_t i = rules->first_derived; i < rules->count; i++)
        run_rule(&rules->rules[i], i, work, result);
    if (rules->filter)
        run_filter(rules, work, result);
    work->selection = NULL;
    work->selected = work->rows;
    result->batch = batch_project(work, rules->out_columns, rules->out->count);
    batch_release(&work);
}

/* Each rule gave its own in order; together they leave as they came. */
void rules_sort(struct rules_result *result)
{
    qsort(result->rejected, result->rejected_count, sizeof(*result->rejected), by_row);
}

void rules_run(struct rules *rules, const struct batch *in, struct rules_result *result)
{
    rules_check(rules, in, result);
    rules_derive(rules, result);
    rules_sort(result);
}

/* ---- reasons ---- */

uint32_t rules_count(const struct rules *rules)
{
    return rules->count;
}

const char *rules_field(const struct rules *rules, uint32_t rule)
{
    return rules->rules[rule].field;
}

void rules_value(const struct column *column, uint32_t row, char *text, size_t size)
{
    const char *value;
    uint32_t length;

    if (column->type == TYPE_UTF8) {
        value = column_text(column, row, &length);
        snprintf(text, size, "\"%.*s\"%s", length > 60 ? 60 : (int)length, value,
                 length > 60 ? "..." : "");
    } else if (column->type == TYPE_BOOL) {
        snprintf(text, size, "%s", column_bool(column, row) ? "true" : "false");
    } else if (column->type == TYPE_TIMESTAMP) {
        CHECK(size >= 32);
        timestamp_text(((const int64_t *)column->values)[row], text, size);
    } else if (column->type == TYPE_I64) {
        snprintf(text, size, "%" PRId64, ((const int64_t *)column->values)[row]);
    } else {
        snprintf(text, size, "%.15g", column_number(column, row));
    }
}

/* The value is told as it came in, before any cast. */
const char *rules_reason(const struct rules *rules, const struct batch *in, uint32_t row,
                         uint32_t rule, char *reason)
{
    const struct rule *broken = &rules->rules[rule];
    char value[80];

    if (!broken->broken) {
        snprintf(reason, RULES_REASON_SIZE, "is missing");
        return reason;
    }
    rules_value(batch_column(in, broken->column), row, value, sizeof(value));
    snprintf(reason, RULES_REASON_SIZE, "is %s, %s", value, broken->broken);
    return reason;
}
