/* sample: a list that was shown, with what was known of its items, in one cell, and what a ranking of them
 * by strengths would have earned. For learn/search.
 *
 *   struct slot | ids u64[n] | base and terms float[1 + terms][n] | positions u8[n] | clicked u8[n]
 *
 * n is the most items that a list may have. */
#ifndef MILLRACE_LEARN_SAMPLE_H
#define MILLRACE_LEARN_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#define SAMPLE_LENGTH_MAX 200

struct sample_layout {
    uint32_t length, terms;
};

struct slot {
    uint64_t rec, user;
    int64_t time_ms;
    uint32_t length, spare;
};

size_t slot_size(const struct sample_layout *layout);
uint64_t *slot_ids(struct slot *slot);
/* 0: the base. */
float *slot_terms(const struct sample_layout *layout, struct slot *slot, uint32_t term);
uint8_t *slot_positions(const struct sample_layout *layout, struct slot *slot);
uint8_t *slot_clicked(const struct sample_layout *layout, struct slot *slot);

struct sample_exam {                          /* of positions, from 1 */
    uint32_t k;                               /* ranks that count */
    double exam[SAMPLE_LENGTH_MAX + 1], mean; /* of the first k */
};
void sample_exam_init(struct sample_exam *exam, uint32_t k, double examination);

/* Adds the list's two sums of position-based SNIPS under these strengths; NULL: all 1. */
void slot_value(const struct sample_layout *layout, const struct sample_exam *exam,
                struct slot *slot, const double *strengths, double *over, double *under);
/* The click rate that two sums make; 0 without any. */
double sample_rate(const struct sample_exam *exam, double over, double under);

#endif
