/* durable: what must reach the disk before a checkpoint counts: files and their directory. It has
 * handles of its own, so that it can wait for the disk on any thread while the files are written on,
 * renamed or closed. One thread at a time. */
#ifndef MILLRACE_SINK_DURABLE_H
#define MILLRACE_SINK_DURABLE_H

#include "runtime/base/check.h"
#include "runtime/base/error.h"

#include <stdbool.h>

struct durable;

struct durable *durable_create(void);
void durable_close(struct durable *durable); /* NULL is fine */
/* What was written to `fd` so far; `name` is for errors. A directory comes after its files. */
bool durable_add(struct durable *durable, int fd, const char *name, struct error *err) NODISCARD;
/* fsync of each, in that order. */
bool durable_wait(struct durable *durable, struct error *err) NODISCARD;

#endif
