/* request: what operators that answer requests from events (score, learn/ranking) have alike while planning:
 * the columns that a list starts with. */
#ifndef MILLRACE_MODEL_REQUEST_H
#define MILLRACE_MODEL_REQUEST_H

#include "runtime/api/operator.h"

/* Adds the user's and the item's column and those of the option `carry`, all of input 0. */
bool request_columns(struct describe *describe, struct schema *schema, const char *user,
                     const char *item, const struct text_list *carry, struct error *err);

#endif
