/* lift: see lift.h. */
#include "operators/model/lift.h"

#include <math.h>

#define START 2e-5   /* so that small cells have a say from the first round on */
#define ROUNDS 30    /* of the iteration; it settles in about ten */
#define ERRORS 2     /* of the spread of chance, which a factor's own must exceed */
#define SETTLED 1e-6 /* relative change that ends it */

double lift_sigmoid(double logit)
{
    return 1 / (1 + exp(-logit));
}

double lift_ratio(const struct lift_sums *sums, double prior, double parent)
{
    return (sums->clicks + prior * parent) / (sums->expected + prior);
}

static double clamp(double value, double cap)
{
    return value > cap ? cap : value < -cap ? -cap : value;
}

double lift_term(const struct lift_sums *sums, double prior, double parent, double cap)
{
    double ratio = lift_ratio(sums, prior, parent);
    double mean = sums->expected > 0 ? sums->squares / sums->expected : 0;

    if (ratio <= 0)
        return -cap;
    if (mean >= 1 || mean * ratio >= 1)
        return cap;
    return clamp(log(ratio) - log((1 - mean * ratio) / (1 - mean)), cap);
}

static void add(struct lift_sums *into, const struct lift_sums *from, double weight)
{
    into->clicks += weight * from->clicks;
    into->expected += weight * from->expected;
    into->squares += weight * from->squares;
}

struct lift_sums lift_smooth(const struct lift_sums *sums, uint32_t level, uint32_t circle)
{
    uint32_t first = level - level % circle, place = level % circle;
    struct lift_sums all = sums[level];

    add(&all, &sums[first + (place + 1) % circle], .5);
    add(&all, &sums[first + (place + circle - 1) % circle], .5);
    return all;
}

double lift_variance(double age, double half_life)
{
    return half_life > 0 ? (1 + exp2(-fmax(age, 0) / half_life)) / 2 : 1;
}

/* ---- the spread ---- */

struct moments {
    double variance, tau2; /* of the round before */
    double weights, weighted;
    double chance; /* variance of `weighted` if all were chance */
};

static void look_at_class(struct moments *moments, const struct lift_sums *cells, uint32_t levels)
{
    struct lift_sums all = {0};
    double rate;

    for (uint32_t i = 0; i < levels; i++)
        add(&all, &cells[i], 1);
    if (all.expected <= 0)
        return;
    rate = all.clicks / all.expected;
    for (uint32_t i = 0; i < levels; i++) {
        double expected = rate * cells[i].expected, off, root, chance;
        if (expected < LIFT_EXPECTED_MIN)
            continue;
        off = cells[i].clicks / expected - 1;
        root = expected / (moments->variance + expected * moments->tau2);
        chance = root * root * moments->variance / expected;
        moments->weights += root * root;
        moments->weighted += root * root * off * off - chance;
        moments->chance += 2 * chance * chance; /* a squared normal's */
    }
}

double lift_spread(const struct lift_sums *cells, uint32_t count, uint32_t levels, double variance)
{
    double tau2 = START;

    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct moments moments = {.variance = variance, .tau2 = tau2};
        double next;
        for (uint32_t i = 0; i < count; i++)
            look_at_class(&moments, cells + (uint64_t)i * levels, levels);
        moments.weighted -= ERRORS * sqrt(moments.chance);
        next = moments.weights > 0 ? fmax(0, moments.weighted / moments.weights) : 0;
        if (fabs(next - tau2) <= SETTLED * tau2)
            return next;
        tau2 = next;
    }
    return tau2;
}

double lift_prior(double tau2, double variance)
{
    return fmax(LIFT_PRIOR_MIN, variance / fmax(tau2, LIFT_TAU2_MIN));
}
