/* See merge.h. */
#include "state/merge.h"

#include "state/sst.h"

#define STATE_DROPPED UINT32_MAX

struct merge_state { /* a state as one file has it */
    const struct layout *layout;
    uint32_t target; /* place in the store's states, or STATE_DROPPED */
    struct layout_map map;
    int64_t floor_ms; /* panes before it were dropped by a newer file */
};

struct input {
    struct merge_input what;
    struct sst_reader *reader;
    struct file_meta *meta;
    struct merge_state *states;
    const struct merge_state *state; /* of the present entry */
    const uint8_t *key, *value;
    size_t key_size, value_size;
    struct file_cell cell;
};

struct merge {
    const struct store *store;
    struct arena *arena;
    bool settle;
    int64_t watermark_ms;
    struct input *inputs;
    uint32_t count;
    uint32_t *heap;
    uint32_t heap_count;
    uint8_t last[FILE_KEY_MAX]; /* key of the cell that was given last */
    size_t last_size;
    bool given; /* heap[0] is that cell's input, not advanced yet */
    /* panes */
    uint8_t pane_key[FILE_KEY_MAX];
    uint32_t pane_key_size;
    uint8_t *sum, *held, *converted; /* aligned values */
    struct merged later;
    bool has_later;
};

static bool input_damaged(const struct input *input, struct error *err)
{
    return error_set(err, ERROR_STATE, input->what.path, "use an older checkpoint",
                     "damaged state file: an entry cannot be read");
}

/* ---- opening ---- */

static uint32_t target_of(const struct store *store, uint32_t id)
{
    for (uint32_t i = 0; i < store->config.state_count; i++)
        if (store->states[i].layout.id == id)
            return i;
    return STATE_DROPPED;
}

static bool states_map(struct merge *merge, struct input *input, struct error *err)
{
    const struct store *store = merge->store;

    input->states = arena_new(merge->arena, (input->meta->count + 1ul) * sizeof(*input->states));
    for (uint32_t i = 0; i < input->meta->count; i++) {
        struct merge_state *state = &input->states[i];

        state->layout = &input->meta->layouts[i];
        state->target = target_of(store, state->layout->id);
        state->floor_ms = INT64_MIN;
        if (state->target == STATE_DROPPED && !store->config.allow_dropped)
            return error_set(err, ERROR_STATE, state->layout->name,
                             "keep the operator and its id, or start with --allowNonRestoredState",
                             "the checkpoint has a state that the job has not");
        if (state->target != STATE_DROPPED &&
            !layout_map(state->layout, &store->states[state->target].layout, merge->arena,
                        &state->map, err))
            return false;
    }
    return true;
}

static bool input_open(struct merge *merge, struct input *input, struct error *err)
{
    enum sst_result result;

    input->reader = sst_reader_open(input->what.path, err);
    if (!input->reader)
        return false;
    result = sst_next(input->reader, &input->key, &input->key_size, &input->value,
                      &input->value_size, err);
    if (result == SST_FAILED)
        return false;
    if (result == SST_END || input->key_size != FILE_META_KEY_SIZE ||
        memcmp(input->key, file_meta_key, FILE_META_KEY_SIZE) != 0)
        return error_set(err, ERROR_STATE, input->what.path, "use an older checkpoint",
                         "damaged state file: it has no description");
    input->meta = file_meta_read(input->value, input->value_size, merge->arena, err);
    if (!input->meta || !states_map(merge, input, err))
        return error_wrap(err, "%s", input->what.path);
    return true;
}

static bool ranges_meet(const struct merge_input *a, const struct merge_input *b)
{
    return a->group_begin < b->group_end && b->group_begin < a->group_end;
}

/* What the floors of newer files of the same key groups take from each file. */
static void floors_spread(struct merge *merge)
{
    for (uint32_t i = 0; i < merge->count; i++)
        for (uint32_t s = 0; s < merge->inputs[i].meta->count; s++)
            for (uint32_t k = i + 1; k < merge->count; k++) {
                struct merge_state *state = &merge->inputs[i].states[s];
                const struct file_meta *meta = merge->inputs[k].meta;

                if (!ranges_meet(&merge->inputs[i].what, &merge->inputs[k].what))
                    continue;
                for (uint32_t t = 0; t < meta->count; t++)
                    if (meta->layouts[t].id == state->layout->id &&
                        meta->layouts[t].floor_ms > state->floor_ms)
                        state->floor_ms = meta->layouts[t].floor_ms;
            }
}

/* ---- entries of one file ---- */

static const struct merge_state *state_find(const struct input *input, uint32_t id)
{
    if (input->state && input->state->layout->id == id)
        return input->state;
    for (uint32_t i = 0; i < input->meta->count; i++)
        if (input->meta->layouts[i].id == id)
            return &input->states[i];
    return NULL;
}

enum accepted { ACCEPTED, PASSED_OVER, BEYOND, DAMAGED };

static enum accepted input_accept(struct input *input)
{
    uint32_t group;

    if (input->key_size < 6)
        return DAMAGED;
    if (memcmp(input->key, file_meta_key, 6) == 0 && input->key_size == FILE_META_KEY_SIZE)
        return PASSED_OVER;
    group = file_key_group(input->key);
    if (group < input->what.group_begin)
        return PASSED_OVER;
    if (group >= input->what.group_end)
        return BEYOND;
    input->state = state_find(input, file_key_state(input->key));
    if (!input->state || !file_cell_read(input->state->layout, input->key, input->key_size,
                                         input->value, input->value_size, &input->cell))
        return DAMAGED;
    if (input->state->target == STATE_DROPPED)
        return PASSED_OVER;
    return input->state->layout->kind == STORE_PANE && input->cell.pane_ms < input->state->floor_ms
               ? PASSED_OVER
               : ACCEPTED;
}

static enum sst_result input_settle(struct input *input, enum sst_result result, struct error *err)
{
    while (result == SST_ENTRY) {
        enum accepted accepted = input_accept(input);

        if (accepted == ACCEPTED)
            return SST_ENTRY;
        if (accepted == BEYOND)
            return SST_END;
        if (accepted == DAMAGED) {
            input_damaged(input, err);
            return SST_FAILED;
        }
        result = sst_next(input->reader, &input->key, &input->key_size, &input->value,
                          &input->value_size, err);
    }
    return result;
}

static enum sst_result input_next(struct input *input, struct error *err)
{
    return input_settle(input,
                        sst_next(input->reader, &input->key, &input->key_size, &input->value,
                                 &input->value_size, err),
                        err);
}

static enum sst_result input_first(struct input *input, struct error *err)
{
    uint8_t target[2] = {(uint8_t)(input->what.group_begin >> 8), (uint8_t)input->what.group_begin};

    return input_settle(input,
                        sst_seek(input->reader, target, sizeof(target), &input->key,
                                 &input->key_size, &input->value, &input->value_size, err),
                        err);
}

/* ---- the heap: by key, then newest first ---- */

static int keys_compare(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);

    return order ? order : (a_size > b_size) - (a_size < b_size);
}

static bool input_before(const struct merge *merge, uint32_t a, uint32_t b)
{
    const struct input *x = &merge->inputs[a], *y = &merge->inputs[b];
    int order = keys_compare(x->key, x->key_size, y->key, y->key_size);

    return order < 0 || (order == 0 && a > b);
}

static void heap_down(struct merge *merge, uint32_t at)
{
    uint32_t *heap = merge->heap, moved = heap[at];

    for (uint32_t child; (child = at * 2 + 1) < merge->heap_count; at = child) {
        if (child + 1 < merge->heap_count && input_before(merge, heap[child + 1], heap[child]))
            child++;
        if (!input_before(merge, heap[child], moved))
            break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

static bool heap_advance(struct merge *merge, struct error *err)
{
    enum sst_result result = input_next(&merge->inputs[merge->heap[0]], err);

    if (result == SST_FAILED)
        return false;
    if (result == SST_END)
        merge->heap[0] = merge->heap[--merge->heap_count];
    if (merge->heap_count)
        heap_down(merge, 0);
    return true;
}

static bool merge_init(struct merge *merge, struct error *err)
{
    for (uint32_t i = 0; i < merge->count; i++)
        if (!input_open(merge, &merge->inputs[i], err))
            return false;
    floors_spread(merge);
    for (uint32_t i = 0; i < merge->count; i++) {
        enum sst_result result = input_first(&merge->inputs[i], err);

        if (result == SST_FAILED)
            return false;
        if (result == SST_ENTRY)
            merge->heap[merge->heap_count++] = i;
    }
    for (uint32_t i = merge->heap_count; i-- > 0;)
        heap_down(merge, i);
    return true;
}

struct merge *merge_open(const struct store *store, const struct merge_input *inputs,
                         uint32_t count, bool settle, int64_t watermark_ms, struct error *err)
{
    struct merge *merge = memory_new(sizeof(*merge));

    merge->store = store;
    merge->arena = arena_create(16384);
    merge->settle = settle;
    merge->watermark_ms = watermark_ms;
    merge->count = count;
    merge->inputs = memory_array(count + 1ul, sizeof(*merge->inputs));
    merge->heap = memory_array(count + 1ul, sizeof(*merge->heap));
    merge->sum = memory_new(CELL_SIZE_MAX);
    merge->held = memory_new(CELL_SIZE_MAX);
    merge->converted = memory_new(CELL_SIZE_MAX);
    for (uint32_t i = 0; i < count; i++)
        merge->inputs[i].what = inputs[i];
    if (merge_init(merge, err))
        return merge;
    merge_close(merge);
    return NULL;
}

void merge_close(struct merge *merge)
{
    if (!merge)
        return;
    for (uint32_t i = 0; i < merge->count; i++)
        sst_reader_close(merge->inputs[i].reader);
    arena_close(merge->arena);
    memory_free(merge->inputs);
    memory_free(merge->heap);
    memory_free(merge->sum);
    memory_free(merge->held);
    memory_free(merge->converted);
    memory_free(merge);
}

/* ---- the stream ---- */

static bool expired(const struct merge *merge, const struct input *input)
{
    int64_t ttl_ms = merge->store->states[input->state->target].def->ttl_ms, age;

    return ttl_ms > 0 && input->cell.stamped && merge->watermark_ms != INT64_MIN &&
           !__builtin_sub_overflow(merge->watermark_ms, input->cell.stamp, &age) && age >= ttl_ms;
}

/* The newest cell of the next key; NULL with `*ok`: none left. Points into its file's reader. */
static struct input *raw_next(struct merge *merge, bool *ok, struct error *err)
{
    *ok = true;
    for (;;) {
        struct input *input;

        while (merge->given && merge->heap_count) {
            input = &merge->inputs[merge->heap[0]];
            if (keys_compare(input->key, input->key_size, merge->last, merge->last_size) != 0)
                break;
            *ok = heap_advance(merge, err);
            if (!*ok)
                return NULL;
        }
        merge->given = false;
        if (!merge->heap_count)
            return NULL;
        input = &merge->inputs[merge->heap[0]];
        memcpy(merge->last, input->key, input->key_size);
        merge->last_size = input->key_size;
        merge->given = true;
        if (!input->cell.deleted && !expired(merge, input))
            return input;
    }
}

static bool cell_convert(struct merge *merge, const struct input *input, struct merged *out,
                         struct error *err)
{
    out->state = input->state->target;
    out->cell = input->cell;
    out->cell.stamped = merge->store->states[out->state].shape.stamp != 0;
    if (!input->cell.stamped) /* the state had no time to live before: it counts from now on */
        out->cell.stamp = merge->watermark_ms;
    if (input->state->map.same)
        return true;
    out->cell.size =
        layout_convert(&input->state->map, input->cell.value, input->cell.size, merge->converted);
    out->cell.value = merge->converted;
    return out->cell.size != 0 || input_damaged(input, err);
}

/* Keeps a pane's cell beyond the advance of its file: key and value are copied. */
static void pane_hold(struct merge *merge, const struct merged *cell, struct merged *held)
{
    *held = *cell;
    memcpy(merge->held, cell->cell.value, cell->cell.size);
    memcpy(merge->pane_key, cell->cell.key, cell->cell.key_size);
    merge->pane_key_size = cell->cell.key_size;
    held->cell.value = merge->held;
    held->cell.key = merge->pane_key;
}

static bool same_pane_key(const struct merge *merge, const struct input *input,
                          const struct file_cell *cell)
{
    return input->cell.group == cell->group && input->cell.state == cell->state &&
           input->cell.pane_ms == cell->pane_ms && input->cell.key_size == merge->pane_key_size &&
           memcmp(input->cell.key, merge->pane_key, merge->pane_key_size) == 0;
}

/* Moves the held value into the sum. */
static void pane_settle(struct merge *merge, const struct merged *held, bool *summed)
{
    const struct store_state *def = merge->store->states[held->state].def;

    if (*summed)
        def->merge(def->config, merge->sum, merge->held);
    else
        memcpy(merge->sum, merge->held, def->size);
    *summed = true;
}

/* The generations of one key follow each other. The first cell is `out`. */
static enum merge_result pane_gather(struct merge *merge, struct merged *out, struct error *err)
{
    struct merged held;
    bool summed = false, ok;
    struct input *input;

    pane_hold(merge, out, &held);
    while ((input = raw_next(merge, &ok, err)) && same_pane_key(merge, input, &held.cell)) {
        pane_settle(merge, &held, &summed);
        if (!cell_convert(merge, input, out, err))
            return MERGE_FAILED;
        pane_hold(merge, out, &held);
    }
    if (!ok)
        return MERGE_FAILED;
    if (input) /* it stays on top of the heap: give it again */
        merge->given = false;
    *out = held;
    if (!summed)
        return MERGE_CELL;
    if (merge->settle) {
        merge->later = held;
        merge->has_later = true;
        out->cell.generation = 0;
    } else {
        pane_settle(merge, &held, &summed);
    }
    out->cell.value = merge->sum;
    return MERGE_CELL;
}

enum merge_result merge_next(struct merge *merge, struct merged *out, struct error *err)
{
    struct input *input;
    bool ok;

    if (merge->has_later) {
        merge->has_later = false;
        *out = merge->later;
        return MERGE_CELL;
    }
    input = raw_next(merge, &ok, err);
    if (!input)
        return ok ? MERGE_END : MERGE_FAILED;
    if (!cell_convert(merge, input, out, err))
        return MERGE_FAILED;
    return input->state->layout->kind == STORE_PANE ? pane_gather(merge, out, err) : MERGE_CELL;
}
