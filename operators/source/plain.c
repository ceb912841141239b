/* plain: see plain.h. A gzip file may have several members and a zstd file several frames, as sinks
 * that append write them. */
#include "operators/source/plain.h"

#include "runtime/base/check.h"
#include "runtime/base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define PACKED_SIZE 65536u /* compressed bytes read at a time */
#define SKIP_SIZE 65536u

struct plain {
    int fd;
    enum plain_kind kind;
    uint64_t file_size, offset;
    char *path;
    /* compressed files */
    uint8_t *packed;
    size_t packed_begin, packed_end;
    bool packed_ended, between; /* between: at the beginning of a member or frame */
    z_stream gzip;
    ZSTD_DStream *zstd;
};

static bool begin_gzip(struct plain *plain, struct error *err)
{
    if (inflateInit2(&plain->gzip, MAX_WBITS + 16) == Z_OK)
        return true;
    return error_set(err, ERROR_LIMIT, plain->path, NULL, "no memory to decompress");
}

static bool begin_zstd(struct plain *plain, struct error *err)
{
    plain->zstd = ZSTD_createDStream();
    if (plain->zstd)
        return true;
    return error_set(err, ERROR_LIMIT, plain->path, NULL, "no memory to decompress");
}

/* Reads until `room` is full or the file ends. */
static bool read_file(struct plain *plain, uint8_t *data, size_t room, size_t *got,
                      struct error *err)
{
    *got = 0;
    while (*got < room) {
        ssize_t count = read(plain->fd, data + *got, room - *got);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return error_errno(err, plain->path, "cannot read");
        if (count == 0)
            break;
        *got += (size_t)count;
    }
    return true;
}

static bool detect(struct plain *plain, struct error *err)
{
    static const uint8_t gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
    uint8_t magic[4];
    ssize_t count = pread(plain->fd, magic, sizeof(magic), 0);
    if (count < 0)
        return error_errno(err, plain->path, "cannot read");
    plain->between = true;
    if (count >= 2 && memcmp(magic, gzip, sizeof(gzip)) == 0)
        plain->kind = PLAIN_GZIP;
    else if (count == 4 && memcmp(magic, zstd, sizeof(zstd)) == 0)
        plain->kind = PLAIN_ZSTD;
    if (plain->kind == PLAIN_NONE)
        return true;
    plain->packed = memory_new(PACKED_SIZE);
    return plain->kind == PLAIN_GZIP ? begin_gzip(plain, err) : begin_zstd(plain, err);
}

/* A file that was moved away, or whose disk or server is gone, may come back. */
static bool may_return(int number)
{
    return number != EACCES && number != EPERM && number != ELOOP && number != ENAMETOOLONG;
}

struct plain *plain_open(const char *path, struct error *err)
{
    struct stat status;
    struct plain *plain = memory_new(sizeof(*plain));
    plain->path = memory_text(path);
    plain->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (plain->fd < 0 || fstat(plain->fd, &status) < 0) {
        error_errno(err, path, "cannot open");
        if (!may_return(errno))
            error_mistake(err, "check the name and who may read it");
        goto failed;
    }
    if (S_ISDIR(status.st_mode)) {
        error_set(err, ERROR_CONFIG, path, "give a file or a pattern such as logs/*.jsonl",
                  "is a directory");
        goto failed;
    }
    plain->file_size = (uint64_t)status.st_size;
    if (detect(plain, err))
        return plain;
failed:
    plain_close(plain);
    return NULL;
}

void plain_close(struct plain *plain)
{
    if (!plain)
        return;
    if (plain->fd >= 0)
        close(plain->fd);
    if (plain->kind == PLAIN_GZIP)
        inflateEnd(&plain->gzip);
    ZSTD_freeDStream(plain->zstd);
    memory_free(plain->packed);
    memory_free(plain->path);
    memory_free(plain);
}

enum plain_kind plain_kind(const struct plain *plain)
{
    return plain->kind;
}

uint64_t plain_file_size(const struct plain *plain)
{
    return plain->file_size;
}

static bool refill(struct plain *plain, struct error *err)
{
    if (plain->packed_begin < plain->packed_end || plain->packed_ended)
        return true;
    plain->packed_begin = 0;
    if (!read_file(plain, plain->packed, PACKED_SIZE, &plain->packed_end, err))
        return false;
    plain->packed_ended = plain->packed_end == 0;
    return true;
}

/* It will not mend by itself, so it is a mistake. */
static bool damaged(const struct plain *plain, const char *what, struct error *err)
{
    off_t read_to = lseek(plain->fd, 0, SEEK_CUR);
    uint64_t ahead = plain->packed_end - plain->packed_begin;

    return error_set(
        err, ERROR_CONFIG, plain->path, "get it again from its source, or leave it out of `path`",
        "the compressed data is %s near byte %" PRIu64 ", byte %" PRIu64 " of its text", what,
        (uint64_t)read_to - ahead, plain->offset);
}

/* One step of a decompressor: may give nothing though more follows. */
static bool inflate_some(struct plain *plain, uint8_t *data, size_t room, size_t *got,
                         struct error *err)
{
    z_stream *stream = &plain->gzip;
    stream->next_in = plain->packed + plain->packed_begin;
    stream->avail_in = (uInt)(plain->packed_end - plain->packed_begin);
    stream->next_out = data;
    stream->avail_out = (uInt)room;
    int result = inflate(stream, Z_NO_FLUSH);
    plain->packed_begin = plain->packed_end - stream->avail_in;
    *got = room - stream->avail_out;
    plain->between = result == Z_STREAM_END;
    if (result == Z_STREAM_END)
        return inflateReset(stream) == Z_OK || damaged(plain, "damaged", err);
    return result == Z_OK || result == Z_BUF_ERROR || damaged(plain, "damaged", err);
}

static bool zstd_some(struct plain *plain, uint8_t *data, size_t room, size_t *got,
                      struct error *err)
{
    ZSTD_inBuffer in = {plain->packed, plain->packed_end, plain->packed_begin};
    ZSTD_outBuffer out = {data, room, 0};
    size_t result = ZSTD_decompressStream(plain->zstd, &out, &in);
    plain->packed_begin = in.pos;
    *got = out.pos;
    plain->between = result == 0;
    return !ZSTD_isError(result) || damaged(plain, "damaged", err);
}

static bool read_packed(struct plain *plain, uint8_t *data, size_t room, size_t *got,
                        struct error *err)
{
    *got = 0;
    while (*got == 0) {
        if (!refill(plain, err))
            return false;
        if (plain->packed_ended && plain->between)
            return true;
        bool held = plain->packed_begin < plain->packed_end;
        if (!(plain->kind == PLAIN_GZIP ? inflate_some(plain, data, room, got, err)
                                        : zstd_some(plain, data, room, got, err)))
            return false;
        if (*got == 0 && !held && !plain->between)
            return damaged(plain, "cut off", err);
    }
    return true;
}

bool plain_read(struct plain *plain, uint8_t *data, size_t room, size_t *got, struct error *err)
{
    CHECK(room > 0);
    if (room > 1u << 30)
        room = 1u << 30;
    bool fine = plain->kind == PLAIN_NONE ? read_file(plain, data, room, got, err)
                                          : read_packed(plain, data, room, got, err);
    if (fine)
        plain->offset += *got;
    return fine;
}

bool plain_seek(struct plain *plain, uint64_t offset, struct error *err)
{
    if (plain->kind == PLAIN_NONE) {
        if (lseek(plain->fd, (off_t)offset, SEEK_SET) < 0)
            return error_errno(err, plain->path, "cannot seek");
        plain->offset = offset;
        return true;
    }
    CHECK(offset >= plain->offset);
    uint8_t *skipped = memory_new(SKIP_SIZE);
    bool fine = true;
    while (fine && plain->offset < offset) {
        size_t left = offset - plain->offset, got;
        fine = plain_read(plain, skipped, left < SKIP_SIZE ? left : SKIP_SIZE, &got, err);
        if (fine && got == 0)
            fine = error_set(err, ERROR_CONFIG, plain->path,
                             "put it back as it was at the checkpoint, or begin without it",
                             "ends at byte %llu, before byte %llu where reading goes on",
                             (unsigned long long)plain->offset, (unsigned long long)offset);
    }
    memory_free(skipped);
    return fine;
}
