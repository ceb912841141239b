/* score/clicks: scores the items of a request by how likely this user is to click each, as the logit of
 * a click on an item that is looked at.
 * In: requests with a list `items` (item_id, category; form and age where known) and user_id, or
 * impressions, each row of which is an item. Out: the same, the items with score and reasons.base, in
 * the order in which they came. Tables of learn/clicks: items, users, model. A new item has the score
 * of its category for this user, a new user that of everyone. Method: model/clicks.h. */
#include "operators/model/clicks.h"
#include "operators/model/list.h"

#include <math.h>
#include <string.h>

#define CATEGORIES_MAX 256u /* as learn/clicks has at most */
#define FORMS_MAX 16u
#define PLACES 1024u /* of the hash table of categories; a power of two */
#define NOWHERE UINT32_MAX

struct clicks_config {
    const char *user, *item, *category, *form, *age;
    double unknown;
    bool personal;
};

#define COLUMN(option, field, value, about)                                                        \
    {                                                                                              \
        .name = option, .type = OPT_TEXT, FIELD(struct clicks_config, field), .def.text = (value), \
        .help = (about)                                                                            \
    }

static const struct option clicks_options[] = {
    COLUMN("user", user, "user_id", "Column of the request with the user, a whole number."),
    COLUMN("item", item, "item_id", "Column of the items that names them, a whole number."),
    COLUMN("category", category, "category", "Column of the items with their category."),
    COLUMN("form", form, "form", "Column of the items with their form, where there is one."),
    COLUMN("age", age, "age",
           "Column of the items with their age as a share of their life, where there is one."),
    {.name = "unknown",
     .type = OPT_F64,
     FIELD(struct clicks_config, unknown),
     .def.f64 = -3,
     .min.f64 = -20,
     .max.f64 = 20,
     .help = "Score of all items before anything is learnt."},
    {.name = "personal",
     .type = OPT_BOOL,
     FIELD(struct clicks_config, personal),
     .def.flag = true,
     .help = "false: what is best liked by all, whoever asks: a baseline to compare with."},
    {0},
};
static const struct port clicks_in[] = {
    {"in", .help = "Requests with candidates, or impressions."},
    {0},
};
static const struct port clicks_out[] = {
    {"out", .keyed = true, .help = "The same with scores."},
    {0},
};
static const struct column_def item_columns[] = {
    {"item_id", TYPE_I64}, {"bias", TYPE_F64}, {"vector", TYPE_VECTOR}, {0}};
static const struct column_def user_columns[] = {
    {"user_id", TYPE_I64}, {"bias", TYPE_F64}, {"vector", TYPE_VECTOR}, {0}};
static const struct column_def model_columns[] = {{"model", TYPE_I64},
                                                  {"level", TYPE_F64},
                                                  {"forms", TYPE_LIST},
                                                  {"ages", TYPE_LIST},
                                                  {"categories", TYPE_LIST},
                                                  {"vectors", TYPE_LIST},
                                                  {0}};
static const struct table_use clicks_tables[] = {
    {"items", "Items of learn/clicks.", .columns = item_columns},
    {"users", "Users of learn/clicks.", .columns = user_columns},
    {"model", "The rest of learn/clicks.", .columns = model_columns},
    {0},
};
enum { ITEMS = 0, USERS, MODEL };
static const char *const names[] = {"score", "reasons.base"};
enum { SCORE, BASE, ADDED };

/* ---- planning ---- */

static bool check_column(struct describe *describe, const struct schema *schema, const char *option,
                         const char *name, bool number, struct error *err)
{
    uint32_t column = schema_find(schema, name);
    enum type type = column == FIELD_NONE ? TYPE_NONE : schema->fields[column].type;

    if (type == TYPE_I32 || type == TYPE_I64 || (!number && key_type(type)))
        return true;
    return describe_error(describe, err, option, "name a column of the requests or their items",
                          "there is no %s column \"%s\"", number ? "i32 or i64" : "key", name);
}

static bool clicks_describe(struct describe *describe, struct error *err)
{
    const struct clicks_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, 0), *items = list_schema(in);

    return check_column(describe, in, "user", config->user, true, err) &&
           check_column(describe, items, "item", config->item, true, err) &&
           check_column(describe, items, "category", config->category, false, err) &&
           (schema_find(items, config->form) == FIELD_NONE ||
            check_column(describe, items, "form", config->form, false, err)) &&
           list_describe(describe, names, ADDED, err);
}

/* ---- an instance ---- */

struct category {
    double bias;
    float vector[CLICKS_WIDTH];
};

struct clicks_model { /* as the row of the table says, laid out for look-ups */
    bool known;
    double level, ages[CLICKS_AGES], form_biases[FORMS_MAX];
    uint64_t form_ids[FORMS_MAX], category_ids[CATEGORIES_MAX];
    uint32_t forms, categories;
    uint16_t places[PLACES]; /* 1 + number of a category; 0: free */
    struct category category[CATEGORIES_MAX];
};

struct clicks_scratch {
    struct list_layout layout;
    uint32_t user, item, category, form, age;                /* columns; FIELD_NONE: absent */
    uint32_t item_bias, item_vector, user_bias, user_vector; /* of the tables */
    uint32_t level, forms, ages, categories, vectors;
    uint64_t key; /* of the model's one row */
    int64_t version;
    struct clicks_model model;
    const struct table_row *users[BATCH_ROWS_MAX];
    uint64_t user_ids[BATCH_ROWS_MAX];
};

static bool clicks_open(struct op *op, struct error *err)
{
    const struct clicks_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, 0), *items = list_schema(in);
    struct clicks_scratch *scratch = op_memory(op, sizeof(*scratch));
    uint8_t key[KEY_SIZE_MAX];

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    list_open(op, &scratch->layout, names, ADDED);
    scratch->user = schema_find(in, config->user);
    scratch->item = schema_find(items, config->item);
    scratch->category = schema_find(items, config->category);
    scratch->form = schema_find(items, config->form);
    scratch->age = schema_find(items, config->age);
    scratch->item_bias = op_table_column(op, ITEMS, "bias");
    scratch->item_vector = op_table_column(op, ITEMS, "vector");
    scratch->user_bias = op_table_column(op, USERS, "bias");
    scratch->user_vector = op_table_column(op, USERS, "vector");
    scratch->level = op_table_column(op, MODEL, "level");
    scratch->forms = op_table_column(op, MODEL, "forms");
    scratch->ages = op_table_column(op, MODEL, "ages");
    scratch->categories = op_table_column(op, MODEL, "categories");
    scratch->vectors = op_table_column(op, MODEL, "vectors");
    scratch->key = hash_bytes(key, key_from_i64(0, key));
    scratch->version = INT64_MIN;
    return true;
}

/* ---- the model's row ---- */

static uint32_t least(uint32_t left, uint32_t right)
{
    return left < right ? left : right;
}

static void place_category(struct clicks_model *model, uint32_t number)
{
    uint32_t at = (uint32_t)(model->category_ids[number] & (PLACES - 1));

    while (model->places[at])
        at = (at + 1) & (PLACES - 1);
    model->places[at] = (uint16_t)(number + 1);
}

static void read_categories(const struct clicks_scratch *scratch, const struct table_row *row,
                            struct clicks_model *model)
{
    const int64_t *ids = table_row_list_i64(row, scratch->categories, 0);
    const double *biases = table_row_list_f64(row, scratch->categories, 1);
    const float *vectors = table_row_list_f32(row, scratch->vectors, 0);

    model->categories = least(least(table_row_list(row, scratch->categories), CATEGORIES_MAX),
                              table_row_list(row, scratch->vectors) / CLICKS_WIDTH);
    for (uint32_t i = 0; i < model->categories; i++) {
        model->category_ids[i] = (uint64_t)ids[i];
        model->category[i].bias = biases[i];
        memcpy(model->category[i].vector, vectors + (size_t)i * CLICKS_WIDTH,
               sizeof(model->category[i].vector));
        place_category(model, i);
    }
}

static void read_model(const struct clicks_scratch *scratch, const struct table_row *row,
                       struct clicks_model *model)
{
    *model = (struct clicks_model){.known = row != NULL};
    if (!row)
        return;
    model->level = table_row_f64(row, scratch->level);
    for (uint32_t i = 0; i < least(table_row_list(row, scratch->ages), CLICKS_AGES); i++)
        model->ages[i] = table_row_list_f64(row, scratch->ages, 0)[i];
    model->forms = least(table_row_list(row, scratch->forms), FORMS_MAX);
    for (uint32_t i = 0; i < model->forms; i++) {
        model->form_ids[i] = (uint64_t)table_row_list_i64(row, scratch->forms, 0)[i];
        model->form_biases[i] = table_row_list_f64(row, scratch->forms, 1)[i];
    }
    read_categories(scratch, row, model);
}

/* What is remembered follows from the table's version alone, so it is no state. */
static void follow_version(struct op *op, struct clicks_scratch *scratch)
{
    int64_t version = op_table_version(op, MODEL);

    if (version == scratch->version && version != INT64_MAX) /* INT64_MAX: the newest */
        return;
    scratch->version = version;
    read_model(scratch, op_table_find(op, MODEL, scratch->key), &scratch->model);
}

static uint32_t find_category(const struct clicks_model *model, uint64_t id)
{
    uint32_t at = (uint32_t)(id & (PLACES - 1));

    while (model->places[at]) {
        uint32_t number = model->places[at] - 1u;
        if (model->category_ids[number] == id)
            return number;
        at = (at + 1) & (PLACES - 1);
    }
    return NOWHERE;
}

static double find_form(const struct clicks_model *model, uint64_t id)
{
    for (uint32_t i = 0; i < model->forms; i++)
        if (model->form_ids[i] == id)
            return model->form_biases[i];
    return 0;
}

/* ---- a request ---- */

struct person {          /* of a request */
    double level;        /* of the model and of the user */
    const float *vector; /* NULL: unknown */
    bool asked[CATEGORIES_MAX];
    double categories[CATEGORIES_MAX]; /* level, bias and taste of a category, where asked */
};

struct items {                          /* columns of the batch's items, by item */
    const uint64_t *categories, *forms; /* forms: NULL when absent */
    const struct column *ages;          /* NULL when absent */
    const struct table_row *const *rows;
};

/* `user` NULL: unknown. */
static void meet(const struct clicks_scratch *scratch, const struct table_row *user,
                 struct person *person)
{
    uint32_t width;

    memset(person->asked, 0, sizeof(person->asked));
    person->level = scratch->model.level + (user ? table_row_f64(user, scratch->user_bias) : 0);
    person->vector = user ? table_row_vector(user, scratch->user_vector, &width) : NULL;
    CHECK(!person->vector || width == CLICKS_WIDTH);
}

static double category_level(const struct clicks_model *model, struct person *person, uint64_t id)
{
    uint32_t number = find_category(model, id);

    if (number == NOWHERE)
        return person->level;
    if (!person->asked[number]) {
        const struct category *category = &model->category[number];
        person->asked[number] = true;
        person->categories[number] =
            person->level + category->bias +
            (person->vector ? clicks_dot(person->vector, category->vector) : 0);
    }
    return person->categories[number];
}

static double score_item(const struct clicks_scratch *scratch, const struct items *items,
                         struct person *person, uint32_t item)
{
    const struct clicks_model *model = &scratch->model;
    const struct table_row *row = items->rows[item];
    double score = category_level(model, person, items->categories[item]), age;
    uint32_t width;

    if (items->forms)
        score += find_form(model, items->forms[item]);
    if (items->ages) {
        age = column_number(items->ages, item);
        score += isnan(age) ? 0 : model->ages[clicks_age(age)];
    }
    if (!row)
        return score;
    score += table_row_f64(row, scratch->item_bias);
    if (person->vector)
        score += clicks_dot(person->vector, table_row_vector(row, scratch->item_vector, &width));
    return score;
}

static void score_rows(struct op *op, const struct batch *in, const struct items *items,
                       double *scores)
{
    const struct clicks_config *config = op_config(op);
    const struct clicks_scratch *scratch = op_scratch(op);
    struct person person;

    for (uint32_t row = 0; row < batch_rows(in); row++) {
        uint32_t begin, end;
        list_range(&scratch->layout, in, row, &begin, &end);
        meet(scratch, config->personal ? scratch->users[row] : NULL, &person);
        for (uint32_t i = begin; i < end; i++)
            scores[i] =
                scratch->model.known ? score_item(scratch, items, &person, i) : config->unknown;
    }
}

static bool clicks_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct clicks_scratch *scratch = op_scratch(op);
    const struct batch *list = list_items(&scratch->layout, in);
    struct block *memory = block_create((list->rows + 1ul) * 4 * sizeof(uint64_t));
    uint64_t *ids = (uint64_t *)(void *)memory->data, *categories = ids + list->rows;
    uint64_t *forms = categories + list->rows;
    const struct table_row **rows = (const struct table_row **)(void *)(forms + list->rows);
    struct items items = {categories, scratch->form == FIELD_NONE ? NULL : forms, NULL, rows};
    double *values[ADDED];
    struct column *added[ADDED];

    (void)port;
    (void)err; /* cannot fail */
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    follow_version(op, scratch);
    key_ids(batch_column(in, scratch->user), in->rows, scratch->user_ids);
    op_table_find_many(op, USERS, scratch->user_ids, in->rows, scratch->users);
    key_ids(batch_column(list, scratch->item), list->rows, ids);
    op_table_find_many(op, ITEMS, ids, list->rows, rows);
    key_ids(batch_column(list, scratch->category), list->rows, categories);
    if (scratch->form != FIELD_NONE)
        key_ids(batch_column(list, scratch->form), list->rows, forms);
    if (scratch->age != FIELD_NONE)
        items.ages = batch_column(list, scratch->age);
    for (uint32_t i = 0; i < ADDED; i++)
        added[i] = list_column(list->rows, &values[i]);
    score_rows(op, in, &items, values[SCORE]);
    memcpy(values[BASE], values[SCORE], list->rows * sizeof(double));
    block_release(&memory);
    list_emit(op, &scratch->layout, in, added, LIST_LEAVE);
    return true;
}

const struct operator_def score_clicks = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "score/clicks",
    .help = "Scores the items of a request by how likely this user is to click each.",
    .config_size = sizeof(struct clicks_config),
    .options = clicks_options,
    .inputs = clicks_in,
    .outputs = clicks_out,
    .tables = clicks_tables,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = clicks_describe,
    .open = clicks_open,
    .process = clicks_process,
};
OPERATOR_REGISTER(score_clicks);
