/* expr: a typed expression language over a schema, compiled to column kernels.
 *
 *   literals    1  2.5  'text'  true  false  null
 *   columns     rating   `odd name`   context.hour (a name with dots)
 *   arithmetic  + - * / %          integers stay i64 (/ gives f64); + joins text
 *   comparison  = == != <> < <= > >=   x in (1, 2)   x between 1 and 5   x like 'ab%'
 *   boolean     and or not         three-valued, as in SQL
 *   null        x is null   x is not null   coalesce(x, 0)   nullif(x, -1)
 *   choice      case when c then a else b end    if(c, a, b)
 *   numbers     abs floor ceil round sqrt ln exp log10 pow min max
 *   text        lower upper length trim substr(x, from, count) contains starts_with ends_with concat
 *   time        year month day hour minute second weekday day_of_year (UTC), date_trunc('hour', t),
 *               event_time (the row's), hour(event_time), epoch_ms(t), timestamp '2020-01-01T00:00:00Z'
 *   casts       cast(x as i64)
 *
 * Deterministic: no clock, no draws. Division by zero and failed casts give null. */
#ifndef MILLRACE_BATCH_EXPR_H
#define MILLRACE_BATCH_EXPR_H

#include "runtime/base/error.h"
#include "runtime/batch/batch.h"

struct expr;

/* NULL with `err->what` saying what, at which column of the text, and the nearest known name.
 * `schema` is borrowed only during the call. */
struct expr *expr_compile(const char *text, const struct schema *schema, struct error *err);
void expr_close(struct expr *expr); /* NULL is fine */
enum type expr_type(const struct expr *expr);

/* The value for each physical row of `batch` (unselected rows hold anything). One reference. */
struct column *expr_eval(struct expr *expr, const struct batch *batch);
/* For TYPE_BOOL: the selected rows where it is true (not null) into `rows` (batch->selected
 * places); returns how many. */
uint32_t expr_filter(struct expr *expr, const struct batch *batch, uint32_t *rows);

#endif
