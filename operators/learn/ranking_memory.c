/* ranking_memory: see ranking_memory.h. */
#include "operators/learn/ranking_memory.h"

#include <string.h>

static_assert(KEY_SIZE_MAX <= UINT16_MAX, "the size of a name");

struct memory_piece {
    uint8_t bytes[MEMORY_PIECE];
};

static const struct state_field model_fields[] = {
    {"events", TYPE_I64, FIELD(struct memory_model, events)},
    {"items", TYPE_I32, FIELD(struct memory_model, items)},
    {"ring", TYPE_I32, FIELD(struct memory_model, pasts_max)},
    {"features", TYPE_I32, FIELD(struct memory_model, features)},
    {"spreads", TYPE_UTF8, FIELD(struct memory_model, spreads)},
    {"dims", TYPE_I32, FIELD(struct memory_model, dims)},
    {"embeddings", TYPE_I32, FIELD(struct memory_model, embeddings)},
    {"direct", TYPE_I32, FIELD(struct memory_model, direct)},
    {"stage_sums", TYPE_UTF8, FIELD(struct memory_model, stage_sums)},
    {"weights", TYPE_UTF8, FIELD(struct memory_model, weights)},
    {0},
};
static const struct state_field item_fields[] = {
    {"id", TYPE_I64, FIELD(struct memory_item, id)},
    {"events", TYPE_F32, FIELD(struct memory_item, events)},
    {"fast", TYPE_F32, FIELD(struct memory_item, fast)},
    {"slow", TYPE_F32, FIELD(struct memory_item, slow)},
    {"again", TYPE_F32, FIELD(struct memory_item, again)},
    {"stages", TYPE_UTF8, FIELD(struct memory_item, stages)},
    {"first", TYPE_I32, FIELD(struct memory_item, first)},
    {"last", TYPE_I32, FIELD(struct memory_item, last)},
    {"name", TYPE_UTF8, FIELD(struct memory_item, name)},
    {"biases", TYPE_UTF8, FIELD(struct memory_item, biases)},
    {"bias_squares", TYPE_UTF8, FIELD(struct memory_item, bias_squares)},
    {0},
};
static const struct state_field vector_fields[] = {
    {"in", TYPE_UTF8, FIELD(struct embedding_piece, in)},
    {"out", TYPE_UTF8, FIELD(struct embedding_piece, out)},
    {"in_squares", TYPE_UTF8, FIELD(struct embedding_piece, in_squares)},
    {"out_squares", TYPE_UTF8, FIELD(struct embedding_piece, out_squares)},
    {0},
};
static const struct state_field name_fields[] = {
    {"bytes", TYPE_UTF8, FIELD(struct memory_piece, bytes)},
    {0},
};
static const struct state_field event_fields[] = {
    {"item", TYPE_I32, FIELD(struct memory_event, past.item)},
    {"count", TYPE_I32, FIELD(struct memory_event, past.count)},
    {"history", TYPE_UTF8, FIELD(struct memory_event, past.history)},
    {"trail", TYPE_UTF8, FIELD(struct memory_event, trail)},
    {0},
};
static const struct state_field reranker_fields[] = {
    {"learned", TYPE_I64, FIELD(struct reranker_weights, learned)},
    {"fades", TYPE_UTF8, FIELD(struct reranker_weights, fades)},
    {"weights", TYPE_UTF8, FIELD(struct reranker_weights, weights)},
    {"means", TYPE_UTF8, FIELD(struct reranker_weights, means)},
    {"squares", TYPE_UTF8, FIELD(struct reranker_weights, squares)},
    {0},
};
static const struct state_field example_fields[] = {
    {"count", TYPE_I32, FIELD(struct reranker_example, count)},
    {"drawn_from", TYPE_I32, FIELD(struct reranker_example, drawn_from)},
    {"offset", TYPE_F32, FIELD(struct reranker_example, offset)},
    {"extras", TYPE_UTF8, FIELD(struct reranker_example, extras)},
    {"values", TYPE_UTF8, FIELD(struct reranker_example, values)},
    {0},
};
static const struct state_field attribute_fields[] = {
    {"known", TYPE_I32, FIELD(struct attributes_item, known)},
    {"tag_count", TYPE_I32, FIELD(struct attributes_item, tag_count)},
    {"tags", TYPE_UTF8, FIELD(struct attributes_item, tags)},
    {"numbers", TYPE_UTF8, FIELD(struct attributes_item, numbers)},
    {0},
};
static const struct state_field window_fields[] = {
    {"due", TYPE_TIMESTAMP, FIELD(struct memory_window, due_ms)},
    {"pending", TYPE_I32, FIELD(struct memory_window, pending)},
    {"period", TYPE_I32, FIELD(struct memory_window, period)},
    {"begun", TYPE_I64, FIELD(struct memory_window, begun)},
    {"told", TYPE_I64, FIELD(struct memory_window, told)},
    {"items", TYPE_UTF8, FIELD(struct memory_window, items)},
    {0},
};
static const struct state_field change_fields[] = {
    {"period", TYPE_I32, FIELD(struct memory_change, period)},
    {0},
};
const struct state memory_states[] = {
    {"model", STATE_MAP, model_fields, sizeof(struct memory_model)},
    {"items", STATE_MAP, item_fields, sizeof(struct memory_item)},
    {"vectors", STATE_MAP, vector_fields, sizeof(struct embedding_piece)},
    {"names", STATE_MAP, name_fields, sizeof(struct memory_piece)},
    {"events", STATE_MAP, event_fields, sizeof(struct memory_event)},
    {"users", STATE_MAP, own_fields, sizeof(struct own)},
    {"reranker", STATE_MAP, reranker_fields, sizeof(struct reranker_weights)},
    {"examples", STATE_MAP, example_fields, sizeof(struct reranker_example)},
    {"attributes", STATE_MAP, NULL, 0},
    {"window", STATE_MAP, window_fields, sizeof(struct memory_window)},
    {"changes", STATE_MAP, change_fields, sizeof(struct memory_change)},
    {0},
};

void memory_describe_attributes(struct describe *describe)
{
    describe_state(describe, MEMORY_ATTRIBUTES, sizeof(struct attributes_item), attribute_fields);
}

static struct memory_changes changes_of(struct op *op, uint32_t items_max)
{
    return (struct memory_changes){.period = 1,
                                   .items = op_memory(op, items_max * sizeof(uint32_t)),
                                   .periods = op_memory(op, items_max * sizeof(uint32_t))};
}

void memory_init(struct memory *memory, struct op *op, struct ranker *ranker,
                 struct catalogue *catalogue, uint32_t pasts_max, bool publishes)
{
    uint32_t items_max = catalogue->items_max;

    *memory =
        (struct memory){.op = op, .ranker = ranker, .catalogue = catalogue, .pasts_max = pasts_max};
    memory->names = op_memory(op, items_max * sizeof(*memory->names));
    memory->pasts = op_memory(op, pasts_max * sizeof(*memory->pasts));
    memory->trails = (struct trails){op_memory(op, pasts_max * sizeof(struct trail)), pasts_max, 0};
    memory->unwritten = changes_of(op, items_max);
    if (publishes)
        memory->untold = changes_of(op, items_max);
}

/* ---- items ---- */

static uint64_t vector_seed(const struct memory *memory, uint32_t which, uint64_t id)
{
    return hash_draw(op_seed(memory->op) + which, id);
}

static bool write_name(const struct memory *memory, uint32_t item, const struct key *key)
{
    for (uint32_t at = MEMORY_NAME; at < key->size; at += MEMORY_PIECE) {
        uint32_t entry[2] = {item, at}, size = key->size - at;
        struct memory_piece *piece =
            op_entry(memory->op, MEMORY_NAMES, 0, entry, sizeof(entry), true);

        if (!piece)
            return false;
        memcpy(piece->bytes, key->data + at, size < MEMORY_PIECE ? size : MEMORY_PIECE);
    }
    return true;
}

uint32_t memory_add(struct memory *memory, uint64_t id, const struct key *key)
{
    uint32_t item = memory->ranker->items.count;
    struct memory_name *name;

    if (item == memory->catalogue->items_max || !write_name(memory, item, key))
        return CATALOGUE_NONE;
    catalogue_put(memory->catalogue, item, id);
    name = &memory->names[item];
    name->size = (uint16_t)key->size;
    memcpy(name->bytes, key->data, key->size < MEMORY_NAME ? key->size : MEMORY_NAME);
    for (uint32_t i = 0; i < memory->ranker->embedding_count; i++)
        embedding_init(&memory->ranker->embeddings[i], item, vector_seed(memory, i, id));
    memory->ranker->items.count++;
    return item;
}

bool memory_key(const struct memory *memory, uint32_t item, uint8_t *bytes, struct key *key)
{
    const struct memory_name *name = &memory->names[item];

    *key = (struct key){name->bytes, name->size, memory->catalogue->ids[item]};
    if (name->size <= MEMORY_NAME)
        return true;
    memcpy(bytes, name->bytes, MEMORY_NAME);
    for (uint32_t at = MEMORY_NAME; at < name->size; at += MEMORY_PIECE) {
        uint32_t entry[2] = {item, at}, size = name->size - at;
        const struct memory_piece *piece =
            op_entry(memory->op, MEMORY_NAMES, 0, entry, sizeof(entry), false);

        if (!piece)
            return false;
        memcpy(bytes + at, piece->bytes, size < MEMORY_PIECE ? size : MEMORY_PIECE);
    }
    key->data = bytes;
    return true;
}

/* ---- between arrays and cells ---- */

static struct memory_item *item_cell(const struct memory *memory, uint32_t item, bool make)
{
    return op_entry(memory->op, MEMORY_ITEMS, 0, &item, sizeof(item), make);
}

static struct attributes_item *attributes_cell(const struct memory *memory, uint32_t item,
                                               bool make)
{
    return op_entry(memory->op, MEMORY_ATTRIBUTES, 0, &item, sizeof(item), make);
}

static bool read_attributes(struct memory *memory, uint32_t item)
{
    struct attributes *attributes = memory->ranker->attributes;
    const struct attributes_item *cell = attributes ? attributes_cell(memory, item, false) : NULL;

    if (cell)
        attributes_set(attributes, item, cell);
    return !attributes || cell;
}

static bool write_attributes(const struct memory *memory, uint32_t item)
{
    const struct attributes *attributes = memory->ranker->attributes;
    struct attributes_item *cell = attributes ? attributes_cell(memory, item, true) : NULL;

    if (cell)
        *cell = attributes->items[item];
    return !attributes || cell;
}

/* A piece of the item's vectors in one of the embeddings. */
static struct embedding_piece *vector_cell(const struct memory *memory, uint32_t item,
                                           uint32_t which, uint32_t piece, bool make)
{
    uint32_t entry[3] = {item, which, piece};

    return op_entry(memory->op, MEMORY_VECTORS, 0, entry, sizeof(entry), make);
}

static bool read_vectors(const struct memory *memory, uint32_t item, const struct memory_item *cell)
{
    for (uint32_t i = 0; i < memory->ranker->embedding_count; i++) {
        struct embedding *embedding = &memory->ranker->embeddings[i];

        for (uint32_t piece = 0; piece < embedding->dims / EMBEDDING_PIECE; piece++) {
            const struct embedding_piece *of = vector_cell(memory, item, i, piece, false);

            if (!of)
                return false;
            embedding_write(embedding, item, piece, of);
        }
        embedding->bias[item] = cell->biases[i];
        embedding->bias_squares[item] = cell->bias_squares[i];
    }
    return true;
}

static bool write_vectors(const struct memory *memory, uint32_t item, struct memory_item *cell)
{
    for (uint32_t i = 0; i < memory->ranker->embedding_count; i++) {
        const struct embedding *embedding = &memory->ranker->embeddings[i];

        cell->biases[i] = embedding->bias[item];
        cell->bias_squares[i] = embedding->bias_squares[item];
        for (uint32_t piece = 0; piece < embedding->dims / EMBEDDING_PIECE; piece++) {
            struct embedding_piece *of = vector_cell(memory, item, i, piece, true);

            if (!of)
                return false;
            embedding_read(embedding, item, piece, of);
        }
    }
    return true;
}

static bool read_item(struct memory *memory, uint32_t item)
{
    struct ranker_items *items = &memory->ranker->items;
    const struct memory_item *cell = item_cell(memory, item, false);

    if (!cell)
        return false;
    catalogue_put(memory->catalogue, item, cell->id);
    memory->names[item] = cell->name;
    items->fast[item] = cell->fast;
    items->slow[item] = cell->slow;
    items->again[item] = cell->again;
    items->first[item] = cell->first;
    items->last[item] = cell->last;
    ranker_set_events(memory->ranker, item, cell->events);
    memcpy(items->stages + (size_t)item * RANKER_STAGES, cell->stages, sizeof(cell->stages));
    return read_vectors(memory, item, cell) && read_attributes(memory, item);
}

static bool write_item(struct memory *memory, uint32_t item)
{
    const struct ranker_items *items = &memory->ranker->items;
    struct memory_item *cell = item_cell(memory, item, true);

    if (!cell)
        return false;
    cell->id = memory->catalogue->ids[item];
    cell->name = memory->names[item];
    cell->events = items->events[item];
    cell->fast = items->fast[item];
    cell->slow = items->slow[item];
    cell->again = items->again[item];
    cell->first = items->first[item];
    cell->last = items->last[item];
    memcpy(cell->stages, items->stages + (size_t)item * RANKER_STAGES, sizeof(cell->stages));
    return write_vectors(memory, item, cell) && write_attributes(memory, item);
}

static struct memory_event *event_cell(const struct memory *memory, uint32_t place, bool make)
{
    return op_entry(memory->op, MEMORY_PASTS, 0, &place, sizeof(place), make);
}

static struct memory_model *model_cell(const struct memory *memory)
{
    return op_entry(memory->op, MEMORY_MODEL, 0, "", 0, true);
}

/* As many features may be others: a number less, and what comes right after an item. */
static bool same_features(const struct memory_model *model, const struct ranker *ranker)
{
    return model->features == ranker->features &&
           (model->direct == 0 || model->direct == 1u + ranker->direct_asked);
}

/* The arrays must be as large as what is in the state was laid out for. */
static bool fits(const struct memory *memory, const struct memory_model *model, struct error *err)
{
    if (model->events > 0 && model->pasts_max != memory->pasts_max)
        return error_option(err, memory->op, "remember", "the restored ring has another length",
                            "leave `remember` as it was, or begin without the checkpoint");
    if (model->events > 0 && model->dims != memory->ranker->embeddings[0].dims)
        return error_option(err, memory->op, "dims", "the restored vectors are of another length",
                            "leave `dims` as it was, or begin without the checkpoint");
    if (model->events > 0 && model->embeddings != memory->ranker->embedding_count)
        return error_option(err, memory->op, "embeddings", "so many are not in the restored state",
                            "leave `embeddings` as it was, or begin without the checkpoint");
    if (model->events > 0 && !same_features(model, memory->ranker))
        return error_option(err, memory->op, "attributes",
                            "the restored weights are of other features",
                            "leave `attributes` and `direct` as they were, or begin without the "
                            "checkpoint");
    if (model->items > memory->catalogue->items_max)
        return error_option(err, memory->op, "items",
                            "more items are restored than there is room for", "raise `items`");
    return true;
}

static struct reranker_example *example_cell(const struct memory *memory, uint64_t number,
                                             bool make)
{
    uint32_t place = (uint32_t)(number % RERANKER_EXAMPLES);

    return op_entry(memory->op, MEMORY_EXAMPLES, 0, &place, sizeof(place), make);
}

static bool load_reranker(struct memory *memory)
{
    struct reranker_weights *cell = op_entry(memory->op, MEMORY_RERANKER, 0, "", 0, true);

    if (!cell)
        return false;
    if (cell->learned == 0)
        return true;
    memory->reranker->learnt = *cell;
    memory->first_example = cell->learned;
    for (uint64_t i = 0; i < cell->learned && i < RERANKER_EXAMPLES; i++) {
        const struct reranker_example *example = example_cell(memory, i, false);

        if (!example)
            return false;
        memory->reranker->examples[i] = *example;
    }
    return true;
}

static bool write_reranker(struct memory *memory)
{
    const struct reranker *reranker = memory->reranker;
    uint64_t learned = reranker->learnt.learned, first = memory->first_example;
    struct reranker_weights *cell = op_entry(memory->op, MEMORY_RERANKER, 0, "", 0, true);

    if (!cell)
        return false;
    *cell = reranker->learnt;
    if (learned > RERANKER_EXAMPLES && first < learned - RERANKER_EXAMPLES)
        first = learned - RERANKER_EXAMPLES;
    for (; first < learned; first++) {
        struct reranker_example *example = example_cell(memory, first, true);

        if (!example)
            return false;
        *example = reranker->examples[first % RERANKER_EXAMPLES];
    }
    memory->first_example = learned;
    return true;
}

static struct memory_window *window_cell(const struct memory *memory, bool make)
{
    return op_entry(memory->op, MEMORY_WINDOW, 0, "", 0, make);
}

static struct memory_change *change_cell(const struct memory *memory, uint32_t item, bool make)
{
    return op_entry(memory->op, MEMORY_CHANGES, 0, &item, sizeof(item), make);
}

/* All items are to be told where nothing was published before. */
static void load_changes(struct memory *memory)
{
    const struct memory_window *window = window_cell(memory, false);

    if (window) {
        memory->window = *window;
        memory->untold.period = window->period;
    }
    for (uint32_t item = 0; item < memory->ranker->items.count; item++) {
        const struct memory_change *change = change_cell(memory, item, false);

        if (!memory->window.begun || (change && change->period == memory->untold.period))
            memory_change(&memory->untold, item);
    }
    memory->window.begun = 1;
}

/* Nothing is published any more: what changes from here on is not known to the tables. */
static void end_changes(const struct memory *memory)
{
    struct memory_window *window = window_cell(memory, false);

    if (window)
        window->begun = 0;
}

/* What changed since the last barrier may have been told since then. */
static bool write_changes(struct memory *memory)
{
    const struct memory_changes *unwritten = &memory->unwritten;
    struct memory_window *window = window_cell(memory, true);

    if (!window)
        return false;
    memory->window.period = memory->untold.period;
    *window = memory->window;
    for (uint32_t i = 0; i < unwritten->count; i++) {
        struct memory_change *change = change_cell(memory, unwritten->items[i], true);

        if (!change)
            return false;
        change->period = memory->untold.periods[unwritten->items[i]];
    }
    return true;
}

static bool load(struct memory *memory, struct error *err)
{
    const struct memory_model *model = model_cell(memory);
    struct ranker *ranker = memory->ranker;

    if (!model || !fits(memory, model, err))
        return false;
    memory->events = memory->first_event = model->events;
    memory->trails.now = (uint32_t)model->events;
    if (ranker->attributes)
        memcpy(ranker->attributes->spreads, model->spreads, sizeof(model->spreads));
    memcpy(ranker->stage_sums, model->stage_sums, sizeof(model->stage_sums));
    memcpy(ranker->fusion.weights, model->weights, sizeof(model->weights));
    for (uint32_t item = 0; item < model->items; item++)
        if (!read_item(memory, item))
            return false;
    ranker->items.count = model->items;
    for (uint32_t place = 0; place < memory_pasts(memory); place++) {
        const struct memory_event *event = event_cell(memory, place, false);

        if (!event)
            return false;
        memory->pasts[place] = event->past;
        memory->trails.ring[place] = event->trail;
    }
    if (memory->untold.items)
        load_changes(memory);
    else
        end_changes(memory);
    return !memory->reranker || load_reranker(memory);
}

bool memory_begin(struct memory *memory, struct error *err)
{
    memory->loaded = memory->loaded || load(memory, err);
    return memory->loaded;
}

/* An event that was written before has one behind it now. */
static bool write_next(const struct memory *memory, const struct trail *trail)
{
    const struct trail *before = trails_at(&memory->trails, trail->before);
    struct memory_event *cell;

    if (!before || trail->before > memory->first_event)
        return true;
    cell = event_cell(memory, (trail->before - 1) % memory->pasts_max, true);
    if (cell)
        cell->trail.next = before->next;
    return cell != NULL;
}

static bool write_events(const struct memory *memory)
{
    uint64_t first = memory->first_event;

    if (memory->events - first > memory->pasts_max)
        first = memory->events - memory->pasts_max;
    for (; first < memory->events; first++) {
        uint32_t place = (uint32_t)(first % memory->pasts_max);
        struct memory_event *cell = event_cell(memory, place, true);

        if (!cell)
            return false;
        *cell = (struct memory_event){memory->pasts[place], memory->trails.ring[place]};
        if (!write_next(memory, &memory->trails.ring[place]))
            return false;
    }
    return true;
}

bool memory_flush(struct memory *memory)
{
    const struct ranker *ranker = memory->ranker;
    struct memory_model *model;

    if (!memory->loaded)
        return true;
    for (uint32_t i = 0; i < memory->unwritten.count; i++)
        if (!write_item(memory, memory->unwritten.items[i]))
            return false;
    if (memory->untold.items && !write_changes(memory))
        return false;
    model = write_events(memory) ? model_cell(memory) : NULL;
    if (!model || (memory->reranker && !write_reranker(memory)))
        return false;
    model->events = memory->events;
    model->items = ranker->items.count;
    model->pasts_max = memory->pasts_max;
    model->features = ranker->features;
    if (ranker->attributes)
        memcpy(model->spreads, ranker->attributes->spreads, sizeof(model->spreads));
    model->dims = ranker->embeddings[0].dims;
    model->embeddings = ranker->embedding_count;
    model->direct = 1u + ranker->direct_asked;
    memcpy(model->stage_sums, ranker->stage_sums, sizeof(model->stage_sums));
    memcpy(model->weights, ranker->fusion.weights, sizeof(model->weights));
    memory_settle(&memory->unwritten);
    memory->first_event = memory->events;
    return true;
}

/* ---- users and events ---- */

static struct own_map users_of(const struct memory *memory)
{
    return (struct own_map){memory->op, MEMORY_USERS, sizeof(memory->own[0])};
}

struct own *memory_user(struct memory *memory, uint64_t user)
{
    const struct own_map users = users_of(memory);

    return own_read(&users, 0, user, memory->own, &memory->own_count);
}

bool memory_meet(struct memory *memory, struct own *first, uint64_t user, uint32_t item)
{
    const struct own_map users = users_of(memory);

    return own_add(&users, 0, user, first, &item);
}

void memory_keep(struct memory *memory, struct own *first, uint64_t user, uint32_t item,
                 const uint32_t *history, uint32_t count)
{
    struct memory_past *past = &memory->pasts[memory->events % memory->pasts_max];
    uint32_t link =
        trails_keep(&memory->trails, memory->ranker, user, first ? first->last : 0, item);

    if (first)
        first->last = link;
    *past =
        (struct memory_past){.item = item, .count = count < MEMORY_PREFIX ? count : MEMORY_PREFIX};
    memcpy(past->history, history, past->count * sizeof(*history));
    memory->events++;
}
