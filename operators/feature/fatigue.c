/* feature/fatigue: how often a user was lately shown each item, and its category, without clicking, and
 * disliked or liked the category: the evidence of adjust/feedback.
 * In: requests (`items` with item_id and category) or impressions. Out: the input, its items with
 * fatigue_item, fatigue_category, dislikes and, where asked for, likes. Table `exposure` of
 * feature/exposure: what the user was shown up to its version.
 *
 * Method: an unclicked impression counts 2^(-age / half-life), 48 h for its item and 12 h for its
 * category, a dislike 7 d, a like 30 d. Each impression is weighed once a request; items and categories
 * find their sums by hash. */
#include "operators/model/list.h"

#include <math.h>
#include <string.h>

#define PLACES 256u /* of a request's hash table; a power of two */

struct fatigue_config {
    const char *user, *item, *category;
    int64_t item_half_ms, category_half_ms, dislike_half_ms, like_half_ms;
    bool likes;
};

static const struct option fatigue_options[] = {
    {.name = "user",
     .type = OPT_TEXT,
     FIELD(struct fatigue_config, user),
     .def.text = "user_id",
     .help = "Column of the request that names the user."},
    {.name = "item",
     .type = OPT_TEXT,
     FIELD(struct fatigue_config, item),
     .def.text = "item_id",
     .help = "Column of the items that names them."},
    {.name = "category",
     .type = OPT_TEXT,
     FIELD(struct fatigue_config, category),
     .def.text = "category",
     .help = "Column of the items that names the category."},
    {.name = "item-half-life",
     .type = OPT_DURATION,
     FIELD(struct fatigue_config, item_half_ms),
     .def.i64 = 48 * HOUR_MS,
     .min.i64 = MINUTE_MS,
     .max.i64 = 3660 * DAY_MS,
     .help = "Age at which an unclicked impression of the item counts half."},
    {.name = "category-half-life",
     .type = OPT_DURATION,
     FIELD(struct fatigue_config, category_half_ms),
     .def.i64 = 12 * HOUR_MS,
     .min.i64 = MINUTE_MS,
     .max.i64 = 3660 * DAY_MS,
     .help = "Age at which an unclicked impression of the category counts half."},
    {.name = "dislike-half-life",
     .type = OPT_DURATION,
     FIELD(struct fatigue_config, dislike_half_ms),
     .def.i64 = 7 * DAY_MS,
     .min.i64 = MINUTE_MS,
     .max.i64 = 3660 * DAY_MS,
     .help = "Age at which a dislike counts half."},
    {.name = "likes",
     .type = OPT_BOOL,
     FIELD(struct fatigue_config, likes),
     .help = "Likes are told as well; feature/exposure keeps them where its `likes` names kinds."},
    {.name = "like-half-life",
     .type = OPT_DURATION,
     FIELD(struct fatigue_config, like_half_ms),
     .def.i64 = 30 * DAY_MS,
     .min.i64 = MINUTE_MS,
     .max.i64 = 3660 * DAY_MS,
     .help = "Age at which a like counts half."},
    {0},
};
static const struct port fatigue_in[] = {
    {"in", .help = "Requests or impressions that get the counts."},
    {0},
};
static const struct port fatigue_out[] = {
    {"out", .keyed = true, .help = "The input with the counts."},
    {0},
};
static const struct column_def exposure_columns[] = {
    {"user_id", TYPE_KEY}, {"impressions", TYPE_LIST}, {"dislikes", TYPE_LIST}, {0}};
static const struct table_use fatigue_tables[] = {
    {"exposure", "Users of feature/exposure.", .columns = exposure_columns},
    {0},
};
enum { EXPOSURE = 0 };
enum { SHOWN_ITEM, SHOWN_CATEGORY, SHOWN_TIME, SHOWN_CLICKED }; /* of `impressions` */
enum { SAID_CATEGORY, SAID_TIME };                              /* of `dislikes` and `likes` */

static const char *const fatigue_names[] = {"fatigue_item", "fatigue_category", "dislikes",
                                            "likes"};
enum { BY_ITEM, BY_CATEGORY, BY_DISLIKE, BY_LIKE, KINDS };

static uint32_t kinds_of(const struct fatigue_config *config)
{
    return config->likes ? KINDS : BY_LIKE;
}

/* ---- planning ---- */

static bool check_key(struct describe *describe, const struct schema *schema, const char *option,
                      const char *name, struct error *err)
{
    uint32_t column = schema_find(schema, name);

    if (column != FIELD_NONE && key_type(schema->fields[column].type))
        return true;
    return describe_error(describe, err, option, "name a column of the request or its items",
                          "there is no text or integer column \"%s\"", name);
}

static bool check_list(struct describe *describe, const char *name, uint32_t columns,
                       struct error *err)
{
    const struct schema *exposure = describe_table(describe, EXPOSURE);
    uint32_t list = schema_find(exposure, name);

    if (!describe_table_known(describe, EXPOSURE))
        return true;
    if (list == FIELD_NONE)
        return describe_error(describe, err, "likes", "write likes: [like] at feature/exposure",
                              "the table has no list \"%s\"", name);
    if (exposure->fields[list].type == TYPE_LIST && exposure->fields[list].child->count == columns)
        return true;
    return describe_error(describe, err, "tables.exposure", "name a feature/exposure",
                          "\"%s\" of that table has other columns", name);
}

static bool fatigue_describe(struct describe *describe, struct error *err)
{
    const struct fatigue_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, 0), *items = list_schema(in);

    return check_key(describe, in, "user", config->user, err) &&
           check_key(describe, items, "item", config->item, err) &&
           check_key(describe, items, "category", config->category, err) &&
           check_list(describe, "impressions", SHOWN_CLICKED + 1, err) &&
           check_list(describe, "dislikes", SAID_TIME + 1, err) &&
           (!config->likes || check_list(describe, "likes", SAID_TIME + 1, err)) &&
           list_describe(describe, fatigue_names, kinds_of(config), err);
}

/* ---- an instance ---- */

struct fatigue_scratch {
    struct list_layout layout;
    uint32_t user, item, category, impressions, dislikes, likes;
    uint64_t user_ids[BATCH_ROWS_MAX];
    const struct table_row *users[BATCH_ROWS_MAX];
};

static bool fatigue_open(struct op *op, struct error *err)
{
    const struct fatigue_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, 0);
    struct fatigue_scratch *scratch = op_memory(op, sizeof(*scratch));

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    list_open(op, &scratch->layout, fatigue_names, kinds_of(config));
    scratch->user = schema_find(in, config->user);
    scratch->item = schema_find(list_schema(in), config->item);
    scratch->category = schema_find(list_schema(in), config->category);
    scratch->impressions = op_table_column(op, EXPOSURE, "impressions");
    scratch->dislikes = op_table_column(op, EXPOSURE, "dislikes");
    scratch->likes = config->likes ? op_table_column(op, EXPOSURE, "likes") : FIELD_NONE;
    return true;
}

/* ---- sums of a user ---- */

struct sums {
    uint32_t count;
    uint64_t ids[PLACES];
    double values[PLACES];
    bool taken[PLACES];
};

static uint32_t find_place(const struct sums *sums, uint64_t id)
{
    uint32_t at = (uint32_t)(id & (PLACES - 1));

    while (sums->taken[at] && sums->ids[at] != id)
        at = (at + 1) & (PLACES - 1);
    return at;
}

/* Ever more kinds than fit are as if they had not been; feature/exposure has fewer. */
static void add_to(struct sums *sums, uint64_t id, double value)
{
    uint32_t at = find_place(sums, id);

    if (!sums->taken[at]) {
        if (sums->count == PLACES / 2)
            return;
        sums->count++;
        sums->taken[at] = true;
        sums->ids[at] = id;
        sums->values[at] = 0;
    }
    sums->values[at] += value;
}

static double sum_of(const struct sums *sums, uint64_t id)
{
    uint32_t at = find_place(sums, id);

    return sums->taken[at] ? sums->values[at] : 0;
}

static double faded(int64_t age_ms, int64_t half_ms)
{
    return exp2(-(double)(age_ms > 0 ? age_ms : 0) / (double)half_ms);
}

static void begin(struct sums *sums)
{
    sums->count = 0;
    memset(sums->taken, 0, sizeof(sums->taken));
}

static void add_said(const struct table_row *user, uint32_t list, int64_t now_ms, int64_t half_ms,
                     struct sums *sums)
{
    const int64_t *categories = table_row_list_i64(user, list, SAID_CATEGORY);
    const int64_t *times = table_row_list_i64(user, list, SAID_TIME);

    for (uint32_t i = 0; i < table_row_list(user, list); i++)
        add_to(sums, (uint64_t)categories[i], faded(now_ms - times[i], half_ms));
}

static void add_up(struct op *op, const struct table_row *user, int64_t now_ms, struct sums *sums)
{
    const struct fatigue_config *config = op_config(op);
    const struct fatigue_scratch *scratch = op_scratch(op);
    uint32_t shown = table_row_list(user, scratch->impressions);
    const int64_t *items = table_row_list_i64(user, scratch->impressions, SHOWN_ITEM);
    const int64_t *categories = table_row_list_i64(user, scratch->impressions, SHOWN_CATEGORY);
    const int64_t *times = table_row_list_i64(user, scratch->impressions, SHOWN_TIME);
    const int64_t *clicked = table_row_list_i64(user, scratch->impressions, SHOWN_CLICKED);

    for (uint32_t i = 0; i < shown; i++) {
        if (clicked[i])
            continue;
        add_to(&sums[BY_ITEM], (uint64_t)items[i], faded(now_ms - times[i], config->item_half_ms));
        add_to(&sums[BY_CATEGORY], (uint64_t)categories[i],
               faded(now_ms - times[i], config->category_half_ms));
    }
    add_said(user, scratch->dislikes, now_ms, config->dislike_half_ms, &sums[BY_DISLIKE]);
    if (config->likes)
        add_said(user, scratch->likes, now_ms, config->like_half_ms, &sums[BY_LIKE]);
}

/* ---- rows ---- */

static void tell(struct op *op, const struct batch *in, const uint64_t *ids,
                 const uint64_t *categories, double *const *values)
{
    const struct fatigue_scratch *scratch = op_scratch(op);
    bool likes = scratch->layout.count > BY_LIKE;
    struct sums sums[KINDS];

    for (uint32_t row = 0; row < batch_rows(in); row++) {
        uint32_t first, last;
        list_range(&scratch->layout, in, row, &first, &last);
        if (!scratch->users[row])
            continue; /* the columns are 0 */
        for (uint32_t i = 0; i < KINDS; i++)
            begin(&sums[i]);
        add_up(op, scratch->users[row], batch_time(in)[row], sums);
        for (uint32_t i = first; i < last; i++) {
            values[BY_ITEM][i] = sum_of(&sums[BY_ITEM], ids[i]);
            values[BY_CATEGORY][i] = sum_of(&sums[BY_CATEGORY], categories[i]);
            values[BY_DISLIKE][i] = sum_of(&sums[BY_DISLIKE], categories[i]);
            if (likes)
                values[BY_LIKE][i] = sum_of(&sums[BY_LIKE], categories[i]);
        }
    }
}

static bool fatigue_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct fatigue_scratch *scratch = op_scratch(op);
    const struct batch *items = list_items(&scratch->layout, in);
    struct block *memory = block_create((items->rows + 1ul) * 2 * sizeof(uint64_t));
    uint64_t *ids = (uint64_t *)(void *)memory->data, *categories = ids + items->rows;
    double *values[KINDS];
    struct column *added[KINDS];

    (void)port;
    (void)err; /* cannot fail */
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    for (uint32_t i = 0; i < BY_LIKE; i++)
        added[i] = list_column(items->rows, &values[i]);
    values[BY_LIKE] = NULL;
    if (scratch->layout.count > BY_LIKE)
        added[BY_LIKE] = list_column(items->rows, &values[BY_LIKE]);
    key_ids(batch_column(in, scratch->user), in->rows, scratch->user_ids);
    op_table_find_many(op, EXPOSURE, scratch->user_ids, in->rows, scratch->users);
    key_ids(batch_column(items, scratch->item), items->rows, ids);
    key_ids(batch_column(items, scratch->category), items->rows, categories);
    tell(op, in, ids, categories, values);
    block_release(&memory);
    list_emit(op, &scratch->layout, in, added, LIST_LEAVE);
    return true;
}

const struct operator_def feature_fatigue = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "feature/fatigue",
    .help = "Tells how often a user was shown an item and its category lately without clicking, or "
            "said what he thinks of it.",
    .config_size = sizeof(struct fatigue_config),
    .options = fatigue_options,
    .inputs = fatigue_in,
    .outputs = fatigue_out,
    .tables = fatigue_tables,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = fatigue_describe,
    .open = fatigue_open,
    .process = fatigue_process,
};
OPERATOR_REGISTER(feature_fatigue);
