/* source/file: records of files as rows: JSON lines, CSV or TSV; plain, gzip or zstd.
 * In: none. Out: `out`, rows of `schema` (and `raw`); `late`, the same, rows behind their split's
 * watermark (the engine judges them); `rejected`, bad records with file, offset, field, reason.
 *
 * Splits depend on the files alone (splits.h). Without `order-by` a split is read in the file's
 * order and resumed at a byte. With `order-by: time` a split is a whole file, which is sorted first
 * (sort.h); it is resumed by sorting anew and passing over the rows that were delivered, and the
 * rejects of the bytes that were read then are not given again.
 *
 * Origin: (split, byte offset of the record in the plain text). Order among rows of one event time:
 * the origin, or with `ties: hash` a hash of (job seed, origin), so that nothing can be learned from
 * the order in the file. A rejected row's event time is that of the good record before it. */
#include "operators/source/columns.h"
#include "operators/source/reader.h"
#include "operators/source/sort.h"
#include "operators/source/splits.h"
#include "runtime/api/operator.h"

#include <stdio.h>
#include <string.h>

struct file_config {
    const char *path;
    int32_t format; /* enum decode_format */
    struct option_map schema;
    struct {
        const char *field;
        int32_t unit; /* enum time_unit */
        int64_t out_of_orderness_ms;
    } time;
    int32_t order_by, ties;
    int64_t sort_memory, split_size, max_record;
    bool raw, header, multiline;
    const char *delimiter, *quote;
};

enum { ORDER_BY_FILE, ORDER_BY_TIME };
enum { TIES_FILE, TIES_HASH };

static const char *const format_choices[] = {"json", "csv", "tsv", NULL};
static const char *const unit_choices[] = {"ms", "s", "us", "text", NULL};
static const char *const order_choices[] = {"file", "time", NULL};
static const char *const ties_choices[] = {"file", "hash", NULL};

#define IN_TIME(field)                                                                             \
    .offset = offsetof(struct file_config, time.field) - offsetof(struct file_config, time),       \
    .size = sizeof(((struct file_config *)0)->time.field)

static const struct option time_options[] = {
    {.name = "field",
     .type = OPT_TEXT,
     IN_TIME(field),
     .required = true,
     .help = "The column that is the event time: a timestamp, a number or a text."},
    {.name = "unit",
     .type = OPT_ENUM,
     IN_TIME(unit),
     .choices = unit_choices,
     .help = "What its numbers count since 1970 (UTC), or text for dates such as "
             "1997-09-20T03:05:10.123Z or 1997-09-20 03:05:10."},
    {.name = "out-of-orderness",
     .type = OPT_DURATION,
     IN_TIME(out_of_orderness_ms),
     .max.i64 = 366 * DAY_MS,
     .help = "How far a record may lie behind the latest one of its split; later ones go to the "
             "port `late`. Not used with order-by: time."},
    {0},
};

static const struct option file_options[] = {
    {.name = "path",
     .type = OPT_TEXT,
     FIELD(struct file_config, path),
     .required = true,
     .help = "File, pattern such as logs/*.jsonl, or directory (its files that do not begin with . "
             "or _). Several files are read in the order of their names. gzip and zstd are told by "
             "content."},
    {.name = "format",
     .type = OPT_ENUM,
     FIELD(struct file_config, format),
     .life = LIFE_FIXED,
     .choices = format_choices,
     .help = "json: one object a line; csv: RFC 4180; tsv: tabs, no "
             "quotes."},
    {.name = "schema",
     .type = OPT_MAP,
     FIELD(struct file_config, schema),
     .required = true,
     .help = "Columns and types: {user: i64, hour: {path: context.hour, type: i32}}. The path is a "
             "JSON path, a name in the header, or without a header a position from 1; without it, "
             "the column's name."},
    {.name = "time",
     .type = OPT_GROUP,
     FIELD(struct file_config, time),
     .group = time_options,
     .required = true,
     .help = "Where the event time is."},
    {.name = "order-by",
     .type = OPT_ENUM,
     FIELD(struct file_config, order_by),
     .life = LIFE_FIXED,
     .choices = order_choices,
     .help = "time: each file is sorted by event time before it is read, on disk when it is large. "
             "file: as it stands."},
    {.name = "ties",
     .type = OPT_ENUM,
     FIELD(struct file_config, ties),
     .life = LIFE_FIXED,
     .choices = ties_choices,
     .help = "Order of records of one event time: file, as they stand; hash, mixed but the same in "
             "every run, so that nothing can be learned from the file's order."},
    {.name = "sort-memory",
     .type = OPT_BYTES,
     FIELD(struct file_config, sort_memory),
     .def.i64 = 64 << 20,
     .min.i64 = 1 << 20,
     .max.i64 = INT64_C(1) << 40,
     .help = "Memory of one subtask's sort; beyond it sorted runs go to TMPDIR or /tmp."},
    {.name = "split-size",
     .type = OPT_BYTES,
     FIELD(struct file_config, split_size),
     .def.i64 = 64 << 20,
     .min.i64 = 1,
     .max.i64 = INT64_C(1) << 40,
     .help = "Plain files are cut at record ends into splits of about this size, which are read in "
             "parallel. Compressed files, order-by: time and multiline CSV: one split a file."},
    {.name = "raw",
     .type = OPT_BOOL,
     FIELD(struct file_config, raw),
     .help = "Adds a column `raw` with the record's bytes, for dead letters of later operators."},
    {.name = "max-record",
     .type = OPT_BYTES,
     FIELD(struct file_config, max_record),
     .def.i64 = RECORD_SIZE_MAX,
     .min.i64 = 16,
     .max.i64 = 16 * RECORD_SIZE_MAX,
     .help = "Longer records are rejected."},
    {.name = "header",
     .type = OPT_BOOL,
     FIELD(struct file_config, header),
     .def.flag = true,
     .help = "csv, tsv: the first record of each file names its fields; they may stand in any "
             "order."},
    {.name = "delimiter",
     .type = OPT_TEXT,
     FIELD(struct file_config, delimiter),
     .help = "csv, tsv: one character, \\t for a tab; by default a comma, for tsv a tab."},
    {.name = "quote",
     .type = OPT_TEXT,
     FIELD(struct file_config, quote),
     .help = "csv, tsv: one character, or none; by default \", for tsv none."},
    {.name = "multiline",
     .type = OPT_BOOL,
     FIELD(struct file_config, multiline),
     .def.flag = true,
     .help = "csv: quoted fields may hold line ends; false: each line is a record, and large files "
             "are read in parallel."},
    {0},
};

static const struct column_def rejected_row[] = {
    {"raw", TYPE_UTF8},   {"file", TYPE_UTF8},   {"offset", TYPE_I64},
    {"field", TYPE_UTF8}, {"reason", TYPE_UTF8}, {0},
};
static const struct port file_outputs[] = {
    {.name = "out", .help = "The rows."},
    {.name = "late", .help = "Rows behind their split's watermark."},
    {.name = "rejected",
     .columns = rejected_row,
     .help = "Records that could not be read, with the byte where they begin."},
    {0},
};
enum { OUT, LATE, REJECTED };                          /* ports */
enum { RAW, FILE_NAME, OFFSET, REJECT_FIELD, REASON }; /* columns of rejected */

/* ---- configuration ---- */

/* One character, \t, or `none` (0). */
static bool one_character(const char *text, char otherwise, char *character)
{
    *character = !text ? otherwise : strcmp(text, "\\t") == 0 ? '\t' : text[0];
    if (text && strcmp(text, "none") == 0)
        *character = '\0';
    return !text || *character == '\0' || *character == '\t' || text[1] == '\0';
}

static bool option_fault(struct error *err, const char *option, const char *how, const char *what)
{
    return error_set(err, ERROR_CONFIG, option, how, "%s", what);
}

static bool text_options(const struct file_config *config, struct decode_options *decode,
                         struct error *err)
{
    bool tsv = config->format == DECODE_TSV;
    if (!one_character(config->delimiter, tsv ? '\t' : ',', &decode->delimiter) ||
        decode->delimiter == '\0')
        return option_fault(err, "delimiter", "give one character, or \\t",
                            "is not a single character");
    if (!one_character(config->quote, tsv ? '\0' : '"', &decode->quote))
        return option_fault(err, "quote", "give one character, or none",
                            "is not a single character");
    return true;
}

/* All but split and seed. On failure err->where is an option's path. */
static bool decode_of(const struct file_config *config, struct arena *arena,
                      struct decode_options *decode, struct error *err)
{
    struct columns columns;
    if (!columns_make(&config->schema, config->raw ? "raw" : NULL, arena, &columns, err))
        return false;
    *decode = (struct decode_options){
        .format = (enum decode_format)config->format,
        .schema = columns.schema,
        .paths = columns.paths,
        .raw_column = columns.raw_column,
        .time_column = schema_find(columns.schema, config->time.field),
        .unit = (enum time_unit)config->time.unit,
        .ties_by_hash = config->ties == TIES_HASH,
        .record_max = (size_t)config->max_record,
        .header = config->header,
        .multiline = config->multiline,
    };
    if (decode->time_column == FIELD_NONE || decode->time_column == columns.raw_column)
        return error_set(err, ERROR_CONFIG, "time.field", "name a column of `schema`",
                         "there is no column \"%s\"", config->time.field);
    return text_options(config, decode, err);
}

static bool file_describe(struct describe *describe, struct error *err)
{
    const struct file_config *config = describe_config(describe);
    struct decode_options decode;
    struct error fault = {0};
    struct decoder *decoder = NULL;

    if (!decode_of(config, describe_arena(describe), &decode, &fault))
        return describe_error(describe, err, fault.where, fault.how, "%s", fault.what);
    decoder = decoder_create(&decode, &fault); /* checks types and paths */
    if (!decoder) {
        bool column = schema_find(decode.schema, fault.where) != FIELD_NONE;
        char option[sizeof(fault.where) + 8];
        snprintf(option, sizeof(option), "%s%s", column ? "schema." : "", fault.where);
        return describe_error(describe, err, option, fault.how, "%s", fault.what);
    }
    decoder_close(decoder);
    describe_output(describe, OUT, decode.schema);
    describe_output(describe, LATE, decode.schema);
    if (config->order_by == ORDER_BY_TIME)
        describe_ordered(describe);
    return true;
}

/* ---- splits ---- */

static bool file_splits(const void *of, struct split_list *out, struct error *err)
{
    const struct file_config *config = of;
    bool quoted = config->quote ? strcmp(config->quote, "none") != 0 : config->format == DECODE_CSV;
    bool whole = config->order_by == ORDER_BY_TIME ||
                 (config->format != DECODE_JSON && quoted && config->multiline);
    return splits_list(config->path, whole ? 0 : config->split_size, out, err);
}

/* ---- a subtask and its readers ---- */

struct file_scratch {
    struct decode_options decode;
    struct arena *arena; /* of schema and paths */
    struct sort_budget budget;
};

struct file_reader {
    struct reader *reader;
    const char *path;
    uint32_t split;
    uint64_t told;       /* rejects of records before this byte are out already */
    uint64_t order_seed; /* of rejected rows when ties are by hash */
    bool ties_by_hash;
    struct rejects rejects;
    /* order-by: time */
    struct sorter *sorter; /* NULL: not sorted */
    struct builder *loaded;
    bool delivering;
    uint64_t rows, skip; /* delivered; still to be passed over after a restore */
};

/* Columns that nobody takes. */
static const bool *unread_columns(const struct op *op, struct arena *arena,
                                  const struct schema *schema)
{
    bool *unread = arena_new(arena, COLUMNS_MAX * sizeof(*unread));

    for (uint32_t i = 0; i < schema->count; i++)
        unread[i] = !op_output_reads(op, OUT, i) && !op_output_reads(op, LATE, i);
    return unread;
}

static bool file_open(struct op *op, struct error *err)
{
    const struct file_config *config = op_config(op);
    struct file_scratch *scratch = op_memory(op, sizeof(*scratch));

    scratch->arena = arena_create(4096);
    scratch->budget.limit = (size_t)config->sort_memory;
    op_set_scratch(op, scratch);
    if (!decode_of(config, scratch->arena, &scratch->decode, err))
        return false;
    scratch->decode.seed = op_seed(op);
    scratch->decode.unread = unread_columns(op, scratch->arena, scratch->decode.schema);
    op_source_time(op, config->order_by == ORDER_BY_TIME ? 0 : config->time.out_of_orderness_ms, 0);
    return true;
}

static void file_close(struct op *op)
{
    struct file_scratch *scratch = op_scratch(op);
    if (scratch)
        arena_close(scratch->arena);
}

static void file_split_close(void *of)
{
    struct file_reader *reader = of;
    if (!reader)
        return;
    reader_close(reader->reader);
    sorter_close(reader->sorter);
    builder_close(reader->loaded);
    memory_free((char *)reader->path);
    memory_free(reader);
}

/* A sorted split begins anew whatever its position is. */
static void resume_sorted(struct file_reader *reader, struct file_scratch *scratch,
                          const struct position *from)
{
    reader->sorter = sorter_create(scratch->decode.schema, &scratch->budget);
    reader->loaded = builder_create(scratch->decode.schema, false);
    if (!from)
        return;
    reader->told = from->offset;
    reader->rows = reader->skip = from->rows;
}

static void *file_split_open(struct op *op, const struct split *split, const struct position *from,
                             struct error *err)
{
    const struct file_config *config = op_config(op);
    struct file_scratch *scratch = op_scratch(op);
    struct decode_options decode = scratch->decode;
    struct file_reader *reader = memory_new(sizeof(*reader));
    bool sorted = config->order_by == ORDER_BY_TIME;
    struct reader_place place;

    if (from)
        place = (struct reader_place){from->offset, {from->time_ms, from->rows > 0}};
    decode.split = split->index;
    reader->path = memory_text(split->name);
    reader->split = split->index;
    reader->ties_by_hash = decode.ties_by_hash;
    reader->order_seed = decode.seed;
    reader->reader = reader_open(split->name, (uint64_t)split->begin, (uint64_t)split->end,
                                 from && !sorted ? &place : NULL, &decode, err);
    if (!reader->reader) {
        file_split_close(reader);
        return NULL;
    }
    if (sorted)
        resume_sorted(reader, scratch, from);
    return reader;
}

/* ---- reading ---- */

static void put_rejects(struct op *op, struct file_reader *reader)
{
    struct builder *out = op_reserve(op, REJECTED, reader->rejects.count);
    for (uint32_t k = 0; k < reader->rejects.count; k++) {
        const struct reject *reject = &reader->rejects.items[k];
        uint64_t origin = origin_make(reader->split, reject->offset);
        if (reject->offset < reader->told)
            continue;
        builder_row(out, reject->time_ms, origin,
                    reader->ties_by_hash ? hash_draw(reader->order_seed, origin) : origin);
        builder_text(out, RAW, (const char *)reject->raw, reject->size);
        builder_text(out, FILE_NAME, reader->path, strlen(reader->path));
        builder_i64(out, OFFSET, (int64_t)reject->offset);
        builder_text(out, REJECT_FIELD, reject->field, strlen(reject->field));
        builder_text(out, REASON, reject->reason, strlen(reject->reason));
    }
}

static enum read_result read_plain(struct op *op, struct file_reader *reader, struct builder *out,
                                   struct error *err)
{
    enum reader_step step = reader_step(reader->reader, BATCH_ROWS_MAX, out, &reader->rejects, err);
    if (step == READER_FAILED)
        return READ_FAILED;
    if (reader->rejects.count > 0)
        put_rejects(op, reader);
    return step == READER_END ? READ_END : READ_MORE;
}

static enum read_result load(struct op *op, struct file_reader *reader, struct error *err)
{
    bool busy;
    if (!sorter_work(reader->sorter, &busy, err))
        return READ_FAILED;
    if (busy)
        return READ_MORE;
    enum read_result result = read_plain(op, reader, reader->loaded, err);
    if (result == READ_FAILED)
        return result;
    struct batch *batch = builder_finish(reader->loaded);
    if (batch)
        sorter_add(reader->sorter, batch);
    batch_release(&batch);
    reader->delivering = result == READ_END;
    if (reader->delivering && !sorter_finish(reader->sorter, err))
        return READ_FAILED;
    return READ_MORE;
}

static enum read_result deliver(struct file_reader *reader, struct builder *out, struct error *err)
{
    uint32_t got;
    if (reader->skip > 0) {
        uint32_t some = reader->skip < BATCH_ROWS_MAX ? (uint32_t)reader->skip : BATCH_ROWS_MAX;
        if (!sorter_skip(reader->sorter, some, &got, err))
            return READ_FAILED;
        reader->skip -= got;
        if (got < some) {
            error_set(err, ERROR_CONFIG, reader->path,
                      "put it back: files must not change while a job reads them",
                      "has fewer rows than were read before the checkpoint");
            return READ_FAILED;
        }
        return READ_MORE;
    }
    if (!sorter_next(reader->sorter, BATCH_ROWS_MAX, out, &got, err))
        return READ_FAILED;
    reader->rows += got;
    return got > 0 ? READ_MORE : READ_END;
}

static enum read_result file_split_read(struct op *op, void *of, struct builder *out,
                                        struct error *err)
{
    struct file_reader *reader = of;
    if (!reader->sorter)
        return read_plain(op, reader, out, err);
    return reader->delivering ? deliver(reader, out, err) : load(op, reader, err);
}

/* Sorted: offset is the byte up to which rejects are out. Otherwise rows is 1 in the middle of an
 * oversized record. */
static void file_split_position(const void *of, struct position *position)
{
    const struct file_reader *reader = of;
    struct reader_place place = reader_place(reader->reader);
    position->time_ms = place.state.time_ms;
    position->offset = place.offset > reader->told ? place.offset : reader->told;
    position->rows = reader->sorter ? reader->rows : place.state.skipping;
}

const struct operator_def source_file = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "source/file",
    .help = "Reads files of JSON lines, CSV or TSV, plain or compressed.",
    .config_size = sizeof(struct file_config),
    .options = file_options,
    .outputs = file_outputs,
    .deterministic = true,
    .describe = file_describe,
    .open = file_open,
    .close = file_close,
    .splits = file_splits,
    .split_open = file_split_open,
    .split_read = file_split_read,
    .split_position = file_split_position,
    .split_close = file_split_close,
};
OPERATOR_REGISTER(source_file);
