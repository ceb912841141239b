/* expr_naive: the expression language again, in the plainest way: a tree that is walked for each
 * row. What expr.h says is true of both; for tests and the fuzz target, which compare them. */
#ifndef MILLRACE_TESTS_EXPR_NAIVE_H
#define MILLRACE_TESTS_EXPR_NAIVE_H

#include "runtime/batch/batch.h"

struct naive;

struct naive_value {
    bool null;
    int64_t i64; /* i32, i64, timestamp, bool */
    double f64;  /* f32, f64 */
    const char *text;
    size_t size;
};

/* NULL when the text is not in the language. */
struct naive *naive_compile(const char *text, const struct schema *schema);
void naive_close(struct naive *naive); /* NULL is fine */
enum type naive_type(const struct naive *naive);
/* Holds until the next call. */
struct naive_value naive_eval(struct naive *naive, const struct batch *batch, uint32_t row);

/* How the column of a result differs from the naive one in the selected rows: writes the first
 * difference into `text` and returns false. */
bool naive_agrees(struct naive *naive, const struct batch *batch, const struct column *column,
                  char *text, size_t size);

#endif
