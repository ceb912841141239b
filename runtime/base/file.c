/* See file.h. The size is not asked for beforehand: a pipe has none, and a file may grow. */
#include "runtime/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define PIECE_BYTES ((size_t)1 << 16)

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
