/* expr: a typed expression language over a schema, compiled to column kernels.
 *
 *   literals    1  2.5  'text'  true  false  null
 *   columns     rating   `odd name`   context.hour (a name with dots)
 *   arithmetic  + - * / %          integers stay i64 (/ gives f64); + joins text
 *   comparison  = == != <> < <= > >=   x in (1, 2)   x between 1 and 5   x like 'ab%'
 *   boolean     and or not         three-valued, as in SQL
 *   null        x is null   x is not null   coalesce(x, 0)   nullif(x, -1)
 *   choice      case when c then a ... else b end    if(c, a, b)
 *   numbers     abs floor ceil round sqrt ln exp log10 pow min max
 *   text        lower upper length trim substr(x, from, count) contains starts_with ends_with concat
 *   time        year month day hour minute second weekday day_of_year (UTC), date_trunc('hour', t),
 *               event_time (the row's), hour(event_time), epoch_ms(t), timestamp '2020-01-01T00:00:00Z'
 *   casts       cast(x as i64)
 *
 * Words and functions in any case, columns exactly; a column named as a word stands in backticks.
 * Columns of i32 and f32 count as i64 and f64: only a column alone, or a cast, gives i32 or f32.
 * i64 beside f64 becomes f64. Timestamps: minus each other in ms, + - whole ms.
 * A null operand gives null, but for and, or, is null, coalesce, choices.
 *
 * Null instead of a wrong value: integers that overflow, division by zero, floats that are not
 * finite (sqrt(-1), exp(1000)), times outside of the years 1 to 9999, casts that do not fit, texts
 * over 1 MiB. Casts of floats to integers drop the fraction; of texts, '3.0' is whole, '3.5' not.
 * NaN in a column equals nothing, is not null, and makes null of what is computed from it.
 * Texts compare by bytes; lower and upper change a to z alone; a character is a UTF-8 one.
 * In a pattern of like % is anything, _ one character, \ takes their meaning away.
 * min and max take timestamps too. weekday is 1 Monday to 7 Sunday. date_trunc: second, minute,
 * hour, day, week (from Monday), month, quarter, year.
 *
 * Deterministic: no clock, no draws; results do not depend on where batches are cut. */
#ifndef MILLRACE_BATCH_EXPR_H
#define MILLRACE_BATCH_EXPR_H

#include "runtime/base/error.h"
#include "runtime/batch/batch.h"

#define EXPR_TEXT_MAX 8192u /* bytes */
#define EXPR_DEPTH_MAX 64u  /* nested parentheses, calls, choices, minus and not */

struct expr;

/* NULL with `err->what` saying what, at which column of the text, and the nearest known name.
 * `schema` is borrowed only during the call. */
struct expr *expr_compile(const char *text, const struct schema *schema, struct error *err);
void expr_close(struct expr *expr); /* NULL is fine */
enum type expr_type(const struct expr *expr);
bool expr_reads(const struct expr *expr, uint32_t column);

/* The value for each physical row of `batch` (unselected rows hold anything). One reference. */
struct column *expr_eval(struct expr *expr, const struct batch *batch);
/* For TYPE_BOOL: the selected rows where it is true (not null) into `rows` (batch->selected
 * places); returns how many. */
uint32_t expr_filter(struct expr *expr, const struct batch *batch, uint32_t *rows);

#endif
