/* Kernels that change the type of a value. What does not fit is null: a number out of range, a
 * text that is no number. Floats lose their fraction on the way to integers; texts that hold one
 * are no integers, unless it is zero (3.0). */
#include "runtime/base/timestamp.h"
#include "runtime/batch/expr_parts.h"
#include "runtime/batch/json.h"
#include "runtime/batch/number.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- numbers ---- */

uint64_t cast_widen_i32(const struct strip *strip)
{
    const int32_t *a = strip->in[0];
    int64_t *out = strip->out;

    for (uint32_t i = 0; i < STRIP; i++)
        out[i] = a[i];
    return ALL_ROWS;
}

uint64_t cast_widen_f32(const struct strip *strip)
{
    const float *a = strip->in[0];
    double *out = strip->out;

    for (uint32_t i = 0; i < STRIP; i++)
        out[i] = (double)a[i];
    return ALL_ROWS;
}

uint64_t cast_i64_f64(const struct strip *strip)
{
    const int64_t *a = strip->in[0];
    double *out = strip->out;

    for (uint32_t i = 0; i < STRIP; i++)
        out[i] = (double)a[i];
    return ALL_ROWS;
}

/* Towards zero. */
uint64_t cast_f64_i64(const struct strip *strip)
{
    const double *a = strip->in[0];
    int64_t *out = strip->out;
    uint8_t flags[STRIP];

    for (uint32_t i = 0; i < STRIP; i++) {
        flags[i] = a[i] >= -0x1p63 && a[i] < 0x1p63;
        out[i] = flags[i] ? (int64_t)a[i] : 0;
    }
    return strip_bits(flags);
}

uint64_t cast_i64_i32(const struct strip *strip)
{
    const int64_t *a = strip->in[0];
    int64_t *out = strip->out;
    uint8_t flags[STRIP];

    for (uint32_t i = 0; i < STRIP; i++) {
        flags[i] = a[i] >= INT32_MIN && a[i] <= INT32_MAX;
        out[i] = a[i];
    }
    return strip_bits(flags);
}

uint64_t cast_f64_f32(const struct strip *strip)
{
    const double *a = strip->in[0];
    double *out = strip->out;
    uint8_t flags[STRIP];

    for (uint32_t i = 0; i < STRIP; i++) {
        flags[i] = fabs(a[i]) < 0x1.ffffffp127; /* half a step above FLT_MAX */
        out[i] = flags[i] ? (double)(float)a[i] : 0;
    }
    return strip_bits(flags);
}

uint64_t cast_bool_i64(const struct strip *strip)
{
    uint64_t bits = *(const uint64_t *)strip->in[0];
    int64_t *out = strip->out;

    for (uint32_t i = 0; i < STRIP; i++)
        out[i] = (int64_t)(bits >> i & 1);
    return ALL_ROWS;
}

uint64_t cast_i64_bool(const struct strip *strip)
{
    const int64_t *a = strip->in[0];
    uint8_t flags[STRIP];

    for (uint32_t i = 0; i < STRIP; i++)
        flags[i] = a[i] != 0;
    *(uint64_t *)strip->out = strip_bits(flags);
    return ALL_ROWS;
}

uint64_t cast_f64_bool(const struct strip *strip)
{
    const double *a = strip->in[0];
    uint8_t flags[STRIP], known[STRIP];

    for (uint32_t i = 0; i < STRIP; i++) {
        flags[i] = a[i] != 0;
        known[i] = !isnan(a[i]);
    }
    *(uint64_t *)strip->out = strip_bits(flags);
    return strip_bits(known);
}

/* ---- to texts ---- */

#define SCALAR_TEXT_MAX 32u /* bytes of any number or time */

uint64_t cast_bool_text(const struct strip *strip)
{
    static const struct text texts[] = {{"false", 5}, {"true", 4}};
    uint64_t bits = *(const uint64_t *)strip->in[0];
    struct text *out = strip->out;

    for (uint32_t i = 0; i < STRIP; i++)
        out[i] = texts[bits >> i & 1];
    return ALL_ROWS;
}

static size_t put_i64(int64_t value, char *to)
{
    char digits[20];
    size_t at = sizeof(digits), size = 0;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0)
        to[size++] = '-';
    memcpy(to + size, digits + at, sizeof(digits) - at);
    return size + sizeof(digits) - at;
}

/* Writes a value's text (SCALAR_TEXT_MAX bytes of room); returns its size, 0: null. */
typedef size_t writer(const void *value, char *to);

static size_t write_i64(const void *value, char *to)
{
    return put_i64(*(const int64_t *)value, to);
}

static size_t write_f64(const void *value, char *to)
{
    double f64 = *(const double *)value;

    return isfinite(f64) ? json_f64_text(f64, to) : 0;
}

static size_t write_f32(const void *value, char *to)
{
    double f64 = *(const double *)value;

    return isfinite(f64) ? json_f32_text((float)f64, to) : 0;
}

static size_t write_time(const void *value, char *to)
{
    int64_t ms = *(const int64_t *)value;

    return ms >= TIMESTAMP_MIN_MS && ms <= TIMESTAMP_MAX_MS
               ? timestamp_text(ms, to, SCALAR_TEXT_MAX)
               : 0;
}

static uint64_t write_texts(const struct strip *strip, writer *write)
{
    const int64_t *a = strip->in[0];
    struct text *out = strip->out;
    uint64_t rows = strip->rows, valid = 0;
    char *to =
        arena_new(strip->scratch, (size_t)__builtin_popcountll(strip->rows) * SCALAR_TEXT_MAX);

    while (rows) {
        uint32_t row = strip_next(&rows);

        out[row] = (struct text){to, write(&a[row], to)};
        to += out[row].size;
        valid |= (uint64_t)(out[row].size > 0) << row;
    }
    return valid;
}

uint64_t cast_i64_text(const struct strip *strip)
{
    return write_texts(strip, write_i64);
}

uint64_t cast_f64_text(const struct strip *strip)
{
    return write_texts(strip, write_f64);
}

uint64_t cast_f32_text(const struct strip *strip)
{
    return write_texts(strip, write_f32);
}

uint64_t cast_time_text(const struct strip *strip)
{
    return write_texts(strip, write_time);
}

/* ---- from texts ---- */

#define NUMBER_TEXT_MAX 120u /* bytes of a text that is read as a number */

/* The text alone must be the number; it is copied, since digits of the next text may follow it. */
static bool read_number(const struct text *text, struct number *number)
{
    char copy[NUMBER_TEXT_MAX + 1];

    if (text->size > NUMBER_TEXT_MAX)
        return false;
    memcpy(copy, text->data, text->size);
    copy[text->size] = 0;
    return number_parse(copy, number) && number->end == copy + text->size;
}

uint64_t cast_text_i64(const struct strip *strip)
{
    const struct text *a = strip->in[0];
    int64_t *out = strip->out;
    uint64_t rows = strip->rows, valid = 0;
    struct number number;

    while (rows) {
        uint32_t row = strip_next(&rows);

        if (read_number(&a[row], &number) && number_i64(&number, &out[row]))
            valid |= UINT64_C(1) << row;
    }
    return valid;
}

uint64_t cast_text_f64(const struct strip *strip)
{
    const struct text *a = strip->in[0];
    double *out = strip->out;
    uint64_t rows = strip->rows, valid = 0;
    struct number number;

    while (rows) {
        uint32_t row = strip_next(&rows);

        if (!read_number(&a[row], &number))
            continue;
        out[row] = number_f64(&number);
        valid |= (uint64_t)(fabs(out[row]) <= DBL_MAX) << row;
    }
    return valid;
}

uint64_t cast_text_bool(const struct strip *strip)
{
    const struct text *a = strip->in[0];
    uint64_t rows = strip->rows, valid = 0, bits = 0;

    while (rows) {
        uint32_t row = strip_next(&rows);
        bool yes = a[row].size == 4 && memcmp(a[row].data, "true", 4) == 0;
        bool no = a[row].size == 5 && memcmp(a[row].data, "false", 5) == 0;

        bits |= (uint64_t)yes << row;
        valid |= (uint64_t)(yes || no) << row;
    }
    *(uint64_t *)strip->out = bits;
    return valid;
}

uint64_t cast_text_time(const struct strip *strip)
{
    const struct text *a = strip->in[0];
    int64_t *out = strip->out;
    uint64_t rows = strip->rows, valid = 0;

    while (rows) {
        uint32_t row = strip_next(&rows);

        valid |= (uint64_t)timestamp_parse(a[row].data, a[row].size, &out[row]) << row;
    }
    return valid;
}
