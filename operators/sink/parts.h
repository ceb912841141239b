/* parts: the files of one exactly-once sink subtask, and their two-phase commit.
 *
 *   .part-SUBTASK-N.jsonl.inprogress     being written, or rolled and not committed yet
 *   part-SUBTASK-CHECKPOINT-N.jsonl      visible: complete, never changed again
 *
 * SUBTASK is `subtask-epoch-attempt`, N counts the files of a subtask, CHECKPOINT is the first checkpoint
 * that the file is part of. A bundle names the rolled files with their names to be, and the file in
 * progress with its committed length. What makes it exact:
 *  - bytes and directory entries are durable before a bundle counts: prepare names them for that;
 *  - commit renames, and finds the rename done when it is repeated; the next bundle, which no longer
 *    tells of that file, makes the rename durable;
 *  - restoring checkpoint M makes the bundles' rolled files visible, copies the committed length
 *    of the one in progress to a visible file (a former process that still lives may go on to write
 *    to the old one, which is unlinked), and removes what came after M: files of later checkpoints
 *    and of later attempts, and leftovers in progress. Each of its steps may be cut off and repeated.
 * It relies on the engine for two things: the checkpoints of a job, of its restarts and of runs from
 * its checkpoints have growing numbers, and no subtask commits a checkpoint after M before all have
 * restored M.
 * Not for several threads. */
#ifndef MILLRACE_SINK_PARTS_H
#define MILLRACE_SINK_PARTS_H

#include "operators/sink/stream.h"
#include "runtime/base/memory.h"

struct parts_options {
    const char *dir;
    const char *subtask; /* `2-7-1`: subtask 2 of attempt 1 of the coordinator's epoch 7 */
    const char *suffix;  /* `.jsonl` */
    const char *header;  /* bytes at the beginning of each file, or NULL */
    enum compression compression;
    uint64_t roll_size;   /* bytes; a file is closed when it is at least as large */
    int64_t roll_time_ms; /* a file of this age is closed at the next checkpoint; 0: never */
    bool overwrite;       /* a fresh run removes the visible files of earlier runs */
    bool restored;        /* restore follows, for some subtask: not a fresh run */
};

struct parts;

/* Makes the directory. A fresh run fails where visible files are, unless `overwrite`. Texts are
 * borrowed. */
struct parts *parts_open(const struct parts_options *options, struct error *err);
void parts_close(struct parts *parts); /* NULL is fine; what was not prepared is dropped */

/* Rows are appended here, whole lines; then told. */
struct bytes *parts_buffer(struct parts *parts);
bool parts_written(struct parts *parts, struct error *err) NODISCARD;

/* `last`: no rows will follow, all files are rolled. Appends to `bundle`, which may count once
 * `durable` has been waited for, and those of all earlier calls. */
bool parts_prepare(struct parts *parts, uint64_t checkpoint, int64_t now_ms, bool last,
                   struct bytes *bundle, struct durable *durable, struct error *err) NODISCARD;
bool parts_commit(struct parts *parts, const uint8_t *bundle, size_t size,
                  struct error *err) NODISCARD;
/* Takes a bundle; of the bundles of one subtask the newest counts, which includes the others.
 * Nothing is changed before parts_settle, which may be called at any time and is called by the others
 * at the latest. */
bool parts_restore(struct parts *parts, const uint8_t *bundle, size_t size,
                   struct error *err) NODISCARD;
bool parts_settle(struct parts *parts, struct error *err) NODISCARD;

#endif
