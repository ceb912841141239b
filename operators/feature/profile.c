/* feature/profile: what each user met, in order.
 * In: events keyed by user. Out: `out`, each event with the user's latest items before it, newest
 * first, and, where items have classes, the user's decayed weight of each class; `pairs`, keyed by
 * item, for feature/covisitation: for each of the latest `pairs` items before an event, at distance
 * b (0 is the newest), two rows
 *     item     other    distance  forward
 *     earlier  present  b         true
 *     present  earlier  b         false
 * and one row of the event itself, with other 0 and distance -1. Items are named by key_ids.
 *
 * What a row carries is what was known before it: it can be scored first and learned after. A
 * user's items beyond `keep` are forgotten, the oldest first. Events without an item are passed on
 * and not learned. */
#include "operators/model/likings.h"
#include "operators/model/widen.h"
#include "runtime/batch/expr.h"

#include <math.h>
#include <string.h>

#define RECENT_MAX 200
#define KEEP_MAX 3000 /* items; a cell is at most a quarter larger */

struct profile_config {
    const char *item, *when, *classes, *separator;
    int64_t recent, pairs, keep, half_life_ms;
};

struct met {
    uint64_t item;
    int64_t time_ms;
};

struct history { /* oldest first */
    uint64_t count;
    struct met items[];
};

static_assert(sizeof(struct history) + (KEEP_MAX + KEEP_MAX / 4) * sizeof(struct met) <=
                  CELL_SIZE_MAX,
              "a history fits a cell");
static const struct option profile_options[] = {
    {.name = "item",
     .type = OPT_FIELD,
     FIELD(struct profile_config, item),
     .def.text = "item",
     .help = "The column that names what the user met."},
    {.name = "when",
     .type = OPT_EXPRESSION,
     FIELD(struct profile_config, when),
     .help = "Which events are learned, such as rating >= 4; by default all."},
    {.name = "recent",
     .type = OPT_I64,
     FIELD(struct profile_config, recent),
     .def.i64 = 20,
     .min.i64 = 1,
     .max.i64 = RECENT_MAX,
     .help = "Latest items that each row carries."},
    {.name = "pairs",
     .type = OPT_I64,
     FIELD(struct profile_config, pairs),
     .def.i64 = 20,
     .min.i64 = 1,
     .max.i64 = RECENT_MAX,
     .help = "Earlier items that an event is paired with."},
    {.name = "keep",
     .type = OPT_I64,
     FIELD(struct profile_config, keep),
     .def.i64 = 1000,
     .min.i64 = 1,
     .max.i64 = KEEP_MAX,
     .help = "Items that are kept of a user, at least; the oldest go first."},
    {.name = "classes",
     .type = OPT_FIELD,
     FIELD(struct profile_config, classes),
     .help = "A text column with the item's class, such as its genre: rows then carry the user's "
             "preferences."},
    {.name = "separator",
     .type = OPT_TEXT,
     FIELD(struct profile_config, separator),
     .def.text = "|",
     .help = "Stands between several classes of one item; the first character counts."},
    {.name = "half-life",
     .type = OPT_DURATION,
     FIELD(struct profile_config, half_life_ms),
     .def.i64 = 30 * DAY_MS,
     .min.i64 = MINUTE_MS,
     .max.i64 = 3660 * DAY_MS,
     .help = "Time after which a preference has half of its weight."},
    {0},
};
static const struct state_field history_fields[] = {
    {"count", TYPE_I64, FIELD(struct history, count)},
    {0},
};
static const struct state_field likings_fields[] = {
    {"count", TYPE_I64, FIELD(struct likings, count)},
    {0},
};
static const struct state profile_states[] = {
    {"history", STATE_LIST, history_fields, sizeof(struct history)},
    {"preferences", STATE_LIST, likings_fields, sizeof(struct likings)},
    {0},
};
static const struct port profile_in[] = {
    {"in", .keyed = true, .help = "Events, keyed by user."},
    {0},
};
static const struct column_def profile_pair[] = {
    {"item", TYPE_I64}, {"other", TYPE_I64}, {"distance", TYPE_I32}, {"forward", TYPE_BOOL}, {0}};
static const struct port profile_out[] = {
    {"out", .keyed = true, .help = "The event with the user's history before it."},
    {"pairs", profile_pair, .help = "The item with each of the user's earlier items."},
    {0},
};
enum { HISTORY, PREFERENCES };           /* states */
enum { IN = 0, OUT = 0, PAIRS = 1 };     /* ports */
enum { ITEM, OTHER, DISTANCE, FORWARD }; /* columns of pairs */
enum { MET_ITEM, MET_TIME };             /* of a history entry */
enum { LIKING_CLASS, LIKING_WEIGHT };    /* of a preference */

/* ---- planning ---- */

static const struct schema *added_schema(struct arena *arena, bool classes)
{
    struct schema *schema = schema_create(arena), *met = schema_create(arena);
    struct schema *liking = schema_create(arena);
    struct field history = {.name = "history", .type = TYPE_LIST, .child = met};
    struct field preferences = {.name = "preferences", .type = TYPE_LIST, .child = liking};

    CHECK(schema_add_column(met, arena, "item", TYPE_I64));
    CHECK(schema_add_column(met, arena, "time", TYPE_TIMESTAMP));
    CHECK(schema_add_column(liking, arena, "class", TYPE_UTF8));
    CHECK(schema_add_column(liking, arena, "weight", TYPE_F64));
    CHECK(schema_add(schema, arena, &history));
    if (classes)
        CHECK(schema_add(schema, arena, &preferences));
    return schema;
}

static bool check_types(struct describe *describe, struct error *err)
{
    const struct profile_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, IN);
    const struct field *item = &in->fields[schema_find(in, config->item)];
    const struct field *classes;

    if (!key_type(item->type))
        return describe_error(describe, err, "item", "name a text or integer column",
                              "column \"%s\" is %s, which cannot name items", item->name,
                              type_name(item->type));
    if (!config->classes)
        return true;
    classes = &in->fields[schema_find(in, config->classes)];
    if (classes->type != TYPE_UTF8)
        return describe_error(describe, err, "classes", "name a text column",
                              "column \"%s\" is %s, not utf8", classes->name,
                              type_name(classes->type));
    if (!config->separator[0])
        return describe_error(describe, err, "separator", "give a character such as |",
                              "the separator is empty");
    return true;
}

static bool profile_describe(struct describe *describe, struct error *err)
{
    const struct profile_config *config = describe_config(describe);
    const struct schema *added = added_schema(describe_arena(describe), config->classes != NULL);
    struct text_list item = {1, (const char *[]){"item"}};

    if (!check_types(describe, err) || !widen_check_when(describe, "when", config->when, err) ||
        !widen_describe(describe, OUT, added, err))
        return false;
    describe_output_key(describe, PAIRS, &item);
    return true;
}

/* ---- an instance ---- */

struct profile_scratch {
    struct arena *arena;
    struct builder *added; /* the new columns of `out`; the others are shared */
    struct expr *when;
    uint32_t item, classes; /* columns */
    bool pairs;             /* anyone reads them */
    uint64_t ids[BATCH_ROWS_MAX];
    uint32_t learned[BATCH_ROWS_MAX];
};

static bool profile_open(struct op *op, struct error *err)
{
    const struct profile_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, IN);
    struct profile_scratch *scratch = op_memory(op, sizeof(*scratch));

    op_set_scratch(op, scratch);
    scratch->arena = arena_create(4096);
    scratch->added = builder_create(added_schema(scratch->arena, config->classes != NULL), false);
    scratch->item = schema_find(in, config->item);
    scratch->classes = config->classes ? schema_find(in, config->classes) : FIELD_NONE;
    scratch->pairs = op_output_used(op, PAIRS);
    if (config->when)
        scratch->when = expr_compile(config->when, in, err);
    return !config->when || scratch->when;
}

static void profile_close(struct op *op)
{
    struct profile_scratch *scratch = op_scratch(op);

    if (!scratch)
        return;
    expr_close(scratch->when);
    builder_close(scratch->added);
    arena_close(scratch->arena);
}

/* ---- what a row carries ---- */

static void put_history(struct builder *added, const struct history *history, int64_t recent)
{
    struct builder *list = builder_list(added, 0);

    for (uint64_t i = history->count; i > 0 && history->count - i < (uint64_t)recent; i--) {
        builder_child_row(list);
        builder_i64(list, MET_ITEM, (int64_t)history->items[i - 1].item);
        builder_i64(list, MET_TIME, history->items[i - 1].time_ms);
    }
    builder_list_end(added, 0);
}

static void put_likings(struct builder *added, const struct likings *likings, int64_t time_ms,
                        int64_t half_life_ms)
{
    struct builder *list = builder_list(added, 1);

    for (uint64_t i = 0; i < likings->count; i++) {
        const struct liking *liking = &likings->items[i];
        builder_child_row(list);
        builder_text(list, LIKING_CLASS, liking->name, strnlen(liking->name, LIKING_SIZE));
        builder_f64(list, LIKING_WEIGHT, liking_faded(liking, time_ms, half_life_ms));
    }
    builder_list_end(added, 1);
}

static void put_pair(struct builder *out, const struct batch *in, uint32_t row, uint64_t item,
                     uint64_t other, int32_t distance, bool forward)
{
    builder_row_from(out, in, row);
    builder_i64(out, ITEM, (int64_t)item);
    builder_i64(out, OTHER, (int64_t)other);
    builder_i32(out, DISTANCE, distance);
    builder_bool(out, FORWARD, forward);
}

/* An item is no neighbour of itself. */
static void put_pairs(struct op *op, const struct batch *in, uint32_t row, uint64_t item,
                      const struct history *history)
{
    const struct profile_config *config = op_config(op);
    uint64_t count =
        history->count < (uint64_t)config->pairs ? history->count : (uint64_t)config->pairs;
    struct builder *out = op_reserve(op, PAIRS, (uint32_t)(2 * count + 1));

    for (uint64_t distance = 0; distance < count; distance++) {
        uint64_t other = history->items[history->count - 1 - distance].item;
        if (other == item)
            continue;
        put_pair(out, in, row, other, item, (int32_t)distance, true);
        put_pair(out, in, row, item, other, (int32_t)distance, false);
    }
    put_pair(out, in, row, item, 0, -1, false);
}

/* ---- what is learned ---- */

/* Room for one more of `size` bytes behind a header: grows by half up to `most`. */
static void *room(struct op *op, uint32_t state, uint32_t row, uint64_t count, size_t header,
                  size_t size, uint64_t most)
{
    uint64_t have = (op_cell_size(op, state, row) - header) / size;
    void *cell;

    if (count < have)
        return op_cells(op, state)[row];
    have = have + have / 2 + 2 < most ? have + have / 2 + 2 : most;
    CHECK(have > count);
    cell = op_cell_resize(op, state, row, (uint32_t)(header + have * size));
    CHECK(cell); /* the limits above see to it */
    return cell;
}

static void learn_item(struct op *op, uint32_t row, uint64_t item, int64_t time_ms)
{
    const struct profile_config *config = op_config(op);
    struct history *history = op_cells(op, HISTORY)[row];
    uint64_t keep = (uint64_t)config->keep, most = keep + keep / 4 + 1;

    if (history->count >= most) { /* many at once: each is moved only a few times in its life */
        memmove(history->items, history->items + history->count - keep,
                keep * sizeof(history->items[0]));
        history->count = keep;
    }
    history =
        room(op, HISTORY, row, history->count, sizeof(*history), sizeof(history->items[0]), most);
    history->items[history->count++] = (struct met){item, time_ms};
}

static void learn_classes(struct op *op, const struct column *column, uint32_t row, int64_t time_ms)
{
    const struct profile_config *config = op_config(op);
    uint32_t size;
    const char *text, *end, *part;
    size_t part_size;

    if (!column_valid(column, row))
        return;
    text = column_text(column, row, &size);
    end = text + size;
    while (likings_part(&text, end, config->separator[0], &part, &part_size))
        likings_learn(op, PREFERENCES, row, part, part_size, 1, time_ms, config->half_life_ms);
}

static void profile_learn(struct op *op, const struct batch *in, uint32_t row)
{
    const struct profile_scratch *scratch = op_scratch(op);
    int64_t time_ms = batch_time(in)[row];

    if (scratch->pairs)
        put_pairs(op, in, row, scratch->ids[row], op_cells(op, HISTORY)[row]);
    learn_item(op, row, scratch->ids[row], time_ms);
    if (scratch->classes != FIELD_NONE)
        learn_classes(op, batch_column(in, scratch->classes), row, time_ms);
}

/* ---- rows ---- */

static bool profile_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct profile_config *config = op_config(op);
    struct profile_scratch *scratch = op_scratch(op);
    const struct column *item = batch_column(in, scratch->item);
    uint32_t rows = batch_rows(in), next = 0, learned;

    (void)port;
    (void)err; /* cannot fail */
    CHECK(rows > 0 && rows <= BATCH_ROWS_MAX);
    key_ids(item, rows, scratch->ids);
    learned = widen_choose(scratch->when, in, scratch->learned);
    for (uint32_t row = 0; row < rows; row++) {
        builder_row_from(scratch->added, in, row);
        put_history(scratch->added, op_cells(op, HISTORY)[row], config->recent);
        if (config->classes)
            put_likings(scratch->added, op_cells(op, PREFERENCES)[row], batch_time(in)[row],
                        config->half_life_ms);
        if (next == learned || scratch->learned[next] != row)
            continue;
        next++;
        if (column_valid(item, row))
            profile_learn(op, in, row);
    }
    widen_emit(op, OUT, in, scratch->added);
    return true;
}

const struct operator_def feature_profile = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "feature/profile",
    .help = "Keeps what each user met, in order; tells it with each event, and in pairs.",
    .config_size = sizeof(struct profile_config),
    .options = profile_options,
    .inputs = profile_in,
    .outputs = profile_out,
    .states = profile_states,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = profile_describe,
    .open = profile_open,
    .process = profile_process,
    .close = profile_close,
};
OPERATOR_REGISTER(feature_profile);
