/* window-aggregate: count, sum, mean, min, max and distinct of each key in tumbling or sliding
 * windows of event time, or in sessions.
 * In: any keyed port. Out: the key's columns, window_start, window_end (ms, UTC; end exclusive),
 * one column an aggregate; one row a key and window with rows, event time = window_end - 1; of a session
 * window_end, since a row at just that time still joins it.
 *
 * Method: panes (Li et al. 2005, SIGMOD Record 34:1): a row touches the cell of one pane, as wide
 * as the window's step; a window's result is the merge of its panes' cells. Every aggregate merges
 * in any order (sums in fixed point, see sum.h), so the result depends on neither the order of rows
 * nor the parallelism. Windows end at multiples of the step since 1970 UTC. Sessions (sessions.h) are
 * kept in a list cell of the key; its timer is due when the first of them ends. */
#include "operators/model/windows.h"
#include "operators/window-aggregate/aggregate.h"
#include "operators/window-aggregate/sessions.h"
#include "runtime/api/operator.h"

#include <string.h>

#define AGGREGATES_MAX 32u
#define WINDOW_PANES_MAX 1440 /* a window of one day every minute */

struct window_config {
    struct window window;
    struct option_map aggregate;
};

static const struct option window_options[] = {
    {.name = "window",
     .type = OPT_WINDOW,
     FIELD(struct window_config, window),
     .required = true,
     .sessions = true,
     .help =
         "{tumbling: 1h}, or {sliding: 1h, every: 5m} for the last hour, told every 5 minutes, or "
         "{session: 30m}: rows of a key up to 30 minutes apart, told when a session is over."},
    {.name = "aggregate",
     .type = OPT_MAP,
     FIELD(struct window_config, aggregate),
     .required = true,
     .help =
         "Names and functions, as in {events: count(), spent: sum(amount)}. Functions: "
         "count() of rows, count(x) of values that are not null, sum and mean (each value "
         "to the nearest 2^-40, so that any order gives the same), min, max, and distinct: exact "
         "up to 64, then within about 5 %."},
    {0},
};

static void window_merge(const void *data, void *into, const void *from)
{
    const struct window_config *config = data;
    size_t offset = 0;

    for (uint32_t i = 0; i < config->aggregate.count; i++) {
        enum function function = aggregate_function(config->aggregate.entries[i].text);
        aggregate_merge(function, (uint8_t *)into + offset, (const uint8_t *)from + offset);
        offset += aggregate_slot_size(function);
    }
}

static const struct state window_states[] = {
    {"panes", STATE_PANE, .merge = window_merge},
    {"sessions", STATE_LIST},
    {0},
};
static const struct state_field session_fields[] = {
    {"due", TYPE_TIMESTAMP, FIELD(struct sessions, due_ms)},
    {"count", TYPE_I32, FIELD(struct sessions, count)},
    {"layout", TYPE_I32, FIELD(struct sessions, layout)},
    {0},
};
static const struct port window_in[] = {
    {"in", .keyed = true, .help = "Rows in any order."},
    {0},
};
static const struct port window_out[] = {
    {"out", .keyed = true, .help = "One row a key and window."},
    {0},
};
static const char *const window_counters[] = {"refused", NULL};
enum { PANES = 0, SESSIONS = 1, IN = 0, OUT = 0, REFUSED = 0 };

/* ---- planning ---- */

/* Where an aggregate stands in the job file. */
static const char *option_of(struct describe *describe, uint32_t i)
{
    const struct window_config *config = describe_config(describe);

    return arena_format(describe_arena(describe), "aggregate.%s",
                        config->aggregate.entries[i].name);
}

static bool parse_all(struct describe *describe, struct aggregate *aggregates, struct error *err)
{
    const struct window_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, IN);
    uint32_t offset = 0;
    bool good = true;

    for (uint32_t i = 0; i < config->aggregate.count; i++) {
        const struct option_entry *entry = &config->aggregate.entries[i];
        struct error told = {0};

        if (!aggregate_parse(entry->text ? entry->text : "{}", in, &aggregates[i], &told))
            good = describe_error(describe, err, option_of(describe, i), told.how, "%s", told.what);
        aggregates[i].offset = offset;
        offset += aggregate_slot_size(aggregates[i].function);
    }
    return good;
}

static bool add_column(struct describe *describe, struct schema *schema, const char *option,
                       const char *name, enum type type, struct error *err)
{
    if (schema_add_column(schema, describe_arena(describe), name, type))
        return true;
    return describe_error(describe, err, option, "choose another name",
                          "there is already a column \"%s\" in the output", name);
}

static bool make_schema(struct describe *describe, const struct aggregate *aggregates,
                        struct error *err)
{
    const struct window_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, IN);
    const struct text_list *key = describe_key(describe, IN);
    struct schema *schema = schema_create(describe_arena(describe));
    bool good = true;

    for (uint32_t i = 0; i < key->count; i++) {
        uint32_t column = schema_find(in, key->items[i]);
        if (column != FIELD_NONE) /* otherwise the planner says so */
            good &= schema_add(schema, describe_arena(describe), &in->fields[column]);
    }
    good = add_column(describe, schema, "aggregate", "window_start", TYPE_TIMESTAMP, err) && good;
    good = add_column(describe, schema, "aggregate", "window_end", TYPE_TIMESTAMP, err) && good;
    for (uint32_t i = 0; i < config->aggregate.count; i++)
        good =
            add_column(describe, schema, option_of(describe, i), config->aggregate.entries[i].name,
                       aggregate_result_type(&aggregates[i]), err) &&
            good;
    describe_output(describe, OUT, schema);
    return good;
}

static uint32_t session_size(uint32_t slots)
{
    return ((uint32_t)sizeof(struct session) + slots + 7) & ~7u;
}

static void make_state(struct describe *describe, const struct aggregate *aggregates)
{
    const struct window_config *config = describe_config(describe);
    uint32_t count = config->aggregate.count, size = 0;
    struct state_field *fields =
        arena_new(describe_arena(describe), (count + 1ul) * sizeof(*fields));

    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = aggregate_slot_size(aggregates[i].function);
        fields[i] = (struct state_field){config->aggregate.entries[i].name, TYPE_UTF8,
                                         aggregates[i].offset, slot};
        size += slot;
    }
    if (config->window.gap_ms) { /* a new cell has room for one */
        describe_state(describe, SESSIONS, sizeof(struct sessions) + session_size(size),
                       session_fields);
        return;
    }
    describe_state(describe, PANES, size, fields);
    describe_pane(describe, PANES, config->window.every_ms);
    describe_versions(describe, config->window.every_ms, true);
}

static void tell_reads(struct describe *describe, const struct aggregate *aggregates)
{
    const struct window_config *config = describe_config(describe);
    const struct text_list *key = describe_key(describe, IN);

    for (uint32_t i = 0; i < config->aggregate.count; i++)
        if (aggregates[i].column != FIELD_NONE)
            describe_reads(describe, IN, aggregates[i].column);
    for (uint32_t i = 0; i < key->count; i++) {
        uint32_t column = schema_find(describe_input(describe, IN), key->items[i]);

        if (column != FIELD_NONE)
            describe_reads(describe, IN, column);
    }
}

static bool window_describe(struct describe *describe, struct error *err)
{
    const struct window_config *config = describe_config(describe);
    struct aggregate aggregates[AGGREGATES_MAX] = {0};

    if (!config->window.gap_ms &&
        config->window.size_ms / config->window.every_ms > WINDOW_PANES_MAX)
        return describe_error(describe, err, "window", "make `every` longer",
                              "a window has at most %d steps", WINDOW_PANES_MAX);
    if (config->aggregate.count > AGGREGATES_MAX)
        return describe_error(describe, err, "aggregate", "use two operators",
                              "there are %u aggregates, more than %u", config->aggregate.count,
                              AGGREGATES_MAX);
    if (!parse_all(describe, aggregates, err) || !make_schema(describe, aggregates, err))
        return false;
    make_state(describe, aggregates);
    tell_reads(describe, aggregates);
    return true;
}

/* ---- an instance ---- */

struct window_scratch {
    struct windows windows;
    struct session_kind sessions;
    uint32_t layout; /* of a session's slots */
    int64_t due[BATCH_ROWS_MAX];
    void *slots[BATCH_ROWS_MAX];
    uint32_t key_columns;
    uint32_t count;
    struct aggregate aggregates[AGGREGATES_MAX];
    uint64_t values[2 * BATCH_ROWS_MAX];
};

/* Of sessions in a cell: a former run may have had other aggregates. Never 0. */
static uint32_t slots_layout(const struct window_config *config)
{
    uint64_t hash = 1;

    for (uint32_t i = 0; i < config->aggregate.count; i++) {
        const char *text = config->aggregate.entries[i].text;

        hash = hash_seeded(text, strlen(text), hash);
    }
    return (uint32_t)hash | 1;
}

static bool window_open(struct op *op, struct error *err)
{
    const struct window_config *config = op_config(op);
    struct window_scratch *scratch = op_memory(op, sizeof(*scratch));
    uint32_t offset = 0;

    scratch->windows = (struct windows){config->window, op_watermark(op)};
    scratch->count = config->aggregate.count;
    scratch->key_columns = op_output_schema(op, OUT)->count - 2 - scratch->count;
    for (uint32_t i = 0; i < scratch->count; i++) {
        struct aggregate *aggregate = &scratch->aggregates[i];
        if (!aggregate_parse(config->aggregate.entries[i].text, op_input_schema(op, IN), aggregate,
                             err))
            return false;
        aggregate->offset = offset;
        offset += aggregate_slot_size(aggregate->function);
    }
    scratch->sessions =
        (struct session_kind){config->window.gap_ms, session_size(offset), window_merge, config};
    scratch->layout = slots_layout(config);
    op_set_scratch(op, scratch);
    return true;
}

static void add_all(struct op *op, const struct batch *in, void *const *cells)
{
    struct window_scratch *scratch = op_scratch(op);
    uint64_t refused = 0;

    for (uint32_t i = 0; i < scratch->count; i++) {
        const struct aggregate *aggregate = &scratch->aggregates[i];
        const struct column *column =
            aggregate->column == FIELD_NONE ? NULL : batch_column(in, aggregate->column);
        refused += aggregate_add(aggregate, column, cells, batch_rows(in), scratch->values);
    }
    if (refused)
        op_count(op, REFUSED, refused);
}

/* ---- sessions ---- */

static bool other_layout(struct error *err)
{
    return error_set(err, ERROR_CONFIG, "",
                     "start without this checkpoint, or with the aggregates of then",
                     "the checkpoint holds sessions of other aggregates");
}

/* Makes room for the session of a row. */
static bool session_room(struct op *op, uint32_t row, int64_t time_ms, struct error *err)
{
    const struct window_scratch *scratch = op_scratch(op);
    const struct sessions *sessions = op_cells(op, SESSIONS)[row];
    size_t want = sessions_size(&scratch->sessions, sessions->count + 1);

    if (sessions->layout != 0 && sessions->layout != scratch->layout)
        return other_layout(err);
    if (want <= op_cell_size(op, SESSIONS, row) ||
        !sessions_apart(&scratch->sessions, sessions, time_ms))
        return true;
    return op_cell_resize(op, SESSIONS, row, (uint32_t)want) ||
           error_set(err, ERROR_CONFIG, "",
                     "make `session` longer, the source's out-of-orderness shorter, or use fewer "
                     "aggregates",
                     "a key has %u open sessions, and no room for one more", sessions->count);
}

/* Sessions first, then values: a session may move when another one is made. */
static bool session_process(struct op *op, const struct batch *in, struct error *err)
{
    struct window_scratch *scratch = op_scratch(op);
    const struct session_kind *kind = &scratch->sessions;
    const int64_t *time = batch_time(in);

    for (uint32_t row = 0; row < batch_rows(in); row++) {
        struct sessions *sessions;
        int64_t due_ms;

        if (!session_room(op, row, time[row], err))
            return false;
        sessions = op_cells(op, SESSIONS)[row];
        sessions_add(kind, sessions, time[row]);
        due_ms = session_end(kind, sessions_at(kind, sessions, 0));
        scratch->due[row] = sessions->layout && sessions->due_ms == due_ms ? INT64_MIN : due_ms;
        sessions->due_ms = due_ms;
        sessions->layout = scratch->layout;
    }
    for (uint32_t row = 0; row < batch_rows(in); row++)
        scratch->slots[row] = sessions_find(kind, op_cells(op, SESSIONS)[row], time[row])->slots;
    add_all(op, in, scratch->slots);
    return op_set_timers(op, scratch->due, err);
}

static bool window_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct window_config *config = op_config(op);

    (void)port;
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    if (config->window.gap_ms)
        return session_process(op, in, err);
    add_all(op, in, op_cells(op, PANES));
    return true;
}

/* One column's part of a key of several columns (key.h), as a key of one column. Returns what is
 * left of the key. */
static struct key take_part(struct key key, struct key *part, uint8_t *text)
{
    uint32_t size = 0;

    CHECK(key.size >= 1);
    *part = (struct key){.data = key.data};
    switch (key.data[0]) {
    case KEY_TAG_NULL:
        part->size = 1;
        break;
    case KEY_TAG_BOOL:
        part->size = 2;
        break;
    case KEY_TAG_UTF8:
        CHECK(key.size >= 5);
        for (uint32_t i = 1; i < 5; i++)
            size = size << 8 | key.data[i];
        CHECK(size <= key.size - 5);
        text[0] = KEY_TAG_UTF8;
        memcpy(text + 1, key.data + 5, size);
        *part = (struct key){.data = text, .size = size + 1};
        size += 4;
        break;
    default:
        part->size = 9;
        break;
    }
    size = key.data[0] == KEY_TAG_UTF8 ? size + 1 : part->size;
    CHECK(size <= key.size);
    return (struct key){.data = key.data + size, .size = key.size - size};
}

static void put_key(struct builder *out, uint32_t columns, const struct key *key)
{
    uint8_t text[KEY_SIZE_MAX];
    struct key rest = *key, part;

    if (columns == 1)
        builder_key(out, 0, key);
    if (columns <= 1 || key->data[0] == KEY_TAG_CUT) /* too long to be kept: null */
        return;
    for (uint32_t i = 0; i < columns; i++) {
        rest = take_part(rest, &part, text);
        builder_key(out, i, &part);
    }
}

static void put_window(struct op *op, const struct key *key, int64_t time_ms, int64_t begin_ms,
                       int64_t end_ms, const void *cell)
{
    const struct window_scratch *scratch = op_scratch(op);
    struct builder *out = op_reserve(op, OUT, 1);
    uint32_t column = scratch->key_columns;

    builder_row(out, time_ms, 0, key->hash);
    put_key(out, scratch->key_columns, key);
    builder_i64(out, column++, begin_ms);
    builder_i64(out, column++, end_ms);
    for (uint32_t i = 0; i < scratch->count; i++)
        aggregate_put(&scratch->aggregates[i], cell, out, column++);
}

struct firing {
    int64_t begin_ms, end_ms;
};

static bool window_each(struct op *op, void *context, const struct key *key, const void *cell,
                        struct error *err)
{
    const struct firing *firing = context;

    (void)err; /* cannot fail */
    put_window(op, key, firing->end_ms - 1, firing->begin_ms, firing->end_ms, cell);
    return true;
}

static bool window_fire(struct op *op, void *context, int64_t begin_ms, int64_t end_ms, bool *more,
                        struct error *err)
{
    struct firing firing = {begin_ms, end_ms};

    (void)context;
    return op_pane_scan(op, PANES, begin_ms, end_ms, window_each, &firing, more, err);
}

static bool window_on_watermark(struct op *op, int64_t time_ms, struct error *err)
{
    const struct window_config *config = op_config(op);
    struct window_scratch *scratch = op_scratch(op);

    return config->window.gap_ms ||
           windows_advance(op, PANES, &scratch->windows, time_ms, window_fire, NULL, err);
}

/* Tells of the sessions that are over; returns how many there are. */
static uint32_t put_sessions(struct op *op, const struct key *key, const struct sessions *sessions,
                             int64_t now_ms)
{
    const struct window_scratch *scratch = op_scratch(op);
    uint32_t over = 0;

    for (; over < sessions->count; over++) {
        const struct session *session = sessions_at(&scratch->sessions, sessions, over);
        int64_t end_ms = session_end(&scratch->sessions, session);

        if (end_ms > now_ms)
            break;
        put_window(op, key, end_ms, session->begin_ms, end_ms, session->slots);
    }
    return over;
}

static bool window_on_timer(struct op *op, const struct due *due, struct error *err)
{
    struct window_scratch *scratch = op_scratch(op);

    for (uint32_t row = 0; row < due_rows(due); row++) {
        struct sessions *sessions = op_cells(op, SESSIONS)[row];

        if (sessions->layout != 0 && sessions->layout != scratch->layout)
            return other_layout(err);
        sessions_drop(&scratch->sessions, sessions,
                      put_sessions(op, due_key(due, row), sessions, due_time(due)[row]));
        scratch->due[row] = INT64_MIN;
        if (sessions->count == 0) {
            op_cell_remove(op, SESSIONS, row);
            continue;
        }
        sessions->due_ms =
            session_end(&scratch->sessions, sessions_at(&scratch->sessions, sessions, 0));
        scratch->due[row] = sessions->due_ms;
    }
    return op_set_timers(op, scratch->due, err);
}

const struct operator_def window_aggregate = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "window-aggregate",
    .help = "Counts, sums, means, extremes and distinct values of each key in windows of time or "
            "sessions.",
    .config_size = sizeof(struct window_config),
    .options = window_options,
    .inputs = window_in,
    .outputs = window_out,
    .states = window_states,
    .counters = window_counters,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = window_describe,
    .open = window_open,
    .process = window_process,
    .on_watermark = window_on_watermark,
    .on_timer = window_on_timer,
};
OPERATOR_REGISTER(window_aggregate);
