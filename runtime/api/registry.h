/* registry: operators beside those that are linked in. */
#ifndef MILLRACE_API_REGISTRY_H
#define MILLRACE_API_REGISTRY_H

#include "runtime/api/operator.h"

/* Registers an operator whose name is new, for the life of the process. One thread only, and before
 * anyone looks operators up in another. */
void operators_add(const struct operator_def *def);

#endif
