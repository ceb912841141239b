/* Compiling and evaluating expressions; see expr.h and expr_parts.h. */
#include "runtime/batch/expr_parts.h"

#include <string.h>

#define TEXT_KEPT_MAX (1u << 20) /* bytes that are kept between calls for texts of results */

/* ---- compile ---- */

static bool compile(struct compiler *c)
{
    struct expr *expr = c->expr;
    struct operand root;

    if (strlen(c->text) > EXPR_TEXT_MAX)
        return error_set(c->err, ERROR_LIMIT, "", "compute a part of it as a column of its own",
                         "the expression is longer than %u bytes", EXPR_TEXT_MAX);
    if (!parse_all(c, &root))
        return false;
    if (root.type == TYPE_NONE)
        return lex_error(c, 0, "write cast(null as i64), or another type",
                         "the value is always null, of no type");
    expr->type = root.type;
    expr->result = root.reg;
    expr->column = root.column;
    return true;
}

struct expr *expr_compile(const char *text, const struct schema *schema, struct error *err)
{
    struct error dropped;
    struct compiler *c = memory_new(sizeof(*c));
    struct expr *expr = memory_new(sizeof(*expr));

    expr->arena = arena_create(4096);
    expr->scratch = arena_create(4096);
    expr->unused = (struct reg){.valid = ALL_ROWS};
    expr->unused.values = &expr->unused.word;
    c->text = text;
    c->schema = schema;
    c->expr = expr;
    c->temporary = arena_create(4096);
    c->err = err ? err : &dropped;
    if (!compile(c)) {
        expr_close(expr);
        expr = NULL;
    }
    arena_close(c->temporary);
    memory_free(c);
    return expr;
}

void expr_close(struct expr *expr)
{
    if (!expr)
        return;
    arena_close(expr->arena);
    arena_close(expr->scratch);
    memory_free(expr->steps);
    memory_free(expr->sources);
    bytes_clear(&expr->text);
    memory_free(expr);
}

enum type expr_type(const struct expr *expr)
{
    return expr->type;
}

bool expr_reads(const struct expr *expr, uint32_t column)
{
    for (uint32_t i = 0; i < expr->source_count; i++)
        if (expr->sources[i].column == column)
            return true;
    return expr->column == column;
}

/* ---- a strip ---- */

static uint64_t low_rows(uint32_t count)
{
    return count >= STRIP ? ALL_ROWS : (UINT64_C(1) << count) - 1;
}

/* 64 bits of a bitmap from `row` on (a multiple of 64), without reading past its end. */
static uint64_t bitmap_word(const uint8_t *bitmap, uint32_t row, uint32_t rows)
{
    uint32_t left = rows - row;
    uint64_t word = 0;

    memcpy(&word, bitmap + row / 8, left >= STRIP ? 8 : (left + 7) / 8);
    return word;
}

static void source_load(struct source *source, const struct batch *batch, uint32_t row)
{
    const struct column *column = source->column == FIELD_NONE
                                      ? batch->columns[HIDDEN_TIME]
                                      : batch_column(batch, source->column);
    struct reg *reg = source->reg;
    size_t size = type_size(source->type), left = batch->rows - row;

    reg->valid = column->validity ? bitmap_word(column->validity, row, batch->rows) : ALL_ROWS;
    if (source->type == TYPE_BOOL) {
        reg->word = bitmap_word(column->values, row, batch->rows);
        reg->values = &reg->word;
    } else if (source->type == TYPE_UTF8) {
        source->text.bytes = column->values ? column->values : "";
        source->text.offsets = column->offsets + row;
        reg->values = &source->text;
    } else if (left >= STRIP) {
        reg->values = (const char *)column->values + row * size;
    } else {
        memcpy(source->tail, (const char *)column->values + row * size, left * size);
        reg->values = source->tail;
    }
}

static void step_run(const struct expr *expr, const struct step *step, uint64_t rows)
{
    struct strip strip;
    uint64_t valid = ALL_ROWS;

    for (uint32_t i = 0; i < OPERANDS_MAX; i++) {
        strip.in[i] = step->in[i]->values;
        strip.valid[i] = step->in[i]->valid;
        valid &= step->in[i]->valid;
    }
    if (!step->strict)
        valid = ALL_ROWS;
    strip.rows = rows & valid;
    strip.out = step->out->own;
    strip.data = step->data;
    strip.scratch = expr->scratch;
    step->out->valid = step->run(&strip) & valid;
}

static uint64_t narrowed(const struct step *step, uint64_t rows)
{
    uint64_t yes = *(const uint64_t *)step->in[0]->values & step->in[0]->valid;

    switch (step->narrowing) {
    case NARROW_TRUE:
        return rows & yes;
    case NARROW_NOT_TRUE:
        return rows & ~yes;
    case NARROW_NOT_FALSE:
        return rows & (yes | ~step->in[0]->valid);
    }
    return rows;
}

/* Runs the program for `rows` of the 64 from `row` on. */
static void strip_run(struct expr *expr, const struct batch *batch, uint32_t row, uint64_t rows)
{
    uint64_t outer[SCOPES_MAX];
    uint32_t depth = 0;

    for (uint32_t i = 0; i < expr->source_count; i++)
        source_load(&expr->sources[i], batch, row);
    for (uint32_t i = 0; i < expr->step_count;) {
        const struct step *step = &expr->steps[i++];

        switch (step->kind) {
        case STEP_RUN:
            step_run(expr, step, rows);
            break;
        case STEP_NARROW:
            outer[depth++] = rows;
            rows = narrowed(step, rows);
            if (!rows) {
                rows = outer[--depth];
                i = step->jump;
            }
            break;
        case STEP_WIDEN:
            CHECK(depth > 0);
            rows = outer[--depth];
            break;
        }
    }
}

/* ---- a batch ---- */

struct strips { /* those with a selected row, one after the other */
    const struct batch *batch;
    uint32_t row;      /* the first of the strip */
    uint32_t next;     /* place in the selection */
    uint64_t selected; /* rows of the strip */
};

static bool strips_next(struct strips *strips)
{
    const struct batch *batch = strips->batch;

    if (!batch->selection) {
        strips->row = strips->next;
        if (strips->row >= batch->rows)
            return false;
        strips->selected = low_rows(batch->rows - strips->row);
        strips->next += STRIP;
        return true;
    }
    if (strips->next == batch->selected)
        return false;
    strips->row = batch->selection[strips->next] & ~(STRIP - 1);
    strips->selected = 0;
    while (strips->next < batch->selected && batch->selection[strips->next] - strips->row < STRIP)
        strips->selected |= UINT64_C(1) << (batch->selection[strips->next++] - strips->row);
    return true;
}

static void batch_begin(struct expr *expr, const struct batch *batch)
{
    for (uint32_t i = 0; i < expr->source_count; i++) {
        const struct source *source = &expr->sources[i];
        const struct column *column = source->column == FIELD_NONE
                                          ? batch->columns[HIDDEN_TIME]
                                          : batch_column(batch, source->column);

        CHECK(column && column->rows == batch->rows);
        CHECK(source->column == FIELD_NONE || column->type == source->type);
    }
}

uint32_t expr_filter(struct expr *expr, const struct batch *batch, uint32_t *rows)
{
    struct strips strips = {.batch = batch};
    uint32_t count = 0;

    CHECK(expr->type == TYPE_BOOL);
    batch_begin(expr, batch);
    while (strips_next(&strips)) {
        strip_run(expr, batch, strips.row, strips.selected);
        uint64_t passed =
            *(const uint64_t *)expr->result->values & expr->result->valid & strips.selected;
        while (passed)
            rows[count++] = strips.row + strip_next(&passed);
        arena_reset(expr->scratch);
    }
    return count;
}

/* ---- results as columns ---- */

struct result {
    uint32_t rows, bytes_rows; /* TYPE_UTF8: rows whose offset is written */
    struct block *values, *validity, *offsets;
};

static void result_begin(struct result *result, enum type type, uint32_t rows)
{
    uint32_t strips = (rows + STRIP - 1) / STRIP;

    *result = (struct result){.rows = rows};
    if (type == TYPE_UTF8) {
        result->offsets = block_create((rows + 1) * sizeof(int32_t));
        memset(result->offsets->data, 0, sizeof(int32_t));
        return;
    }
    result->values = block_create(strips * (type == TYPE_BOOL ? 8 : STRIP * type_size(type)));
    memset(result->values->data, 0, result->values->size);
}

static void result_valid(struct result *result, uint32_t row, uint64_t valid)
{
    size_t size = (result->rows + STRIP - 1) / STRIP * sizeof(uint64_t);

    if (!result->validity && valid == ALL_ROWS)
        return;
    if (!result->validity) {
        result->validity = block_create(size);
        memset(result->validity->data, 0xff, size);
    }
    memcpy(result->validity->data + row / 8, &valid, sizeof(valid));
}

/* Rows up to `row` that have no text end where the last one did. */
static void result_texts_to(struct result *result, uint32_t row)
{
    int32_t *offsets = (int32_t *)(void *)result->offsets->data;

    for (; result->bytes_rows < row; result->bytes_rows++)
        offsets[result->bytes_rows + 1] = offsets[result->bytes_rows];
}

static void result_texts(struct result *result, const struct text *texts, uint32_t row,
                         uint64_t wanted, struct bytes *bytes)
{
    int32_t *offsets = (int32_t *)(void *)result->offsets->data;

    while (wanted) {
        uint32_t place = strip_next(&wanted);

        result_texts_to(result, row + place);
        /* 1,024 rows of RECORD_SIZE_MAX at most */
        CHECK(bytes->size + texts[place].size <= BYTES_SIZE_MAX);
        bytes_put(bytes, texts[place].data, texts[place].size);
        offsets[row + place + 1] = (int32_t)bytes->size;
        result->bytes_rows++;
    }
}

static void result_numbers(struct result *result, enum type type, const struct reg *reg,
                           uint32_t row)
{
    void *to = result->values->data + row * type_size(type);

    if (type == TYPE_I32) {
        for (uint32_t i = 0; i < STRIP; i++)
            ((int32_t *)to)[i] = (int32_t)((const int64_t *)reg->values)[i];
    } else if (type == TYPE_F32) {
        for (uint32_t i = 0; i < STRIP; i++)
            ((float *)to)[i] = (float)((const double *)reg->values)[i];
    } else {
        memcpy(to, reg->values, STRIP * sizeof(int64_t));
    }
}

static void result_strip(struct result *result, struct expr *expr, uint32_t row, uint64_t selected)
{
    const struct reg *reg = expr->result;

    CHECK(expr->type == TYPE_UTF8 ? result->offsets : result->values);
    result_valid(result, row, reg->valid | ~selected);
    if (expr->type == TYPE_UTF8)
        result_texts(result, reg->values, row, selected & reg->valid, &expr->text);
    else if (expr->type == TYPE_BOOL)
        memcpy(result->values->data + row / 8, reg->values, sizeof(uint64_t));
    else
        result_numbers(result, expr->type, reg, row);
}

static struct column *result_end(struct result *result, struct expr *expr)
{
    struct column *column = column_create(expr->type, result->rows);

    if (expr->type == TYPE_UTF8) {
        result_texts_to(result, result->rows);
        result->values = block_create(expr->text.size);
        if (expr->text.size)
            memcpy(result->values->data, expr->text.data, expr->text.size);
        column->offsets = (const int32_t *)(const void *)result->offsets->data;
    }
    column->values = result->values->data;
    if (result->validity)
        column->validity = result->validity->data;
    column->blocks[0] = result->values;
    column->blocks[1] = result->validity;
    column->blocks[2] = result->offsets;
    expr->text.size = 0;
    if (expr->text.capacity > TEXT_KEPT_MAX)
        bytes_clear(&expr->text);
    return column;
}

struct column *expr_eval(struct expr *expr, const struct batch *batch)
{
    struct strips strips = {.batch = batch};
    struct result result;

    batch_begin(expr, batch);
    if (expr->column != FIELD_NONE) { /* shared, not copied */
        struct column *column = batch->columns[HIDDEN_COUNT + expr->column];

        column_ref(column);
        return column;
    }
    result_begin(&result, expr->type, batch->rows);
    while (strips_next(&strips)) {
        strip_run(expr, batch, strips.row, strips.selected);
        result_strip(&result, expr, strips.row, strips.selected);
        arena_reset(expr->scratch);
    }
    return result_end(&result, expr);
}
