/* decode_parts: what the parts of the decoder share; not for others. A record is read into one cell
 * a column, and reaches the builder only when it is whole. */
#ifndef MILLRACE_BATCH_DECODE_PARTS_H
#define MILLRACE_BATCH_DECODE_PARTS_H

#include "runtime/batch/decode.h"
#include "runtime/batch/number.h"

/* What a column takes: its type, and for timestamps the unit of numbers. */
enum cell_kind {
    CELL_BOOL,
    CELL_I32,
    CELL_I64,
    CELL_F32,
    CELL_F64,
    CELL_UTF8,
    CELL_MS, /* timestamps: numbers in ms, or text */
    CELL_S,
    CELL_US,
    CELL_TIME_TEXT,
};

struct cell {
    union {
        bool flag;
        int64_t i64; /* i32 and timestamps too */
        double f64;  /* f32 too */
        const char *text;
    } value;
    uint32_t size; /* of the text */
    bool set;      /* false: null */
};

struct json_walk;
struct csv_walk;

struct decoder {
    struct decode_options options;
    struct arena *arena;
    struct json_walk *json; /* one of the two */
    struct csv_walk *csv;
    struct decoder_state state;
    const char *fault_field;
    char fault_reason[sizeof(((struct reject *)0)->reason)];
    struct bytes scratch; /* unescaped texts of the record */
    enum cell_kind kinds[COLUMNS_MAX];
    struct cell cells[COLUMNS_MAX];
    bool unread[COLUMNS_MAX];
};

/* ---- cells (decode_cell.c): false with the fault set when the value does not fit ---- */
bool cell_number(struct decoder *decoder, uint32_t column, const struct number *number);
bool cell_text(struct decoder *decoder, uint32_t column, const char *text, size_t size);
/* The record's event time; a null or wrong one is a fault. */
bool cell_time(struct decoder *decoder, int64_t *time_ms);
void cell_rows(const struct decoder *decoder, struct builder *out); /* into the present row */
const char *cell_expects(const struct decoder *decoder, uint32_t column);

/* Sets the fault and returns false. `field` may be "". */
bool decode_fault(struct decoder *decoder, const char *field, const char *reason, ...)
    __attribute__((format(printf, 3, 4)));
const char *decode_path(const struct decode_options *options, uint32_t column);
const char *decode_column_name(const struct decoder *decoder, uint32_t column);

/* ---- formats ---- */
struct json_walk *json_walk_create(struct decoder *decoder, struct error *err);
void json_walk_close(struct json_walk *walk); /* NULL is fine */
/* Lines that follow begin at `data`: forgets what it knows of an earlier block. */
void json_walk_block(struct json_walk *walk);
/* One record, text[size] is a newline or 0. `rest`: bytes known behind `text`, which may be scanned
 * ahead. True: the cells are set. */
bool json_walk_record(struct decoder *decoder, const char *text, size_t size, size_t rest);

struct csv_walk *csv_walk_create(struct decoder *decoder, struct error *err);
void csv_walk_close(struct csv_walk *walk); /* NULL is fine */
bool csv_walk_header(struct decoder *decoder, const char *text, size_t size, struct error *err);
enum csv_result {
    CSV_ROW,    /* the cells are set */
    CSV_FAULT,  /* a wrong value: the record is rejected */
    CSV_BROKEN, /* its first line is rejected */
    CSV_MORE,   /* does not end in these bytes */
};
/* One record at `text` (not an empty line); `used`: its bytes with the line end, `size`: without.
 * Sets both unless CSV_MORE. */
enum csv_result csv_walk_record(struct decoder *decoder, const char *text, size_t rest, bool last,
                                size_t *used, size_t *size);

#endif
