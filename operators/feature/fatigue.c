/* feature/fatigue: how often a user was lately shown each item, and its category, without clicking, and
 * disliked the category: the evidence of adjust/feedback.
 * In: requests (`items` with item_id and category) or impressions, keyed by user; ports `shown`
 * (impressions), `clicks` and `feedback` (kind dislike), keyed by user, are learnt from. Out: the input,
 * its items with fatigue_item, fatigue_category and dislikes.
 *
 * Method: a ring of the user's last 64 impressions and last 16 dislikes; an unclicked impression counts
 * 2^(-age / half-life), 48 h for its item and 12 h for its category, a dislike 7 d. What is shown at a
 * time counts for requests after it. */
#include "operators/model/list.h"

#include <math.h>
#include <string.h>

#define SHOWN_MAX 64u
#define DISLIKES_MAX 16u

struct fatigue_config {
    const char *item, *category;
    int64_t item_half_ms, category_half_ms, dislike_half_ms;
};

struct shown {
    uint64_t item, category; /* ids */
    int64_t time_ms;
    int64_t clicked;
};

struct disliked {
    uint64_t category;
    int64_t time_ms;
};

struct fatigue_cell {
    uint64_t shown_count, dislike_count; /* ever; entry k is at k % size */
    struct shown shown[SHOWN_MAX];
    struct disliked dislikes[DISLIKES_MAX];
};

static const struct option fatigue_options[] = {
    {.name = "item",
     .type = OPT_TEXT,
     FIELD(struct fatigue_config, item),
     .def.text = "item_id",
     .help = "Column of all inputs that names the item."},
    {.name = "category",
     .type = OPT_TEXT,
     FIELD(struct fatigue_config, category),
     .def.text = "category",
     .help = "Column of the items and of `shown` that names the category."},
    {.name = "item-half-life",
     .type = OPT_DURATION,
     FIELD(struct fatigue_config, item_half_ms),
     .def.i64 = 48 * HOUR_MS,
     .min.i64 = MINUTE_MS,
     .max.i64 = 3660 * DAY_MS,
     .help = "Age at which an unclicked impression of the item counts half."},
    {.name = "category-half-life",
     .type = OPT_DURATION,
     FIELD(struct fatigue_config, category_half_ms),
     .def.i64 = 12 * HOUR_MS,
     .min.i64 = MINUTE_MS,
     .max.i64 = 3660 * DAY_MS,
     .help = "Age at which an unclicked impression of the category counts half."},
    {.name = "dislike-half-life",
     .type = OPT_DURATION,
     FIELD(struct fatigue_config, dislike_half_ms),
     .def.i64 = 7 * DAY_MS,
     .min.i64 = MINUTE_MS,
     .max.i64 = 3660 * DAY_MS,
     .help = "Age at which a dislike counts half."},
    {0},
};
static const struct state_field fatigue_fields[] = {
    {"shown", TYPE_I64, FIELD(struct fatigue_cell, shown_count)},
    {"disliked", TYPE_I64, FIELD(struct fatigue_cell, dislike_count)},
    {"impressions", TYPE_UTF8, FIELD(struct fatigue_cell, shown)},
    {"dislikes", TYPE_UTF8, FIELD(struct fatigue_cell, dislikes)},
    {0},
};
static const struct state fatigue_states[] = {
    {"users", STATE_VALUE, fatigue_fields, sizeof(struct fatigue_cell)},
    {0},
};
static const struct column_def feedback_columns[] = {{"kind", TYPE_UTF8}, {0}};
static const struct port fatigue_in[] = {
    {"in", .keyed = true, .help = "Requests or impressions that get the counts, keyed by user."},
    {"shown", .keyed = true, .help = "Impressions, keyed by user."},
    {"clicks", .keyed = true, .optional = true, .help = "Clicks, keyed by user."},
    {"feedback", feedback_columns, .keyed = true, .optional = true,
     .help = "Feedback with its kind, keyed by user; dislikes count."},
    {0},
};
static const struct port fatigue_out[] = {
    {"out", .keyed = true, .help = "The input with the counts."},
    {0},
};
enum { USERS = 0, IN = 0, SHOWN, CLICKS, FEEDBACK, PORTS };

static const char *const fatigue_names[] = {"fatigue_item", "fatigue_category", "dislikes"};

/* ---- planning ---- */

static bool check_columns(struct describe *describe, const struct schema *schema, bool category,
                          struct error *err)
{
    const struct fatigue_config *config = describe_config(describe);
    uint32_t item = schema_find(schema, config->item);
    uint32_t class = schema_find(schema, config->category);

    if (item == FIELD_NONE || !key_type(schema->fields[item].type))
        return describe_error(describe, err, "item", "name a column that all inputs have",
                              "an input has no key column \"%s\"", config->item);
    if (category && (class == FIELD_NONE || !key_type(schema->fields[class].type)))
        return describe_error(describe, err, "category", "name a column that `in` and `shown` have",
                              "an input has no key column \"%s\"", config->category);
    return true;
}

static bool fatigue_describe(struct describe *describe, struct error *err)
{
    if (!check_columns(describe, list_schema(describe_input(describe, IN)), true, err))
        return false;
    for (uint32_t port = SHOWN; port < PORTS; port++)
        if (describe_input(describe, port) &&
            !check_columns(describe, describe_input(describe, port), port == SHOWN, err))
            return false;
    return list_describe(describe, fatigue_names, 3, err);
}

/* ---- an instance ---- */

struct fatigue_scratch {
    struct list_layout layout;
    uint32_t item[PORTS], category[PORTS], kind;
    uint64_t items[BATCH_ROWS_MAX], categories[BATCH_ROWS_MAX];
};

static bool fatigue_open(struct op *op, struct error *err)
{
    const struct fatigue_config *config = op_config(op);
    struct fatigue_scratch *scratch = op_memory(op, sizeof(*scratch));

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    list_open(op, &scratch->layout, fatigue_names, 3);
    for (uint32_t port = 0; port < PORTS; port++) {
        const struct schema *schema = op_input_schema(op, port);
        if (!schema)
            continue;
        schema = port == IN ? list_schema(schema) : schema;
        scratch->item[port] = schema_find(schema, config->item);
        scratch->category[port] = schema_find(schema, config->category);
        if (port == FEEDBACK)
            scratch->kind = schema_find(schema, "kind");
    }
    return true;
}

/* ---- what is learnt ---- */

static void learn_shown(struct fatigue_cell *cell, uint64_t item, uint64_t category,
                        int64_t time_ms)
{
    cell->shown[cell->shown_count++ % SHOWN_MAX] = (struct shown){item, category, time_ms, 0};
}

/* The latest impression of the item is the one that was clicked. */
static struct shown *find_shown(struct fatigue_cell *cell, uint64_t item)
{
    uint64_t count = cell->shown_count < SHOWN_MAX ? cell->shown_count : SHOWN_MAX;

    for (uint64_t i = 1; i <= count; i++) {
        struct shown *shown = &cell->shown[(cell->shown_count - i) % SHOWN_MAX];
        if (shown->item == item)
            return shown;
    }
    return NULL;
}

static void learn_dislike(struct fatigue_cell *cell, uint64_t item, int64_t time_ms)
{
    const struct shown *shown = find_shown(cell, item);

    if (shown)
        cell->dislikes[cell->dislike_count++ % DISLIKES_MAX] =
            (struct disliked){shown->category, time_ms};
}

static bool is_dislike(const struct column *kind, uint32_t row)
{
    uint32_t size;
    const char *text;

    if (!column_valid(kind, row))
        return false;
    text = column_text(kind, row, &size);
    return size == 7 && memcmp(text, "dislike", 7) == 0;
}

static void learn(struct op *op, uint32_t port, const struct batch *in)
{
    struct fatigue_scratch *scratch = op_scratch(op);

    key_ids(batch_column(in, scratch->item[port]), in->rows, scratch->items);
    if (port == SHOWN)
        key_ids(batch_column(in, scratch->category[port]), in->rows, scratch->categories);
    for (uint32_t row = 0; row < in->rows; row++) {
        struct fatigue_cell *cell = op_cells(op, USERS)[row];
        uint64_t item = scratch->items[row];
        struct shown *clicked = port == CLICKS ? find_shown(cell, item) : NULL;
        if (port == SHOWN)
            learn_shown(cell, item, scratch->categories[row], batch_time(in)[row]);
        else if (clicked)
            clicked->clicked = 1;
        else if (port == FEEDBACK && is_dislike(batch_column(in, scratch->kind), row))
            learn_dislike(cell, item, batch_time(in)[row]);
    }
}

/* ---- what is told ---- */

static double faded(int64_t age_ms, int64_t half_ms)
{
    return exp2(-(double)(age_ms > 0 ? age_ms : 0) / (double)half_ms);
}

struct counts {
    double item, category, dislikes;
};

static struct counts count_for(const struct fatigue_config *config, const struct fatigue_cell *cell,
                               uint64_t item, uint64_t category, int64_t now_ms)
{
    struct counts counts = {0};

    for (uint64_t i = 0; i < SHOWN_MAX && i < cell->shown_count; i++) {
        const struct shown *shown = &cell->shown[i];
        if (shown->clicked)
            continue;
        if (shown->item == item)
            counts.item += faded(now_ms - shown->time_ms, config->item_half_ms);
        if (shown->category == category)
            counts.category += faded(now_ms - shown->time_ms, config->category_half_ms);
    }
    for (uint64_t i = 0; i < DISLIKES_MAX && i < cell->dislike_count; i++)
        if (cell->dislikes[i].category == category)
            counts.dislikes += faded(now_ms - cell->dislikes[i].time_ms, config->dislike_half_ms);
    return counts;
}

static void tell(struct op *op, const struct batch *in)
{
    const struct fatigue_scratch *scratch = op_scratch(op);
    const struct batch *items = list_items(&scratch->layout, in);
    struct block *memory = block_create((items->rows + 1ul) * 2 * sizeof(uint64_t));
    uint64_t *ids = (uint64_t *)(void *)memory->data, *categories = ids + items->rows;
    double *values[3];
    struct column *added[3];

    for (uint32_t i = 0; i < 3; i++)
        added[i] = list_column(items->rows, &values[i]);
    key_ids(batch_column(items, scratch->item[IN]), items->rows, ids);
    key_ids(batch_column(items, scratch->category[IN]), items->rows, categories);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        const struct fatigue_cell *cell = op_cells(op, USERS)[row];
        uint32_t begin, end;
        list_range(&scratch->layout, in, row, &begin, &end);
        for (uint32_t i = begin; i < end; i++) {
            struct counts counts =
                count_for(op_config(op), cell, ids[i], categories[i], batch_time(in)[row]);
            values[0][i] = counts.item;
            values[1][i] = counts.category;
            values[2][i] = counts.dislikes;
        }
    }
    block_release(&memory);
    list_emit(op, &scratch->layout, in, added, UINT32_MAX);
}

static bool fatigue_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    (void)err; /* cannot fail */
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    if (port == IN)
        tell(op, in);
    else
        learn(op, port, in);
    return true;
}

const struct operator_def feature_fatigue = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "feature/fatigue",
    .help = "Tells how often a user was shown an item and its category lately without clicking.",
    .config_size = sizeof(struct fatigue_config),
    .options = fatigue_options,
    .inputs = fatigue_in,
    .outputs = fatigue_out,
    .states = fatigue_states,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = fatigue_describe,
    .open = fatigue_open,
    .process = fatigue_process,
};
OPERATOR_REGISTER(feature_fatigue);
