/* score: recommendations for a user, when an event asks for them.
 * In: rows of feature/profile, keyed by user. Out: a row a request: user, the item that the event
 * was about, the columns of `carry`, event_time, rec_id, items (item, score, reasons.base), and the
 * versions of the tables that were used. What the user has met is never offered; the event's own item counts as
 * met only afterwards, so a list can be held against what the user then took.
 *
 * Method: candidates from the user's latest items (co-visits, sequence rules in both directions)
 * and from what is popular now, fused by a weighted sum of tempered shares (fuse.h). A request at
 * time t sees the tables' versions that closed at or before t; until they are there the engine holds
 * it back, so lists do not depend on the schedule. rec_id is a hash of job and origin. */
#include "operators/model/covisits.h"
#include "operators/model/decay.h"
#include "operators/model/request.h"
#include "operators/model/widen.h"
#include "operators/score/fuse.h"
#include "runtime/api/operator.h"

#include <string.h>

#define TOP_MAX 1000

struct score_config {
    const char *user, *item;
    struct text_list carry;
    struct request_config request;
    int64_t recent, popular, candidates, top;
    struct fuse_weights weights;
};

struct own { /* what the user has met, in order of first meeting */
    int64_t requested_ms;
    uint32_t requested; /* whether ever */
    uint32_t count;
    uint64_t items[];
};

static_assert(sizeof(struct own) + FUSE_OWN_MAX * sizeof(uint64_t) <= CELL_SIZE_MAX,
              "what a user has met fits a cell");

#define WEIGHT(option, field, value, text)                                                         \
    {                                                                                              \
        .name = option, .type = OPT_F64, FIELD(struct score_config, weights.field),                \
        .def.f64 = (value), .min.f64 = 0, .max.f64 = 100, .help = (text)                           \
    }

static const struct option score_options[] = {
    {.name = "user",
     .type = OPT_FIELD,
     FIELD(struct score_config, user),
     .help = "The column with the user; by default the key."},
    {.name = "item",
     .type = OPT_FIELD,
     FIELD(struct score_config, item),
     .def.text = "item",
     .help = "The column with the item that the event is about."},
    {.name = "carry",
     .type = OPT_FIELDS,
     FIELD(struct score_config, carry),
     .help = "More columns of the event that the recommendation carries."},
    {.name = "request",
     .type = OPT_GROUP,
     FIELD(struct score_config, request),
     .group = request_options,
     .help = "Which events ask."},
    {.name = "recent",
     .type = OPT_I64,
     FIELD(struct score_config, recent),
     .def.i64 = 20,
     .min.i64 = 1,
     .max.i64 = FUSE_RECENT_MAX,
     .help = "Latest items of the user that speak; the profile carries no more than its own "
             "`recent`."},
    {.name = "popular",
     .type = OPT_I64,
     FIELD(struct score_config, popular),
     .def.i64 = 50,
     .min.i64 = 0,
     .max.i64 = FUSE_POPULAR_MAX,
     .help = "Items that are candidates because they are popular now."},
    {.name = "candidates",
     .type = OPT_I64,
     FIELD(struct score_config, candidates),
     .def.i64 = 4096,
     .min.i64 = 1,
     .max.i64 = FUSE_CANDIDATES_MAX,
     .help = "Most candidates of one request; popular ones come first, then those of the latest "
             "items."},
    {.name = "top",
     .type = OPT_I64,
     FIELD(struct score_config, top),
     .def.i64 = 200,
     .min.i64 = 1,
     .max.i64 = TOP_MAX,
     .help = "Items of a recommendation."},
    WEIGHT("weight-neighbours", item, 3.0, "Weight of items that the same users met."),
    WEIGHT("weight-sequence", forward, 1.5, "Weight of items that were met soon after."),
    WEIGHT("weight-backward", backward, 1.2, "Weight of items that were met shortly before."),
    WEIGHT("weight-popularity", popular, 0.6, "Weight of what is popular now."),
    {0},
};
static const struct state_field own_fields[] = {
    {"requested_at", TYPE_TIMESTAMP, FIELD(struct own, requested_ms)},
    {"requested", TYPE_I32, FIELD(struct own, requested)},
    {"count", TYPE_I32, FIELD(struct own, count)},
    {0},
};
static const struct state score_states[] = {
    {"own", STATE_LIST, own_fields, sizeof(struct own)},
    {0},
};
static const struct column_def score_columns[] = {{"history", TYPE_LIST}, {0}};
static const struct port score_in[] = {
    {"in", score_columns, .keyed = true, .help = "Rows of feature/profile, keyed by user."},
    {0},
};
static const struct port score_out[] = {
    {"out", .keyed = true, .help = "One row a request."},
    {0},
};
static const struct column_def popularity_columns[] = {{"item", TYPE_KEY},    {"count", TYPE_I64},
                                                       {"decayed", TYPE_F64}, {"hour", TYPE_I64},
                                                       {"rank", TYPE_F64},    {0}};
static const struct table_use score_tables[] = {
    {"neighbours", "Co-visits of feature/covisitation.", .columns = covisits_columns},
    {"popularity", "Counts of feature/popularity.", .columns = popularity_columns,
     .rank_by = "rank", .rank_limit = FUSE_POPULAR_MAX},
    {0},
};
static const char *const score_counters[] = {"requests", "held_back", NULL};
enum { OWN = 0, IN = 0, OUT = 0 };
enum { NEIGHBOURS, POPULARITY }; /* tables */
enum { REQUESTS, HELD_BACK };    /* counters */

/* ---- planning ---- */

static const char *score_user(const struct score_config *config, const struct text_list *key)
{
    return config->user ? config->user : key->count == 1 ? key->items[0] : NULL;
}

static bool check_types(struct describe *describe, struct error *err)
{
    const struct score_config *config = describe_config(describe);
    const struct schema *in = describe_input(describe, IN);
    const struct schema *popular = describe_table(describe, POPULARITY);
    const struct schema *neighbours = describe_table(describe, NEIGHBOURS);
    const struct field *history = &in->fields[schema_find(in, "history")];
    const struct field *entries = &neighbours->fields[schema_find(neighbours, "entries")];
    enum type item = in->fields[schema_find(in, config->item)].type;
    enum type named = popular->fields[schema_find(popular, "item")].type;

    if (item != named)
        return describe_error(describe, err, "tables.popularity",
                              "key feature/popularity by the same column",
                              "its items are %s, but column \"%s\" is %s", type_name(named),
                              config->item, type_name(item));
    if (schema_find(history->child, "item") == FIELD_NONE)
        return describe_error(describe, err, "from", "read the output of feature/profile",
                              "column \"history\" has no items in it");
    if (!covisits_entries(entries->child))
        return describe_error(describe, err, "tables.neighbours",
                              "give the output of feature/covisitation",
                              "its column \"entries\" has other columns");
    return true;
}

static bool score_describe(struct describe *describe, struct error *err)
{
    static const char *const versions[] = {"versions.neighbours", "versions.popularity", NULL};
    const struct score_config *config = describe_config(describe);
    const char *user = score_user(config, describe_key(describe, IN));

    if (!user)
        return describe_error(describe, err, "user", "name the user's column",
                              "the input is not keyed by one column");
    return check_types(describe, err) &&
           request_describe(describe, &config->request, user, config->item, &config->carry,
                            versions, err);
}

/* ---- an instance ---- */

struct score_scratch {
    struct fuse fuse;
    struct decay decay;
    struct request request;
    uint32_t item, history, history_item; /* columns of the input; of a history entry */
    struct covisits covisits;
    uint32_t popular_count, decayed, hour; /* columns of `popularity` */
    uint64_t ids[BATCH_ROWS_MAX];
    uint32_t asking[BATCH_ROWS_MAX];
    /* of the request */
    int64_t now_hour;
    uint32_t recent_count;
    uint32_t recent[FUSE_RECENT_MAX];
    const struct table_row *rows[FUSE_RECENT_MAX]; /* in `neighbours`, of those with no line yet */
};

static void find_input(struct op *op, struct score_scratch *scratch)
{
    const struct score_config *config = op_config(op);
    const struct schema *in = op_input_schema(op, IN);

    scratch->item = schema_find(in, config->item);
    scratch->history = schema_find(in, "history");
    scratch->history_item = schema_find(in->fields[scratch->history].child, "item");
}

static void find_tables(struct op *op, struct score_scratch *scratch)
{
    covisits_find(op, NEIGHBOURS, &scratch->covisits);
    scratch->popular_count = op_table_column(op, POPULARITY, "count");
    scratch->decayed = op_table_column(op, POPULARITY, "decayed");
    scratch->hour = op_table_column(op, POPULARITY, "hour");
}

static bool score_open(struct op *op, struct error *err)
{
    const struct score_config *config = op_config(op);
    struct score_scratch *scratch = op_memory(op, sizeof(*scratch));
    uint32_t limit = (uint32_t)config->candidates;

    op_set_scratch(op, scratch);
    fuse_init(&scratch->fuse, limit, op_memory(op, fuse_size(limit)));
    decay_init(&scratch->decay);
    find_input(op, scratch);
    find_tables(op, scratch);
    return request_open(op, &scratch->request, &config->request, err);
}

static void score_close(struct op *op)
{
    struct score_scratch *scratch = op_scratch(op);

    if (scratch)
        request_close(&scratch->request);
}

/* ---- candidates ---- */

/* Reads what `popularity` says of items for which that was not done in this batch. What has no row
 * there is never offered: there is no name for it. */
static void ask(struct op *op, struct score_scratch *scratch, const uint32_t *items, uint32_t count)
{
    struct fuse *fuse = &scratch->fuse;
    const struct table_row *rows[FUSE_PIECE];
    uint64_t hashes[FUSE_PIECE];
    uint32_t wanted[FUSE_PIECE], n = 0;

    CHECK(count <= FUSE_PIECE);
    for (uint32_t i = 0; i < count; i++) {
        if (fuse->items[items[i]].asked)
            continue;
        fuse->items[items[i]].asked = true;
        hashes[n] = fuse->facts[items[i]].id;
        wanted[n++] = items[i];
    }
    if (n == 0)
        return;
    op_table_find_many(op, POPULARITY, hashes, n, rows);
    for (uint32_t i = 0; i < n; i++) {
        if (!rows[i])
            continue;
        fuse->items[wanted[i]].row = rows[i];
        fuse->items[wanted[i]].count = (double)table_row_i64(rows[i], scratch->popular_count);
        fuse->facts[wanted[i]].decayed = table_row_f64(rows[i], scratch->decayed);
        fuse->facts[wanted[i]].hour = table_row_i64(rows[i], scratch->hour);
    }
}

static void meet(struct score_scratch *scratch, const uint32_t *items, uint32_t count)
{
    struct fuse *fuse = &scratch->fuse;

    for (uint32_t i = 0; i < count; i++)
        if (fuse_meet(fuse, items[i]))
            fuse->items[items[i]].popular =
                decay_read(&scratch->decay, fuse->facts[items[i]].decayed,
                           fuse->facts[items[i]].hour, scratch->now_hour);
}

static void gather_popular(struct op *op, struct score_scratch *scratch)
{
    const struct score_config *config = op_config(op);
    uint64_t ids[FUSE_POPULAR_MAX];
    uint32_t items[FUSE_POPULAR_MAX], count;
    const struct table_row *const *top = op_table_top(op, POPULARITY, &count);

    count = count < (uint32_t)config->popular ? count : (uint32_t)config->popular;
    for (uint32_t i = 0; i < count; i++)
        ids[i] = table_row_key(top[i]).hash;
    fuse_know(&scratch->fuse, ids, count, items);
    ask(op, scratch, items, count);
    meet(scratch, items, count);
}

/* The user's latest items, and the rows of those whose line is not made yet. */
static void gather_recent(struct op *op, struct score_scratch *scratch, const struct batch *in,
                          uint32_t row)
{
    const struct score_config *config = op_config(op);
    struct fuse *fuse = &scratch->fuse;
    const struct column *history = batch_column(in, scratch->history);
    const int64_t *items = batch_column(history->child, scratch->history_item)->values;
    uint32_t begin = (uint32_t)history->offsets[row], wanted[FUSE_RECENT_MAX], n = 0;
    uint32_t count = (uint32_t)history->offsets[row + 1] - begin;
    const struct table_row *rows[FUSE_RECENT_MAX];
    uint64_t hashes[FUSE_RECENT_MAX];

    count = count < (uint32_t)config->recent ? count : (uint32_t)config->recent;
    scratch->recent_count = count;
    fuse_know(fuse, (const uint64_t *)items + begin, count, scratch->recent);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t key[KEY_SIZE_MAX];
        scratch->rows[i] = NULL;
        if (fuse->facts[scratch->recent[i]].line != FUSE_ASK_LINE)
            continue;
        hashes[n] = hash_bytes(key, key_from_i64(items[begin + i], key));
        wanted[n++] = i;
    }
    if (n == 0)
        return;
    op_table_find_many(op, NEIGHBOURS, hashes, n, rows);
    for (uint32_t i = 0; i < n; i++)
        scratch->rows[wanted[i]] = rows[i];
}

/* Entries [at, at + line->entries) of a row. */
static void fill_line(struct op *op, struct score_scratch *scratch, const struct table_row *row,
                      uint32_t at, struct fuse_line *line)
{
    struct fuse *fuse = &scratch->fuse;
    const struct covisits *covisits = &scratch->covisits;
    uint32_t list = covisits->entries, begin = line->begin;
    const int64_t *others = table_row_list_i64(row, list, covisits->other) + at;
    const int64_t *together = table_row_list_i64(row, list, covisits->together) + at;
    const int64_t *forward = table_row_list_i64(row, list, covisits->entry_forward) + at;
    const int64_t *backward = table_row_list_i64(row, list, covisits->entry_backward) + at;

    line->count = (double)table_row_i64(row, covisits->count);
    line->forward = (double)(table_row_i64(row, covisits->forward) + 5 * 65536);
    line->backward = (double)(table_row_i64(row, covisits->backward) + 5 * 65536);
    fuse_know(fuse, (const uint64_t *)others, line->entries, fuse->entry_items + begin);
    for (uint32_t i = 0; i < line->entries; i += FUSE_PIECE)
        ask(op, scratch, fuse->entry_items + begin + i,
            line->entries - i < FUSE_PIECE ? line->entries - i : FUSE_PIECE);
    for (uint32_t i = 0; i < line->entries; i++) {
        fuse->entry_together[begin + i] = (double)together[i];
        fuse->entry_forward[begin + i] = (double)forward[i];
        fuse->entry_backward[begin + i] = (double)backward[i];
    }
    fuse_line_filled(fuse, line);
}

static void add_line(struct score_scratch *scratch, const struct fuse_line *line, uint32_t distance)
{
    meet(scratch, scratch->fuse.entry_items + line->begin, line->entries);
    fuse_add(&scratch->fuse, line, distance);
}

/* A row that is not kept as a line. */
static void add_pieces(struct op *op, struct score_scratch *scratch, const struct table_row *row,
                       uint32_t distance)
{
    uint32_t entries = table_row_list(row, scratch->covisits.entries);
    struct fuse_line piece;

    for (uint32_t at = 0; at < entries; at += FUSE_PIECE) {
        fuse_piece(&piece, entries - at < FUSE_PIECE ? entries - at : FUSE_PIECE);
        fill_line(op, scratch, row, at, &piece);
        add_line(scratch, &piece, distance);
    }
}

static void add_recent(struct op *op, struct score_scratch *scratch, uint32_t distance)
{
    struct fuse *fuse = &scratch->fuse;
    const struct table_row *row = scratch->rows[distance];
    uint32_t *place = &fuse->facts[scratch->recent[distance]].line;
    struct fuse_line *line;

    if (*place == FUSE_ASK_LINE && !row)
        *place = FUSE_NO_LINE;
    if (*place == FUSE_NO_LINE)
        return;
    if (*place == FUSE_ASK_LINE) {
        line = fuse_line(fuse, table_row_list(row, scratch->covisits.entries));
        if (!line) {
            add_pieces(op, scratch, row, distance);
            return;
        }
        *place = (uint32_t)(line - fuse->lines);
        fill_line(op, scratch, row, 0, line);
    }
    add_line(scratch, &fuse->lines[*place], distance);
}

static void gather(struct op *op, struct score_scratch *scratch, const struct batch *in,
                   uint32_t row)
{
    scratch->now_hour = decay_hour(batch_time(in)[row]);
    gather_recent(op, scratch, in, row);
    gather_popular(op, scratch);
    for (uint32_t i = 0; i < scratch->recent_count; i++)
        add_recent(op, scratch, i);
}

/* ---- rows ---- */

static void put_items(struct builder *out, uint32_t column, const struct fuse *fuse, uint32_t count)
{
    struct builder *list = builder_list(out, column);

    for (uint32_t i = 0; i < count; i++) {
        const struct fuse_ranked *ranked = &fuse->ranked[i];
        struct key key = table_row_key(fuse->items[ranked->item].row);
        request_item(list, &key, ranked->score);
    }
    builder_list_end(out, column);
}

static void answer(struct op *op, const struct batch *in, uint32_t row, const struct own *own,
                   struct builder *out)
{
    const struct score_config *config = op_config(op);
    struct score_scratch *scratch = op_scratch(op);
    uint32_t column, count;

    fuse_begin(&scratch->fuse, own->items, own->count);
    gather(op, scratch, in, row);
    count = fuse_rank(&scratch->fuse, &config->weights, (uint32_t)config->top);
    column = request_begin(op, &scratch->request, in, row, out);
    put_items(out, column++, &scratch->fuse, count);
    request_version(op, out, column++, NEIGHBOURS);
    request_version(op, out, column, POPULARITY);
}

/* Whether the user may ask again; if so, this is the last time that it did. */
static bool may_ask(struct own *own, int64_t interval_ms, int64_t time_ms)
{
    if (own->requested && interval_ms > 0 && time_ms - own->requested_ms < interval_ms)
        return false;
    own->requested = 1;
    own->requested_ms = time_ms;
    return true;
}

static void learn(struct op *op, uint32_t row, uint64_t item)
{
    struct own *own = op_cells(op, OWN)[row];
    uint32_t room = (op_cell_size(op, OWN, row) - (uint32_t)sizeof(*own)) / 8;

    for (uint32_t i = 0; i < own->count; i++)
        if (own->items[i] == item)
            return;
    if (own->count == FUSE_OWN_MAX) { /* the oldest quarter may be offered again */
        own->count -= FUSE_OWN_MAX / 4;
        memmove(own->items, own->items + FUSE_OWN_MAX / 4, own->count * sizeof(own->items[0]));
    }
    if (own->count >= room) {
        room = room + room / 2 + 4 < FUSE_OWN_MAX ? room + room / 2 + 4 : FUSE_OWN_MAX;
        own = op_cell_resize(op, OWN, row, (uint32_t)(sizeof(*own) + room * sizeof(own->items[0])));
        CHECK(own);
    }
    own->items[own->count++] = item;
}

static bool score_process(struct op *op, uint32_t port, const struct batch *in, struct error *err)
{
    const struct score_config *config = op_config(op);
    struct score_scratch *scratch = op_scratch(op);
    const struct column *item = batch_column(in, scratch->item);
    const int64_t *times = batch_time(in);
    uint32_t rows = batch_rows(in), next = 0, asking, answered = 0;
    struct builder *out = op_reserve(op, OUT, 0);

    (void)port;
    (void)err; /* cannot fail */
    CHECK(rows <= BATCH_ROWS_MAX);
    fuse_forget(&scratch->fuse);
    key_ids(item, rows, scratch->ids);
    asking = widen_choose(scratch->request.when, in, scratch->asking);
    for (uint32_t row = 0; row < rows; row++) {
        struct own *own = op_cells(op, OWN)[row];
        if (next < asking && scratch->asking[next] == row) {
            next++;
            if (may_ask(own, config->request.interval_ms, times[row])) {
                answer(op, in, row, own, out);
                answered++;
            }
        }
        if (column_valid(item, row))
            learn(op, row, scratch->ids[row]);
    }
    op_count(op, REQUESTS, answered);
    op_count(op, HELD_BACK, asking - answered);
    return true;
}

const struct operator_def score = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "score",
    .help = "Recommends items to the user of an event: gathers candidates and fuses their scores.",
    .config_size = sizeof(struct score_config),
    .options = score_options,
    .inputs = score_in,
    .outputs = score_out,
    .states = score_states,
    .tables = score_tables,
    .counters = score_counters,
    .order = ORDER_EVENT_TIME,
    .deterministic = true,
    .describe = score_describe,
    .open = score_open,
    .process = score_process,
    .close = score_close,
};
OPERATOR_REGISTER(score);
