/* file: a whole file into memory; written, copied, made. Any thread. */
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

/* All of it, or false with errno. */
bool file_write(int fd, const void *data, size_t size) NODISCARD;
/* The rest of `from`, by reading and writing: a copy that shares its blocks with the original would be none.
 * False with errno. */
bool file_copy(int from, int to) NODISCARD;

/* Makes a file of its own, `PREFIX-PID-N` with the first N that is free, to read and write; its path
 * into `path`. -1: it cannot. */
int file_make(const char *prefix, unsigned mode, char *path, size_t size,
              struct error *err) NODISCARD;
#define FILE_MADE_MAX 64 /* with one prefix that are there at a time, or that a dead process left */

#endif
