/* splits: from a path pattern to the splits of a job. They depend on the files alone, never on the
 * parallelism: whole files sorted by name, plain ones cut at the first line end at or behind each
 * multiple of the split size. */
#ifndef MILLRACE_SOURCE_SPLITS_H
#define MILLRACE_SOURCE_SPLITS_H

#include "runtime/api/operator.h"

/* `path`: a file, a pattern (glob) or a directory (its files whose names do not begin with a dot or
 * an underscore). split_size 0: one split a file. Compressed files are one split each. */
bool splits_list(const char *path, int64_t split_size, struct split_list *out, struct error *err)
    __attribute__((warn_unused_result));

#endif
