/* stream: an append-only file, plain or compressed. Bytes given become part of the file at the
 * latest when it is settled: a settled length is the end of a whole gzip member or zstd frame, so
 * that the file cut there is complete. Errors name the file. Not for several threads. */
#ifndef MILLRACE_SINK_STREAM_H
#define MILLRACE_SINK_STREAM_H

#include "operators/sink/durable.h"

#include <stddef.h>
#include <stdint.h>

enum compression { COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD };

struct stream;

/* A new file; one that exists is an error. */
struct stream *stream_create(const char *path, enum compression compression, struct error *err);
void stream_close(struct stream *stream); /* NULL is fine; what was not settled is lost */
bool stream_write(struct stream *stream, const void *data, size_t size,
                  struct error *err) NODISCARD;
/* Ends member or frame; the file now has `length` bytes. */
bool stream_settle(struct stream *stream, uint64_t *length, struct error *err) NODISCARD;
bool stream_durable(const struct stream *stream, struct durable *durable,
                    struct error *err) NODISCARD;
uint64_t stream_size(const struct stream *stream); /* bytes in the file so far */

#endif
