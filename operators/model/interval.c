/* See interval.h. */
#include "operators/model/interval.h"

#define STEPS_MAX 1000
#define SMALL 1e-300

void influence_add(struct influence *influence, double value)
{
    double square = value * value;

    if (sum_fits(square))
        sum_add(&influence->squares, square);
}

double influence_error(const struct influence *influence, int64_t units)
{
    if (units < 2)
        return NAN;
    return sqrt(sum_value(influence->squares) / ((double)units * (double)(units - 1)));
}

static double lower_series(double a, double x)
{
    double term = 1 / a, total = term;

    for (int step = 1; step < STEPS_MAX && term > total * 1e-16; step++) {
        term *= x / (a + step);
        total += term;
    }
    return total * exp(a * log(x) - x - lgamma(a));
}

static double upper_fraction(double a, double x)
{
    double b = x + 1 - a, c = 1 / SMALL, d = 1 / b, result = d;

    for (int step = 1; step < STEPS_MAX; step++) {
        double an = -step * (step - a), delta;
        b += 2;
        d = an * d + b;
        d = 1 / (fabs(d) < SMALL ? SMALL : d);
        c = b + an / c;
        c = fabs(c) < SMALL ? SMALL : c;
        delta = c * d;
        result *= delta;
        if (fabs(delta - 1) < 1e-16)
            break;
    }
    return result * exp(a * log(x) - x - lgamma(a));
}

double chi_square_tail(double x, uint32_t freedom)
{
    double a = freedom / 2.0;

    if (x <= 0 || freedom == 0)
        return 1;
    return x / 2 < a + 1 ? 1 - lower_series(a, x / 2) : upper_fraction(a, x / 2);
}
