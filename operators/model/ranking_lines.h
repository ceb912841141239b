/* ranking_lines: rows of feature/covisitation as arrays of item numbers, kept while they are the
 * newest. What is kept follows from the table alone. */
#ifndef MILLRACE_MODEL_RANKING_LINES_H
#define MILLRACE_MODEL_RANKING_LINES_H

#include "operators/model/catalogue.h"
#include "operators/model/covisits.h"
#include "operators/model/ranker.h"

#define LINES_SLOTS 2048u /* an item's line stands at its number modulo this */
#define LINES_ENTRIES RANKER_ENTRIES_MAX
#define LINES_WORDS (5u * LINES_ENTRIES) /* of 4 bytes: all arrays of a slot */

struct lines_slot {
    uint32_t item; /* + 1 */
    uint32_t entries;
    bool passing;             /* some entries are unknown as yet: to be read again */
    int64_t checked, version; /* of the table, of the row; INT64_MIN: there is no row */
    float count, forward, backward, direct;
    uint32_t *items; /* LINES_WORDS; the others stand behind them */
    float *together, *forwards, *backwards, *directs;
};

struct lines {
    struct op *op;
    const struct catalogue *catalogue;
    uint32_t table;
    struct covisits columns;
    struct lines_slot slots[LINES_SLOTS];
};

/* In open. */
void lines_init(struct lines *lines, struct op *op, const struct catalogue *catalogue,
                uint32_t table);
/* What the table says of an item, at the version of the present batch. False: nothing. */
bool lines_find(struct lines *lines, uint32_t item, struct ranker_line *line);

#endif
