/* feature/covisitation: which items the same users met, and in which order.
 * In: `pairs` of feature/profile, keyed by item. Out: item, count, sums of weights, events right after
 * it, and the `keep` strongest entries (other item, times together, weight after the item, weight
 * before it, times right after it), sorted by id; a row of each item that changed, at the close of each
 * window: a versioned table for `score` and learn/ranking. Ids are key_ids' hashes; names are in the table
 * of feature/popularity.
 *
 * Method: item-to-item co-occurrence (Linden, Smith, York 2003, IEEE Internet Computing 7:1) with
 * sequence rules weighted by distance (Ludewig, Jannach 2018, UMUAI 28). Counts are exact integers;
 * they are normalised where they are read. A row over `remember` entries drops its least one by
 * (times together, weight, higher id) and counts it.
 *
 * A key's timer stands at the end of the window that the latest change is in; the engine cuts
 * batches there (describe_versions), so a row goes out with what was known at the window's end. */
#include "operators/feature/neighbours.h"
#include "operators/model/windows.h"
#include "runtime/api/operator.h"

#include <string.h>

struct covisitation_config {
    struct window window;
    int64_t keep, remember, forget_ms;
};

struct covisitation_scratch {
    unsigned __int128 ranks[NEIGHBOURS_MAX];
    uint32_t chosen[NEIGHBOURS_MAX];
};

static const struct option covisitation_options[] = {
    {.name = "window",
     .type = OPT_WINDOW,
     FIELD(struct covisitation_config, window),
     .required = true,
     .help = "{tumbling: 1m}: how often the table changes."},
    WINDOWS_FORGET(struct covisitation_config, 0, "Items"),
    {.name = "keep",
     .type = OPT_I64,
     FIELD(struct covisitation_config, keep),
     .def.i64 = 200,
     .min.i64 = 1,
     .max.i64 = 1000,
     .help = "Entries that the table has of an item."},
    {.name = "remember",
     .type = OPT_I64,
     FIELD(struct covisitation_config, remember),
     .def.i64 = NEIGHBOURS_MAX,
     .min.i64 = 1,
     .max.i64 = NEIGHBOURS_MAX,
     .help = "Entries that are counted of an item; past it, the least is forgotten."},
    {0},
};
static const struct state_field covisitation_fields[] = {
    {"count", TYPE_I64, FIELD(struct neighbours, count)},
    {"forward", TYPE_I64, FIELD(struct neighbours, forward)},
    {"backward", TYPE_I64, FIELD(struct neighbours, backward)},
    {"direct", TYPE_I64, FIELD(struct neighbours, direct)},
    {"due", TYPE_TIMESTAMP, FIELD(struct neighbours, due_ms)},
    {"used", TYPE_I32, FIELD(struct neighbours, used)},
    {"pending", TYPE_I32, FIELD(struct neighbours, pending)},
    {0},
};
static const struct state covisitation_states[] = {
    {"rows", STATE_LIST, covisitation_fields, sizeof(struct neighbours)},
    {0},
};
static const struct column_def covisitation_pair[] = {
    {"item", TYPE_I64}, {"other", TYPE_I64}, {"distance", TYPE_I32}, {"forward", TYPE_BOOL}, {0}};
static const struct port covisitation_in[] = {
    {"in", covisitation_pair, .keyed = true, .help = "Pairs of feature/profile."},
    {0},
};
static const struct port covisitation_out[] = {
    {"out", .keyed = true, .help = "Items that changed in a window."},
    {0},
};
static const char *const covisitation_counters[] = {"forgotten", NULL};
enum { ROWS = 0, IN = 0, OUT = 0, FORGOTTEN = 0 };
enum { ITEM, COUNT, FORWARD, BACKWARD, DIRECT, ENTRIES };              /* columns of out */
enum { OTHER, TOGETHER, ENTRY_FORWARD, ENTRY_BACKWARD, ENTRY_DIRECT }; /* of its entries */

static bool covisitation_describe(struct describe *describe, struct error *err)
{
    const struct covisitation_config *config = describe_config(describe);
    static const char *const names[] = {"item", "count", "forward", "backward", "direct"};
    static const char *const entry_names[] = {"other", "together", "forward", "backward", "direct"};
    struct arena *arena = describe_arena(describe);
    struct schema *schema = schema_create(arena), *entry = schema_create(arena);
    struct field entries = {.name = "entries", .type = TYPE_LIST, .child = entry};
    struct text_list key = {1, (const char *[]){"item"}};

    if (config->window.size_ms != config->window.every_ms)
        return describe_error(describe, err, "window", "write {tumbling: 1m}",
                              "the window slides, but counts are kept for ever");
    if (config->keep > config->remember)
        return describe_error(describe, err, "keep", "raise `remember`",
                              "the table cannot have more entries than are remembered");
    for (uint32_t i = 0; i < ENTRIES; i++) {
        CHECK(schema_add_column(schema, arena, names[i], TYPE_I64));
        CHECK(schema_add_column(entry, arena, entry_names[i], TYPE_I64));
    }
    CHECK(schema_add(schema, arena, &entries));
    describe_set_key(describe, IN, &key);
    describe_output(describe, OUT, schema);
    describe_versions(describe, config->window.size_ms, false);
    windows_forget(describe, ROWS, OUT, &config->window, config->forget_ms);
    return true;
}

static bool covisitation_open(struct op *op, struct error *err)
{
    (void)err; /* cannot fail */
    op_set_scratch(op, op_memory(op, sizeof(struct covisitation_scratch)));
    return true;
}

static void covisitation_publish(struct op *op, struct neighbours *cell, const struct key *key,
                                 struct builder *out)
{
    const struct covisitation_config *config = op_config(op);
    struct covisitation_scratch *scratch = op_scratch(op);
    uint32_t count =
        neighbours_choose(cell, (uint32_t)config->keep, scratch->ranks, scratch->chosen);
    struct builder *list;

    builder_row(out, cell->due_ms, 0, key->hash);
    builder_key(out, ITEM, key);
    builder_i64(out, COUNT, cell->count);
    builder_i64(out, FORWARD, cell->forward);
    builder_i64(out, BACKWARD, cell->backward);
    builder_i64(out, DIRECT, cell->direct);
    list = builder_list(out, ENTRIES);
    for (uint32_t i = 0; i < count; i++) {
        const struct neighbour *entry = &cell->entries[scratch->chosen[i]];
        builder_child_row(list);
        builder_i64(list, OTHER, (int64_t)entry->other);
        builder_i64(list, TOGETHER, entry->together);
        builder_i64(list, ENTRY_FORWARD, entry->forward);
        builder_i64(list, ENTRY_BACKWARD, entry->backward);
        builder_i64(list, ENTRY_DIRECT, entry->direct);
    }
    builder_list_end(out, ENTRIES);
    cell->pending = 0;
}

/* Grows by half, so that a growing row moves seldom. */
static struct neighbours *covisitation_room(struct op *op, uint32_t row, uint32_t remember)
{
    struct neighbours *cell = op_cells(op, ROWS)[row];
    uint32_t size = op_cell_size(op, ROWS, row);
    uint32_t room = (size - (uint32_t)sizeof(*cell)) / (uint32_t)sizeof(cell->entries[0]);

    if (cell->used < room || room >= remember)
        return cell;
    room = room + room / 2 + 2 < remember ? room + room / 2 + 2 : remember;
    cell =
        op_cell_resize(op, ROWS, row, (uint32_t)(sizeof(*cell) + room * sizeof(cell->entries[0])));
    CHECK(cell); /* NEIGHBOURS_MAX fits */
    return cell;
}

struct pair_columns {
    const int64_t *others;
    const int32_t *distances;
    const struct column *forward;
};

static void covisitation_learn(struct op *op, const struct pair_columns *pairs, uint32_t row)
{
    const struct covisitation_config *config = op_config(op);
    struct neighbours *cell = op_cells(op, ROWS)[row];
    uint32_t remember = (uint32_t)config->remember;

    if (pairs->distances[row] < 0) { /* the event itself */
        cell->count++;
        return;
    }
    cell = covisitation_room(op, row, remember);
    if (neighbours_add(cell, (uint64_t)pairs->others[row], (uint32_t)pairs->distances[row],
                       column_bool(pairs->forward, row), remember))
        op_count(op, FORGOTTEN, 1);
}

static bool covisitation_process(struct op *op, uint32_t port, const struct batch *in,
                                 struct error *err)
{
    const struct covisitation_config *config = op_config(op);
    const struct schema *schema = op_input_schema(op, IN);
    const struct pair_columns pairs = {
        batch_column(in, schema_find(schema, "other"))->values,
        batch_column(in, schema_find(schema, "distance"))->values,
        batch_column(in, schema_find(schema, "forward")),
    };
    const int64_t *times = batch_time(in);
    int64_t due[BATCH_ROWS_MAX];

    (void)port;
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        struct neighbours *cell = op_cells(op, ROWS)[row];

        if (windows_stale(config->window.size_ms, config->forget_ms, cell->due_ms, times[row]))
            memset(cell, 0, sizeof(*cell));
        CHECK(!cell->pending || times[row] <= cell->due_ms);
        due[row] = windows_last_ms(config->window.size_ms, times[row]);
        cell->due_ms = due[row];
        cell->pending = 1;
        covisitation_learn(op, &pairs, row);
    }
    return op_set_timers(op, due, err); /* of a key's timers the last one set stands */
}

static bool covisitation_on_timer(struct op *op, const struct due *due, struct error *err)
{
    void *const *cells = op_cells(op, ROWS);
    struct builder *out = op_reserve(op, OUT, due_rows(due));

    (void)err; /* cannot fail */
    for (uint32_t row = 0; row < due_rows(due); row++) {
        struct neighbours *cell = cells[row];
        if (cell->pending)
            covisitation_publish(op, cell, due_key(due, row), out);
    }
    return true;
}

const struct operator_def feature_covisitation = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "feature/covisitation",
    .help = "Counts which items the same users met, and in which order.",
    .config_size = sizeof(struct covisitation_config),
    .options = covisitation_options,
    .inputs = covisitation_in,
    .outputs = covisitation_out,
    .states = covisitation_states,
    .counters = covisitation_counters,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = covisitation_describe,
    .open = covisitation_open,
    .process = covisitation_process,
    .on_timer = covisitation_on_timer,
};
OPERATOR_REGISTER(feature_covisitation);
