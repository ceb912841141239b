/* learn/clicks: learns online how likely each user is to click each item: the base that score/clicks
 * serves.
 * In: labelled impressions (clicked, position; p_served, base, reasons.NAME where served), all in one
 * subtask, in order of event time. What was served on top of the base is taken as it was, so the base
 * learns only what the other terms do not tell. Out, tables that change at the ends of windows: items
 * and users (item_id or user_id, bias, vector, a user's sensitivity and habits; rows that changed in the
 * window; an item's are those within its category), model (0; level, impressions, forms, ages, categories,
 * vectors; ids are key_ids' hashes). Method: clicks.h. Items and users that have not come for `item-forget` and `user-forget` are
 * dropped at the end of a window: they begin anew if they come again. */
#include "operators/model/clicks.h"
#include "operators/learn/lately.h"
#include "operators/model/served.h"
#include "operators/model/windows.h"
#include "runtime/api/operator.h"

#include <math.h>
#include <string.h>

#define FORMS_MAX 16u       /* the same */
#define CATEGORIES_MAX 256u /* further ones have none of their own */
#define HABITS_MAX 16u      /* categories in which a user's habits are known */
#define LEVEL_START -3.0    /* a click in twenty */
#define EXAMINATION_MAX 1.0

struct clicks_config {
    const char *user, *item, *category, *form, *age, *hour;
    double item_spread, item_taste, user_spread, user_taste, sensitivity_spread, habit_spread;
    struct text_list circumstances;
    int64_t item_drift_ms, user_drift_ms, level_drift_ms, item_forget_ms, user_forget_ms;
    struct window window;
};

struct form {
    uint64_t id; /* 0: free */
    struct clicks_number bias;
};

struct category {
    uint64_t id; /* 0: free */
    struct clicks_part part;
};

struct clicks_cell {
    int64_t due_ms; /* the last millisecond of the window that has changes */
    int64_t impressions;
    struct lately_list items, users;
    int64_t pending;
    struct clicks_number level, weight, ages[CLICKS_AGES];
    struct form forms[FORMS_MAX];
    struct category categories[CATEGORIES_MAX];
};

struct clicks_entry {                 /* an item or a user */
    struct lately lately;             /* first */
    int64_t name;                     /* its number */
    struct clicks_number sensitivity; /* a user's */
    struct clicks_part part;
};

struct clicks_days { /* of a user, with its entry */
    struct clicks_habits habits[HABITS_MAX];
};

static_assert(sizeof(struct clicks_cell) <= CELL_SIZE_MAX, "the model fits a cell");

#define COLUMN(option, field, value, about)                                                        \
    {                                                                                              \
        .name = option, .type = OPT_TEXT, FIELD(struct clicks_config, field), .def.text = (value), \
        .help = (about)                                                                            \
    }
#define SPREAD(option, field, value, about)                                                        \
    {                                                                                              \
        .name = option, .type = OPT_F64, FIELD(struct clicks_config, field), .def.f64 = (value),   \
        .max.f64 = 10, .help = (about)                                                             \
    }
#define DRIFT(option, field, value, about)                                                         \
    {                                                                                              \
        .name = option, .type = OPT_DURATION, FIELD(struct clicks_config, field),                  \
        .def.i64 = (value), .max.i64 = 36600 * DAY_MS, .help = (about)                             \
    }

static const struct option clicks_options[] = {
    COLUMN("user", user, "user_id", "Column of the user, a whole number."),
    COLUMN("item", item, "item_id", "Column of the item, a whole number."),
    COLUMN("category", category, "category", "Column of the item's category."),
    COLUMN("form", form, "form", "Column of the item's form, where there is one."),
    COLUMN("age", age, "age",
           "Column of the item's age as a share of its life, where there is one."),
    SPREAD("item-spread", item_spread, .4,
           "How far items of a category lie apart: standard deviation, in log-odds."),
    SPREAD("item-taste", item_taste, .3, "The same for each number of an item's vector."),
    SPREAD("user-spread", user_spread, .15, "How far users lie apart."),
    SPREAD("user-taste", user_taste, .5, "The same for each number of a user's vector."),
    {.name = "circumstances",
     .type = OPT_TEXTS,
     FIELD(struct clicks_config, circumstances),
     .help =
         "Names of terms, such as [time, place]: for adjust/sensitivity it is learnt how much more "
         "they move each user than others."},
    SPREAD("sensitivity-spread", sensitivity_spread, .4,
           "How far users lie apart in that, 1 being the mean."),
    {.name = "hour",
     .type = OPT_FIELD,
     FIELD(struct clicks_config, hour),
     .help =
         "Column of the local hour, such as hour_local: for adjust/habit it is learnt what each "
         "user likes more or less of a category at each quarter of the day."},
    SPREAD("habit-spread", habit_spread, .2, "How far users lie apart in that."),
    DRIFT("item-drift", item_drift_ms, 0,
          "Time without impressions after which an item is as uncertain as a new one; 0s: never."),
    DRIFT("user-drift", user_drift_ms, 365 * DAY_MS, "The same for users."),
    DRIFT("level-drift", level_drift_ms, 0,
          "The same for categories, forms and ages. Where it is short the base follows the season "
          "itself, later than adjust/season does."),
    DRIFT(
        "item-forget", item_forget_ms, 365 * DAY_MS,
        "Time without impressions after which an item is dropped, such as 7d where items live two "
        "days; 0s: never."),
    DRIFT("user-forget", user_forget_ms, 365 * DAY_MS, "The same for users."),
    {.name = "window",
     .type = OPT_WINDOW,
     FIELD(struct clicks_config, window),
     .required = true,
     .help = "{tumbling: 1h}: how often the tables change."},
    {0},
};
static const struct state_field model_fields[] = {
    {"due", TYPE_TIMESTAMP, FIELD(struct clicks_cell, due_ms)},
    {"impressions", TYPE_I64, FIELD(struct clicks_cell, impressions)},
    {"items", TYPE_UTF8, FIELD(struct clicks_cell, items)},
    {"users", TYPE_UTF8, FIELD(struct clicks_cell, users)},
    {"pending", TYPE_I64, FIELD(struct clicks_cell, pending)},
    {"level", TYPE_UTF8, FIELD(struct clicks_cell, level)},
    {"weight", TYPE_UTF8, FIELD(struct clicks_cell, weight)},
    {"ages", TYPE_UTF8, FIELD(struct clicks_cell, ages)},
    {"forms", TYPE_UTF8, FIELD(struct clicks_cell, forms)},
    {"categories", TYPE_UTF8, FIELD(struct clicks_cell, categories)},
    {0},
};
static const struct state_field entry_fields[] = {
    LATELY_FIELDS(struct clicks_entry),
    {"name", TYPE_I64, FIELD(struct clicks_entry, name)},
    {"sensitivity", TYPE_UTF8, FIELD(struct clicks_entry, sensitivity)},
    {"part", TYPE_UTF8, FIELD(struct clicks_entry, part)},
    {0},
};
static const struct state_field days_fields[] = {
    {"habits", TYPE_UTF8, FIELD(struct clicks_days, habits)},
    {0},
};
static const struct state clicks_states[] = {
    {"model", STATE_VALUE, model_fields, sizeof(struct clicks_cell)},
    {"items", STATE_MAP, entry_fields, sizeof(struct clicks_entry)},
    {"users", STATE_MAP, entry_fields, sizeof(struct clicks_entry)},
    {"days", STATE_MAP, days_fields, sizeof(struct clicks_days)},
    {0},
};
static const struct column_def clicks_columns[] = {
    {"clicked", TYPE_BOOL}, {"position", TYPE_NONE}, {0}};
static const struct port clicks_in[] = {
    {"in", clicks_columns, .global = true, .help = "Labelled impressions."},
    {0},
};
static const struct port clicks_out[] = {
    {"items", .help = "Items that changed in a window."},
    {"users", .help = "Users that changed in a window."},
    {"model", .help = "What all have in common, in one row."},
    {0},
};
enum { MODEL = 0, ITEMS, USERS, DAYS };       /* states */
enum { OUT_ITEMS = 0, OUT_USERS, OUT_MODEL }; /* ports */
enum {
    COLUMN_NAME,
    COLUMN_BIAS,
    COLUMN_VECTOR,
    COLUMN_END,
    COLUMN_SENSITIVITY,
    COLUMN_HABITS
}; /* of items, users */
enum {
    COLUMN_MODEL,
    COLUMN_LEVEL,
    COLUMN_IMPRESSIONS,
    COLUMN_FORMS,
    COLUMN_AGES,
    COLUMN_CATEGORIES,
    COLUMN_VECTORS,
    COLUMN_MODEL_END
};

static const char *const quarters[CLICKS_QUARTERS] = {"night", "morning", "afternoon", "evening"};

/* ---- planning ---- */

static struct schema *part_schema(struct arena *arena, const char *name)
{
    struct schema *schema = schema_create(arena);
    struct field vector = {.name = "vector", .type = TYPE_VECTOR, .width = CLICKS_WIDTH};

    CHECK(schema_add_column(schema, arena, name, TYPE_I64));
    CHECK(schema_add_column(schema, arena, "bias", TYPE_F64));
    CHECK(schema_add(schema, arena, &vector));
    CHECK(schema_add_column(schema, arena, "window_end", TYPE_TIMESTAMP));
    return schema;
}

static const struct schema *user_schema(struct arena *arena, bool days)
{
    struct schema *schema = part_schema(arena, "user_id"), *child = schema_create(arena);
    struct field habits = {.name = "habits", .type = TYPE_LIST, .child = child};

    CHECK(schema_add_column(schema, arena, "sensitivity", TYPE_F64));
    if (!days)
        return schema;
    CHECK(schema_add_column(child, arena, "category", TYPE_I64));
    for (uint32_t i = 0; i < CLICKS_QUARTERS; i++)
        CHECK(schema_add_column(child, arena, quarters[i], TYPE_F32));
    CHECK(schema_add(schema, arena, &habits));
    return schema;
}

static void add_list(struct schema *schema, struct arena *arena, const char *name, bool id,
                     const char *value, enum type type)
{
    struct schema *child = schema_create(arena);
    struct field list = {.type = TYPE_LIST, .child = child};

    for (uint32_t i = 0; name[i] && i + 1 < NAME_SIZE_MAX; i++)
        list.name[i] = name[i];
    if (id)
        CHECK(schema_add_column(child, arena, "id", TYPE_I64));
    CHECK(schema_add_column(child, arena, value, type));
    CHECK(schema_add(schema, arena, &list));
}

static const struct schema *model_schema(struct arena *arena)
{
    struct schema *schema = schema_create(arena);

    CHECK(schema_add_column(schema, arena, "model", TYPE_I64));
    CHECK(schema_add_column(schema, arena, "level", TYPE_F64));
    CHECK(schema_add_column(schema, arena, "impressions", TYPE_I64));
    add_list(schema, arena, "forms", true, "bias", TYPE_F64);
    add_list(schema, arena, "ages", false, "bias", TYPE_F64);
    add_list(schema, arena, "categories", true, "bias", TYPE_F64);
    add_list(schema, arena, "vectors", false, "value", TYPE_F32);
    CHECK(schema_add_column(schema, arena, "window_end", TYPE_TIMESTAMP));
    return schema;
}

static bool check_column(struct describe *describe, const char *option, const char *name,
                         bool number, struct error *err)
{
    const struct schema *in = describe_input(describe, 0);
    uint32_t column = schema_find(in, name);
    enum type type = column == FIELD_NONE ? TYPE_NONE : in->fields[column].type;

    if (type == TYPE_I32 || type == TYPE_I64 || (!number && key_type(type)))
        return true;
    return describe_error(describe, err, option, "name a column of the impressions",
                          "the input has no %s column \"%s\"", number ? "i32 or i64" : "key", name);
}

static bool check_circumstances(struct describe *describe, struct error *err)
{
    const struct clicks_config *config = describe_config(describe);
    const struct text_list *names = &config->circumstances;

    if (names->count > SERVED_TERMS_MAX)
        return describe_error(describe, err, "circumstances", "leave the least ones out",
                              "%u terms are more than %u", names->count, SERVED_TERMS_MAX);
    for (uint32_t i = 0; i < names->count; i++)
        if (served_term(describe_input(describe, 0), names->items[i]) == FIELD_NONE)
            return describe_error(describe, err, "circumstances", "name terms that were served",
                                  "the input has no column \"reasons.%s\"", names->items[i]);
    return true;
}

static bool check_options(struct describe *describe, struct error *err)
{
    const struct clicks_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, 0);

    if (config->window.size_ms != config->window.every_ms)
        return describe_error(describe, err, "window", "write {tumbling: 1h}",
                              "the window slides, but the model is learnt for ever");
    return check_circumstances(describe, err) &&
           check_column(describe, "user", config->user, true, err) &&
           check_column(describe, "item", config->item, true, err) &&
           check_column(describe, "category", config->category, false, err) &&
           (!config->hour || check_column(describe, "hour", config->hour, true, err)) &&
           (schema_find(in, config->form) == FIELD_NONE ||
            check_column(describe, "form", config->form, false, err));
}

static void say_what_is_read(struct describe *describe)
{
    const struct clicks_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, 0);
    const char *const names[] = {config->user,
                                 config->item,
                                 config->category,
                                 config->form,
                                 config->age,
                                 "clicked",
                                 config->hour ? config->hour : "clicked"};

    for (uint32_t i = 0; i < in->count; i++)
        if (served_is(&in->fields[i]))
            describe_reads(describe, 0, i);
    for (uint32_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
        if (schema_find(in, names[k]) != FIELD_NONE)
            describe_reads(describe, 0, schema_find(in, names[k]));
}

static bool clicks_describe(struct describe *describe, struct error *err)
{
    const struct clicks_config *config = describe_config(describe);
    struct arena *arena = describe_arena(describe);
    struct text_list item = {1, (const char *[]){"item_id"}};
    struct text_list user = {1, (const char *[]){"user_id"}};
    struct text_list model = {1, (const char *[]){"model"}};

    if (!check_options(describe, err))
        return false;
    say_what_is_read(describe);
    describe_output(describe, OUT_ITEMS, part_schema(arena, "item_id"));
    describe_output(describe, OUT_USERS, user_schema(arena, config->hour));
    describe_output(describe, OUT_MODEL, model_schema(arena));
    describe_output_key(describe, OUT_ITEMS, &item);
    describe_output_key(describe, OUT_USERS, &user);
    describe_output_key(describe, OUT_MODEL, &model);
    describe_versions(describe, config->window.size_ms, false);
    if (config->item_forget_ms)
        describe_keep(describe, OUT_ITEMS, config->item_forget_ms);
    if (config->user_forget_ms)
        describe_keep(describe, OUT_USERS, config->user_forget_ms);
    return true;
}

/* ---- an instance ---- */

struct clicks_scratch {
    struct served served;
    uint32_t own[2]; /* columns of terms that are the model's, no offsets; FIELD_NONE: absent */
    uint32_t moving[SERVED_TERMS_MAX], moving_count; /* columns of the circumstances */
    struct clicks_priors priors;
    uint32_t clicked, user, item, category, form, age, hour; /* columns; FIELD_NONE: absent */
    uint64_t users[BATCH_ROWS_MAX], items[BATCH_ROWS_MAX], categories[BATCH_ROWS_MAX];
    uint64_t forms[BATCH_ROWS_MAX];
    double predicted[BATCH_ROWS_MAX], offsets[BATCH_ROWS_MAX], examinations[BATCH_ROWS_MAX];
    double moved[BATCH_ROWS_MAX];
};

static double square(double value)
{
    return value * value;
}

static struct clicks_priors priors_of(const struct clicks_config *config)
{
    return (struct clicks_priors){
        .level = {1, 0, config->level_drift_ms},
        .category = {.25, .06, config->level_drift_ms},
        .item = {square(config->item_spread), square(config->item_taste), config->item_drift_ms},
        .user = {square(config->user_spread), square(config->user_taste), config->user_drift_ms},
        .sensitivity = {square(config->sensitivity_spread), 0, config->user_drift_ms},
        .habit = {square(config->habit_spread), 0, config->user_drift_ms},
        .weight = {.25, 0, config->user_drift_ms},
    };
}

static bool clicks_open(struct op *op, struct error *err)
{
    const struct clicks_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, 0);
    struct clicks_scratch *scratch = op_memory(op, sizeof(*scratch));

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    served_open(&scratch->served, in, NULL);
    scratch->moving_count = config->circumstances.count;
    scratch->own[0] = scratch->moving_count ? served_term(in, "sensitivity") : FIELD_NONE;
    scratch->own[1] = config->hour ? served_term(in, "habit") : FIELD_NONE;
    for (uint32_t i = 0; i < scratch->moving_count; i++)
        scratch->moving[i] = served_term(in, config->circumstances.items[i]);
    scratch->priors = priors_of(config);
    scratch->clicked = schema_find(in, "clicked");
    scratch->user = schema_find(in, config->user);
    scratch->item = schema_find(in, config->item);
    scratch->category = schema_find(in, config->category);
    scratch->form = schema_find(in, config->form);
    scratch->age = schema_find(in, config->age);
    scratch->hour = config->hour ? schema_find(in, config->hour) : FIELD_NONE;
    return true;
}

/* ---- what a row is about ---- */

static struct clicks_number *find_form(struct clicks_cell *cell, const struct clicks_prior *prior,
                                       uint64_t id, int64_t now_ms)
{
    for (uint32_t i = 0; id && i < FORMS_MAX; i++) {
        struct form *form = &cell->forms[i];
        if (form->id == 0) {
            form->id = id;
            clicks_number_init(&form->bias, prior, now_ms);
        }
        if (form->id == id)
            return &form->bias;
    }
    return NULL;
}

static struct clicks_part *find_category(struct clicks_cell *cell, const struct clicks_prior *prior,
                                         uint64_t id, int64_t now_ms)
{
    uint32_t at = (uint32_t)(id % CATEGORIES_MAX);

    for (uint32_t i = 0; id && i < CATEGORIES_MAX; i++) {
        struct category *category = &cell->categories[(at + i) % CATEGORIES_MAX];
        if (category->id == 0) {
            category->id = id;
            clicks_category_init(&category->part, prior, id, now_ms);
        }
        if (category->id == id)
            return &category->part;
    }
    return NULL;
}

static struct clicks_number *find_age(struct op *op, struct clicks_cell *cell,
                                      const struct batch *in, uint32_t row)
{
    const struct clicks_scratch *scratch = op_scratch(op);
    double age =
        scratch->age == FIELD_NONE ? NAN : column_number(batch_column(in, scratch->age), row);

    return isnan(age) ? NULL : &cell->ages[clicks_age(age)];
}

/* Those of a user in the row's category, and the quarter; NULL: not known, or not asked. */
static struct clicks_habits *find_habits(struct op *op, const struct batch *in, uint32_t row,
                                         uint32_t *quarter)
{
    const struct clicks_scratch *scratch = op_scratch(op);
    uint64_t user = scratch->users[row], category = scratch->categories[row];
    double hour =
        scratch->hour == FIELD_NONE ? NAN : column_number(batch_column(in, scratch->hour), row);
    struct clicks_days *days;

    if (!user || !category || !clicks_quarter(hour, quarter))
        return NULL;
    days = op_entry(op, DAYS, row, &user, sizeof(user), true);
    return days ? clicks_habits_find(days->habits, HABITS_MAX, &scratch->priors.habit, category,
                                     batch_time(in)[row])
                : NULL;
}

/* The entry of an item or a user, which changes. */
static struct clicks_entry *find_entry(struct op *op, uint32_t state, uint64_t id,
                                       struct lately_list *list, const struct clicks_prior *prior,
                                       const struct batch *in, uint32_t column, uint32_t row)
{
    const struct clicks_config *config = op_config(op);
    const struct clicks_scratch *scratch = op_scratch(op);
    const struct clicks_cell *cell = op_cells(op, MODEL)[0];
    int64_t forget_ms = state == ITEMS ? config->item_forget_ms : config->user_forget_ms;
    struct clicks_entry *entry = id ? op_entry(op, state, row, &id, sizeof(id), true) : NULL;
    const struct column *names = batch_column(in, column);

    if (!entry)
        return NULL;
    if (entry->part.covariance[0] <= 0 ||
        lately_stale(&entry->lately, cell->due_ms, config->window.size_ms, forget_ms)) {
        entry->name = names->type == TYPE_I32 ? ((const int32_t *)names->values)[row]
                                              : ((const int64_t *)names->values)[row];
        clicks_part_init(&entry->part, prior, batch_time(in)[row]);
        clicks_number_init(&entry->sensitivity, &scratch->priors.sensitivity, batch_time(in)[row]);
        if (state == USERS && config->hour)
            (void)op_entry_remove(op, DAYS, row, &id, sizeof(id));
    }
    lately_touch(op, state, row, list, id, &entry->lately, cell->due_ms);
    return entry;
}

static void begin(struct clicks_cell *cell, const struct clicks_priors *priors, int64_t now_ms)
{
    clicks_number_init(&cell->level, &priors->level, now_ms);
    cell->level.mean = LEVEL_START;
    clicks_number_init(&cell->weight, &priors->weight, now_ms);
    cell->weight.mean = 1;
    for (uint32_t i = 0; i < CLICKS_AGES; i++)
        clicks_number_init(&cell->ages[i], &priors->level, now_ms);
}

static void learn(struct op *op, struct clicks_cell *cell, const struct batch *in, uint32_t row)
{
    const struct clicks_scratch *scratch = op_scratch(op);
    const struct clicks_priors *priors = &scratch->priors;
    const struct column *clicked = batch_column(in, scratch->clicked);
    int64_t now_ms = batch_time(in)[row];
    struct clicks_entry *item, *user;
    struct clicks_row parts;

    if (cell->impressions++ == 0)
        begin(cell, priors, now_ms);
    item = find_entry(op, ITEMS, scratch->items[row], &cell->items, &priors->item, in,
                      scratch->item, row);
    user = find_entry(op, USERS, scratch->users[row], &cell->users, &priors->user, in,
                      scratch->user, row);
    parts = (struct clicks_row){
        .level = &cell->level,
        .form = find_form(cell, &priors->level, scratch->forms[row], now_ms),
        .age = find_age(op, cell, in, row),
        .category = find_category(cell, &priors->category, scratch->categories[row], now_ms),
        .item = item ? &item->part : NULL,
        .user = user ? &user->part : NULL,
        .sensitivity = user && scratch->moving_count ? &user->sensitivity : NULL,
        .moved = scratch->moved[row],
    };
    parts.habits = find_habits(op, in, row, &parts.quarter);
    parts.weight = &cell->weight;
    clicks_learn(&parts, priors, scratch->offsets[row],
                 fmin(scratch->examinations[row], EXAMINATION_MAX),
                 column_valid(clicked, row) && column_bool(clicked, row), now_ms);
}

static void read_batch(struct clicks_scratch *scratch, const struct batch *in)
{
    key_ids(batch_column(in, scratch->user), in->rows, scratch->users);
    key_ids(batch_column(in, scratch->item), in->rows, scratch->items);
    key_ids(batch_column(in, scratch->category), in->rows, scratch->categories);
    for (uint32_t row = 0; row < in->rows; row++)
        scratch->forms[row] = 0;
    if (scratch->form != FIELD_NONE)
        key_ids(batch_column(in, scratch->form), in->rows, scratch->forms);
    served_logits(&scratch->served, in, scratch->predicted, scratch->offsets);
    for (uint32_t i = 0; i < 2; i++)
        if (scratch->own[i] != FIELD_NONE)
            served_take(in, scratch->own[i], scratch->offsets);
    memset(scratch->moved, 0, in->rows * sizeof(*scratch->moved));
    served_add(in, scratch->moving, scratch->moving_count, scratch->moved);
    served_examinations(&scratch->served, in, scratch->predicted, scratch->examinations);
}

static bool clicks_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct clicks_config *config = op_config(op);
    struct clicks_scratch *scratch = op_scratch(op);
    struct clicks_cell *cell = op_cells(op, MODEL)[0];

    (void)port;
    (void)err; /* what op_entry could not read is the engine's error */
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    read_batch(scratch, in);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        if (!(scratch->examinations[row] > 0) || !isfinite(scratch->offsets[row]))
            continue; /* not known how it was served */
        /* Another window may be pending only where a job goes on that had ended: no end is told any more. */
        cell->due_ms = windows_last_ms(config->window.size_ms, batch_time(in)[row]);
        cell->pending = 1;
        learn(op, cell, in, row);
    }
    return true;
}

/* ---- tables ---- */

static void tell_habits(struct op *op, uint64_t id, struct builder *out)
{
    const struct clicks_cell *cell = op_cells(op, MODEL)[0];
    float weight = (float)fmax(cell->weight.mean, 0);
    struct builder *list = builder_list(out, COLUMN_HABITS);
    const struct clicks_days *days = op_entry(op, DAYS, 0, &id, sizeof(id), false);

    for (uint32_t i = 0; days && i < HABITS_MAX; i++) {
        const struct clicks_habits *habits = &days->habits[i];
        if (!habits->category)
            continue;
        builder_child_row(list);
        builder_i64(list, 0, (int64_t)habits->category);
        for (uint32_t k = 0; k < CLICKS_QUARTERS; k++)
            builder_f32(list, 1 + k, weight * habits->mean[k]);
    }
    builder_list_end(out, COLUMN_HABITS);
}

/* At most about a batch of them; the rest stays. */
static void tell_parts(struct op *op, uint32_t state, uint32_t port, struct lately_list *list,
                       int64_t due_ms)
{
    const struct clicks_config *config = op_config(op);
    struct builder *out = op_reserve(op, port, BATCH_ROWS_MAX);

    for (uint32_t i = 0; i < BATCH_ROWS_MAX && list->changed; i++) {
        uint64_t id;
        const struct clicks_entry *entry = lately_changed(op, state, list, &id);
        if (!entry)
            return; /* the engine's error */
        builder_row(out, due_ms, 0, id);
        builder_i64(out, COLUMN_NAME, entry->name);
        builder_f64(out, COLUMN_BIAS, (double)entry->part.mean[0]);
        builder_vector(out, COLUMN_VECTOR, entry->part.mean + 1);
        builder_i64(out, COLUMN_END, due_ms + 1);
        if (state == USERS)
            builder_f64(out, COLUMN_SENSITIVITY, entry->sensitivity.mean);
        if (state == USERS && config->hour)
            tell_habits(op, id, out);
    }
}

/* False: there are more. */
static bool forget(struct op *op, uint32_t state, struct lately_list *list, int64_t before_ms)
{
    const struct clicks_config *config = op_config(op);

    for (uint32_t i = 0; i < BATCH_ROWS_MAX; i++) {
        if (!lately_oldest(op, state, list, before_ms))
            return true;
        if (state == USERS && config->hour)
            (void)op_entry_remove(op, DAYS, 0, &list->oldest, sizeof(list->oldest));
        lately_forget(op, state, list);
    }
    return false;
}

static void tell_categories(const struct clicks_cell *cell, struct builder *out)
{
    struct builder *list = builder_list(out, COLUMN_CATEGORIES), *vectors;

    for (uint32_t i = 0; i < CATEGORIES_MAX; i++) {
        if (cell->categories[i].id == 0)
            continue;
        builder_child_row(list);
        builder_i64(list, 0, (int64_t)cell->categories[i].id);
        builder_f64(list, 1, (double)cell->categories[i].part.mean[0]);
    }
    builder_list_end(out, COLUMN_CATEGORIES);
    vectors = builder_list(out, COLUMN_VECTORS);
    for (uint32_t i = 0; i < CATEGORIES_MAX; i++)
        for (uint32_t k = 0; cell->categories[i].id && k < CLICKS_WIDTH; k++) {
            builder_child_row(vectors);
            builder_f32(vectors, 0, cell->categories[i].part.mean[1 + k]);
        }
    builder_list_end(out, COLUMN_VECTORS);
}

static void tell_model(struct op *op, const struct clicks_cell *cell)
{
    struct builder *out = op_reserve(op, OUT_MODEL, 1), *list;

    builder_row(out, cell->due_ms, 0, 0);
    builder_i64(out, COLUMN_MODEL, 0);
    builder_f64(out, COLUMN_LEVEL, cell->level.mean);
    builder_i64(out, COLUMN_IMPRESSIONS, cell->impressions);
    list = builder_list(out, COLUMN_FORMS);
    for (uint32_t i = 0; i < FORMS_MAX && cell->forms[i].id; i++) {
        builder_child_row(list);
        builder_i64(list, 0, (int64_t)cell->forms[i].id);
        builder_f64(list, 1, cell->forms[i].bias.mean);
    }
    builder_list_end(out, COLUMN_FORMS);
    list = builder_list(out, COLUMN_AGES);
    for (uint32_t i = 0; i < CLICKS_AGES; i++) {
        builder_child_row(list);
        builder_f64(list, 0, cell->ages[i].mean);
    }
    builder_list_end(out, COLUMN_AGES);
    tell_categories(cell, out);
    builder_i64(out, COLUMN_MODEL_END, cell->due_ms + 1);
}

static bool clicks_on_watermark(struct op *op, int64_t time_ms, struct error *err)
{
    const struct clicks_config *config = op_config(op);
    struct clicks_cell *cell = op_cells(op, MODEL)[0];
    bool done;

    (void)err; /* what op_entry could not read is the engine's error */
    if (!cell->pending || time_ms < cell->due_ms)
        return true;
    tell_parts(op, ITEMS, OUT_ITEMS, &cell->items, cell->due_ms);
    tell_parts(op, USERS, OUT_USERS, &cell->users, cell->due_ms);
    done = !cell->items.changed && !cell->users.changed;
    if (done && config->item_forget_ms)
        done = forget(op, ITEMS, &cell->items, cell->due_ms - config->item_forget_ms);
    if (done && config->user_forget_ms)
        done = forget(op, USERS, &cell->users, cell->due_ms - config->user_forget_ms);
    if (!done) {
        op_again(op);
        return true;
    }
    tell_model(op, cell);
    cell->pending = 0;
    return true;
}

const struct operator_def learn_clicks = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "learn/clicks",
    .help = "Learns online how likely each user is to click each item.",
    .config_size = sizeof(struct clicks_config),
    .options = clicks_options,
    .inputs = clicks_in,
    .outputs = clicks_out,
    .states = clicks_states,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = clicks_describe,
    .open = clicks_open,
    .process = clicks_process,
    .on_watermark = clicks_on_watermark,
};
OPERATOR_REGISTER(learn_clicks);
