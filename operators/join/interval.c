/* join/interval: rows of one stream with those of another that have the same key and lie within a
 * span of event time around them, such as impressions with their clicks (Flink's interval join).
 * In: left and right, keyed alike. Out: `out`, a row for each left row and match, left's columns, then
 * right's; its event time is left's + max(upper, 0), when the last match can have come. `rejected`:
 * rows for which their key's cell had no room.
 *
 * Method: a list cell a key holds packed rows of both sides (packed.h), in order of arrival. The key's
 * one timer is due at the earliest need: a left row leaves when its matches are complete, a right row
 * once no left row can ask for it. A key whose cell is empty leaves nothing behind.
 *
 * Arrival does not matter: when a left row is due, the watermark says that all of its matches are
 * there, and they are told in order of (event time, order, content). Only a cell that is full
 * depends on what has left it by then: rows that are rejected may differ from run to run. */
#include "operators/join/packed.h"
#include "runtime/api/operator.h"
#include "runtime/batch/encode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPAN_MAX (366 * DAY_MS)
#define RECORDS_MAX (CELL_SIZE_MAX / sizeof(struct packed))
#define ROOM_MAX 1024u /* bytes that a new cell has for its first row, at most */
#define TURNS_MAX 64u  /* places that a due key is moved by */
#define ROOM_TEXT 16u  /* of them, for each text */
#define NAMED_MAX (2 * NAME_SIZE_MAX)

enum join_type { JOIN_LEFT, JOIN_INNER };
enum join_match { MATCH_FIRST, MATCH_ALL };
enum { LEFT, RIGHT, SIDES };                           /* inputs */
enum { OUT, REJECTED };                                /* outputs */
enum { MATCHED, UNMATCHED };                           /* counters */
enum { ROWS };                                         /* states */
enum { RAW, FILE_NAME, OFFSET, REJECT_FIELD, REASON }; /* columns of rejected */

struct interval_config {
    int64_t lower_ms, upper_ms;
    int32_t type, match;
    const char *prefix, *matched;
};

struct interval_cell {
    int64_t due_ms;  /* the key's timer */
    uint32_t used;   /* bytes of rows */
    uint32_t layout; /* of the rows; 0: a new cell */
    uint8_t rows[];  /* struct packed, each a multiple of 8 bytes */
};

static const char *const type_names[] = {"left", "inner", NULL};
static const char *const match_names[] = {"first", "all", NULL};
static const char *const side_names[] = {"left", "right"};

static const struct option interval_options[] = {
    {.name = "lower",
     .type = OPT_DURATION,
     FIELD(struct interval_config, lower_ms),
     .min.i64 = -SPAN_MAX,
     .max.i64 = SPAN_MAX,
     .help = "A right row matches from left's event time + lower on; negative: also rows before."},
    {.name = "upper",
     .type = OPT_DURATION,
     FIELD(struct interval_config, upper_ms),
     .min.i64 = -SPAN_MAX,
     .max.i64 = SPAN_MAX,
     .required = true,
     .help =
         "And up to left's event time + upper, which belongs to it, such as 30m. The output comes "
         "that much later than left."},
    {.name = "type",
     .type = OPT_ENUM,
     FIELD(struct interval_config, type),
     .choices = type_names,
     .help = "left: left rows without a match come too, right's columns null. inner: they are "
             "dropped."},
    {.name = "match",
     .type = OPT_ENUM,
     FIELD(struct interval_config, match),
     .choices = match_names,
     .help = "first: one row a left row, with the earliest match. all: one for each match."},
    {.name = "prefix",
     .type = OPT_TEXT,
     FIELD(struct interval_config, prefix),
     .def.text = "right_",
     .help = "Put before the names of right's columns that left has too. Right's key is left out."},
    {.name = "matched",
     .type = OPT_TEXT,
     FIELD(struct interval_config, matched),
     .help = "Name of a bool column that tells whether there was a match, such as clicked."},
    {0},
};
static const struct state_field interval_fields[] = {
    {"due", TYPE_TIMESTAMP, FIELD(struct interval_cell, due_ms)},
    {"used", TYPE_I32, FIELD(struct interval_cell, used)},
    {"layout", TYPE_I32, FIELD(struct interval_cell, layout)},
    {0},
};
static const struct state interval_states[] = {
    {"rows", STATE_LIST, interval_fields, 0}, /* with room for a left row */
    {0},
};
static const struct column_def interval_rejected[] = {
    {"raw", TYPE_UTF8},   {"file", TYPE_UTF8},   {"offset", TYPE_I64},
    {"field", TYPE_UTF8}, {"reason", TYPE_UTF8}, {0},
};
static const struct port interval_in[] = {
    {"left", .keyed = true,
     .help = "Rows that are told of, such as impressions. In the key, nulls are alike."},
    {"right", .keyed = true, .help = "What may have followed (or gone before), such as clicks."},
    {0},
};
static const struct port interval_out[] = {
    {"out", .keyed = true, .help = "Left rows with their matches."},
    {"rejected", .columns = interval_rejected,
     .help =
         "Rows beyond the 64 KiB that are kept of a key: as JSON, their split (as file), offset, "
         "side (as field), and why."},
    {0},
};
static const char *const interval_counters[] = {"matched", "unmatched", NULL};

/* ---- planning ---- */

static bool is_in(const struct text_list *list, const char *name)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], name) == 0)
            return true;
    return false;
}

/* What a right column is called in the output; false: too long. */
static bool right_name(const struct interval_config *config, const struct schema *left,
                       const char *name, char text[NAMED_MAX])
{
    bool clash = schema_find(left, name) != FIELD_NONE;
    int size = snprintf(text, NAMED_MAX, "%s%s", clash ? config->prefix : "", name);

    return size < (int)NAME_SIZE_MAX;
}

static bool check_keys(struct describe *describe, struct error *err)
{
    const struct text_list *left = describe_key(describe, LEFT);
    const struct text_list *right = describe_key(describe, RIGHT);

    if (left->count != right->count)
        return describe_error(describe, err, "key", "name the columns of both, as key: [a, b]",
                              "left has a key of %u columns and right one of %u", left->count,
                              right->count);
    for (uint32_t i = 0; i < left->count; i++) {
        const struct schema *a = describe_input(describe, LEFT);
        const struct schema *b = describe_input(describe, RIGHT);
        uint32_t x = schema_find(a, left->items[i]), y = schema_find(b, right->items[i]);

        if (x == FIELD_NONE || y == FIELD_NONE) /* the planner says so */
            continue;
        if ((a->fields[x].type == TYPE_UTF8) != (b->fields[y].type == TYPE_UTF8) ||
            (a->fields[x].type == TYPE_BOOL) != (b->fields[y].type == TYPE_BOOL) ||
            (a->fields[x].type == TYPE_TIMESTAMP) != (b->fields[y].type == TYPE_TIMESTAMP))
            return describe_error(describe, err, "key", "cast one of them before, in `clean`",
                                  "left's \"%s\" is %s and right's \"%s\" is %s, which are never "
                                  "equal",
                                  left->items[i], type_name(a->fields[x].type), right->items[i],
                                  type_name(b->fields[y].type));
    }
    return true;
}

/* Adds a right column. Names that both sides have stay on both, whoever reads them: else a column
 * would lose its prefix with its namesake. */
static bool add_right(struct describe *describe, struct schema *schema, uint32_t column,
                      struct error *err)
{
    const struct interval_config *config = describe_config(describe);
    const struct schema *left = describe_input(describe, LEFT);
    struct field field = describe_input(describe, RIGHT)->fields[column];
    uint32_t clash = schema_find(left, field.name);
    bool key = is_in(describe_key(describe, RIGHT), field.name) &&
               is_in(describe_key(describe, LEFT), field.name);
    char name[NAMED_MAX];

    if (!right_name(config, left, field.name, name))
        return describe_error(describe, err, "prefix", "choose a shorter one",
                              "\"%s\" would be too long a name", name);
    if (clash != FIELD_NONE) {
        describe_reads(describe, LEFT, clash);
        describe_reads(describe, RIGHT, column);
    }
    if (schema_find(schema, name) != FIELD_NONE ||
        (key && schema_find(describe_input(describe, RIGHT), name) != FIELD_NONE))
        return describe_error(describe, err, "prefix", "choose another one",
                              "there is already a column \"%s\"", name);
    if (key)
        return true;
    (void)snprintf(field.name, sizeof(field.name), "%.*s", (int)NAME_SIZE_MAX - 1, name);
    return schema_add(schema, describe_arena(describe), &field) ||
           describe_error(describe, err, "", "leave some out before, in `clean`",
                          "left and right have more than %u columns together", COLUMNS_MAX);
}

static bool make_schema(struct describe *describe, struct error *err)
{
    const struct interval_config *config = describe_config(describe);
    const struct schema *left = describe_input(describe, LEFT);
    const struct schema *right = describe_input(describe, RIGHT);
    struct schema *schema = schema_create(describe_arena(describe));

    for (uint32_t i = 0; i < left->count; i++)
        CHECK(schema_add(schema, describe_arena(describe), &left->fields[i]));
    for (uint32_t i = 0; i < right->count; i++)
        if (!add_right(describe, schema, i, err))
            return false;
    if (config->matched &&
        !schema_add_column(schema, describe_arena(describe), config->matched, TYPE_BOOL))
        return describe_error(describe, err, "matched", "choose another name",
                              "there is already a column \"%s\"", config->matched);
    describe_output(describe, OUT, schema);
    return true;
}

/* What a new cell has behind its head: room for a left row with short texts. */
static uint32_t first_room(const struct schema *left)
{
    struct packing packing;
    uint32_t room;

    packing_init(&packing, left);
    room = packing.fixed_size + 7;
    for (uint32_t i = 0; i < left->count; i++)
        room += left->fields[i].type == TYPE_UTF8 ? ROOM_TEXT : 0;
    return (room < ROOM_MAX ? room : ROOM_MAX) & ~7u;
}

static bool interval_describe(struct describe *describe, struct error *err)
{
    const struct interval_config *config = describe_config(describe);
    const struct schema *left = describe_input(describe, LEFT);

    if (config->lower_ms > config->upper_ms)
        return describe_error(describe, err, "lower", "make it at most `upper`",
                              "no time is from `lower` on and up to `upper`");
    if (!check_keys(describe, err) || !make_schema(describe, err))
        return false;
    describe_passes(describe, LEFT, OUT);
    describe_passes(describe, RIGHT, OUT);
    describe_state(describe, ROWS, sizeof(struct interval_cell) + first_room(left),
                   interval_fields);
    return true;
}

/* ---- an instance ---- */

struct interval_turn { /* of a due key */
    uint64_t order;
    uint32_t row;
};

struct interval_scratch {
    struct packing packings[SIDES];
    uint32_t columns[SIDES][COLUMNS_MAX]; /* where they stand in the output; FIELD_NONE: unread */
    uint32_t matched;                     /* column; FIELD_NONE: not asked for */
    uint32_t layout;
    uint32_t room;                   /* of a new cell */
    int64_t wait_ms;                 /* max(upper, 0) */
    struct encoder *encoders[SIDES]; /* of rejected rows */
    struct bytes text;
    uint32_t sizes[BATCH_ROWS_MAX];
    int64_t due[BATCH_ROWS_MAX];
    struct interval_turn turns[BATCH_ROWS_MAX];
    const struct packed *sorted[SIDES][RECORDS_MAX];
    uint32_t counts[SIDES];
};

static void map_columns(struct op *op, struct interval_scratch *scratch)
{
    const struct interval_config *config = op_config(op);
    const struct schema *left = op_input_schema(op, LEFT), *right = op_input_schema(op, RIGHT);
    const struct schema *out = op_output_schema(op, OUT);
    uint32_t at = left->count;
    char name[NAMED_MAX];

    for (uint32_t i = 0; i < left->count; i++)
        scratch->columns[LEFT][i] = op_output_reads(op, OUT, i) ? i : FIELD_NONE;
    for (uint32_t i = 0; i < right->count; i++) { /* in the order of make_schema */
        scratch->columns[RIGHT][i] = FIELD_NONE;
        CHECK(right_name(config, left, right->fields[i].name, name));
        if (at == out->count || strcmp(out->fields[at].name, name) != 0)
            continue; /* a key column */
        scratch->columns[RIGHT][i] = op_output_reads(op, OUT, at) ? at : FIELD_NONE;
        at++;
    }
    scratch->matched = config->matched ? at : FIELD_NONE;
}

static bool interval_open(struct op *op, struct error *err)
{
    const struct interval_config *config = op_config(op);
    struct interval_scratch *scratch = op_memory(op, sizeof(*scratch));
    static const struct encode_options json = {.format = ENCODE_JSON};

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    for (uint32_t side = 0; side < SIDES; side++) {
        packing_init(&scratch->packings[side], op_input_schema(op, side));
        scratch->encoders[side] = encoder_create(op_input_schema(op, side), &json);
    }
    map_columns(op, scratch);
    scratch->room = first_room(op_input_schema(op, LEFT));
    scratch->layout = (scratch->packings[LEFT].hash * 31 + scratch->packings[RIGHT].hash) | 1;
    scratch->wait_ms = config->upper_ms > 0 ? config->upper_ms : 0;
    return true;
}

static void interval_close(struct op *op)
{
    struct interval_scratch *scratch = op_scratch(op);

    if (!scratch)
        return;
    for (uint32_t side = 0; side < SIDES; side++)
        encoder_close(scratch->encoders[side]);
    bytes_clear(&scratch->text);
}

/* A cell of a former run may hold rows of other columns. */
static bool check_layout(const struct op *op, const struct interval_cell *cell, struct error *err)
{
    const struct interval_scratch *scratch = op_scratch(op);

    if (cell->layout == scratch->layout || cell->layout == 0)
        return true;
    return error_set(err, ERROR_CONFIG, "",
                     "start without this checkpoint, or with the columns of then",
                     "the checkpoint holds rows whose columns are not those of left and right");
}

/* ---- arrival ---- */

/* When a row is needed last. */
static int64_t row_need(const struct op *op, uint32_t side, int64_t time_ms)
{
    const struct interval_config *config = op_config(op);
    const struct interval_scratch *scratch = op_scratch(op);

    return time_ms + scratch->wait_ms - (side == RIGHT ? config->lower_ms : 0);
}

static void put_rejected(struct op *op, uint32_t side, const struct batch *in, uint32_t row,
                         uint32_t used)
{
    struct interval_scratch *scratch = op_scratch(op);
    struct builder *out = op_reserve(op, REJECTED, 1);
    uint64_t origin = batch_origin(in)[row];
    struct batch *one;
    char text[160];

    builder_row_from(out, in, row);
    if (!op_output_used(op, REJECTED))
        return;
    scratch->text.size = 0;
    one = batch_select(in, &row, 1);
    encode_rows(scratch->encoders[side], one, &scratch->text);
    batch_release(&one);
    builder_text(out, RAW, (const char *)scratch->text.data, scratch->text.size - 1); /* no \n */
    (void)snprintf(text, sizeof(text), "split %u", origin_split(origin));
    builder_text(out, FILE_NAME, text, strlen(text));
    builder_i64(out, OFFSET, (int64_t)origin_offset(origin));
    builder_text(out, REJECT_FIELD, side_names[side], strlen(side_names[side]));
    (void)snprintf(text, sizeof(text),
                   "%u bytes are kept of its key; with this row they would be over %u", used,
                   CELL_SIZE_MAX - (uint32_t)sizeof(struct interval_cell));
    builder_text(out, REASON, text, strlen(text));
}

/* The row's cell with room for so many bytes more; NULL: there is none. */
static struct interval_cell *cell_room(struct op *op, uint32_t row, uint32_t more)
{
    struct interval_cell *cell = op_cells(op, ROWS)[row];
    uint32_t size = op_cell_size(op, ROWS, row);
    uint64_t want = sizeof(*cell) + (uint64_t)cell->used + more;

    if (want <= size)
        return cell;
    return want > CELL_SIZE_MAX ? NULL : op_cell_resize(op, ROWS, row, (uint32_t)want);
}

static bool interval_process(struct op *op, uint32_t port, const struct batch *in,
                             struct error *err)
{
    struct interval_scratch *scratch = op_scratch(op);
    const struct packing *packing = &scratch->packings[port];
    uint32_t rows = batch_rows(in);

    CHECK(rows <= BATCH_ROWS_MAX);
    packed_sizes(packing, in, scratch->sizes);
    for (uint32_t row = 0; row < rows; row++) {
        struct interval_cell *cell = op_cells(op, ROWS)[row], *room;
        int64_t need_ms = row_need(op, port, batch_time(in)[row]);

        if (!check_layout(op, cell, err))
            return false;
        room = cell_room(op, row, scratch->sizes[row]);
        if (room)
            cell = room;
        else
            put_rejected(op, port, in, row, cell->used);
        if (room)
            cell->used += packed_put(packing, in, row, port, cell->rows + cell->used);
        scratch->due[row] = INT64_MIN;
        if (cell->layout == 0 || need_ms < cell->due_ms)
            scratch->due[row] = cell->due_ms = need_ms;
        cell->layout = scratch->layout;
    }
    return op_set_timers(op, scratch->due, err);
}

/* ---- when a left row is due ---- */

static const struct packed *cell_first(const struct interval_cell *cell)
{
    return (const struct packed *)(const void *)cell->rows;
}

static bool in_cell(const struct interval_cell *cell, const struct packed *record)
{
    return (const uint8_t *)record < cell->rows + cell->used;
}

/* Rows of one request have one order: with their keys they are told apart. */
static uint64_t pair_order(const struct packed *left, const struct key *key)
{
    return hash_draw(left->order, key->hash);
}

/* `right` NULL: without a match; `number`: of left's matches so far. */
static void put_pair(struct op *op, const struct key *key, const struct packed *left,
                     const struct packed *right, uint32_t number)
{
    const struct interval_scratch *scratch = op_scratch(op);
    struct builder *out = op_reserve(op, OUT, 1);

    builder_row(out, left->time_ms + scratch->wait_ms, left->origin,
                pair_order(left, key) + number);
    packed_take(&scratch->packings[LEFT], left, out, scratch->columns[LEFT]);
    if (right)
        packed_take(&scratch->packings[RIGHT], right, out, scratch->columns[RIGHT]);
    if (scratch->matched != FIELD_NONE)
        builder_bool(out, scratch->matched, right != NULL);
}

static int by_packed(const void *a, const void *b)
{
    return packed_compare(*(const struct packed *const *)a, *(const struct packed *const *)b);
}

/* The cell's left rows that are due, and all its right rows, each side in order. */
static void sort_records(struct interval_scratch *scratch, const struct interval_cell *cell,
                         int64_t now_ms)
{
    memset(scratch->counts, 0, sizeof(scratch->counts));
    for (const struct packed *at = cell_first(cell); in_cell(cell, at); at = packed_next(at))
        if (at->side == RIGHT || at->time_ms + scratch->wait_ms <= now_ms)
            scratch->sorted[at->side][scratch->counts[at->side]++] = at;
    for (uint32_t side = 0; side < SIDES; side++)
        if (scratch->counts[side] > 1)
            qsort(scratch->sorted[side], scratch->counts[side], sizeof(scratch->sorted[side][0]),
                  by_packed);
}

/* The first of the sorted right rows that is not before a time. */
static uint32_t right_from(const struct interval_scratch *scratch, int64_t time_ms)
{
    uint32_t begin = 0, end = scratch->counts[RIGHT];

    while (begin < end) {
        uint32_t middle = begin + (end - begin) / 2;

        if (scratch->sorted[RIGHT][middle]->time_ms < time_ms)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

/* Tells of one left row; returns whether it had a match. */
static bool tell_left(struct op *op, const struct key *key, const struct packed *left)
{
    const struct interval_config *config = op_config(op);
    const struct interval_scratch *scratch = op_scratch(op);
    uint32_t at = right_from(scratch, left->time_ms + config->lower_ms), number = 0;

    for (; at < scratch->counts[RIGHT]; at++) {
        const struct packed *right = scratch->sorted[RIGHT][at];

        if (right->time_ms > left->time_ms + config->upper_ms)
            break;
        put_pair(op, key, left, right, number++);
        if (config->match == MATCH_FIRST)
            break;
    }
    if (number == 0 && config->type == JOIN_LEFT)
        put_pair(op, key, left, NULL, 0);
    return number > 0;
}

/* Drops what is not needed any more; returns when the rest is. */
static int64_t sweep(const struct op *op, struct interval_cell *cell, int64_t now_ms)
{
    const struct interval_scratch *scratch = op_scratch(op);
    int64_t next_ms = INT64_MAX;
    bool waiting = false; /* for some left row */
    uint32_t kept = 0;

    for (const struct packed *at = cell_first(cell); in_cell(cell, at); at = packed_next(at))
        waiting = waiting || (at->side == LEFT && at->time_ms + scratch->wait_ms > now_ms);
    for (const struct packed *at = cell_first(cell), *next; in_cell(cell, at); at = next) {
        /* Left rows up to now are here: without one that waits, later ones alone can ask for it. */
        int64_t need_ms = row_need(op, at->side, at->time_ms) -
                          (at->side == RIGHT && !waiting ? scratch->wait_ms : 0);

        next = packed_next(at);
        if (need_ms <= now_ms)
            continue;
        next_ms = need_ms < next_ms ? need_ms : next_ms;
        memmove(cell->rows + kept, at, at->size);
        kept += ((const struct packed *)(const void *)(cell->rows + kept))->size;
    }
    cell->used = kept;
    return next_ms;
}

/* Gives back what is not needed of a cell. */
static void cell_settle(struct op *op, uint32_t row)
{
    const struct interval_scratch *scratch = op_scratch(op);
    const struct interval_cell *cell = op_cells(op, ROWS)[row];
    uint32_t size = op_cell_size(op, ROWS, row) - (uint32_t)sizeof(*cell);
    uint32_t want = cell->used > scratch->room ? cell->used : scratch->room;

    if (cell->used == 0)
        op_cell_remove(op, ROWS, row);
    else if (size / 2 > want)
        (void)op_cell_resize(op, ROWS, row, (uint32_t)sizeof(*cell) + want);
}

/* Where a key's first due row stands among those of its time. */
static uint64_t due_order(const struct interval_scratch *scratch, const struct interval_cell *cell,
                          const struct key *key, int64_t now_ms)
{
    for (const struct packed *at = cell_first(cell); in_cell(cell, at); at = packed_next(at))
        if (at->side == LEFT && at->time_ms + scratch->wait_ms <= now_ms)
            return pair_order(at, key);
    return 0;
}

/* Timers come by time. Keys of one time are taken in the order of their rows, so that whoever needs rows
 * in order mostly has them so and need not sort. */
static void sort_due(struct op *op, const struct due *due)
{
    struct interval_scratch *scratch = op_scratch(op);
    const int64_t *times = due_time(due);

    for (uint32_t row = 0; row < due_rows(due); row++) {
        struct interval_turn turn = {
            due_order(scratch, op_cells(op, ROWS)[row], due_key(due, row), times[row]), row};
        uint32_t at = row;

        for (; at > 0 && times[scratch->turns[at - 1].row] == times[row] &&
               scratch->turns[at - 1].order > turn.order && row - at < TURNS_MAX;
             at--)
            scratch->turns[at] = scratch->turns[at - 1];
        scratch->turns[at] = turn;
    }
}

static bool interval_on_timer(struct op *op, const struct due *due, struct error *err)
{
    struct interval_scratch *scratch = op_scratch(op);
    uint64_t told[2] = {0, 0};

    sort_due(op, due);
    for (uint32_t turn = 0; turn < due_rows(due); turn++) {
        uint32_t row = scratch->turns[turn].row;
        struct interval_cell *cell = op_cells(op, ROWS)[row];

        if (!check_layout(op, cell, err))
            return false;
        sort_records(scratch, cell, due_time(due)[row]);
        for (uint32_t i = 0; i < scratch->counts[LEFT]; i++)
            told[!tell_left(op, due_key(due, row), scratch->sorted[LEFT][i])]++;
        cell->due_ms = sweep(op, cell, due_time(due)[row]);
        cell->layout = scratch->layout;
        /* An empty cell's timer is gone already. */
        scratch->due[row] = cell->used ? cell->due_ms : INT64_MIN;
        cell_settle(op, row);
    }
    op_count(op, MATCHED, told[MATCHED]);
    op_count(op, UNMATCHED, told[UNMATCHED]);
    return op_set_timers(op, scratch->due, err);
}

const struct operator_def join_interval = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "join/interval",
    .help = "Joins rows of one key that lie within a span of event time of each other.",
    .config_size = sizeof(struct interval_config),
    .options = interval_options,
    .inputs = interval_in,
    .outputs = interval_out,
    .states = interval_states,
    .counters = interval_counters,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = interval_describe,
    .open = interval_open,
    .process = interval_process,
    .on_timer = interval_on_timer,
    .close = interval_close,
};
OPERATOR_REGISTER(join_interval);
