/* See sample.h. */
#include "operators/learn/sample.h"

#include <math.h>
#include <string.h>

size_t slot_size(const struct sample_layout *layout)
{
    size_t each = sizeof(uint64_t) + (1 + layout->terms) * sizeof(float) + 2;

    return (sizeof(struct slot) + layout->length * each + 7) / 8 * 8;
}

uint64_t *slot_ids(struct slot *slot)
{
    return (uint64_t *)(void *)(slot + 1);
}

float *slot_terms(const struct sample_layout *layout, struct slot *slot, uint32_t term)
{
    return (float *)(void *)(slot_ids(slot) + layout->length) + (size_t)term * layout->length;
}

uint8_t *slot_positions(const struct sample_layout *layout, struct slot *slot)
{
    return (uint8_t *)slot_terms(layout, slot, 1 + layout->terms);
}

uint8_t *slot_clicked(const struct sample_layout *layout, struct slot *slot)
{
    return slot_positions(layout, slot) + layout->length;
}

void sample_exam_init(struct sample_exam *exam, uint32_t k, double examination)
{
    exam->k = k;
    exam->exam[0] = exam->mean = 0;
    for (uint32_t i = 1; i <= SAMPLE_LENGTH_MAX; i++)
        exam->exam[i] = pow(i, -examination);
    for (uint32_t i = 1; i <= k; i++)
        exam->mean += exam->exam[i] / k;
}

/* From 1, ties by id; k + 1: behind the first k. */
static uint32_t rank_of(const float *values, const uint64_t *ids, uint32_t count, uint32_t item,
                        uint32_t k)
{
    uint32_t rank = 1;

    for (uint32_t i = 0; i < count && rank <= k; i++)
        rank += values[i] > values[item] || (values[i] == values[item] && ids[i] < ids[item]);
    return rank;
}

void slot_value(const struct sample_layout *layout, const struct sample_exam *exam,
                struct slot *slot, const double *strengths, double *over, double *under)
{
    const uint8_t *positions = slot_positions(layout, slot), *clicked = slot_clicked(layout, slot);
    float values[SAMPLE_LENGTH_MAX];
    double total = 0;

    memcpy(values, slot_terms(layout, slot, 0), slot->length * sizeof(float));
    for (uint32_t term = 0; term < layout->terms; term++) {
        const float *of = slot_terms(layout, slot, term + 1);
        float strength = strengths ? (float)strengths[term] : 1;
        for (uint32_t i = 0; i < slot->length; i++)
            values[i] += strength * of[i];
    }
    for (uint32_t i = 0; i < slot->length; i++)
        total += exam->exam[positions[i]];
    for (uint32_t i = 0; i < slot->length; i++) {
        uint32_t rank = rank_of(values, slot_ids(slot), slot->length, i, exam->k);
        double weight = rank <= exam->k ? exam->exam[rank] * slot->length / total : 0;
        *over += clicked[i] ? weight : 0;
        *under += weight * exam->exam[positions[i]];
    }
}

double sample_rate(const struct sample_exam *exam, double over, double under)
{
    return under > 0 ? over / under * exam->mean : 0;
}
