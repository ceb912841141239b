/* arms: what operators of rankers that are compared (evaluate/rank, adjust/bandit, learn/bandit) have alike
 * in their options. */
#ifndef MILLRACE_MODEL_ARMS_H
#define MILLRACE_MODEL_ARMS_H

#include "runtime/api/operator.h"

/* An arm of the option `arms`: an expression over the items' columns that gives a number. */
bool arms_check(struct describe *describe, const struct option_entry *entry,
                const struct schema *items, struct error *err);
/* The option `context`: few enough columns of input 0, of numbers and bools. */
bool arms_check_context(struct describe *describe, const struct text_list *columns,
                        struct error *err);

#endif
