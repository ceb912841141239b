/* See sink.h. */
#include "runtime/task/sink.h"

#include "runtime/base/check.h"
#include "runtime/task/subtask.h"

#include <time.h>

static bool sink_fail(struct op *op)
{
    return error_wrap(&op->subtask->err, "operator %s, subtask %u", op->id, op->subtask->number);
}

bool sink_prepare(struct op *op, uint64_t checkpoint)
{
    struct bundle *bundle;

    if (!op->def->prepare)
        return true;
    if (op->bundle_count == op->bundle_capacity) {
        op->bundle_capacity = op->bundle_capacity ? op->bundle_capacity * 2 : 4;
        op->bundles = memory_grow(op->bundles, op->bundle_capacity, sizeof(*op->bundles));
    }
    bundle = &op->bundles[op->bundle_count];
    *bundle = (struct bundle){.checkpoint = checkpoint};
    if (!op->def->prepare(op, checkpoint, &bundle->data, &op->subtask->err)) {
        bytes_clear(&bundle->data);
        return sink_fail(op);
    }
    op->bundle_count++;
    return true;
}

bool sink_commit(struct op *op, uint64_t checkpoint)
{
    uint32_t done = 0;
    bool good = true;

    if (!op->def->commit)
        return true;
    while (good && done < op->bundle_count && op->bundles[done].checkpoint <= checkpoint) {
        struct bundle *bundle = &op->bundles[done];

        good = op->def->commit(op, bundle->checkpoint, bundle->data.data, bundle->data.size,
                               &op->subtask->err);
        if (good)
            bytes_clear(&op->bundles[done++].data);
    }
    op->bundle_count -= done;
    for (uint32_t i = 0; i < op->bundle_count; i++)
        op->bundles[i] = op->bundles[i + done];
    return good || sink_fail(op);
}

void sink_close(struct op *op)
{
    for (uint32_t i = 0; i < op->bundle_count; i++)
        bytes_clear(&op->bundles[i].data);
    memory_free(op->bundles);
    op->bundles = NULL;
    op->bundle_count = op->bundle_capacity = 0;
}

void sink_delay(const struct op *op)
{
    int64_t delay_ms = op->subtask->plan->settings.debug.sink_delay_ms;
    const struct timespec delay = {.tv_sec = delay_ms / 1000, .tv_nsec = delay_ms % 1000 * 1000000};

    if (delay_ms > 0 && op->def->prepare)
        (void)nanosleep(&delay, NULL);
}
