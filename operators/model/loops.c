/* loops: see loops.h. */
#include "operators/model/loops.h"

#include "operators/model/wide.h"

#define CUTS_FEW 5u

WIDE void loops_add(double *to, const double *left, const double *right, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        to[i] = left[i] + right[i];
}

/* With the number of cuts known where it is called, they stay in registers. */
static inline void few_cuts(const double *restrict values, uint32_t count,
                            const double *restrict cuts, const uint32_t cut_count, uint32_t none,
                            uint32_t upper, uint32_t *restrict levels)
{
    double held[CUTS_FEW];

    for (uint32_t k = 0; k < cut_count; k++)
        held[k] = cuts[k];
    for (uint32_t i = 0; i < count; i++) {
        int64_t level = values[i] == values[i] ? 0 : none; /* as wide as the values */
        for (uint32_t k = 0; k < cut_count; k++)
            level += values[i] >= held[k];
        levels[i] = (uint32_t)level | upper << 16;
    }
}

WIDE void loops_cuts(const double *values, uint32_t count, const double *cuts, uint32_t cut_count,
                     uint32_t none, uint32_t upper, uint32_t *levels)
{
    switch (cut_count) {
    case 1:
        few_cuts(values, count, cuts, 1, none, upper, levels);
        return;
    case 2:
        few_cuts(values, count, cuts, 2, none, upper, levels);
        return;
    case 3:
        few_cuts(values, count, cuts, 3, none, upper, levels);
        return;
    case 4:
        few_cuts(values, count, cuts, 4, none, upper, levels);
        return;
    case CUTS_FEW:
        few_cuts(values, count, cuts, CUTS_FEW, none, upper, levels);
        return;
    default:
        break;
    }
    for (uint32_t i = 0; i < count; i++) {
        levels[i] = values[i] == values[i] ? 0 : none;
        for (uint32_t k = 0; k < cut_count; k++)
            levels[i] += values[i] >= cuts[k];
        levels[i] |= upper << 16;
    }
}

static inline void few_steps(const double *restrict values, uint32_t count,
                             const double *restrict cuts, const uint32_t cut_count,
                             const double *restrict terms, double *restrict to)
{
    double held[CUTS_FEW], steps[CUTS_FEW + 2];

    for (uint32_t k = 0; k < cut_count; k++)
        held[k] = cuts[k];
    for (uint32_t k = 0; k < cut_count + 2; k++)
        steps[k] = terms[k];
    for (uint32_t i = 0; i < count; i++) {
        double value = values[i], term = value == value ? steps[0] : steps[cut_count + 1];
        for (uint32_t k = 0; k < cut_count; k++)
            term = value >= held[k] ? steps[k + 1] : term;
        to[i] = term;
    }
}

WIDE void loops_steps(const double *values, uint32_t count, const double *cuts, uint32_t cut_count,
                      const double *terms, double *to)
{
    switch (cut_count) {
    case 1:
        few_steps(values, count, cuts, 1, terms, to);
        return;
    case 2:
        few_steps(values, count, cuts, 2, terms, to);
        return;
    case 3:
        few_steps(values, count, cuts, 3, terms, to);
        return;
    case 4:
        few_steps(values, count, cuts, 4, terms, to);
        return;
    case CUTS_FEW:
        few_steps(values, count, cuts, CUTS_FEW, terms, to);
        return;
    default:
        break;
    }
    for (uint32_t i = 0; i < count; i++) {
        to[i] = values[i] == values[i] ? terms[0] : terms[cut_count + 1];
        for (uint32_t k = 0; k < cut_count; k++)
            to[i] = values[i] >= cuts[k] ? terms[k + 1] : to[i];
    }
}

WIDE void loops_gather(double *to, const double *from, const uint16_t *places, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        to[i] = from[places[i]];
}

WIDE uint32_t loops_narrow(const int32_t *values, uint32_t count, uint16_t *places)
{
    uint32_t most = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t value = (uint32_t)values[i];
        places[i] = (uint16_t)value;
        most = value > most ? value : most;
    }
    return most;
}

WIDE uint32_t loops_places(const uint32_t *levels, uint32_t count, uint32_t most, uint16_t *places)
{
    uint32_t upper = 0xffffffffu;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t level = levels[i] & 0xffffu;
        places[i] = (uint16_t)(level < most ? level : most);
        upper &= levels[i];
    }
    return upper >> 16;
}
