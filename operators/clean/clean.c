/* clean: brings rows into shape: casts, ranges, outliers, missing values, derived columns, a filter,
 * invariants, and event-time de-duplication, in this order.
 * In: any port. Out: the input's columns, cast and derived, without `raw`, the same key. Rejected:
 * rows that break a rule, with the record's bytes (when the source gives a column `raw`), where it
 * stood and why: the columns of a source's `rejected`, so that one sink takes both.
 *
 * Method: each step is a column expression over the rows that are still good (rules.h); columns
 * are shared with the input and rows are dropped by the selection alone. A row is a duplicate when
 * a row with the same `dedup.by` was kept at most `dedup.within` before it in event time. Outliers
 * and most fillings (repair.h) are told by the last values of the row's key before it, totals
 * (invariants.h) by their sum. Only these need an order of rows and state: one cell a key, which
 * expires once no row can be judged by it any more. */
#include "operators/clean/invariants.h"
#include "operators/clean/repair.h"
#include "runtime/api/operator.h"

#include <stdio.h>
#include <string.h>

struct clean_dedup {
    struct text_list by;
    int64_t within_ms;
};

struct clean_config {
    struct option_map types, ranges, outliers, missing, derive, invariants, totals;
    const char *filter;
    struct repair_history history;
    struct clean_dedup dedup;
};

struct clean_cell { /* a new key's is zero */
    int64_t kept_ms;
    bool seen;
    uint64_t memory[]; /* of repair, then of the totals */
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

static const struct option clean_history_options[] = {
    {.name = "by",
     .type = OPT_FIELDS,
     FIELD(struct repair_history, by),
     .required = true,
     .help = "Columns by which values are remembered, as they come in. They become the rows' key."},
    {.name = "rows",
     .type = OPT_I64,
     FIELD(struct repair_history, rows),
     .def.i64 = 64,
     .min.i64 = 3,
     .max.i64 = HISTORY_ROOM_MAX,
     .help = "Values that are remembered of each column and key."},
    {.name = "within",
     .type = OPT_DURATION,
     FIELD(struct repair_history, within_ms),
     .def.i64 = 30 * DAY_MS,
     .min.i64 = 1,
     .max.i64 = 3660 * DAY_MS,
     .help = "Older values count no more; a total begins anew after so long without a row."},
    {.name = "after",
     .type = OPT_I64,
     FIELD(struct repair_history, after),
     .def.i64 = 10,
     .min.i64 = 2,
     .max.i64 = HISTORY_ROOM_MAX,
     .help = "So many values have to be known before any is an outlier."},
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
    {.name = "outliers",
     .type = OPT_MAP,
     FIELD(struct clean_config, outliers),
     .help =
         "What stands apart from the key's last values: {price: sigma, speed: {method: mad, limit: "
         "3.5}, load: {method: isolation, k: 5, limit: 3, then: missing}}. sigma: standard "
         "deviations from the mean; mad: scaled median absolute deviations from the median; "
         "isolation: mean distance to the k nearest over what is usual. The row is rejected, or "
         "with `then: missing` only the value dropped. `floor`: the least spread that counts."},
    {.name = "missing",
     .type = OPT_MAP,
     FIELD(struct clean_config, missing),
     .help =
         "What a missing value becomes, from the key's last values: {price: median, city: last, "
         "stock: {value: 0}, load: {fill: interpolate, else: reject}}. Known are constant, mean, "
         "median, last, interpolate (the line through the last two, carried on). Where nothing is "
         "known `value` stands, or the row is rejected (`else: reject`), or it stays missing."},
    {.name = "history",
     .type = OPT_GROUP,
     FIELD(struct clean_config, history),
     .group = clean_history_options,
     .help = "What is remembered of each key for `outliers`, `missing` and `totals`."},
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
    {.name = "invariants",
     .type = OPT_MAP,
     FIELD(struct clean_config, invariants),
     .help = "Conditions with a name, as in {click-after-impression: \"ts >= shown_ts\"}: rows for "
             "which one is false are rejected with its name as the field. sum(reasons.*) is the "
             "sum of the columns whose names begin so."},
    {.name = "totals",
     .type = OPT_MAP,
     FIELD(struct clean_config, totals),
     .help = "Sums over the rows of a key and their bounds, as in {propensity: {of: propensity, "
             "most: list_len}} with history: {by: rec_id}. A row that takes the sum over it is "
             "rejected."},
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
    /* with a memory: more fields */
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
static const char *const clean_counters[] = {"filtered", "duplicates", "outliers",
                                             "filled",   "broken",     NULL};
enum { SEEN = 0, IN = 0, OUT = 0, REJECTED = 1 };
enum { FILTERED, DUPLICATES, OUTLIERS, FILLED, BROKEN };
enum { REPAIR_RULE = 1 << 16, INVARIANT_RULE = 1 << 17 }; /* numbers of their rules begin there */
enum { RAW, FILE_NAME, OFFSET, REJECT_FIELD, REASON };    /* columns of rejected */

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

/* What is done to rows beside the rules, where it is asked for. */
struct clean_parts {
    struct repair *repair;         /* or NULL */
    struct invariants *invariants; /* or NULL */
};

static void parts_close(struct clean_parts *parts)
{
    repair_close(parts->repair);
    invariants_close(parts->invariants);
}

static bool parts_create(struct clean_parts *parts, const struct clean_config *config,
                         const struct rules *rules, rules_fault *fault, void *context)
{
    struct repair_options repair = {&config->missing, &config->outliers, &config->history};
    struct invariants_options invariants = {&config->invariants, &config->totals,
                                            config->history.within_ms};
    bool repairs = config->missing.count + config->outliers.count > 0;
    bool checks = config->invariants.count + config->totals.count > 0;

    *parts = (struct clean_parts){0};
    if (repairs)
        parts->repair = repair_create(&repair, rules_cast_schema(rules), fault, context);
    if (checks)
        parts->invariants = invariants_create(&invariants, rules_schema(rules), fault, context);
    return (parts->repair || !repairs) && (parts->invariants || !checks);
}

static size_t repair_bytes(const struct clean_parts *parts)
{
    return parts->repair ? repair_size(parts->repair) : 0;
}

static size_t memory_bytes(const struct clean_parts *parts)
{
    return repair_bytes(parts) + (parts->invariants ? invariants_size(parts->invariants) : 0);
}

/* What the rules look at; the rest passes, and only the bytes of records go with rejected rows. */
static void tell_reads(struct describe *describe, const struct rules *rules,
                       const struct clean_parts *parts)
{
    const struct schema *in = describe_input(describe, IN);

    describe_passes(describe, IN, OUT);
    describe_passes(describe, IN, REJECTED);
    for (uint32_t i = 0; i < in->count; i++) {
        uint32_t out = schema_find(rules_schema(rules), in->fields[i].name);
        if (rules_read(rules, i) || (parts->repair && repair_reads(parts->repair, i)) ||
            (parts->invariants && out != FIELD_NONE && invariants_reads(parts->invariants, out)))
            describe_reads(describe, IN, i);
    }
}

static bool same_key(const struct text_list *a, const struct text_list *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}

/* Values are remembered by the rows' key. */
static bool describe_memory(struct describe *describe, size_t size, struct error *err)
{
    const struct clean_config *config = describe_config(describe);
    const struct text_list *by = &config->history.by;
    struct state_field *fields = arena_new(describe_arena(describe), 4 * sizeof(*fields));

    if (by->count == 0)
        return describe_error(describe, err, "history", "write history: {by: COLUMN}",
                              "values are remembered by key, and there is none");
    if (config->dedup.by.count > 0 && !same_key(by, &config->dedup.by))
        return describe_error(describe, err, "dedup.by", "put `dedup` into a `clean` of its own",
                              "values are remembered by another key");
    memcpy(fields, clean_fields, 2 * sizeof(*fields));
    fields[2] =
        (struct state_field){"memory", TYPE_UTF8, offsetof(struct clean_cell, memory), size};
    describe_state(describe, SEEN, sizeof(struct clean_cell) + size, fields);
    describe_set_key(describe, IN, by);
    describe_order(describe, ORDER_EVENT_TIME);
    return true;
}

static bool describe_dedup(struct describe *describe, size_t memory)
{
    const struct clean_config *config = describe_config(describe);
    /* At the last moment of `within` a row still finds the cell. */
    int64_t ttl_ms = config->dedup.within_ms + 1;

    if (memory > 0 && config->history.within_ms >= ttl_ms)
        ttl_ms = config->history.within_ms + 1;
    describe_expiry(describe, SEEN, ttl_ms);
    if (config->dedup.by.count == 0)
        return true;
    describe_set_key(describe, IN, &config->dedup.by);
    describe_order(describe, ORDER_EVENT_TIME);
    return true;
}

static bool clean_describe(struct describe *describe, struct error *err)
{
    const struct clean_config *config = describe_config(describe);
    const struct text_list *by = config->dedup.by.count > 0     ? &config->dedup.by
                                 : config->history.by.count > 0 ? &config->history.by
                                                                : describe_key(describe, IN);
    struct rules_options options = options_of(config, by);
    bool good;
    struct telling telling = {describe, err};
    struct rules *rules = rules_create(&options, describe_input(describe, IN), tell, &telling);
    struct clean_parts parts;
    size_t memory;

    if (!rules)
        return false;
    good = parts_create(&parts, config, rules, tell, &telling);
    memory = good ? memory_bytes(&parts) : 0;
    if (good) {
        describe_output(describe, OUT, copy_schema(describe_arena(describe), rules_schema(rules)));
        tell_reads(describe, rules, &parts);
    }
    parts_close(&parts);
    rules_close(rules);
    return good && (memory == 0 || describe_memory(describe, memory, err)) &&
           describe_dedup(describe, memory);
}

/* ---- an instance ---- */

struct clean_scratch {
    struct rules *rules;
    struct clean_parts parts;
    size_t repair_bytes, memory_bytes;
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
    CHECK(parts_create(&scratch->parts, op_config(op), scratch->rules, NULL, NULL));
    scratch->repair_bytes = repair_bytes(&scratch->parts);
    scratch->memory_bytes = memory_bytes(&scratch->parts);
    return true;
}

static void clean_close(struct op *op)
{
    struct clean_scratch *scratch = op_scratch(op);

    if (!scratch)
        return;
    parts_close(&scratch->parts);
    rules_close(scratch->rules);
}

/* The field that is wrong; `reason` gets why. */
static const char *reason_of(const struct clean_scratch *scratch, const struct batch *in,
                             const struct rules_reject *reject, char *reason)
{
    uint32_t rule = reject->rule;

    if (rule >= INVARIANT_RULE) {
        invariants_reason(scratch->parts.invariants, reject, rule - INVARIANT_RULE, reason);
        return invariants_field(scratch->parts.invariants, rule - INVARIANT_RULE);
    }
    if (rule >= REPAIR_RULE) {
        repair_reason(scratch->parts.repair, in, reject, rule - REPAIR_RULE, reason);
        return repair_field(scratch->parts.repair, rule - REPAIR_RULE);
    }
    rules_reason(scratch->rules, in, reject->row, rule, reason);
    return rules_field(scratch->rules, rule);
}

static void put_reject(const struct clean_scratch *scratch, const struct batch *in,
                       const struct rules_reject *reject, struct builder *out)
{
    uint64_t origin = batch_origin(in)[reject->row];
    char split[32], reason[RULES_REASON_SIZE];
    const char *field = reason_of(scratch, in, reject, reason);

    if (scratch->raw != FIELD_NONE)
        builder_copy(out, RAW, batch_column(in, scratch->raw), reject->row);
    snprintf(split, sizeof(split), "split %u", origin_split(origin));
    builder_text(out, FILE_NAME, split, strlen(split));
    builder_i64(out, OFFSET, (int64_t)origin_offset(origin));
    builder_text(out, REJECT_FIELD, field, strlen(field));
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

static void run_rules(struct op *op, const struct batch *in)
{
    struct clean_scratch *scratch = op_scratch(op);
    struct rules_result *result = &scratch->result;
    size_t offset = offsetof(struct clean_cell, memory);
    void *const *cells = scratch->memory_bytes ? op_cells(op, SEEN) : NULL;
    struct repair_counts counts = {0};

    rules_check(scratch->rules, in, result);
    if (scratch->parts.repair) {
        repair_run(scratch->parts.repair, result, cells, offset, REPAIR_RULE, &counts);
        op_count(op, OUTLIERS, counts.outliers);
        op_count(op, FILLED, counts.filled);
    }
    rules_derive(scratch->rules, result);
    op_count(op, FILTERED, result->filtered);
    if (scratch->parts.invariants)
        op_count(op, BROKEN,
                 invariants_run(scratch->parts.invariants, result, cells,
                                offset + scratch->repair_bytes, INVARIANT_RULE));
    rules_sort(result);
}

static bool clean_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct clean_config *config = op_config(op);
    struct clean_scratch *scratch = op_scratch(op);
    struct rules_result *result = &scratch->result;
    struct batch *out;

    (void)port;
    (void)err; /* cannot fail */
    run_rules(op, in);
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
