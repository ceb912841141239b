/* ranking_lines: see ranking_lines.h. */
#include "operators/model/ranking_lines.h"

#define FIXED (1.0f / 65536) /* unit of the table's weights */

void lines_init(struct lines *lines, struct op *op, const struct catalogue *catalogue,
                uint32_t table)
{
    uint32_t *words;

    lines->op = op;
    lines->catalogue = catalogue;
    lines->table = table;
    covisits_find(op, table, &lines->columns);
    /* Pages that no entry comes to are never touched. */
    words = op_memory(op, (size_t)LINES_SLOTS * LINES_WORDS * sizeof(*words));
    for (uint32_t i = 0; i < LINES_SLOTS; i++)
        lines->slots[i].items = words + (size_t)i * LINES_WORDS;
}

/* One after the other, so that a row of few entries lies in few lines of one page. */
static void place(struct lines_slot *slot, uint32_t count)
{
    slot->together = (float *)(void *)(slot->items + count);
    slot->forwards = slot->together + count;
    slot->backwards = slot->forwards + count;
    slot->directs = slot->backwards + count;
}

static void fill(const struct lines *lines, const struct table_row *row, struct lines_slot *slot)
{
    const struct covisits *columns = &lines->columns;
    uint32_t all = table_row_list(row, columns->entries);
    uint32_t count = all < LINES_ENTRIES ? all : LINES_ENTRIES;
    const int64_t *others = table_row_list_i64(row, columns->entries, columns->other);
    const int64_t *together = table_row_list_i64(row, columns->entries, columns->together);
    const int64_t *forward = table_row_list_i64(row, columns->entries, columns->entry_forward);
    const int64_t *backward = table_row_list_i64(row, columns->entries, columns->entry_backward);
    const int64_t *direct = table_row_list_i64(row, columns->entries, columns->entry_direct);

    slot->count = (float)table_row_i64(row, columns->count);
    slot->forward = (float)table_row_i64(row, columns->forward) * FIXED;
    slot->backward = (float)table_row_i64(row, columns->backward) * FIXED;
    slot->direct = (float)table_row_i64(row, columns->direct);
    slot->entries = 0;
    slot->passing = false;
    place(slot, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t item = catalogue_find(lines->catalogue, (uint64_t)others[i]), at = slot->entries;

        slot->passing = slot->passing || item == CATALOGUE_NONE;
        if (item == CATALOGUE_NONE)
            continue;
        slot->items[at] = item;
        slot->together[at] = (float)together[i];
        slot->forwards[at] = (float)forward[i] * FIXED;
        slot->backwards[at] = (float)backward[i] * FIXED;
        slot->directs[at] = (float)direct[i];
        slot->entries++;
    }
}

/* Brings the slot to what the table says at this version. */
static void look(const struct lines *lines, uint32_t item, struct lines_slot *slot)
{
    uint8_t bytes[KEY_SIZE_MAX];
    uint32_t size = key_from_i64((int64_t)lines->catalogue->ids[item], bytes);
    const struct table_row *row = op_table_find(lines->op, lines->table, hash_bytes(bytes, size));
    int64_t version = row ? table_row_version(row) : INT64_MIN;

    if (slot->item == item + 1 && slot->version == version && !slot->passing)
        return;
    slot->item = item + 1;
    slot->version = version;
    slot->passing = false;
    if (row)
        fill(lines, row, slot);
}

bool lines_find(struct lines *lines, uint32_t item, struct ranker_line *line)
{
    struct lines_slot *slot = &lines->slots[item % LINES_SLOTS];
    int64_t version = op_table_version(lines->op, lines->table);

    /* INT64_MAX: `lookup: latest`, where rows may differ from batch to batch. */
    if (slot->item != item + 1 || slot->checked != version || version == INT64_MAX ||
        slot->passing) {
        look(lines, item, slot);
        slot->checked = version;
    }
    if (slot->version == INT64_MIN || slot->count <= 0)
        return false;
    *line = (struct ranker_line){.items = slot->items,
                                 .together = slot->together,
                                 .forward = slot->forwards,
                                 .backward = slot->backwards,
                                 .direct = slot->directs,
                                 .entries = slot->entries,
                                 .count = slot->count,
                                 .forward_sum = slot->forward,
                                 .backward_sum = slot->backward,
                                 .direct_sum = slot->direct};
    return true;
}
