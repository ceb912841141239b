/* feature/recent: what each key met last: the latest values of some columns, in order.
 * In: events, keyed by user, session, item. Out: `out`, each event with the list `recent` of what came
 * before it, newest first: its time and the columns; `table`, with `window`, a row of each key that
 * changed: key, count (ever), last (time) and the list `recent` with `id`, the identity (key_ids) of the
 * first column: a versioned table for feature/social and feature/similar-users. Lists of tables hold
 * numbers, so texts are in `out` alone.
 *
 * A key's events beyond `keep` are forgotten, the oldest first. With `distinct` an event whose first
 * column was met before takes its place over. Keys that have not come for `forget` are dropped. Texts are
 * cut at 63 bytes. */
#include "operators/model/widen.h"
#include "operators/model/windows.h"
#include "runtime/batch/expr.h"

#include <string.h>

#define KEEP_MAX 500
#define SLOTS_MAX 16u
#define TEXT_SIZE 64u /* the first byte is the size */

struct recent_config {
    struct text_list columns;
    const char *as, *when;
    int64_t keep;
    bool distinct;
    int64_t forget_ms;
    struct window window;
};

struct entry {
    int64_t time_ms;
    uint64_t id;
    uint64_t valid; /* a bit a column */
    uint8_t slots[];
};

struct recent_cell {
    int64_t count;  /* ever */
    int64_t due_ms; /* end of the window that the latest event is in; without windows, its time */
    uint32_t used, pending;
    uint64_t entries[]; /* oldest first */
};

static const struct option recent_options[] = {
    {.name = "columns",
     .type = OPT_FIELDS,
     FIELD(struct recent_config, columns),
     .required = true,
     .help = "What is kept of each event, such as [item, category]. The first names what was met; "
             "events without it are not kept."},
    {.name = "keep",
     .type = OPT_I64,
     FIELD(struct recent_config, keep),
     .def.i64 = 20,
     .min.i64 = 1,
     .max.i64 = KEEP_MAX,
     .help = "Events of a key."},
    {.name = "as",
     .type = OPT_TEXT,
     FIELD(struct recent_config, as),
     .def.text = "recent",
     .help = "Name of the list."},
    {.name = "distinct",
     .type = OPT_BOOL,
     FIELD(struct recent_config, distinct),
     .help = "Whether what comes again moves to the front instead of being there twice."},
    {.name = "when",
     .type = OPT_EXPRESSION,
     FIELD(struct recent_config, when),
     .help =
         "Which events are kept, such as kind = 'play'; by default all. Others are told of too."},
    WINDOWS_FORGET(struct recent_config, 365 * DAY_MS, "Keys"),
    {.name = "window",
     .type = OPT_WINDOW,
     FIELD(struct recent_config, window),
     .help = "{tumbling: 1h}: how often `table` changes; without it nothing leaves there."},
    {0},
};
static const struct state_field recent_fields[] = {
    {"count", TYPE_I64, FIELD(struct recent_cell, count)},
    {"due", TYPE_TIMESTAMP, FIELD(struct recent_cell, due_ms)},
    {"used", TYPE_I32, FIELD(struct recent_cell, used)},
    {"pending", TYPE_I32, FIELD(struct recent_cell, pending)},
    {0},
};
static const struct state recent_states[] = {
    {"keys", STATE_LIST, recent_fields, sizeof(struct recent_cell)},
    {0},
};
static const struct port recent_in[] = {
    {"in", .keyed = true, .help = "Events, keyed."},
    {0},
};
static const struct port recent_out[] = {
    {"out", .keyed = true, .help = "Each event with what its key met before it."},
    {"table", .keyed = true, .help = "Keys that changed in a window, with what they met last."},
    {0},
};
enum { KEYS = 0, IN = 0, OUT = 0, TABLE = 1 };
enum { KEY, COUNT, LAST, RECENT };   /* columns of the table */
enum { TIME, ID, FIRST_COLUMN = 1 }; /* of the list; in the table, ID is before the columns */

/* ---- planning ---- */

static size_t slot_size(enum type type)
{
    return type == TYPE_UTF8 ? TEXT_SIZE : 8;
}

static size_t entry_size(const struct schema *in, const struct recent_config *config)
{
    size_t size = sizeof(struct entry);

    for (uint32_t i = 0; i < config->columns.count; i++)
        size += slot_size(in->fields[schema_find(in, config->columns.items[i])].type);
    return size;
}

/* Many go at once, so that each is moved only a few times in its life. */
static uint32_t room_most(const struct recent_config *config)
{
    return (uint32_t)(config->keep + config->keep / 4 + 1);
}

/* `table`: with ids, without texts. */
static const struct schema *list_of(struct arena *arena, const struct schema *in,
                                    const struct recent_config *config, bool table)
{
    struct schema *child = schema_create(arena), *schema = schema_create(arena);
    struct field list = {.type = TYPE_LIST, .child = child};

    memcpy(list.name, config->as, strnlen(config->as, NAME_SIZE_MAX - 1));
    CHECK(schema_add_column(child, arena, "time", TYPE_TIMESTAMP));
    if (table)
        CHECK(schema_add_column(child, arena, "id", TYPE_I64));
    for (uint32_t i = 0; i < config->columns.count; i++) {
        const struct field *field = &in->fields[schema_find(in, config->columns.items[i])];
        if (table && field->type == TYPE_UTF8)
            continue;
        if (!schema_add(child, arena, field))
            return NULL; /* named as time or id */
    }
    CHECK(schema_add(schema, arena, &list));
    return schema;
}

static bool check_columns(struct describe *describe, struct error *err)
{
    const struct recent_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, IN);

    if (config->columns.count > SLOTS_MAX)
        return describe_error(describe, err, "columns", "leave some out",
                              "there are %u columns, more than %u", config->columns.count,
                              SLOTS_MAX);
    for (uint32_t i = 0; i < config->columns.count; i++) {
        const struct field *field = &in->fields[schema_find(in, config->columns.items[i])];
        if (field->type == TYPE_LIST || field->type == TYPE_VECTOR)
            return describe_error(describe, err, "columns", "name plain values",
                                  "column \"%s\" is %s", field->name, type_name(field->type));
        if (i == 0 && !key_type(field->type))
            return describe_error(describe, err, "columns", "name a text or integer first",
                                  "column \"%s\" is %s, which cannot name things", field->name,
                                  type_name(field->type));
    }
    if (!list_of(describe_arena(describe), in, config, true) ||
        !list_of(describe_arena(describe), in, config, false))
        return describe_error(describe, err, "columns", "rename yours before, in `clean`",
                              "the list has columns \"time\" and \"id\" of its own");
    if (sizeof(struct recent_cell) + room_most(config) * entry_size(in, config) > CELL_SIZE_MAX)
        return describe_error(describe, err, "keep", "keep fewer, or fewer columns",
                              "%lld events do not fit a cell of %u bytes", (long long)config->keep,
                              CELL_SIZE_MAX);
    return true;
}

static bool describe_table_port(struct describe *describe, struct error *err)
{
    const struct recent_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, IN);
    struct arena *arena = describe_arena(describe);
    const struct text_list *key = describe_key(describe, IN);
    struct schema *schema = schema_create(arena);
    uint32_t column = key->count == 1 ? schema_find(in, key->items[0]) : FIELD_NONE;
    struct text_list name = {1, (const char *[]){"key"}};

    if (config->window.size_ms && column == FIELD_NONE)
        return describe_error(describe, err, "window", "key the input by one column",
                              "a table is keyed by one column");
    if (config->window.size_ms != config->window.every_ms)
        return describe_error(describe, err, "window", "write {tumbling: 1h}",
                              "the window slides, but events are kept for ever");
    CHECK(schema_add_column(schema, arena, "key",
                            column == FIELD_NONE ? TYPE_I64 : in->fields[column].type));
    CHECK(schema_add_column(schema, arena, "count", TYPE_I64));
    CHECK(schema_add_column(schema, arena, "last", TYPE_TIMESTAMP));
    if (!schema_add(schema, arena, &list_of(arena, in, config, true)->fields[0]))
        return describe_error(describe, err, "as", "give another name",
                              "\"%s\" is a column of the table", config->as);
    describe_output(describe, TABLE, schema);
    describe_output_key(describe, TABLE, &name);
    windows_forget(describe, KEYS, TABLE, &config->window, config->forget_ms);
    if (config->window.size_ms)
        describe_versions(describe, config->window.size_ms, false);
    return true;
}

static bool recent_describe(struct describe *describe, struct error *err)
{
    const struct recent_config *config = describe_config(describe);

    return check_columns(describe, err) && widen_check_when(describe, "when", config->when, err) &&
           describe_table_port(describe, err) &&
           widen_describe(
               describe, OUT,
               list_of(describe_arena(describe), describe_input(describe, IN), config, false), err);
}

/* ---- an instance ---- */

struct recent_scratch {
    struct arena *arena;
    struct builder *added;
    struct expr *when;
    size_t entry;
    uint32_t count, columns[SLOTS_MAX];
    enum type types[SLOTS_MAX];
    uint32_t learned[BATCH_ROWS_MAX];
    uint64_t ids[BATCH_ROWS_MAX];
};

static bool recent_open(struct op *op, struct error *err)
{
    const struct recent_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, IN);
    struct recent_scratch *scratch = op_memory(op, sizeof(*scratch));

    op_set_scratch(op, scratch);
    scratch->arena = arena_create(4096);
    scratch->added = builder_create(list_of(scratch->arena, in, config, false), false);
    scratch->entry = entry_size(in, config);
    scratch->count = config->columns.count;
    for (uint32_t i = 0; i < scratch->count; i++) {
        scratch->columns[i] = schema_find(in, config->columns.items[i]);
        scratch->types[i] = in->fields[scratch->columns[i]].type;
    }
    if (config->when)
        scratch->when = expr_compile(config->when, in, err);
    return !config->when || scratch->when;
}

static void recent_close(struct op *op)
{
    struct recent_scratch *scratch = op_scratch(op);

    if (!scratch)
        return;
    expr_close(scratch->when);
    builder_close(scratch->added);
    arena_close(scratch->arena);
}

/* ---- entries ---- */

static struct entry *entry_at(const struct recent_scratch *scratch, struct recent_cell *cell,
                              uint32_t place)
{
    return (struct entry *)(void *)((uint8_t *)cell->entries + place * scratch->entry);
}

/* No character is cut in two. */
static uint32_t cut(const char *text, uint32_t size)
{
    if (size < TEXT_SIZE)
        return size;
    for (size = TEXT_SIZE - 1; size > 0 && ((uint8_t)text[size] & 0xc0) == 0x80;)
        size--;
    return size;
}

static void fill_slot(uint8_t *slot, const struct column *column, uint32_t row)
{
    uint32_t size;
    const char *text;
    int64_t bits = 0;

    if (column->type == TYPE_UTF8) {
        text = column_text(column, row, &size);
        slot[0] = (uint8_t)cut(text, size);
        memcpy(slot + 1, text, slot[0]);
        return;
    }
    if (column->type == TYPE_BOOL)
        bits = column_bool(column, row);
    else
        memcpy(&bits, (const uint8_t *)column->values + row * type_size(column->type),
               type_size(column->type));
    memcpy(slot, &bits, sizeof(bits));
}

static void put_slot(struct builder *list, uint32_t column, enum type type, const uint8_t *slot)
{
    int64_t bits;
    int32_t narrow;
    float single;
    double number;

    if (type == TYPE_UTF8) {
        builder_text(list, column, (const char *)slot + 1, slot[0]);
        return;
    }
    memcpy(&bits, slot, sizeof(bits));
    memcpy(&narrow, slot, sizeof(narrow));
    memcpy(&single, slot, sizeof(single));
    memcpy(&number, slot, sizeof(number));
    if (type == TYPE_BOOL)
        builder_bool(list, column, bits != 0);
    else if (type == TYPE_I32)
        builder_i32(list, column, narrow);
    else if (type == TYPE_F32)
        builder_f32(list, column, single);
    else if (type == TYPE_F64)
        builder_f64(list, column, number);
    else
        builder_i64(list, column, bits);
}

static void put_slots(const struct recent_scratch *scratch, const struct entry *entry,
                      struct builder *list, bool table)
{
    const uint8_t *slot = entry->slots;
    uint32_t column = FIRST_COLUMN + table;

    for (uint32_t c = 0; c < scratch->count; c++) {
        bool there = !table || scratch->types[c] != TYPE_UTF8;
        if (there && entry->valid >> c & 1)
            put_slot(list, column, scratch->types[c], slot);
        column += there;
        slot += slot_size(scratch->types[c]);
    }
}

/* Newest first, into list column `at` of the builder's present row. */
static void put_list(const struct recent_scratch *scratch, struct recent_cell *cell, uint32_t keep,
                     struct builder *builder, uint32_t at, bool table)
{
    struct builder *list = builder_list(builder, at);

    for (uint32_t i = cell->used; i > 0 && cell->used - i < keep; i--) {
        const struct entry *entry = entry_at(scratch, cell, i - 1);
        builder_child_row(list);
        builder_i64(list, TIME, entry->time_ms);
        if (table)
            builder_i64(list, ID, (int64_t)entry->id);
        put_slots(scratch, entry, list, table);
    }
    builder_list_end(builder, at);
}

/* ---- learning ---- */

static void forget(const struct recent_scratch *scratch, struct recent_cell *cell, uint32_t begin,
                   uint32_t count)
{
    cell->used -= count;
    memmove(entry_at(scratch, cell, begin), entry_at(scratch, cell, begin + count),
            (cell->used - begin) * scratch->entry);
}

/* Room for one more: a growing cell moves seldom. */
static struct recent_cell *make_room(struct op *op, uint32_t row)
{
    const struct recent_config *config = op_config(op);
    const struct recent_scratch *scratch = op_scratch(op);
    struct recent_cell *cell = op_cells(op, KEYS)[row];
    uint32_t most = room_most(config);
    uint32_t have = (uint32_t)((op_cell_size(op, KEYS, row) - sizeof(*cell)) / scratch->entry);

    if (cell->used == most)
        forget(scratch, cell, 0, most - (uint32_t)config->keep);
    if (cell->used < have)
        return cell;
    have = have + have / 2 + 2 < most ? have + have / 2 + 2 : most;
    cell = op_cell_resize(op, KEYS, row, (uint32_t)(sizeof(*cell) + have * scratch->entry));
    CHECK(cell); /* describe saw to it */
    return cell;
}

/* Returns when the table is to be told of it. */
static int64_t learn(struct op *op, const struct batch *in, uint32_t row)
{
    const struct recent_config *config = op_config(op);
    const struct recent_scratch *scratch = op_scratch(op);
    struct recent_cell *cell = op_cells(op, KEYS)[row];
    struct entry *entry;
    uint8_t *slot;

    for (uint32_t i = 0; config->distinct && i < cell->used; i++)
        if (entry_at(scratch, cell, i)->id == scratch->ids[row])
            forget(scratch, cell, i--, 1);
    cell = make_room(op, row);
    entry = entry_at(scratch, cell, cell->used++);
    memset(entry, 0, scratch->entry);
    entry->time_ms = batch_time(in)[row];
    entry->id = scratch->ids[row];
    slot = entry->slots;
    for (uint32_t c = 0; c < scratch->count; c++) {
        const struct column *column = batch_column(in, scratch->columns[c]);
        if (column_valid(column, row)) {
            entry->valid |= UINT64_C(1) << c;
            fill_slot(slot, column, row);
        }
        slot += slot_size(scratch->types[c]);
    }
    cell->count++;
    cell->due_ms = entry->time_ms;
    if (!config->window.size_ms)
        return INT64_MIN;
    cell->pending = 1;
    return cell->due_ms = windows_last_ms(config->window.size_ms, entry->time_ms);
}

/* ---- rows ---- */

static void forget_silent(const struct recent_config *config, struct recent_cell *cell,
                          int64_t time_ms)
{
    if (windows_stale(config->window.size_ms, config->forget_ms, cell->due_ms, time_ms))
        memset(cell, 0, sizeof(*cell));
}

static bool recent_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct recent_config *config = op_config(op);
    struct recent_scratch *scratch = op_scratch(op);
    const struct column *first = batch_column(in, scratch->columns[0]);
    uint32_t learned = widen_choose(scratch->when, in, scratch->learned), next = 0;
    int64_t due[BATCH_ROWS_MAX];

    (void)port;
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    key_ids(first, in->rows, scratch->ids);
    for (uint32_t row = 0; row < in->rows; row++) {
        int64_t time_ms = batch_time(in)[row];
        forget_silent(config, op_cells(op, KEYS)[row], time_ms);
        builder_row_from(scratch->added, in, row);
        put_list(scratch, op_cells(op, KEYS)[row], (uint32_t)config->keep, scratch->added, 0,
                 false);
        due[row] = INT64_MIN;
        if (next == learned || scratch->learned[next] != row)
            continue;
        next++;
        if (!column_valid(first, row))
            continue;
        due[row] = learn(op, in, row);
    }
    widen_emit(op, OUT, in, scratch->added);
    return op_set_timers(op, due, err); /* of a key's timers the last one set stands */
}

/* The engine cuts batches at the ends of windows, so a row tells what was known there. */
static bool recent_on_timer(struct op *op, const struct due *due, struct error *err)
{
    const struct recent_config *config = op_config(op);
    const struct recent_scratch *scratch = op_scratch(op);
    struct builder *out = op_reserve(op, TABLE, due_rows(due));

    (void)err; /* cannot fail */
    for (uint32_t row = 0; row < due_rows(due); row++) {
        struct recent_cell *cell = op_cells(op, KEYS)[row];
        const struct key *key = due_key(due, row);
        if (!cell->pending)
            continue;
        builder_row(out, cell->due_ms, 0, key->hash);
        builder_key(out, KEY, key);
        builder_i64(out, COUNT, cell->count);
        builder_i64(out, LAST, entry_at(scratch, cell, cell->used - 1)->time_ms);
        put_list(scratch, cell, (uint32_t)config->keep, out, RECENT, true);
        cell->pending = 0;
    }
    return true;
}

const struct operator_def feature_recent = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "feature/recent",
    .help = "Keeps the latest values of each key; tells them with each event, and as a table.",
    .config_size = sizeof(struct recent_config),
    .options = recent_options,
    .inputs = recent_in,
    .outputs = recent_out,
    .states = recent_states,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = recent_describe,
    .open = recent_open,
    .process = recent_process,
    .on_timer = recent_on_timer,
    .close = recent_close,
};
OPERATOR_REGISTER(feature_recent);
