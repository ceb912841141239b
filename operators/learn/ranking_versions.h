/* ranking_versions: what learn/ranking has learnt, as tables that change at the ends of windows
 * (operators/model/ranking_tables.h): rows of the items that changed, and the model's. */
#ifndef MILLRACE_LEARN_RANKING_VERSIONS_H
#define MILLRACE_LEARN_RANKING_VERSIONS_H

#include "operators/learn/ranking_memory.h"
#include "operators/model/ranking_tables.h"

struct versions {
    struct op *op;
    struct memory *memory;
    uint32_t items, model; /* ports */
    uint32_t told;         /* of the window's items, between two calls for one watermark */
    struct tables_items item_columns;
    struct tables_model model_columns;
};

/* In open. */
void versions_open(struct versions *versions, struct op *op, struct memory *memory, uint32_t items,
                   uint32_t model);
/* In process: the rows of the batch are of one window, which the engine has cut it for. */
void versions_begin(struct versions *versions, int64_t window_ms, const struct batch *in);
/* In on_watermark: tells the window that has ended. False: there is more (op_again). */
bool versions_tell(struct versions *versions, int64_t time_ms);

#endif
