/* decode: records of a format (JSON lines, CSV, TSV) into rows of a schema.
 *
 * Bytes go in by blocks that begin with a record; whole records come out as rows of a builder, with
 * event time, origin (split, offset) and order set, or as rejects with their offset and reason.
 * Every byte is part of exactly one good record, one rejected record, or empty lines. One broken
 * record costs itself alone: a JSON record is a line; a CSV record that is broken as such (quotes,
 * number of fields) costs its first line. A record over `record_max` is rejected with its first
 * bytes, and skipped however long it is.
 *
 * A decoder belongs to one split and one thread. Between blocks it keeps its decoder_state, and
 * guesses that change speed only. */
#ifndef MILLRACE_BATCH_DECODE_H
#define MILLRACE_BATCH_DECODE_H

#include "runtime/base/error.h"
#include "runtime/batch/builder.h"

#define DECODE_PADDING 64      /* readable bytes behind a block; the first is 0 */
#define DECODE_REJECTS_MAX 64u /* a call */
#define DECODE_DEPTH_MAX 64u   /* nesting of a JSON record */

enum decode_format { DECODE_JSON, DECODE_CSV, DECODE_TSV };
enum time_unit { TIME_MS, TIME_S, TIME_US, TIME_TEXT };

struct decode_options {
    enum decode_format format;
    const struct schema *schema; /* scalars only; outlives the decoder */
    /* One a column: where it is. JSON: `a.b.c`; CSV: name in the header, or without a header its
     * position from 1. NULL, or NULL in it: the column's name (its place without a header). */
    const char *const *paths;
    const bool *unread;   /* a column; true: its values are checked but left null. NULL: none */
    uint32_t raw_column;  /* utf8: gets the record's bytes; FIELD_NONE: none */
    uint32_t time_column; /* event time: timestamp, i32, i64, f32, f64 or utf8 */
    enum time_unit unit;  /* of the time column alone; other timestamps are ms or text */
    uint32_t split;       /* for the origin */
    bool ties_by_hash;    /* order among equal times by hash(seed, origin), else by origin */
    uint64_t seed;
    size_t record_max; /* bytes, without the line end */
    /* CSV and TSV */
    char delimiter, quote; /* quote 0: none */
    bool header;           /* the first record names the columns: decoder_header */
    bool multiline;        /* quoted fields may hold line ends */
};

struct reject {
    uint64_t offset;    /* of the record */
    int64_t time_ms;    /* event time of the good record before it */
    const uint8_t *raw; /* its bytes, in the block; cut for oversized ones */
    size_t size;
    const char *field; /* column, or "" where the whole record is broken */
    char reason[120];
};

struct rejects { /* of one call */
    uint32_t count;
    struct reject items[DECODE_REJECTS_MAX];
};

struct decoder;

/* NULL with `err` filled when columns, paths or characters do not fit. */
struct decoder *decoder_create(const struct decode_options *options, struct error *err);
void decoder_close(struct decoder *decoder); /* NULL is fine */

/* CSV with a header: reads the first record. `size` bytes, `last`: the input ends there. Sets
 * `used` to its size with the line end; 0: more bytes are wanted. False when it lacks a column. */
bool decoder_header(struct decoder *decoder, const uint8_t *data, size_t size, bool last,
                    size_t *used, struct error *err) NODISCARD;

/* Decodes whole records until `rows` rows have been added, `rejects` is full or the block holds no
 * further whole record. `offset` is that of data[0]; `last`: nothing follows. Returns the bytes
 * taken. 0 (never when last, nor with over record_max + 2 bytes): give more. Raws borrow from
 * `data`. */
size_t decode_block(struct decoder *decoder, const uint8_t *data, size_t size, uint64_t offset,
                    bool last, uint32_t rows, struct builder *out, struct rejects *rejects);

/* What a decoder keeps between blocks: a place to go on from is an offset and this. */
struct decoder_state {
    int64_t time_ms; /* event time of the last good record; TIMESTAMP_MIN_MS before the first */
    bool skipping;   /* in the middle of an oversized record whose reject is out */
};
struct decoder_state decoder_state(const struct decoder *decoder);
void decoder_resume(struct decoder *decoder, struct decoder_state state);

/* The byte behind the line end that ends the line in progress; `size` when there is none. */
size_t decode_line_end(const uint8_t *data, size_t size);

#endif
