/* list: see list.h. */
#include "operators/model/list.h"

#include "operators/model/loops.h"

#include <stdlib.h>
#include <string.h>

#define MOVES_EACH 4u /* of places by one, while a list is put in order */

static uint32_t find_list(const struct schema *in)
{
    uint32_t list = schema_find(in, "items");

    return list != FIELD_NONE && in->fields[list].type == TYPE_LIST ? list : FIELD_NONE;
}

const struct schema *list_schema(const struct schema *in)
{
    uint32_t list = find_list(in);

    return list == FIELD_NONE ? in : in->fields[list].child;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* ---- planning ---- */

static bool check_score(struct describe *describe, const struct schema *items, bool listed,
                        struct error *err)
{
    uint32_t score = schema_find(items, "score");

    if (score == FIELD_NONE && !listed)
        return true;
    if (score != FIELD_NONE && items->fields[score].type == TYPE_F64)
        return true;
    return describe_error(describe, err, "from", "read `score` or another adjust operator",
                          "%s has no scores in it", listed ? "column \"items\"" : "the input");
}

static bool adds_score(const char *const *names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(names[i], "score") == 0)
            return true;
    return false;
}

/* Whether some column is a term of the score or of the order. */
static bool moves(const char *const *names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (begins(names[i], "reasons.") || begins(names[i], "rank."))
            return true;
    return false;
}

bool list_number(struct describe *describe, const char *option, const char *name, struct error *err)
{
    const struct schema *in = describe_input(describe, 0);
    uint32_t column = schema_find(in, name);
    enum type type = column == FIELD_NONE ? TYPE_NONE : in->fields[column].type;

    return type == TYPE_I32 || type == TYPE_I64 ||
           describe_error(describe, err, option, "name a column of the requests",
                          "there is no i32 or i64 column \"%s\"", name);
}

bool list_describe(struct describe *describe, const char *const *names, uint32_t count,
                   struct error *err)
{
    struct arena *arena = describe_arena(describe);
    const struct schema *in = describe_input(describe, 0), *items = list_schema(in);
    struct schema *schema = schema_create(arena), *child = schema_create(arena);
    uint32_t list = find_list(in);

    if (moves(names, count) && !adds_score(names, count) &&
        !check_score(describe, items, list != FIELD_NONE, err))
        return false;
    for (uint32_t i = 0; i < items->count; i++)
        CHECK(schema_add(child, arena, &items->fields[i]));
    for (uint32_t i = 0; i < count; i++)
        if (!schema_add_column(child, arena, names[i], TYPE_F64))
            return describe_error(describe, err, "from", "use the operator that adds it once",
                                  "%s already has a column \"%s\"",
                                  list == FIELD_NONE ? "the input" : "the list", names[i]);
    for (uint32_t i = 0; i < in->count; i++) {
        struct field field = in->fields[i];
        if (i == list)
            field.child = child;
        CHECK(schema_add(schema, arena, &field));
    }
    describe_output(describe, 0, list == FIELD_NONE ? child : schema);
    return true;
}

void list_open(const struct op *op, struct list_layout *layout, const char *const *names,
               uint32_t count)
{
    const struct schema *in = op_input_schema(op, 0), *items = list_schema(in);

    CHECK(count <= LIST_TERMS_MAX);
    *layout = (struct list_layout){.list = find_list(in),
                                   .score = schema_find(items, "score"),
                                   .names = names,
                                   .count = count};
    for (uint32_t i = 0; i < items->count; i++)
        if (begins(items->fields[i].name, "rank.") && items->fields[i].type == TYPE_F64 &&
            layout->rank_count < LIST_RANKS_MAX)
            layout->ranks[layout->rank_count++] = i;
}

/* ---- rows ---- */

const struct batch *list_items(const struct list_layout *layout, const struct batch *in)
{
    return layout->list == FIELD_NONE ? in : batch_column(in, layout->list)->child;
}

void list_range(const struct list_layout *layout, const struct batch *in, uint32_t row,
                uint32_t *begin, uint32_t *end)
{
    const struct column *list;

    *begin = row;
    *end = row + 1;
    if (layout->list == FIELD_NONE)
        return;
    list = batch_column(in, layout->list);
    *begin = (uint32_t)list->offsets[row];
    *end = column_valid(list, row) ? (uint32_t)list->offsets[row + 1] : *begin;
}

bool list_covers(const struct list_layout *layout, const struct batch *in)
{
    const struct column *list;

    if (layout->list == FIELD_NONE)
        return true;
    list = batch_column(in, layout->list);
    return !list->validity && list->offsets[0] == 0 &&
           (uint32_t)list->offsets[batch_rows(in)] == list->child->rows;
}

struct column *list_column_unset(uint32_t rows, double **values)
{
    struct column *column = column_create(TYPE_F64, rows);

    column->blocks[0] = block_create((size_t)rows * sizeof(double));
    column->values = column->blocks[0]->data;
    *values = (double *)(void *)column->blocks[0]->data;
    return column;
}

struct column *list_column(uint32_t rows, double **values)
{
    struct column *column = list_column_unset(rows, values);

    memset(*values, 0, (size_t)rows * sizeof(double));
    return column;
}

void list_values(const struct list_layout *layout, const struct batch *items, uint32_t begin,
                 uint32_t end, double *values)
{
    const double *scores = batch_column(items, layout->score)->values;

    memcpy(values, scores + begin, (end - begin) * sizeof(*values));
    for (uint32_t i = 0; i < layout->rank_count; i++) {
        const double *ranks = batch_column(items, layout->ranks[i])->values;
        loops_add(values, values, ranks + begin, end - begin);
    }
}

static int by_value(const void *left, const void *right)
{
    const struct list_place *a = left, *b = right;

    if (a->value != b->value)
        return a->value > b->value ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

/* Most lists are nearly in order: insertion, up to some moves a place; then qsort. */
void list_order(struct list_place *places, uint32_t count)
{
    uint32_t moves = MOVES_EACH * count, sorted = 1;

    for (; sorted < count; sorted++) {
        struct list_place moved = places[sorted];
        uint32_t at = sorted;

        for (; at > 0 && moves > 0 && by_value(&places[at - 1], &moved) > 0; at--, moves--)
            places[at] = places[at - 1];
        places[at] = moved;
        if (moves == 0)
            break;
    }
    if (sorted < count)
        qsort(places, count, sizeof(places[0]), by_value);
}

/* The least of a heap comes to its top. */
static void sift(struct list_place *heap, uint32_t count, uint32_t at)
{
    struct list_place moved = heap[at];

    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < count && by_value(&heap[child], &heap[child + 1]) < 0)
            child++;
        if (child >= count || by_value(&moved, &heap[child]) > 0)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moved;
}

/* A heap of the best so far: most others are seen off by one comparison, since of equal values the first
 * stays. */
void list_best(const double *values, uint32_t count, uint32_t first, uint32_t most,
               struct list_place *best)
{
    most = most < count ? most : count;
    for (uint32_t i = 0; i < most; i++)
        best[i] = (struct list_place){values[i], first + i};
    for (uint32_t i = most / 2; i > 0 && most < count; i--)
        sift(best, most, i - 1);
    for (uint32_t i = most; i < count && most > 0; i++) {
        if (!(values[i] > best[0].value))
            continue;
        best[0] = (struct list_place){values[i], first + i};
        sift(best, most, 0);
    }
    list_order(best, most);
}

/* Scores with the reasons in: the first is added while they are copied. */
static struct column *add_up(const struct list_layout *layout, const struct column *old,
                             uint32_t rows, struct column *const *added)
{
    const double *from = old->values;
    double *scores;
    struct column *fresh;

    fresh = list_column_unset(rows, &scores);
    for (uint32_t i = 0; i < layout->count; i++) {
        const double *terms = added[i]->values;
        if (!begins(layout->names[i], "reasons."))
            continue;
        loops_add(scores, from, terms, rows);
        from = scores;
    }
    return fresh;
}

static bool reasons(const struct list_layout *layout)
{
    for (uint32_t i = 0; i < layout->count; i++)
        if (begins(layout->names[i], "reasons."))
            return true;
    return false;
}

/* The items with the added columns. */
static struct batch *widen(const struct list_layout *layout, const struct batch *items,
                           struct column **added)
{
    bool adds = layout->score != FIELD_NONE && reasons(layout);
    struct column *scores =
        adds ? add_up(layout, batch_column(items, layout->score), items->rows, added) : NULL;
    struct batch *wide = batch_with_all(items, added, layout->count);

    if (adds) {
        struct column **score = &wide->columns[HIDDEN_COUNT + layout->score];
        column_release(score);
        *score = scores;
    }
    return wide;
}

/* `in` with a list column of these elements, counted by `offsets` (both move in). */
static struct batch *with_list(const struct list_layout *layout, const struct batch *in,
                               struct block *offsets, struct batch *items)
{
    struct batch *out = batch_copy(in);
    struct column **list = &out->columns[HIDDEN_COUNT + layout->list], *fresh;
    uint32_t rows = batch_rows(in);

    fresh = column_create(TYPE_LIST, rows);
    fresh->blocks[1] = offsets;
    fresh->offsets = (const int32_t *)(const void *)offsets->data;
    fresh->child = items;
    if ((*list)->validity) {
        fresh->blocks[2] = block_create((rows + 7) / 8);
        memcpy(fresh->blocks[2]->data, (*list)->validity, (rows + 7) / 8);
        fresh->validity = fresh->blocks[2]->data;
    }
    column_release(list);
    *list = fresh;
    return out;
}

struct batch *list_filled(const struct list_layout *layout, const struct batch *in,
                          struct batch *items, const uint32_t *counts)
{
    uint32_t rows = batch_rows(in), total = 0;
    struct block *memory = block_create((rows + 1ul) * sizeof(int32_t));
    int32_t *offsets = (int32_t *)(void *)memory->data;

    for (uint32_t row = 0; row < rows; row++) {
        offsets[row] = (int32_t)total;
        total += counts[row];
    }
    CHECK(total == items->rows);
    offsets[rows] = (int32_t)total;
    return with_list(layout, in, memory, items);
}

struct batch *list_with(const struct list_layout *layout, const struct batch *in,
                        struct batch **items, const uint32_t *places, const uint32_t *counts)
{
    struct batch *gathered;
    uint32_t total = 0;

    for (uint32_t row = 0; row < batch_rows(in); row++)
        total += counts[row];
    gathered = batch_gather(*items, places, total);
    batch_release(items);
    return list_filled(layout, in, gathered, counts);
}

struct batch *list_widened(const struct list_layout *layout, const struct batch *in,
                           struct batch *wide)
{
    size_t size = (batch_rows(in) + 1ul) * sizeof(int32_t);
    struct block *offsets = block_create(size);

    memcpy(offsets->data, batch_column(in, layout->list)->offsets, size);
    return with_list(layout, in, offsets, wide);
}

/* What items [begin, end) are ordered by, with the terms that are added here, behind `old` columns. */
static void values_with(const struct list_layout *layout, const struct batch *wide, uint32_t old,
                        uint32_t begin, uint32_t end, double *values)
{
    list_values(layout, wide, begin, end, values);
    for (uint32_t i = 0; i < layout->count; i++)
        if (begins(layout->names[i], "rank.")) {
            const double *ranks = batch_column(wide, old + i)->values;
            loops_add(values, values, ranks + begin, end - begin);
        }
}

static void emit_ordered(struct op *op, const struct list_layout *layout, const struct batch *in,
                         struct batch *wide, uint32_t old, uint32_t top)
{
    size_t each = sizeof(struct list_place) + sizeof(double) + sizeof(uint32_t);
    struct block *memory = block_create((wide->rows + 1ul) * each);
    struct list_place *best = (struct list_place *)(void *)memory->data;
    double *values = (double *)(void *)(best + wide->rows);
    uint32_t *places = (uint32_t *)(void *)(values + wide->rows), total = 0;
    uint32_t counts[BATCH_ROWS_MAX];
    bool sorts = moves(layout->names, layout->count);
    struct batch *out;

    CHECK(batch_rows(in) <= BATCH_ROWS_MAX);
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        uint32_t begin, end;
        list_range(layout, in, row, &begin, &end);
        counts[row] = end - begin < top ? end - begin : top;
        if (sorts) {
            values_with(layout, wide, old, begin, end, values);
            list_best(values, end - begin, begin, counts[row], best);
        }
        for (uint32_t i = 0; i < counts[row]; i++)
            places[total++] = sorts ? best[i].place : begin + i;
    }
    out = list_with(layout, in, &wide, places, counts);
    block_release(&memory);
    op_emit(op, 0, &out);
}

void list_emit(struct op *op, const struct list_layout *layout, const struct batch *in,
               struct column **added, uint32_t top)
{
    const struct batch *items = list_items(layout, in);
    struct batch *wide = widen(layout, items, added), *out;

    if (layout->list == FIELD_NONE) {
        op_emit(op, 0, &wide);
    } else if (top == LIST_LEAVE) {
        out = list_widened(layout, in, wide);
        op_emit(op, 0, &out);
    } else {
        emit_ordered(op, layout, in, wide, items->column_count, top);
    }
}
