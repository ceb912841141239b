/* learn/ranking: recommendations that learn from every event: first the list for the user of the
 * event, then the event is learnt, in order of event time and in one place, so that a feature never
 * knows of the event that it is to tell.
 * In: rows of feature/profile; all meet in one subtask. Out: as of `score`: a row a request: user, the
 * item that the event was about, the columns of `carry`, event_time, rec_id, items (item, score,
 * reasons.base), and the version of the table. The score is the logarithm of the probability that
 * the user takes this one of all candidates. What the user has met is not offered, unless `repeats`.
 * With `publish`, tables that change at the ends of windows: items and model (ranking_tables.h), of
 * which score/ranking makes such lists elsewhere.
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
#include "operators/model/ranking.h"
#include "operators/learn/ranking_columns.h"
#include "operators/learn/ranking_versions.h"

#include <inttypes.h>

#define SEED_RERANKER UINT32_MAX /* apart from those of replays */
#define SEED_PAST 2
#define SEED_SHARE (UINT32_MAX - 1)
#define SAMPLES_MAX (EMBEDDING_SAMPLES_MAX - 1)

struct ranking_config {
    struct ranking_asks asks;
    struct columns_config attributes;
    int64_t items, remember, trails, rerank, replays, samples, dims, embeddings;
    bool direct;
    double share;
    bool repeats;
    struct window publish;
};

static const struct option ranking_options[] = {
    RANKING_OPTIONS(struct ranking_config),
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
    {.name = "publish",
     .type = OPT_WINDOW,
     FIELD(struct ranking_config, publish),
     .help = "{tumbling: 1m}: how often the tables `items` and `model` change, from which "
             "score/ranking serves in parallel; without it nothing leaves there."},
    {0},
};
static const struct column_def ranking_columns[] = RANKING_COLUMNS;
static const struct port ranking_in[] = {
    {"in", ranking_columns, .global = true, .help = "Rows of feature/profile."},
    {0},
};
static const struct port ranking_out[] = {
    {"out", .help = "One row a request."},
    {"items",
     .help = "With `publish`: items that changed in a window, with what is known of them."},
    {"model", .help = "With `publish`: how they are weighed, in one row."},
    {0},
};
static const struct table_use ranking_tables[] = {
    {"neighbours", "Co-visits of feature/covisitation.", .columns = covisits_columns},
    {0},
};
static const char *const ranking_counters[] = {"requests", "held_back", "learned", "forgotten",
                                               NULL};
enum { IN = 0, OUT = 0, ITEMS, MODEL, NEIGHBOURS = 0, TABLES }; /* ports; tables */
enum { REQUESTS, HELD_BACK, LEARNED, FORGOTTEN };               /* counters */

/* ---- planning ---- */

static struct tables_layout layout_of(const struct ranking_config *config, enum type item)
{
    return (struct tables_layout){.item = item,
                                  .dims = (uint32_t)config->dims,
                                  .embeddings = (uint32_t)config->embeddings,
                                  .attributes = columns_asked(&config->attributes),
                                  .numbers = config->attributes.numbers.count,
                                  .repeats = config->repeats,
                                  .direct = config->direct,
                                  .reranked = config->rerank > 0};
}

static bool check_publish(struct describe *describe, struct error *err)
{
    const struct ranking_config *config = describe_config(describe);
    const struct window *publish = &config->publish;

    for (uint32_t port = ITEMS; port <= MODEL && !publish->size_ms; port++)
        if (describe_output_used(describe, port))
            return describe_error(describe, err, "publish", "write publish: {tumbling: 1m}, say",
                                  "\"%s\" is read, but nothing is published",
                                  port == ITEMS ? "items" : "model");
    if (publish->size_ms != publish->every_ms)
        return describe_error(describe, err, "publish", "write {tumbling: 1m}",
                              "the window slides, but what is learnt stays");
    if (publish->size_ms && config->trails > 0)
        return describe_error(describe, err, "publish", "leave out one of the two",
                              "what `trails` tells is live: no table has it");
    return true;
}

static void describe_tables(struct describe *describe)
{
    const struct ranking_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, IN);
    struct tables_layout layout =
        layout_of(config, in->fields[schema_find(in, config->asks.item)].type);

    tables_describe(describe, ITEMS, MODEL, &layout);
    if (config->publish.size_ms)
        describe_versions(describe, config->publish.size_ms, false);
}

static bool ranking_describe(struct describe *describe, struct error *err)
{
    static const char *const versions[] = {"versions.neighbours", NULL};
    const struct ranking_config *config = describe_config(describe);
    const struct ranking_asks *asks = &config->asks;
    struct text_list user = {1, (const char *[]){asks->user}};

    if (config->dims % EMBEDDING_PIECE != 0)
        return describe_error(describe, err, "dims", "write 32, 64, 96 or 128",
                              "%" PRId64 " is not a multiple of 32", config->dims);
    if (!ranking_check(describe, asks, NEIGHBOURS, err) ||
        !columns_check(describe, &config->attributes, IN, err) || !check_publish(describe, err) ||
        !request_describe(describe, &asks->request, asks->user, asks->item, &asks->carry, versions,
                          err))
        return false;
    if (columns_asked(&config->attributes))
        memory_describe_attributes(describe);
    describe_tables(describe);
    describe_output_key(describe, OUT, &user);
    return true;
}

/* ---- an instance ---- */

struct ranking_scratch {
    struct ranking ranking;
    struct memory memory;
    struct columns *columns; /* NULL: items have no attributes */
    struct trails_walk walk;
    struct reranker reranker;
    struct versions versions;
    bool publishes;
    uint32_t *marks; /* by item: the case that may not draw it */
    uint32_t mark;
};

static bool put_list(struct op *op, const struct ranking_listed *listed, uint32_t count,
                     struct builder *list)
{
    const struct ranking_scratch *scratch = op_scratch(op);
    uint8_t bytes[KEY_SIZE_MAX];

    for (uint32_t i = 0; i < count; i++)
        __builtin_prefetch(&scratch->memory.names[listed[i].item]);
    for (uint32_t i = 0; i < count; i++) {
        struct key key;

        if (!memory_key(&scratch->memory, listed[i].item, bytes, &key))
            return false;
        request_item(list, &key, listed[i].score);
    }
    return true;
}

static void open_reranker(struct op *op, struct ranking_scratch *scratch, uint32_t top)
{
    reranker_init(&scratch->reranker, top, scratch->ranking.ranker.features, op_seed(op),
                  op_memory(op, reranker_size(top)));
    scratch->ranking.reranker = scratch->memory.reranker = &scratch->reranker;
}

static bool learner_open(struct op *op, struct error *err)
{
    const struct ranking_config *config = op_config(op);
    struct ranking_scratch *scratch = op_memory(op, sizeof(*scratch));
    struct ranking *ranking = &scratch->ranking;
    struct ranker_limits limits = {(uint32_t)config->items, (uint32_t)config->asks.candidates,
                                   (uint32_t)config->dims, (uint32_t)config->embeddings,
                                   config->direct};

    op_set_scratch(op, scratch);
    scratch->publishes =
        config->publish.size_ms && (op_output_used(op, ITEMS) || op_output_used(op, MODEL));
    ranking->put = put_list;
    ranking->tables = TABLES;
    if (!ranking_open(ranking, op, &config->asks, &limits, config->repeats, NEIGHBOURS, err))
        return false;
    if (columns_asked(&config->attributes)) {
        scratch->columns = op_memory(op, sizeof(*scratch->columns));
        columns_init(scratch->columns, op, &config->attributes, IN, &ranking->ranker, limits.items);
    }
    memory_init(&scratch->memory, op, &ranking->ranker, &ranking->catalogue,
                (uint32_t)config->remember, scratch->publishes);
    if (config->rerank > 0)
        open_reranker(op, scratch, (uint32_t)config->rerank);
    if (scratch->publishes)
        versions_open(&scratch->versions, op, &scratch->memory, ITEMS, MODEL);
    scratch->marks = op_memory(op, limits.items * sizeof(*scratch->marks));
    return true;
}

static void learner_close(struct op *op)
{
    struct ranking_scratch *scratch = op_scratch(op);

    if (scratch)
        ranking_close(&scratch->ranking);
}

/* ---- the list ---- */

static void gather(struct op *op, uint64_t user)
{
    const struct ranking_config *config = op_config(op);
    struct ranking_scratch *scratch = op_scratch(op);
    struct ranking *ranking = &scratch->ranking;
    const struct memory *memory = &scratch->memory;
    uint32_t pasts = memory_pasts(memory), trending = (uint32_t)config->asks.trending;

    if (ranking_offer_items(ranking)) {
        for (uint32_t i = 1; i <= pasts && i <= trending; i++)
            ranker_meet(&ranking->ranker,
                        memory->pasts[(memory->events - i) % memory->pasts_max].item);
        ranking_offer_recent(ranking);
    }
    if (config->trails > 0)
        trails_add(&memory->trails, &ranking->ranker, &scratch->walk, user,
                   (uint32_t)config->trails);
    ranking_offer_lines(ranking);
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
    const struct memory *memory = &scratch->memory;

    ranking_begin(&scratch->ranking, memory->own, config->repeats ? 0 : memory->own_count,
                  (uint32_t)memory->events);
    if (!ranks)
        return;
    gather(op, user);
    ranking_rate(&scratch->ranking);
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
    uint32_t pasts = memory_pasts(memory), items = scratch->ranking.ranker.items.count, count = 1;
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
    for (uint32_t k = 0; k < scratch->ranking.ranker.embedding_count; k++) {
        its.sample_count = draw_samples(op, hash_draw(seed, seeds[k]), came, samples);
        for (uint32_t i = 0; i < its.sample_count; i++)
            memory_touch(&scratch->memory, samples[i]);
        embedding_learn(&scratch->ranking.ranker.embeddings[k], &its);
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

static bool learn(struct op *op, const struct batch *in, uint32_t row, struct own *user)
{
    const struct ranking_config *config = op_config(op);
    struct ranking_scratch *scratch = op_scratch(op);
    struct ranking *ranking = &scratch->ranking;
    struct memory *memory = &scratch->memory;
    uint32_t item = catalogue_find(&ranking->catalogue, ranking->ids[row]);
    uint64_t seed = hash_draw(op_seed(op), memory->events);
    uint32_t prefix = ranking->recent_count < MEMORY_PREFIX ? ranking->recent_count : MEMORY_PREFIX;
    int32_t place = item == CATALOGUE_NONE ? -1 : ranker_place(&ranking->ranker, item);
    uint8_t bytes[KEY_SIZE_MAX];
    struct key key;
    bool met;

    if (place >= 0 && memory->reranker)
        reranker_learn(memory->reranker, &ranking->ranker, (uint32_t)place,
                       hash_draw(seed, SEED_RERANKER));
    if (place >= 0)
        ranker_learn(&ranking->ranker, (uint32_t)place);
    if (item == CATALOGUE_NONE) {
        key = item_key(batch_column(in, ranking->item), row, ranking->ids[row], bytes);
        item = memory_add(memory, ranking->ids[row], &key);
    }
    if (item == CATALOGUE_NONE) {
        op_count(op, FORGOTTEN, 1);
        return true;
    }
    if (scratch->columns)
        columns_event(scratch->columns, in, row, item);
    scratch->mark++;
    mark(scratch, memory->own, config->repeats ? 0 : memory->own_count);
    met = scratch->marks[item] == scratch->mark;
    learn_vectors(op, hash_draw(seed, 0), item, ranking->recent, prefix);
    for (int64_t i = 1; i <= config->replays; i++)
        replay(op, hash_draw(seed, (uint64_t)i));
    memory_keep(memory, user, ranking->users[row], item, ranking->recent, prefix);
    ranker_count(&ranking->ranker, item, (uint32_t)memory->events - 1);
    memory_touch(memory, item);
    op_count(op, LEARNED, 1);
    return config->repeats || met || memory_meet(memory, user, ranking->users[row], item);
}

/* ---- rows ---- */

static bool one(struct op *op, const struct batch *in, uint32_t row, struct builder *out)
{
    const struct ranking_config *config = op_config(op);
    int64_t interval_ms = config->asks.request.interval_ms;
    struct ranking_scratch *scratch = op_scratch(op);
    struct ranking *ranking = &scratch->ranking;
    bool kept = !config->repeats || interval_ms > 0 || config->trails > 0;
    struct own *user = kept ? memory_user(&scratch->memory, ranking->users[row]) : NULL;

    if (kept && !user)
        return false;
    ranking_row(ranking, in, row);
    rate(op, ranking->users[row], ranks(op, ranking->asks_row[row]));
    if (ranking->asks_row[row]) {
        bool may = own_may_ask(user, interval_ms, batch_time(in)[row]);

        op_count(op, may ? REQUESTS : HELD_BACK, 1);
        if (may && !ranking_answer(ranking, in, row, out))
            return false;
    }
    return !column_valid(batch_column(in, ranking->item), row) || learn(op, in, row, user);
}

static bool ranking_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct ranking_config *config = op_config(op);
    struct ranking_scratch *scratch = op_scratch(op);
    struct builder *out = op_reserve(op, OUT, 0);

    (void)port;
    if (!memory_begin(&scratch->memory, err))
        return err->code == ERROR_NONE; /* what op_entry could not read is the engine's error */
    ranking_batch(&scratch->ranking, in);
    if (scratch->publishes)
        versions_begin(&scratch->versions, config->publish.size_ms, in);
    for (uint32_t row = 0; row < batch_rows(in); row++)
        if (!one(op, in, row, out))
            return true;
    return true;
}

static bool ranking_on_watermark(struct op *op, int64_t time_ms, struct error *err)
{
    struct ranking_scratch *scratch = op_scratch(op);

    if (!scratch->publishes)
        return true;
    if (!memory_begin(&scratch->memory, err))
        return err->code == ERROR_NONE;
    if (!versions_tell(&scratch->versions, time_ms))
        op_again(op);
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
    .open = learner_open,
    .process = ranking_process,
    .on_watermark = ranking_on_watermark,
    .flush = ranking_flush,
    .close = learner_close,
};
OPERATOR_REGISTER(learn_ranking);
