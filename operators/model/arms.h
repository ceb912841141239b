/* arms: what operators of rankers that are compared (evaluate/rank, adjust/bandit, learn/bandit) have alike.
 * An arm is an expression over the items' columns, such as "reasons.base + reasons.time": what it is worth
 * to show the item, largest first. It may name an earlier arm, unless a column has that name. */
#ifndef MILLRACE_MODEL_ARMS_H
#define MILLRACE_MODEL_ARMS_H

#include "operators/model/list.h"

#define ARMS_MAX 32u
#define ARMS_NAME_MAX 40u /* bytes of an arm's name */

struct expr;
struct arms {
    uint32_t count;
    struct expr *values[ARMS_MAX];
    bool named[ARMS_MAX]; /* later ones may name it */
};

/* The option `arms`: `least` to `most` of them, each with a number for an item. */
bool arms_check(struct describe *describe, const struct option_map *arms,
                const struct schema *items, uint32_t least, uint32_t most, struct error *err);
/* The option `context`: few enough columns of input 0, of numbers and bools. */
bool arms_check_context(struct describe *describe, const struct text_list *columns,
                        struct error *err);

/* Of what arms_check has let pass. */
void arms_open(struct arms *arms, const struct option_map *from, const struct schema *items);
void arms_close(struct arms *arms);

/* The items with the event time of their request, for expressions that ask for it. */
struct batch *arms_items(const struct list_layout *layout, const struct batch *in);
/* What an arm gives for each of these items (one reference), which then have it as a column for later
 * arms: to be asked in order. */
struct column *arms_value(const struct arms *arms, uint32_t arm, struct batch **items);

#endif
