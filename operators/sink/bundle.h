/* bundle: what a sink/file subtask puts into a checkpoint, as lines of text:
 *
 *   millrace sink/file 2
 *   dir PATH
 *   checkpoint 7
 *   subtask 2-7-1
 *   suffix .jsonl
 *   rolled N CHECKPOINT LENGTH      any number
 *   open N LENGTH                   none or one
 *   end
 */
#ifndef MILLRACE_SINK_BUNDLE_H
#define MILLRACE_SINK_BUNDLE_H

#include "runtime/base/check.h"
#include "runtime/base/error.h"
#include "runtime/base/memory.h"

#include <stdbool.h>

struct bundle_file {
    uint64_t number, length;
    uint64_t checkpoint; /* the first that names it as rolled; 0: in progress */
};

struct bundle {
    char *dir, *subtask, *suffix; /* owned */
    uint64_t checkpoint;
    uint32_t count;
    struct bundle_file *files;
};

void bundle_write(const struct bundle *bundle, struct bytes *out);
/* False with `err` filled when the bytes are no bundle; `bundle` is then empty. */
bool bundle_read(struct bundle *bundle, const uint8_t *data, size_t size,
                 struct error *err) NODISCARD;
void bundle_clear(struct bundle *bundle);

/* SUBTASK is `subtask-epoch-attempt`: three decimal numbers. `attempt` is epoch << 32 | attempt: it
 * grows over all attempts of all runs in a checkpoint folder. */
bool subtask_parse(const char *text, uint32_t *subtask, uint64_t *attempt) NODISCARD;

#endif
