/* feature/frequency: how lately and how often each key was met before: recency, frequency and, of a
 * column, amount.
 * In: events, keyed by whatever is to be counted (user; user and category). Out: each event with, as of
 * before it,
 *     events           how many
 *     recency_ms       since the last one; null on the first
 *     gap_mean_ms      mean time between them; null before the second
 *     frequency.HALF   decayed count for each of `half-lives`, such as frequency.1d
 *     amount.HALF      decayed sum of `amount`, where it is given; missing amounts count nothing
 *
 * Method: recency, frequency, monetary value (Bult and Wansbeek 1995, Marketing Science 14:4), with
 * exponential decay in place of windows: one number a half-life. frequency.HALF x ln 2 / HALF estimates
 * the present rate. */
#include "operators/model/widen.h"
#include "runtime/batch/expr.h"

#include <math.h>
#include <string.h>

#define HALVES_MAX 16u

struct frequency_config {
    struct text_list half_lives;
    const char *amount, *when;
};

struct frequency_cell { /* counts, then amounts, as of the last event */
    int64_t events, first_ms, last_ms;
    double decayed[];
};

static const struct option frequency_options[] = {
    {.name = "half-lives",
     .type = OPT_TEXTS,
     FIELD(struct frequency_config, half_lives),
     .required = true,
     .help = "Ages at which an event counts half, one column each, as in [1h, 1d, 30d]."},
    {.name = "amount",
     .type = OPT_FIELD,
     FIELD(struct frequency_config, amount),
     .help = "Column with a number to sum as well, such as a price."},
    {.name = "when",
     .type = OPT_EXPRESSION,
     FIELD(struct frequency_config, when),
     .help = "Which events count, such as kind = 'buy'; by default all. Others are told of too."},
    {0},
};
static const struct state_field frequency_fields[] = {
    {"events", TYPE_I64, FIELD(struct frequency_cell, events)},
    {"first", TYPE_TIMESTAMP, FIELD(struct frequency_cell, first_ms)},
    {"last", TYPE_TIMESTAMP, FIELD(struct frequency_cell, last_ms)},
    {0},
};
static const struct state frequency_states[] = {
    {"keys", STATE_VALUE, frequency_fields, sizeof(struct frequency_cell)}, /* and the decayed */
    {0},
};
static const struct port frequency_in[] = {
    {"in", .keyed = true, .help = "Events, keyed by what is to be counted."},
    {0},
};
static const struct port frequency_out[] = {
    {"out", .keyed = true, .help = "Each event with what was known before it."},
    {0},
};
enum { KEYS = 0, IN = 0, OUT = 0 };
enum { EVENTS, RECENCY, GAP, DECAYED }; /* columns that are added */

static uint32_t decayed_count(const struct frequency_config *config)
{
    return config->half_lives.count * (config->amount ? 2 : 1);
}

static struct schema *added_schema(struct arena *arena, const struct frequency_config *config)
{
    struct schema *schema = schema_create(arena);
    uint32_t halves = config->half_lives.count;

    CHECK(halves > 0);
    CHECK(schema_add_column(schema, arena, "events", TYPE_I64));
    CHECK(schema_add_column(schema, arena, "recency_ms", TYPE_I64));
    CHECK(schema_add_column(schema, arena, "gap_mean_ms", TYPE_F64));
    for (uint32_t i = 0; i < decayed_count(config); i++)
        CHECK(schema_add_column(schema, arena,
                                arena_format(arena, "%s.%.40s", i < halves ? "frequency" : "amount",
                                             config->half_lives.items[i % halves]),
                                TYPE_F64));
    return schema;
}

static bool check_halves(struct describe *describe, struct error *err)
{
    const struct frequency_config *config = describe_config(describe);
    const struct text_list *halves = &config->half_lives;

    if (halves->count > HALVES_MAX)
        return describe_error(describe, err, "half-lives", "leave some out",
                              "there are %u half-lives, more than %u", halves->count, HALVES_MAX);
    for (uint32_t i = 0; i < halves->count; i++) {
        int64_t half_ms;
        if (!duration_parse(halves->items[i], &half_ms) || half_ms <= 0)
            return describe_error(describe, err, "half-lives",
                                  "write a number and ms, s, m, h or d, such as 90s",
                                  "\"%s\" is no duration above 0", halves->items[i]);
    }
    return true;
}

static bool frequency_describe(struct describe *describe, struct error *err)
{
    const struct frequency_config *config = describe_config(describe);
    struct arena *arena = describe_arena(describe);
    const struct schema *in = describe_input(describe, IN);
    struct state_field *fields = arena_new(arena, 5 * sizeof(*fields));
    size_t size = decayed_count(config) * sizeof(double);

    if (!check_halves(describe, err) || !widen_check_when(describe, "when", config->when, err))
        return false;
    if (config->amount && !type_size(in->fields[schema_find(in, config->amount)].type))
        return describe_error(describe, err, "amount", "name a number", "\"%s\" is no number",
                              config->amount);
    memcpy(fields, frequency_fields, 3 * sizeof(*fields));
    fields[3] =
        (struct state_field){"decayed", TYPE_UTF8, offsetof(struct frequency_cell, decayed), size};
    describe_state(describe, KEYS, sizeof(struct frequency_cell) + size, fields);
    return widen_describe(describe, OUT, added_schema(arena, config), err);
}

/* ---- an instance ---- */

struct frequency_scratch {
    struct arena *arena;
    struct builder *added;
    struct expr *when;
    uint32_t amount, halves;
    double half_ms[HALVES_MAX];
    uint32_t learned[BATCH_ROWS_MAX];
};

static bool frequency_open(struct op *op, struct error *err)
{
    const struct frequency_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, IN);
    struct frequency_scratch *scratch = op_memory(op, sizeof(*scratch));

    op_set_scratch(op, scratch);
    scratch->arena = arena_create(4096);
    scratch->added = builder_create(added_schema(scratch->arena, config), false);
    scratch->amount = config->amount ? schema_find(in, config->amount) : FIELD_NONE;
    scratch->halves = config->half_lives.count;
    for (uint32_t i = 0; i < scratch->halves; i++) {
        int64_t half_ms;
        CHECK(duration_parse(config->half_lives.items[i], &half_ms));
        scratch->half_ms[i] = (double)half_ms;
    }
    if (config->when)
        scratch->when = expr_compile(config->when, in, err);
    return !config->when || scratch->when;
}

static void frequency_close(struct op *op)
{
    struct frequency_scratch *scratch = op_scratch(op);

    if (!scratch)
        return;
    expr_close(scratch->when);
    builder_close(scratch->added);
    arena_close(scratch->arena);
}

static void tell(const struct frequency_scratch *scratch, const struct frequency_cell *cell,
                 int64_t time_ms)
{
    struct builder *added = scratch->added;
    uint32_t count = scratch->amount == FIELD_NONE ? scratch->halves : 2 * scratch->halves;

    builder_i64(added, EVENTS, cell->events);
    if (cell->events > 0)
        builder_i64(added, RECENCY, time_ms - cell->last_ms);
    if (cell->events > 1)
        builder_f64(added, GAP,
                    (double)(cell->last_ms - cell->first_ms) / (double)(cell->events - 1));
    for (uint32_t i = 0; i < count; i++)
        builder_f64(added, DECAYED + i,
                    cell->events ? cell->decayed[i] * exp2((double)(cell->last_ms - time_ms) /
                                                           scratch->half_ms[i % scratch->halves])
                                 : 0);
}

static void learn(const struct frequency_scratch *scratch, struct frequency_cell *cell,
                  double amount, int64_t time_ms)
{
    for (uint32_t i = 0; i < scratch->halves; i++) {
        double left = exp2((double)(cell->last_ms - time_ms) / scratch->half_ms[i]);
        cell->decayed[i] = cell->events ? cell->decayed[i] * left + 1 : 1;
        if (scratch->amount != FIELD_NONE)
            cell->decayed[scratch->halves + i] =
                (cell->events ? cell->decayed[scratch->halves + i] * left : 0) +
                (isfinite(amount) ? amount : 0);
    }
    if (cell->events++ == 0)
        cell->first_ms = time_ms;
    cell->last_ms = time_ms;
}

static bool frequency_process(struct op *op, uint32_t port, const struct batch *in,
                              struct error *err)
{
    struct frequency_scratch *scratch = op_scratch(op);
    uint32_t learned = widen_choose(scratch->when, in, scratch->learned), next = 0;

    (void)port;
    (void)err; /* cannot fail */
    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    for (uint32_t row = 0; row < in->rows; row++) {
        struct frequency_cell *cell = op_cells(op, KEYS)[row];
        int64_t time_ms = batch_time(in)[row];
        builder_row_from(scratch->added, in, row);
        tell(scratch, cell, time_ms);
        if (next == learned || scratch->learned[next] != row)
            continue;
        next++;
        learn(scratch, cell,
              scratch->amount == FIELD_NONE ? 0
                                            : column_number(batch_column(in, scratch->amount), row),
              time_ms);
    }
    widen_emit(op, OUT, in, scratch->added);
    return true;
}

const struct operator_def feature_frequency = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "feature/frequency",
    .help = "Tells how lately, how often and for how much each key was met before.",
    .config_size = sizeof(struct frequency_config),
    .options = frequency_options,
    .inputs = frequency_in,
    .outputs = frequency_out,
    .states = frequency_states,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = frequency_describe,
    .open = frequency_open,
    .process = frequency_process,
    .close = frequency_close,
};
OPERATOR_REGISTER(feature_frequency);
