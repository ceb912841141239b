/* ranking: see ranking.h. */
#include "operators/model/ranking.h"

#include "operators/model/widen.h"

#include <string.h>

/* ---- planning ---- */

bool ranking_check(struct describe *describe, const struct ranking_asks *asks, uint32_t neighbours,
                   struct error *err)
{
    const struct schema *in = describe_input(describe, 0);
    const struct schema *table = describe_table(describe, neighbours);
    const struct field *history = &in->fields[schema_find(in, "history")];
    const struct field *entries = &table->fields[schema_find(table, "entries")];
    const struct field *item = &in->fields[schema_find(in, asks->item)];
    const struct field *user = &in->fields[schema_find(in, asks->user)];

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

/* ---- an instance ---- */

static void find_columns(struct ranking *ranking)
{
    const struct schema *in = op_input_schema(ranking->op, 0);
    const struct schema *met;

    ranking->user = schema_find(in, ranking->asks->user);
    ranking->item = schema_find(in, ranking->asks->item);
    ranking->history = schema_find(in, "history");
    met = in->fields[ranking->history].child;
    ranking->history_item = schema_find(met, "item");
    ranking->history_time = schema_find(met, "time");
}

bool ranking_open(struct ranking *ranking, struct op *op, const struct ranking_asks *asks,
                  const struct ranker_limits *limits, bool repeats, uint32_t neighbours,
                  struct error *err)
{
    struct ranker_limits fitting = *limits;

    if (fitting.candidates > fitting.items)
        fitting.candidates = fitting.items;
    ranking->op = op;
    ranking->asks = asks;
    ranker_init(&ranking->ranker, &fitting, repeats, op_memory(op, ranker_size(&fitting)));
    catalogue_init(&ranking->catalogue, op, fitting.items);
    lines_init(&ranking->lines, op, &ranking->catalogue, neighbours);
    find_columns(ranking);
    return request_open(op, &ranking->request, &asks->request, err);
}

void ranking_close(struct ranking *ranking)
{
    request_close(&ranking->request);
}

/* ---- rows ---- */

void ranking_batch(struct ranking *ranking, const struct batch *in)
{
    uint32_t rows = batch_rows(in), asking[BATCH_ROWS_MAX], count;

    CHECK(rows <= BATCH_ROWS_MAX);
    key_ids(batch_column(in, ranking->user), rows, ranking->users);
    key_ids(batch_column(in, ranking->item), rows, ranking->ids);
    count = widen_choose(ranking->request.when, in, asking);
    memset(ranking->asks_row, 0, rows * sizeof(ranking->asks_row[0]));
    for (uint32_t i = 0; i < count; i++)
        ranking->asks_row[asking[i]] = true;
}

void ranking_row(struct ranking *ranking, const struct batch *in, uint32_t row)
{
    const struct ranking_asks *asks = ranking->asks;
    const struct column *history = batch_column(in, ranking->history);
    const int64_t *items = batch_column(history->child, ranking->history_item)->values;
    const int64_t *times = batch_column(history->child, ranking->history_time)->values;
    uint32_t begin = (uint32_t)history->offsets[row], end = (uint32_t)history->offsets[row + 1];

    ranking->gap_ms = begin < end ? batch_time(in)[row] - times[begin] : -1;
    ranking->recent_count = ranking->visit_count = 0;
    for (uint32_t i = begin; i < end && ranking->recent_count < (uint32_t)asks->recent; i++) {
        uint32_t item = catalogue_find(&ranking->catalogue, (uint64_t)items[i]);

        if (item == CATALOGUE_NONE)
            continue;
        ranking->times_ms[ranking->recent_count] = times[i];
        ranking->recent[ranking->recent_count++] = item;
        if (batch_time(in)[row] - times[i] <= asks->visit_ms)
            ranking->visit_count = ranking->recent_count;
    }
}

/* ---- the list ---- */

void ranking_begin(struct ranking *ranking, const uint32_t *own, uint32_t own_count, uint32_t now)
{
    struct ranker_request request = {.own = own,
                                     .own_count = own_count,
                                     .history = ranking->recent,
                                     .times_ms = ranking->times_ms,
                                     .history_count = ranking->recent_count,
                                     .visit_count = ranking->visit_count,
                                     .now = now,
                                     .gap_ms = ranking->gap_ms};

    ranker_begin(&ranking->ranker, &request);
}

bool ranking_offer_items(struct ranking *ranking)
{
    struct ranker *ranker = &ranking->ranker;
    uint32_t items = ranker->items.count;

    if (items > ranker->candidates_max)
        return true;
    for (uint32_t item = 0; item < items; item++)
        if (ranking->catalogue.ids[item])
            ranker_meet(ranker, item);
    return false;
}

void ranking_offer_recent(struct ranking *ranking)
{
    for (uint32_t b = 0; b < ranking->recent_count; b++)
        ranker_meet(&ranking->ranker, ranking->recent[b]);
}

void ranking_offer_lines(struct ranking *ranking)
{
    struct ranker_line line;

    for (uint32_t b = 0; b < ranking->recent_count; b++)
        if (lines_find(&ranking->lines, ranking->recent[b], &line))
            ranker_add(&ranking->ranker, &line, b);
}

void ranking_rate(struct ranking *ranking)
{
    ranker_rate(&ranking->ranker);
    if (ranking->reranker)
        reranker_rate(ranking->reranker, &ranking->ranker);
}

static bool put_items(struct ranking *ranking, struct builder *out, uint32_t column)
{
    const struct ranker *ranker = &ranking->ranker;
    uint32_t count = ranker_best(ranker, (uint32_t)ranking->asks->top, ranking->best);
    double mass = count > 0 ? (double)ranker_mass(ranker) : 0;
    struct builder *list = builder_list(out, column);

    for (uint32_t i = 0; i < count; i++)
        ranking->listed[i] = (struct ranking_listed){ranker->candidates[ranking->best[i].place],
                                                     (double)ranking->best[i].score - mass};
    if (!ranking->put(ranking->op, ranking->listed, count, list))
        return false;
    builder_list_end(out, column);
    return true;
}

bool ranking_answer(struct ranking *ranking, const struct batch *in, uint32_t row,
                    struct builder *out)
{
    uint32_t column = request_begin(ranking->op, &ranking->request, in, row, out);

    if (!put_items(ranking, out, column++))
        return false;
    for (uint32_t table = 0; table < ranking->tables; table++)
        request_version(ranking->op, out, column++, table);
    return true;
}
