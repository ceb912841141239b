/* adjust/habit: moves items up of categories that this user likes more at this quarter of the day (night,
 * morning, afternoon, evening) than at others.
 * In: recommendations (`items` with score), or impressions, with user, local hour and category. Out: the
 * same with reasons.habit. Table `users`: of learn/clicks with `hour`; who is not in it has 0. */
#include "operators/model/clicks.h"
#include "operators/model/list.h"

#include <math.h>

struct habit_config {
    const char *user, *hour, *category;
    double cap, strength;
    bool served;
};

static const struct option habit_options[] = {
    {.name = "user",
     .type = OPT_TEXT,
     FIELD(struct habit_config, user),
     .def.text = "user_id",
     .help = "Column of the request with the user, a whole number."},
    {.name = "hour",
     .type = OPT_TEXT,
     FIELD(struct habit_config, hour),
     .def.text = "hour_local",
     .help = "Column of the request with the local hour, from 0 below 24."},
    {.name = "category",
     .type = OPT_TEXT,
     FIELD(struct habit_config, category),
     .def.text = "category",
     .help = "Column of the items that learn/clicks has as `category`."},
    {.name = "cap",
     .type = OPT_F64,
     FIELD(struct habit_config, cap),
     .def.f64 = 1.2,
     .max.f64 = 10,
     .help = "Largest term, up and down, before `strength`."},
    {.name = "strength",
     .type = OPT_F64,
     FIELD(struct habit_config, strength),
     .def.f64 = 1,
     .max.f64 = 100,
     .help = "Multiplies the terms; 0 leaves the order as it is."},
    {.name = "served",
     .type = OPT_BOOL,
     FIELD(struct habit_config, served),
     .def.flag = true,
     .help = "false: terms go to shadow.habit, which feature/lift counts in, and change no score."},
    {0},
};
static const struct port habit_in[] = {
    {"in", .help = "Recommendations of `score` or of another adjust operator, or impressions."},
    {0},
};
static const struct port habit_out[] = {
    {"out", .keyed = true, .help = "The same, adjusted."},
    {0},
};
static const struct column_def user_columns[] = {{"user_id", TYPE_I64}, {"habits", TYPE_LIST}, {0}};
static const struct table_use habit_tables[] = {
    {"users", "Users of learn/clicks with `hour`.", .columns = user_columns},
    {0},
};
enum { USERS = 0 };
static const char *const served_names[] = {"reasons.habit"};
static const char *const shadow_names[] = {"shadow.habit"};

static const char *const *names_of(const struct habit_config *config)
{
    return config->served ? served_names : shadow_names;
}

static bool habit_describe(struct describe *describe, struct error *err)
{
    const struct habit_config *config = describe_config(describe);
    const struct schema *items = list_schema(describe_input(describe, 0));
    uint32_t category = schema_find(items, config->category);

    if (!list_number(describe, "user", config->user, err) ||
        !list_number(describe, "hour", config->hour, err))
        return false;
    if (category == FIELD_NONE || !key_type(items->fields[category].type))
        return describe_error(describe, err, "category", "name a column of the items",
                              "the items have no key column \"%s\"", config->category);
    return list_describe(describe, names_of(config), 1, err);
}

/* ---- an instance ---- */

struct habit_scratch {
    struct list_layout layout;
    uint32_t user, hour, category, habits; /* columns: of the request, the items, the table */
    uint64_t ids[BATCH_ROWS_MAX];
    const struct table_row *users[BATCH_ROWS_MAX];
};

static bool habit_open(struct op *op, struct error *err)
{
    const struct habit_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, 0);
    struct habit_scratch *scratch = op_memory(op, sizeof(*scratch));

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    list_open(op, &scratch->layout, names_of(config), 1);
    scratch->user = schema_find(in, config->user);
    scratch->hour = schema_find(in, config->hour);
    scratch->category = schema_find(list_schema(in), config->category);
    scratch->habits = op_table_column(op, USERS, "habits");
    return true;
}

static double habit_of(const struct habit_config *config, const int64_t *known, uint32_t count,
                       const float *habits, uint64_t category)
{
    for (uint32_t i = 0; i < count; i++)
        if ((uint64_t)known[i] == category)
            return config->strength * fmin(fmax((double)habits[i], -config->cap), config->cap);
    return 0;
}

static void add_habits(struct op *op, const struct batch *in, const uint64_t *categories,
                       double *terms)
{
    const struct habit_config *config = op_config(op);
    const struct habit_scratch *scratch = op_scratch(op);
    const struct column *hours = batch_column(in, scratch->hour);

    for (uint32_t row = 0; row < batch_rows(in); row++) {
        const struct table_row *user = scratch->users[row];
        uint32_t begin, end, count, quarter;
        const int64_t *known;
        const float *habits;
        if (!user || !clicks_quarter(column_number(hours, row), &quarter))
            continue;
        count = table_row_list(user, scratch->habits);
        known = table_row_list_i64(user, scratch->habits, 0);
        habits = table_row_list_f32(user, scratch->habits, 1 + quarter);
        list_range(&scratch->layout, in, row, &begin, &end);
        for (uint32_t i = begin; i < end; i++)
            terms[i] = habit_of(config, known, count, habits, categories[i]);
    }
}

static bool habit_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct habit_scratch *scratch = op_scratch(op);
    const struct batch *items = list_items(&scratch->layout, in);
    struct block *memory = block_create((items->rows + 1ul) * sizeof(uint64_t));
    uint64_t *categories = (uint64_t *)(void *)memory->data;
    struct column *added;
    double *terms;

    (void)port;
    (void)err; /* cannot fail */
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    key_ids(batch_column(in, scratch->user), in->rows, scratch->ids);
    op_table_find_many(op, USERS, scratch->ids, in->rows, scratch->users);
    key_ids(batch_column(items, scratch->category), items->rows, categories);
    added = list_column(items->rows, &terms);
    add_habits(op, in, categories, terms);
    block_release(&memory);
    list_emit(op, &scratch->layout, in, &added, LIST_LEAVE);
    return true;
}

const struct operator_def adjust_habit = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "adjust/habit",
    .help = "Adjusts scores by what this user likes at this quarter of the day.",
    .config_size = sizeof(struct habit_config),
    .options = habit_options,
    .inputs = habit_in,
    .outputs = habit_out,
    .tables = habit_tables,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = habit_describe,
    .open = habit_open,
    .process = habit_process,
};
OPERATOR_REGISTER(adjust_habit);
