/* delivery: see delivery.h. */
#include "operators/model/delivery.h"

#include "operators/model/lift.h"
#include "operators/model/vector.h"
#include "operators/model/wide.h"

#include "runtime/base/check.h"

#include <math.h>

#define FLOOR_MBIT .01               /* of throughput and rate: the logarithm of a dead link */
#define FLOOR_LOG -4.605170185988091 /* its logarithm */
#define RTT_MS 50.0
#define CHUNK 128u
#define LOGIT_MAX 80.0f /* whose exponential is a float */
#define RUNGS_MAX 4u
#define GATED 2.0 /* what a variant that does not start loses in the order */

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

/* ---- many items ---- */

/* What the items of one link have in common: logit = level - slope log(rate). */
struct plan {
    double level, slope, gate;
    double shares[RUNGS_MAX]; /* of the ladder; the last rung fills up what is left */
    double logs[RUNGS_MAX];   /* of the shares */
    double limits[RUNGS_MAX]; /* largest log of a native rate that starts on a rung */
    double low_mbit;
    bool known;
};

/* Where level - slope log(rate) reaches `enough`; a dead link's rates are all as the lowest. */
static double log_limit(const struct plan *plan, double enough)
{
    double logit = enough <= 0 ? -INFINITY : enough >= 1 ? INFINITY : log(enough / (1 - enough));
    double limit = (plan->level - logit) / plan->slope;

    if (!plan->known)
        return INFINITY;
    if (!(plan->slope > 0)) /* a model that has not been learnt: rates make no difference */
        return plan->level - plan->slope * FLOOR_LOG >= logit ? INFINITY : -INFINITY;
    return limit >= FLOOR_LOG ? limit : -INFINITY;
}

static struct plan make_plan(const double *weights, const struct link *link,
                             const struct ladder *ladder, double enough)
{
    struct plan plan = {.known = known(link, 1)};
    double features[DELIVERY_WEIGHTS], limit;

    CHECK(ladder->count > 0 && ladder->count <= RUNGS_MAX);
    plan.slope = weights[1] + weights[2];
    features_of(link, 1, features);
    for (uint32_t i = 0; i < DELIVERY_WEIGHTS && plan.known; i++)
        plan.level += weights[i] * features[i];
    limit = log_limit(&plan, enough);
    for (uint32_t i = 0; i < RUNGS_MAX; i++) {
        uint32_t rung = i < ladder->count ? i : ladder->count - 1;
        plan.shares[i] = ladder->shares[rung];
        plan.logs[i] = log(plan.shares[i]);
        plan.limits[i] = limit - plan.logs[i];
    }
    return plan;
}

static inline float bounded(double logit)
{
    float near = (float)logit;

    near = near > -LOGIT_MAX ? near : -LOGIT_MAX;
    return near < LOGIT_MAX ? near : LOGIT_MAX;
}

/* `logits` negated; what is not known of a rate or of the link is settled behind. Shares descend, so the
 * last rung that is refused tells the choice: without a branch, as all loops here, for vector units. */
WIDE static void choose_rungs(const struct plan *plan, const double *native, const float *logs,
                              uint32_t count, float *restrict logits, double *restrict shares,
                              double *restrict rates)
{
    const struct plan held = *plan;

    for (uint32_t i = 0; i < count; i++) {
        double log_native = (double)logs[i], share = held.shares[0], log_rate = held.logs[0];
        for (uint32_t rung = 0; rung + 1 < RUNGS_MAX; rung++) {
            bool refused =
                (log_native > held.limits[rung]) | (native[i] * held.shares[rung] > held.low_mbit);
            share = refused ? held.shares[rung + 1] : share;
            log_rate = refused ? held.logs[rung + 1] : log_rate;
        }
        log_rate += log_native;
        log_rate = log_rate > FLOOR_LOG ? log_rate : FLOOR_LOG;
        shares[i] = isnan(native[i]) ? 0 : share;
        rates[i] = isnan(native[i]) ? 0 : native[i] * share;
        logits[i] = bounded(-(held.level - held.slope * log_rate));
    }
}

/* What follows from the probability to start, and its term. */
WIDE static void settle(const struct plan *plan, const double *native, const float *numbers,
                        const float *logs, uint32_t count, double *restrict starts,
                        double *restrict ranks)
{
    double gate = plan->gate;
    bool known = plan->known;

    for (uint32_t i = 0; i < count; i++) {
        double start = known ? (double)numbers[i] : 1;
        double rank = known ? (double)logs[i] - (start < gate ? GATED : 0) : 0;
        starts[i] = isnan(native[i]) ? 0 : start;
        ranks[i] = isnan(native[i]) ? 0 : rank;
    }
}

WIDE static void narrow(const double *native, uint32_t count, float *restrict numbers)
{
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = native[i] > FLOOR_MBIT ? (float)native[i] : (float)FLOOR_MBIT;
}

WIDE static void starts_of(const float *exps, uint32_t count, float *restrict numbers)
{
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = 1 / (1 + exps[i]);
}

static void choose_chunk(const struct plan *plan, const double *native, uint32_t count,
                         double *shares, double *rates, double *starts, double *ranks)
{
    float numbers[CHUNK], logs[CHUNK];

    narrow(native, count, numbers);
    vector_log(logs, numbers, 0, 1, count);
    choose_rungs(plan, native, logs, count, numbers, shares, rates);
    vector_exp(logs, numbers, 0, count);
    starts_of(logs, count, numbers);
    vector_scale(logs, numbers, .8f, count);
    vector_log(logs, logs, .2f, 1, count);
    settle(plan, native, numbers, logs, count, starts, ranks);
}

void delivery_choose(const double *weights, const struct link *link, const struct ladder *ladder,
                     bool budget_low, double enough, double gate, const double *native_mbit,
                     uint32_t count, const struct delivery_choices *choices)
{
    struct plan plan = make_plan(weights, link, ladder, enough);

    plan.low_mbit = budget_low ? ladder->low_mbit : INFINITY;
    plan.gate = gate;
    for (uint32_t at = 0; at < count; at += CHUNK)
        choose_chunk(&plan, native_mbit + at, count - at < CHUNK ? count - at : CHUNK,
                     choices->shares + at, choices->rates + at, choices->starts + at,
                     choices->ranks + at);
}
