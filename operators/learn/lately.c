/* See lately.h. */
#include "operators/learn/lately.h"

#include "operators/model/windows.h"

static struct lately *entry_of(struct op *op, uint32_t state, uint32_t row, uint64_t id)
{
    return id ? op_entry(op, state, row, &id, sizeof(id), false) : NULL;
}

/* A neighbour that cannot be read is the engine's error. */
static void leave(struct op *op, uint32_t state, uint32_t row, struct lately_list *list,
                  const struct lately *entry)
{
    struct lately *older = entry_of(op, state, row, entry->older);
    struct lately *newer = entry_of(op, state, row, entry->newer);

    if (older)
        older->newer = entry->newer;
    else
        list->oldest = entry->newer;
    if (newer)
        newer->older = entry->older;
    else
        list->newest = entry->older;
}

void lately_touch(struct op *op, uint32_t state, uint32_t row, struct lately_list *list,
                  uint64_t id, struct lately *entry, int64_t window_ms)
{
    struct lately *newest;

    if (entry->listed && entry->window_ms == window_ms)
        return;
    if (entry->listed)
        leave(op, state, row, list, entry);
    newest = entry_of(op, state, row, list->newest);
    if (newest)
        newest->newer = id;
    else
        list->oldest = id;
    *entry = (struct lately){list->newest, 0, window_ms, 1};
    list->newest = list->changed = id;
}

bool lately_stale(const struct lately *entry, int64_t window_ms, int64_t size_ms, int64_t forget_ms)
{
    return entry->listed && windows_stale(size_ms, forget_ms, entry->window_ms, window_ms);
}

void *lately_changed(struct op *op, uint32_t state, struct lately_list *list, uint64_t *id)
{
    struct lately *entry = entry_of(op, state, 0, list->changed);
    const struct lately *older;

    *id = list->changed;
    if (!entry)
        return NULL;
    older = entry_of(op, state, 0, entry->older);
    list->changed = older && older->window_ms == entry->window_ms ? entry->older : 0;
    return entry;
}

void *lately_oldest(struct op *op, uint32_t state, const struct lately_list *list,
                    int64_t window_ms)
{
    struct lately *entry = entry_of(op, state, 0, list->oldest);

    return entry && entry->window_ms <= window_ms ? entry : NULL;
}

void lately_forget(struct op *op, uint32_t state, struct lately_list *list)
{
    uint64_t id = list->oldest;
    const struct lately *entry = entry_of(op, state, 0, id);

    if (!entry)
        return;
    leave(op, state, 0, list, entry);
    (void)op_entry_remove(op, state, 0, &id, sizeof(id));
}
