/* adjust/time: moves items up whose class is met more often at this hour of the day and on this day
 * of the week than items are in general.
 * In: recommendations (`items` with item and score). Out: the same rows; each item's score has the
 * term added, `reasons.time` tells it, and the list is in the new order, cut at `top`.
 * Table `lifts`: counts by class of feature/share.
 *
 * Method: term = strength x (log-ratio of the hour + log-ratio of the day), each class's share of a
 * level against the overall share, shrunk by pseudo-events, the sum capped at +-`cap` (levels.h).
 * How many pseudo-events is estimated from the table, for hours and for days, so that a factor
 * without effect fades by itself. The log has no impressions, so this is class share, not a lift of clicks; hour and
 * day are taken as independent. The overall share is that of the CLASSES_MAX most frequent classes
 * together. Classes without evidence have a term of 0. Ties keep their former order. */
#include "operators/model/ids.h"
#include "operators/model/levels.h"
#include "runtime/api/operator.h"

#include <stdlib.h>
#include <string.h>

#define CLASSES_MAX 1000
#define LIST_MAX 4096 /* items of a list that are looked at */

struct time_config {
    const char *class;
    double prior, cap, strength;
    int64_t top;
};

static const struct option time_options[] = {
    {.name = "class",
     .type = OPT_TEXT,
     FIELD(struct time_config, class),
     .def.text = "item",
     .help = "The column of the items that `lifts` is keyed by: the item itself, or its class."},
    {.name = "prior",
     .type = OPT_F64,
     FIELD(struct time_config, prior),
     .def.f64 = 0,
     .min.f64 = 0,
     .max.f64 = LEVELS_PRIOR_MAX,
     .help = "Pseudo-events that draw a class towards the overall share: the more, the later a "
             "class has a say of its own. 0: as many as the table's own spread tells."},
    {.name = "cap",
     .type = OPT_F64,
     FIELD(struct time_config, cap),
     .def.f64 = 0.3,
     .min.f64 = 0,
     .max.f64 = 10,
     .help = "Largest term, up and down, before `strength`."},
    {.name = "strength",
     .type = OPT_F64,
     FIELD(struct time_config, strength),
     .def.f64 = 1,
     .min.f64 = 0,
     .max.f64 = 100,
     .help = "Scores per unit of the logarithm; 0 leaves the order as it is."},
    {.name = "top",
     .type = OPT_I64,
     FIELD(struct time_config, top),
     .def.i64 = 100,
     .min.i64 = 1,
     .max.i64 = LIST_MAX,
     .help = "Items that stay in the list."},
    {0},
};
static const struct column_def time_columns[] = {{"items", TYPE_LIST}, {0}};
static const struct port time_in[] = {
    {"in", time_columns, .help = "Recommendations of `score` or of another adjust operator."},
    {0},
};
static const struct port time_out[] = {
    {"out", .keyed = true, .help = "The same, adjusted."},
    {0},
};
static const struct column_def lifts_columns[] = {
    {"class", TYPE_KEY}, {"total", TYPE_I64}, {"hours", TYPE_LIST}, {"weekdays", TYPE_LIST}, {0}};
static const struct table_use time_tables[] = {
    {"lifts", "Counts of feature/share.", .columns = lifts_columns, .rank_by = "total",
     .rank_limit = CLASSES_MAX},
    {0},
};
enum { IN = 0, OUT = 0, LIFTS = 0 };

/* ---- planning ---- */

static bool check_items(struct describe *describe, const struct schema *items, struct error *err)
{
    const struct time_config *config = describe_config(describe);
    const struct schema *lifts = describe_table(describe, LIFTS);
    uint32_t score = schema_find(items, "score"), class = schema_find(items, config->class);
    enum type named = lifts->fields[schema_find(lifts, "class")].type;

    if (score == FIELD_NONE || items->fields[score].type != TYPE_F64)
        return describe_error(describe, err, "from", "read `score` or another adjust operator",
                              "column \"items\" has no scores in it");
    if (class == FIELD_NONE)
        return describe_error(describe, err, "class", "name a column of the list, such as item",
                              "the list has no column \"%s\"", config->class);
    if (items->fields[class].type != named)
        return describe_error(describe, err, "tables.lifts", "key feature/share by the same column",
                              "its classes are %s, but column \"%s\" of the list is %s",
                              type_name(named), config->class,
                              type_name(items->fields[class].type));
    return true;
}

static bool time_describe(struct describe *describe, struct error *err)
{
    struct arena *arena = describe_arena(describe);
    const struct schema *in = describe_input(describe, IN);
    uint32_t list = schema_find(in, "items");
    const struct schema *items = in->fields[list].child;
    struct schema *schema = schema_create(arena), *child = schema_create(arena);

    if (!check_items(describe, items, err))
        return false;
    for (uint32_t i = 0; i < items->count; i++)
        CHECK(schema_add(child, arena, &items->fields[i]));
    if (!schema_add_column(child, arena, "reasons.time", TYPE_F64))
        return describe_error(describe, err, "from", "use adjust/time once",
                              "the list already has a column \"reasons.time\"");
    for (uint32_t i = 0; i < in->count; i++) {
        struct field field = in->fields[i];
        if (i == list)
            field.child = child;
        CHECK(schema_add(schema, arena, &field));
    }
    describe_output(describe, OUT, schema);
    return true;
}

/* ---- an instance ---- */

struct placed {
    double score, term;
    uint32_t place; /* in the child batch */
};

struct time_scratch {
    uint32_t list, score, class, reason; /* columns; of the list */
    uint32_t total, hours, weekdays;     /* columns of `lifts` */
    int64_t version;                     /* that the next three are of: they follow from it */
    struct levels_overall overall;
    double hour_prior, weekday_prior;
    struct placed placed[LIST_MAX];
    uint64_t ids[LIST_MAX + IDS_SPARE];
};

static bool time_open(struct op *op, struct error *err)
{
    const struct time_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, IN);
    struct time_scratch *scratch = op_memory(op, sizeof(*scratch));
    const struct schema *items;

    (void)err; /* cannot fail */
    scratch->list = schema_find(in, "items");
    items = in->fields[scratch->list].child;
    scratch->score = schema_find(items, "score");
    scratch->class = schema_find(items, config->class);
    scratch->reason = items->count;
    scratch->total = op_table_column(op, LIFTS, "total");
    scratch->hours = op_table_column(op, LIFTS, "hours");
    scratch->weekdays = op_table_column(op, LIFTS, "weekdays");
    scratch->version = INT64_MIN;
    op_set_scratch(op, scratch);
    return true;
}

static void find_priors(const struct time_config *config, struct time_scratch *scratch,
                        const struct table_row *const *rows, uint32_t count)
{
    struct levels_spread spread = {0};

    scratch->hour_prior = scratch->weekday_prior = config->prior;
    if (config->prior > 0)
        return;
    for (uint32_t i = 0; i < count; i++)
        levels_spread_add(&spread, &scratch->overall, table_row_i64(rows[i], scratch->total),
                          table_row_list_i64(rows[i], scratch->hours, 0),
                          table_row_list_i64(rows[i], scratch->weekdays, 0));
    scratch->hour_prior = levels_prior(&spread, spread.hours, LEVELS_HOURS);
    scratch->weekday_prior = levels_prior(&spread, spread.weekdays, LEVELS_WEEKDAYS);
}

static void find_overall(struct op *op, struct time_scratch *scratch)
{
    struct levels_counts all = {0};
    uint32_t count;
    const struct table_row *const *rows;
    int64_t version = op_table_version(op, LIFTS);

    if (version == scratch->version && version != INT64_MAX) /* INT64_MAX: the newest */
        return;
    rows = op_table_top(op, LIFTS, &count);
    for (uint32_t i = 0; i < count; i++)
        levels_add(&all, table_row_i64(rows[i], scratch->total),
                   table_row_list_i64(rows[i], scratch->hours, 0),
                   table_row_list_i64(rows[i], scratch->weekdays, 0));
    levels_overall(&all, &scratch->overall);
    find_priors(op_config(op), scratch, rows, count);
    scratch->version = version;
}

static double find_term(struct op *op, const struct time_scratch *scratch, uint64_t class,
                        int64_t time_ms)
{
    const struct time_config *config = op_config(op);
    const struct table_row *row = op_table_find(op, LIFTS, class);
    uint32_t hour = levels_hour(time_ms), weekday = levels_weekday(time_ms);
    int64_t total;
    double term;

    if (!row)
        return 0;
    total = table_row_i64(row, scratch->total);
    term = levels_term(table_row_list_i64(row, scratch->hours, 0)[hour], total,
                       scratch->overall.hours[hour], scratch->hour_prior);
    term += levels_term(table_row_list_i64(row, scratch->weekdays, 0)[weekday], total,
                        scratch->overall.weekdays[weekday], scratch->weekday_prior);
    term = term > config->cap ? config->cap : term < -config->cap ? -config->cap : term;
    return config->strength * term;
}

static int by_score(const void *left, const void *right)
{
    const struct placed *a = left, *b = right;

    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

/* ---- rows ---- */

static void adjust(struct op *op, struct time_scratch *scratch, const struct batch *items,
                   uint32_t begin, uint32_t count, int64_t time_ms)
{
    const double *scores = batch_column(items, scratch->score)->values;

    for (uint32_t i = 0; i < count; i++) {
        double term = find_term(op, scratch, scratch->ids[i], time_ms);
        scratch->placed[i] = (struct placed){scores[begin + i] + term, term, begin + i};
    }
    qsort(scratch->placed, count, sizeof(scratch->placed[0]), by_score);
}

static void put_items(const struct time_scratch *scratch, const struct batch *items, uint32_t count,
                      struct builder *out)
{
    struct builder *list = builder_list(out, scratch->list);

    for (uint32_t i = 0; i < count; i++) {
        const struct placed *placed = &scratch->placed[i];
        builder_child_row(list);
        for (uint32_t column = 0; column < items->column_count; column++)
            if (column != scratch->score)
                builder_copy(list, column, batch_column(items, column), placed->place);
        builder_f64(list, scratch->score, placed->score);
        builder_f64(list, scratch->reason, placed->term);
    }
    builder_list_end(out, scratch->list);
}

static void put_row(struct op *op, struct time_scratch *scratch, const struct batch *in,
                    uint32_t row, struct builder *out)
{
    const struct time_config *config = op_config(op);
    const struct column *list = batch_column(in, scratch->list);
    uint32_t begin = (uint32_t)list->offsets[row];
    uint32_t count = (uint32_t)list->offsets[row + 1] - begin;

    builder_row_from(out, in, row);
    for (uint32_t column = 0; column < in->column_count; column++)
        if (column != scratch->list)
            builder_copy(out, column, batch_column(in, column), row);
    if (!column_valid(list, row))
        return;
    count = count < LIST_MAX ? count : LIST_MAX;
    ids_part(batch_column(list->child, scratch->class), begin, count, scratch->ids);
    adjust(op, scratch, list->child, begin, count, batch_time(in)[row]);
    put_items(scratch, list->child, count < (uint32_t)config->top ? count : (uint32_t)config->top,
              out);
}

static bool time_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct time_scratch *scratch = op_scratch(op);
    struct builder *out = op_reserve(op, OUT, batch_rows(in));

    (void)port;
    (void)err; /* cannot fail */
    find_overall(op, scratch);
    for (uint32_t row = 0; row < batch_rows(in); row++)
        put_row(op, scratch, in, row, out);
    return true;
}

const struct operator_def adjust_time = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "adjust/time",
    .help = "Adjusts scores by how often an item's class is met at this hour and on this weekday.",
    .config_size = sizeof(struct time_config),
    .options = time_options,
    .inputs = time_in,
    .outputs = time_out,
    .tables = time_tables,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = time_describe,
    .open = time_open,
    .process = time_process,
};
OPERATOR_REGISTER(adjust_time);
