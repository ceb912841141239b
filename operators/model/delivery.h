/* delivery: whether content starts in time on a link. Pure.
 *     P(start) = sigmoid(w0 + w1 log(q20 / rate) + w2 log(mean / rate) + w3 log(rtt / 50 ms) + 20 w4 loss)
 * with the throughput of the past minute (its 20 % quantile and mean) and the rate of the content in
 * Mbit/s; learnt online by gradient steps on the log-likelihood of starts. */
#ifndef MILLRACE_MODEL_DELIVERY_H
#define MILLRACE_MODEL_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#define DELIVERY_WEIGHTS 5u

struct link {
    double q20_mbit, mean_mbit, rtt_ms, loss; /* NaN: not known */
};

extern const double delivery_start[DELIVERY_WEIGHTS];

/* NaN where the link or the rate is not known. */
double delivery_probability(const double *weights, const struct link *link, double rate_mbit);
/* One step on a play; false when it tells nothing. */
bool delivery_learn(double *weights, const struct link *link, double rate_mbit, bool started,
                    double step);

struct ladder {
    const double *shares; /* of the native rate, descending */
    uint32_t count;
    double low_mbit; /* highest rate while the data budget is low */
};

/* The first rung that starts with probability `enough` and that the budget allows, or the last. */
uint32_t delivery_rung(const double *weights, const struct link *link, const struct ladder *ladder,
                       double native_mbit, bool budget_low, double enough);

/* For many items on one link, several times faster: shares and rates of their rungs, the probability to
 * start, to 1e-6 (1 where the link is not known), and the term of the order that follows: log(.2 + .8 P),
 * less 2 below `gate`, 0 where the link is not known. All four are 0 for items whose rate is not known. */
struct delivery_choices {
    double *shares, *rates, *starts, *ranks;
};

void delivery_choose(const double *weights, const struct link *link, const struct ladder *ladder,
                     bool budget_low, double enough, double gate, const double *native_mbit,
                     uint32_t count, const struct delivery_choices *choices);

#endif
