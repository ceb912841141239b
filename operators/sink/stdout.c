/* sink/stdout: rows on standard output, to look at: JSON lines or a table.
 * In: any port. Out: none. At least once: after a restart rows may come again. */
#include "runtime/api/operator.h"
#include "runtime/batch/encode.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define TEXT_WIDTH 14u
#define NUMBER_WIDTH 9u

enum stdout_format { FORMAT_JSON, FORMAT_TABLE };

struct stdout_config {
    int64_t limit, top;
    int32_t format, timestamps; /* enum stdout_format, enum timestamp_format */
    struct text_list columns;
};

static const char *const format_choices[] = {"json", "table", NULL};
static const char *const timestamp_choices[] = {"ms", "iso", NULL};

static const struct option stdout_options[] = {
    {.name = "format",
     .type = OPT_ENUM,
     FIELD(struct stdout_config, format),
     .choices = format_choices,
     .help = "json: one object a line; table: columns below their names, numbers to 4 digits; a "
             "heading "
             "for each subtask (parallelism: 1)."},
    {.name = "columns",
     .type = OPT_FIELDS,
     FIELD(struct stdout_config, columns),
     .help = "table: which columns; without it all but lists and vectors."},
    {.name = "limit",
     .type = OPT_I64,
     FIELD(struct stdout_config, limit),
     .max.i64 = INT64_MAX,
     .help = "Rows that each subtask prints; the others are passed over. 0: all."},
    {.name = "top",
     .type = OPT_I64,
     FIELD(struct stdout_config, top),
     .max.i64 = 1000000,
     .help = "Elements of lists that are written, from the first; 0: all."},
    {.name = "timestamps",
     .type = OPT_ENUM,
     FIELD(struct stdout_config, timestamps),
     .choices = timestamp_choices,
     .help = "ms: numbers since 1970 (UTC); iso: 1997-09-20T03:05:10.123Z."},
    {0},
};

static const struct port stdout_inputs[] = {{.name = "in", .help = "Rows to print."}, {0}};

struct stdout_scratch {
    struct encoder *encoder;
    struct bytes out;
    uint32_t count, columns[COLUMNS_MAX]; /* of the table */
    bool headed;
    uint64_t printed; /* not state: how much is printed is not exactly once anyway */
};

/* ---- the table ---- */

static bool in_line(enum type type)
{
    return type != TYPE_LIST && type != TYPE_VECTOR;
}

static uint32_t width_of(const struct field *field)
{
    uint32_t least = field->type == TYPE_UTF8 ? TEXT_WIDTH : NUMBER_WIDTH, size;

    size = (uint32_t)strlen(field->name);
    return size > least ? size : least;
}

static void choose_columns(struct op *op, struct stdout_scratch *scratch)
{
    const struct stdout_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, 0);

    for (uint32_t i = 0; i < config->columns.count; i++)
        scratch->columns[scratch->count++] = schema_find(in, config->columns.items[i]);
    for (uint32_t i = 0; config->columns.count == 0 && i < in->count; i++)
        if (in_line(in->fields[i].type))
            scratch->columns[scratch->count++] = i;
}

static void put_cell(struct bytes *out, const struct column *column, uint32_t width, uint32_t row)
{
    if (!column_valid(column, row))
        bytes_format(out, "%*s", column->type == TYPE_UTF8 ? -(int)width : (int)width, "-");
    else if (column->type == TYPE_UTF8) {
        uint32_t size;
        const char *text = column_text(column, row, &size);
        bytes_format(out, "%-*.*s", (int)width, (int)size, text);
    } else if (column->type == TYPE_BOOL)
        bytes_format(out, "%*s", (int)width, column_bool(column, row) ? "yes" : "no");
    else if (column->type == TYPE_F64 || column->type == TYPE_F32)
        bytes_format(out, "%*.4g", (int)width, column_number(column, row));
    else
        bytes_format(out, "%*.0f", (int)width, column_number(column, row));
}

static void put_table(struct stdout_scratch *scratch, const struct schema *schema,
                      const struct batch *in)
{
    for (uint32_t i = 0; !scratch->headed && i < scratch->count; i++) {
        const struct field *field = &schema->fields[scratch->columns[i]];
        int width = (int)width_of(field);
        bytes_format(&scratch->out, "%s%*s", i ? "  " : "",
                     field->type == TYPE_UTF8 ? -width : width, field->name);
    }
    if (!scratch->headed)
        bytes_text(&scratch->out, "\n");
    scratch->headed = true;
    for (uint32_t k = 0; k < in->selected; k++) {
        for (uint32_t i = 0; i < scratch->count; i++) {
            uint32_t column = scratch->columns[i];
            bytes_text(&scratch->out, i ? "  " : "");
            put_cell(&scratch->out, batch_column(in, column), width_of(&schema->fields[column]),
                     batch_row(in, k));
        }
        bytes_text(&scratch->out, "\n");
    }
}

/* ---- an instance ---- */

static bool stdout_open(struct op *op, struct error *err)
{
    const struct stdout_config *config = op_config(op);
    struct stdout_scratch *scratch = op_memory(op, sizeof(*scratch));
    struct encode_options encode = {
        .format = ENCODE_JSON,
        .timestamps = (enum timestamp_format)config->timestamps,
        .top = (uint32_t)config->top,
    };
    (void)err; /* cannot fail */
    op_set_scratch(op, scratch);
    scratch->encoder = encoder_create(op_input_schema(op, 0), &encode);
    choose_columns(op, scratch);
    return true;
}

static void stdout_close(struct op *op)
{
    struct stdout_scratch *scratch = op_scratch(op);
    if (!scratch)
        return;
    encoder_close(scratch->encoder);
    bytes_clear(&scratch->out);
}

/* One write a batch, so that lines of subtasks do not mix within a batch of a pipe's size. */
static bool print(const struct bytes *out, struct error *err)
{
    for (size_t at = 0; at < out->size;) {
        ssize_t count = write(STDOUT_FILENO, out->data + at, out->size - at);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno == EPIPE) /* as with `| head`: no attempt would be read */
            return error_set(err, ERROR_CONFIG, "stdout", "to print the first rows, write `limit`",
                             "nobody reads it any more");
        if (count < 0)
            return error_errno(err, "stdout", "cannot write");
        at += (size_t)count;
    }
    return true;
}

static void put_rows(struct op *op, const struct batch *in)
{
    const struct stdout_config *config = op_config(op);
    struct stdout_scratch *scratch = op_scratch(op);

    if (config->format == FORMAT_TABLE)
        put_table(scratch, op_input_schema(op, 0), in);
    else
        encode_rows(scratch->encoder, in, &scratch->out);
}

/* The first rows of a batch when the limit is near. */
static void put_first(struct op *op, const struct batch *in, uint64_t count)
{
    uint32_t rows[BATCH_ROWS_MAX];
    CHECK(count <= BATCH_ROWS_MAX);
    for (uint32_t k = 0; k < count; k++)
        rows[k] = batch_row(in, k);
    struct batch *first = batch_select(in, rows, (uint32_t)count);
    put_rows(op, first);
    batch_release(&first);
}

static bool stdout_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct stdout_config *config = op_config(op);
    struct stdout_scratch *scratch = op_scratch(op);
    uint64_t left = config->limit == 0 ? UINT64_MAX : (uint64_t)config->limit - scratch->printed;
    (void)port; /* there is one */

    if (left == 0)
        return true;
    scratch->out.size = 0;
    if (in->selected <= left)
        put_rows(op, in);
    else
        put_first(op, in, left);
    scratch->printed += in->selected < left ? in->selected : left;
    return print(&scratch->out, err);
}

const struct operator_def sink_stdout = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "sink/stdout",
    .help = "Prints rows as JSON lines or as a table, at least once.",
    .config_size = sizeof(struct stdout_config),
    .options = stdout_options,
    .inputs = stdout_inputs,
    .deterministic = true,
    .selective = true,
    .open = stdout_open,
    .process = stdout_process,
    .close = stdout_close,
};
OPERATOR_REGISTER(sink_stdout);
