/* lines: what sinks of files have in common: rows encoded into part files, exactly once (parts.h).
 * An operator calls lines_open in its `open`; its other callbacks are these. */
#ifndef MILLRACE_SINK_LINES_H
#define MILLRACE_SINK_LINES_H

#include "operators/sink/parts.h"
#include "runtime/api/operator.h"
#include "runtime/batch/encode.h"

struct lines_options {
    struct encode_options encode;
    struct parts_options parts; /* without subtask, header, restored; texts are borrowed */
    bool header;                /* each file begins with the names of the columns */
    const char *where;          /* an expression: the rows that are written; NULL: all */
};
bool lines_open(struct op *op, const struct lines_options *options, struct error *err);

bool lines_process(struct op *op, uint32_t port, const struct batch *in, struct error *err);
bool lines_on_watermark(struct op *op, int64_t time_ms, struct error *err);
bool lines_prepare(struct op *op, uint64_t checkpoint, struct bytes *bundle, struct error *err);
bool lines_commit(struct op *op, uint64_t checkpoint, const uint8_t *bundle, size_t size,
                  struct error *err);
bool lines_restore(struct op *op, const uint8_t *bundle, size_t size, struct error *err);
void lines_close(struct op *op);

#endif
