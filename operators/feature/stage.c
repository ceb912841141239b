/* feature/stage: where a user stands in his life with the site, and when that changes.
 * In: events keyed by user. Out: `out`, each event with, as of before it, `stage` (null on the first),
 * stage_ms (since when he is in it) and age_ms (since his first event); `changes`, a row for each change
 * (the key, from, to, silence_ms, events, event time: when it came about), also without an event:
 *     new       the first event until `new` later
 *     active    after that, while no silence lasts `lapsing`
 *     lapsing   a silence of `lapsing`
 *     lost      a silence of `lost`
 * An event makes a lapsing or lost user active again (new again within `new` of his first event).
 *
 * The stage is a function of the first and last event and the time. Timers stand at the next change, and
 * come before later rows, so that each change is told once and in order. */
#include "operators/model/widen.h"

#include <string.h>

struct stage_config {
    int64_t new_ms, lapsing_ms, lost_ms;
};

enum stage { STAGE_NONE, STAGE_NEW, STAGE_ACTIVE, STAGE_LAPSING, STAGE_LOST };

struct stage_cell {
    int64_t first_ms, last_ms, since_ms, events;
    int64_t stage;
};

static const struct option stage_options[] = {
    {.name = "new",
     .type = OPT_DURATION,
     FIELD(struct stage_config, new_ms),
     .def.i64 = 14 * DAY_MS,
     .min.i64 = 0,
     .max.i64 = 3660 * DAY_MS,
     .help = "How long a user is new."},
    {.name = "lapsing",
     .type = OPT_DURATION,
     FIELD(struct stage_config, lapsing_ms),
     .def.i64 = 14 * DAY_MS,
     .min.i64 = 1,
     .max.i64 = 3660 * DAY_MS,
     .help = "Silence after which a user is lapsing."},
    {.name = "lost",
     .type = OPT_DURATION,
     FIELD(struct stage_config, lost_ms),
     .def.i64 = 60 * DAY_MS,
     .min.i64 = 1,
     .max.i64 = 3660 * DAY_MS,
     .help = "Silence after which a user is lost; longer than `lapsing`."},
    {0},
};
static const struct state_field stage_fields[] = {
    {"first", TYPE_TIMESTAMP, FIELD(struct stage_cell, first_ms)},
    {"last", TYPE_TIMESTAMP, FIELD(struct stage_cell, last_ms)},
    {"since", TYPE_TIMESTAMP, FIELD(struct stage_cell, since_ms)},
    {"events", TYPE_I64, FIELD(struct stage_cell, events)},
    {"stage", TYPE_I64, FIELD(struct stage_cell, stage)},
    {0},
};
static const struct state stage_states[] = {
    {"users", STATE_VALUE, stage_fields, sizeof(struct stage_cell)},
    {0},
};
static const struct port stage_in[] = {
    {"in", .keyed = true, .help = "Events, keyed by user."},
    {0},
};
static const struct port stage_out[] = {
    {"out", .keyed = true, .help = "Each event with the user's stage before it."},
    {"changes", .keyed = true, .help = "Users whose stage has changed."},
    {0},
};
enum { USERS = 0, IN = 0, OUT = 0, CHANGES = 1 };
enum { STAGE, STAGE_MS, AGE_MS };                  /* columns that are added */
enum { CHANGE_KEY, FROM, TO, SILENCE_MS, EVENTS }; /* of the changes */

static const char *const stage_names[] = {"", "new", "active", "lapsing", "lost"};

static const struct schema *added_schema(struct arena *arena)
{
    struct schema *schema = schema_create(arena);

    CHECK(schema_add_column(schema, arena, "stage", TYPE_UTF8));
    CHECK(schema_add_column(schema, arena, "stage_ms", TYPE_I64));
    CHECK(schema_add_column(schema, arena, "age_ms", TYPE_I64));
    return schema;
}

static const struct schema *changes_schema(struct arena *arena, const struct field *key)
{
    struct schema *schema = schema_create(arena);

    CHECK(schema_add(schema, arena, key));
    if (!schema_add_column(schema, arena, "from", TYPE_UTF8) ||
        !schema_add_column(schema, arena, "to", TYPE_UTF8) ||
        !schema_add_column(schema, arena, "silence_ms", TYPE_I64) ||
        !schema_add_column(schema, arena, "events", TYPE_I64))
        return NULL;
    return schema;
}

static bool describe_changes(struct describe *describe, struct error *err)
{
    const struct schema *in = describe_input(describe, IN), *schema;
    const struct text_list *key = describe_key(describe, IN);
    uint32_t column = key->count == 1 ? schema_find(in, key->items[0]) : FIELD_NONE;

    if (column == FIELD_NONE)
        return describe_error(describe, err, "key", "write key: COLUMN",
                              "the input is not keyed by one column");
    schema = changes_schema(describe_arena(describe), &in->fields[column]);
    if (!schema)
        return describe_error(describe, err, "key", "rename it before, in `clean`",
                              "the key \"%s\" is also a column of `changes`", key->items[0]);
    describe_output(describe, CHANGES, schema);
    return true;
}

static bool stage_describe(struct describe *describe, struct error *err)
{
    const struct stage_config *config = describe_config(describe);

    if (!describe_changes(describe, err))
        return false;
    if (config->lost_ms <= config->lapsing_ms)
        return describe_error(describe, err, "lost", "raise it, or lower `lapsing`",
                              "a user would be lost before he is lapsing");
    return widen_describe(describe, OUT, added_schema(describe_arena(describe)), err);
}

struct stage_scratch {
    struct arena *arena;
    struct builder *added;
};

static bool stage_open(struct op *op, struct error *err)
{
    struct stage_scratch *scratch = op_memory(op, sizeof(*scratch));

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    scratch->arena = arena_create(1024);
    scratch->added = builder_create(added_schema(scratch->arena), false);
    return true;
}

static void stage_close(struct op *op)
{
    struct stage_scratch *scratch = op_scratch(op);

    if (!scratch)
        return;
    builder_close(scratch->added);
    arena_close(scratch->arena);
}

/* ---- stages ---- */

static enum stage stage_at(const struct stage_config *config, const struct stage_cell *cell,
                           int64_t time_ms)
{
    if (time_ms - cell->last_ms >= config->lost_ms)
        return STAGE_LOST;
    if (time_ms - cell->last_ms >= config->lapsing_ms)
        return STAGE_LAPSING;
    return time_ms - cell->first_ms < config->new_ms ? STAGE_NEW : STAGE_ACTIVE;
}

/* When the stage changes next if nothing happens, or INT64_MAX. */
static int64_t next_change(const struct stage_config *config, const struct stage_cell *cell)
{
    int64_t lapsing_ms = cell->last_ms + config->lapsing_ms;
    int64_t active_ms = cell->first_ms + config->new_ms;

    switch ((enum stage)cell->stage) {
    case STAGE_NEW:
        return active_ms < lapsing_ms ? active_ms : lapsing_ms;
    case STAGE_ACTIVE:
        return lapsing_ms;
    case STAGE_LAPSING:
        return cell->last_ms + config->lost_ms;
    case STAGE_NONE:
    case STAGE_LOST:
        break;
    }
    return INT64_MAX;
}

static void change(struct stage_cell *cell, enum stage to, int64_t time_ms, const struct key *key,
                   struct builder *out)
{
    const char *from = stage_names[cell->stage];

    builder_row(out, time_ms, 0, key->hash);
    builder_key(out, CHANGE_KEY, key);
    if (cell->stage != STAGE_NONE)
        builder_text(out, FROM, from, strlen(from));
    builder_text(out, TO, stage_names[to], strlen(stage_names[to]));
    if (cell->stage != STAGE_NONE)
        builder_i64(out, SILENCE_MS, time_ms - cell->last_ms);
    builder_i64(out, EVENTS, cell->events);
    cell->stage = to;
    cell->since_ms = time_ms;
}

/* Changes that came about up to `time_ms`, without an event. */
static void catch_up(const struct stage_config *config, struct stage_cell *cell, int64_t time_ms,
                     const struct key *key, struct builder *out)
{
    int64_t next_ms;

    while ((next_ms = next_change(config, cell)) <= time_ms)
        change(cell, stage_at(config, cell, next_ms), next_ms, key, out);
}

static void tell(struct builder *added, const struct stage_cell *cell, int64_t time_ms)
{
    const char *name = stage_names[cell->stage];

    if (cell->stage == STAGE_NONE)
        return;
    builder_text(added, STAGE, name, strlen(name));
    builder_i64(added, STAGE_MS, time_ms - cell->since_ms);
    builder_i64(added, AGE_MS, time_ms - cell->first_ms);
}

/* ---- rows ---- */

static bool stage_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct stage_config *config = op_config(op);
    struct stage_scratch *scratch = op_scratch(op);
    struct builder *out = op_reserve(op, CHANGES, batch_rows(in));
    int64_t due[BATCH_ROWS_MAX];

    (void)port;
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        struct stage_cell *cell = op_cells(op, USERS)[row], after;
        struct key key = key_of(in, row);
        int64_t time_ms = batch_time(in)[row];
        enum stage to;
        catch_up(config, cell, time_ms, &key, out);
        builder_row_from(scratch->added, in, row);
        tell(scratch->added, cell, time_ms);
        after = *cell;
        after.first_ms = cell->stage == STAGE_NONE ? time_ms : cell->first_ms;
        after.last_ms = time_ms;
        to = stage_at(config, &after, time_ms);
        cell->events++;
        if (to != (enum stage)cell->stage)
            change(cell, to, time_ms, &key, out);
        cell->first_ms = after.first_ms;
        cell->last_ms = time_ms;
        due[row] = next_change(config, cell);
    }
    widen_emit(op, OUT, in, scratch->added);
    return op_set_timers(op, due, err); /* of a key's timers the last one set stands */
}

static bool stage_on_timer(struct op *op, const struct due *due, struct error *err)
{
    const struct stage_config *config = op_config(op);
    struct builder *out = op_reserve(op, CHANGES, due_rows(due));
    int64_t next[BATCH_ROWS_MAX];

    CHECK(due_rows(due) <= BATCH_ROWS_MAX);
    for (uint32_t row = 0; row < due_rows(due); row++) {
        struct stage_cell *cell = op_cells(op, USERS)[row];
        catch_up(config, cell, due_time(due)[row], due_key(due, row), out);
        next[row] = next_change(config, cell);
    }
    return op_set_timers(op, next, err);
}

const struct operator_def feature_stage = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "feature/stage",
    .help = "Tells a user's stage of life (new, active, lapsing, lost), and when it changes.",
    .config_size = sizeof(struct stage_config),
    .options = stage_options,
    .inputs = stage_in,
    .outputs = stage_out,
    .states = stage_states,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = stage_describe,
    .open = stage_open,
    .process = stage_process,
    .on_timer = stage_on_timer,
    .close = stage_close,
};
OPERATOR_REGISTER(feature_stage);
