/* repair: see repair.h. */
#include "operators/clean/repair.h"

#include "operators/clean/missing.h"
#include "operators/clean/outliers.h"
#include "runtime/batch/builder.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct repaired {
    const char *name;
    enum type type;
    uint32_t column;
    uint32_t room;  /* values that are remembered */
    size_t at;      /* its memory, from the beginning of the cell's part */
    bool remembers; /* anything */
    struct missing missing;
    struct outliers outliers;
    struct builder *builder; /* of the column anew */
};

struct repair {
    struct arena *arena;
    const struct repair_history *history;
    uint32_t count;
    size_t size;
    struct repaired columns[COLUMNS_MAX];
    struct history_view view;
};

/* ---- making ---- */

static const struct option_entry *find_entry(const struct option_map *map, const char *name)
{
    for (uint32_t i = 0; i < map->count; i++)
        if (strcmp(map->entries[i].name, name) == 0)
            return &map->entries[i];
    return NULL;
}

static uint32_t more(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static void place_memory(struct repair *repair, struct repaired *to)
{
    uint32_t rows = (uint32_t)repair->history->rows;
    bool judged = to->outliers.method != OUTLIERS_NONE;

    to->room = more(judged ? rows : 0, missing_room(&to->missing, rows));
    to->remembers = to->room > 0;
    to->at = repair->size;
    if (to->remembers)
        repair->size +=
            to->type == TYPE_UTF8 ? sizeof(struct history_text) : history_size(to->room);
}

static void add_column(struct repair *repair, struct mistakes *mistakes,
                       const struct repair_options *options, const struct field *field,
                       uint32_t column)
{
    const struct option_entry *missing = find_entry(options->missing, field->name);
    const struct option_entry *outliers = find_entry(options->outliers, field->name);
    struct repaired *to = &repair->columns[repair->count];
    struct schema *schema;
    bool good = true;

    if (!missing && !outliers)
        return;
    repair->count++;
    *to = (struct repaired){.type = field->type, .column = column};
    to->name = arena_text(repair->arena, field->name);
    if (missing)
        good = missing_parse(mistakes, missing, field->type, &to->missing);
    if (outliers)
        good &= outliers_parse(mistakes, outliers, field->type, &to->outliers);
    if (!good)
        return;
    if (to->outliers.method == OUTLIERS_ISOLATION &&
        (int64_t)to->outliers.k >= repair->history->rows) {
        mistakes_add(mistakes, arena_format(repair->arena, "outliers.%s.k", field->name),
                     "raise history.rows", "%u nearest of the last %lld cannot be", to->outliers.k,
                     (long long)repair->history->rows);
        return;
    }
    place_memory(repair, to);
    schema = schema_create(repair->arena);
    CHECK(schema_add(schema, repair->arena, field));
    to->builder = builder_create(schema, false);
}

struct repair *repair_create(const struct repair_options *options, const struct schema *schema,
                             rules_fault *fault, void *context)
{
    struct repair *repair = memory_new(sizeof(*repair));
    struct mistakes mistakes = {fault, context, NULL, false};

    repair->arena = mistakes.arena = arena_create(4096);
    repair->history = options->history;
    for (uint32_t i = 0; i < options->missing->count; i++)
        mistakes_column(&mistakes, schema, "missing", options->missing->entries[i].name);
    for (uint32_t i = 0; i < options->outliers->count; i++)
        mistakes_column(&mistakes, schema, "outliers", options->outliers->entries[i].name);
    for (uint32_t i = 0; i < schema->count; i++)
        add_column(repair, &mistakes, options, &schema->fields[i], i);
    if (!mistakes.bad)
        return repair;
    repair_close(repair);
    return NULL;
}

void repair_close(struct repair *repair)
{
    if (!repair)
        return;
    for (uint32_t i = 0; i < repair->count; i++)
        builder_close(repair->columns[i].builder);
    arena_close(repair->arena);
    memory_free(repair);
}

size_t repair_size(const struct repair *repair)
{
    return repair->size;
}

bool repair_reads(const struct repair *repair, uint32_t column)
{
    for (uint32_t i = 0; i < repair->count; i++)
        if (repair->columns[i].column == column)
            return true;
    return false;
}

/* ---- running ---- */

static int64_t bits_of(const struct column *column, uint32_t row)
{
    switch (column->type) {
    case TYPE_BOOL:
        return column_bool(column, row);
    case TYPE_I32:
        return ((const int32_t *)column->values)[row];
    case TYPE_I64:
    case TYPE_TIMESTAMP:
        return ((const int64_t *)column->values)[row];
    default:
        return 0;
    }
}

/* Sets the present row of the builder. */
static void put_bits(struct builder *builder, enum type type, int64_t bits)
{
    if (type == TYPE_BOOL)
        builder_bool(builder, 0, bits != 0);
    else if (type == TYPE_I32)
        builder_i32(builder, 0, (int32_t)bits);
    else
        builder_i64(builder, 0, bits);
}

static bool put_constant(const struct repaired *to)
{
    if (!to->missing.text)
        return false;
    if (to->type == TYPE_UTF8)
        builder_text(to->builder, 0, to->missing.text, strlen(to->missing.text));
    else if (to->type == TYPE_F32 || to->type == TYPE_F64)
        builder_number(to->builder, 0, to->missing.number);
    else
        put_bits(to->builder, to->type, to->missing.integer);
    return true;
}

static bool put_text(const struct repaired *to, const struct history_text *text, int64_t since_ms)
{
    if (!text->known || text->time_ms < since_ms)
        return false;
    builder_text(to->builder, 0, text->text, text->size);
    return true;
}

/* The missing value of a row; false: nothing is known. */
static bool fill(struct repair *repair, const struct repaired *to, const void *memory,
                 int64_t time_ms)
{
    int64_t since_ms = time_ms - repair->history->within_ms;
    bool whole = to->type != TYPE_F32 && to->type != TYPE_F64;

    if (to->missing.fill == MISSING_CONSTANT)
        return put_constant(to);
    CHECK(memory); /* all others remember */
    if (to->type == TYPE_UTF8)
        return put_text(to, memory, since_ms) || put_constant(to);
    history_see(memory, to->room, since_ms, &repair->view);
    if (repair->view.count == 0)
        return put_constant(to);
    if (to->missing.fill == MISSING_LAST && whole)
        put_bits(to->builder, to->type, ((const struct history *)memory)->bits);
    else
        builder_number(to->builder, 0, missing_value(&to->missing, &repair->view, time_ms));
    return true;
}

static void remember_text(struct history_text *text, const struct column *column, uint32_t row,
                          int64_t time_ms)
{
    uint32_t size;
    const char *bytes;

    bytes = column_text(column, row, &size);
    text->known = size <= HISTORY_TEXT_MAX;
    text->size = text->known ? size : 0;
    text->time_ms = time_ms;
    memcpy(text->text, bytes, text->size);
}

enum fate { KEPT, DROPPED, REJECTED };

/* A value that is there: false where it is an outlier. */
static bool judge(struct repair *repair, const struct repaired *to, void *memory,
                  const struct column *column, uint32_t row, int64_t time_ms,
                  struct rules_reject *reject)
{
    double value = to->type == TYPE_UTF8 ? 0 : column_number(column, row);
    struct outliers_verdict verdict = {.remembered = value};

    if (memory && to->outliers.method != OUTLIERS_NONE && isfinite(value)) {
        history_see(memory, to->room, time_ms - repair->history->within_ms, &repair->view);
        verdict =
            outliers_judge(&to->outliers, &repair->view, (uint32_t)repair->history->after, value);
        reject->centre = verdict.centre;
        reject->score = verdict.score;
    }
    if (memory && to->type == TYPE_UTF8)
        remember_text(memory, column, row, time_ms);
    else if (memory && isfinite(value))
        history_add(memory, to->room, verdict.remembered,
                    verdict.out ? ((const struct history *)memory)->bits : bits_of(column, row),
                    time_ms);
    return !verdict.out;
}

/* Begins the row of the new column and says what becomes of the old one. */
static enum fate repair_row(struct repair *repair, const struct repaired *to, void *memory,
                            const struct batch *work, uint32_t row, struct rules_reject *reject,
                            struct repair_counts *counts)
{
    const struct column *column = batch_column(work, to->column);
    int64_t time_ms = batch_time(work)[row];
    bool there = column_valid(column, row);

    CHECK(memory || !to->remembers);
    if (there && judge(repair, to, memory, column, row, time_ms, reject)) {
        builder_copy(to->builder, 0, column, row);
        return KEPT;
    }
    counts->outliers += there;
    if (there && !to->outliers.clears)
        return REJECTED;
    if (to->missing.fill != MISSING_NONE && fill(repair, to, memory, time_ms))
        counts->filled++;
    else if (to->missing.rejects) {
        reject->rule++; /* behind the outliers' */
        return REJECTED;
    }
    return DROPPED;
}

static void put_column(struct batch *work, const struct repaired *to)
{
    struct batch *made = builder_finish(to->builder);
    struct column **place = &work->columns[HIDDEN_COUNT + to->column];

    column_release(place);
    *place = made->columns[HIDDEN_COUNT];
    column_ref(*place);
    batch_release(&made);
}

/* Rows that are no longer good get an empty place in the new column. */
static void skip_to(struct builder *builder, uint32_t row)
{
    while (builder_rows(builder) < row)
        builder_row(builder, 0, 0, 0);
}

static void repair_column(struct repair *repair, const struct repaired *to, uint32_t rule,
                          struct rules_result *result, void *const *cells, size_t offset,
                          struct repair_counts *counts)
{
    struct batch *work = result->batch;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < result->count; i++) {
        uint32_t row = result->rows[i];
        struct rules_reject reject = {.row = row, .rule = rule};
        void *memory = to->remembers ? (char *)cells[row] + offset + to->at : NULL;

        skip_to(to->builder, row);
        builder_row(to->builder, 0, 0, 0);
        if (repair_row(repair, to, memory, work, row, &reject, counts) == REJECTED)
            result->rejected[result->rejected_count++] = reject;
        else
            result->rows[kept++] = row;
    }
    result->count = kept;
    skip_to(to->builder, work->rows);
    if (work->rows > 0)
        put_column(work, to);
}

void repair_run(struct repair *repair, struct rules_result *result, void *const *cells,
                size_t offset, uint32_t first_rule, struct repair_counts *counts)
{
    for (uint32_t i = 0; i < repair->count; i++)
        repair_column(repair, &repair->columns[i], first_rule + 2 * i, result, cells, offset,
                      counts);
}

/* ---- reasons ---- */

const char *repair_field(const struct repair *repair, uint32_t rule)
{
    return repair->columns[rule / 2].name;
}

void repair_reason(const struct repair *repair, const struct batch *in,
                   const struct rules_reject *reject, uint32_t rule, char *reason)
{
    const struct repaired *to = &repair->columns[rule / 2];
    char value[80], why[RULES_REASON_SIZE - 90];

    if (rule % 2) {
        snprintf(reason, RULES_REASON_SIZE, "is missing, and nothing is known to fill it");
        return;
    }
    rules_value(batch_column(in, to->column), reject->row, value, sizeof(value));
    outliers_reason(&to->outliers, reject->centre, reject->score, why, sizeof(why));
    snprintf(reason, RULES_REASON_SIZE, "is %s, %s", value, why);
}
