/* delivery: see delivery.h. */
#include "operators/model/delivery.h"

#include "operators/model/lift.h"

#include <math.h>

#define FLOOR_MBIT .01 /* of throughput and rate: the logarithm of a dead link */
#define RTT_MS 50.0

const double delivery_start[DELIVERY_WEIGHTS] = {1.5, 1.2, 1, -.3, -.5};

static void features_of(const struct link *link, double rate_mbit, double *features)
{
    double rate = log(fmax(rate_mbit, FLOOR_MBIT));

    features[0] = 1;
    features[1] = log(fmax(link->q20_mbit, FLOOR_MBIT)) - rate;
    features[2] = log(fmax(link->mean_mbit, FLOOR_MBIT)) - rate;
    features[3] = log(fmax(link->rtt_ms, 1) / RTT_MS);
    features[4] = 20 * link->loss;
}

static bool known(const struct link *link, double rate_mbit)
{
    return isfinite(link->q20_mbit + link->mean_mbit + link->rtt_ms + link->loss + rate_mbit);
}

static double probability(const double *weights, const double *features)
{
    double sum = 0;

    for (uint32_t i = 0; i < DELIVERY_WEIGHTS; i++)
        sum += weights[i] * features[i];
    return lift_sigmoid(sum);
}

double delivery_probability(const double *weights, const struct link *link, double rate_mbit)
{
    double features[DELIVERY_WEIGHTS];

    if (!known(link, rate_mbit))
        return NAN;
    features_of(link, rate_mbit, features);
    return probability(weights, features);
}

bool delivery_learn(double *weights, const struct link *link, double rate_mbit, bool started,
                    double step)
{
    double features[DELIVERY_WEIGHTS], off;

    if (!known(link, rate_mbit))
        return false;
    features_of(link, rate_mbit, features);
    off = started - probability(weights, features);
    for (uint32_t i = 0; i < DELIVERY_WEIGHTS; i++)
        weights[i] += step * off * features[i];
    return true;
}

uint32_t delivery_rung(const double *weights, const struct link *link, const struct ladder *ladder,
                       double native_mbit, bool budget_low, double enough)
{
    for (uint32_t i = 0; i + 1 < ladder->count; i++) {
        double rate = native_mbit * ladder->shares[i];
        double p = delivery_probability(weights, link, rate);
        if (!(p < enough) && !(budget_low && rate > ladder->low_mbit))
            return i;
    }
    return ladder->count - 1;
}
