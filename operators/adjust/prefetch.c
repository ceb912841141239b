/* adjust/prefetch: marks the items that a device should fetch while it is on Wi-Fi, so that they start at
 * once on the way.
 * In: lists of adjust/explore with all candidates (`all: true`): items with position and score; the
 * request's `net` and user. Out: the same; items with prefetch, 1 or 0. Port `fetched`: one row a
 * marked item, keyed by user: feature/recent makes the table of them that adjust/delivery reads.
 *
 * Method: on Wi-Fi the best `count` items by score and terms of the order that are not among the first
 * `after` of the list and at most `margin` below the last one that is shown: what the next list is
 * likely to show. */
#include "operators/model/list.h"

#include <math.h>
#include <string.h>

#define COUNT_MAX 64

struct prefetch_config {
    const char *user, *item, *net;
    int64_t count, after;
    double margin;
};

static const struct option prefetch_options[] = {
    {.name = "count",
     .type = OPT_I64,
     FIELD(struct prefetch_config, count),
     .def.i64 = 6,
     .min.i64 = 1,
     .max.i64 = COUNT_MAX,
     .help = "Items that are marked, at most."},
    {.name = "after",
     .type = OPT_I64,
     FIELD(struct prefetch_config, after),
     .def.i64 = 5,
     .max.i64 = 1000,
     .help = "The first places of the list are not marked: they are being looked at."},
    {.name = "margin",
     .type = OPT_F64,
     FIELD(struct prefetch_config, margin),
     .def.f64 = 0.3,
     .max.f64 = 100,
     .help = "How far below the last shown item one may be, in log-odds."},
    {.name = "user",
     .type = OPT_FIELD,
     FIELD(struct prefetch_config, user),
     .def.text = "user_id",
     .help = "Column with the user."},
    {.name = "item",
     .type = OPT_TEXT,
     FIELD(struct prefetch_config, item),
     .def.text = "item_id",
     .help = "Column of the items that names them."},
    {.name = "net",
     .type = OPT_FIELD,
     FIELD(struct prefetch_config, net),
     .def.text = "net",
     .help = "Text column with the kind of network; items are fetched on wifi."},
    {0},
};
static const struct port prefetch_in[] = {
    {"in", .help = "Lists with all candidates."},
    {0},
};
static const struct port prefetch_out[] = {
    {"out", .keyed = true, .help = "The same, with marks."},
    {"fetched", .help = "User and item of each mark."},
    {0},
};
enum { OUT, FETCHED };
static const char *const names[] = {"prefetch"};

/* ---- planning ---- */

/* What adjust/explore with `all` brings. */
static bool need(struct describe *describe, const char *what, bool good, struct error *err)
{
    return good || describe_error(describe, err, "from", "read adjust/explore with all: true",
                                  "the input has no %s", what);
}

static bool has(const struct schema *schema, const char *name, enum type type)
{
    uint32_t column = schema_find(schema, name);

    return column != FIELD_NONE && schema->fields[column].type == type;
}

static bool prefetch_describe(struct describe *describe, struct error *err)
{
    const struct prefetch_config *config = describe_config(describe);
    struct arena *arena = describe_arena(describe);
    const struct schema *in = describe_input(describe, 0), *items = list_schema(in);
    struct schema *fetched = schema_create(arena);
    struct text_list key = {1, (const char *[]){config->user}};
    uint32_t item = schema_find(items, config->item);

    if (!need(describe, "list \"items\"", items != in, err) ||
        !need(describe, "positions and scores of its items",
              has(items, "position", TYPE_I32) && has(items, "score", TYPE_F64), err))
        return false;
    if (!has(in, config->net, TYPE_UTF8))
        return describe_error(describe, err, "net", "name a text column",
                              "column \"%s\" is no text", config->net);
    if (item == FIELD_NONE || !key_type(items->fields[item].type))
        return describe_error(describe, err, "item", "name a column of the list",
                              "the list has no text or integer column \"%s\"", config->item);
    CHECK(schema_add(fetched, arena, &in->fields[schema_find(in, config->user)]));
    if (!schema_add(fetched, arena, &items->fields[item]))
        return describe_error(describe, err, "item", "name a column of the list",
                              "user and item are both in \"%s\"", config->item);
    describe_output(describe, FETCHED, fetched);
    describe_output_key(describe, FETCHED, &key);
    return list_describe(describe, names, 1, err);
}

/* ---- an instance ---- */

struct prefetch_scratch {
    struct list_layout layout;
    uint32_t user, item, net, position;
};

static bool prefetch_open(struct op *op, struct error *err)
{
    const struct prefetch_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, 0), *items = list_schema(in);
    struct prefetch_scratch *scratch = op_memory(op, sizeof(*scratch));

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    list_open(op, &scratch->layout, names, 1);
    scratch->user = schema_find(in, config->user);
    scratch->net = schema_find(in, config->net);
    scratch->item = schema_find(items, config->item);
    scratch->position = schema_find(items, "position");
    return true;
}

/* ---- a list ---- */

static bool on_wifi(const struct column *net, uint32_t row)
{
    uint32_t size;
    const char *text = column_text(net, row, &size);

    return column_valid(net, row) && size == 4 && memcmp(text, "wifi", 4) == 0;
}

/* Marks of a list; `values` are its items', `places` room for as many. */
static void mark(struct op *op, const struct batch *items, uint32_t begin, uint32_t count,
                 const double *values, struct list_place *places, double *marks)
{
    const struct prefetch_config *config = op_config(op);
    const struct prefetch_scratch *scratch = op_scratch(op);
    const struct column *position = batch_column(items, scratch->position);
    double last = INFINITY;
    uint32_t used = 0;

    for (uint32_t i = 0; i < count; i++) {
        bool shown = column_valid(position, begin + i);
        if (shown)
            last = fmin(last, values[i]);
        if (!shown || ((const int32_t *)position->values)[begin + i] > config->after)
            places[used++] = (struct list_place){values[i], i};
    }
    list_order(places, used);
    for (uint32_t k = 0; k < used && k < config->count; k++)
        if (places[k].value >= last - config->margin) /* false where nothing is shown */
            marks[places[k].place] = 1;
}

static void tell(struct op *op, const struct batch *in, uint32_t row, uint32_t begin, uint32_t end,
                 const double *marks)
{
    const struct prefetch_scratch *scratch = op_scratch(op);
    const struct batch *items = list_items(&scratch->layout, in);

    for (uint32_t i = begin; i < end; i++) {
        struct builder *out;
        if (marks[i] == 0)
            continue;
        out = op_reserve(op, FETCHED, 1);
        builder_row_from(out, in, row);
        builder_copy(out, 0, batch_column(in, scratch->user), row);
        builder_copy(out, 1, batch_column(items, scratch->item), i);
    }
}

static bool prefetch_process(struct op *op, uint32_t port, const struct batch *in,
                             struct error *err)
{
    const struct prefetch_scratch *scratch = op_scratch(op);
    const struct batch *items = list_items(&scratch->layout, in);
    struct block *memory =
        block_create((items->rows + 1ul) * (sizeof(double) + sizeof(struct list_place)));
    struct list_place *places = (struct list_place *)(void *)memory->data;
    double *values = (double *)(void *)(places + items->rows), *marks;
    struct column *added[] = {list_column(items->rows, &marks)};

    (void)port;
    (void)err; /* cannot fail */
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        uint32_t begin, end;
        if (!on_wifi(batch_column(in, scratch->net), row))
            continue;
        list_range(&scratch->layout, in, row, &begin, &end);
        list_values(&scratch->layout, items, begin, end, values);
        mark(op, items, begin, end - begin, values, places, marks + begin);
        if (op_output_used(op, FETCHED))
            tell(op, in, row, begin, end, marks);
    }
    block_release(&memory);
    list_emit(op, &scratch->layout, in, added, LIST_LEAVE);
    return true;
}

const struct operator_def adjust_prefetch = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "adjust/prefetch",
    .help = "Marks items that a device should fetch on Wi-Fi, so that they start at once later.",
    .config_size = sizeof(struct prefetch_config),
    .options = prefetch_options,
    .inputs = prefetch_in,
    .outputs = prefetch_out,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = prefetch_describe,
    .open = prefetch_open,
    .process = prefetch_process,
};
OPERATOR_REGISTER(adjust_prefetch);
