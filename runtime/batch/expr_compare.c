/* Kernels of comparison. Texts are in the order of their bytes; NaN, which only a column can hold,
 * equals nothing. */
#include "runtime/batch/expr_parts.h"

#include <stdlib.h>
#include <string.h>

/* ---- numbers ---- */

uint64_t compare_eq_i64(const struct strip *strip)
{
    const int64_t *a = strip->in[0], *b = strip->in[1];
    uint8_t flags[STRIP];

    for (uint32_t i = 0; i < STRIP; i++)
        flags[i] = a[i] == b[i];
    *(uint64_t *)strip->out = strip_bits(flags);
    return ALL_ROWS;
}

uint64_t compare_lt_i64(const struct strip *strip)
{
    const int64_t *a = strip->in[0], *b = strip->in[1];
    uint8_t flags[STRIP];

    for (uint32_t i = 0; i < STRIP; i++)
        flags[i] = a[i] < b[i];
    *(uint64_t *)strip->out = strip_bits(flags);
    return ALL_ROWS;
}

uint64_t compare_le_i64(const struct strip *strip)
{
    const int64_t *a = strip->in[0], *b = strip->in[1];
    uint8_t flags[STRIP];

    for (uint32_t i = 0; i < STRIP; i++)
        flags[i] = a[i] <= b[i];
    *(uint64_t *)strip->out = strip_bits(flags);
    return ALL_ROWS;
}

uint64_t compare_eq_f64(const struct strip *strip)
{
    const double *a = strip->in[0], *b = strip->in[1];
    uint8_t flags[STRIP];

    for (uint32_t i = 0; i < STRIP; i++)
        flags[i] = a[i] == b[i];
    *(uint64_t *)strip->out = strip_bits(flags);
    return ALL_ROWS;
}

uint64_t compare_lt_f64(const struct strip *strip)
{
    const double *a = strip->in[0], *b = strip->in[1];
    uint8_t flags[STRIP];

    for (uint32_t i = 0; i < STRIP; i++)
        flags[i] = a[i] < b[i];
    *(uint64_t *)strip->out = strip_bits(flags);
    return ALL_ROWS;
}

uint64_t compare_le_f64(const struct strip *strip)
{
    const double *a = strip->in[0], *b = strip->in[1];
    uint8_t flags[STRIP];

    for (uint32_t i = 0; i < STRIP; i++)
        flags[i] = a[i] <= b[i];
    *(uint64_t *)strip->out = strip_bits(flags);
    return ALL_ROWS;
}

static uint64_t opposite(const struct strip *strip, kernel *run)
{
    uint64_t valid = run(strip);

    *(uint64_t *)strip->out = ~*(uint64_t *)strip->out;
    return valid;
}

uint64_t compare_ne_i64(const struct strip *strip)
{
    return opposite(strip, compare_eq_i64);
}

uint64_t compare_ne_f64(const struct strip *strip)
{
    return opposite(strip, compare_eq_f64);
}

uint64_t compare_eq_bool(const struct strip *strip)
{
    *(uint64_t *)strip->out = ~(*(const uint64_t *)strip->in[0] ^ *(const uint64_t *)strip->in[1]);
    return ALL_ROWS;
}

uint64_t compare_ne_bool(const struct strip *strip)
{
    return opposite(strip, compare_eq_bool);
}

/* ---- texts ---- */

static int text_order(const struct text *a, const struct text *b)
{
    int order = memcmp(a->data, b->data, a->size < b->size ? a->size : b->size);

    return order ? order : (a->size > b->size) - (a->size < b->size);
}

uint64_t compare_eq_text(const struct strip *strip)
{
    const struct text *a = strip->in[0], *b = strip->in[1];
    uint64_t rows = strip->rows, bits = 0;

    while (rows) {
        uint32_t row = strip_next(&rows);
        bool equal =
            a[row].size == b[row].size && memcmp(a[row].data, b[row].data, a[row].size) == 0;

        bits |= (uint64_t)equal << row;
    }
    *(uint64_t *)strip->out = bits;
    return ALL_ROWS;
}

uint64_t compare_lt_text(const struct strip *strip)
{
    const struct text *a = strip->in[0], *b = strip->in[1];
    uint64_t rows = strip->rows, bits = 0;

    while (rows) {
        uint32_t row = strip_next(&rows);

        bits |= (uint64_t)(text_order(&a[row], &b[row]) < 0) << row;
    }
    *(uint64_t *)strip->out = bits;
    return ALL_ROWS;
}

uint64_t compare_le_text(const struct strip *strip)
{
    const struct text *a = strip->in[0], *b = strip->in[1];
    uint64_t rows = strip->rows, bits = 0;

    while (rows) {
        uint32_t row = strip_next(&rows);

        bits |= (uint64_t)(text_order(&a[row], &b[row]) <= 0) << row;
    }
    *(uint64_t *)strip->out = bits;
    return ALL_ROWS;
}

uint64_t compare_ne_text(const struct strip *strip)
{
    return opposite(strip, compare_eq_text);
}

/* ---- in: binary search in a sorted list ---- */

static int order_i64(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;

    return (a > b) - (a < b);
}

static int order_f64(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static int order_text(const void *left, const void *right)
{
    return text_order(left, right);
}

void set_sort_i64(int64_t *values, uint32_t count)
{
    qsort(values, count, sizeof(*values), order_i64);
}

void set_sort_f64(double *values, uint32_t count)
{
    qsort(values, count, sizeof(*values), order_f64);
}

void set_sort_text(struct text *values, uint32_t count)
{
    qsort(values, count, sizeof(*values), order_text);
}

static uint64_t found(const struct strip *strip, size_t size,
                      int (*order)(const void *left, const void *right))
{
    const struct set *set = strip->data;
    uint64_t rows = strip->rows, bits = 0;

    while (rows) {
        uint32_t row = strip_next(&rows);
        const char *value = (const char *)strip->in[0] + row * size;

        bits |= (uint64_t)(bsearch(value, set->values, set->count, size, order) != NULL) << row;
    }
    *(uint64_t *)strip->out = bits;
    return set->null ? bits : ALL_ROWS;
}

uint64_t compare_in_i64(const struct strip *strip)
{
    return found(strip, sizeof(int64_t), order_i64);
}

static int order_f64_found(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return a == b ? 0 : a > b ? 1 : -1; /* a NaN is nowhere, not everywhere */
}

uint64_t compare_in_f64(const struct strip *strip)
{
    return found(strip, sizeof(double), order_f64_found);
}

uint64_t compare_in_text(const struct strip *strip)
{
    return found(strip, sizeof(struct text), order_text);
}
