/* test/fed: adds to a value what tables say of its key; for jobs whose tables are made from its own
 * output. In: keyed rows with an i64 column `value`. Out: the same rows, the value changed.
 * Method: value + last + before, modulo a prime so that it stays a number; a table of window sums
 * with one row of each key in a window makes this a recurrence, such as Fibonacci's. */
#include "runtime/api/operator.h"

#define FED_PRIME INT64_C(1000000007)

static const struct column_def value_columns[] = {{"value", TYPE_I64}, {0}};
static const struct port fed_in[] = {{"in", value_columns, .keyed = true}, {0}};
static const struct port fed_out[] = {{"out", .keyed = true}, {0}};
static const struct table_use fed_tables[] = {
    {"last", "Sums of a key.", .columns = value_columns},
    {"before", "Older ones.", .optional = true, .columns = value_columns},
    {0},
};
enum { LAST, BEFORE, FED_TABLES };

static bool fed_describe(struct describe *describe, struct error *err)
{
    (void)err;
    describe_output(describe, 0, describe_input(describe, 0));
    return true;
}

static int64_t looked_up(const struct op *op, uint32_t table, uint64_t hash)
{
    const struct table_row *row = op_table_given(op, table) ? op_table_find(op, table, hash) : NULL;

    return row ? table_row_i64(row, op_table_column(op, table, "value")) % FED_PRIME : 0;
}

static bool fed_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct builder *out = op_reserve(op, 0, batch_rows(in));
    uint32_t value = schema_find(op_input_schema(op, port), "value");
    const int64_t *values = batch_column(in, value)->values;

    (void)err;
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        int64_t sum = values[row];

        for (uint32_t table = LAST; table < FED_TABLES; table++)
            sum += looked_up(op, table, batch_hash(in)[row]);
        builder_row_from(out, in, row);
        for (uint32_t c = 0; c < in->column_count; c++)
            if (c == value)
                builder_i64(out, c, sum % FED_PRIME);
            else
                builder_copy(out, c, batch_column(in, c), row);
    }
    return true;
}

static const struct operator_def fed = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "test/fed",
    .help = "Adds what tables say of a key to its value.",
    .inputs = fed_in,
    .outputs = fed_out,
    .tables = fed_tables,
    .deterministic = true,
    .describe = fed_describe,
    .process = fed_process,
};
OPERATOR_REGISTER(fed);
