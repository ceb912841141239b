/* policy: the lists that the generated world serves itself, while no job ranks. Pure. */
#ifndef MILLRACE_GENERATOR_POLICY_H
#define MILLRACE_GENERATOR_POLICY_H

#include "operators/model/world_choice.h"

/* A draw in (0, 1) that decides whether a request explores. */
double policy_explores(const struct choice_request *request);
/* `length` of `count` places drawn without replacement, in order. count <= WORLD_CANDIDATES_MAX. */
void policy_uniform(const struct choice_request *request, uint32_t count, uint32_t length,
                    uint32_t *places);
/* Those with the highest values, highest first, ties by place. */
void policy_best(const double *values, uint32_t count, uint32_t length, uint32_t *places);

#endif
