/* sample: a request with all of its candidates in one cell, and what a ranking by strengths would have
 * earned there. For learn/search.
 *
 *   struct slot | ids u64[n] | base and terms float[1 + terms][n] | positions u8[n] | clicked u8[n]
 *
 * n is the most candidates that a request may have; a position of 0: not shown. */
#ifndef MILLRACE_LEARN_SAMPLE_H
#define MILLRACE_LEARN_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#define SAMPLE_CANDIDATES_MAX 200

struct sample_layout {
    uint32_t candidates, terms;
};

struct slot {
    uint64_t rec, user;
    int64_t time_ms;
    uint32_t candidates, length; /* of the request, and of the list that was shown */
};

size_t slot_size(const struct sample_layout *layout);
uint64_t *slot_ids(struct slot *slot);
/* 0: the base. */
float *slot_terms(const struct sample_layout *layout, struct slot *slot, uint32_t term);
uint8_t *slot_positions(const struct sample_layout *layout, struct slot *slot);
uint8_t *slot_clicked(const struct sample_layout *layout, struct slot *slot);

struct sample_exam { /* of positions, from 1 */
    uint32_t k;      /* ranks that would have been shown */
    double exam[SAMPLE_CANDIDATES_MAX + 1], total[SAMPLE_CANDIDATES_MAX + 1]; /* sums up to there */
};
void sample_exam_init(struct sample_exam *exam, uint32_t k, double examination);

/* Adds the request's two sums of position-based SNIPS under these strengths; NULL: all 1. */
void slot_value(const struct sample_layout *layout, const struct sample_exam *exam,
                struct slot *slot, const double *strengths, double *over, double *under);
/* The click rate that two sums make; 0 without any. */
double sample_rate(const struct sample_exam *exam, double over, double under);

#endif
