/* input: the bytes of one file, plain or compressed by gzip or zstd (told by its first bytes).
 * Offsets are of the plain bytes. Errors name the file. Not for several threads. */
#ifndef MILLRACE_SOURCE_INPUT_H
#define MILLRACE_SOURCE_INPUT_H

#include "runtime/base/error.h"

#include <stddef.h>
#include <stdint.h>

enum input_kind { INPUT_PLAIN, INPUT_GZIP, INPUT_ZSTD };

struct input;

struct input *input_open(const char *path, struct error *err); /* NULL: `err` filled */
void input_close(struct input *input);                         /* NULL is fine */
enum input_kind input_kind(const struct input *input);
/* Bytes of the file as it lies on the disk. */
uint64_t input_file_size(const struct input *input);

/* Goes to an offset: a seek in a plain file; otherwise reads up to it, only forward. */
bool input_seek(struct input *input, uint64_t offset, struct error *err)
    __attribute__((warn_unused_result));

/* Reads up to `room` bytes; *got == 0: the end. A damaged or cut compressed file is an error. */
bool input_read(struct input *input, uint8_t *data, size_t room, size_t *got, struct error *err)
    __attribute__((warn_unused_result));

#endif
