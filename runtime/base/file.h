/* file: a whole file into memory. Any thread. */
#ifndef MILLRACE_BASE_FILE_H
#define MILLRACE_BASE_FILE_H

#include "runtime/base/check.h"
#include "runtime/base/error.h"
#include "runtime/base/memory.h"

#include <stdbool.h>
#include <stddef.h>

/* Appends all that is read from the file to `out`. More than `size_max` bytes are ERROR_LIMIT; a
 * folder, or what cannot be opened or read, is ERROR_IO. On failure `out` is as it was. */
bool file_read(const char *path, size_t size_max, struct bytes *out, struct error *err) NODISCARD;
/* The same from an open descriptor, which stays open; `path` is for the error. */
bool file_read_fd(int fd, const char *path, size_t size_max, struct bytes *out,
                  struct error *err) NODISCARD;

#endif
