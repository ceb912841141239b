/* widen: for operators that give each row further columns. The input's columns are shared, not
 * copied. */
#ifndef MILLRACE_MODEL_WIDEN_H
#define MILLRACE_MODEL_WIDEN_H

#include "runtime/api/operator.h"

/* Sets output `out`: the columns of input 0, then the added ones. */
bool widen_describe(struct describe *describe, uint32_t out, const struct schema *added,
                    struct error *err);

/* Emits `in` with the columns of `added`, which has had a row for each of its rows. */
void widen_emit(struct op *op, uint32_t out, const struct batch *in, struct builder *added);

/* The rows to learn from, ascending, into `rows`: where `when` is true, or all when it is NULL. */
struct expr;
uint32_t widen_choose(struct expr *when, const struct batch *in, uint32_t *rows);
/* Tells when an option, such as `when`, is no condition over input 0. NULL: fine. */
bool widen_check_when(struct describe *describe, const char *option, const char *when,
                      struct error *err);

#endif
