/* impressions: rows of shown items, made by column: those of the request and of the item are gathered
 * for a whole batch, what is new is built. */
#ifndef MILLRACE_GENERATOR_IMPRESSIONS_H
#define MILLRACE_GENERATOR_IMPRESSIONS_H

#include "operators/generator/event.h"

/* The list of a schema that has it. */
const struct schema *impressions_items(const struct schema *in);

/* Sets the output. */
bool impressions_describe(struct describe *describe, const struct schema *in, struct error *err);

struct impressions_source { /* columns that are copied */
    uint32_t count, from[COLUMNS_MAX], to[COLUMNS_MAX];
};

enum { /* columns that are added, in this order, where they are not there already */
       ADDED_POSITION,
       ADDED_PROPENSITY,
       ADDED_PROPENSITY_EXPLORE,
       ADDED_POLICY,
       ADDED_EXPLORE,
       ADDED_CANDIDATES,
       ADDED_LIST_LEN, /* the last one of an open loop */
       ADDED_VARIANT,
       ADDED_BITRATE,
       ADDED_PREFETCHED,
       ADDED,
};

struct impressions {
    uint32_t items;                       /* column of the input */
    struct impressions_source rows, list; /* of the row, of its items */
    uint32_t added[ADDED], to[ADDED];     /* of the builder; FIELD_NONE: nobody reads it */
    uint32_t columns;                     /* of the output */
    struct arena *arena;
    struct builder *builder; /* of what is added */
    /* Those that have not left: the row and the item of each. */
    uint32_t waiting, wait_rows[BATCH_ROWS_MAX], wait_items[BATCH_ROWS_MAX];
};
void impressions_open(struct op *op, struct impressions *impressions);
void impressions_close(struct impressions *impressions); /* also when not opened */

/* What an open loop knows of its list. */
struct impressions_list {
    const char *policy;
    double propensity, propensity_explore; /* of this item */
    bool explore;
    uint32_t candidates, length;
};
void impressions_put(struct op *op, struct impressions *impressions, const struct event *event,
                     const struct impressions_list *list, uint32_t item);
/* Sends those that wait: before the input is let go. */
void impressions_send(struct op *op, struct impressions *impressions, const struct batch *in);

#endif
