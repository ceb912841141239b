/* sink/stdout: rows as JSON lines on standard output, to look at.
 * In: any port. Out: none. At least once: after a restart rows may come again. */
#include "runtime/api/operator.h"
#include "runtime/batch/encode.h"

#include <errno.h>
#include <unistd.h>

struct stdout_config {
    int64_t limit, top;
    int32_t timestamps; /* enum timestamp_format */
};

static const char *const timestamp_choices[] = {"ms", "iso", NULL};

static const struct option stdout_options[] = {
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
    uint64_t printed; /* not state: how much is printed is not exactly once anyway */
};

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
        if (count < 0)
            return error_errno(err, "stdout", "cannot write");
        at += (size_t)count;
    }
    return true;
}

/* The first rows of a batch when the limit is near. */
static void encode_first(struct stdout_scratch *scratch, const struct batch *in, uint64_t count)
{
    uint32_t rows[BATCH_ROWS_MAX];
    CHECK(count <= BATCH_ROWS_MAX);
    for (uint32_t k = 0; k < count; k++)
        rows[k] = batch_row(in, k);
    struct batch *first = batch_select(in, rows, (uint32_t)count);
    encode_rows(scratch->encoder, first, &scratch->out);
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
        encode_rows(scratch->encoder, in, &scratch->out);
    else
        encode_first(scratch, in, left);
    scratch->printed += in->selected < left ? in->selected : left;
    return print(&scratch->out, err);
}

const struct operator_def sink_stdout = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "sink/stdout",
    .help = "Prints rows as JSON lines, at least once.",
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
