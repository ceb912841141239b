/* reader: see reader.h. */
#include "operators/source/reader.h"

#include "operators/source/plain.h"

#include <string.h>

#define BUFFER_SIZE (128u << 10) /* at first */

struct reader {
    struct plain *plain;
    struct decoder *decoder;
    char *path;
    uint64_t end;    /* of the split */
    uint64_t offset; /* of data[begin] */
    uint8_t *data;   /* capacity + DECODE_PADDING bytes; those behind `filled` are 0 */
    size_t begin, filled, capacity;
    bool ended; /* nothing behind `filled` */
};

static void grow(struct reader *reader)
{
    size_t held = reader->filled - reader->begin;
    if (reader->begin > 0)
        memmove(reader->data, reader->data + reader->begin, held);
    reader->begin = 0;
    reader->filled = held;
    if (held < reader->capacity / 2)
        return;
    reader->capacity *= 2;
    reader->data = memory_grow(reader->data, reader->capacity + DECODE_PADDING, 1);
}

/* Adds bytes behind those that are held. */
static bool fill(struct reader *reader, struct error *err)
{
    grow(reader);
    uint64_t at = reader->offset + reader->filled - reader->begin;
    size_t room = reader->capacity - reader->filled, got = 0;
    if (reader->end - at < room)
        room = (size_t)(reader->end - at);
    if (room > 0 && !plain_read(reader->plain, reader->data + reader->filled, room, &got, err))
        return false;
    reader->filled += got;
    memset(reader->data + reader->filled, 0, DECODE_PADDING);
    if (got == 0 && room > 0 && reader->end != UINT64_MAX)
        return error_set(err, ERROR_CONFIG, reader->path,
                         "put it back: files must not change while a job reads them",
                         "ends at byte %llu, before the end of its split", (unsigned long long)at);
    reader->ended = got == 0 || at + got == reader->end;
    return true;
}

/* The header stands at the beginning of the file, whatever split this is. */
static bool read_header(struct reader *reader, struct error *err)
{
    uint64_t end = reader->end;
    size_t used = 0;
    reader->end = UINT64_MAX;
    do {
        if (!fill(reader, err))
            return false;
        if (reader->ended && reader->filled == 0)
            break; /* an empty file has no header and no records */
        if (!decoder_header(reader->decoder, reader->data, reader->filled, reader->ended, &used,
                            err))
            return error_wrap(err, "%s", reader->path);
    } while (used == 0 && !reader->ended);
    reader->begin = used;
    reader->offset = used;
    reader->end = end;
    reader->ended = reader->ended && end == UINT64_MAX;
    return true;
}

/* Moves to where reading goes on; bytes that the header's search has read are dropped. */
static bool move(struct reader *reader, uint64_t offset, struct error *err)
{
    uint64_t held = reader->offset + reader->filled - reader->begin;
    if (offset >= reader->offset && offset <= held && held <= reader->end) {
        reader->begin += (size_t)(offset - reader->offset);
    } else if (offset < held && plain_kind(reader->plain) != PLAIN_NONE) {
        return error_set(err, ERROR_STATE, reader->path, NULL,
                         "cannot go back in a compressed file");
    } else {
        reader->begin = reader->filled = 0;
        if (!plain_seek(reader->plain, offset, err))
            return false;
    }
    reader->offset = offset;
    memset(reader->data + reader->filled, 0, DECODE_PADDING);
    return true;
}

struct reader *reader_open(const char *path, uint64_t begin, uint64_t end,
                           const struct reader_place *from, const struct decode_options *decode,
                           struct error *err)
{
    struct reader *reader = memory_new(sizeof(*reader));
    bool header = decode->format != DECODE_JSON && decode->header;
    reader->path = memory_text(path);
    reader->end = end;
    reader->capacity = BUFFER_SIZE;
    reader->data = memory_new(reader->capacity + DECODE_PADDING);
    reader->decoder = decoder_create(decode, err);
    if (!reader->decoder)
        goto failed;
    reader->plain = plain_open(path, err);
    if (!reader->plain)
        goto failed;
    if (plain_kind(reader->plain) != PLAIN_NONE)
        reader->end = UINT64_MAX; /* the split's end is of the packed bytes */
    if (header && !read_header(reader, err))
        goto failed;
    if (begin < reader->offset)
        begin = reader->offset; /* behind the header */
    if (!move(reader, from && from->offset > begin ? from->offset : begin, err))
        goto failed;
    if (from)
        decoder_resume(reader->decoder, from->state);
    return reader;
failed:
    reader_close(reader);
    return NULL;
}

void reader_close(struct reader *reader)
{
    if (!reader)
        return;
    plain_close(reader->plain);
    decoder_close(reader->decoder);
    memory_free(reader->data);
    memory_free(reader->path);
    memory_free(reader);
}

enum reader_step reader_step(struct reader *reader, uint32_t rows, struct builder *out,
                             struct rejects *rejects, struct error *err)
{
    rejects->count = 0;
    for (uint32_t attempt = 0; attempt < 2; attempt++) {
        size_t held = reader->filled - reader->begin;
        size_t taken = held == 0 ? 0
                                 : decode_block(reader->decoder, reader->data + reader->begin, held,
                                                reader->offset, reader->ended, rows, out, rejects);
        reader->begin += taken;
        reader->offset += taken;
        if (taken > 0 || attempt > 0)
            return READER_MORE;
        if (reader->ended)
            return READER_END;
        if (!fill(reader, err))
            return READER_FAILED;
    }
    return READER_MORE;
}

struct reader_place reader_place(const struct reader *reader)
{
    return (struct reader_place){reader->offset, decoder_state(reader->decoder)};
}
