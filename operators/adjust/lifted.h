/* lifted: an adjust operator whose terms are lifts: it names its factors (model/factor.h), and reads
 * a table of feature/lift for each. The whole of adjust/place.c is such a one; copy it for a factor of
 * your own. */
#ifndef MILLRACE_ADJUST_LIFTED_H
#define MILLRACE_ADJUST_LIFTED_H

#include "operators/model/factor.h"
#include "operators/model/list.h"

struct lifted_config {
    const char *class;
    double cap, strength, prior;
    bool served;
    int64_t top;
    struct text_list names; /* these three of the first factor */
    int64_t levels, parents;
};

#define LIFTED_CLASSES_MAX 1000 /* that the prior is estimated from */

extern const struct option lifted_options[];
extern const struct port lifted_in[], lifted_out[];
/* For the manual of an operator whose tables have other names than its factors. */
void lifted_manual(const struct factor *factor, struct bytes *out);
extern const struct column_def lifted_columns[]; /* of a table of feature/lift */

/* Table k of the definition is the evidence of factors[k], and has its name. */
bool lifted_describe(struct describe *describe, const struct factor *const *factors, uint32_t count,
                     struct error *err);
bool lifted_open(struct op *op, const struct factor *const *factors, uint32_t count,
                 struct error *err);
bool lifted_process(struct op *op, uint32_t port, const struct batch *in, struct error *err);

/* For operators with options of their own. */
struct lifted;
struct lifted *lifted_create(struct op *op, const struct lifted_config *config,
                             const struct factor *const *factors, uint32_t count);
bool lifted_check(struct describe *describe, const struct lifted_config *config,
                  const struct factor *const *factors, uint32_t count, struct error *err);
bool lifted_adjust(struct op *op, struct lifted *lifted, const struct batch *in, struct error *err);

#define LIFTED_TABLE(name, help)                                                                   \
    {                                                                                              \
        name, help, .optional = true, .columns = lifted_columns, .rank_by = "total",               \
                    .rank_limit = LIFTED_CLASSES_MAX                                               \
    }

#endif
