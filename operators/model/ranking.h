/* ranking: what learn/ranking and score/ranking have alike: which events ask, what a row tells of its
 * user, the candidates and the list. What is known of items and how they are weighed is learnt there
 * and read from tables here. */
#ifndef MILLRACE_MODEL_RANKING_H
#define MILLRACE_MODEL_RANKING_H

#include "operators/model/ranking_lines.h"
#include "operators/model/request.h"
#include "operators/model/reranker.h"

#define RANKING_TOP_MAX 1000

struct ranking_asks { /* their options alike */
    const char *user, *item;
    struct text_list carry;
    struct request_config request;
    int64_t recent, visit_ms, candidates, trending, top;
};

#define RANKING_NUMBER(config, option, field, value, least, most, about)                           \
    {                                                                                              \
        .name = option, .type = OPT_I64, FIELD(config, field), .def.i64 = (value),                 \
        .min.i64 = (least), .max.i64 = (most), .help = (about)                                     \
    }
/* Rows of the option table of a config with `struct ranking_asks asks`. */
#define RANKING_OPTIONS(config)                                                                    \
    {.name = "user",                                                                               \
     .type = OPT_FIELD,                                                                            \
     FIELD(config, asks.user),                                                                     \
     .def.text = "user",                                                                           \
     .help = "The column with the user."},                                                         \
        {.name = "item",                                                                           \
         .type = OPT_FIELD,                                                                        \
         FIELD(config, asks.item),                                                                 \
         .def.text = "item",                                                                       \
         .help = "The column with the item that the event is about."},                             \
        {.name = "carry",                                                                          \
         .type = OPT_FIELDS,                                                                       \
         FIELD(config, asks.carry),                                                                \
         .help = "More columns of the event that the recommendation carries."},                    \
        {.name = "request",                                                                        \
         .type = OPT_GROUP,                                                                        \
         FIELD(config, asks.request),                                                              \
         .group = request_options,                                                                 \
         .help = "Which events ask."},                                                             \
        RANKING_NUMBER(config, "recent", asks.recent, RANKER_HISTORY_MAX, 1, RANKER_HISTORY_MAX,   \
                       "Latest items of the user that speak; the profile carries no more than "    \
                       "its own `recent`."),                                                       \
        {.name = "visit",                                                                          \
         .type = OPT_DURATION,                                                                     \
         FIELD(config, asks.visit_ms),                                                             \
         .def.i64 = 10 * MINUTE_MS,                                                                \
         .max.i64 = DAY_MS,                                                                        \
         .help = "What the user met so short a time ago belongs to the present visit."},           \
        RANKING_NUMBER(config, "candidates", asks.candidates, 2048, 1, 65536,                      \
                       "All items are candidates while they are no more than this; then so many "  \
                       "of the latest events and of the neighbours of the user's latest items."),  \
        RANKING_NUMBER(config, "trending", asks.trending, 1000, 0, 65536,                          \
                       "Latest events, of all users, whose items are candidates in any case."),    \
        RANKING_NUMBER(config, "top", asks.top, 200, 1, RANKING_TOP_MAX,                           \
                       "Items of a recommendation.")

#define RANKING_COLUMNS                                                                            \
    {                                                                                              \
        {"history", TYPE_LIST},                                                                    \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

/* While planning: the input (port 0) and the table of neighbours are such ones. */
bool ranking_check(struct describe *describe, const struct ranking_asks *asks, uint32_t neighbours,
                   struct error *err);

/* ---- an instance ---- */

struct ranking_listed {
    uint32_t item;
    double score;
};
/* Writes the list (request_item): who learns or reads knows the items' names. False: state could not be
 * read; the engine fails the subtask after the call. */
typedef bool ranking_put(struct op *op, const struct ranking_listed *listed, uint32_t count,
                         struct builder *list);

struct ranking {
    struct op *op;
    const struct ranking_asks *asks;
    ranking_put *put;
    uint32_t tables; /* whose versions the answer tells, from 0 */
    struct ranker ranker;
    struct catalogue catalogue;
    struct lines lines;
    struct reranker *reranker; /* NULL: none */
    struct request request;
    uint32_t user, item, history, history_item, history_time; /* columns; of a history entry */
    struct ranker_ranked best[RANKING_TOP_MAX];
    struct ranking_listed listed[RANKING_TOP_MAX];
    /* of the present batch */
    uint64_t users[BATCH_ROWS_MAX], ids[BATCH_ROWS_MAX];
    bool asks_row[BATCH_ROWS_MAX];
    /* of the present event */
    uint32_t recent[RANKER_HISTORY_MAX], recent_count, visit_count;
    int64_t times_ms[RANKER_HISTORY_MAX];
    int64_t gap_ms;
};

/* In open, `ranking` zeroed. `limits`: candidates as asked. */
bool ranking_open(struct ranking *ranking, struct op *op, const struct ranking_asks *asks,
                  const struct ranker_limits *limits, bool repeats, uint32_t neighbours,
                  struct error *err);
void ranking_close(struct ranking *ranking);

/* A new batch: its users, items, and which rows ask. */
void ranking_batch(struct ranking *ranking, const struct batch *in);
/* A new row: what its user met lately, of what is known. */
void ranking_row(struct ranking *ranking, const struct batch *in, uint32_t row);
/* Begins its list, `own` left out; `now`: event number. */
void ranking_begin(struct ranking *ranking, const uint32_t *own, uint32_t own_count, uint32_t now);
/* Candidates, in this order: all items where they are no more than `candidates` (false: they are), or what
 * trends and what the user met last; then what the table of neighbours says. */
bool ranking_offer_items(struct ranking *ranking);
void ranking_offer_recent(struct ranking *ranking);
void ranking_offer_lines(struct ranking *ranking);
void ranking_rate(struct ranking *ranking);
/* The answer to the row. False as of ranking_put. */
bool ranking_answer(struct ranking *ranking, const struct batch *in, uint32_t row,
                    struct builder *out);

#endif
