/* invariants: see invariants.h. */
#include "operators/clean/invariants.h"

#include "runtime/base/sum.h"
#include "runtime/batch/expr.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct invariant { /* or a total: then `most` is there */
    const char *name, *text;
    struct expr *expr, *most;
};

struct total {
    struct sum sum;
    int64_t last_ms;
    int64_t rows; /* 0: a new key's cell */
};

struct invariants {
    struct arena *arena;
    int64_t within_ms;
    uint32_t count, totals; /* totals stand behind the others */
    struct invariant *items;
};

/* ---- making ---- */

static bool begins(const char *text, const char *prefix, size_t size)
{
    return strncmp(text, prefix, size) == 0;
}

/* (coalesce(`a.b`, 0) + ...) of the columns `a.*`; NULL where there is none. */
static const char *sum_of(struct arena *arena, const struct schema *schema, const char *prefix,
                          size_t size)
{
    const char *text = NULL;

    for (uint32_t i = 0; i < schema->count; i++)
        if (begins(schema->fields[i].name, prefix, size) && !strchr(schema->fields[i].name, '`'))
            text = arena_format(arena, "%s%scoalesce(`%s`, 0)", text ? text : "(",
                                text ? " + " : "", schema->fields[i].name);
    return text ? arena_format(arena, "%s)", text) : NULL;
}

/* The end of a text in quotes, or `text` itself. */
static const char *skip_quoted(const char *text)
{
    const char *end = *text == '\'' || *text == '`' ? strchr(text + 1, *text) : NULL;

    return end ? end : text;
}

/* The expression with its sum(PREFIX.*) written out; NULL after telling. */
static const char *expand(struct mistakes *mistakes, const char *option, const char *text,
                          const struct schema *schema)
{
    const char *made = "", *from = text;

    for (const char *at = text; *at; at++) {
        const char *end = skip_quoted(at), *star, *sum;
        if (end != at || strncasecmp(at, "sum(", 4) != 0) {
            at = end;
            continue;
        }
        star = strstr(at, ".*)");
        if (!star || memchr(at + 4, '(', (size_t)(star - at - 4)))
            continue;
        sum = sum_of(mistakes->arena, schema, at + 4, (size_t)(star + 1 - at - 4));
        if (!sum) {
            mistakes_add(mistakes, option, "name columns such as reasons.time",
                         "no column begins with \"%.*s\"", (int)(star + 1 - at - 4), at + 4);
            return NULL;
        }
        made = arena_format(mistakes->arena, "%s%.*s%s", made, (int)(at - from), from, sum);
        from = at = star + 3;
        at--;
    }
    return arena_format(mistakes->arena, "%s%s", made, from);
}

static struct expr *compile(struct mistakes *mistakes, const char *option, const char *text,
                            const struct schema *schema)
{
    struct error err;
    struct expr *expr = expr_compile(text, schema, &err);

    if (!expr)
        mistakes_add(mistakes, option, err.how[0] ? err.how : NULL, "%s", err.what);
    return expr;
}

/* Null is taken as kept: SQL's CHECK does so too. */
static void add_invariant(struct invariants *invariants, struct mistakes *mistakes,
                          const struct option_entry *entry, const struct schema *schema)
{
    const char *option = arena_format(mistakes->arena, "invariants.%s", entry->name), *text;
    struct expr *expr;

    if (!entry->text) {
        mistakes_add(mistakes, option, "write a condition, such as rating >= 1",
                     "\"%s\" wants an expression", entry->name);
        return;
    }
    text = expand(mistakes, option, entry->text, schema);
    expr = text ? compile(mistakes, option, text, schema) : NULL;
    if (expr && expr_type(expr) != TYPE_BOOL)
        mistakes_add(mistakes, option, "compare it with something",
                     "the invariant is no bool but %s", type_name(expr_type(expr)));
    if (expr && expr_type(expr) == TYPE_BOOL)
        invariants->items[invariants->count++] = (struct invariant){
            entry->name, entry->text,
            compile(mistakes, option, arena_format(mistakes->arena, "coalesce((%s), true)", text),
                    schema),
            NULL};
    expr_close(expr);
}

static bool is_number(enum type type)
{
    return type == TYPE_I32 || type == TYPE_I64 || type == TYPE_F32 || type == TYPE_F64;
}

static struct expr *compile_number(struct mistakes *mistakes, const char *option, const char *text,
                                   const struct schema *schema)
{
    struct expr *expr;

    if (!text) {
        mistakes_add(mistakes, option, "write {of: propensity, most: list_len}, say",
                     "a part is missing");
        return NULL;
    }
    expr = compile(mistakes, option, text, schema);
    if (!expr || is_number(expr_type(expr)))
        return expr;
    mistakes_add(mistakes, option, "name a column of numbers", "\"%s\" is no number but %s", text,
                 type_name(expr_type(expr)));
    expr_close(expr);
    return NULL;
}

static void add_total(struct invariants *invariants, struct mistakes *mistakes,
                      const struct option_entry *entry, const struct schema *schema)
{
    static const char *const names[] = {"of", "most", NULL};
    const char *option = arena_format(mistakes->arena, "totals.%s", entry->name), *texts[2];
    struct invariant *total = &invariants->items[invariants->count];

    if (!mistakes_parts(mistakes, "totals", entry, names, texts))
        return;
    *total = (struct invariant){.name = entry->name};
    total->expr = compile_number(mistakes, option, texts[0], schema);
    total->most = compile_number(mistakes, option, texts[1], schema);
    invariants->count++;
    invariants->totals++;
}

struct invariants *invariants_create(const struct invariants_options *options,
                                     const struct schema *schema, rules_fault *fault, void *context)
{
    struct invariants *invariants = memory_new(sizeof(*invariants));
    struct mistakes mistakes = {fault, context, NULL, false};
    uint32_t room = options->invariants->count + options->totals->count;

    invariants->arena = mistakes.arena = arena_create(4096);
    invariants->within_ms = options->within_ms;
    invariants->items = arena_new(invariants->arena, (room + 1) * sizeof(invariants->items[0]));
    for (uint32_t i = 0; i < options->invariants->count; i++)
        add_invariant(invariants, &mistakes, &options->invariants->entries[i], schema);
    for (uint32_t i = 0; i < options->totals->count; i++)
        add_total(invariants, &mistakes, &options->totals->entries[i], schema);
    if (!mistakes.bad)
        return invariants;
    invariants_close(invariants);
    return NULL;
}

void invariants_close(struct invariants *invariants)
{
    if (!invariants)
        return;
    for (uint32_t i = 0; i < invariants->count; i++) {
        expr_close(invariants->items[i].expr);
        expr_close(invariants->items[i].most);
    }
    arena_close(invariants->arena);
    memory_free(invariants);
}

size_t invariants_size(const struct invariants *invariants)
{
    return invariants->totals * sizeof(struct total);
}

bool invariants_reads(const struct invariants *invariants, uint32_t column)
{
    for (uint32_t i = 0; i < invariants->count; i++)
        if (expr_reads(invariants->items[i].expr, column) ||
            (invariants->items[i].most && expr_reads(invariants->items[i].most, column)))
            return true;
    return false;
}

/* ---- running ---- */

static void show_rows(struct rules_result *result)
{
    result->batch->selection = result->count == result->batch->rows ? NULL : result->rows;
    result->batch->selected = result->count;
}

static void reject(struct rules_result *result, uint32_t row, uint32_t rule, double centre,
                   double score)
{
    result->rejected[result->rejected_count++] = (struct rules_reject){row, rule, centre, score};
}

static void run_invariant(const struct invariant *invariant, struct rules_result *result,
                          uint32_t rule)
{
    uint32_t kept[BATCH_ROWS_MAX], count, k = 0;

    show_rows(result);
    count = expr_filter(invariant->expr, result->batch, kept);
    for (uint32_t i = 0; count < result->count && i < result->count; i++) {
        if (k < count && result->rows[i] == kept[k])
            k++;
        else
            reject(result, result->rows[i], rule, 0, 0);
    }
    memcpy(result->rows, kept, count * sizeof(kept[0]));
    result->count = count;
}

/* What cannot be told, or summed, is kept and not counted. */
static bool add_row(struct total *total, double value, double most, int64_t time_ms,
                    int64_t within_ms)
{
    struct sum sum;

    if (total->rows == 0 || time_ms - total->last_ms > within_ms)
        *total = (struct total){0};
    total->last_ms = time_ms;
    total->rows++;
    sum = total->sum;
    if (!sum_fits(value))
        return true;
    sum_add(&sum, value);
    if (!isnan(most) && sum_value(sum) > most + INVARIANTS_SLACK)
        return false;
    total->sum = sum;
    return true;
}

static void run_total(const struct invariants *invariants, const struct invariant *item,
                      struct rules_result *result, void *const *cells, size_t offset, uint32_t rule)
{
    struct column *values, *mosts;
    const int64_t *times = batch_time(result->batch);
    uint32_t kept = 0;

    show_rows(result);
    values = expr_eval(item->expr, result->batch);
    mosts = expr_eval(item->most, result->batch);
    for (uint32_t i = 0; i < result->count; i++) {
        uint32_t row = result->rows[i];
        struct total *total = (struct total *)(void *)((char *)cells[row] + offset);
        double value = column_number(values, row), most = column_number(mosts, row);
        if (add_row(total, value, most, times[row], invariants->within_ms))
            result->rows[kept++] = row;
        else
            reject(result, row, rule, sum_value(total->sum) + value, most);
    }
    result->count = kept;
    column_release(&values);
    column_release(&mosts);
}

uint32_t invariants_run(struct invariants *invariants, struct rules_result *result,
                        void *const *cells, size_t offset, uint32_t first_rule)
{
    uint32_t before = result->count, first_total = invariants->count - invariants->totals;

    for (uint32_t i = 0; i < first_total; i++)
        run_invariant(&invariants->items[i], result, first_rule + i);
    for (uint32_t i = first_total; i < invariants->count; i++)
        run_total(invariants, &invariants->items[i], result, cells,
                  offset + (i - first_total) * sizeof(struct total), first_rule + i);
    result->batch->selection = NULL;
    result->batch->selected = result->batch->rows;
    return before - result->count;
}

/* ---- reasons ---- */

const char *invariants_field(const struct invariants *invariants, uint32_t rule)
{
    return invariants->items[rule].name;
}

void invariants_reason(const struct invariants *invariants, const struct rules_reject *reject,
                       uint32_t rule, char *reason)
{
    const struct invariant *item = &invariants->items[rule];

    if (item->most)
        snprintf(reason, RULES_REASON_SIZE, "the total %.9g is above %.9g", reject->centre,
                 reject->score);
    else
        snprintf(reason, RULES_REASON_SIZE, "is not so: %.120s", item->text);
}
