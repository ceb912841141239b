/* score/ranking: the lists of learn/ranking, made in parallel from the tables that it publishes.
 * In: rows of feature/profile, keyed by user. Tables: neighbours of feature/covisitation; items and model of
 * one learn/ranking with `publish`. Out: as of learn/ranking: a row a request, with the versions of the tables.
 *
 * A list is what the learner itself would have given at the end of the window that the versions are of, had
 * it known then what the user has met since. The arrays of the ranking (operators/model/ranker.h) follow
 * from the tables alone: at a new version the rows that changed are read into them. How they are laid out
 * is told by the tables' columns. The state is what each user has met, which is not offered again unless
 * the learner has `repeats`. What an item that is not published yet tells is not heard. */
#include "operators/model/ranking.h"
#include "operators/model/own.h"
#include "operators/model/ranking_tables.h"

#include <string.h>

#define STEP 256u /* items that are looked up at once */

struct ranking_config {
    struct ranking_asks asks;
    int64_t items;
};

static const struct option ranking_options[] = {
    RANKING_OPTIONS(struct ranking_config),
    RANKING_NUMBER(struct ranking_config, "items", items, 16384, 2, 1 << 20,
                   "Items that there is room for: as many as the learner has."),
    {0},
};
static const struct column_def ranking_columns[] = RANKING_COLUMNS;
static const struct port ranking_in[] = {
    {"in", ranking_columns, .keyed = true, .help = "Rows of feature/profile, keyed by user."},
    {0},
};
static const struct port ranking_out[] = {
    {"out", .keyed = true, .help = "One row a request."},
    {0},
};
static const struct column_def items_columns[] = TABLES_ITEMS, model_columns[] = TABLES_MODEL;
static const struct table_use ranking_tables[] = {
    {"neighbours", "Co-visits of feature/covisitation.", .columns = covisits_columns},
    {"items", "Items of learn/ranking.", .columns = items_columns},
    {"model", "The rest of learn/ranking.", .columns = model_columns},
    {0},
};
static const struct state ranking_states[] = {
    {"users", STATE_MAP, own_fields, sizeof(struct own)},
    {0},
};
static const char *const ranking_counters[] = {"requests", "held_back", NULL};
enum { NEIGHBOURS = 0, ITEMS, MODEL, TABLES };
enum { USERS = 0, IN = 0, OUT = 0, REQUESTS = 0, HELD_BACK };

/* ---- planning ---- */

static bool check_tables(struct describe *describe, struct error *err)
{
    const struct ranking_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, IN);
    const struct field *item = &in->fields[schema_find(in, config->asks.item)];
    struct tables_layout layout;

    if (!tables_layout_of(describe_table(describe, ITEMS), describe_table(describe, MODEL),
                          &layout))
        return describe_error(describe, err, "tables", "take both from one learn/ranking",
                              "items and model do not belong together");
    if (layout.item != item->type)
        return describe_error(describe, err, "item",
                              "name the column that the learner's items have",
                              "column \"%s\" is %s, but the table has items of %s", item->name,
                              type_name(item->type), type_name(layout.item));
    return true;
}

static bool ranking_describe(struct describe *describe, struct error *err)
{
    static const char *const versions[] = {"versions.neighbours", "versions.items",
                                           "versions.model", NULL};
    const struct ranking_config *config = describe_config(describe);
    const struct ranking_asks *asks = &config->asks;
    struct text_list user = {1, (const char *[]){asks->user}};

    if (!ranking_check(describe, asks, NEIGHBOURS, err) || !check_tables(describe, err) ||
        !request_describe(describe, &asks->request, asks->user, asks->item, &asks->carry, versions,
                          err))
        return false;
    describe_output_key(describe, OUT, &user);
    return true;
}

/* ---- an instance ---- */

struct ranking_scratch {
    struct ranking ranking;
    struct tables_layout layout;
    struct tables_items item_columns;
    struct tables_model model_columns;
    struct attributes attributes;
    struct reranker reranker;
    void *reranker_memory;
    uint64_t model; /* key of its row */
    /* what the arrays follow */
    int64_t version;    /* of both tables */
    int64_t *versions;  /* of the rows, by item */
    uint32_t events;    /* of the learner */
    uint64_t told;      /* changes of items, by the learner */
    uint32_t *trending; /* items + 1 by their last event modulo `trending` */
    uint64_t own[OWN_MAX];
    uint32_t own_items[OWN_MAX], own_count; /* of the present user; known ones */
    const struct table_row *rows[RANKING_TOP_MAX];
};

static_assert(RANKING_TOP_MAX >= STEP, "rows of a step and of a list");

static bool put_list(struct op *op, const struct ranking_listed *listed, uint32_t count,
                     struct builder *list)
{
    struct ranking_scratch *scratch = op_scratch(op);
    uint64_t ids[RANKING_TOP_MAX];

    for (uint32_t i = 0; i < count; i++)
        ids[i] = scratch->ranking.catalogue.ids[listed[i].item];
    op_table_find_many(op, ITEMS, ids, count, scratch->rows);
    for (uint32_t i = 0; i < count; i++) {
        struct key key;

        CHECK(scratch->rows[i]); /* rows of this table never leave */
        key = table_row_key(scratch->rows[i]);
        request_item(list, &key, listed[i].score);
    }
    return true;
}

static void open_layout(struct op *op, struct ranking_scratch *scratch, uint32_t items)
{
    struct ranking *ranking = &scratch->ranking;
    const struct tables_layout *layout = &scratch->layout;

    if (layout->attributes)
        attributes_init(&scratch->attributes, &ranking->ranker, layout->numbers, items,
                        op_memory(op, attributes_size(items)));
    if (layout->reranked) {
        scratch->reranker_memory = op_memory(op, reranker_size(RERANKER_TOP_MAX));
        ranking->reranker = &scratch->reranker;
    }
    scratch->versions = op_memory(op, items * sizeof(*scratch->versions));
    for (uint32_t item = 0; item < items; item++)
        scratch->versions[item] = INT64_MIN;
}

static bool reader_open(struct op *op, struct error *err)
{
    const struct ranking_config *config = op_config(op);
    struct ranking_scratch *scratch = op_memory(op, sizeof(*scratch));
    const struct schema *items = op_table_schema(op, ITEMS), *model = op_table_schema(op, MODEL);
    struct tables_layout *layout = &scratch->layout;
    struct ranker_limits limits = {.items = (uint32_t)config->items,
                                   .candidates = (uint32_t)config->asks.candidates};
    uint8_t key[KEY_SIZE_MAX];

    op_set_scratch(op, scratch);
    CHECK(tables_layout_of(items, model, layout)); /* planning has seen that */
    limits.dims = layout->dims;
    limits.embeddings = layout->embeddings;
    limits.direct = layout->direct;
    scratch->ranking.put = put_list;
    scratch->ranking.tables = TABLES;
    if (!ranking_open(&scratch->ranking, op, &config->asks, &limits, layout->repeats, NEIGHBOURS,
                      err))
        return false;
    open_layout(op, scratch, limits.items);
    tables_find_items(items, &scratch->item_columns);
    tables_find_model(model, &scratch->model_columns);
    scratch->model = hash_bytes(key, key_from_i64(0, key));
    scratch->version = INT64_MIN;
    scratch->trending =
        op_memory(op, (size_t)(config->asks.trending + 1) * sizeof(*scratch->trending));
    return true;
}

static void reader_close(struct op *op)
{
    struct ranking_scratch *scratch = op_scratch(op);

    if (scratch)
        ranking_close(&scratch->ranking);
}

/* ---- a new version ---- */

/* Walks over the items that are not known yet, from the newest on; `put` NULL: only looks whether all have a row,
 * as they may not with `lookup: latest`. */
static bool walk_new(struct op *op, uint64_t newest, struct ranking *put, struct error *err)
{
    const struct ranking_config *config = op_config(op);
    const struct ranking_scratch *scratch = op_scratch(op);
    const struct tables_items *columns = &scratch->item_columns;

    for (uint64_t id = newest; id;) {
        const struct table_row *row = op_table_find(op, ITEMS, id);
        int64_t number = row ? table_row_i64(row, columns->number) : 0;

        if (!row)
            return false;
        if (number < 0 || number >= config->items)
            return error_option(err, op, "items", "more items are published than there is room for",
                                "raise `items` to what the learner has");
        if (scratch->ranking.catalogue.ids[number])
            return true;
        if (put) {
            catalogue_put(&put->catalogue, (uint32_t)number, id);
            if (put->ranker.items.count <= number)
                put->ranker.items.count = (uint32_t)number + 1;
        }
        id = (uint64_t)table_row_i64(row, columns->before);
    }
    return true;
}

/* Events stand at their number modulo `trending`. No two items have the same last event. */
static void put_trending(struct op *op, uint32_t item)
{
    const struct ranking_config *config = op_config(op);
    const struct ranking_scratch *scratch = op_scratch(op);
    const uint32_t *last = scratch->ranking.ranker.items.last;
    uint32_t most = (uint32_t)config->asks.trending, *slot;

    if (most == 0)
        return;
    slot = &scratch->trending[last[item] % most];
    if (*slot == 0 || last[*slot - 1] % most != last[item] % most || last[*slot - 1] < last[item])
        *slot = item + 1;
}

/* Looks at the rows of some items, at most STEP, and reads those that are new. */
static void read_some(struct op *op, const uint32_t *items, uint32_t count)
{
    struct ranking_scratch *scratch = op_scratch(op);
    uint64_t ids[STEP];

    for (uint32_t i = 0; i < count; i++)
        ids[i] = scratch->ranking.catalogue.ids[items[i]];
    op_table_find_many(op, ITEMS, ids, count, scratch->rows);
    for (uint32_t i = 0; i < count; i++) {
        const struct table_row *row = scratch->rows[i];

        if (!row || table_row_version(row) == scratch->versions[items[i]])
            continue;
        scratch->versions[items[i]] = table_row_version(row);
        tables_take_item(&scratch->item_columns, row, &scratch->ranking.ranker, items[i]);
        put_trending(op, items[i]);
    }
}

/* The last `count` of the changes that the model names, or all items. */
static void read_items(struct op *op, const struct table_row *model, uint32_t count, bool all)
{
    const struct ranking_scratch *scratch = op_scratch(op);
    uint32_t known = scratch->ranking.ranker.items.count, items[STEP], n = 0;
    uint32_t column = scratch->model_columns.changes, listed = table_row_list(model, column);
    const int64_t *changes = table_row_list_i64(model, column, 0);

    for (uint32_t i = all ? 0 : listed - count, end = all ? known : listed; i < end; i++) {
        uint64_t item = all ? i : (uint64_t)changes[i];

        if (item < known) /* beyond: its name was cut */
            items[n++] = (uint32_t)item;
        if (n < STEP)
            continue;
        read_some(op, items, n);
        n = 0;
    }
    read_some(op, items, n);
}

static void read_model(struct op *op, const struct table_row *row)
{
    struct ranking_scratch *scratch = op_scratch(op);
    struct ranker *ranker = &scratch->ranking.ranker;
    struct reranker *reranker = scratch->ranking.reranker;

    scratch->events = (uint32_t)table_row_i64(row, scratch->model_columns.events);
    if (reranker) {
        int64_t top = table_row_i64(row, scratch->model_columns.rerank);

        top = top < 1 ? 1 : top > RERANKER_TOP_MAX ? RERANKER_TOP_MAX : top;
        if (reranker->top != top)
            reranker_init(reranker, (uint32_t)top, ranker->features, op_seed(op),
                          scratch->reranker_memory);
    }
    tables_take_model(&scratch->model_columns, row, ranker, reranker);
}

/* False with `err`. What is remembered follows from the tables' versions alone, so it is no state. */
static bool follow(struct op *op, struct error *err)
{
    struct ranking_scratch *scratch = op_scratch(op);
    int64_t version = op_table_version(op, MODEL);
    const struct table_row *row;
    uint64_t newest, told;
    bool all;

    if (op_table_version(op, ITEMS) != version)
        return error_option(err, op, "tables", "items and model are read at different delays",
                            "give both the same delay");
    if (version == scratch->version && version != INT64_MAX) /* INT64_MAX: the newest */
        return true;
    scratch->version = version;
    row = op_table_find(op, MODEL, scratch->model);
    if (!row)
        return true;
    newest = (uint64_t)table_row_i64(row, scratch->model_columns.newest);
    if (walk_new(op, newest, NULL, err))
        CHECK(walk_new(op, newest, &scratch->ranking, err));
    if (err->code != ERROR_NONE)
        return false;
    told = (uint64_t)table_row_i64(row, scratch->model_columns.told) - scratch->told;
    all = version == INT64_MAX || told > table_row_list(row, scratch->model_columns.changes);
    read_items(op, row, (uint32_t)told, all);
    scratch->told += told;
    read_model(op, row);
    return true;
}

/* ---- rows ---- */

/* An event whose item came again later is not its last one. `slot`: item + 1. */
static void meet_trending(struct ranking *ranking, uint32_t event, uint32_t slot)
{
    if (slot > 0 && ranking->ranker.items.last[slot - 1] == event)
        ranker_meet(&ranking->ranker, slot - 1);
}

static void gather(struct op *op)
{
    const struct ranking_config *config = op_config(op);
    struct ranking_scratch *scratch = op_scratch(op);
    struct ranking *ranking = &scratch->ranking;
    uint32_t most = (uint32_t)config->asks.trending;

    if (ranking_offer_items(ranking)) {
        for (uint32_t age = 1; age <= most && age <= scratch->events; age++)
            meet_trending(ranking, scratch->events - age,
                          scratch->trending[(scratch->events - age) % most]);
        ranking_offer_recent(ranking);
    }
    ranking_offer_lines(ranking);
}

static uint32_t known_own(struct ranking_scratch *scratch)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < scratch->own_count; i++) {
        uint32_t item = catalogue_find(&scratch->ranking.catalogue, scratch->own[i]);

        if (item != CATALOGUE_NONE)
            scratch->own_items[count++] = item;
    }
    return count;
}

static bool answer(struct op *op, const struct batch *in, uint32_t row, struct builder *out)
{
    struct ranking_scratch *scratch = op_scratch(op);
    struct ranking *ranking = &scratch->ranking;

    ranking_row(ranking, in, row);
    ranking_begin(ranking, scratch->own_items, known_own(scratch), scratch->events);
    gather(op);
    ranking_rate(ranking);
    return ranking_answer(ranking, in, row, out);
}

static bool has_met(const struct ranking_scratch *scratch, uint64_t id)
{
    bool met = false;

    for (uint32_t i = 0; i < scratch->own_count; i++)
        met = met || scratch->own[i] == id;
    return met;
}

/* False: state could not be read, which is the engine's error. */
static bool one(struct op *op, const struct batch *in, uint32_t row, struct builder *out)
{
    const struct ranking_config *config = op_config(op);
    struct ranking_scratch *scratch = op_scratch(op);
    const struct ranking *ranking = &scratch->ranking;
    const struct own_map map = {op, USERS, sizeof(scratch->own[0])};
    int64_t interval_ms = config->asks.request.interval_ms;
    bool leaves_out = !scratch->layout.repeats, kept = leaves_out || interval_ms > 0;
    uint64_t user = ranking->users[row], id = ranking->ids[row];
    struct own *first = kept ? own_read(&map, row, user, scratch->own, &scratch->own_count) : NULL;

    if (kept && !first)
        return false;
    if (ranking->asks_row[row]) {
        bool may = own_may_ask(first, interval_ms, batch_time(in)[row]);

        op_count(op, may ? REQUESTS : HELD_BACK, 1);
        if (may && !answer(op, in, row, out))
            return false;
    }
    if (!leaves_out || !column_valid(batch_column(in, ranking->item), row) || has_met(scratch, id))
        return true;
    return own_add(&map, row, user, first, &id);
}

static bool ranking_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct ranking_scratch *scratch = op_scratch(op);
    struct builder *out = op_reserve(op, OUT, 0);

    (void)port;
    if (!follow(op, err))
        return false;
    ranking_batch(&scratch->ranking, in);
    for (uint32_t row = 0; row < batch_rows(in); row++)
        if (!one(op, in, row, out))
            return true;
    return true;
}

const struct operator_def score_ranking = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "score/ranking",
    .help = "Recommends items in parallel, from the tables that learn/ranking publishes.",
    .config_size = sizeof(struct ranking_config),
    .options = ranking_options,
    .inputs = ranking_in,
    .outputs = ranking_out,
    .states = ranking_states,
    .tables = ranking_tables,
    .counters = ranking_counters,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = ranking_describe,
    .open = reader_open,
    .process = ranking_process,
    .close = reader_close,
};
OPERATOR_REGISTER(score_ranking);
