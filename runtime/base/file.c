/* See file.h. The size is not asked for beforehand: a pipe has none, and a file may grow. */
#include "runtime/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define PIECE_BYTES ((size_t)1 << 16)
#define COPY_BYTES ((size_t)1 << 18)

static bool read_pieces(int fd, const char *path, size_t size_max, struct bytes *out,
                        struct error *err)
{
    size_t left = size_max;

    for (;;) {
        /* One byte more than may be there tells a file that is too long. */
        size_t piece = left < PIECE_BYTES ? left + 1 : PIECE_BYTES;
        ssize_t got;

        bytes_reserve(out, piece);
        got = read(fd, out->data + out->size, piece);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_errno(err, path, "cannot be read");
        if (got == 0)
            return true;
        if ((size_t)got > left)
            return error_set(err, ERROR_LIMIT, path, NULL, "has more than %zu bytes", size_max);
        out->size += (size_t)got;
        left -= (size_t)got;
    }
}

bool file_read_fd(int fd, const char *path, size_t size_max, struct bytes *out, struct error *err)
{
    size_t before = out->size;

    if (read_pieces(fd, path, size_max, out, err))
        return true;
    out->size = before;
    return false;
}

bool file_read(const char *path, size_t size_max, struct bytes *out, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool good;

    if (fd < 0)
        return error_errno(err, path, "cannot be opened");
    good = file_read_fd(fd, path, size_max, out, err);
    (void)close(fd);
    return good;
}

bool file_write(int fd, const void *data, size_t size)
{
    const uint8_t *at = data;

    while (size > 0) {
        ssize_t done = write(fd, at, size);

        if (done < 0 && errno != EINTR)
            return false;
        if (done > 0) {
            at += done;
            size -= (size_t)done;
        }
    }
    return true;
}

bool file_copy(int from, int to)
{
    uint8_t *piece = memory_new(COPY_BYTES);
    int number;
    ssize_t got;

    while ((got = read(from, piece, COPY_BYTES)) != 0)
        if ((got < 0 && errno != EINTR) || (got > 0 && !file_write(to, piece, (size_t)got)))
            break;
    number = errno;
    memory_free(piece);
    errno = number;
    return got == 0;
}

/* By open and not mkostemp, which ThreadSanitizer does not see: it would take the file for the socket
 * that had its number before, since libuv closes those unseen too. */
int file_make(const char *prefix, unsigned mode, char *path, size_t size, struct error *err)
{
    int fd = -1;

    errno = EEXIST;
    for (uint32_t i = 0; i < FILE_MADE_MAX && fd < 0 && errno == EEXIST; i++) {
        int length = snprintf(path, size, "%s-%ld-%u", prefix, (long)getpid(), i);
        if (length < 0 || (size_t)length >= size) {
            errno = ENAMETOOLONG;
            break;
        }
        fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    }
    if (fd < 0)
        error_errno(err, path, "cannot make the file");
    return fd;
}
