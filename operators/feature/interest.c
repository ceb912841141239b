/* feature/interest: what a user is interested in: decayed weights of the categories of his events.
 * In: events keyed by user, or requests with a list `items`; `events`, where it is connected, is what is
 * learnt instead. Out: each row with, as of before it,
 *     interests       the `top` categories by weight, ties by name: category, weight, share
 *     interest        share of the row's own category (mean over several), or in a list of each item's;
 *                     0 where nothing is known
 *     interest_total  sum of the weights above 0: what the shares rest on
 * A share is the weight over that sum; one below 0 says that the user turns away from it.
 *
 * Method: exponential decay; of 256 categories the one that weighs least gives way. feature/profile
 * tells preferences that count each event alike; here events weigh by an expression, such as a click 1,
 * a purchase 5, a dislike -3. */
#include "operators/model/likings.h"
#include "operators/model/list.h"
#include "operators/model/widen.h"
#include "runtime/batch/expr.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct interest_config {
    const char *category, *separator, *weight, *when;
    int64_t half_life_ms, top;
};

static const struct option interest_options[] = {
    {.name = "category",
     .type = OPT_TEXT,
     FIELD(struct interest_config, category),
     .def.text = "category",
     .help = "Column of events and of items that names the category: a text, of several between "
             "separators, or an integer."},
    {.name = "separator",
     .type = OPT_TEXT,
     FIELD(struct interest_config, separator),
     .def.text = "|",
     .help = "Character between the categories of one text."},
    {.name = "weight",
     .type = OPT_TEXT,
     FIELD(struct interest_config, weight),
     .help = "Expression: what an event adds, such as case kind when 'buy' then 5 else 1 end; by "
             "default 1. "
             "Null, or 0: not learned."},
    {.name = "half-life",
     .type = OPT_DURATION,
     FIELD(struct interest_config, half_life_ms),
     .def.i64 = 30 * DAY_MS,
     .min.i64 = MINUTE_MS,
     .max.i64 = 3660 * DAY_MS,
     .help = "Age at which an event counts half."},
    {.name = "top",
     .type = OPT_I64,
     FIELD(struct interest_config, top),
     .def.i64 = 5,
     .min.i64 = 1,
     .max.i64 = LIKINGS_MAX,
     .help = "Categories that a row carries."},
    {.name = "when",
     .type = OPT_TEXT,
     FIELD(struct interest_config, when),
     .help = "Expression: which events are learned; by default all."},
    {0},
};
static const struct state_field interest_fields[] = {
    {"count", TYPE_I64, FIELD(struct likings, count)},
    {0},
};
static const struct state interest_states[] = {
    {"users", STATE_LIST, interest_fields, sizeof(struct likings)},
    {0},
};
static const struct port interest_in[] = {
    {"in", .keyed = true, .help = "Events, or requests with items, keyed by user."},
    {"events", .keyed = true, .optional = true, .help = "What is learnt, keyed by user."},
    {0},
};
static const struct port interest_out[] = {
    {"out", .keyed = true, .help = "Each row with the user's interests before it."},
    {0},
};
enum { USERS = 0, IN = 0, EVENTS = 1, OUT = 0 };
enum { INTERESTS, TOTAL, INTEREST }; /* columns that are added; the last one without a list */
enum { CATEGORY, WEIGHT, SHARE };    /* of the list */

static bool has_list(const struct schema *in)
{
    return list_schema(in) != in;
}

static const struct schema *added_schema(struct arena *arena, bool list_in)
{
    struct schema *schema = schema_create(arena), *child = schema_create(arena);
    struct field list = {.name = "interests", .type = TYPE_LIST, .child = child};

    CHECK(schema_add_column(child, arena, "category", TYPE_UTF8));
    CHECK(schema_add_column(child, arena, "weight", TYPE_F64));
    CHECK(schema_add_column(child, arena, "share", TYPE_F64));
    CHECK(schema_add(schema, arena, &list));
    CHECK(schema_add_column(schema, arena, "interest_total", TYPE_F64));
    if (!list_in)
        CHECK(schema_add_column(schema, arena, "interest", TYPE_F64));
    return schema;
}

/* The expressions are over what is learnt. */
static bool check_expression(struct describe *describe, const char *option, const char *text,
                             bool number, struct error *err)
{
    const struct schema *events = describe_input(describe, EVENTS);
    struct error why = {0};
    struct expr *expr;
    enum type type;

    if (!text)
        return true;
    expr = expr_compile(text, events ? events : describe_input(describe, IN), &why);
    type = expr ? expr_type(expr) : TYPE_NONE;
    expr_close(expr);
    if (!expr)
        return describe_error(describe, err, option, why.how, "%s", why.what);
    if (number ? type_size(type) > 0 && type != TYPE_TIMESTAMP : type == TYPE_BOOL)
        return true;
    return describe_error(describe, err, option,
                          number ? "write an expression that gives a number"
                                 : "write a condition, such as rating >= 4",
                          "\"%s\" is %s", text, type_name(type));
}

static bool check_category(struct describe *describe, const struct schema *schema,
                           struct error *err)
{
    const struct interest_config *config = describe_config(describe);
    uint32_t column = schema_find(schema, config->category);
    enum type type = column == FIELD_NONE ? TYPE_NONE : schema->fields[column].type;

    return type == TYPE_UTF8 || type == TYPE_I32 || type == TYPE_I64 ||
           describe_error(describe, err, "category", "name a column that events and items have",
                          "there is no text or integer column \"%s\"", config->category);
}

/* The input, its items with their interest, and what is added to the row. */
static bool describe_out(struct describe *describe, struct error *err)
{
    const struct schema *in = describe_input(describe, IN), *added;
    struct arena *arena = describe_arena(describe);
    struct schema *child = schema_create(arena), *schema = schema_create(arena);

    added = added_schema(arena, has_list(in));
    if (!has_list(in))
        return widen_describe(describe, OUT, added, err);
    for (uint32_t i = 0; i < list_schema(in)->count; i++)
        CHECK(schema_add(child, arena, &list_schema(in)->fields[i]));
    if (!schema_add_column(child, arena, "interest", TYPE_F64))
        return describe_error(describe, err, "from", "use it once",
                              "the list already has a column \"interest\"");
    for (uint32_t i = 0; i < in->count; i++) {
        struct field field = in->fields[i];
        if (i == schema_find(in, "items"))
            field.child = child;
        CHECK(schema_add(schema, arena, &field));
    }
    for (uint32_t i = 0; i < added->count; i++)
        if (!schema_add(schema, arena, &added->fields[i]))
            return describe_error(describe, err, "from", "rename it before, in `clean`",
                                  "the input already has a column \"%s\"", added->fields[i].name);
    describe_output(describe, OUT, schema);
    return true;
}

static bool interest_describe(struct describe *describe, struct error *err)
{
    const struct interest_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, IN);
    const struct schema *events = describe_input(describe, EVENTS);

    if (!config->separator[0])
        return describe_error(describe, err, "separator", "give a character such as |",
                              "the separator is empty");
    return check_category(describe, list_schema(in), err) &&
           check_category(describe, events ? events : in, err) &&
           check_expression(describe, "weight", config->weight, true, err) &&
           check_expression(describe, "when", config->when, false, err) &&
           describe_out(describe, err);
}

/* ---- an instance ---- */

struct interest_scratch {
    struct arena *arena;
    struct builder *added;
    struct expr *when, *weight;
    struct list_layout list;
    uint32_t told, learnt; /* columns of the category: of rows or items, and of events */
    uint32_t learned[BATCH_ROWS_MAX];
    struct place {
        double weight;
        const struct liking *liking;
    } places[LIKINGS_MAX];
};

static bool interest_open(struct op *op, struct error *err)
{
    const struct interest_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, IN), *events = op_input_schema(op, EVENTS);
    struct interest_scratch *scratch = op_memory(op, sizeof(*scratch));

    op_set_scratch(op, scratch);
    scratch->arena = arena_create(4096);
    scratch->added = builder_create(added_schema(scratch->arena, has_list(in)), false);
    list_open(op, &scratch->list, NULL, 0);
    scratch->told = schema_find(list_schema(in), config->category);
    scratch->learnt = schema_find(events ? events : in, config->category);
    if (config->when)
        scratch->when = expr_compile(config->when, events ? events : in, err);
    if (config->weight)
        scratch->weight = expr_compile(config->weight, events ? events : in, err);
    return (!config->when || scratch->when) && (!config->weight || scratch->weight);
}

static void interest_close(struct op *op)
{
    struct interest_scratch *scratch = op_scratch(op);

    if (!scratch)
        return;
    expr_close(scratch->when);
    expr_close(scratch->weight);
    builder_close(scratch->added);
    arena_close(scratch->arena);
}

/* ---- categories of a row ---- */

struct categories { /* of one row, one after the other */
    const char *at, *end;
    char separator, number[24];
};

static void categories_begin(struct categories *categories, const struct column *column,
                             uint32_t row, char separator)
{
    uint32_t size = 0;

    *categories = (struct categories){.separator = separator};
    if (!column_valid(column, row))
        return;
    if (column->type == TYPE_UTF8) {
        categories->at = column_text(column, row, &size);
    } else {
        int64_t value = column->type == TYPE_I32 ? ((const int32_t *)column->values)[row]
                                                 : ((const int64_t *)column->values)[row];
        size =
            (uint32_t)snprintf(categories->number, sizeof(categories->number), "%" PRId64, value);
        categories->at = categories->number;
    }
    categories->end = categories->at + size;
}

static bool categories_next(struct categories *categories, const char **name, size_t *size)
{
    while (likings_part(&categories->at, categories->end, categories->separator, name, size))
        if (*size > 0)
            return true;
    return false;
}

/* ---- telling ---- */

static int by_weight(const void *left, const void *right)
{
    const struct place *a = left, *b = right;

    if (a->weight != b->weight)
        return a->weight > b->weight ? -1 : 1;
    return memcmp(a->liking->name, b->liking->name, LIKING_SIZE);
}

static void put_top(struct interest_scratch *scratch, uint32_t count, uint32_t top, double total)
{
    struct builder *list = builder_list(scratch->added, INTERESTS);

    qsort(scratch->places, count, sizeof(scratch->places[0]), by_weight);
    for (uint32_t i = 0; i < count && i < top; i++) {
        const struct place *place = &scratch->places[i];
        builder_child_row(list);
        builder_text(list, CATEGORY, place->liking->name,
                     strnlen(place->liking->name, LIKING_SIZE));
        builder_f64(list, WEIGHT, place->weight);
        builder_f64(list, SHARE, total > 0 ? place->weight / total : 0);
    }
    builder_list_end(scratch->added, INTERESTS);
}

/* The share of the categories at one place of a column; NaN where there is none. */
static double share_of(const struct interest_config *config, const struct likings *likings,
                       const struct column *column, uint32_t row, double total, int64_t time_ms)
{
    struct categories categories;
    size_t size, count = 0;
    const char *name;
    double own = 0;

    categories_begin(&categories, column, row, config->separator[0]);
    for (; categories_next(&categories, &name, &size); count++) {
        const struct liking *liking = likings_find(likings, name, size);
        own += liking ? liking_faded(liking, time_ms, config->half_life_ms) : 0;
    }
    if (count == 0)
        return NAN;
    return total > 0 ? own / (double)count / total : 0;
}

/* `shares`: of the items of a list, or NULL. */
static void tell(struct op *op, const struct batch *in, uint32_t row, double *shares)
{
    const struct interest_config *config = op_config(op);
    struct interest_scratch *scratch = op_scratch(op);
    const struct column *column = batch_column(list_items(&scratch->list, in), scratch->told);
    const struct likings *likings = op_cells(op, USERS)[row];
    int64_t time_ms = batch_time(in)[row];
    uint32_t begin, end;
    double total = 0;

    for (uint64_t i = 0; i < likings->count; i++) {
        const struct liking *liking = &likings->items[i];
        double weight = liking_faded(liking, time_ms, config->half_life_ms);
        scratch->places[i] = (struct place){weight, liking};
        total += weight > 0 ? weight : 0;
    }
    put_top(scratch, (uint32_t)likings->count, (uint32_t)config->top, total);
    builder_f64(scratch->added, TOTAL, total);
    list_range(&scratch->list, in, row, &begin, &end);
    for (uint32_t i = begin; i < end; i++) {
        double share = share_of(config, likings, column, i, total, time_ms);
        if (shares)
            shares[i] = isnan(share) ? 0 : share;
        else if (!isnan(share))
            builder_f64(scratch->added, INTEREST, share);
    }
}

static void learn(struct op *op, const struct batch *in, uint32_t row, double weight)
{
    const struct interest_config *config = op_config(op);
    const struct interest_scratch *scratch = op_scratch(op);
    struct categories categories;
    const char *name;
    size_t size;

    if (!isfinite(weight) || weight == 0)
        return;
    categories_begin(&categories, batch_column(in, scratch->learnt), row, config->separator[0]);
    while (categories_next(&categories, &name, &size))
        likings_learn(op, USERS, row, name, size, weight, batch_time(in)[row],
                      config->half_life_ms);
}

/* ---- rows ---- */

/* `in` with the shares as a column of its items; *shares moves in. */
static struct batch *with_shares(const struct interest_scratch *scratch, const struct batch *in,
                                 struct column **shares)
{
    return list_widened(&scratch->list, in, batch_with(list_items(&scratch->list, in), shares));
}

static void tell_rows(struct op *op, const struct batch *in, struct column **shares, double *values,
                      bool learns)
{
    struct interest_scratch *scratch = op_scratch(op);
    uint32_t learned = learns ? widen_choose(scratch->when, in, scratch->learned) : 0, next = 0;
    struct column *weights = learns && scratch->weight ? expr_eval(scratch->weight, in) : NULL;
    struct batch *wide;

    for (uint32_t row = 0; row < in->rows; row++) {
        builder_row_from(scratch->added, in, row);
        tell(op, in, row, values);
        if (next == learned || scratch->learned[next] != row)
            continue;
        next++;
        learn(op, in, row, weights ? column_number(weights, row) : 1);
    }
    column_release(&weights);
    if (!*shares) {
        widen_emit(op, OUT, in, scratch->added);
        return;
    }
    wide = with_shares(scratch, in, shares);
    widen_emit(op, OUT, wide, scratch->added);
    batch_release(&wide);
}

static void learn_rows(struct op *op, const struct batch *in)
{
    struct interest_scratch *scratch = op_scratch(op);
    uint32_t learned = widen_choose(scratch->when, in, scratch->learned);
    struct column *weights = scratch->weight ? expr_eval(scratch->weight, in) : NULL;

    for (uint32_t i = 0; i < learned; i++)
        learn(op, in, scratch->learned[i],
              weights ? column_number(weights, scratch->learned[i]) : 1);
    column_release(&weights);
}

static bool interest_process(struct op *op, uint32_t port, const struct batch *in,
                             struct error *err)
{
    const struct interest_scratch *scratch = op_scratch(op);
    struct column *shares = NULL;
    double *values = NULL;

    (void)err; /* cannot fail */
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    if (port == EVENTS) {
        learn_rows(op, in);
        return true;
    }
    if (scratch->list.list != FIELD_NONE)
        shares = list_column(list_items(&scratch->list, in)->rows, &values);
    tell_rows(op, in, &shares, values, !op_input_schema(op, EVENTS));
    return true;
}

const struct operator_def feature_interest = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "feature/interest",
    .help = "Tells which categories a user is interested in, by decayed weights.",
    .config_size = sizeof(struct interest_config),
    .options = interest_options,
    .inputs = interest_in,
    .outputs = interest_out,
    .states = interest_states,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = interest_describe,
    .open = interest_open,
    .process = interest_process,
    .close = interest_close,
};
OPERATOR_REGISTER(feature_interest);
