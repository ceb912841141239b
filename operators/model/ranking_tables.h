/* ranking_tables: what learn/ranking publishes and score/ranking serves from, as rows of two tables.
 *
 * items, by item: its number; `before`, the id (key_ids) of the one with the number before, so that a reader
 *   finds all that it does not know yet from the newest on; events, fast, slow, again (with `repeats`), first,
 *   last, stages (ranker.h); biases and the vectors `in` and `out` of each embedding, one behind the other;
 *   tags and numbers (NaN: unknown), where there are attributes
 * model, one row: events, the id of the newest item; `told`, how many changes of items were told so far, and
 *   `changes`, the numbers of the latest of these, newest last (none if they are too many), so that a reader
 *   looks up no others; stage_sums, the fusion's weights, spreads of the numbers; `rerank` and the
 *   re-ranker's weights, where there is one
 *
 * How a ranking is laid out is told by the tables' columns and their widths, so a reader has no such
 * options of its own. */
#ifndef MILLRACE_MODEL_RANKING_TABLES_H
#define MILLRACE_MODEL_RANKING_TABLES_H

#include "operators/model/ranking_attributes.h"
#include "operators/model/reranker.h"
#include "runtime/api/operator.h"

struct tables_layout {
    enum type item;
    uint32_t dims, embeddings, numbers;
    bool attributes, repeats, direct, reranked;
};

struct tables_items { /* columns; FIELD_NONE: not there */
    uint32_t item, number, before, events, fast, slow, again, first, last, stages, biases, in, out;
    uint32_t tags, numbers, window_end;
};

struct tables_model {
    uint32_t model, events, newest, told, changes, stage_sums, weights, spreads, rerank, reranker,
        window_end;
};

/* Columns by which a table of a ranking is known; tables_layout_of looks at all. */
#define TABLES_ITEMS                                                                               \
    {                                                                                              \
        {"number", TYPE_I64}, {"before", TYPE_I64},                                                \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }
#define TABLES_MODEL                                                                               \
    {                                                                                              \
        {"newest", TYPE_I64}, {"weights", TYPE_VECTOR},                                            \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/* While planning: schemas and keys of the two outputs. */
void tables_describe(struct describe *describe, uint32_t items, uint32_t model,
                     const struct tables_layout *layout);
/* The layout of two such schemas. False: they are not, or not of one ranking. */
bool tables_layout_of(const struct schema *items, const struct schema *model,
                      struct tables_layout *layout);

void tables_find_items(const struct schema *schema, struct tables_items *columns);
void tables_find_model(const struct schema *schema, struct tables_model *columns);

/* Of the present row all but item, before and window_end; of the model all but newest, told, changes
 * and window_end. */
void tables_put_item(const struct tables_items *columns, const struct ranker *ranker, uint32_t item,
                     struct builder *out);
void tables_put_model(const struct tables_model *columns, const struct ranker *ranker,
                      const struct reranker *reranker, uint64_t events, struct builder *out);
/* The same back, into a ranker of that layout. */
void tables_take_item(const struct tables_items *columns, const struct table_row *row,
                      struct ranker *ranker, uint32_t item);
void tables_take_model(const struct tables_model *columns, const struct table_row *row,
                       struct ranker *ranker, struct reranker *reranker);

#endif
