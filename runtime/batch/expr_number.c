/* Kernels of arithmetic. An integer that overflows, a division by zero, and a float that is not
 * finite (of any reason, as a logarithm of -1) are null. The plain loops have a constant count and
 * no branch; the rows that go wrong are looked for only when some row has. */
#include "runtime/batch/expr_parts.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- i64 ---- */

/* Rows of which `wrong` has the sign bit. */
static uint64_t right_rows(const uint64_t *wrong, uint64_t any)
{
    uint64_t rows = ALL_ROWS;

    if (any >> 63 == 0)
        return rows;
    for (uint32_t i = 0; i < STRIP; i++)
        rows &= ~(wrong[i] >> 63 << i);
    return rows;
}

static uint64_t add(const uint64_t *a, const uint64_t *b, uint64_t *out)
{
    uint64_t wrong[STRIP], any = 0;

    for (uint32_t i = 0; i < STRIP; i++) {
        out[i] = a[i] + b[i];
        wrong[i] = (a[i] ^ out[i]) & (b[i] ^ out[i]); /* both signs differ from the sum's */
        any |= wrong[i];
    }
    return right_rows(wrong, any);
}

static uint64_t subtract(const uint64_t *a, const uint64_t *b, uint64_t *out)
{
    uint64_t wrong[STRIP], any = 0;

    for (uint32_t i = 0; i < STRIP; i++) {
        out[i] = a[i] - b[i];
        wrong[i] = (a[i] ^ b[i]) & (a[i] ^ out[i]);
        any |= wrong[i];
    }
    return right_rows(wrong, any);
}

uint64_t number_add_i64(const struct strip *strip)
{
    return add(strip->in[0], strip->in[1], strip->out);
}

uint64_t number_sub_i64(const struct strip *strip)
{
    return subtract(strip->in[0], strip->in[1], strip->out);
}

uint64_t number_neg_i64(const struct strip *strip)
{
    static const uint64_t zeros[STRIP];

    return subtract(zeros, strip->in[0], strip->out);
}

uint64_t number_mul_i64(const struct strip *strip)
{
    const int64_t *a = strip->in[0], *b = strip->in[1];
    int64_t *out = strip->out;
    uint64_t wrong = 0;

    for (uint32_t i = 0; i < STRIP; i++)
        wrong |= (uint64_t)__builtin_mul_overflow(a[i], b[i], &out[i]) << i;
    return ~wrong;
}

/* The sign is the dividend's. */
uint64_t number_mod_i64(const struct strip *strip)
{
    const int64_t *a = strip->in[0], *b = strip->in[1];
    int64_t *out = strip->out;
    uint64_t rows = strip->rows, valid = 0;

    while (rows) {
        uint32_t row = strip_next(&rows);

        if (b[row] == 0)
            continue;
        out[row] = b[row] == -1 ? 0 : a[row] % b[row]; /* INT64_MIN % -1 traps */
        valid |= UINT64_C(1) << row;
    }
    return valid;
}

uint64_t number_abs_i64(const struct strip *strip)
{
    const int64_t *a = strip->in[0];
    int64_t *out = strip->out;
    uint64_t wrong = 0;

    for (uint32_t i = 0; i < STRIP; i++) {
        out[i] = a[i] < 0 ? (int64_t)(0 - (uint64_t)a[i]) : a[i];
        wrong |= (uint64_t)(out[i] < 0) << i;
    }
    return ~wrong;
}

uint64_t number_min_i64(const struct strip *strip)
{
    const int64_t *a = strip->in[0], *b = strip->in[1];
    int64_t *out = strip->out;

    for (uint32_t i = 0; i < STRIP; i++)
        out[i] = b[i] < a[i] ? b[i] : a[i];
    return ALL_ROWS;
}

uint64_t number_max_i64(const struct strip *strip)
{
    const int64_t *a = strip->in[0], *b = strip->in[1];
    int64_t *out = strip->out;

    for (uint32_t i = 0; i < STRIP; i++)
        out[i] = b[i] > a[i] ? b[i] : a[i];
    return ALL_ROWS;
}

/* ---- f64 ---- */

/* An exponent of all ones overflows into the sign bit when one is added to it. */
static uint64_t finite_rows(const double *values)
{
    uint64_t wrong[STRIP], any = 0;

    for (uint32_t i = 0; i < STRIP; i++) {
        memcpy(&wrong[i], &values[i], sizeof(wrong[i]));
        wrong[i] = (wrong[i] & UINT64_C(0x7ff0000000000000)) + UINT64_C(0x0010000000000000);
        any |= wrong[i];
    }
    return right_rows(wrong, any);
}

uint64_t number_add_f64(const struct strip *strip)
{
    const double *a = strip->in[0], *b = strip->in[1];
    double *out = strip->out;

    for (uint32_t i = 0; i < STRIP; i++)
        out[i] = a[i] + b[i];
    return finite_rows(out);
}

uint64_t number_sub_f64(const struct strip *strip)
{
    const double *a = strip->in[0], *b = strip->in[1];
    double *out = strip->out;

    for (uint32_t i = 0; i < STRIP; i++)
        out[i] = a[i] - b[i];
    return finite_rows(out);
}

uint64_t number_mul_f64(const struct strip *strip)
{
    const double *a = strip->in[0], *b = strip->in[1];
    double *out = strip->out;

    for (uint32_t i = 0; i < STRIP; i++)
        out[i] = a[i] * b[i];
    return finite_rows(out);
}

/* A divisor of zero gives an infinity or a NaN, and so null. */
uint64_t number_div_f64(const struct strip *strip)
{
    const double *a = strip->in[0], *b = strip->in[1];
    double *out = strip->out;

    for (uint32_t i = 0; i < STRIP; i++)
        out[i] = a[i] / b[i];
    return finite_rows(out);
}

uint64_t number_neg_f64(const struct strip *strip)
{
    const double *a = strip->in[0];
    double *out = strip->out;

    for (uint32_t i = 0; i < STRIP; i++)
        out[i] = -a[i];
    return finite_rows(out);
}

uint64_t number_abs_f64(const struct strip *strip)
{
    const double *a = strip->in[0];
    double *out = strip->out;

    for (uint32_t i = 0; i < STRIP; i++)
        out[i] = fabs(a[i]);
    return finite_rows(out);
}

/* A NaN on either side must not depend on the side: it is carried on, and found. */
uint64_t number_min_f64(const struct strip *strip)
{
    const double *a = strip->in[0], *b = strip->in[1];
    double *out = strip->out;

    for (uint32_t i = 0; i < STRIP; i++)
        out[i] = b[i] >= a[i] ? a[i] : a[i] > b[i] ? b[i] : NAN;
    return finite_rows(out);
}

uint64_t number_max_f64(const struct strip *strip)
{
    const double *a = strip->in[0], *b = strip->in[1];
    double *out = strip->out;

    for (uint32_t i = 0; i < STRIP; i++)
        out[i] = b[i] <= a[i] ? a[i] : a[i] < b[i] ? b[i] : NAN;
    return finite_rows(out);
}

/* ---- functions of the mathematical library: only for the rows that are wanted ---- */

static uint64_t each(const struct strip *strip, double (*function)(double))
{
    const double *a = strip->in[0];
    double *out = strip->out;
    uint64_t rows = strip->rows, valid = 0;

    while (rows) {
        uint32_t row = strip_next(&rows);

        out[row] = function(a[row]);
        valid |= (uint64_t)(fabs(out[row]) <= DBL_MAX) << row;
    }
    return valid;
}

static uint64_t each_two(const struct strip *strip, double (*function)(double, double))
{
    const double *a = strip->in[0], *b = strip->in[1];
    double *out = strip->out;
    uint64_t rows = strip->rows, valid = 0;

    while (rows) {
        uint32_t row = strip_next(&rows);

        out[row] = function(a[row], b[row]);
        valid |= (uint64_t)(fabs(out[row]) <= DBL_MAX) << row;
    }
    return valid;
}

uint64_t number_mod_f64(const struct strip *strip)
{
    return each_two(strip, fmod);
}

uint64_t number_pow(const struct strip *strip)
{
    return each_two(strip, pow);
}

uint64_t number_floor(const struct strip *strip)
{
    return each(strip, floor);
}

uint64_t number_ceil(const struct strip *strip)
{
    return each(strip, ceil);
}

uint64_t number_round(const struct strip *strip)
{
    return each(strip, round);
}

uint64_t number_sqrt(const struct strip *strip)
{
    return each(strip, sqrt);
}

uint64_t number_ln(const struct strip *strip)
{
    return each(strip, log);
}

uint64_t number_exp(const struct strip *strip)
{
    return each(strip, exp);
}

uint64_t number_log10(const struct strip *strip)
{
    return each(strip, log10);
}
