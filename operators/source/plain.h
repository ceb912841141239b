/* plain: the bytes of one file, plain or compressed by gzip or zstd (told by its first bytes).
 * Offsets are of the plain bytes. Errors name the file. Not for several threads. */
#ifndef MILLRACE_SOURCE_PLAIN_H
#define MILLRACE_SOURCE_PLAIN_H

#include "runtime/base/error.h"

#include <stddef.h>
#include <stdint.h>

enum plain_kind { PLAIN_NONE, PLAIN_GZIP, PLAIN_ZSTD };

struct plain;

struct plain *plain_open(const char *path, struct error *err); /* NULL: `err` filled */
void plain_close(struct plain *plain);                         /* NULL is fine */
enum plain_kind plain_kind(const struct plain *plain);
/* Bytes of the file as it lies on the disk. */
uint64_t plain_file_size(const struct plain *plain);

/* Goes to an offset: a seek in a plain file; otherwise reads up to it, only forward. */
bool plain_seek(struct plain *plain, uint64_t offset, struct error *err)
    __attribute__((warn_unused_result));

/* Reads up to `room` bytes; *got == 0: the end. A damaged or cut compressed file is an error. */
bool plain_read(struct plain *plain, uint8_t *data, size_t room, size_t *got, struct error *err)
    __attribute__((warn_unused_result));

#endif
