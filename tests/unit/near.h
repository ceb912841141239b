/* near: floats that are to be alike, for tests of maths. */
#ifndef MILLRACE_TESTS_NEAR_H
#define MILLRACE_TESTS_NEAR_H

#include "runtime/base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

static inline void assert_near(double got, double expected, double apart)
{
    if (!(fabs(got - expected) <= apart))
        fail_msg("%.9g is not %.9g +- %g", got, expected, apart);
}

/* As far apart as sums of floats in another order are. */
static inline void assert_alike(double got, double expected)
{
    assert_near(got, expected, 2e-5 * (1 + fabs(expected)));
}

/* In [-1, 1), by number. */
static inline float draw_float(uint64_t number)
{
    return (float)(hash_draw(42, number) >> 40) / 8388608.0f - 1.0f;
}

#endif
