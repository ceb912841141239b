/* served: what was predicted of labelled impressions when they were served, for operators that learn
 * from them. Columns: base (or reasons.base), reasons.NAME, shadow.NAME, position, p_served. A null is a
 * term of 0. */
#ifndef MILLRACE_MODEL_SERVED_H
#define MILLRACE_MODEL_SERVED_H

#include "runtime/batch/batch.h"

#define SERVED_TERMS_MAX 32u

struct served { /* places of columns; FIELD_NONE: absent */
    uint32_t base, position, p_served;
    uint32_t own; /* reasons.NAME or shadow.NAME of the factor that is learnt */
    uint32_t reasons[SERVED_TERMS_MAX], reason_count; /* other than base */
    uint32_t shadow[SERVED_TERMS_MAX], shadow_count;
};

/* Whether a column is one that is read here. */
bool served_is(const struct field *field);
/* `factor`: NULL for none. */
void served_open(struct served *served, const struct schema *in, const char *factor);

/* The column reasons.NAME; FIELD_NONE: there is none. */
uint32_t served_term(const struct schema *in, const char *name);
/* Adds terms to `sums`. */
void served_add(const struct batch *in, const uint32_t *columns, uint32_t count, double *sums);
/* Takes one from them. */
void served_take(const struct batch *in, uint32_t column, double *sums);

/* Adds up the terms of each row. `predicted`: the logit that was served; `reasons`: of it those other
 * than the base. Either may be NULL. */
void served_logits(const struct served *served, const struct batch *in, double *predicted,
                   double *reasons);
/* All terms but the factor's own, those that were not served too. */
void served_others(const struct served *served, const struct batch *in, const double *predicted,
                   double *others);
/* The examination of the position: p_served over what was predicted, or position^-0.5; NaN where neither
 * is known. */
void served_examinations(const struct served *served, const struct batch *in,
                         const double *predicted, double *examinations);

#endif
