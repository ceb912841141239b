/* clicks: a logistic model of a click, learnt online, over items that come and go. Pure.
 *
 *     x = b + f[form] + a[age] + c[category] + i[item] + u[user] + <p_user, q_category + d_item>
 *         + s_user t + h_user[category, quarter]
 *     P(click) = e sigmoid(x + offset)
 *
 * e is the examination of the position, the offset what was served on top of this base, t the part of it
 * that circumstances made: s is by how much more they move this user than others; h is what the user's
 * habits at this quarter of the day add, w how much of that has shown in later clicks: w h is served, and
 * where there are no habits w goes to 0. Hierarchical:
 * d and i of a new item are 0, so it starts at its category; p and u of a new user too.
 *
 * Method: the numbers of each part are means with a covariance V, an extended Kalman filter that takes
 * the parts as independent, as in adPredictor (Graepel et al. 2010, ICML) and in dynamic generalised
 * linear models (West, Harrison, Migon 1985, JASA 80): what has been seen often moves little, what is new
 * moves much, and nothing has a step length to be tuned. With j the derivatives of x by a part's numbers,
 * S = sum of j'Vj over parts, the shift of x solves d = S g(x + d), g the derivative of the log-likelihood;
 * it is shared out by Vj / S, and V loses (Vj)(Vj)' h / (1 + h S), h the expected information. Variances
 * grow back with time towards the prior's (drift), at most to it. */
#ifndef MILLRACE_MODEL_CLICKS_H
#define MILLRACE_MODEL_CLICKS_H

#include <stdbool.h>
#include <stdint.h>

#define CLICKS_WIDTH 8u
#define CLICKS_AGES 8u
#define CLICKS_QUARTERS 4u                /* of the day */
#define CLICKS_NUMBERS (1 + CLICKS_WIDTH) /* of a part: the bias, then the vector */
#define CLICKS_PAIRS (CLICKS_NUMBERS * (CLICKS_NUMBERS + 1) / 2)

struct clicks_number {
    double mean, variance;
    int64_t seen_ms;
};

struct clicks_part { /* of a category, an item or a user */
    int64_t seen_ms;
    float mean[CLICKS_NUMBERS];
    float covariance[CLICKS_PAIRS]; /* the lower triangle, by rows */
};

struct clicks_habits { /* of a user in a category, by quarter */
    uint64_t category; /* its id; 0: free */
    int64_t seen_ms;
    float mean[CLICKS_QUARTERS], variance[CLICKS_QUARTERS];
};

struct clicks_prior {
    double bias, taste; /* variances: of the bias, and of each number of the vector */
    int64_t drift_ms;   /* time in which what is known is as good as unknown; 0: never */
};

struct clicks_priors {
    struct clicks_prior level, category, item,
        user; /* level: of b, forms and ages; without vector */
    struct clicks_prior sensitivity, habit, weight; /* without vector */
};

struct clicks_row { /* what takes part in one impression; NULL: unknown, takes no part */
    struct clicks_number *level, *form, *age;
    struct clicks_part *category, *item, *user;
    struct clicks_number *sensitivity; /* of the user */
    double moved;                      /* t */
    struct clicks_habits *habits;      /* of the user in the category */
    uint32_t quarter;
    struct clicks_number *weight; /* w of the habits */
};

/* A zeroed one becomes a new one. A category's vector begins where its id says, since from vectors of
 * 0 on both sides nothing would be learnt. */
void clicks_number_init(struct clicks_number *number, const struct clicks_prior *prior,
                        int64_t now_ms);
void clicks_part_init(struct clicks_part *part, const struct clicks_prior *prior, int64_t now_ms);
void clicks_category_init(struct clicks_part *part, const struct clicks_prior *prior, uint64_t id,
                          int64_t now_ms);

/* The habits in a category among `count`; new ones take the place of those that least is known of. */
struct clicks_habits *clicks_habits_find(struct clicks_habits *habits, uint32_t count,
                                         const struct clicks_prior *prior, uint64_t category,
                                         int64_t now_ms);

/* False: the hour of the day is not known. */
bool clicks_quarter(double hour, uint32_t *quarter);

/* The bucket of age / life. */
uint32_t clicks_age(double age);

/* x of the means, without offset. */
double clicks_logit(const struct clicks_row *row);
double clicks_dot(const float *left, const float *right); /* in a fixed order */

/* The derivative of the log-likelihood by x, and its expected information. */
double clicks_gradient(double logit, double examination, bool clicked);
double clicks_information(double logit, double examination);

/* One impression; time does not run backwards. */
void clicks_learn(const struct clicks_row *row, const struct clicks_priors *priors, double offset,
                  double examination, bool clicked, int64_t now_ms);

#endif
