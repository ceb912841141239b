/* clicks: see clicks.h. */
#include "operators/model/clicks.h"

#include "runtime/base/hash.h"

#include <math.h>

#define START 0.35 /* sd of each number of a new category's vector: about length 1 */
#define PREDICTED_MAX .999
#define VARIANCE_MIN 1e-6f /* so that rounding makes none negative */
#define NEWTON_ROUNDS 2u   /* the shift settles to 1e-3 of itself */

/* ---- the beginning ---- */

void clicks_number_init(struct clicks_number *number, const struct clicks_prior *prior,
                        int64_t now_ms)
{
    *number = (struct clicks_number){0, prior->bias, now_ms};
}

/* Where the variance of a number stands. */
static uint32_t diagonal(uint32_t i)
{
    return i * (i + 3) / 2;
}

static double prior_variance(const struct clicks_prior *prior, uint32_t i)
{
    return i == 0 ? prior->bias : prior->taste;
}

void clicks_part_init(struct clicks_part *part, const struct clicks_prior *prior, int64_t now_ms)
{
    *part = (struct clicks_part){.seen_ms = now_ms};
    for (uint32_t i = 0; i < CLICKS_NUMBERS; i++)
        part->covariance[diagonal(i)] = (float)prior_variance(prior, i);
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
        part->mean[1 + i] = (float)(START * draw(id, i));
}

static double uncertainty(const struct clicks_habits *habits)
{
    double sum = 0;

    for (uint32_t i = 0; i < CLICKS_QUARTERS; i++)
        sum += (double)habits->variance[i];
    return sum;
}

struct clicks_habits *clicks_habits_find(struct clicks_habits *habits, uint32_t count,
                                         const struct clicks_prior *prior, uint64_t category,
                                         int64_t now_ms)
{
    struct clicks_habits *least = habits;

    for (uint32_t i = 0; i < count; i++)
        if (habits[i].category == category)
            return &habits[i];
    for (uint32_t i = 1; i < count && least->category; i++)
        if (!habits[i].category || uncertainty(&habits[i]) > uncertainty(least))
            least = &habits[i];
    *least = (struct clicks_habits){.category = category, .seen_ms = now_ms};
    for (uint32_t i = 0; i < CLICKS_QUARTERS; i++)
        least->variance[i] = (float)prior->bias;
    return least;
}

bool clicks_quarter(double hour, uint32_t *quarter)
{
    if (!(hour >= 0 && hour < 24))
        return false;
    *quarter = (uint32_t)(hour * CLICKS_QUARTERS / 24);
    return true;
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

/* The derivatives of x by the numbers of a user: 1, and the vector of the item in its category. */
static void user_slopes(const struct clicks_row *row, float *slopes)
{
    slopes[0] = 1;
    for (uint32_t i = 1; i < CLICKS_NUMBERS; i++)
        slopes[i] =
            (row->category ? row->category->mean[i] : 0) + (row->item ? row->item->mean[i] : 0);
}

/* The same by those of an item or a category: 1, and the user's vector. */
static void item_slopes(const struct clicks_row *row, float *slopes)
{
    slopes[0] = 1;
    for (uint32_t i = 1; i < CLICKS_NUMBERS; i++)
        slopes[i] = row->user ? row->user->mean[i] : 0;
}

static double bias_of(const struct clicks_part *part)
{
    return part ? (double)part->mean[0] : 0;
}

double clicks_logit(const struct clicks_row *row)
{
    double biases = row->level->mean + (row->form ? row->form->mean : 0) +
                    (row->age ? row->age->mean : 0) + bias_of(row->category) + bias_of(row->item) +
                    bias_of(row->user) +
                    (row->sensitivity ? row->sensitivity->mean * row->moved : 0) +
                    (row->habits ? (double)row->habits->mean[row->quarter] : 0);
    float slopes[CLICKS_NUMBERS];

    if (!row->user)
        return biases;
    user_slopes(row, slopes);
    return biases + clicks_dot(row->user->mean + 1, slopes + 1);
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
    int64_t apart_ms = now_ms - part->seen_ms;

    part->seen_ms = now_ms;
    if (prior->drift_ms <= 0 || apart_ms <= 0)
        return;
    for (uint32_t i = 0; i < CLICKS_NUMBERS; i++) {
        double most = prior_variance(prior, i);
        double grown = (double)part->covariance[diagonal(i)] +
                       most * (double)apart_ms / (double)prior->drift_ms;
        part->covariance[diagonal(i)] = (float)fmin(grown, most);
    }
}

static void drift_habits(struct clicks_habits *habits, const struct clicks_prior *prior,
                         int64_t now_ms)
{
    int64_t apart_ms = now_ms - habits->seen_ms;

    habits->seen_ms = now_ms;
    if (prior->drift_ms <= 0 || apart_ms <= 0)
        return;
    for (uint32_t i = 0; i < CLICKS_QUARTERS; i++) {
        double grown =
            (double)habits->variance[i] + prior->bias * (double)apart_ms / (double)prior->drift_ms;
        habits->variance[i] = (float)fmin(grown, prior->bias);
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
    if (row->sensitivity)
        drift(row->sensitivity, &priors->sensitivity, now_ms);
    if (row->habits)
        drift_habits(row->habits, &priors->habit, now_ms);
    if (row->weight)
        drift(row->weight, &priors->weight, now_ms);
}

/* V j into `reach`. Returns j'Vj; 0 without a part. */
static double part_spread(const struct clicks_part *part, const float *slopes, float *reach)
{
    const float *pair = part ? part->covariance : NULL;
    double sum = 0;

    for (uint32_t i = 0; i < CLICKS_NUMBERS; i++)
        reach[i] = 0;
    for (uint32_t i = 0; part && i < CLICKS_NUMBERS; i++) {
        for (uint32_t k = 0; k < i; k++, pair++) {
            reach[i] += *pair * slopes[k];
            reach[k] += *pair * slopes[i];
        }
        reach[i] += *pair++ * slopes[i];
    }
    for (uint32_t i = 0; i < CLICKS_NUMBERS; i++)
        sum += (double)(reach[i] * slopes[i]);
    return sum;
}

/* For each unit of V j; and what V loses for the same, squared. `own` is the solution
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

static void move_number(struct clicks_number *number, double slope, double by, double loss)
{
    double reach = number->variance * slope;

    number->mean += reach * by;
    number->variance -= reach * reach * loss;
}

static void move_part(struct clicks_part *part, const float *reach, double bias, double vector,
                      double loss)
{
    float *pair = part->covariance;

    for (uint32_t i = 0; i < CLICKS_NUMBERS; i++) {
        float lost = reach[i] * (float)loss;
        part->mean[i] += reach[i] * (float)(i == 0 ? bias : vector);
        for (uint32_t k = 0; k <= i; k++)
            *pair++ -= lost * reach[k];
        if (pair[-1] < VARIANCE_MIN)
            pair[-1] = VARIANCE_MIN;
    }
}

static void move_habit(struct clicks_habits *habits, uint32_t quarter, double by, double loss)
{
    double variance = (double)habits->variance[quarter];

    habits->mean[quarter] += (float)(variance * by);
    habits->variance[quarter] = (float)(variance - variance * variance * loss);
}

/* As if the habits were served so, and nothing else were to be learnt; `logit` has all of them in. */
static void learn_weight(const struct clicks_row *row, double logit, double examination,
                         bool clicked)
{
    double habit = (double)row->habits->mean[row->quarter];
    double at = logit + (row->weight->mean - 1) * habit;
    double information = clicks_information(at, examination);
    double damping = 1 + information * row->weight->variance * habit * habit;

    move_number(row->weight, habit, clicks_gradient(at, examination, clicked) / damping,
                information / damping);
}

void clicks_learn(const struct clicks_row *row, const struct clicks_priors *priors, double offset,
                  double examination, bool clicked, int64_t now_ms)
{
    float item[CLICKS_NUMBERS], user[CLICKS_NUMBERS]; /* slopes */
    float reaches[3][CLICKS_NUMBERS];
    struct shift shift;
    double spread = 0, logit = clicks_logit(row) + offset;

    drift_row(row, priors, now_ms);
    item_slopes(row, item);
    user_slopes(row, user);
    if (row->sensitivity)
        spread = row->sensitivity->variance * row->moved * row->moved;
    if (row->habits)
        spread += (double)row->habits->variance[row->quarter];
    spread += row->level->variance + (row->form ? row->form->variance : 0) +
              (row->age ? row->age->variance : 0) + part_spread(row->category, item, reaches[0]) +
              part_spread(row->item, item, reaches[1]) + part_spread(row->user, user, reaches[2]);
    if (!(spread > 0))
        return;
    shift = find_shift(logit, examination, clicked, spread);
    if (row->habits && row->weight)
        learn_weight(row, logit, examination, clicked);
    move_number(row->level, 1, shift.shared, shift.loss);
    if (row->form)
        move_number(row->form, 1, shift.shared, shift.loss);
    if (row->age)
        move_number(row->age, 1, shift.shared, shift.loss);
    if (row->sensitivity)
        move_number(row->sensitivity, row->moved, shift.own, shift.loss);
    if (row->habits)
        move_habit(row->habits, row->quarter, shift.own, shift.loss);
    if (row->category)
        move_part(row->category, reaches[0], shift.shared, shift.own, shift.loss);
    if (row->item)
        move_part(row->item, reaches[1], shift.own, shift.own, shift.loss);
    if (row->user)
        move_part(row->user, reaches[2], shift.own, shift.own, shift.loss);
}
