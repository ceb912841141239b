/* adjust/time: moves items up whose class goes with this hour of the day and this kind of day.
 * In: recommendations (`items` with score), or impressions. Out: the same with reasons.time; with `top`
 * in the new order and cut. Table `lifts`, of one of two kinds:
 *
 * feature/lift: how the class is clicked at this local hour of working days or weekends (columns
 * hour_local and weekday, 0 Monday) against what was predicted; neighbouring hours are smoothed, and
 * the hour of both kinds of days is the parent (lift.h).
 *
 * feature/share, for logs that do not say what was shown: how much more often the class is met at this
 * hour (UTC) and on this day of the week than items are in general. Then term = log-ratio of the hour +
 * log-ratio of the day, each class's share of a level against the overall share, shrunk by
 * pseudo-events (levels.h). How many is estimated from the table, for hours and for days, so that a
 * factor without effect fades by itself. Hour and day are taken as independent. The overall share is
 * that of the CLASSES_MAX most frequent classes together.
 *
 * Classes without evidence have a term of 0. Ties keep their former order. */
#include "operators/adjust/lifted.h"
#include "operators/model/levels.h"
#include "operators/model/lift.h"

#include <string.h>

#define CLASSES_MAX LIFTED_CLASSES_MAX
#define SHARE_CAP 0.3
#define KEPT 4096u /* terms of shares */

static const struct option time_options[] = {
    {.name = "class",
     .type = OPT_TEXT,
     FIELD(struct lifted_config, class),
     .help = "The column that `lifts` is keyed by; by default the category for lifts, and the item "
             "itself for shares."},
    {.name = "prior",
     .type = OPT_F64,
     FIELD(struct lifted_config, prior),
     .max.f64 = LEVELS_PRIOR_MAX,
     .help =
         "Pseudo-events, or expected clicks, that draw a class towards the overall share or its "
         "parent: the more, the later it has a say of its own. 0: as many as the table's own "
         "spread tells."},
    {.name = "cap",
     .type = OPT_F64,
     FIELD(struct lifted_config, cap),
     .max.f64 = 10,
     .help = "Largest term, up and down, before `strength`. 0: 1.2 for lifts, 0.3 for shares."},
    {.name = "strength",
     .type = OPT_F64,
     FIELD(struct lifted_config, strength),
     .def.f64 = 1,
     .max.f64 = 100,
     .help = "Scores per unit of the logarithm; 0 leaves the order as it is."},
    {.name = "served",
     .type = OPT_BOOL,
     FIELD(struct lifted_config, served),
     .def.flag = true,
     .help = "false: terms go to shadow.time, which feature/lift counts in, and change no score."},
    {.name = "top",
     .type = OPT_I64,
     FIELD(struct lifted_config, top),
     .max.i64 = 100000,
     .help =
         "Items that stay in the list, the best first; 0: all, in the order in which they came."},
    {0},
};
static const struct factor time_factor = {
    .name = "time",
    .class = "category",
    .columns = {"hour_local", "weekday"},
    .kind = LEVEL_DAY,
    .circle = 24,
    .half_life_ms = 90 * DAY_MS,
};
FACTOR_REGISTER(time_factor);

static const struct factor *const factors[] = {&time_factor};
static const struct column_def time_columns[] = {{"class", TYPE_KEY}, {"total", TYPE_I64}, {0}};
static const struct table_use time_tables[] = {
    {"lifts", "Lifts of feature/lift, or counts of feature/share.", .columns = time_columns,
     .rank_by = "total", .rank_limit = CLASSES_MAX},
    {0},
};
enum { LIFTS = 0 };

static void put_factor(const struct operator_def *def, struct bytes *out)
{
    (void)def;
    lifted_manual(&time_factor, out);
}

static const struct port time_in[] = {
    {"in", .help = "Recommendations of `score` or of another adjust operator, or impressions.",
     .manual = put_factor},
    {0},
};

/* ---- planning ---- */

static struct lifted_config config_of(const struct lifted_config *given, bool shares)
{
    struct lifted_config config = *given;

    if (config.cap <= 0)
        config.cap = shares ? SHARE_CAP : LIFT_CAP;
    if (!config.class)
        config.class = shares ? "item" : time_factor.class;
    return config;
}

static bool is_list(const struct schema *schema, const char *name)
{
    uint32_t column = schema_find(schema, name);

    return column != FIELD_NONE && schema->fields[column].type == TYPE_LIST;
}

static bool holds_shares(const struct schema *lifts)
{
    return is_list(lifts, "hours") && is_list(lifts, "weekdays");
}

static bool check_class(struct describe *describe, const struct lifted_config *config,
                        struct error *err)
{
    const struct schema *items = list_schema(describe_input(describe, 0));
    const struct schema *lifts = describe_table(describe, LIFTS);
    uint32_t class = schema_find(items, config->class);
    enum type named = lifts->fields[schema_find(lifts, "class")].type;

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
    static const char *const served[] = {"reasons.time"}, *const shadow[] = {"shadow.time"};
    const struct schema *lifts = describe_table(describe, LIFTS);
    bool shares = holds_shares(lifts);
    struct lifted_config config = config_of(describe_config(describe), shares);

    if (!shares && !is_list(lifts, "levels") && describe_table_known(describe, LIFTS))
        return describe_error(describe, err, "tables.lifts", "name a feature/lift or feature/share",
                              "that table has neither lifts nor shares");
    if (!shares)
        return lifted_check(describe, &config, factors, 1, err);
    return list_describe(describe, config.served ? served : shadow, 1, err) &&
           check_class(describe, &config, err);
}

/* ---- an instance ---- */

struct time_kept { /* the term of a class at an hour and a weekday: it follows from the version */
    uint64_t class;
    double term;
    uint8_t hour, weekday;
    bool known;
};

struct time_scratch {
    struct lifted_config config;
    struct lifted *lifted; /* NULL: shares */
    struct list_layout layout;
    const char *names[1];
    uint32_t class;
    uint32_t total, hours, weekdays; /* columns of `lifts` */
    int64_t version;                 /* that the next four are of: they follow from it */
    struct levels_overall overall;
    double hour_prior, weekday_prior;
    struct time_kept kept[KEPT]; /* at its class modulo KEPT */
};

static bool time_open(struct op *op, struct error *err)
{
    struct time_scratch *scratch = op_memory(op, sizeof(*scratch));
    bool shares = holds_shares(op_table_schema(op, LIFTS));

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    scratch->config = config_of(op_config(op), shares);
    if (!shares) {
        scratch->lifted = lifted_create(op, &scratch->config, factors, 1);
        return true;
    }
    scratch->names[0] = scratch->config.served ? "reasons.time" : "shadow.time";
    list_open(op, &scratch->layout, scratch->names, 1);
    scratch->class = schema_find(list_schema(op_input_schema(op, 0)), scratch->config.class);
    scratch->total = op_table_column(op, LIFTS, "total");
    scratch->hours = op_table_column(op, LIFTS, "hours");
    scratch->weekdays = op_table_column(op, LIFTS, "weekdays");
    scratch->version = INT64_MIN;
    return true;
}

static void find_priors(struct time_scratch *scratch, const struct table_row *const *rows,
                        uint32_t count)
{
    struct levels_spread spread = {0};

    scratch->hour_prior = scratch->weekday_prior = scratch->config.prior;
    if (scratch->config.prior > 0)
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
    find_priors(scratch, rows, count);
    memset(scratch->kept, 0, sizeof(scratch->kept));
    scratch->version = version;
}

static double find_term(const struct time_scratch *scratch, const struct table_row *row,
                        uint32_t hour, uint32_t weekday)
{
    double cap = scratch->config.cap, term;
    int64_t total;

    if (!row)
        return 0;
    total = table_row_i64(row, scratch->total);
    term = levels_term(table_row_list_i64(row, scratch->hours, 0)[hour], total,
                       scratch->overall.hours[hour], scratch->hour_prior);
    term += levels_term(table_row_list_i64(row, scratch->weekdays, 0)[weekday], total,
                        scratch->overall.weekdays[weekday], scratch->weekday_prior);
    term = term > cap ? cap : term < -cap ? -cap : term;
    return scratch->config.strength * term;
}

/* ---- rows ---- */

struct lookups { /* of one list, each with room for a batch of lists */
    uint64_t *classes;
    const struct table_row **rows;
    uint32_t *places;
};

/* Terms of `count` classes; only those that were not asked for at this hour are looked up. */
static void find_terms(struct op *op, const uint64_t *classes, uint32_t count, int64_t time_ms,
                       const struct lookups *lookups, double *terms)
{
    struct time_scratch *scratch = op_scratch(op);
    uint32_t hour = levels_hour(time_ms), weekday = levels_weekday(time_ms), missing = 0;

    for (uint32_t i = 0; i < count; i++) {
        const struct time_kept *kept = &scratch->kept[classes[i] % KEPT];

        terms[i] = kept->term;
        lookups->classes[missing] = classes[i];
        lookups->places[missing] = i;
        missing += !kept->known || kept->class != classes[i] || kept->hour != hour ||
                   kept->weekday != weekday;
    }
    op_table_find_many(op, LIFTS, lookups->classes, missing, lookups->rows);
    for (uint32_t i = 0; i < missing; i++) {
        uint64_t class = lookups->classes[i];
        double term = find_term(scratch, lookups->rows[i], hour, weekday);

        scratch->kept[class % KEPT] =
            (struct time_kept){class, term, (uint8_t)hour, (uint8_t)weekday, true};
        terms[lookups->places[i]] = term;
    }
}

static void adjust_by_shares(struct op *op, struct time_scratch *scratch, const struct batch *in)
{
    const struct batch *items = list_items(&scratch->layout, in);
    size_t count = items->rows + 1ul; /* one more is written than is missing */
    struct block *memory =
        block_create(count * (2 * sizeof(uint64_t) + sizeof(void *) + sizeof(uint32_t)));
    uint64_t *ids = (uint64_t *)(void *)memory->data;
    struct lookups lookups = {.classes = ids + count,
                              .rows = (const struct table_row **)(void *)(ids + 2 * count)};
    double *terms;
    struct column *added = list_column(items->rows, &terms);

    lookups.places = (uint32_t *)(void *)(lookups.rows + count);
    find_overall(op, scratch);
    key_ids(batch_column(items, scratch->class), items->rows, ids);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        uint32_t begin, end;

        list_range(&scratch->layout, in, row, &begin, &end);
        find_terms(op, ids + begin, end - begin, batch_time(in)[row], &lookups, terms + begin);
    }
    block_release(&memory);
    list_emit(op, &scratch->layout, in, &added, (uint32_t)scratch->config.top);
}

static bool time_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct time_scratch *scratch = op_scratch(op);

    (void)port;
    if (scratch->lifted)
        return lifted_adjust(op, scratch->lifted, in, err);
    adjust_by_shares(op, scratch, in);
    return true;
}

const struct operator_def adjust_time = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "adjust/time",
    .help = "Adjusts scores by how an item's class goes with this hour and kind of day.",
    .config_size = sizeof(struct lifted_config),
    .options = time_options,
    .inputs = time_in,
    .outputs = lifted_out,
    .tables = time_tables,
    .order = ORDER_NONE,
    .deterministic = true,
    .describe = time_describe,
    .open = time_open,
    .process = time_process,
};
OPERATOR_REGISTER(adjust_time);
