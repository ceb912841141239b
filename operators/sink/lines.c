/* See lines.h. */
#include "operators/sink/lines.h"

#include "runtime/base/clock.h"
#include "runtime/batch/expr.h"

struct lines {
    struct encoder *encoder;
    struct parts *parts;
    struct expr *where; /* NULL: all rows */
    struct bytes header;
};

bool lines_open(struct op *op, const struct lines_options *options, struct error *err)
{
    struct lines *scratch = op_memory(op, sizeof(*scratch));
    struct parts_options parts = options->parts;

    op_set_scratch(op, scratch);
    scratch->encoder = encoder_create(op_input_schema(op, 0), &options->encode);
    if (options->where) {
        scratch->where = expr_compile(options->where, op_input_schema(op, 0), err);
        if (!scratch->where)
            return false;
    }
    if (options->header) {
        encode_header(scratch->encoder, &scratch->header);
        bytes_put(&scratch->header, "", 1);
        parts.header = (const char *)scratch->header.data;
    }
    parts.subtask = op_subtask_name(op);
    parts.restored = op_restored(op);
    scratch->parts = parts_open(&parts, err);
    return scratch->parts != NULL;
}

void lines_close(struct op *op)
{
    struct lines *scratch = op_scratch(op);
    if (!scratch)
        return;
    parts_close(scratch->parts);
    encoder_close(scratch->encoder);
    expr_close(scratch->where);
    bytes_clear(&scratch->header);
}

static void put_some(struct lines *scratch, const struct batch *in)
{
    uint32_t rows[BATCH_ROWS_MAX], count;
    struct batch *some;

    CHECK(in->selected <= BATCH_ROWS_MAX);
    count = expr_filter(scratch->where, in, rows);
    some = batch_select(in, rows, count);
    encode_rows(scratch->encoder, some, parts_buffer(scratch->parts));
    batch_release(&some);
}

bool lines_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct lines *scratch = op_scratch(op);

    (void)port; /* there is one */
    if (scratch->where)
        put_some(scratch, in);
    else
        encode_rows(scratch->encoder, in, parts_buffer(scratch->parts));
    return parts_written(scratch->parts, err);
}

bool lines_on_watermark(struct op *op, int64_t time_ms, struct error *err)
{
    struct lines *scratch = op_scratch(op);
    (void)time_ms;
    return parts_settle(scratch->parts, err); /* after a restore, before long */
}

static bool wait_for(void *context, struct error *err)
{
    return durable_wait(context, err);
}

static void waited(void *context)
{
    durable_close(context);
}

bool lines_prepare(struct op *op, uint64_t checkpoint, struct bytes *bundle, struct error *err)
{
    struct lines *scratch = op_scratch(op);
    struct durable *durable = durable_create();
    /* Also in a run that goes on with more files from where one has ended. */
    bool ended = op_watermark(op) == INT64_MAX;

    op_later(op, wait_for, waited, durable);
    return parts_prepare(scratch->parts, checkpoint, clock_wall_ms(), ended, bundle, durable, err);
}

bool lines_commit(struct op *op, uint64_t checkpoint, const uint8_t *bundle, size_t size,
                  struct error *err)
{
    struct lines *scratch = op_scratch(op);
    (void)checkpoint; /* the bundle says it */
    return parts_commit(scratch->parts, bundle, size, err);
}

bool lines_restore(struct op *op, const uint8_t *bundle, size_t size, struct error *err)
{
    struct lines *scratch = op_scratch(op);
    return parts_restore(scratch->parts, bundle, size, err);
}
