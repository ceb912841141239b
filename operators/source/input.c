/* input: see input.h. A gzip file may have several members and a zstd file several frames, as sinks
 * that append write them. */
#include "operators/source/input.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define PACKED_SIZE 65536u /* compressed bytes read at a time */
#define SKIP_SIZE 65536u

struct input {
    int fd;
    enum input_kind kind;
    uint64_t file_size, offset;
    char *path;
    /* compressed files */
    uint8_t *packed;
    size_t packed_begin, packed_end;
    bool packed_ended, between; /* between: at the beginning of a member or frame */
    z_stream gzip;
    ZSTD_DStream *zstd;
};

static bool begin_gzip(struct input *input, struct error *err)
{
    if (inflateInit2(&input->gzip, MAX_WBITS + 16) == Z_OK)
        return true;
    return error_set(err, ERROR_LIMIT, input->path, NULL, "no memory to decompress");
}

static bool begin_zstd(struct input *input, struct error *err)
{
    input->zstd = ZSTD_createDStream();
    if (input->zstd)
        return true;
    return error_set(err, ERROR_LIMIT, input->path, NULL, "no memory to decompress");
}

/* Reads until `room` is full or the file ends. */
static bool read_file(struct input *input, uint8_t *data, size_t room, size_t *got,
                      struct error *err)
{
    *got = 0;
    while (*got < room) {
        ssize_t count = read(input->fd, data + *got, room - *got);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return error_errno(err, input->path, "cannot read");
        if (count == 0)
            break;
        *got += (size_t)count;
    }
    return true;
}

static bool detect(struct input *input, struct error *err)
{
    static const uint8_t gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
    uint8_t magic[4];
    ssize_t count = pread(input->fd, magic, sizeof(magic), 0);
    if (count < 0)
        return error_errno(err, input->path, "cannot read");
    input->between = true;
    if (count >= 2 && memcmp(magic, gzip, sizeof(gzip)) == 0)
        input->kind = INPUT_GZIP;
    else if (count == 4 && memcmp(magic, zstd, sizeof(zstd)) == 0)
        input->kind = INPUT_ZSTD;
    if (input->kind == INPUT_PLAIN)
        return true;
    input->packed = memory_new(PACKED_SIZE);
    return input->kind == INPUT_GZIP ? begin_gzip(input, err) : begin_zstd(input, err);
}

struct input *input_open(const char *path, struct error *err)
{
    struct stat status;
    struct input *input = memory_new(sizeof(*input));
    input->path = memory_text(path);
    input->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (input->fd < 0 || fstat(input->fd, &status) < 0) {
        error_errno(err, path, "cannot open");
        goto failed;
    }
    if (S_ISDIR(status.st_mode)) {
        error_set(err, ERROR_CONFIG, path, "give a file or a pattern such as logs/*.jsonl",
                  "is a directory");
        goto failed;
    }
    input->file_size = (uint64_t)status.st_size;
    if (detect(input, err))
        return input;
failed:
    input_close(input);
    return NULL;
}

void input_close(struct input *input)
{
    if (!input)
        return;
    if (input->fd >= 0)
        close(input->fd);
    if (input->kind == INPUT_GZIP)
        inflateEnd(&input->gzip);
    ZSTD_freeDStream(input->zstd);
    memory_free(input->packed);
    memory_free(input->path);
    memory_free(input);
}

enum input_kind input_kind(const struct input *input)
{
    return input->kind;
}

uint64_t input_file_size(const struct input *input)
{
    return input->file_size;
}

static bool refill(struct input *input, struct error *err)
{
    if (input->packed_begin < input->packed_end || input->packed_ended)
        return true;
    input->packed_begin = 0;
    if (!read_file(input, input->packed, PACKED_SIZE, &input->packed_end, err))
        return false;
    input->packed_ended = input->packed_end == 0;
    return true;
}

static bool damaged(const struct input *input, struct error *err)
{
    return error_set(err, ERROR_DATA, input->path, "restore the file from its source",
                     "the compressed data is damaged near byte %llu of the text",
                     (unsigned long long)input->offset);
}

/* One step of a decompressor: may give nothing though more follows. */
static bool inflate_some(struct input *input, uint8_t *data, size_t room, size_t *got,
                         struct error *err)
{
    z_stream *stream = &input->gzip;
    stream->next_in = input->packed + input->packed_begin;
    stream->avail_in = (uInt)(input->packed_end - input->packed_begin);
    stream->next_out = data;
    stream->avail_out = (uInt)room;
    int result = inflate(stream, Z_NO_FLUSH);
    input->packed_begin = input->packed_end - stream->avail_in;
    *got = room - stream->avail_out;
    input->between = result == Z_STREAM_END;
    if (result == Z_STREAM_END)
        return inflateReset(stream) == Z_OK || damaged(input, err);
    return result == Z_OK || result == Z_BUF_ERROR || damaged(input, err);
}

static bool zstd_some(struct input *input, uint8_t *data, size_t room, size_t *got,
                      struct error *err)
{
    ZSTD_inBuffer in = {input->packed, input->packed_end, input->packed_begin};
    ZSTD_outBuffer out = {data, room, 0};
    size_t result = ZSTD_decompressStream(input->zstd, &out, &in);
    input->packed_begin = in.pos;
    *got = out.pos;
    input->between = result == 0;
    return !ZSTD_isError(result) || damaged(input, err);
}

static bool read_packed(struct input *input, uint8_t *data, size_t room, size_t *got,
                        struct error *err)
{
    *got = 0;
    while (*got == 0) {
        if (!refill(input, err))
            return false;
        if (input->packed_ended && input->between)
            return true;
        bool held = input->packed_begin < input->packed_end;
        if (!(input->kind == INPUT_GZIP ? inflate_some(input, data, room, got, err)
                                        : zstd_some(input, data, room, got, err)))
            return false;
        if (*got == 0 && !held && !input->between)
            return error_set(err, ERROR_DATA, input->path, "restore the file from its source",
                             "the compressed data is cut off");
    }
    return true;
}

bool input_read(struct input *input, uint8_t *data, size_t room, size_t *got, struct error *err)
{
    CHECK(room > 0);
    if (room > 1u << 30)
        room = 1u << 30;
    bool fine = input->kind == INPUT_PLAIN ? read_file(input, data, room, got, err)
                                           : read_packed(input, data, room, got, err);
    if (fine)
        input->offset += *got;
    return fine;
}

bool input_seek(struct input *input, uint64_t offset, struct error *err)
{
    if (input->kind == INPUT_PLAIN) {
        if (lseek(input->fd, (off_t)offset, SEEK_SET) < 0)
            return error_errno(err, input->path, "cannot seek");
        input->offset = offset;
        return true;
    }
    CHECK(offset >= input->offset);
    uint8_t *skipped = memory_new(SKIP_SIZE);
    bool fine = true;
    while (fine && input->offset < offset) {
        size_t left = offset - input->offset, got;
        fine = input_read(input, skipped, left < SKIP_SIZE ? left : SKIP_SIZE, &got, err);
        if (fine && got == 0)
            fine = error_set(err, ERROR_STATE, input->path,
                             "the file has changed since the checkpoint",
                             "ends at byte %llu, before byte %llu where reading goes on",
                             (unsigned long long)input->offset, (unsigned long long)offset);
    }
    memory_free(skipped);
    return fine;
}
