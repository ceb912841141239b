/* sink/file: rows as files of JSON lines or CSV, exactly once.
 * In: any port. Out: none.
 *
 * Rows become visible when the checkpoint that holds them is complete and their file is rolled: by
 * size, by age, or at the end of the input; until then they are in hidden files. Method: two-phase
 * commit on rename (parts.h); what was visible stays as it is, what a failed attempt had written is
 * removed. Rows of one subtask keep their order within its files; together they are a set. */
#include "operators/sink/parts.h"
#include "runtime/api/operator.h"
#include "runtime/base/clock.h"
#include "runtime/batch/encode.h"

struct file_config {
    const char *path;
    int32_t format;      /* enum encode_format */
    int32_t timestamps;  /* enum timestamp_format */
    int32_t compression; /* enum compression */
    int64_t roll_size, roll_time_ms, top;
    bool header, overwrite;
};

static const char *const format_choices[] = {"json", "csv", NULL};
static const char *const timestamp_choices[] = {"ms", "iso", NULL};
static const char *const compression_choices[] = {"none", "gzip", "zstd", NULL};

static const struct option file_options[] = {
    {.name = "path",
     .type = OPT_TEXT,
     FIELD(struct file_config, path),
     .required = true,
     .help = "Directory of the files part-SUBTASK-CHECKPOINT-N.jsonl; made when missing. Each sink "
             "needs one of its own. A restore from a checkpoint makes its files as they were at "
             "that checkpoint: later ones are removed and written anew; with another path they "
             "stay, and new rows go there."},
    {.name = "format",
     .type = OPT_ENUM,
     FIELD(struct file_config, format),
     .choices = format_choices,
     .help = "json: one object a line; csv: RFC 4180."},
    {.name = "roll-size",
     .type = OPT_BYTES,
     FIELD(struct file_config, roll_size),
     .def.i64 = 128 << 20,
     .min.i64 = 1,
     .max.i64 = INT64_C(1) << 40,
     .help = "A file of this size is closed; it becomes visible with the next checkpoint."},
    {.name = "roll-time",
     .type = OPT_DURATION,
     FIELD(struct file_config, roll_time_ms),
     .max.i64 = 366 * DAY_MS,
     .help =
         "A file of this age (wall clock) is closed at a checkpoint, so that rows become visible "
         "in time; 0: never. The smallest step is checkpoint.interval."},
    {.name = "compression",
     .type = OPT_ENUM,
     FIELD(struct file_config, compression),
     .choices = compression_choices,
     .help = "gzip and zstd end a member or frame at each checkpoint; any tool reads the files."},
    {.name = "top",
     .type = OPT_I64,
     FIELD(struct file_config, top),
     .max.i64 = 1000000,
     .help = "Elements of lists that are written, from the first; 0: all."},
    {.name = "timestamps",
     .type = OPT_ENUM,
     FIELD(struct file_config, timestamps),
     .choices = timestamp_choices,
     .help = "ms: numbers since 1970 (UTC); iso: 1997-09-20T03:05:10.123Z."},
    {.name = "header",
     .type = OPT_BOOL,
     FIELD(struct file_config, header),
     .def.flag = true,
     .help = "csv: each file begins with the names of the columns."},
    {.name = "overwrite",
     .type = OPT_BOOL,
     FIELD(struct file_config, overwrite),
     .help = "A run that is not restored removes the part files of earlier runs; otherwise it does "
             "not start where some are."},
    {0},
};

static const struct port file_inputs[] = {{.name = "in", .help = "Rows to write."}, {0}};

struct file_scratch {
    struct encoder *encoder;
    struct parts *parts;
    struct bytes header;
    bool ended; /* no rows will follow: the next prepare rolls */
};

static const char *suffix_of(const struct file_config *config)
{
    static const char *const suffixes[2][3] = {
        [ENCODE_JSON] = {".jsonl", ".jsonl.gz", ".jsonl.zst"},
        [ENCODE_CSV] = {".csv", ".csv.gz", ".csv.zst"},
    };
    return suffixes[config->format][config->compression];
}

static bool file_open(struct op *op, struct error *err)
{
    const struct file_config *config = op_config(op);
    struct file_scratch *scratch = op_memory(op, sizeof(*scratch));
    struct encode_options encode = {
        .format = (enum encode_format)config->format,
        .timestamps = (enum timestamp_format)config->timestamps,
        .top = (uint32_t)config->top,
    };
    struct parts_options parts = {
        .dir = config->path,
        .subtask = op_subtask_name(op),
        .suffix = suffix_of(config),
        .compression = (enum compression)config->compression,
        .roll_size = (uint64_t)config->roll_size,
        .roll_time_ms = config->roll_time_ms,
        .overwrite = config->overwrite,
        .restored = op_restored(op),
    };

    op_set_scratch(op, scratch);
    scratch->encoder = encoder_create(op_input_schema(op, 0), &encode);
    if (config->format == ENCODE_CSV && config->header) {
        encode_header(scratch->encoder, &scratch->header);
        bytes_put(&scratch->header, "", 1);
        parts.header = (const char *)scratch->header.data;
    }
    scratch->parts = parts_open(&parts, err);
    return scratch->parts != NULL;
}

static void file_close(struct op *op)
{
    struct file_scratch *scratch = op_scratch(op);
    if (!scratch)
        return;
    parts_close(scratch->parts);
    encoder_close(scratch->encoder);
    bytes_clear(&scratch->header);
}

static bool file_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct file_scratch *scratch = op_scratch(op);
    (void)port; /* there is one */
    encode_rows(scratch->encoder, in, parts_buffer(scratch->parts));
    return parts_written(scratch->parts, err);
}

static bool file_on_watermark(struct op *op, int64_t time_ms, struct error *err)
{
    struct file_scratch *scratch = op_scratch(op);
    scratch->ended = scratch->ended || time_ms == INT64_MAX;
    return parts_settle(scratch->parts, err); /* after a restore, before long */
}

static bool file_wait(void *context, struct error *err)
{
    return durable_wait(context, err);
}

static void file_waited(void *context)
{
    durable_close(context);
}

static bool file_prepare(struct op *op, uint64_t checkpoint, struct bytes *bundle,
                         struct error *err)
{
    struct file_scratch *scratch = op_scratch(op);
    struct durable *durable = durable_create();

    op_later(op, file_wait, file_waited, durable);
    return parts_prepare(scratch->parts, checkpoint, clock_wall_ms(), scratch->ended, bundle,
                         durable, err);
}

static bool file_commit(struct op *op, uint64_t checkpoint, const uint8_t *bundle, size_t size,
                        struct error *err)
{
    struct file_scratch *scratch = op_scratch(op);
    (void)checkpoint; /* the bundle says it */
    return parts_commit(scratch->parts, bundle, size, err);
}

static bool file_restore(struct op *op, const uint8_t *bundle, size_t size, struct error *err)
{
    struct file_scratch *scratch = op_scratch(op);
    return parts_restore(scratch->parts, bundle, size, err);
}

const struct operator_def sink_file = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "sink/file",
    .help = "Writes rows to files of JSON lines or CSV, exactly once.",
    .config_size = sizeof(struct file_config),
    .options = file_options,
    .inputs = file_inputs,
    .deterministic = true,
    .selective = true,
    .open = file_open,
    .process = file_process,
    .on_watermark = file_on_watermark,
    .close = file_close,
    .prepare = file_prepare,
    .commit = file_commit,
    .restore = file_restore,
};
OPERATOR_REGISTER(sink_file);
