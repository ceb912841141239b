/* checkpoint_store: where checkpoints are kept, behind five verbs that a directory and S3 can both
 * do. Objects are immutable and appear whole or not at all; there is no rename.
 *
 * Names are relative paths of [A-Za-z0-9._-] parts joined by `/`, each part at most 200 bytes and
 * none beginning with a dot, the whole below CHECKPOINT_NAME_MAX. Any thread may call; all calls block
 * (they belong on an executor). Errors name the object and the directory. */
#ifndef MILLRACE_STATE_CHECKPOINT_STORE_H
#define MILLRACE_STATE_CHECKPOINT_STORE_H

#include "runtime/base/check.h"
#include "runtime/base/error.h"
#include "runtime/base/limits.h"
#include "runtime/base/memory.h"

#include <stdbool.h>
#include <stdint.h>

#define CHECKPOINT_NAME_MAX 512u /* bytes of an object's name, with its 0 */

struct checkpoint_store;

enum put_result {
    PUT_DONE,   /* the object is durable under that name */
    PUT_EXISTS, /* somebody put one before; it is untouched, and may differ */
    PUT_FAILED, /* `err` filled; nothing is visible under that name */
};

struct name_list { /* sorted bytewise; arena-owned */
    uint32_t count;
    char **names;
};

struct checkpoint_store_ops {
    enum put_result (*put)(struct checkpoint_store *store, const char *name, const void *data,
                           size_t size, struct error *err);
    enum put_result (*put_file)(struct checkpoint_store *store, const char *name, const char *path,
                                struct error *err);
    bool (*get)(struct checkpoint_store *store, const char *name, size_t size_max,
                struct bytes *out, struct error *err);
    bool (*fetch)(struct checkpoint_store *store, const char *name, const char *work_dir,
                  char path[PATH_SIZE_MAX], struct error *err);
    bool (*sum)(struct checkpoint_store *store, const char *name, uint64_t *size,
                uint64_t *checksum, struct error *err);
    bool (*list)(struct checkpoint_store *store, const char *prefix, struct arena *arena,
                 struct name_list *out, struct error *err);
    bool (*remove)(struct checkpoint_store *store, const char *name, struct error *err);
    void (*close)(struct checkpoint_store *store);
};

struct checkpoint_store { /* first member of an implementation */
    const struct checkpoint_store_ops *ops;
    const char *place; /* for messages: the directory or `memory` */
};

/* A directory, made when absent. A put writes a temporary file (name begins with a dot, never
 * listed), syncs it, links it to its name and syncs the folder; a put of a file on the same file
 * system links it without a copy. Temporary files of dead processes are removed at open when they
 * are over an hour old. */
struct checkpoint_store *checkpoint_store_dir(const char *dir, struct error *err);
/* In memory, for tests and simulation. `fail` (may be NULL) is asked before each call and makes it
 * fail when it returns true. */
typedef bool checkpoint_store_fail(void *context, const char *verb, const char *name);
struct checkpoint_store *checkpoint_store_memory(checkpoint_store_fail *fail, void *context);
void checkpoint_store_close(struct checkpoint_store *store); /* NULL is fine */

/* ---- verbs ---- */
NODISCARD enum put_result checkpoint_put(struct checkpoint_store *store, const char *name,
                                         const void *data, size_t size, struct error *err);
/* The file at `path` is not changed and may be deleted afterwards; it must not be written to. */
NODISCARD enum put_result checkpoint_put_file(struct checkpoint_store *store, const char *name,
                                              const char *path, struct error *err);
/* Appends the object to `out`. An object over `size_max` bytes is refused before it is read. */
NODISCARD bool checkpoint_get(struct checkpoint_store *store, const char *name, size_t size_max,
                              struct bytes *out, struct error *err);
/* A local file with the object's bytes, for reading only: the store's own file where it has one,
 * otherwise a copy in `work_dir` under the last part of its name. */
NODISCARD bool checkpoint_fetch(struct checkpoint_store *store, const char *name,
                                const char *work_dir, char path[PATH_SIZE_MAX], struct error *err);
/* Size and xxh3 of the whole object, read in pieces. */
NODISCARD bool checkpoint_sum(struct checkpoint_store *store, const char *name, uint64_t *size,
                              uint64_t *checksum, struct error *err);
/* All objects whose name begins with `prefix` (any text, not only whole parts). */
NODISCARD bool checkpoint_list(struct checkpoint_store *store, const char *prefix,
                               struct arena *arena, struct name_list *out, struct error *err);
/* An absent object is no error. */
NODISCARD bool checkpoint_remove(struct checkpoint_store *store, const char *name,
                                 struct error *err);

bool checkpoint_name_valid(const char *name);
/* Size and xxh3 of a local file. */
NODISCARD bool file_sum(const char *path, uint64_t *size, uint64_t *checksum, struct error *err);

#endif
