/* feature/exposure: what each user was shown lately, what of it was clicked, and what was disliked and
 * liked, as a table: the memory of feature/fatigue.
 * In: impressions, keyed by user (item_id, category; clicked where they are labelled); ports `clicks` and
 * `feedback` (kind), keyed by user, where labels would come too late. Out: user_id, impressions
 * (item, category, time, clicked; the last 64, oldest first), dislikes (category, time; the last 16),
 * with `likes` also these, window_end; one row a user that changed in a window: a versioned table. Items
 * and categories are key_ids' hashes. Users who have not come for `forget` are dropped. */
#include "operators/model/windows.h"
#include "runtime/api/operator.h"

#include <string.h>

#define SHOWN_MAX 64u
#define SAID_MAX 16u

struct exposure_config {
    const char *item, *category, *time;
    int64_t forget_ms;
    struct window window;
    struct text_list dislikes, likes;
};

struct shown {
    uint64_t item, category; /* ids */
    int64_t time_ms, clicked;
};

struct said { /* that a category is liked, or not */
    uint64_t category;
    int64_t time_ms;
};

struct exposure_cell {
    uint64_t shown_count, dislike_count; /* ever; entry k is at k % size */
    int64_t due_ms, pending;             /* the end of the window that has changes */
    struct shown shown[SHOWN_MAX];
    struct said dislikes[SAID_MAX];
    uint64_t like_count; /* from here on only with `likes` */
    struct said likes[SAID_MAX];
};
#define PLAIN_SIZE offsetof(struct exposure_cell, like_count)

static const struct option exposure_options[] = {
    {.name = "item",
     .type = OPT_TEXT,
     FIELD(struct exposure_config, item),
     .def.text = "item_id",
     .help = "Column of all inputs that names the item."},
    {.name = "category",
     .type = OPT_TEXT,
     FIELD(struct exposure_config, category),
     .def.text = "category",
     .help =
         "Column of the impressions that names the category. Feedback that lacks it is about the "
         "item's last impression."},
    {.name = "time",
     .type = OPT_TEXT,
     FIELD(struct exposure_config, time),
     .help =
         "Timestamp column of the impressions that tells when they were shown, where event time "
         "is later (behind a join, say)."},
    {.name = "dislikes",
     .type = OPT_TEXTS,
     FIELD(struct exposure_config, dislikes),
     .help = "Kinds of feedback that are dislikes, such as [dislike, hide, report]; by default "
             "dislike."},
    {.name = "likes",
     .type = OPT_TEXTS,
     FIELD(struct exposure_config, likes),
     .help = "Kinds that are likes, such as [like, share]: the table has them too; by default "
             "none."},
    WINDOWS_FORGET(struct exposure_config, 365 * DAY_MS, "Users"),
    {.name = "window",
     .type = OPT_WINDOW,
     FIELD(struct exposure_config, window),
     .required = true,
     .help = "{tumbling: 10m}: how often the table changes."},
    {0},
};
#define PLAIN_FIELDS                                                                               \
    {"shown", TYPE_I64, FIELD(struct exposure_cell, shown_count)},                                 \
        {"disliked", TYPE_I64, FIELD(struct exposure_cell, dislike_count)},                        \
        {"due", TYPE_TIMESTAMP, FIELD(struct exposure_cell, due_ms)},                              \
        {"pending", TYPE_I64, FIELD(struct exposure_cell, pending)},                               \
        {"impressions", TYPE_UTF8, FIELD(struct exposure_cell, shown)},                            \
    {                                                                                              \
        "dislikes", TYPE_UTF8, FIELD(struct exposure_cell, dislikes)                               \
    }
static const struct state_field exposure_fields[] = {PLAIN_FIELDS, {0}};
static const struct state_field liking_fields[] = {
    PLAIN_FIELDS,
    {"liked", TYPE_I64, FIELD(struct exposure_cell, like_count)},
    {"likes", TYPE_UTF8, FIELD(struct exposure_cell, likes)},
    {0},
};
static const struct state exposure_states[] = {
    {"users", STATE_VALUE, exposure_fields, PLAIN_SIZE},
    {0},
};
static const struct column_def feedback_columns[] = {{"kind", TYPE_UTF8}, {0}};
static const struct port exposure_in[] = {
    {"in", .keyed = true, .help = "Impressions, keyed by user."},
    {"clicks", .keyed = true, .optional = true, .help = "Clicks, keyed by user."},
    {"feedback", feedback_columns, .keyed = true, .optional = true,
     .help = "Feedback with its kind, keyed by user."},
    {0},
};
static const struct port exposure_out[] = {
    {"out", .keyed = true, .help = "Users that changed in a window."},
    {0},
};
enum { USERS = 0, IN = 0, CLICKS, FEEDBACK, PORTS, OUT = 0 };
enum { COLUMN_USER, COLUMN_SHOWN, COLUMN_DISLIKES, COLUMN_LIKES }; /* and the window's end */
enum { SHOWN_ITEM, SHOWN_CATEGORY, SHOWN_TIME, SHOWN_CLICKED };
enum { SAID_CATEGORY, SAID_TIME };

/* ---- planning ---- */

static bool check_key(struct describe *describe, uint32_t port, const char *option,
                      const char *name, struct error *err)
{
    const struct schema *in = describe_input(describe, port);
    uint32_t column = schema_find(in, name);

    if (column != FIELD_NONE && key_type(in->fields[column].type))
        return true;
    return describe_error(describe, err, option, "name a column of the input",
                          "input \"%s\" has no text or integer column \"%s\"",
                          exposure_in[port].name, name);
}

static bool check_columns(struct describe *describe, struct error *err)
{
    const struct exposure_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, IN);
    uint32_t time = config->time ? schema_find(in, config->time) : FIELD_NONE;
    uint32_t clicked = schema_find(in, "clicked");

    for (uint32_t port = 0; port < PORTS; port++)
        if (describe_input(describe, port) && !check_key(describe, port, "item", config->item, err))
            return false;
    if (!check_key(describe, IN, "category", config->category, err))
        return false;
    if (config->time && (time == FIELD_NONE || in->fields[time].type != TYPE_TIMESTAMP))
        return describe_error(describe, err, "time", "name a timestamp column, or leave it out",
                              "the impressions have no timestamp \"%s\"", config->time);
    if (clicked != FIELD_NONE && in->fields[clicked].type != TYPE_BOOL)
        return describe_error(describe, err, "from", "derive a bool",
                              "column \"clicked\" of the impressions is %s",
                              type_name(in->fields[clicked].type));
    return true;
}

static const struct schema *exposure_schema(struct arena *arena, enum type type, bool likes)
{
    struct schema *schema = schema_create(arena), *shown = schema_create(arena);
    struct schema *said = schema_create(arena);
    struct field impressions = {.name = "impressions", .type = TYPE_LIST, .child = shown};
    struct field disliked = {.name = "dislikes", .type = TYPE_LIST, .child = said};
    struct field liked = {.name = "likes", .type = TYPE_LIST, .child = said};

    CHECK(schema_add_column(shown, arena, "item", TYPE_I64));
    CHECK(schema_add_column(shown, arena, "category", TYPE_I64));
    CHECK(schema_add_column(shown, arena, "time", TYPE_TIMESTAMP));
    CHECK(schema_add_column(shown, arena, "clicked", TYPE_I64));
    CHECK(schema_add_column(said, arena, "category", TYPE_I64));
    CHECK(schema_add_column(said, arena, "time", TYPE_TIMESTAMP));
    CHECK(schema_add_column(schema, arena, "user_id", type));
    CHECK(schema_add(schema, arena, &impressions));
    CHECK(schema_add(schema, arena, &disliked));
    CHECK(!likes || schema_add(schema, arena, &liked));
    CHECK(schema_add_column(schema, arena, "window_end", TYPE_TIMESTAMP));
    return schema;
}

static bool exposure_describe(struct describe *describe, struct error *err)
{
    const struct exposure_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, IN);
    const struct text_list *key = describe_key(describe, IN);
    struct text_list user = {1, (const char *[]){"user_id"}};
    uint32_t column = key->count == 1 ? schema_find(in, key->items[0]) : FIELD_NONE;

    if (column == FIELD_NONE)
        return describe_error(describe, err, "key", "write key: COLUMN",
                              "the input is not keyed by one column");
    if (config->window.size_ms != config->window.every_ms)
        return describe_error(describe, err, "window", "write {tumbling: 10m}",
                              "the window slides, but the last impressions are kept for ever");
    if (!check_columns(describe, err))
        return false;
    if (config->likes.count)
        describe_state(describe, USERS, sizeof(struct exposure_cell), liking_fields);
    describe_output(describe, OUT,
                    exposure_schema(describe_arena(describe), in->fields[column].type,
                                    config->likes.count > 0));
    describe_output_key(describe, OUT, &user);
    describe_versions(describe, config->window.size_ms, false);
    windows_forget(describe, USERS, OUT, &config->window, config->forget_ms);
    return true;
}

/* ---- an instance ---- */

struct exposure_scratch {
    uint32_t item[PORTS], category[PORTS], kind, time, clicked; /* columns; FIELD_NONE: absent */
    uint64_t items[BATCH_ROWS_MAX], categories[BATCH_ROWS_MAX];
};

static bool exposure_open(struct op *op, struct error *err)
{
    const struct exposure_config *config = op_config(op);
    struct exposure_scratch *scratch = op_memory(op, sizeof(*scratch));

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    for (uint32_t port = 0; port < PORTS; port++) {
        const struct schema *schema = op_input_schema(op, port);
        if (!schema)
            continue;
        scratch->item[port] = schema_find(schema, config->item);
        scratch->category[port] = schema_find(schema, config->category);
        if (scratch->category[port] != FIELD_NONE &&
            !key_type(schema->fields[scratch->category[port]].type))
            scratch->category[port] = FIELD_NONE;
        if (port == FEEDBACK)
            scratch->kind = schema_find(schema, "kind");
    }
    scratch->clicked = schema_find(op_input_schema(op, IN), "clicked");
    scratch->time = config->time ? schema_find(op_input_schema(op, IN), config->time) : FIELD_NONE;
    return true;
}

/* ---- what is learnt ---- */

static bool learn_shown(const struct exposure_scratch *scratch, struct exposure_cell *cell,
                        const struct batch *in, uint32_t row)
{
    struct shown shown = {scratch->items[row], scratch->categories[row], batch_time(in)[row], 0};
    const struct column *column;

    if (shown.item == 0)
        return false;
    if (scratch->time != FIELD_NONE) {
        column = batch_column(in, scratch->time);
        if (column_valid(column, row))
            shown.time_ms = ((const int64_t *)column->values)[row];
    }
    if (scratch->clicked != FIELD_NONE) {
        column = batch_column(in, scratch->clicked);
        shown.clicked = column_valid(column, row) && column_bool(column, row);
    }
    cell->shown[cell->shown_count++ % SHOWN_MAX] = shown;
    return true;
}

/* The latest impression of the item is the one that was clicked. */
static struct shown *find_shown(struct exposure_cell *cell, uint64_t item)
{
    uint64_t count = cell->shown_count < SHOWN_MAX ? cell->shown_count : SHOWN_MAX;

    for (uint64_t i = 1; i <= count; i++) {
        struct shown *shown = &cell->shown[(cell->shown_count - i) % SHOWN_MAX];
        if (shown->item == item)
            return shown;
    }
    return NULL;
}

static bool learn_click(struct exposure_cell *cell, uint64_t item)
{
    struct shown *shown = find_shown(cell, item);

    if (!shown || shown->clicked)
        return false;
    shown->clicked = 1;
    return true;
}

static bool is_one_of(const struct text_list *kinds, const char *text, uint32_t size)
{
    for (uint32_t i = 0; i < kinds->count; i++)
        if (strlen(kinds->items[i]) == size && memcmp(kinds->items[i], text, size) == 0)
            return true;
    return false;
}

static bool learn_feedback(const struct exposure_config *config,
                           const struct exposure_scratch *scratch, struct exposure_cell *cell,
                           const struct batch *in, uint32_t row)
{
    const struct text_list plain = {1, (const char *[]){"dislike"}};
    const struct column *kind = batch_column(in, scratch->kind);
    struct said said = {scratch->categories[row], batch_time(in)[row]};
    const struct shown *shown;
    const char *text;
    uint32_t size;
    bool liked;

    if (!column_valid(kind, row))
        return false;
    text = column_text(kind, row, &size);
    liked = is_one_of(&config->likes, text, size);
    if (!liked && !is_one_of(config->dislikes.count ? &config->dislikes : &plain, text, size))
        return false;
    if (said.category == 0) {
        shown = find_shown(cell, scratch->items[row]);
        said.category = shown ? shown->category : 0;
    }
    if (said.category == 0)
        return false;
    if (liked)
        cell->likes[cell->like_count++ % SAID_MAX] = said;
    else
        cell->dislikes[cell->dislike_count++ % SAID_MAX] = said;
    return true;
}

static bool learn(struct op *op, uint32_t port, struct exposure_cell *cell, const struct batch *in,
                  uint32_t row)
{
    const struct exposure_scratch *scratch = op_scratch(op);

    if (port == IN)
        return learn_shown(scratch, cell, in, row);
    if (port == CLICKS)
        return learn_click(cell, scratch->items[row]);
    return learn_feedback(op_config(op), scratch, cell, in, row);
}

static bool exposure_process(struct op *op, uint32_t port, const struct batch *in,
                             struct error *err)
{
    const struct exposure_config *config = op_config(op);
    struct exposure_scratch *scratch = op_scratch(op);
    void *const *cells = op_cells(op, USERS);
    int64_t due[BATCH_ROWS_MAX];

    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    key_ids(batch_column(in, scratch->item[port]), in->rows, scratch->items);
    memset(scratch->categories, 0, sizeof(scratch->categories));
    if (port != CLICKS && scratch->category[port] != FIELD_NONE)
        key_ids(batch_column(in, scratch->category[port]), in->rows, scratch->categories);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        struct exposure_cell *cell = cells[row];
        due[row] = INT64_MIN;
        if (windows_stale(config->window.size_ms, config->forget_ms, cell->due_ms,
                          batch_time(in)[row]))
            memset(cell, 0, config->likes.count ? sizeof(*cell) : PLAIN_SIZE);
        if (!learn(op, port, cell, in, row) || cell->pending)
            continue;
        cell->pending = 1;
        cell->due_ms = due[row] = windows_last_ms(config->window.size_ms, batch_time(in)[row]);
    }
    return op_set_timers(op, due, err);
}

/* ---- what is told ---- */

static uint64_t oldest(uint64_t count, uint64_t most)
{
    return count > most ? count - most : 0;
}

static void put_shown(const struct exposure_cell *cell, struct builder *out)
{
    struct builder *list = builder_list(out, COLUMN_SHOWN);

    for (uint64_t i = oldest(cell->shown_count, SHOWN_MAX); i < cell->shown_count; i++) {
        const struct shown *shown = &cell->shown[i % SHOWN_MAX];
        builder_child_row(list);
        builder_i64(list, SHOWN_ITEM, (int64_t)shown->item);
        builder_i64(list, SHOWN_CATEGORY, (int64_t)shown->category);
        builder_i64(list, SHOWN_TIME, shown->time_ms);
        builder_i64(list, SHOWN_CLICKED, shown->clicked);
    }
    builder_list_end(out, COLUMN_SHOWN);
}

static void put_said(const struct said *all, uint64_t count, uint32_t column, struct builder *out)
{
    struct builder *list = builder_list(out, column);

    for (uint64_t i = oldest(count, SAID_MAX); i < count; i++) {
        const struct said *said = &all[i % SAID_MAX];
        builder_child_row(list);
        builder_i64(list, SAID_CATEGORY, (int64_t)said->category);
        builder_i64(list, SAID_TIME, said->time_ms);
    }
    builder_list_end(out, column);
}

static bool exposure_on_timer(struct op *op, const struct due *due, struct error *err)
{
    const struct exposure_config *config = op_config(op);
    void *const *cells = op_cells(op, USERS);
    struct builder *out = op_reserve(op, OUT, due_rows(due));

    (void)err; /* cannot fail */
    for (uint32_t row = 0; row < due_rows(due); row++) {
        struct exposure_cell *cell = cells[row];
        const struct key *key = due_key(due, row);
        if (!cell->pending)
            continue;
        cell->pending = 0;
        builder_row(out, cell->due_ms, 0, key->hash);
        builder_key(out, COLUMN_USER, key);
        put_shown(cell, out);
        put_said(cell->dislikes, cell->dislike_count, COLUMN_DISLIKES, out);
        if (config->likes.count)
            put_said(cell->likes, cell->like_count, COLUMN_LIKES, out);
        builder_i64(out, config->likes.count ? COLUMN_LIKES + 1 : COLUMN_LIKES, cell->due_ms + 1);
    }
    return true;
}

const struct operator_def feature_exposure = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "feature/exposure",
    .help = "Keeps what each user was shown, clicked, liked and disliked lately.",
    .config_size = sizeof(struct exposure_config),
    .options = exposure_options,
    .inputs = exposure_in,
    .outputs = exposure_out,
    .states = exposure_states,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = exposure_describe,
    .open = exposure_open,
    .process = exposure_process,
    .on_timer = exposure_on_timer,
};
OPERATOR_REGISTER(feature_exposure);
