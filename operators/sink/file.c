/* sink/file: rows as files of JSON lines or CSV, exactly once.
 * In: any port. Out: none.
 *
 * Rows become visible when the checkpoint that holds them is complete and their file is rolled: by
 * size, by age, or at the end of the input; until then they are in hidden files. Method: two-phase
 * commit on rename (parts.h); what was visible stays as it is, what a failed attempt had written is
 * removed. Rows of one subtask keep their order within its files; together they are a set. */
#include "operators/sink/lines.h"

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
     .life = LIFE_TOLD,
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
    struct lines_options options = {
        .encode =
            {
                .format = (enum encode_format)config->format,
                .timestamps = (enum timestamp_format)config->timestamps,
                .top = (uint32_t)config->top,
            },
        .parts =
            {
                .dir = config->path,
                .suffix = suffix_of(config),
                .compression = (enum compression)config->compression,
                .roll_size = (uint64_t)config->roll_size,
                .roll_time_ms = config->roll_time_ms,
                .overwrite = config->overwrite,
            },
        .header = config->format == ENCODE_CSV && config->header,
    };

    return lines_open(op, &options, err);
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
    .process = lines_process,
    .on_watermark = lines_on_watermark,
    .close = lines_close,
    .prepare = lines_prepare,
    .commit = lines_commit,
    .restore = lines_restore,
};
OPERATOR_REGISTER(sink_file);
