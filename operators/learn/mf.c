/* learn/mf: vectors of items by matrix factorisation of who met what.
 * In: events with user and item, all in one subtask, in order of event time. Out, tables that change at
 * the ends of windows: `items` (item, count, vector, window_end; those that were met in the window),
 * `model` (0; users, items, confidence, fade, ridge, gram: the sum over all items of vector x vector^T, a
 * lower triangle in rows; window_end), which is what score/mf folds a user in with.
 *
 * Method: alternating half-steps for implicit feedback (mf.h) on what changed: at the end of a window
 * each user who came in it is solved from his latest `recent` items, then each item that was met from
 * the latest `remember` users who met it. An event at distance b has the confidence `confidence`
 * `fade`^b. The sums over all vectors of a side follow each vector that changes. A new item begins with
 * a vector by hash. Users and items that have not come for `user-forget` and `item-forget` are dropped
 * at the end of a window, from the sums too. */
#include "operators/model/mf.h"
#include "operators/learn/lately.h"
#include "operators/model/windows.h"
#include "runtime/api/operator.h"

#include <string.h>

#define ITEM_NAME_MAX 64u /* bytes of an item's canonical key; events of others are left out */
#define RING_MAX 500
#define STEPS 64u /* half-steps of a call */

struct mf_config {
    const char *user, *item;
    int64_t width, recent, remember, item_forget_ms, user_forget_ms;
    double confidence, fade, ridge;
    struct window window;
};

struct mf_cell {
    int64_t due_ms; /* the last millisecond of the window that has changes */
    int64_t pending;
    int64_t users, items; /* how many there are */
    struct lately_list user_list, item_list;
    double grams[]; /* of the users, then of the items */
};

struct mf_entry {         /* a user or an item */
    struct lately lately; /* first */
    int64_t count;        /* events ever; the other side of event k is at k % room */
    uint32_t name_size, spare;
    uint8_t name[ITEM_NAME_MAX]; /* of an item */
    uint64_t others[];           /* ids, then the vector's floats */
};

static const struct option mf_options[] = {
    {.name = "user",
     .type = OPT_FIELD,
     FIELD(struct mf_config, user),
     .def.text = "user",
     .help = "The column with the user."},
    {.name = "item",
     .type = OPT_FIELD,
     FIELD(struct mf_config, item),
     .def.text = "item",
     .help = "The column with what he met."},
    {.name = "width",
     .type = OPT_I64,
     FIELD(struct mf_config, width),
     .def.i64 = 32,
     .min.i64 = 2,
     .max.i64 = MF_WIDTH_MAX,
     .help = "Numbers of a vector."},
    {.name = "recent",
     .type = OPT_I64,
     FIELD(struct mf_config, recent),
     .def.i64 = 60,
     .min.i64 = 1,
     .max.i64 = RING_MAX,
     .help = "Latest items from which a user is solved."},
    {.name = "remember",
     .type = OPT_I64,
     FIELD(struct mf_config, remember),
     .def.i64 = 120,
     .min.i64 = 1,
     .max.i64 = RING_MAX,
     .help = "Latest users from which an item is solved."},
    {.name = "confidence",
     .type = OPT_F64,
     FIELD(struct mf_config, confidence),
     .def.f64 = 10,
     .min.f64 = 0.01,
     .max.f64 = 10000,
     .help = "How much more an event counts than that there was none."},
    {.name = "fade",
     .type = OPT_F64,
     FIELD(struct mf_config, fade),
     .def.f64 = 0.93,
     .min.f64 = 0.1,
     .max.f64 = 1,
     .help = "What of the confidence is left one event further back."},
    {.name = "ridge",
     .type = OPT_F64,
     FIELD(struct mf_config, ridge),
     .def.f64 = 0.03,
     .min.f64 = 0.000001,
     .max.f64 = 1000,
     .help = "Draws vectors towards 0, by so much for each pair of a user and an item."},
    {.name = "item-forget",
     .type = OPT_DURATION,
     FIELD(struct mf_config, item_forget_ms),
     .def.i64 = 365 * DAY_MS,
     .max.i64 = 36600 * DAY_MS,
     .help = "Time without events after which an item is dropped; 0s: never."},
    {.name = "user-forget",
     .type = OPT_DURATION,
     FIELD(struct mf_config, user_forget_ms),
     .def.i64 = 365 * DAY_MS,
     .max.i64 = 36600 * DAY_MS,
     .help = "The same for users."},
    {.name = "window",
     .type = OPT_WINDOW,
     FIELD(struct mf_config, window),
     .required = true,
     .help = "{tumbling: 1h}: how often the tables change."},
    {0},
};
static const struct state_field model_fields[] = {
    {"due", TYPE_TIMESTAMP, FIELD(struct mf_cell, due_ms)},
    {"pending", TYPE_I64, FIELD(struct mf_cell, pending)},
    {"users", TYPE_I64, FIELD(struct mf_cell, users)},
    {"items", TYPE_I64, FIELD(struct mf_cell, items)},
    {"user_list", TYPE_UTF8, FIELD(struct mf_cell, user_list)},
    {"item_list", TYPE_UTF8, FIELD(struct mf_cell, item_list)},
    {0},
};
static const struct state_field entry_fields[] = {
    LATELY_FIELDS(struct mf_entry),
    {"count", TYPE_I64, FIELD(struct mf_entry, count)},
    {"name_size", TYPE_I32, FIELD(struct mf_entry, name_size)},
    {"name", TYPE_UTF8, FIELD(struct mf_entry, name)},
    {0},
};
static const struct state mf_states[] = {
    /* all with more behind */
    {"model", STATE_VALUE, model_fields, sizeof(struct mf_cell)},
    {"users", STATE_MAP, entry_fields, sizeof(struct mf_entry)},
    {"items", STATE_MAP, entry_fields, sizeof(struct mf_entry)},
    {0},
};
static const struct port mf_in[] = {
    {"in", .global = true, .help = "Events."},
    {0},
};
static const struct port mf_out[] = {
    {"items", .help = "Items that changed in a window."},
    {"model", .help = "What score/mf wants beside them, in one row."},
    {0},
};
static const char *const mf_counters[] = {"left_out", NULL};
enum { MODEL = 0, USERS, ITEMS }; /* states */
enum { OUT_ITEMS = 0, OUT_MODEL, LEFT_OUT = 0 };
enum { ITEM, COUNT, VECTOR, ITEM_END };
enum {
    MODEL_KEY,
    MODEL_USERS,
    MODEL_ITEMS,
    MODEL_CONFIDENCE,
    MODEL_FADE,
    MODEL_RIDGE,
    MODEL_GRAM,
    MODEL_END
};

/* ---- planning ---- */

static void describe_tables(struct describe *describe, enum type item)
{
    const struct mf_config *config = describe_config(describe);
    struct arena *arena = describe_arena(describe);
    struct schema *items = schema_create(arena), *model = schema_create(arena);
    struct field vector = {.name = "vector", .type = TYPE_VECTOR};
    struct field gram = {.name = "gram", .type = TYPE_VECTOR};
    struct text_list item_key = {1, (const char *[]){"item"}};
    struct text_list model_key = {1, (const char *[]){"model"}};

    vector.width = (uint32_t)config->width;
    gram.width = (uint32_t)(config->width * config->width);
    CHECK(schema_add_column(items, arena, "item", item));
    CHECK(schema_add_column(items, arena, "count", TYPE_I64));
    CHECK(schema_add(items, arena, &vector));
    CHECK(schema_add_column(items, arena, "window_end", TYPE_TIMESTAMP));
    CHECK(schema_add_column(model, arena, "model", TYPE_I64));
    CHECK(schema_add_column(model, arena, "users", TYPE_I64));
    CHECK(schema_add_column(model, arena, "items", TYPE_I64));
    CHECK(schema_add_column(model, arena, "confidence", TYPE_F64));
    CHECK(schema_add_column(model, arena, "fade", TYPE_F64));
    CHECK(schema_add_column(model, arena, "ridge", TYPE_F64));
    CHECK(schema_add(model, arena, &gram));
    CHECK(schema_add_column(model, arena, "window_end", TYPE_TIMESTAMP));
    describe_output(describe, OUT_ITEMS, items);
    describe_output_key(describe, OUT_ITEMS, &item_key);
    describe_output(describe, OUT_MODEL, model);
    describe_output_key(describe, OUT_MODEL, &model_key);
}

static const struct state_field *fields_with(struct arena *arena, const struct state_field *fields,
                                             const char *name, size_t offset, size_t size)
{
    struct state_field *more;
    uint32_t count = 0;

    while (fields[count].name)
        count++;
    more = arena_new(arena, (count + 2) * sizeof(*more));
    memcpy(more, fields, count * sizeof(*more));
    more[count] = (struct state_field){name, TYPE_UTF8, offset, size};
    return more;
}

static void describe_entries(struct describe *describe, uint32_t state, int64_t room)
{
    const struct mf_config *config = describe_config(describe);
    size_t size = (size_t)room * sizeof(uint64_t) + ((size_t)config->width + 1) / 2 * 8;

    describe_state(describe, state, sizeof(struct mf_entry) + size,
                   fields_with(describe_arena(describe), entry_fields, "more",
                               offsetof(struct mf_entry, others), size));
}

static bool mf_describe(struct describe *describe, struct error *err)
{
    const struct mf_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, 0);
    const char *columns[] = {config->user, config->item}, *options[] = {"user", "item"};
    size_t size = 2 * (size_t)(config->width * config->width) * sizeof(double);

    for (uint32_t i = 0; i < 2; i++) {
        enum type type = in->fields[schema_find(in, columns[i])].type;
        if (type != TYPE_I32 && type != TYPE_I64 && type != TYPE_UTF8)
            return describe_error(describe, err, options[i], "name a text or integer column",
                                  "column \"%s\" is %s", columns[i], type_name(type));
        describe_reads(describe, 0, schema_find(in, columns[i]));
    }
    if (config->window.size_ms != config->window.every_ms)
        return describe_error(describe, err, "window", "write {tumbling: 1h}",
                              "the window slides, but vectors are kept for ever");
    describe_tables(describe, in->fields[schema_find(in, config->item)].type);
    describe_state(describe, MODEL, sizeof(struct mf_cell) + size,
                   fields_with(describe_arena(describe), model_fields, "grams",
                               offsetof(struct mf_cell, grams), size));
    describe_entries(describe, USERS, config->recent);
    describe_entries(describe, ITEMS, config->remember);
    describe_versions(describe, config->window.size_ms, false);
    if (config->item_forget_ms)
        describe_keep(describe, OUT_ITEMS, config->item_forget_ms);
    return true;
}

/* ---- an instance ---- */

struct mf_scratch {
    uint32_t user, item; /* columns */
    uint64_t users[BATCH_ROWS_MAX], items[BATCH_ROWS_MAX];
    struct mf_system system;
};

static bool mf_open(struct op *op, struct error *err)
{
    const struct mf_config *config = op_config(op);
    struct mf_scratch *scratch = op_memory(op, sizeof(*scratch));

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    scratch->user = schema_find(op_input_schema(op, 0), config->user);
    scratch->item = schema_find(op_input_schema(op, 0), config->item);
    return true;
}

static float *vector_of(struct mf_entry *entry, int64_t room)
{
    return (float *)(void *)(entry->others + room);
}

static double *gram_of(const struct mf_config *config, struct mf_cell *cell, uint32_t state)
{
    return cell->grams + (state == ITEMS ? config->width * config->width : 0);
}

/* ---- events ---- */

/* The canonical key of an item, so that its name can be told; 0: too long. */
static uint32_t name_of(const struct column *column, uint32_t row, uint8_t *name)
{
    uint8_t key[KEY_SIZE_MAX];
    uint32_t size;
    const char *text;

    switch (column->type) {
    case TYPE_I32:
        size = key_from_i64(((const int32_t *)column->values)[row], key);
        break;
    case TYPE_UTF8:
        text = column_text(column, row, &size);
        size = key_from_text(text, size, key);
        break;
    default:
        size = key_from_i64(((const int64_t *)column->values)[row], key);
        break;
    }
    if (size > ITEM_NAME_MAX)
        return 0;
    memcpy(name, key, size);
    return size;
}

static void begin_item(struct op *op, struct mf_cell *cell, struct mf_entry *item, uint64_t id)
{
    const struct mf_config *config = op_config(op);
    float *vector = vector_of(item, config->remember);

    mf_start(op_seed(op), id, (uint32_t)config->width, vector);
    mf_gram(gram_of(config, cell, ITEMS), vector, (uint32_t)config->width, 1);
    cell->items++;
}

/* An entry that is there, as if it was not. */
static void begin_anew(struct op *op, struct mf_cell *cell, uint32_t state, struct mf_entry *entry)
{
    const struct mf_config *config = op_config(op);
    int64_t room = state == USERS ? config->recent : config->remember;
    size_t size = offsetof(struct mf_entry, others) + (size_t)room * sizeof(uint64_t) +
                  (size_t)config->width * sizeof(float);

    mf_gram(gram_of(config, cell, state), vector_of(entry, room), (uint32_t)config->width, -1);
    memset(&entry->count, 0, size - offsetof(struct mf_entry, count));
    *(state == USERS ? &cell->users : &cell->items) -= 1;
}

static void learn(struct op *op, struct mf_cell *cell, const struct batch *in, uint32_t row)
{
    const struct mf_config *config = op_config(op);
    const struct mf_scratch *scratch = op_scratch(op);
    uint64_t user_id = scratch->users[row], item_id = scratch->items[row];
    uint8_t name[ITEM_NAME_MAX];
    uint32_t size = name_of(batch_column(in, scratch->item), row, name);
    struct mf_entry *user, *item;

    if (size == 0) {
        op_count(op, LEFT_OUT, 1);
        return;
    }
    user = op_entry(op, USERS, row, &user_id, sizeof(user_id), true);
    item = op_entry(op, ITEMS, row, &item_id, sizeof(item_id), true);
    if (!user || !item)
        return; /* the engine's error */
    if (lately_stale(&user->lately, cell->due_ms, config->window.size_ms, config->user_forget_ms))
        begin_anew(op, cell, USERS, user);
    if (lately_stale(&item->lately, cell->due_ms, config->window.size_ms, config->item_forget_ms))
        begin_anew(op, cell, ITEMS, item);
    if (item->count == 0) {
        item->name_size = size;
        memcpy(item->name, name, size);
        begin_item(op, cell, item, item_id);
    }
    cell->users += user->count == 0;
    user->others[user->count++ % config->recent] = item_id;
    item->others[item->count++ % config->remember] = user_id;
    lately_touch(op, USERS, row, &cell->user_list, user_id, &user->lately, cell->due_ms);
    lately_touch(op, ITEMS, row, &cell->item_list, item_id, &item->lately, cell->due_ms);
}

static bool mf_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct mf_config *config = op_config(op);
    struct mf_scratch *scratch = op_scratch(op);
    struct mf_cell *cell = op_cells(op, MODEL)[0];

    (void)port;
    (void)err; /* what op_entry could not read is the engine's error */
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    key_ids(batch_column(in, scratch->user), in->rows, scratch->users);
    key_ids(batch_column(in, scratch->item), in->rows, scratch->items);
    for (uint32_t row = 0; row < in->rows; row++) {
        if (!scratch->users[row] || !scratch->items[row])
            continue;
        cell->due_ms = windows_last_ms(config->window.size_ms, batch_time(in)[row]);
        cell->pending = 1;
        learn(op, cell, in, row);
    }
    return true;
}

/* ---- half-steps ---- */

/* Solves one entry of `state` from the others that it met last; `room` and `other_room` as of their
 * rings. */
static void step(struct op *op, struct mf_cell *cell, uint32_t state, struct mf_entry *entry)
{
    const struct mf_config *config = op_config(op);
    struct mf_system *system = &((struct mf_scratch *)op_scratch(op))->system;
    uint32_t other = state == USERS ? ITEMS : USERS, width = (uint32_t)config->width;
    int64_t room = state == USERS ? config->recent : config->remember;
    int64_t other_room = state == USERS ? config->remember : config->recent;
    double confidence = config->confidence;
    float *vector = vector_of(entry, room);

    mf_begin(system, gram_of(config, cell, other), width, config->ridge,
             (double)(other == ITEMS ? cell->items : cell->users));
    for (int64_t b = 0; b < room && b < entry->count; b++) {
        uint64_t id = entry->others[(entry->count - 1 - b) % room];
        struct mf_entry *met = op_entry(op, other, 0, &id, sizeof(id), false);
        if (met) /* not forgotten */
            mf_add(system, vector_of(met, other_room), confidence);
        confidence *= config->fade;
    }
    mf_gram(gram_of(config, cell, state), vector, width, -1);
    (void)mf_solve(system, vector); /* the vector as it was is the next best */
    mf_gram(gram_of(config, cell, state), vector, width, 1);
}

static void tell_item(const struct mf_config *config, const struct mf_cell *cell,
                      struct mf_entry *item, uint64_t id, struct builder *out)
{
    struct key key = {item->name, item->name_size, id};

    builder_row(out, cell->due_ms, 0, id);
    builder_key(out, ITEM, &key);
    builder_i64(out, COUNT, item->count);
    builder_vector(out, VECTOR, vector_of(item, config->remember));
    builder_i64(out, ITEM_END, cell->due_ms + 1);
}

/* At most STEPS; the rest stays. */
static void run_changed(struct op *op, struct mf_cell *cell, uint32_t state,
                        struct lately_list *list)
{
    struct builder *out = state == ITEMS ? op_reserve(op, OUT_ITEMS, STEPS) : NULL;

    for (uint32_t i = 0; i < STEPS && list->changed; i++) {
        uint64_t id;
        struct mf_entry *entry = lately_changed(op, state, list, &id);
        if (!entry)
            return; /* the engine's error */
        step(op, cell, state, entry);
        if (out)
            tell_item(op_config(op), cell, entry, id, out);
    }
}

/* False: there are more. */
static bool forget(struct op *op, struct mf_cell *cell, uint32_t state, struct lately_list *list,
                   int64_t forget_ms)
{
    const struct mf_config *config = op_config(op);
    int64_t room = state == USERS ? config->recent : config->remember;
    int64_t *count = state == USERS ? &cell->users : &cell->items;

    for (uint32_t i = 0; i < STEPS && forget_ms; i++) {
        struct mf_entry *entry = lately_oldest(op, state, list, cell->due_ms - forget_ms);
        if (!entry)
            return true;
        mf_gram(gram_of(config, cell, state), vector_of(entry, room), (uint32_t)config->width, -1);
        lately_forget(op, state, list);
        (*count)--;
    }
    return forget_ms == 0;
}

static void tell_model(struct op *op, struct mf_cell *cell)
{
    const struct mf_config *config = op_config(op);
    struct builder *out = op_reserve(op, OUT_MODEL, 1);
    float gram[MF_WIDTH_MAX * MF_WIDTH_MAX];

    for (int64_t i = 0; i < config->width * config->width; i++)
        gram[i] = (float)gram_of(config, cell, ITEMS)[i];
    builder_row(out, cell->due_ms, 0, 0);
    builder_i64(out, MODEL_KEY, 0);
    builder_i64(out, MODEL_USERS, cell->users);
    builder_i64(out, MODEL_ITEMS, cell->items);
    builder_f64(out, MODEL_CONFIDENCE, config->confidence);
    builder_f64(out, MODEL_FADE, config->fade);
    builder_f64(out, MODEL_RIDGE, config->ridge);
    builder_vector(out, MODEL_GRAM, gram);
    builder_i64(out, MODEL_END, cell->due_ms + 1);
}

static bool mf_on_watermark(struct op *op, int64_t time_ms, struct error *err)
{
    const struct mf_config *config = op_config(op);
    struct mf_cell *cell = op_cells(op, MODEL)[0];
    struct lately_list *users = &cell->user_list, *items = &cell->item_list;
    bool done;

    (void)err; /* what op_entry could not read is the engine's error */
    if (!cell->pending || time_ms < cell->due_ms)
        return true;
    if (users->changed)
        run_changed(op, cell, USERS, users);
    else
        run_changed(op, cell, ITEMS, items);
    done = !users->changed && !items->changed;
    done = done && forget(op, cell, USERS, users, config->user_forget_ms) &&
           forget(op, cell, ITEMS, items, config->item_forget_ms);
    if (!done) {
        op_again(op);
        return true;
    }
    tell_model(op, cell);
    cell->pending = 0;
    return true;
}

const struct operator_def learn_mf = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "learn/mf",
    .help = "Learns vectors of items from who met what, by alternating half-steps.",
    .config_size = sizeof(struct mf_config),
    .options = mf_options,
    .inputs = mf_in,
    .outputs = mf_out,
    .states = mf_states,
    .counters = mf_counters,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = mf_describe,
    .open = mf_open,
    .process = mf_process,
    .on_watermark = mf_on_watermark,
};
OPERATOR_REGISTER(learn_mf);
