/* learn/ranking: recommendations that learn from every event: first the list for the user of the
 * event, then the event is learnt, in order of event time and in one place, so that a feature never
 * knows of the event that it is to tell.
 * In: rows of feature/profile; all meet in one subtask. Out: as of `score`: a row a request: user, the
 * item that the event was about, the columns of `carry`, event_time, rec_id, items (item, score,
 * reasons.base), and the version of the table. The score is the logarithm of the probability that
 * the user takes this one of all candidates. What the user has met is not offered, unless `repeats`.
 *
 * Method: generators (co-visits near and far, sequence rules both ways, and live what followed the
 * user's latest items and what users like this one met: ranking_trails.h), popularity on three time
 * scales, ages, the user's taste for popular and for old things, and item embeddings are features
 * of a linear softmax fusion with gates by length of history, by the time since the user's last
 * event and by how well its newest item is known (ranker.h); a small neural ranking may look at the
 * best again (reranker.h). What events tell of their items gives more features (ranking_attributes.h).
 * The embeddings also learn from replayed past events (experience replay: Lin 1992, Machine Learning
 * 8). Candidates are all items while they are no more than `candidates`; above that the items of the
 * latest events and the neighbours of the user's latest items.
 *
 * All draws are hashes of seed, event number and place; floats are summed in the order of events, so
 * the result depends on neither schedule nor parallelism. State is complete (ranking_memory.h): after a
 * kill it goes on to the bit. */
#include "operators/learn/ranking_columns.h"
#include "operators/learn/ranking_lines.h"
#include "operators/model/request.h"
#include "operators/model/widen.h"

#include <inttypes.h>

#define TOP_MAX 1000
#define SEED_RERANKER UINT32_MAX /* apart from those of replays */
#define SEED_PAST 2
#define SEED_SHARE (UINT32_MAX - 1)
#define SAMPLES_MAX (EMBEDDING_SAMPLES_MAX - 1)

struct ranking_config {
    const char *user, *item;
    struct text_list carry;
    struct request_config request;
    struct columns_config attributes;
    int64_t recent, visit_ms, candidates, top, items, remember, trending, trails, rerank, replays,
        samples, dims, embeddings;
    bool direct;
    double share;
    bool repeats;
};

static const struct option ranking_options[] = {
    {.name = "user",
     .type = OPT_FIELD,
     FIELD(struct ranking_config, user),
     .def.text = "user",
     .help = "The column with the user."},
    {.name = "item",
     .type = OPT_FIELD,
     FIELD(struct ranking_config, item),
     .def.text = "item",
     .help = "The column with the item that the event is about."},
    {.name = "carry",
     .type = OPT_FIELDS,
     FIELD(struct ranking_config, carry),
     .help = "More columns of the event that the recommendation carries."},
    {.name = "request",
     .type = OPT_GROUP,
     FIELD(struct ranking_config, request),
     .group = request_options,
     .help = "Which events ask."},
    {.name = "attributes",
     .type = OPT_GROUP,
     FIELD(struct ranking_config, attributes),
     .group = columns_options,
     .help = "What the events tell of their items; of each item the latest counts."},
    {.name = "repeats",
     .type = OPT_BOOL,
     FIELD(struct ranking_config, repeats),
     .help = "Offers what the user has met, too, as a news site or a shop may; histories are then "
             "taken for sessions, which are short and of the moment."},
    {.name = "recent",
     .type = OPT_I64,
     FIELD(struct ranking_config, recent),
     .def.i64 = RANKER_HISTORY_MAX,
     .min.i64 = 1,
     .max.i64 = RANKER_HISTORY_MAX,
     .help = "Latest items of the user that speak; the profile carries no more than its own "
             "`recent`."},
    {.name = "visit",
     .type = OPT_DURATION,
     FIELD(struct ranking_config, visit_ms),
     .def.i64 = 10 * MINUTE_MS,
     .max.i64 = DAY_MS,
     .help = "What the user met so short a time ago belongs to the present visit."},
    {.name = "candidates",
     .type = OPT_I64,
     FIELD(struct ranking_config, candidates),
     .def.i64 = 2048,
     .min.i64 = 1,
     .max.i64 = 65536,
     .help = "All items are candidates while they are no more than this; then so many of the "
             "latest events and of the neighbours of the user's latest items."},
    {.name = "trending",
     .type = OPT_I64,
     FIELD(struct ranking_config, trending),
     .def.i64 = 1000,
     .min.i64 = 0,
     .max.i64 = 65536,
     .help = "Latest events, of all users, whose items are candidates in any case."},
    {.name = "trails",
     .type = OPT_I64,
     FIELD(struct ranking_config, trails),
     .min.i64 = 0,
     .max.i64 = TRAILS_MAX,
     .help =
         "Latest events of each of the user's latest items, of all users, that tell what was met "
         "around it lately; 0: not asked. 15 on large catalogues; little won on small ones."},
    {.name = "rerank",
     .type = OPT_I64,
     FIELD(struct ranking_config, rerank),
     .min.i64 = 0,
     .max.i64 = RERANKER_TOP_MAX,
     .help =
         "So many of the best are looked at again by a small neural ranking, which learns from the "
         "same events; 0: none. 200 on large catalogues; little won on small ones."},
    {.name = "top",
     .type = OPT_I64,
     FIELD(struct ranking_config, top),
     .def.i64 = 200,
     .min.i64 = 1,
     .max.i64 = TOP_MAX,
     .help = "Items of a recommendation."},
    {.name = "items",
     .type = OPT_I64,
     FIELD(struct ranking_config, items),
     .def.i64 = 16384,
     .min.i64 = 2,
     .max.i64 = 1 << 20,
     .help = "Items that there is room for; what comes later is counted as forgotten."},
    {.name = "remember",
     .type = OPT_I64,
     FIELD(struct ranking_config, remember),
     .def.i64 = 32768,
     .min.i64 = 2,
     .max.i64 = 1 << 20,
     .help = "Latest events that are kept for replay and draws; fixed for the life of the state."},
    {.name = "replays",
     .type = OPT_I64,
     FIELD(struct ranking_config, replays),
     .def.i64 = 3,
     .min.i64 = 0,
     .max.i64 = 16,
     .help = "Past events that the embeddings learn again with each event."},
    {.name = "samples",
     .type = OPT_I64,
     FIELD(struct ranking_config, samples),
     .def.i64 = 50,
     .min.i64 = 2,
     .max.i64 = SAMPLES_MAX,
     .help = "Other items that the embeddings learn an event against."},
    {.name = "dims",
     .type = OPT_I64,
     FIELD(struct ranking_config, dims),
     .def.i64 = EMBEDDING_PIECE,
     .min.i64 = EMBEDDING_PIECE,
     .max.i64 = EMBEDDING_DIMS_MAX,
     .help = "Numbers of an item's vector, in whole 32s; more of them pay after hundreds of events "
             "an item. Fixed for the life of the state."},
    {.name = "embeddings",
     .type = OPT_I64,
     FIELD(struct ranking_config, embeddings),
     .def.i64 = RANKER_EMBEDDINGS - 1,
     .min.i64 = RANKER_EMBEDDINGS - 1,
     .max.i64 = RANKER_EMBEDDINGS,
     .help =
         "2: vectors for a short and for a long history; 3: also for the latest few items, which "
         "pays where `dims` do. Fixed for the life of the state."},
    {.name = "direct",
     .type = OPT_BOOL,
     FIELD(struct ranking_config, direct),
     .help = "Also what came right after the newest item, apart from what came soon after it; pays "
             "where `dims` do. Fixed for the life of the state."},
    {.name = "share",
     .type = OPT_RATIO,
     FIELD(struct ranking_config, share),
     .def.f64 = 1,
     .max.f64 = 1,
     .help =
         "Of the events that ask for nothing, so many are ranked all the same, so that the "
         "fusion learns from them; all else learns from every event. 10% is enough where few of "
         "many events ask."},
    {0},
};
static const struct column_def ranking_columns[] = {{"history", TYPE_LIST}, {0}};
static const struct port ranking_in[] = {
    {"in", ranking_columns, .global = true, .help = "Rows of feature/profile."},
    {0},
};
static const struct port ranking_out[] = {
    {"out", .help = "One row a request."},
    {0},
};
static const struct table_use ranking_tables[] = {
    {"neighbours", "Co-visits of feature/covisitation.", .columns = covisits_columns},
    {0},
};
static const char *const ranking_counters[] = {"requests", "held_back", "learned", "forgotten",
                                               NULL};
enum { IN = 0, OUT = 0, NEIGHBOURS = 0 };
enum { REQUESTS, HELD_BACK, LEARNED, FORGOTTEN }; /* counters */

/* ---- planning ---- */

static bool check_types(struct describe *describe, struct error *err)
{
    const struct ranking_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, IN);
    const struct schema *neighbours = describe_table(describe, NEIGHBOURS);
    const struct field *history = &in->fields[schema_find(in, "history")];
    const struct field *entries = &neighbours->fields[schema_find(neighbours, "entries")];
    const struct field *item = &in->fields[schema_find(in, config->item)];
    const struct field *user = &in->fields[schema_find(in, config->user)];

    if (item->type != TYPE_I32 && item->type != TYPE_I64 && item->type != TYPE_UTF8)
        return describe_error(describe, err, "item", "name a text or integer column",
                              "column \"%s\" is %s, which cannot name items", item->name,
                              type_name(item->type));
    if (!key_type(user->type))
        return describe_error(describe, err, "user", "name a text or integer column",
                              "column \"%s\" is %s, which cannot name users", user->name,
                              type_name(user->type));
    if (schema_find(history->child, "item") == FIELD_NONE ||
        schema_find(history->child, "time") == FIELD_NONE)
        return describe_error(describe, err, "from", "read the output of feature/profile",
                              "column \"history\" has no items and times in it");
    if (!covisits_entries(entries->child))
        return describe_error(describe, err, "tables.neighbours",
                              "give the output of feature/covisitation",
                              "its column \"entries\" has other columns");
    return true;
}

static bool ranking_describe(struct describe *describe, struct error *err)
{
    static const char *const versions[] = {"versions.neighbours", NULL};
    const struct ranking_config *config = describe_config(describe);
    struct text_list user = {1, (const char *[]){config->user}};

    if (config->dims % EMBEDDING_PIECE != 0)
        return describe_error(describe, err, "dims", "write 32, 64, 96 or 128",
                              "%" PRId64 " is not a multiple of 32", config->dims);
    if (!check_types(describe, err) || !columns_check(describe, &config->attributes, IN, err) ||
        !request_describe(describe, &config->request, config->user, config->item, &config->carry,
                          versions, err))
        return false;
    if (columns_asked(&config->attributes))
        memory_describe_attributes(describe);
    describe_output_key(describe, OUT, &user);
    return true;
}

/* ---- an instance ---- */

struct ranking_scratch {
    struct ranker ranker;
    struct memory memory;
    struct lines lines;
    struct columns *columns; /* NULL: items have no attributes */
    struct trails_walk walk;
    struct reranker reranker;
    struct request request;
    uint32_t user, item, history, history_item, history_time; /* columns; of a history entry */
    uint64_t users[BATCH_ROWS_MAX], ids[BATCH_ROWS_MAX];
    uint32_t asking[BATCH_ROWS_MAX];
    struct ranker_ranked best[TOP_MAX];
    uint32_t *marks; /* by item: the case that may not draw it */
    uint32_t mark;
    /* of the present event */
    uint32_t recent[RANKER_HISTORY_MAX], recent_count, visit_count;
    int64_t times_ms[RANKER_HISTORY_MAX];
    int64_t gap_ms;
};

static void find_columns(struct op *op, struct ranking_scratch *scratch)
{
    const struct ranking_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, IN);
    const struct schema *met;

    scratch->user = schema_find(in, config->user);
    scratch->item = schema_find(in, config->item);
    scratch->history = schema_find(in, "history");
    met = in->fields[scratch->history].child;
    scratch->history_item = schema_find(met, "item");
    scratch->history_time = schema_find(met, "time");
}

static bool ranking_open(struct op *op, struct error *err)
{
    const struct ranking_config *config = op_config(op);
    struct ranking_scratch *scratch = op_memory(op, sizeof(*scratch));
    uint32_t items = (uint32_t)config->items, candidates = (uint32_t)config->candidates;
    struct ranker_limits limits = {items, candidates < items ? candidates : items,
                                   (uint32_t)config->dims, (uint32_t)config->embeddings,
                                   config->direct};

    op_set_scratch(op, scratch);
    ranker_init(&scratch->ranker, &limits, config->repeats, op_memory(op, ranker_size(&limits)));
    if (columns_asked(&config->attributes)) {
        scratch->columns = op_memory(op, sizeof(*scratch->columns));
        columns_init(scratch->columns, op, &config->attributes, IN, &scratch->ranker, items);
    }
    memory_init(&scratch->memory, op, &scratch->ranker, items, (uint32_t)config->remember);
    if (config->rerank > 0) {
        uint32_t top = (uint32_t)config->rerank;

        reranker_init(&scratch->reranker, top, scratch->ranker.features, op_seed(op),
                      op_memory(op, reranker_size(top)));
        scratch->memory.reranker = &scratch->reranker;
    }
    lines_init(&scratch->lines, op, &scratch->memory, NEIGHBOURS);
    scratch->marks = op_memory(op, items * sizeof(*scratch->marks));
    find_columns(op, scratch);
    return request_open(op, &scratch->request, &config->request, err);
}

static void ranking_close(struct op *op)
{
    struct ranking_scratch *scratch = op_scratch(op);

    if (scratch)
        request_close(&scratch->request);
}

/* ---- the list ---- */

static void read_history(struct op *op, const struct batch *in, uint32_t row)
{
    const struct ranking_config *config = op_config(op);
    struct ranking_scratch *scratch = op_scratch(op);
    const struct column *history = batch_column(in, scratch->history);
    const int64_t *items = batch_column(history->child, scratch->history_item)->values;
    const int64_t *times = batch_column(history->child, scratch->history_time)->values;
    uint32_t begin = (uint32_t)history->offsets[row], end = (uint32_t)history->offsets[row + 1];

    scratch->gap_ms = begin < end ? batch_time(in)[row] - times[begin] : -1;
    scratch->recent_count = scratch->visit_count = 0;
    for (uint32_t i = begin; i < end && scratch->recent_count < (uint32_t)config->recent; i++) {
        uint32_t item = memory_find(&scratch->memory, (uint64_t)items[i]);

        if (item == MEMORY_NONE)
            continue;
        scratch->times_ms[scratch->recent_count] = times[i];
        scratch->recent[scratch->recent_count++] = item;
        if (batch_time(in)[row] - times[i] <= config->visit_ms)
            scratch->visit_count = scratch->recent_count;
    }
}

static void gather(struct op *op, uint64_t user)
{
    const struct ranking_config *config = op_config(op);
    struct ranking_scratch *scratch = op_scratch(op);
    struct ranker *ranker = &scratch->ranker;
    struct memory *memory = &scratch->memory;
    uint32_t items = ranker->items.count, pasts = memory_pasts(memory);
    bool all = items <= ranker->candidates_max;
    struct ranker_line line;

    for (uint32_t item = 0; all && item < items; item++)
        ranker_meet(ranker, item);
    for (uint32_t i = 1; !all && i <= pasts && i <= (uint32_t)config->trending; i++)
        ranker_meet(ranker, memory->pasts[(memory->events - i) % memory->pasts_max].item);
    for (uint32_t b = 0; !all && b < scratch->recent_count; b++)
        ranker_meet(ranker, scratch->recent[b]);
    if (config->trails > 0)
        trails_add(&memory->trails, ranker, &scratch->walk, user, (uint32_t)config->trails);
    for (uint32_t b = 0; b < scratch->recent_count; b++)
        if (lines_find(&scratch->lines, scratch->recent[b], &line))
            ranker_add(ranker, &line, b);
}

/* Whether candidates are gathered, for a list or only to learn: by hash of the event's number. */
static bool ranks(struct op *op, bool asks)
{
    const struct ranking_config *config = op_config(op);
    const struct ranking_scratch *scratch = op_scratch(op);
    uint64_t draw = hash_draw(hash_draw(op_seed(op), scratch->memory.events), SEED_SHARE);

    return asks || hash_unit(draw) < config->share;
}

/* Without `ranks` there are no candidates, but the event can be counted. */
static void rate(struct op *op, uint64_t user, bool ranks)
{
    const struct ranking_config *config = op_config(op);
    struct ranking_scratch *scratch = op_scratch(op);
    struct ranker_request request = {.own = scratch->memory.own,
                                     .own_count = config->repeats ? 0 : scratch->memory.own_count,
                                     .history = scratch->recent,
                                     .times_ms = scratch->times_ms,
                                     .history_count = scratch->recent_count,
                                     .visit_count = scratch->visit_count,
                                     .now = (uint32_t)scratch->memory.events,
                                     .gap_ms = scratch->gap_ms};

    ranker_begin(&scratch->ranker, &request);
    if (!ranks)
        return;
    gather(op, user);
    ranker_rate(&scratch->ranker);
    if (scratch->memory.reranker)
        reranker_rate(&scratch->reranker, &scratch->ranker);
}

static bool put_items(struct op *op, struct builder *out, uint32_t column)
{
    const struct ranking_config *config = op_config(op);
    struct ranking_scratch *scratch = op_scratch(op);
    const struct ranker *ranker = &scratch->ranker;
    uint32_t count = ranker_best(ranker, (uint32_t)config->top, scratch->best);
    double mass = count > 0 ? (double)ranker_mass(ranker) : 0;
    struct builder *list = builder_list(out, column);
    uint8_t bytes[KEY_SIZE_MAX];

    for (uint32_t i = 0; i < count; i++)
        __builtin_prefetch(&scratch->memory.names[ranker->candidates[scratch->best[i].place]]);
    for (uint32_t i = 0; i < count; i++) {
        double score = (double)scratch->best[i].score - mass;
        struct key key;

        if (!memory_key(&scratch->memory, ranker->candidates[scratch->best[i].place], bytes, &key))
            return false;
        request_item(list, &key, score);
    }
    builder_list_end(out, column);
    return true;
}

static bool answer(struct op *op, const struct batch *in, uint32_t row, struct builder *out)
{
    struct ranking_scratch *scratch = op_scratch(op);
    uint32_t column = request_begin(op, &scratch->request, in, row, out);

    if (!put_items(op, out, column++))
        return false;
    request_version(op, out, column, NEIGHBOURS);
    return true;
}

/* ---- what is learnt ---- */

/* The item's canonical key; `bytes` has room for KEY_SIZE_MAX. */
static struct key item_key(const struct column *column, uint32_t row, uint64_t id, uint8_t *bytes)
{
    struct key key = {bytes, 0, id};
    uint32_t size;

    if (column->type == TYPE_UTF8) {
        const char *text = column_text(column, row, &size);
        key.size = key_from_text(text, size, bytes);
    } else {
        int64_t value = column->type == TYPE_I32 ? ((const int32_t *)column->values)[row]
                                                 : ((const int64_t *)column->values)[row];
        key.size = key_from_i64(value, bytes);
    }
    return key;
}

static void mark(struct ranking_scratch *scratch, const uint32_t *items, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        scratch->marks[items[i]] = scratch->mark;
}

/* What came, and others: half of them as often as they are met, half of them any. */
static uint32_t draw_samples(struct op *op, uint64_t seed, uint32_t came, uint32_t *samples)
{
    const struct ranking_config *config = op_config(op);
    struct ranking_scratch *scratch = op_scratch(op);
    const struct memory *memory = &scratch->memory;
    const struct trail *ring = memory->trails.ring; /* smaller than `pasts` */
    uint32_t pasts = memory_pasts(memory), items = scratch->ranker.items.count, count = 1;
    uint32_t places[SAMPLES_MAX];

    samples[0] = came;
    for (uint32_t i = 0; i < (uint32_t)config->samples; i++) { /* they lie anywhere */
        bool met = i % 2 == 0 && pasts > 0;

        places[i] = (uint32_t)(hash_draw(seed, i) % (met ? pasts : items));
        __builtin_prefetch(met ? (const void *)&ring[places[i]] : &scratch->marks[places[i]]);
    }
    for (uint32_t i = 0; i < (uint32_t)config->samples; i++) {
        uint32_t item = i % 2 == 0 && pasts > 0 ? ring[places[i]].item : places[i];

        if (scratch->marks[item] != scratch->mark)
            samples[count++] = item;
    }
    return count;
}

/* One example for each embedding. Items that are marked are not drawn. */
static void learn_vectors(struct op *op, uint64_t seed, uint32_t came, const uint32_t *history,
                          uint32_t history_count)
{
    struct ranking_scratch *scratch = op_scratch(op);
    uint32_t samples[EMBEDDING_SAMPLES_MAX];
    struct embedding_case its = {history, samples, history_count, 0};
    static const uint32_t seeds[RANKER_EMBEDDINGS] = {0, 1, 3}; /* SEED_PAST is 2 */

    mark(scratch, &came, 1);
    for (uint32_t i = 0; i < history_count; i++)
        memory_touch(&scratch->memory, history[i]);
    for (uint32_t k = 0; k < scratch->ranker.embedding_count; k++) {
        its.sample_count = draw_samples(op, hash_draw(seed, seeds[k]), came, samples);
        for (uint32_t i = 0; i < its.sample_count; i++)
            memory_touch(&scratch->memory, samples[i]);
        embedding_learn(&scratch->ranker.embeddings[k], &its);
    }
}

static void replay(struct op *op, uint64_t seed)
{
    struct ranking_scratch *scratch = op_scratch(op);
    const struct memory *memory = &scratch->memory;
    const struct memory_past *past;

    if (memory->events == 0)
        return;
    past = &memory->pasts[hash_draw(seed, SEED_PAST) % memory_pasts(memory)];
    scratch->mark++;
    mark(scratch, past->history, past->count);
    learn_vectors(op, seed, past->item, past->history, past->count);
}

static bool learn(struct op *op, const struct batch *in, uint32_t row, struct memory_user *user)
{
    const struct ranking_config *config = op_config(op);
    struct ranking_scratch *scratch = op_scratch(op);
    struct memory *memory = &scratch->memory;
    uint32_t item = memory_find(memory, scratch->ids[row]);
    uint64_t seed = hash_draw(op_seed(op), memory->events);
    uint32_t prefix = scratch->recent_count < MEMORY_PREFIX ? scratch->recent_count : MEMORY_PREFIX;
    int32_t place = item == MEMORY_NONE ? -1 : ranker_place(&scratch->ranker, item);
    uint8_t bytes[KEY_SIZE_MAX];
    struct key key;
    bool met;

    if (place >= 0 && memory->reranker)
        reranker_learn(memory->reranker, &scratch->ranker, (uint32_t)place,
                       hash_draw(seed, SEED_RERANKER));
    if (place >= 0)
        ranker_learn(&scratch->ranker, (uint32_t)place);
    if (item == MEMORY_NONE) {
        key = item_key(batch_column(in, scratch->item), row, scratch->ids[row], bytes);
        item = memory_add(memory, scratch->ids[row], &key);
    }
    if (item == MEMORY_NONE) {
        op_count(op, FORGOTTEN, 1);
        return true;
    }
    if (scratch->columns)
        columns_event(scratch->columns, in, row, item);
    scratch->mark++;
    mark(scratch, memory->own, config->repeats ? 0 : memory->own_count);
    met = scratch->marks[item] == scratch->mark;
    learn_vectors(op, hash_draw(seed, 0), item, scratch->recent, prefix);
    for (int64_t i = 1; i <= config->replays; i++)
        replay(op, hash_draw(seed, (uint64_t)i));
    memory_keep(memory, user, scratch->users[row], item, scratch->recent, prefix);
    ranker_count(&scratch->ranker, item, (uint32_t)memory->events - 1);
    memory_touch(memory, item);
    op_count(op, LEARNED, 1);
    return config->repeats || met || memory_meet(memory, user, scratch->users[row], item);
}

/* ---- rows ---- */

/* Whether the user may ask again; if so, this is the last time that it did. */
static bool may_ask(struct memory_user *user, int64_t interval_ms, int64_t time_ms)
{
    if (interval_ms == 0)
        return true;
    if (user->requested && time_ms - user->requested_ms < interval_ms)
        return false;
    user->requested = 1;
    user->requested_ms = time_ms;
    return true;
}

static bool one(struct op *op, const struct batch *in, uint32_t row, bool asks, struct builder *out)
{
    const struct ranking_config *config = op_config(op);
    struct ranking_scratch *scratch = op_scratch(op);
    bool kept = !config->repeats || config->request.interval_ms > 0 || config->trails > 0;
    struct memory_user *user = kept ? memory_user(&scratch->memory, scratch->users[row]) : NULL;

    if (kept && !user)
        return false;
    read_history(op, in, row);
    rate(op, scratch->users[row], ranks(op, asks));
    if (asks) {
        bool may = may_ask(user, config->request.interval_ms, batch_time(in)[row]);

        op_count(op, may ? REQUESTS : HELD_BACK, 1);
        if (may && !answer(op, in, row, out))
            return false;
    }
    return !column_valid(batch_column(in, scratch->item), row) || learn(op, in, row, user);
}

static bool ranking_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    struct ranking_scratch *scratch = op_scratch(op);
    uint32_t rows = batch_rows(in), next = 0, asking;
    struct builder *out = op_reserve(op, OUT, 0);

    (void)port;
    CHECK(rows <= BATCH_ROWS_MAX);
    if (!memory_begin(&scratch->memory, err))
        return err->code == ERROR_NONE; /* what op_entry could not read is the engine's error */
    key_ids(batch_column(in, scratch->user), rows, scratch->users);
    key_ids(batch_column(in, scratch->item), rows, scratch->ids);
    asking = widen_choose(scratch->request.when, in, scratch->asking);
    for (uint32_t row = 0; row < rows; row++) {
        bool asks = next < asking && scratch->asking[next] == row;

        next += asks;
        if (!one(op, in, row, asks, out))
            return true;
    }
    return true;
}

static bool ranking_flush(struct op *op, struct error *err)
{
    struct ranking_scratch *scratch = op_scratch(op);

    (void)err; /* what op_entry could not read is the engine's error */
    (void)memory_flush(&scratch->memory);
    return true;
}

const struct operator_def learn_ranking = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "learn/ranking",
    .help = "Recommends items with a ranking that learns from every event, after it was tested.",
    .config_size = sizeof(struct ranking_config),
    .options = ranking_options,
    .inputs = ranking_in,
    .outputs = ranking_out,
    .states = memory_states,
    .tables = ranking_tables,
    .counters = ranking_counters,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = ranking_describe,
    .open = ranking_open,
    .process = ranking_process,
    .flush = ranking_flush,
    .close = ranking_close,
};
OPERATOR_REGISTER(learn_ranking);
