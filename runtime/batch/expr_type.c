/* Types of operations, and the steps that carry them out. i32 and f32 count as i64 and f64; an
 * operation on i64 and f64 is one on f64; null takes the type that is wanted. */
#include "runtime/batch/expr_parts.h"

#include <stdio.h>
#include <string.h>

enum type type_wide(enum type type)
{
    return type == TYPE_I32 ? TYPE_I64 : type == TYPE_F32 ? TYPE_F64 : type;
}

bool type_is_number(enum type type)
{
    return type_wide(type) == TYPE_I64 || type_wide(type) == TYPE_F64;
}

/* ---- registers and steps ---- */

static size_t value_size(enum type type)
{
    return type == TYPE_UTF8 ? sizeof(struct text) : sizeof(int64_t);
}

static struct reg *reg_create(struct compiler *c, enum type type)
{
    struct reg *reg = arena_new(c->expr->arena, sizeof(*reg));

    reg->own = type == TYPE_BOOL ? (void *)&reg->word
                                 : arena_new(c->expr->arena, STRIP * value_size(type));
    reg->values = reg->own;
    return reg;
}

/* All rows as the first one. */
static void reg_repeat(struct reg *reg, enum type type)
{
    size_t size = value_size(type);

    reg->valid = reg->valid & 1 ? ALL_ROWS : 0;
    if (type == TYPE_BOOL) {
        reg->word = reg->word & 1 ? ALL_ROWS : 0;
        return;
    }
    for (uint32_t i = 1; i < STRIP; i++)
        memcpy((char *)reg->own + i * size, reg->own, size);
}

struct operand type_constant(struct compiler *c, enum type type, const void *value)
{
    struct operand out = {.type = type,
                          .reg = reg_create(c, type),
                          .constant = true,
                          .begin = c->token.begin,
                          .end = c->token.end,
                          .column = FIELD_NONE};

    memcpy(out.reg->own, value, value_size(type));
    out.reg->valid = 1;
    reg_repeat(out.reg, type);
    return out;
}

struct operand type_null(struct compiler *c, enum type type)
{
    static const struct text nothing = {"", 0};
    struct operand out = type_constant(c, type, &nothing);

    out.reg->valid = 0;
    return out;
}

static struct step *add_step(struct compiler *c)
{
    struct expr *expr = c->expr;

    if (expr->step_count == expr->step_capacity) {
        expr->step_capacity = expr->step_capacity ? expr->step_capacity * 2 : 16;
        expr->steps = memory_grow(expr->steps, expr->step_capacity, sizeof(*expr->steps));
    }
    expr->steps[expr->step_count] = (struct step){.kind = STEP_RUN};
    return &expr->steps[expr->step_count++];
}

/* A text is made in the program's own memory: it outlives the strip. */
static void run_now(struct compiler *c, const struct step *step)
{
    struct strip strip = {
        .out = step->out->own, .rows = 1, .data = step->data, .scratch = c->expr->arena};
    uint64_t valid = 1;

    for (uint32_t i = 0; i < OPERANDS_MAX; i++) {
        strip.in[i] = step->in[i]->values;
        strip.valid[i] = step->in[i]->valid;
        if (step->strict)
            valid &= step->in[i]->valid;
    }
    strip.rows = valid;
    step->out->valid = valid ? step->run(&strip) & valid : 0;
}

struct operand type_run(struct compiler *c, kernel *run, enum type type, bool strict,
                        const void *data, const struct operand *const *in, uint32_t count)
{
    struct operand out = {.type = type,
                          .reg = reg_create(c, type_wide(type)),
                          .constant = true,
                          .begin = count ? in[0]->begin : c->token.begin,
                          .end = c->end,
                          .column = FIELD_NONE};
    struct step *step = add_step(c);

    step->run = run;
    step->strict = strict;
    step->data = data;
    step->out = out.reg;
    for (uint32_t i = 0; i < OPERANDS_MAX; i++) {
        step->in[i] = i < count ? in[i]->reg : &c->expr->unused;
        out.constant &= i >= count || in[i]->constant;
    }
    if (out.constant) {
        run_now(c, step);
        reg_repeat(out.reg, type_wide(type));
        c->expr->step_count--;
    }
    return out;
}

struct operand type_unary(struct compiler *c, kernel *run, enum type type, const struct operand *in)
{
    return type_run(c, run, type, true, NULL, &in, 1);
}

struct operand type_binary(struct compiler *c, kernel *run, enum type type, const struct operand *a,
                           const struct operand *b)
{
    const struct operand *in[] = {a, b};

    return type_run(c, run, type, true, NULL, in, 2);
}

/* ---- scopes ---- */

bool type_narrow(struct compiler *c, const struct operand *condition, enum narrowing narrowing)
{
    struct step *step;

    if (c->open_count == SCOPES_MAX)
        return lex_error(c, c->token.begin, "compute a part of it as a column of its own",
                         "there are more than %u choices in each other", SCOPES_MAX);
    c->open[c->open_count] = ++c->scope_last;
    c->open_step[c->open_count++] = c->expr->step_count;
    step = add_step(c);
    step->kind = STEP_NARROW;
    step->narrowing = narrowing;
    step->in[0] = condition->reg;
    return true;
}

void type_widen(struct compiler *c)
{
    uint32_t narrow = c->open_step[--c->open_count];

    if (c->expr->step_count == narrow + 1) { /* nothing between them */
        c->expr->step_count--;
        return;
    }
    add_step(c)->kind = STEP_WIDEN;
    c->expr->steps[narrow].jump = c->expr->step_count;
}

/* Whether what was computed in a scope is there now. */
static bool scope_open(const struct compiler *c, uint32_t scope)
{
    for (uint32_t i = c->open_count; i-- > 0;)
        if (c->open[i] == scope)
            return true;
    return scope == 0;
}

/* ---- columns ---- */

static struct reg *source_create(struct compiler *c, uint32_t column, enum type type)
{
    struct expr *expr = c->expr;
    struct source *source;

    for (uint32_t i = 0; i < expr->source_count; i++)
        if (expr->sources[i].column == column)
            return expr->sources[i].reg;
    if (expr->source_count == expr->source_capacity) {
        expr->source_capacity = expr->source_capacity ? expr->source_capacity * 2 : 4;
        expr->sources = memory_grow(expr->sources, expr->source_capacity, sizeof(*source));
    }
    source = &expr->sources[expr->source_count++];
    *source = (struct source){.column = column, .type = type};
    source->reg = arena_new(expr->arena, sizeof(*source->reg));
    source->tail = arena_new(expr->arena, STRIP * sizeof(int64_t));
    return source->reg;
}

/* From the column's own form into that of registers. */
static struct operand source_read(struct compiler *c, struct operand *source)
{
    switch (source->type) {
    case TYPE_I32:
        return type_unary(c, cast_widen_i32, source->type, source);
    case TYPE_F32:
        return type_unary(c, cast_widen_f32, source->type, source);
    case TYPE_UTF8:
        return type_unary(c, text_view, source->type, source);
    case TYPE_NONE:
    case TYPE_BOOL:
    case TYPE_I64:
    case TYPE_F64:
    case TYPE_TIMESTAMP:
    case TYPE_VECTOR:
    case TYPE_LIST:
    case TYPE_KEY:
        break;
    }
    return *source;
}

bool type_column(struct compiler *c, uint32_t column, uint32_t at, struct operand *out)
{
    struct loaded *loaded = &c->loaded[column == FIELD_NONE ? COLUMNS_MAX : column];
    enum type type = column == FIELD_NONE ? TYPE_TIMESTAMP : c->schema->fields[column].type;

    if (type == TYPE_VECTOR || type == TYPE_LIST)
        return lex_error(c, at, NULL, "\"%s\" is a %s; expressions are over single values",
                         c->schema->fields[column].name, type_name(type));
    if (!loaded->operand.reg || !scope_open(c, loaded->scope)) {
        struct operand source = {.type = type, .reg = source_create(c, column, type)};

        loaded->operand = source_read(c, &source);
        loaded->operand.constant = false;
        loaded->operand.column = column;
        loaded->scope = c->open_count ? c->open[c->open_count - 1] : 0;
    }
    *out = loaded->operand;
    return true;
}

/* ---- conversions ---- */

static void to_type(struct compiler *c, struct operand *operand, enum type type)
{
    struct operand from = *operand;

    if (from.type == TYPE_NONE)
        *operand = type_null(c, type);
    else if (type == TYPE_F64 && type_wide(from.type) == TYPE_I64)
        *operand = type_unary(c, cast_i64_f64, TYPE_F64, &from);
    else
        operand->type = type_wide(from.type);
    operand->begin = from.begin;
    operand->end = from.end;
    operand->column = FIELD_NONE;
}

static const char *quoted(const struct compiler *c, const struct operand *operand, char *quote)
{
    return lex_quote(c, operand->begin, operand->end, quote);
}

/* The type that both go into; TYPE_NONE with `fits` false when there is none. */
static enum type common(enum type a, enum type b, bool *fits)
{
    a = type_wide(a);
    b = type_wide(b);
    *fits = a == b || a == TYPE_NONE || b == TYPE_NONE || (type_is_number(a) && type_is_number(b));
    if (a == b || b == TYPE_NONE)
        return a;
    return a == TYPE_NONE ? b : TYPE_F64;
}

bool type_unify(struct compiler *c, struct operand *operands, uint32_t count, const char *what)
{
    enum type type = TYPE_NONE;
    char first[QUOTE_SIZE], other[QUOTE_SIZE];
    uint32_t known = 0; /* the first that is no null */
    bool fits;

    for (uint32_t i = 0; i < count; i++) {
        enum type wider = common(type, operands[i].type, &fits);

        if (!fits)
            return lex_error(c, operands[i].begin, NULL,
                             "\"%s\" is %s and \"%s\" is %s; %s wants values of one type",
                             quoted(c, &operands[known], first), type_name(operands[known].type),
                             quoted(c, &operands[i], other), type_name(operands[i].type), what);
        if (type == TYPE_NONE)
            known = i;
        type = wider;
    }
    for (uint32_t i = 0; type != TYPE_NONE && i < count; i++)
        to_type(c, &operands[i], type);
    return true;
}

static bool refuse(const struct compiler *c, const struct operand *operand, const char *what,
                   const char *wants)
{
    const char *how = NULL;
    char quote[QUOTE_SIZE];

    if (operand->type == TYPE_UTF8 && strncmp(wants, "number", 6) == 0)
        how = "cast(... as f64) reads a number from a text";
    return lex_error(c, operand->begin, how, "\"%s\" is %s; %s wants %s", quoted(c, operand, quote),
                     type_name(operand->type), what, wants);
}

bool type_wants(struct compiler *c, struct operand *operand, enum type type, const char *what)
{
    enum type wide = type_wide(operand->type);

    if (wide != type && wide != TYPE_NONE && (type != TYPE_F64 || wide != TYPE_I64))
        return refuse(c, operand, what,
                      type == TYPE_F64         ? "numbers"
                      : type == TYPE_I64       ? "whole numbers"
                      : type == TYPE_TIMESTAMP ? "a timestamp"
                      : type == TYPE_BOOL      ? "a bool, such as a comparison"
                                               : "texts");
    to_type(c, operand, type);
    return true;
}

bool type_bool(struct compiler *c, struct operand *operand, const char *what)
{
    return type_wants(c, operand, TYPE_BOOL, what);
}

/* ---- arithmetic ---- */

static bool number_or_null(const struct operand *operand)
{
    return operand->type == TYPE_NONE || type_is_number(operand->type);
}

/* timestamp - timestamp in ms; timestamp + - i64, i64 + timestamp. */
static bool time_arithmetic(struct compiler *c, char op, struct operand *a, struct operand *b,
                            struct operand *out)
{
    const char name[] = {op, 0};
    bool reversed = op == '+' && a->type != TYPE_TIMESTAMP;
    struct operand *time = reversed ? b : a, *ms = reversed ? a : b;

    if (op == '-' && (a->type == TYPE_TIMESTAMP || a->type == TYPE_NONE) &&
        b->type == TYPE_TIMESTAMP) {
        to_type(c, a, TYPE_TIMESTAMP);
        *out = type_binary(c, number_sub_i64, TYPE_I64, a, b);
        return true;
    }
    if ((op != '+' && op != '-') || time->type != TYPE_TIMESTAMP)
        return refuse(c, a->type == TYPE_TIMESTAMP ? a : b, name,
                      op == '-' ? "numbers, or a timestamp in front" : "numbers");
    if (ms->type != TYPE_NONE && type_wide(ms->type) != TYPE_I64)
        return refuse(c, ms, name, "whole milliseconds beside a timestamp");
    to_type(c, ms, TYPE_I64);
    *out = type_binary(c, op == '+' ? time_add : time_sub, TYPE_TIMESTAMP, time, ms);
    return true;
}

static kernel *arithmetic_kernel(char op, enum type type)
{
    bool i64 = type == TYPE_I64;

    switch (op) {
    case '+':
        return i64 ? number_add_i64 : number_add_f64;
    case '-':
        return i64 ? number_sub_i64 : number_sub_f64;
    case '*':
        return i64 ? number_mul_i64 : number_mul_f64;
    case '%':
        return i64 ? number_mod_i64 : number_mod_f64;
    }
    return number_div_f64;
}

bool type_arithmetic(struct compiler *c, char op, struct operand *a, struct operand *b,
                     struct operand *out)
{
    const char name[] = {op, 0}, *wants = op == '+' ? "numbers or two texts" : "numbers";
    enum type type;
    bool fits;

    if (op == '+' && (a->type == TYPE_UTF8 || b->type == TYPE_UTF8)) {
        if ((a->type != TYPE_UTF8 && a->type != TYPE_NONE) ||
            (b->type != TYPE_UTF8 && b->type != TYPE_NONE))
            return refuse(c, a->type == TYPE_UTF8 ? a : b, name, wants);
        to_type(c, a, TYPE_UTF8);
        to_type(c, b, TYPE_UTF8);
        *out = type_binary(c, text_concat, TYPE_UTF8, a, b);
        return true;
    }
    if (a->type == TYPE_TIMESTAMP || b->type == TYPE_TIMESTAMP)
        return time_arithmetic(c, op, a, b, out);
    if (!number_or_null(a) || !number_or_null(b))
        return refuse(c, number_or_null(a) ? b : a, name, wants);
    type = common(a->type, b->type, &fits);
    if (type == TYPE_NONE)
        type = TYPE_I64;
    if (op == '/')
        type = TYPE_F64;
    to_type(c, a, type);
    to_type(c, b, type);
    *out = type_binary(c, arithmetic_kernel(op, type), type, a, b);
    return true;
}

bool type_negate(struct compiler *c, struct operand *a, struct operand *out)
{
    if (!number_or_null(a))
        return refuse(c, a, "-", "numbers");
    to_type(c, a, type_wide(a->type) == TYPE_F64 ? TYPE_F64 : TYPE_I64);
    *out = type_unary(c, a->type == TYPE_I64 ? number_neg_i64 : number_neg_f64, a->type, a);
    return true;
}

/* ---- comparison ---- */

enum comparing { COMPARE_EQ, COMPARE_NE, COMPARE_LT, COMPARE_LE };

static kernel *const compare_kernels[][4] = {
    [TYPE_BOOL] = {compare_eq_bool, compare_ne_bool, NULL, NULL},
    [TYPE_I64] = {compare_eq_i64, compare_ne_i64, compare_lt_i64, compare_le_i64},
    [TYPE_F64] = {compare_eq_f64, compare_ne_f64, compare_lt_f64, compare_le_f64},
    [TYPE_TIMESTAMP] = {compare_eq_i64, compare_ne_i64, compare_lt_i64, compare_le_i64},
    [TYPE_UTF8] = {compare_eq_text, compare_ne_text, compare_lt_text, compare_le_text},
};

static enum comparing comparing_of(const char *op)
{
    if (op[0] == '=')
        return COMPARE_EQ;
    if (op[0] == '!' || op[1] == '>')
        return COMPARE_NE;
    return op[1] == '=' ? COMPARE_LE : COMPARE_LT;
}

bool type_compare(struct compiler *c, const char *op, struct operand *a, struct operand *b,
                  struct operand *out)
{
    enum comparing comparing = comparing_of(op);
    struct operand both[] = {*a, *b};
    enum type type;

    if (!type_unify(c, both, 2, op))
        return false;
    type = both[0].type == TYPE_NONE ? TYPE_I64 : both[0].type;
    to_type(c, &both[0], type);
    to_type(c, &both[1], type);
    if (!compare_kernels[type][comparing])
        return refuse(c, a->type == TYPE_NONE ? b : a, op, "numbers, texts or timestamps");
    if (op[0] == '>') /* > and >= are < and <= the other way round */
        *out = type_binary(c, compare_kernels[type][comparing], TYPE_BOOL, &both[1], &both[0]);
    else
        *out = type_binary(c, compare_kernels[type][comparing], TYPE_BOOL, &both[0], &both[1]);
    return true;
}

/* All of the list is known: it is sorted and looked up. */
static struct operand in_set(struct compiler *c, const struct operand *operands, uint32_t count)
{
    struct set *set = arena_new(c->expr->arena, sizeof(*set));
    size_t size = value_size(operands[0].type);
    char *values = arena_new(c->expr->arena, count * size);
    const struct operand *in = operands;

    for (uint32_t i = 1; i < count; i++) {
        set->null |= operands[i].reg->valid == 0;
        if (operands[i].reg->valid)
            memcpy(values + size * set->count++, operands[i].reg->values, size);
    }
    set->values = values;
    if (in->type == TYPE_UTF8) {
        set_sort_text((struct text *)(void *)values, set->count);
        return type_run(c, compare_in_text, TYPE_BOOL, true, set, &in, 1);
    }
    if (in->type == TYPE_F64) {
        set_sort_f64((double *)(void *)values, set->count);
        return type_run(c, compare_in_f64, TYPE_BOOL, true, set, &in, 1);
    }
    set_sort_i64((int64_t *)(void *)values, set->count);
    return type_run(c, compare_in_i64, TYPE_BOOL, true, set, &in, 1);
}

bool type_in(struct compiler *c, struct operand *operands, uint32_t count, struct operand *out)
{
    bool constant = true;
    struct operand equal;

    if (!type_unify(c, operands, count, "in"))
        return false;
    for (uint32_t i = 1; i < count; i++)
        constant &= operands[i].constant;
    if (constant && operands[0].type != TYPE_BOOL && operands[0].type != TYPE_NONE) {
        *out = in_set(c, operands, count);
        return true;
    }
    for (uint32_t i = 1; i < count; i++) {
        if (!type_compare(c, "=", &operands[0], &operands[i], &equal))
            return false;
        *out = i == 1 ? equal : type_logic(c, logic_or, out, &equal);
    }
    return true;
}

bool type_like(struct compiler *c, struct operand *a, const struct operand *pattern,
               struct operand *out)
{
    const struct operand *in = a;
    struct text text;

    if (!type_wants(c, a, TYPE_UTF8, "like"))
        return false;
    if (pattern->type != TYPE_UTF8 || !pattern->constant || pattern->reg->valid == 0)
        return lex_error(c, pattern->begin, "write one such as 'ab%'",
                         "like wants a fixed text as its pattern");
    text = *(const struct text *)pattern->reg->values;
    if (text.size > LIKE_SIZE_MAX)
        return lex_error(c, pattern->begin, NULL, "a pattern has at most %u bytes", LIKE_SIZE_MAX);
    *out = type_run(c, text_like, TYPE_BOOL, true, like_create(c->expr->arena, text), &in, 1);
    return true;
}

/* ---- bools and choices ---- */

struct operand type_logic(struct compiler *c, kernel *run, const struct operand *a,
                          const struct operand *b)
{
    const struct operand *in[] = {a, b};

    return type_run(c, run, TYPE_BOOL, false, NULL, in, 2);
}

struct operand type_is_null(struct compiler *c, const struct operand *a, bool is)
{
    return type_run(c, is ? logic_is_null : logic_is_not_null, TYPE_BOOL, false, NULL, &a, 1);
}

struct operand type_select(struct compiler *c, const struct operand *condition,
                           const struct operand *yes, const struct operand *no)
{
    const struct operand *in[] = {condition, yes, no};
    kernel *run = yes->type == TYPE_UTF8   ? logic_select_text
                  : yes->type == TYPE_BOOL ? logic_select_bool
                                           : logic_select_number;

    return type_run(c, run, yes->type, false, NULL, in, 3);
}

/* ---- casts ---- */

static const struct cast {
    enum type from, to;
    kernel *run, *then; /* NULL: nothing more to do */
    enum type between;
} casts[] = {
    {TYPE_BOOL, TYPE_I32, cast_bool_i64},
    {TYPE_BOOL, TYPE_I64, cast_bool_i64},
    {TYPE_BOOL, TYPE_F32, cast_bool_i64, cast_i64_f64, TYPE_I64},
    {TYPE_BOOL, TYPE_F64, cast_bool_i64, cast_i64_f64, TYPE_I64},
    {TYPE_BOOL, TYPE_UTF8, cast_bool_text},
    {TYPE_I64, TYPE_BOOL, cast_i64_bool},
    {TYPE_I64, TYPE_I32, cast_i64_i32},
    {TYPE_I64, TYPE_I64},
    {TYPE_I64, TYPE_F32, cast_i64_f64, cast_f64_f32, TYPE_F64},
    {TYPE_I64, TYPE_F64, cast_i64_f64},
    {TYPE_I64, TYPE_TIMESTAMP, time_check},
    {TYPE_I64, TYPE_UTF8, cast_i64_text},
    {TYPE_F64, TYPE_BOOL, cast_f64_bool},
    {TYPE_F64, TYPE_I32, cast_f64_i64, cast_i64_i32, TYPE_I64},
    {TYPE_F64, TYPE_I64, cast_f64_i64},
    {TYPE_F64, TYPE_F32, cast_f64_f32},
    {TYPE_F64, TYPE_F64},
    {TYPE_F64, TYPE_TIMESTAMP, cast_f64_i64, time_check, TYPE_I64},
    {TYPE_F64, TYPE_UTF8, cast_f64_text},
    {TYPE_TIMESTAMP, TYPE_I32, cast_i64_i32},
    {TYPE_TIMESTAMP, TYPE_I64},
    {TYPE_TIMESTAMP, TYPE_F32, cast_i64_f64, cast_f64_f32, TYPE_F64},
    {TYPE_TIMESTAMP, TYPE_F64, cast_i64_f64},
    {TYPE_TIMESTAMP, TYPE_UTF8, cast_time_text},
    {TYPE_UTF8, TYPE_BOOL, cast_text_bool},
    {TYPE_UTF8, TYPE_I32, cast_text_i64, cast_i64_i32, TYPE_I64},
    {TYPE_UTF8, TYPE_I64, cast_text_i64},
    {TYPE_UTF8, TYPE_F32, cast_text_f64, cast_f64_f32, TYPE_F64},
    {TYPE_UTF8, TYPE_F64, cast_text_f64},
    {TYPE_UTF8, TYPE_TIMESTAMP, cast_text_time},
};

static struct operand cast_apply(struct compiler *c, const struct cast *cast,
                                 const struct operand *a)
{
    struct operand out = *a;

    if (cast->then) {
        struct operand between = type_unary(c, cast->run, cast->between, a);

        return type_unary(c, cast->then, cast->to, &between);
    }
    if (cast->run)
        return type_unary(c, cast->run, cast->to, a);
    out.type = cast->to;
    out.column = FIELD_NONE;
    return out;
}

bool type_cast(struct compiler *c, const struct operand *a, enum type to, struct operand *out)
{
    char quote[QUOTE_SIZE];

    if (a->type == to || a->type == TYPE_NONE) {
        *out = a->type == to ? *a : type_null(c, to);
        return true;
    }
    if (a->type == TYPE_F32 && to == TYPE_UTF8) { /* 0.1, not 0.10000000149011612 */
        *out = type_unary(c, cast_f32_text, to, a);
        return true;
    }
    for (size_t i = 0; i < sizeof(casts) / sizeof(casts[0]); i++)
        if (casts[i].from == type_wide(a->type) && casts[i].to == to) {
            *out = cast_apply(c, &casts[i], a);
            return true;
        }
    return lex_error(c, a->begin, NULL, "\"%s\" is %s, which is not cast to %s",
                     quoted(c, a, quote), type_name(a->type), type_name(to));
}
