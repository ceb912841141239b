/* rules: what `clean` does to each row by itself, as columns: casts, ranges, derived columns and
 * the filter, in this order. Pure. One owner, one thread; nothing is kept between batches. */
#ifndef MILLRACE_CLEAN_RULES_H
#define MILLRACE_CLEAN_RULES_H

#include "runtime/base/option.h"
#include "runtime/batch/batch.h"

struct rules_options {
    const struct option_map *types;  /* field -> type */
    const struct option_map *ranges; /* field -> {min, max, in, required} */
    const struct option_map *derive; /* name -> expression */
    const char *filter;              /* expression, or NULL */
    const struct text_list *key;     /* of the input's rows: must not be derived anew */
};

/* A mistake in the options: `option` is the path, such as `ranges.rating.min`. */
typedef void rules_fault(void *context, const char *option, const struct error *err);

struct rules;
/* NULL after all mistakes have been told. The options must outlive the rules. */
struct rules *rules_create(const struct rules_options *options, const struct schema *in,
                           rules_fault *fault, void *context);
void rules_close(struct rules *rules); /* NULL is fine */
/* The columns that leave: those of the input, cast and derived, without the records' bytes. */
const struct schema *rules_schema(const struct rules *rules);
/* The columns after the casts: what rules_derive and who comes before it gets. */
const struct schema *rules_cast_schema(const struct rules *rules);
/* Whether any rule or the filter looks at this column of the input. */
bool rules_read(const struct rules *rules, uint32_t column);

/* What became of the selected rows of a batch. */
struct rules_result {
    struct batch
        *batch;     /* with the columns of rules_schema and all rows; the caller's to release */
    uint32_t count; /* rows that pass, ascending */
    uint32_t rows[BATCH_ROWS_MAX];
    uint32_t filtered;
    uint32_t rejected_count; /* ascending by row */
    struct rules_reject {
        uint32_t row, rule;   /* the first rule that it breaks */
        double centre, score; /* of outliers */
    } rejected[BATCH_ROWS_MAX];
};
void rules_run(struct rules *rules, const struct batch *in, struct rules_result *result);
/* The same in parts, for who changes result->batch and its rows in between: casts and ranges; what
 * is derived, and the filter; the rejected rows in order. */
void rules_check(struct rules *rules, const struct batch *in, struct rules_result *result);
void rules_derive(struct rules *rules, struct rules_result *result);
void rules_sort(struct rules_result *result);

/* Why: the field, and a reason such as `is 7, above 5` (always ended). */
#define RULES_REASON_SIZE 160u
uint32_t rules_count(const struct rules *rules);
const char *rules_field(const struct rules *rules, uint32_t rule);
const char *rules_reason(const struct rules *rules, const struct batch *in, uint32_t row,
                         uint32_t rule, char *reason);
/* A value as reasons show it; `size` at least 80. */
void rules_value(const struct column *column, uint32_t row, char *text, size_t size);

#endif
