/* feed: gives a text to a decoder as a reader does, in windows of a given size that grow when no
 * record fits, and writes what comes out as lines of text:
 *   row OFFSET TIME {json}
 *   reject OFFSET SIZE field: reason
 * Two runs with other windows must give the same text. For tests and fuzz targets. */
#ifndef MILLRACE_TESTS_FEED_H
#define MILLRACE_TESTS_FEED_H

#include "runtime/batch/decode.h"
#include "runtime/batch/encode.h"

#include <inttypes.h>
#include <string.h>

struct feed_item { /* in the order of the text */
    uint64_t offset;
    size_t size; /* of the record; rows without a raw column: 0 */
    bool good;
};

struct feed {
    struct bytes text;
    struct feed_item *items;
    size_t count;
    uint32_t raw_column;
};

static inline void feed_clear(struct feed *feed)
{
    bytes_clear(&feed->text);
    memory_free(feed->items);
    *feed = (struct feed){0};
}

static inline void feed_add(struct feed *feed, uint64_t offset, size_t size, bool good)
{
    feed->items = memory_grow(feed->items, feed->count + 1, sizeof(*feed->items));
    feed->items[feed->count++] = (struct feed_item){offset, size, good};
}

static inline void feed_row(struct feed *feed, struct encoder *encoder, const struct batch *batch,
                            uint32_t row)
{
    struct batch *one = batch_select(batch, &row, 1);
    uint64_t offset = origin_offset(batch_origin(batch)[row]);
    uint32_t size = 0;
    if (feed->raw_column != FIELD_NONE)
        column_text(batch_column(batch, feed->raw_column), row, &size);
    feed_add(feed, offset, size, true);
    bytes_format(&feed->text, "row %" PRIu64 " %" PRId64 " ", offset, batch_time(batch)[row]);
    encode_rows(encoder, one, &feed->text);
    batch_release(&one);
}

/* Rows and rejects of one call, by offset. */
static inline void feed_take(struct feed *feed, struct encoder *encoder, struct builder *builder,
                             const struct rejects *rejects)
{
    struct batch *batch = builder_finish(builder);
    uint32_t row = 0, rows = batch ? batch_rows(batch) : 0, item = 0;
    while (row < rows || item < rejects->count) {
        const struct reject *reject = &rejects->items[item];
        if (row < rows &&
            (item == rejects->count || origin_offset(batch_origin(batch)[row]) < reject->offset)) {
            feed_row(feed, encoder, batch, row++);
            continue;
        }
        feed_add(feed, reject->offset, reject->size, false);
        bytes_format(&feed->text, "reject %" PRIu64 " %zu %s: %s\n", reject->offset, reject->size,
                     reject->field, reject->reason);
        item++;
    }
    batch_release(&batch);
}

/* `window` bytes at a time, `rows` at most a call. False: the header does not fit. */
static inline bool feed_run(struct feed *feed, const struct decode_options *options,
                            const char *text, size_t size, size_t window, uint32_t rows,
                            struct error *err)
{
    static const struct encode_options json = {.format = ENCODE_JSON};
    static struct rejects rejects;
    struct decoder *decoder = decoder_create(options, err);
    struct builder *builder = builder_create(options->schema, false);
    struct encoder *encoder = encoder_create(options->schema, &json);
    uint8_t *buffer = memory_new(size + 2 * DECODE_PADDING);
    size_t at = 0, grown = window;
    bool fine = decoder != NULL;

    feed->raw_column = options->raw_column;
    if (fine && options->format != DECODE_JSON && options->header) {
        memcpy(buffer, text, size);
        fine = decoder_header(decoder, buffer, size, true, &at, err);
    }
    while (fine && at < size) {
        size_t give = size - at < grown ? size - at : grown;
        bool last = at + give == size;
        memset(buffer, 0, size + 2 * DECODE_PADDING);
        memcpy(buffer, text + at, give);
        size_t taken = decode_block(decoder, buffer, give, at, last, rows, builder, &rejects);
        feed_take(feed, encoder, builder, &rejects);
        CHECK(taken <= give && (taken > 0 || (!last && give < options->record_max + 3)));
        at += taken;
        grown = taken > 0 ? window : grown + window;
    }
    bytes_put(&feed->text, "", 1);
    memory_free(buffer);
    encoder_close(encoder);
    builder_close(builder);
    decoder_close(decoder);
    return fine;
}

/* Needs a raw column. Every byte behind `from` is in a good record, in a rejected one, or between
 * them where only line ends and blanks may be; what follows an oversized record's first bytes
 * belongs to it up to the line end. */
static inline bool feed_accounts(const struct feed *feed, const char *text, size_t size,
                                 size_t from, size_t record_max)
{
    size_t at = from;
    for (size_t k = 0; k <= feed->count; k++) {
        size_t next = k < feed->count ? feed->items[k].offset : size;
        if (next < at || next > size)
            return false;
        for (; at < next; at++)
            if (!strchr(" \t\r\n", text[at]) || text[at] == '\0')
                return false;
        if (k == feed->count)
            return true;
        at += feed->items[k].size;
        if (!feed->items[k].good && feed->items[k].size >= record_max)
            at += decode_line_end((const uint8_t *)text + at, size - at);
    }
    return true;
}

#endif
