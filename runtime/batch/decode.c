/* decode: see decode.h. Here: records out of blocks, rejects, rows. */
#include "runtime/batch/decode.h"

#include "runtime/base/timestamp.h"
#include "runtime/batch/decode_parts.h"

#include <string.h>

#define RECORD_SIZE_MIN 8u    /* bytes of a record that makes a row, about */
#define LINE_END_MAX 2u       /* bytes of \r\n */
#define REJECT_RAW_MAX 65536u /* bytes kept of an oversized record */

static enum cell_kind kind_of(const struct decode_options *options, uint32_t column)
{
    static const enum cell_kind units[] = {
        [TIME_MS] = CELL_MS, [TIME_S] = CELL_S, [TIME_US] = CELL_US, [TIME_TEXT] = CELL_TIME_TEXT};
    switch (options->schema->fields[column].type) {
    case TYPE_BOOL:
        return CELL_BOOL;
    case TYPE_I32:
        return CELL_I32;
    case TYPE_I64:
        return CELL_I64;
    case TYPE_F32:
        return CELL_F32;
    case TYPE_F64:
        return CELL_F64;
    case TYPE_TIMESTAMP:
        return column == options->time_column ? units[options->unit] : CELL_MS;
    case TYPE_UTF8:
    case TYPE_NONE:
    case TYPE_VECTOR:
    case TYPE_LIST:
    case TYPE_KEY:
        break;
    }
    return CELL_UTF8;
}

static bool check_time(const struct decode_options *options, struct error *err)
{
    const struct field *field = &options->schema->fields[options->time_column];
    bool text = options->unit == TIME_TEXT;
    switch (field->type) {
    case TYPE_TIMESTAMP:
        return true;
    case TYPE_I32:
    case TYPE_I64:
    case TYPE_F32:
    case TYPE_F64:
        return !text || error_set(err, ERROR_CONFIG, field->name, "set its unit to s, ms or us",
                                  "an event time of type %s is no text", type_name(field->type));
    case TYPE_UTF8:
        return text || error_set(err, ERROR_CONFIG, field->name,
                                 "set its unit to text, or its type to timestamp",
                                 "an event time of type utf8 is no number");
    case TYPE_NONE:
    case TYPE_BOOL:
    case TYPE_VECTOR:
    case TYPE_LIST:
    case TYPE_KEY:
        break;
    }
    return error_set(err, ERROR_CONFIG, field->name, "take a timestamp, a number or a text",
                     "a column of type %s cannot be the event time", type_name(field->type));
}

static bool check_options(const struct decode_options *options, struct error *err)
{
    CHECK(options->record_max > 0 && options->record_max <= UINT32_MAX / 4);
    CHECK(options->time_column < options->schema->count);
    for (uint32_t column = 0; column < options->schema->count; column++) {
        const struct field *field = &options->schema->fields[column];
        if (field->type == TYPE_LIST || field->type == TYPE_VECTOR || field->type == TYPE_NONE ||
            field->type == TYPE_KEY)
            return error_set(err, ERROR_CONFIG, field->name, "read its parts by their paths",
                             "a record has no columns of type %s", type_name(field->type));
    }
    return check_time(options, err);
}

struct decoder *decoder_create(const struct decode_options *options, struct error *err)
{
    if (!check_options(options, err))
        return NULL;
    struct decoder *decoder = memory_new(sizeof(*decoder));
    decoder->options = *options;
    decoder->state.time_ms = TIMESTAMP_MIN_MS;
    decoder->arena = arena_create(4096);
    for (uint32_t column = 0; column < options->schema->count; column++)
        decoder->kinds[column] = kind_of(options, column);
    for (uint32_t column = 0; options->unread && column < options->schema->count; column++)
        decoder->unread[column] = options->unread[column];
    if (options->format == DECODE_JSON)
        decoder->json = json_walk_create(decoder, err);
    else
        decoder->csv = csv_walk_create(decoder, err);
    if (decoder->json || decoder->csv)
        return decoder;
    decoder_close(decoder);
    return NULL;
}

void decoder_close(struct decoder *decoder)
{
    if (!decoder)
        return;
    json_walk_close(decoder->json);
    csv_walk_close(decoder->csv);
    bytes_clear(&decoder->scratch);
    arena_close(decoder->arena);
    memory_free(decoder);
}

const char *decode_path(const struct decode_options *options, uint32_t column)
{
    const char *path = options->paths ? options->paths[column] : NULL;
    return path ? path : options->schema->fields[column].name;
}

size_t decode_line_end(const uint8_t *data, size_t size)
{
    const uint8_t *newline = memchr(data, '\n', size);
    return newline ? (size_t)(newline - data) + 1 : size;
}

struct decoder_state decoder_state(const struct decoder *decoder)
{
    return decoder->state;
}

void decoder_resume(struct decoder *decoder, struct decoder_state state)
{
    decoder->state = state;
}

bool decoder_header(struct decoder *decoder, const uint8_t *data, size_t size, bool last,
                    size_t *used, struct error *err)
{
    CHECK(decoder->csv && decoder->options.header);
    size_t line = decode_line_end(data, size);
    *used = 0;
    if (!last && (line == 0 || data[line - 1] != '\n')) {
        return size <= decoder->options.record_max ||
               error_set(err, ERROR_CONFIG, "header", "check the format and its options",
                         "has no end within %zu bytes", decoder->options.record_max);
    }
    const char *text = (const char *)data;
    size_t mark = line >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    size_t end = line;
    while (end > mark && (text[end - 1] == '\n' || text[end - 1] == '\r'))
        end--;
    if (!csv_walk_header(decoder, text + mark, end - mark, err))
        return false;
    *used = line;
    return true;
}

/* ---- blocks ---- */

struct block_walk {
    const uint8_t *data;
    size_t size, taken;
    uint64_t offset;
    bool last;
    struct builder *out;
    struct rejects *rejects;
};

static void reject(struct decoder *decoder, const struct block_walk *walk, size_t size)
{
    struct reject *item = &walk->rejects->items[walk->rejects->count++];
    *item = (struct reject){.offset = walk->offset + walk->taken,
                            .time_ms = decoder->state.time_ms,
                            .raw = walk->data + walk->taken,
                            .size = size,
                            .field = decoder->fault_field};
    memcpy(item->reason, decoder->fault_reason, sizeof(item->reason));
}

static void reject_oversized(struct decoder *decoder, const struct block_walk *walk)
{
    size_t kept = decoder->options.record_max;
    decode_fault(decoder, "", "is longer than %zu bytes", decoder->options.record_max);
    reject(decoder, walk, kept < REJECT_RAW_MAX ? kept : REJECT_RAW_MAX);
}

static void add_row(struct decoder *decoder, const struct block_walk *walk, size_t size)
{
    const struct decode_options *options = &decoder->options;
    int64_t time_ms;

    if (options->raw_column != FIELD_NONE && !decoder->unread[options->raw_column])
        cell_text(decoder, options->raw_column, (const char *)walk->data + walk->taken, size);
    if (!cell_time(decoder, &time_ms)) {
        reject(decoder, walk, size);
        return;
    }
    uint64_t origin = origin_make(options->split, walk->offset + walk->taken);
    uint64_t order = options->ties_by_hash ? hash_draw(options->seed, origin) : origin;
    builder_row(walk->out, time_ms, origin, order);
    decoder->state.time_ms = time_ms;
    cell_rows(decoder, walk->out);
}

static bool is_blank(const uint8_t *text, size_t size)
{
    for (size_t at = 0; at < size; at++)
        if (text[at] != ' ' && text[at] != '\t' && text[at] != '\r')
            return false;
    return true;
}

/* Passes the rest of an oversized record's line. */
static void skip_line(struct decoder *decoder, struct block_walk *walk)
{
    walk->taken += decode_line_end(walk->data + walk->taken, walk->size - walk->taken);
    decoder->state.skipping = walk->data[walk->taken - 1] != '\n';
}

/* The record has no end in the block. False: more bytes are wanted. */
static bool unended(struct decoder *decoder, struct block_walk *walk)
{
    if (walk->size - walk->taken < decoder->options.record_max + LINE_END_MAX)
        return false;
    reject_oversized(decoder, walk);
    skip_line(decoder, walk);
    return true;
}

static bool step_json(struct decoder *decoder, struct block_walk *walk)
{
    const uint8_t *text = walk->data + walk->taken;
    size_t rest = walk->size - walk->taken;
    size_t used = decode_line_end(text, rest);
    bool ended = text[used - 1] == '\n';

    if (!ended && !walk->last)
        return unended(decoder, walk);
    size_t size = used - ended;
    size -= size > 0 && text[size - 1] == '\r';
    if (size > decoder->options.record_max) {
        reject_oversized(decoder, walk);
    } else if (text[0] != '{' && is_blank(text, size)) {
        walk->taken += used;
        return true;
    } else if (json_walk_record(decoder, (const char *)text, size, rest)) {
        add_row(decoder, walk, size);
    } else {
        reject(decoder, walk, size);
    }
    walk->taken += used;
    return true;
}

/* A record of over record_max bytes. If its first line is shorter, a quoted field swallows line after
 * line: that line alone is rejected. `known`: bytes that were looked at. */
static void reject_over(struct decoder *decoder, struct block_walk *walk, size_t known)
{
    const uint8_t *text = walk->data + walk->taken;
    size_t line = decode_line_end(text, known);
    size_t size = line - (text[line - 1] == '\n');
    size -= size > 0 && text[size - 1] == '\r';
    if (size > decoder->options.record_max || text[line - 1] != '\n') {
        reject_oversized(decoder, walk);
        skip_line(decoder, walk);
        return;
    }
    decode_fault(decoder, "", "is not CSV: a quoted field has no end within %zu bytes",
                 decoder->options.record_max);
    reject(decoder, walk, size);
    walk->taken += line;
}

static bool step_csv(struct decoder *decoder, struct block_walk *walk)
{
    const char *text = (const char *)walk->data + walk->taken;
    size_t rest = walk->size - walk->taken;
    size_t known = decoder->options.record_max + LINE_END_MAX, used, size;

    size_t empty = text[0] == '\r' && (rest > 1 || walk->last); /* text[rest] is 0 */
    if (text[empty] == '\n' || empty == rest) {
        walk->taken += empty < rest ? empty + 1 : empty;
        return true;
    }
    bool cut = rest > known;
    known = cut ? known : rest;
    enum csv_result result =
        csv_walk_record(decoder, text, known, walk->last && !cut, &used, &size);
    if (result == CSV_MORE && !cut)
        return false;
    if (result == CSV_MORE || size > decoder->options.record_max) {
        reject_over(decoder, walk, known);
        return true;
    }
    if (result == CSV_ROW)
        add_row(decoder, walk, size);
    else
        reject(decoder, walk, size);
    walk->taken += used;
    return true;
}

/* A byte order mark at the very beginning. */
static size_t mark_size(const uint8_t *data, size_t size, uint64_t offset)
{
    return offset == 0 && size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

/* Room for the rows of a batch at once: growing each column by doubling costs 15 ns a row. */
static void reserve(struct builder *out, uint32_t rows, size_t size)
{
    size_t most = size / RECORD_SIZE_MIN + 1;
    rows = rows < BATCH_ROWS_MAX ? rows : BATCH_ROWS_MAX;
    builder_reserve(out, rows < most ? rows : (uint32_t)most);
}

size_t decode_block(struct decoder *decoder, const uint8_t *data, size_t size, uint64_t offset,
                    bool last, uint32_t rows, struct builder *out, struct rejects *rejects)
{
    struct block_walk walk = {data, size,   mark_size(data, size, offset), offset, last,
                              out,  rejects};
    uint32_t full = builder_rows(out) + rows;
    bool more = true;

    CHECK(!last || data[size] == 0);
    rejects->count = 0;
    reserve(out, rows, size);
    if (decoder->json)
        json_walk_block(decoder->json);
    while (more && walk.taken < size && builder_rows(out) < full &&
           rejects->count < DECODE_REJECTS_MAX) {
        memset(decoder->cells, 0, decoder->options.schema->count * sizeof(struct cell));
        if (decoder->state.skipping)
            skip_line(decoder, &walk);
        else
            more = decoder->json ? step_json(decoder, &walk) : step_csv(decoder, &walk);
    }
    return walk.taken;
}
