/* ranking_versions: see ranking_versions.h. */
#include "operators/learn/ranking_versions.h"

#include "operators/model/windows.h"

#include <stdlib.h>

#define CHANGES_MAX 3000u /* of a window, that the model's row names */

void versions_open(struct versions *versions, struct op *op, struct memory *memory, uint32_t items,
                   uint32_t model)
{
    *versions = (struct versions){.op = op, .memory = memory, .items = items, .model = model};
    tables_find_items(op_output_schema(op, items), &versions->item_columns);
    tables_find_model(op_output_schema(op, model), &versions->model_columns);
}

void versions_begin(struct versions *versions, int64_t window_ms, const struct batch *in)
{
    struct memory_window *window = &versions->memory->window;

    if (batch_rows(in) == 0)
        return;
    /* Another window may be pending only where a job goes on that had ended: no end is told any more. */
    window->due_ms = windows_last_ms(window_ms, batch_time(in)[0]);
    window->pending = 1;
}

/* An item whose name was cut cannot be told by it. */
static bool named(const struct memory *memory, uint32_t item)
{
    return memory->names[item].bytes[0] != KEY_TAG_CUT;
}

/* The id of the last one with a name below a number; 0: there is none. */
static uint64_t before(const struct memory *memory, uint32_t item)
{
    while (item > 0)
        if (named(memory, --item))
            return memory->catalogue->ids[item];
    return 0;
}

/* False: its name could not be read, which is the engine's error. */
static bool tell_item(const struct versions *versions, uint32_t item, struct builder *out)
{
    const struct memory *memory = versions->memory;
    const struct tables_items *columns = &versions->item_columns;
    uint8_t bytes[KEY_SIZE_MAX];
    struct key key;

    if (!named(memory, item))
        return true;
    if (!memory_key(memory, item, bytes, &key))
        return false;
    builder_row(out, memory->window.due_ms, 0, item);
    builder_key(out, columns->item, &key);
    builder_i64(out, columns->before, (int64_t)before(memory, item));
    tables_put_item(columns, memory->ranker, item, out);
    builder_i64(out, columns->window_end, memory->window.due_ms + 1);
    return true;
}

static void put_number(struct builder *list, uint32_t item)
{
    builder_child_row(list);
    builder_i64(list, 0, item);
}

/* What changed, and before it as much as is kept: a reader may have missed some versions. */
static void tell_changes(const struct versions *versions, struct builder *out)
{
    struct memory_window *window = &versions->memory->window;
    const struct memory_changes *untold = &versions->memory->untold;
    uint64_t earlier = window->told < MEMORY_TOLD ? window->told : MEMORY_TOLD;
    struct builder *list = builder_list(out, versions->model_columns.changes);

    if (untold->count <= CHANGES_MAX) {
        for (uint64_t i = window->told - earlier; i < window->told; i++)
            put_number(list, window->items[i % MEMORY_TOLD]);
        for (uint32_t i = 0; i < untold->count; i++)
            put_number(list, untold->items[i]);
    }
    builder_list_end(out, versions->model_columns.changes);
    for (uint32_t i = 0; i < untold->count; i++)
        window->items[window->told++ % MEMORY_TOLD] = untold->items[i];
    builder_i64(out, versions->model_columns.told, (int64_t)window->told);
}

static void tell_model(const struct versions *versions)
{
    const struct memory *memory = versions->memory;
    const struct tables_model *columns = &versions->model_columns;
    struct builder *out = op_reserve(versions->op, versions->model, 1);

    builder_row(out, memory->window.due_ms, 0, 0);
    tables_put_model(columns, memory->ranker, memory->reranker, memory->events, out);
    builder_i64(out, columns->newest, (int64_t)before(memory, memory->ranker->items.count));
    tell_changes(versions, out);
    builder_i64(out, columns->window_end, memory->window.due_ms + 1);
}

static int by_number(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

bool versions_tell(struct versions *versions, int64_t time_ms)
{
    struct memory *memory = versions->memory;
    struct memory_changes *untold = &memory->untold;
    struct builder *out;
    uint32_t end;

    if (!memory->window.pending || time_ms < memory->window.due_ms)
        return true;
    if (versions->told == 0) /* after a kill they stand in another order */
        qsort(untold->items, untold->count, sizeof(untold->items[0]), by_number);
    out = op_reserve(versions->op, versions->items, BATCH_ROWS_MAX);
    end = untold->count - versions->told > BATCH_ROWS_MAX ? versions->told + BATCH_ROWS_MAX
                                                          : untold->count;
    for (; versions->told < end; versions->told++)
        if (!tell_item(versions, untold->items[versions->told], out))
            return true;
    if (versions->told < untold->count)
        return false;
    tell_model(versions);
    versions->told = 0;
    memory->window.pending = 0;
    memory_settle(untold);
    return true;
}
