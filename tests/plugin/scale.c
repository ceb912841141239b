/* example/scale: a plug-in with one operator, which multiplies a column and counts each user's rows. It
 * uses nothing of millrace but headers.
 * In: rows with a f64 column, keyed. Out: the same with `scaled` (f64, null where the column is) and
 * `rows` (i64, how many of its key came so far). */
#include "runtime/api/plugin.h"

#include <stdlib.h>

struct scale_config {
    const char *column;
    double factor;
};

struct scale_cell {
    int64_t rows;
};

static const struct plugin_host *host;

static const struct option scale_options[] = {
    {.name = "column",
     .type = OPT_FIELD,
     FIELD(struct scale_config, column),
     .required = true,
     .help = "The f64 column that is multiplied."},
    {.name = "factor",
     .type = OPT_F64,
     FIELD(struct scale_config, factor),
     .def.f64 = 2,
     .min.f64 = -1000,
     .max.f64 = 1000,
     .help = "By how much."},
    {0},
};
static const struct state_field scale_fields[] = {
    {"rows", TYPE_I64, FIELD(struct scale_cell, rows)}, {0}};
static const struct state scale_states[] = {
    {"users", STATE_VALUE, scale_fields, sizeof(struct scale_cell)}, {0}};
static const struct port scale_in[] = {{"in", .keyed = true, .help = "Rows."}, {0}};
static const struct port scale_out[] = {
    {"out", .keyed = true, .help = "The rows with two more columns."}, {0}};

static bool scale_describe(struct describe *describe, struct error *err)
{
    static const struct plugin_column added[] = {{"scaled", TYPE_F64}, {"rows", TYPE_I64}};
    const struct scale_config *config = host->describe_config(describe);

    if (host->describe_column(describe, 0, config->column) != TYPE_F64)
        return host->describe_error(describe, err, "column", "name one that is f64",
                                    "the column is not f64");
    return host->describe_output(describe, 0, 0, added, 2, err);
}

/* ---- arrays of our own ---- */

struct memory {
    const void *buffers[2];
    uint8_t bytes[];
};

static void release(struct ArrowArray *array)
{
    free(array->private_data);
    array->release = NULL;
}

/* Values of 8 bytes each, and a validity bitmap; both zeroed. NULL: out of memory. */
static void *make(struct ArrowArray *array, uint32_t rows, uint8_t **validity)
{
    size_t bits = ((size_t)rows + 63) / 64 * 8;
    struct memory *memory = calloc(1, sizeof(*memory) + bits + rows * 8ul);

    if (!memory)
        return NULL;
    *validity = memory->bytes;
    memory->buffers[0] = memory->bytes;
    memory->buffers[1] = memory->bytes + bits;
    *array = (struct ArrowArray){.length = rows,
                                 .null_count = -1,
                                 .n_buffers = 2,
                                 .buffers = memory->buffers,
                                 .release = release,
                                 .private_data = memory};
    return memory->bytes + bits;
}

static bool fill(struct op *op, const struct ArrowArray *from, struct ArrowArray added[2])
{
    const struct scale_config *config = host->config(op);
    const uint8_t *valid = from->buffers[0];
    const double *values = (const double *)from->buffers[1] + from->offset;
    uint8_t *scaled_valid, *rows_valid;
    double *scaled = make(&added[0], (uint32_t)from->length, &scaled_valid);
    int64_t *rows = make(&added[1], (uint32_t)from->length, &rows_valid);

    if (!scaled || !rows)
        return false;
    for (int64_t row = 0; row < from->length; row++) {
        int64_t at = row + from->offset;
        struct scale_cell *cell = host->cells(op, 0)[row];

        rows[row] = ++cell->rows;
        rows_valid[row / 8] |= (uint8_t)(1u << row % 8);
        if (valid && !(valid[at / 8] >> at % 8 & 1))
            continue;
        scaled[row] = values[row] * config->factor;
        scaled_valid[row / 8] |= (uint8_t)(1u << row % 8);
    }
    return true;
}

static bool scale_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct scale_config *config = host->config(op);
    struct ArrowArray from, added[2] = {{0}, {0}};

    host->export_column(op, port, in, host->column(op, port, config->column), NULL, &from);
    if (!fill(op, &from, added)) {
        from.release(&from);
        for (int i = 0; i < 2; i++)
            if (added[i].release)
                added[i].release(&added[i]);
        return host->fail(err, "give the process more", "out of memory");
    }
    from.release(&from);
    return host->emit(op, 0, in, added, 2, err);
}

static const struct operator_def scale = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "example/scale",
    .help = "Multiplies a column and counts rows.",
    .config_size = sizeof(struct scale_config),
    .options = scale_options,
    .inputs = scale_in,
    .outputs = scale_out,
    .states = scale_states,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = scale_describe,
    .process = scale_process,
};

static bool set_host(const struct plugin_host *table, const char **why)
{
    *why = "its millrace is older";
    host = table;
    return table->size >= sizeof(*table);
}

static const struct operator_def *const operators[] = {&scale, NULL};

extern const struct plugin millrace_plugin;
const struct plugin millrace_plugin = {PLUGIN_ABI, sizeof(struct plugin), set_host, operators};
