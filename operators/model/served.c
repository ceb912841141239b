/* served: see served.h. */
#include "operators/model/served.h"

#include "operators/model/lift.h"
#include "operators/model/loops.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

static bool is_term(const struct field *field)
{
    return field->type == TYPE_F64 &&
           (strcmp(field->name, "base") == 0 || begins(field->name, "reasons.") ||
            begins(field->name, "shadow."));
}

bool served_is(const struct field *field)
{
    return is_term(field) || strcmp(field->name, "position") == 0 ||
           strcmp(field->name, "p_served") == 0;
}

static void add_term(struct served *served, const struct field *field, uint32_t column)
{
    if (strcmp(field->name, "base") == 0)
        served->base = column;
    else if (strcmp(field->name, "reasons.base") == 0)
        served->base = served->base == FIELD_NONE ? column : served->base; /* `base` is that */
    else if (begins(field->name, "shadow.") && served->shadow_count < SERVED_TERMS_MAX)
        served->shadow[served->shadow_count++] = column;
    else if (begins(field->name, "reasons.") && served->reason_count < SERVED_TERMS_MAX)
        served->reasons[served->reason_count++] = column;
}

void served_open(struct served *served, const struct schema *in, const char *factor)
{
    char reason[NAME_SIZE_MAX + 16], shadow[NAME_SIZE_MAX + 16];

    *served = (struct served){.base = FIELD_NONE, .own = FIELD_NONE};
    served->position = schema_find(in, "position");
    served->p_served = schema_find(in, "p_served");
    for (uint32_t i = 0; i < in->count; i++)
        if (is_term(&in->fields[i]))
            add_term(served, &in->fields[i], i);
    if (!factor)
        return;
    snprintf(reason, sizeof(reason), "reasons.%s", factor);
    snprintf(shadow, sizeof(shadow), "shadow.%s", factor);
    for (uint32_t i = 0; i < in->count; i++)
        if (is_term(&in->fields[i]) &&
            (strcmp(in->fields[i].name, reason) == 0 || strcmp(in->fields[i].name, shadow) == 0))
            served->own = i;
}

uint32_t served_term(const struct schema *in, const char *name)
{
    char reason[NAME_SIZE_MAX + 16];
    uint32_t column;

    snprintf(reason, sizeof(reason), "reasons.%s", name);
    column = schema_find(in, reason);
    return column != FIELD_NONE && is_term(&in->fields[column]) ? column : FIELD_NONE;
}

/* ---- rows ---- */

static void add_column(const struct batch *in, uint32_t number, double *sums)
{
    const struct column *column = batch_column(in, number);
    const double *values = column->values;

    if (!column->validity) {
        loops_add(sums, sums, values, in->rows);
        return;
    }
    for (uint32_t row = 0; row < in->rows; row++)
        if (column_valid(column, row))
            sums[row] += values[row];
}

void served_take(const struct batch *in, uint32_t number, double *sums)
{
    const struct column *column = batch_column(in, number);

    for (uint32_t row = 0; row < in->rows; row++)
        if (column_valid(column, row))
            sums[row] -= ((const double *)column->values)[row];
}

void served_add(const struct batch *in, const uint32_t *columns, uint32_t count, double *sums)
{
    for (uint32_t i = 0; i < count; i++)
        add_column(in, columns[i], sums);
}

void served_logits(const struct served *served, const struct batch *in, double *predicted,
                   double *reasons)
{
    if (reasons) {
        memset(reasons, 0, in->rows * sizeof(*reasons));
        served_add(in, served->reasons, served->reason_count, reasons);
    }
    if (!predicted)
        return;
    memset(predicted, 0, in->rows * sizeof(*predicted));
    if (served->base != FIELD_NONE)
        add_column(in, served->base, predicted);
    served_add(in, served->reasons, served->reason_count, predicted);
}

void served_others(const struct served *served, const struct batch *in, const double *predicted,
                   double *others)
{
    memcpy(others, predicted, in->rows * sizeof(*others));
    served_add(in, served->shadow, served->shadow_count, others);
    if (served->own != FIELD_NONE)
        served_take(in, served->own, others);
}

static void fill_numbers(const struct column *column, uint32_t rows, double *numbers)
{
    if (column->type == TYPE_F64 && !column->validity)
        memcpy(numbers, column->values, rows * sizeof(*numbers));
    else
        for (uint32_t row = 0; row < rows; row++)
            numbers[row] = column_number(column, row);
}

/* Positions are small whole numbers mostly: their roots are looked up. */
#define ROOTS 64u

static double by_position(const double *roots, double position)
{
    if (position >= 1 && position < ROOTS && position == floor(position))
        return roots[(uint32_t)position];
    return position >= 1 ? 1 / sqrt(position) : NAN;
}

static void from_positions(const struct served *served, const struct batch *in,
                           double *examinations)
{
    double roots[ROOTS];

    for (uint32_t i = 1; i < ROOTS; i++)
        roots[i] = 1 / sqrt(i);
    if (served->position != FIELD_NONE)
        fill_numbers(batch_column(in, served->position), in->rows, examinations);
    for (uint32_t row = 0; row < in->rows; row++)
        examinations[row] =
            served->position == FIELD_NONE ? NAN : by_position(roots, examinations[row]);
}

void served_examinations(const struct served *served, const struct batch *in,
                         const double *predicted, double *examinations)
{
    const struct column *p_served;
    bool plain;

    from_positions(served, in, examinations);
    if (served->p_served == FIELD_NONE)
        return;
    p_served = batch_column(in, served->p_served);
    plain = p_served->type == TYPE_F64 && !p_served->validity;
    for (uint32_t row = 0; row < in->rows; row++) {
        double p = plain ? ((const double *)p_served->values)[row] : column_number(p_served, row);
        if (p > 0)
            examinations[row] = p / lift_sigmoid(predicted[row]);
    }
}
