/* adjust/sensitivity: users differ in how far circumstances move them: the terms of time, place and the
 * like count for this user as much more or less as was learnt of them.
 * In: recommendations (`items` with score and reasons.NAME of each name in `of`), or impressions, with the
 * user. Out: the same with reasons.sensitivity: the user's own number x the sum of these terms. Table
 * `users`: of learn/clicks with the same names as `circumstances`; who is not in it has 0. */
#include "operators/model/list.h"
#include "operators/model/served.h"

#include <math.h>

struct sensitivity_config {
    struct text_list of;
    const char *user;
    double cap, strength;
    bool served;
};

static const struct option sensitivity_options[] = {
    {.name = "of",
     .type = OPT_TEXTS,
     FIELD(struct sensitivity_config, of),
     .required = true,
     .help = "Names of the terms, such as [time, place]."},
    {.name = "user",
     .type = OPT_TEXT,
     FIELD(struct sensitivity_config, user),
     .def.text = "user_id",
     .help = "Column of the request with the user, a whole number."},
    {.name = "cap",
     .type = OPT_F64,
     FIELD(struct sensitivity_config, cap),
     .def.f64 = 1.2,
     .max.f64 = 10,
     .help = "Largest term, up and down, before `strength`."},
    {.name = "strength",
     .type = OPT_F64,
     FIELD(struct sensitivity_config, strength),
     .def.f64 = 1,
     .max.f64 = 100,
     .help = "Multiplies the terms; 0 leaves the order as it is."},
    {.name = "served",
     .type = OPT_BOOL,
     FIELD(struct sensitivity_config, served),
     .def.flag = true,
     .help = "false: terms go to shadow.sensitivity, which feature/lift counts in, and change no "
             "score."},
    {0},
};
static const struct port sensitivity_in[] = {
    {"in", .help = "Recommendations with the terms of `of`, or impressions."},
    {0},
};
static const struct port sensitivity_out[] = {
    {"out", .keyed = true, .help = "The same, adjusted."},
    {0},
};
static const struct column_def user_columns[] = {
    {"user_id", TYPE_I64}, {"sensitivity", TYPE_F64}, {0}};
static const struct table_use sensitivity_tables[] = {
    {"users", "Users of learn/clicks.", .columns = user_columns},
    {0},
};
enum { USERS = 0 };
static const char *const served_names[] = {"reasons.sensitivity"};
static const char *const shadow_names[] = {"shadow.sensitivity"};

static const char *const *names_of(const struct sensitivity_config *config)
{
    return config->served ? served_names : shadow_names;
}

static bool sensitivity_describe(struct describe *describe, struct error *err)
{
    const struct sensitivity_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, 0);

    if (!list_number(describe, "user", config->user, err))
        return false;
    if (config->of.count > SERVED_TERMS_MAX)
        return describe_error(describe, err, "of", "leave the least ones out",
                              "%u terms are more than %u", config->of.count, SERVED_TERMS_MAX);
    for (uint32_t i = 0; i < config->of.count; i++)
        if (served_term(list_schema(in), config->of.items[i]) == FIELD_NONE)
            return describe_error(describe, err, "of", "put it behind the operator of that term",
                                  "the items have no column \"reasons.%s\"", config->of.items[i]);
    return list_describe(describe, names_of(config), 1, err);
}

/* ---- an instance ---- */

struct sensitivity_scratch {
    struct list_layout layout;
    uint32_t user, known; /* columns: of the request, of the table */
    uint32_t terms[SERVED_TERMS_MAX];
    uint64_t ids[BATCH_ROWS_MAX];
    const struct table_row *users[BATCH_ROWS_MAX];
};

static bool sensitivity_open(struct op *op, struct error *err)
{
    const struct sensitivity_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, 0);
    struct sensitivity_scratch *scratch = op_memory(op, sizeof(*scratch));

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    list_open(op, &scratch->layout, names_of(config), 1);
    scratch->user = schema_find(in, config->user);
    scratch->known = op_table_column(op, USERS, "sensitivity");
    for (uint32_t i = 0; i < config->of.count; i++)
        scratch->terms[i] = served_term(list_schema(in), config->of.items[i]);
    return true;
}

static void scale_rows(struct op *op, const struct batch *in, double *terms)
{
    const struct sensitivity_config *config = op_config(op);
    const struct sensitivity_scratch *scratch = op_scratch(op);

    for (uint32_t row = 0; row < batch_rows(in); row++) {
        const struct table_row *user = scratch->users[row];
        double times = user ? table_row_f64(user, scratch->known) : 0;
        uint32_t begin, end;
        list_range(&scratch->layout, in, row, &begin, &end);
        for (uint32_t i = begin; i < end; i++)
            terms[i] = config->strength * fmin(fmax(times * terms[i], -config->cap), config->cap);
    }
}

static bool sensitivity_process(struct op *op, uint32_t port, const struct batch *in,
                                struct error *err)
{
    const struct sensitivity_config *config = op_config(op);
    struct sensitivity_scratch *scratch = op_scratch(op);
    const struct batch *items = list_items(&scratch->layout, in);
    struct column *added;
    double *terms;

    (void)port;
    (void)err; /* cannot fail */
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    key_ids(batch_column(in, scratch->user), in->rows, scratch->ids);
    op_table_find_many(op, USERS, scratch->ids, in->rows, scratch->users);
    added = list_column(items->rows, &terms);
    served_add(items, scratch->terms, config->of.count, terms);
    scale_rows(op, in, terms);
    list_emit(op, &scratch->layout, in, &added, LIST_LEAVE);
    return true;
}

const struct operator_def adjust_sensitivity = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "adjust/sensitivity",
    .help = "Adjusts scores by how far circumstances move this user.",
    .config_size = sizeof(struct sensitivity_config),
    .options = sensitivity_options,
    .inputs = sensitivity_in,
    .outputs = sensitivity_out,
    .tables = sensitivity_tables,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = sensitivity_describe,
    .open = sensitivity_open,
    .process = sensitivity_process,
};
OPERATOR_REGISTER(adjust_sensitivity);
