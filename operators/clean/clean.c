/* clean: brings rows into shape: casts, ranges, derived columns, a filter, and event-time
 * de-duplication, in this order.
 * In: any port. Out: the input's columns, cast and derived, without `raw`, the same key. Rejected:
 * rows that break a rule, with the record's bytes (when the source gives a column `raw`), where it
 * stood and why: the columns of a source's `rejected`, so that one sink takes both.
 *
 * Method: each step is a column expression over the rows that are still good (rules.h); columns
 * are shared with the input and rows are dropped by the selection alone. A row is a duplicate when
 * a row with the same `dedup.by` was kept at most `dedup.within` before it in event time. Only this
 * needs an order of rows and state: one time a key, which expires once no row can be its duplicate
 * any more. */
#include "operators/clean/rules.h"
#include "runtime/api/operator.h"

#include <stdio.h>
#include <string.h>

struct clean_dedup {
    struct text_list by;
    int64_t within_ms;
};

struct clean_config {
    struct option_map types, ranges, derive;
    const char *filter;
    struct clean_dedup dedup;
};

struct clean_cell {
    int64_t kept_ms;
    bool seen; /* a new key's cell is zero */
};

static const struct option clean_dedup_options[] = {
    {.name = "by",
     .type = OPT_FIELDS,
     FIELD(struct clean_dedup, by),
     .required = true,
     .help =
         "Columns that are the same in duplicates, as they come in. They become the rows' key."},
    {.name = "within",
     .type = OPT_DURATION,
     FIELD(struct clean_dedup, within_ms),
     .def.i64 = DAY_MS,
     .min.i64 = 0,
     .max.i64 = 3660 * DAY_MS,
     .help = "A row up to this long after one that was kept is a duplicate of it."},
    {0},
};

static const struct option clean_options[] = {
    {.name = "types",
     .type = OPT_MAP,
     FIELD(struct clean_config, types),
     .help = "Casts, as in {user: i64, price: f64}. A value that does not fit is rejected; floats "
             "become integers only when they are whole."},
    {.name = "ranges",
     .type = OPT_MAP,
     FIELD(struct clean_config, ranges),
     .help = "What values may be: {rating: {min: 1, max: 5}, kind: {in: [play, stop]}, user: "
             "{required: true}}. Other rows are rejected; a missing value only by `required`."},
    {.name = "derive",
     .type = OPT_MAP,
     FIELD(struct clean_config, derive),
     .help =
         "Columns to add or replace, as in {day: \"date_trunc('day', event_time)\"}. Later ones "
         "see earlier ones."},
    {.name = "filter",
     .type = OPT_TEXT,
     FIELD(struct clean_config, filter),
     .help = "Expression: rows for which it is not true are dropped and counted. It sees derived "
             "columns."},
    {.name = "dedup",
     .type = OPT_GROUP,
     FIELD(struct clean_config, dedup),
     .group = clean_dedup_options,
     .help = "Keeps the first of the rows that are alike."},
    {0},
};

static const struct state_field clean_fields[] = {
    {"kept", TYPE_TIMESTAMP, FIELD(struct clean_cell, kept_ms)},
    {"seen", TYPE_BOOL, FIELD(struct clean_cell, seen)},
    {0},
};
static const struct state clean_states[] = {
    {"seen", STATE_VALUE, clean_fields, sizeof(struct clean_cell), .expires = true},
    {0},
};
static const struct column_def clean_rejected[] = {
    {"raw", TYPE_UTF8},   {"file", TYPE_UTF8},   {"offset", TYPE_I64},
    {"field", TYPE_UTF8}, {"reason", TYPE_UTF8}, {0},
};
static const struct port clean_in[] = {
    {"in", .help = "Rows of any kind."},
    {0},
};
static const struct port clean_out[] = {
    {"out", .keyed = true, .help = "Rows that are good."},
    {"rejected", .columns = clean_rejected,
     .help = "Rows that break a rule: the record's bytes, its split (as file), offset, the first "
             "field that is wrong, and why."},
    {0},
};
static const char *const clean_counters[] = {"filtered", "duplicates", NULL};
enum { SEEN = 0, IN = 0, OUT = 0, REJECTED = 1, FILTERED = 0, DUPLICATES = 1 };
enum { RAW, FILE_NAME, OFFSET, REJECT_FIELD, REASON }; /* columns of rejected */

/* ---- planning ---- */

static struct rules_options options_of(const struct clean_config *config,
                                       const struct text_list *key)
{
    return (struct rules_options){&config->types, &config->ranges, &config->derive, config->filter,
                                  key};
}

struct telling {
    struct describe *describe;
    struct error *err;
};

static void tell(void *context, const char *option, const struct error *mistake)
{
    const struct telling *telling = context;

    (void)describe_error(telling->describe, telling->err, option, mistake->how, "%s",
                         mistake->what);
}

/* The plan outlives the rules. */
static const struct schema *copy_schema(struct arena *arena, const struct schema *schema)
{
    struct schema *copy = schema_create(arena);

    for (uint32_t i = 0; i < schema->count; i++)
        CHECK(schema_add(copy, arena, &schema->fields[i]));
    return copy;
}

/* What the rules look at; the rest passes, and only the bytes of records go with rejected rows. */
static void tell_reads(struct describe *describe, const struct rules *rules)
{
    const struct schema *in = describe_input(describe, IN);

    describe_passes(describe, IN, OUT);
    describe_passes(describe, IN, REJECTED);
    for (uint32_t i = 0; i < in->count; i++)
        if (rules_read(rules, i))
            describe_reads(describe, IN, i);
}

static bool clean_describe(struct describe *describe, struct error *err)
{
    const struct clean_config *config = describe_config(describe);
    bool dedup = config->dedup.by.count > 0;
    struct rules_options options =
        options_of(config, dedup ? &config->dedup.by : describe_key(describe, IN));
    struct telling telling = {describe, err};
    struct rules *rules = rules_create(&options, describe_input(describe, IN), tell, &telling);

    if (!rules)
        return false;
    describe_output(describe, OUT, copy_schema(describe_arena(describe), rules_schema(rules)));
    tell_reads(describe, rules);
    rules_close(rules);
    /* At the last moment of `within` a row still finds the cell. */
    describe_expiry(describe, SEEN, config->dedup.within_ms + 1);
    if (!dedup)
        return true;
    describe_set_key(describe, IN, &config->dedup.by);
    describe_order(describe, ORDER_EVENT_TIME);
    return true;
}

/* ---- an instance ---- */

struct clean_scratch {
    struct rules *rules;
    uint32_t raw;
    struct rules_result result;
};

static bool clean_open(struct op *op, struct error *err)
{
    struct rules_options options = options_of(op_config(op), NULL);
    const struct schema *in = op_input_schema(op, IN);
    struct clean_scratch *scratch = op_memory(op, sizeof(*scratch));

    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    scratch->raw = schema_find(in, "raw");
    if (scratch->raw != FIELD_NONE && in->fields[scratch->raw].type != TYPE_UTF8)
        scratch->raw = FIELD_NONE;
    scratch->rules = rules_create(&options, in, NULL, NULL);
    CHECK(scratch->rules); /* it was told while planning what is wrong with them */
    return true;
}

static void clean_close(struct op *op)
{
    struct clean_scratch *scratch = op_scratch(op);

    if (scratch)
        rules_close(scratch->rules);
}

static void put_reject(const struct clean_scratch *scratch, const struct batch *in,
                       const struct rules_reject *reject, struct builder *out)
{
    uint64_t origin = batch_origin(in)[reject->row];
    char split[32], reason[RULES_REASON_SIZE];
    const char *field = rules_field(scratch->rules, reject->rule);

    if (scratch->raw != FIELD_NONE)
        builder_copy(out, RAW, batch_column(in, scratch->raw), reject->row);
    snprintf(split, sizeof(split), "split %u", origin_split(origin));
    builder_text(out, FILE_NAME, split, strlen(split));
    builder_i64(out, OFFSET, (int64_t)origin_offset(origin));
    builder_text(out, REJECT_FIELD, field, strlen(field));
    rules_reason(scratch->rules, in, reject->row, reject->rule, reason);
    builder_text(out, REASON, reason, strlen(reason));
}

static void send_rejected(struct op *op, const struct batch *in)
{
    const struct clean_scratch *scratch = op_scratch(op);
    const struct rules_result *result = &scratch->result;
    bool used = op_output_used(op, REJECTED);
    struct builder *out;

    if (result->rejected_count == 0)
        return;
    out = op_reserve(op, REJECTED, result->rejected_count);
    for (uint32_t i = 0; i < result->rejected_count; i++) {
        builder_row_from(out, in, result->rejected[i].row);
        if (used)
            put_reject(scratch, in, &result->rejected[i], out);
    }
}

/* Drops rows from the result, which are in order of event time; the batch is dense. */
static uint32_t drop_duplicates(int64_t within_ms, const int64_t *time, void *const *cells,
                                struct rules_result *result)
{
    uint32_t kept = 0, count = result->count;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = result->rows[i];
        struct clean_cell *cell = cells[row];

        if (cell->seen && time[row] - cell->kept_ms <= within_ms)
            continue;
        *cell = (struct clean_cell){time[row], true};
        result->rows[kept++] = row;
    }
    result->count = kept;
    return count - kept;
}

static bool clean_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct clean_config *config = op_config(op);
    struct clean_scratch *scratch = op_scratch(op);
    struct rules_result *result = &scratch->result;
    struct batch *out;

    (void)port;
    (void)err; /* cannot fail */
    rules_run(scratch->rules, in, result);
    op_count(op, FILTERED, result->filtered);
    if (config->dedup.by.count > 0)
        op_count(
            op, DUPLICATES,
            drop_duplicates(config->dedup.within_ms, batch_time(in), op_cells(op, SEEN), result));
    send_rejected(op, in);
    if (result->count == result->batch->rows) {
        op_emit(op, OUT, &result->batch);
    } else if (result->count > 0) {
        out = batch_select(result->batch, result->rows, result->count);
        op_emit(op, OUT, &out);
    }
    batch_release(&result->batch);
    return true;
}

const struct operator_def clean = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "clean",
    .help = "Casts, checks, derives, filters and de-duplicates rows.",
    .config_size = sizeof(struct clean_config),
    .options = clean_options,
    .inputs = clean_in,
    .outputs = clean_out,
    .states = clean_states,
    .counters = clean_counters,
    .order = ORDER_NONE, /* with dedup: event time */
    .deterministic = true,
    .selective = true,
    .describe = clean_describe,
    .open = clean_open,
    .process = clean_process,
    .close = clean_close,
};
OPERATOR_REGISTER(clean);
