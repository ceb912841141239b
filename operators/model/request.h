/* request: what operators that answer requests from events (score, learn/ranking) have alike: which
 * events ask, and the row of an answer: the user, the item that the event was about, the columns of
 * `carry`, event_time, rec_id (a hash of job and origin), items (item, score, reasons.base) and the
 * versions of the tables that were used. Input and output are 0. score/mf, which widens its input,
 * has the lists and rec_id alike. */
#ifndef MILLRACE_MODEL_REQUEST_H
#define MILLRACE_MODEL_REQUEST_H

#include "runtime/api/operator.h"

struct request_config { /* the option `request` */
    const char *when;   /* NULL: all events ask */
    int64_t interval_ms;
};

extern const struct option request_options[];

/* Sets the output. `versions`: names of their columns; ends with NULL. */
bool request_describe(struct describe *describe, const struct request_config *config,
                      const char *user, const char *item, const struct text_list *carry,
                      const char *const *versions, struct error *err);

/* The columns of `items`. */
struct schema *request_list(struct arena *arena, enum type item);

/* ---- an instance ---- */

struct expr;
struct request { /* zeroed before it is opened */
    struct expr *when;
    uint32_t copied_count; /* columns of the input that begin the output */
    uint32_t copied[COLUMNS_MAX];
};

bool request_open(struct op *op, struct request *request, const struct request_config *config,
                  struct error *err);
void request_close(struct request *request);

/* Begins the answer to a row, up to the column of its items, which is returned. */
uint32_t request_begin(struct op *op, const struct request *request, const struct batch *in,
                       uint32_t row, struct builder *out);
void request_id(struct op *op, struct builder *out, uint32_t column, const struct batch *in,
                uint32_t row);
/* Adds an item to builder_list of the column of items. */
void request_item(struct builder *list, const struct key *key, double score);
/* Null where there is no version yet, and with `lookup: latest`. */
void request_version(struct op *op, struct builder *out, uint32_t column, uint32_t table);

#endif
