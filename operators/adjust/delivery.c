/* adjust/delivery: chooses for each item the variant that starts in time on the user's link, and moves
 * down what does not start anyway.
 * In: recommendations (`items` with score and weight: the native rate in Mbit/s, of a page its size in
 * Mbit), and the request's thr_q20, thr_mean, rtt_ms, loss, budget_low. Out: the same; items with
 * variant (share of the native rate), bitrate, p_start and rank.delivery = log(.2 + .8 P), less 2 below
 * `gate`, within `cap` and times `strength`: a term of the order only, since delivery does not change
 * whether a user clicks. A link that is not known gets the native rate and no term. Table `model` of
 * learn/delivery; before its first version, and without it, its starting weights. Table `fetched`
 * (optional): what the user's device has fetched in the last 24 h starts at once off Wi-Fi (p_start 1, the
 * native rate). */
#include "operators/model/delivery.h"
#include "operators/model/ids.h"
#include "operators/model/list.h"

#include <math.h>

struct delivery_config {
    int32_t content;
    double gate, enough, cap, strength;
};

static const char *const contents[] = {"video", "page", NULL};
static const struct option delivery_options[] = {
    {.name = "content",
     .type = OPT_ENUM,
     FIELD(struct delivery_config, content),
     .choices = contents,
     .help = "video: rungs of 1, 1/2, 1/4 and 1/8 of the native rate, at most 0.9 Mbit/s while the "
             "budget is low; page: 1 and 0.3 of its size, at most 0.5 Mbit then."},
    {.name = "gate",
     .type = OPT_F64,
     FIELD(struct delivery_config, gate),
     .def.f64 = 0.5,
     .max.f64 = 1,
     .help = "Items that start with less probability go far down."},
    {.name = "enough",
     .type = OPT_F64,
     FIELD(struct delivery_config, enough),
     .def.f64 = 0.93,
     .max.f64 = 1,
     .help = "The best variant is taken that starts with this probability."},
    {.name = "cap",
     .type = OPT_F64,
     FIELD(struct delivery_config, cap),
     .def.f64 = 4,
     .max.f64 = 10,
     .help = "How far down an item goes at most, before `strength`; 4 is further than any does."},
    {.name = "strength",
     .type = OPT_F64,
     FIELD(struct delivery_config, strength),
     .def.f64 = 1,
     .max.f64 = 100,
     .help = "Multiplies the term of the order; 0 leaves the order as it is, with the variants."},
    {0},
};
static const struct column_def delivery_columns[] = {
    {"thr_q20", TYPE_NONE}, {"thr_mean", TYPE_NONE},   {"rtt_ms", TYPE_NONE},
    {"loss", TYPE_NONE},    {"budget_low", TYPE_BOOL}, {0}};
static const struct port delivery_in[] = {
    {"in", delivery_columns, .help = "Recommendations with the user's link, or impressions."},
    {0},
};
static const struct port delivery_out[] = {
    {"out", .keyed = true, .help = "The same, with variants."},
    {0},
};
static const struct column_def model_columns[] = {{"model", TYPE_I64},
                                                  {"w0", TYPE_F64},
                                                  {"w1", TYPE_F64},
                                                  {"w2", TYPE_F64},
                                                  {"w3", TYPE_F64},
                                                  {"w4", TYPE_F64},
                                                  {0}};
static const struct column_def fetched_columns[] = {{"recent", TYPE_LIST}, {0}};
static const struct table_use delivery_tables[] = {
    {"model", "Weights of learn/delivery.", .optional = true, .columns = model_columns},
    {"fetched",
     "Items that a user's device has fetched: feature/recent of what adjust/prefetch tells, keyed "
     "by "
     "user, for requests with user_id and net and items with item_id.",
     .optional = true, .columns = fetched_columns},
    {0},
};
enum { MODEL, FETCHED };
#define FETCHED_MAX 64u   /* of a user; older ones do not count */
#define FETCHED_MS DAY_MS /* they are kept so long */
static const char *const names[] = {"variant", "bitrate", "p_start", "rank.delivery"};
enum { VARIANT, BITRATE, P_START, RANK, ADDED };

static const double video_shares[] = {1, .5, .25, .125}, page_shares[] = {1, .3};
static const struct ladder ladders[] = {{video_shares, 4, .9}, {page_shares, 2, .5}};

static bool delivery_describe(struct describe *describe, struct error *err)
{
    const struct schema *items = list_schema(describe_input(describe, 0));

    if (schema_find(items, "weight") == FIELD_NONE)
        return describe_error(describe, err, "from", "join it before",
                              "the items have no column \"weight\"");
    return list_describe(describe, names, ADDED, err);
}

struct delivery_scratch {
    struct list_layout layout;
    uint32_t weight, q20, mean, rtt, loss, low;
    uint64_t key; /* of the one row of the table */
    bool given;
    uint32_t user, item, net, recent, id, time; /* of fetched items; recent FIELD_NONE: not given */
    uint64_t users[BATCH_ROWS_MAX];
};

/* Without the columns that it takes, the table is of no use. */
static void open_fetched(struct op *op, struct delivery_scratch *scratch)
{
    const struct schema *in = op_input_schema(op, 0), *child;

    scratch->user = schema_find(in, "user_id");
    scratch->net = schema_find(in, "net");
    scratch->item = schema_find(list_schema(in), "item_id");
    scratch->recent = FIELD_NONE;
    if (!op_table_given(op, FETCHED) || scratch->user == FIELD_NONE || scratch->net == FIELD_NONE ||
        scratch->item == FIELD_NONE)
        return;
    scratch->recent = op_table_column(op, FETCHED, "recent");
    child = op_table_schema(op, FETCHED)->fields[scratch->recent].child;
    scratch->id = schema_find(child, "id");
    scratch->time = schema_find(child, "time");
    if (scratch->id == FIELD_NONE || scratch->time == FIELD_NONE)
        scratch->recent = FIELD_NONE;
}

static bool delivery_open(struct op *op, struct error *err)
{
    const struct schema *in = op_input_schema(op, 0);
    struct delivery_scratch *scratch = op_memory(op, sizeof(*scratch));
    uint8_t key[KEY_SIZE_MAX];

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    list_open(op, &scratch->layout, names, ADDED);
    scratch->weight = schema_find(list_schema(in), "weight");
    scratch->q20 = schema_find(in, "thr_q20");
    scratch->mean = schema_find(in, "thr_mean");
    scratch->rtt = schema_find(in, "rtt_ms");
    scratch->loss = schema_find(in, "loss");
    scratch->low = schema_find(in, "budget_low");
    scratch->given = op_table_given(op, MODEL);
    open_fetched(op, scratch);
    scratch->key = hash_bytes(key, key_from_i64(0, key));
    return true;
}

static void find_weights(struct op *op, double *weights)
{
    static const char *const columns[DELIVERY_WEIGHTS] = {"w0", "w1", "w2", "w3", "w4"};
    const struct delivery_scratch *scratch = op_scratch(op);
    const struct table_row *row = scratch->given ? op_table_find(op, 0, scratch->key) : NULL;

    for (uint32_t i = 0; i < DELIVERY_WEIGHTS; i++)
        weights[i] =
            row ? table_row_f64(row, op_table_column(op, 0, columns[i])) : delivery_start[i];
}

/* The native rates of all items; NaN where null. */
static const double *numbers_of(const struct column *column, uint32_t rows, struct block **memory)
{
    double *numbers;

    *memory = NULL;
    if (column->type == TYPE_F64 && !column->validity)
        return column->values;
    *memory = block_create((rows + 1ul) * sizeof(*numbers));
    numbers = (double *)(void *)(*memory)->data;
    for (uint32_t row = 0; row < rows; row++)
        numbers[row] = column_number(column, row);
    return numbers;
}

/* What is on the device starts at once, as it is: [begin, end) of the items, off Wi-Fi. */
static void take_fetched(struct op *op, const struct batch *in, uint32_t row, uint32_t begin,
                         uint32_t end, const double *native, double *const *values)
{
    const struct delivery_scratch *scratch = op_scratch(op);
    const struct column *item = batch_column(list_items(&scratch->layout, in), scratch->item);
    const struct table_row *found = op_table_find(op, FETCHED, scratch->users[row]);
    uint32_t count = found ? table_row_list(found, scratch->recent) : 0, used = 0;
    uint64_t kept[FETCHED_MAX], id[1 + IDS_SPARE];

    for (uint32_t k = 0; k < count && used < FETCHED_MAX; k++)
        if (batch_time(in)[row] - table_row_list_i64(found, scratch->recent, scratch->time)[k] <=
            FETCHED_MS)
            kept[used++] = (uint64_t)table_row_list_i64(found, scratch->recent, scratch->id)[k];
    for (uint32_t i = begin; used > 0 && i < end; i++) {
        ids_part(item, i, 1, id);
        for (uint32_t k = 0; k < used; k++)
            if (kept[k] == id[0] && !isnan(native[i])) {
                values[VARIANT][i] = values[P_START][i] = 1;
                values[BITRATE][i] = native[i];
                values[RANK][i] = 0;
            }
    }
}

static bool on_wifi(const struct column *net, uint32_t row)
{
    uint32_t size;
    const char *text = column_text(net, row, &size);

    return column_valid(net, row) && size == 4 && memcmp(text, "wifi", 4) == 0;
}

static void limit(const struct delivery_config *config, double *terms, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        terms[i] = config->strength * (terms[i] < -config->cap ? -config->cap : terms[i]);
}

static void choose(struct op *op, const struct batch *in, const double *native,
                   double *const *values)
{
    const struct delivery_config *config = op_config(op);
    struct delivery_scratch *scratch = op_scratch(op);
    double weights[DELIVERY_WEIGHTS];

    find_weights(op, weights);
    if (scratch->recent != FIELD_NONE)
        key_ids(batch_column(in, scratch->user), batch_rows(in), scratch->users);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        struct link link = {column_number(batch_column(in, scratch->q20), row),
                            column_number(batch_column(in, scratch->mean), row),
                            column_number(batch_column(in, scratch->rtt), row),
                            column_number(batch_column(in, scratch->loss), row)};
        bool low = column_number(batch_column(in, scratch->low), row) > 0;
        struct delivery_choices choices;
        uint32_t begin, end;
        list_range(&scratch->layout, in, row, &begin, &end);
        choices = (struct delivery_choices){values[VARIANT] + begin, values[BITRATE] + begin,
                                            values[P_START] + begin, values[RANK] + begin};
        delivery_choose(weights, &link, &ladders[config->content], low, config->enough,
                        config->gate, native + begin, end - begin, &choices);
        limit(config, values[RANK] + begin, end - begin);
        if (scratch->recent != FIELD_NONE && !on_wifi(batch_column(in, scratch->net), row))
            take_fetched(op, in, row, begin, end, native, values);
    }
}

static bool delivery_process(struct op *op, uint32_t port, const struct batch *in,
                             struct error *err)
{
    const struct delivery_scratch *scratch = op_scratch(op);
    const struct batch *items = list_items(&scratch->layout, in);
    double *values[ADDED];
    struct column *added[ADDED];
    struct block *memory;
    const double *native = numbers_of(batch_column(items, scratch->weight), items->rows, &memory);

    (void)port;
    (void)err; /* cannot fail */
    for (uint32_t i = 0; i < ADDED; i++)
        added[i] = list_column_unset(items->rows, &values[i]);
    choose(op, in, native, values);
    block_release(&memory);
    list_emit(op, &scratch->layout, in, added, LIST_LEAVE);
    return true;
}

const struct operator_def adjust_delivery = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "adjust/delivery",
    .help = "Chooses variants that start in time on the user's link, and ranks by that.",
    .config_size = sizeof(struct delivery_config),
    .options = delivery_options,
    .inputs = delivery_in,
    .outputs = delivery_out,
    .tables = delivery_tables,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = delivery_describe,
    .open = delivery_open,
    .process = delivery_process,
};
OPERATOR_REGISTER(adjust_delivery);
