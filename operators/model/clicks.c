/* clicks: see clicks.h. */
#include "operators/model/clicks.h"

#include "runtime/base/hash.h"

#include <math.h>

#define START 0.35 /* sd of each number of a new category's vector: about length 1 */
#define PREDICTED_MAX .999
#define NEWTON_ROUNDS 2u /* the shift settles to 1e-3 of itself */

/* ---- the beginning ---- */

void clicks_number_init(struct clicks_number *number, const struct clicks_prior *prior,
                        int64_t now_ms)
{
    *number = (struct clicks_number){0, prior->bias, now_ms};
}

void clicks_part_init(struct clicks_part *part, const struct clicks_prior *prior, int64_t now_ms)
{
    *part = (struct clicks_part){0};
    clicks_number_init(&part->bias, prior, now_ms);
    for (uint32_t i = 0; i < CLICKS_WIDTH; i++)
        part->variance[i] = (float)prior->taste;
}

/* A draw of variance 1 from four uniform ones: near enough to normal, and without libm. */
static double draw(uint64_t id, uint32_t place)
{
    uint64_t bits = hash_draw(id, place);
    double sum = 0;

    for (uint32_t i = 0; i < 4; i++)
        sum += (double)(bits >> 16 * i & 0xffff) / 65536 - .5 + 0x1p-17;
    return sum * 1.7320508075688772; /* sqrt(12 / 4) */
}

void clicks_category_init(struct clicks_part *part, const struct clicks_prior *prior, uint64_t id,
                          int64_t now_ms)
{
    clicks_part_init(part, prior, now_ms);
    for (uint32_t i = 0; i < CLICKS_WIDTH; i++)
        part->mean[i] = (float)(START * draw(id, i));
}

uint32_t clicks_age(double age)
{
    if (!(age > 0))
        return 0;
    return age < 1 ? (uint32_t)(age * CLICKS_AGES) : CLICKS_AGES - 1;
}

/* ---- prediction ---- */

double clicks_dot(const float *left, const float *right)
{
    float products[CLICKS_WIDTH];

    for (uint32_t i = 0; i < CLICKS_WIDTH; i++)
        products[i] = left[i] * right[i];
    return (double)(((products[0] + products[4]) + (products[1] + products[5])) +
                    ((products[2] + products[6]) + (products[3] + products[7])));
}

/* The vector of the item within its category. */
static void item_vector(const struct clicks_row *row, float *vector)
{
    for (uint32_t i = 0; i < CLICKS_WIDTH; i++)
        vector[i] =
            (row->category ? row->category->mean[i] : 0) + (row->item ? row->item->mean[i] : 0);
}

static double biases(const struct clicks_row *row)
{
    return row->level->mean + (row->form ? row->form->mean : 0) + (row->age ? row->age->mean : 0) +
           (row->category ? row->category->bias.mean : 0) + (row->item ? row->item->bias.mean : 0) +
           (row->user ? row->user->bias.mean : 0);
}

double clicks_logit(const struct clicks_row *row)
{
    float vector[CLICKS_WIDTH];

    if (!row->user)
        return biases(row);
    item_vector(row, vector);
    return biases(row) + clicks_dot(row->user->mean, vector);
}

static double sigmoid(double logit)
{
    return 1 / (1 + exp(-logit));
}

double clicks_gradient(double logit, double examination, bool clicked)
{
    double s = sigmoid(logit), p = fmin(examination * s, PREDICTED_MAX);

    return clicked ? 1 - s : -p * (1 - s) / (1 - p);
}

double clicks_information(double logit, double examination)
{
    double s = sigmoid(logit), p = fmin(examination * s, PREDICTED_MAX);

    return p * (1 - s) * (1 - s) / (1 - p);
}

/* ---- learning ---- */

static void drift(struct clicks_number *number, const struct clicks_prior *prior, int64_t now_ms)
{
    double grown;

    if (prior->drift_ms > 0 && now_ms > number->seen_ms) {
        grown = number->variance +
                prior->bias * (double)(now_ms - number->seen_ms) / (double)prior->drift_ms;
        number->variance = fmin(grown, fmax(prior->bias, number->variance));
    }
    number->seen_ms = now_ms;
}

static void drift_part(struct clicks_part *part, const struct clicks_prior *prior, int64_t now_ms)
{
    int64_t apart_ms = now_ms - part->bias.seen_ms;
    float most = (float)prior->taste, more;

    drift(&part->bias, prior, now_ms);
    if (prior->drift_ms <= 0 || apart_ms <= 0)
        return;
    more = (float)(prior->taste * (double)apart_ms / (double)prior->drift_ms);
    for (uint32_t i = 0; i < CLICKS_WIDTH; i++) {
        float grown = part->variance[i] + more;
        part->variance[i] = grown < most ? grown : most;
    }
}

static void drift_row(const struct clicks_row *row, const struct clicks_priors *priors,
                      int64_t now_ms)
{
    drift(row->level, &priors->level, now_ms);
    if (row->form)
        drift(row->form, &priors->level, now_ms);
    if (row->age)
        drift(row->age, &priors->level, now_ms);
    if (row->category)
        drift_part(row->category, &priors->category, now_ms);
    if (row->item)
        drift_part(row->item, &priors->item, now_ms);
    if (row->user)
        drift_part(row->user, &priors->user, now_ms);
}

/* Sum of variance x slope^2. */
static double vector_spread(const float *variance, const float *slope)
{
    float squares[CLICKS_WIDTH];

    for (uint32_t i = 0; i < CLICKS_WIDTH; i++)
        squares[i] = slope[i] * slope[i];
    return clicks_dot(variance, squares);
}

static double part_spread(const struct clicks_part *part, const float *slope)
{
    return part ? part->bias.variance + vector_spread(part->variance, slope) : 0;
}

/* For each unit of variance x slope; and what variances lose for the same, squared. `own` is the solution
 * of the header. It is damped the more, the less is known, and upwards more than downwards: numbers that
 * are shared by many rows would settle too low by it, so they take the plain step, whose mean is 0 just
 * where the prediction is right. */
struct shift {
    double shared, own, loss;
};

/* d = S g(x + d) by Newton's method from 0; the curvature of the log-likelihood is taken as its
 * expectation, which is never negative. */
static struct shift find_shift(double logit, double examination, bool clicked, double spread)
{
    double information = clicks_information(logit, examination), moved = 0;

    for (uint32_t i = 0; i < NEWTON_ROUNDS; i++) {
        double at = logit + moved, s = sigmoid(at);
        double curve = clicked ? s * (1 - s) : clicks_information(at, examination);
        moved -=
            (moved - spread * clicks_gradient(at, examination, clicked)) / (1 + spread * curve);
    }
    return (struct shift){clicks_gradient(logit, examination, clicked) / (1 + information * spread),
                          moved / spread, information / (1 + information * spread)};
}

static void move_number(struct clicks_number *number, double by, double loss)
{
    number->mean += number->variance * by;
    number->variance -= number->variance * number->variance * loss;
}

static void move_vector(struct clicks_part *part, const float *slope, const struct shift *shift)
{
    float by = (float)shift->own, loss = (float)shift->loss;

    for (uint32_t i = 0; i < CLICKS_WIDTH; i++) {
        float reach = part->variance[i] * slope[i];
        part->mean[i] += reach * by;
        part->variance[i] -= reach * reach * loss;
    }
}

void clicks_learn(const struct clicks_row *row, const struct clicks_priors *priors, double offset,
                  double examination, bool clicked, int64_t now_ms)
{
    float vector[CLICKS_WIDTH], taste[CLICKS_WIDTH] = {0}; /* slopes: as they were before */
    struct shift shift;
    double spread;

    drift_row(row, priors, now_ms);
    item_vector(row, vector);
    for (uint32_t i = 0; i < CLICKS_WIDTH && row->user; i++)
        taste[i] = row->user->mean[i];
    spread = row->level->variance + (row->form ? row->form->variance : 0) +
             (row->age ? row->age->variance : 0) + part_spread(row->category, taste) +
             part_spread(row->item, taste) + part_spread(row->user, vector);
    if (!(spread > 0))
        return;
    shift = find_shift(clicks_logit(row) + offset, examination, clicked, spread);
    move_number(row->level, shift.shared, shift.loss);
    if (row->form)
        move_number(row->form, shift.shared, shift.loss);
    if (row->age)
        move_number(row->age, shift.shared, shift.loss);
    if (row->category) {
        move_number(&row->category->bias, shift.shared, shift.loss);
        move_vector(row->category, taste, &shift);
    }
    if (row->item) {
        move_number(&row->item->bias, shift.own, shift.loss);
        move_vector(row->item, taste, &shift);
    }
    if (row->user) {
        move_number(&row->user->bias, shift.own, shift.loss);
        move_vector(row->user, vector, &shift);
    }
}
