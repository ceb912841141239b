/* sort: an external merge sort of rows by (event time, order, origin).
 *
 * Rows are added batch by batch and packed into chunks, each sorted when it is full. When memory is
 * short the chunks are merged into a run in a temporary file (unlinked at once, in TMPDIR or /tmp);
 * at the end all runs and chunks are merged (Knuth, The Art of Computer Programming 3, 5.4). Each
 * call works on about SORT_STEP rows, so that none takes long: the caller loops while it is busy.
 * Not for several threads.
 *
 * Call order: create, {add, work until idle}*, finish, {next | skip}*, close. */
#ifndef MILLRACE_SOURCE_SORT_H
#define MILLRACE_SOURCE_SORT_H

#include "runtime/base/error.h"
#include "runtime/batch/builder.h"

#define SORT_STEP 1024u

/* Shared by the sorters of one thread: each spills when all together hold too much, and itself at
 * least a sixteenth of it. */
struct sort_budget {
    size_t limit, used; /* bytes */
};

struct sorter;

/* `schema` (no lists or vectors) and `budget` are borrowed. */
struct sorter *sorter_create(const struct schema *schema, struct sort_budget *budget);
void sorter_close(struct sorter *sorter); /* NULL is fine */

void sorter_add(struct sorter *sorter, const struct batch *batch); /* dense */
/* Sorts or spills a part. `busy`: call again before adding more. */
bool sorter_work(struct sorter *sorter, bool *busy, struct error *err)
    __attribute__((warn_unused_result));
bool sorter_finish(struct sorter *sorter, struct error *err) __attribute__((warn_unused_result));

/* Appends the next rows in order, at most `rows`. *got == 0: no more. */
bool sorter_next(struct sorter *sorter, uint32_t rows, struct builder *out, uint32_t *got,
                 struct error *err) __attribute__((warn_unused_result));
bool sorter_skip(struct sorter *sorter, uint32_t rows, uint32_t *got, struct error *err)
    __attribute__((warn_unused_result));

uint32_t sorter_runs(const struct sorter *sorter); /* in the temporary file */

#endif
