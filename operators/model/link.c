/* link: see link.h. */
#include "operators/model/link.h"

#include "operators/model/link_traces.h"
#include "operators/model/world_hash.h"

/* rho(1 s), rho(10 s) of the traces: metro .88 .71, tram .85 .51, bus .87 .58, train .83 .48, car
 * .85 .69, ferry .88 .64, broadband .91 .50, oboe .92 .41. With them slow x slow_rho^s + (1 - slow) x
 * fast_rho^s; slow_rho is bounded by .995, so that a minute still moves. */
const struct link_model link_models[LINK_KINDS] = {
    [LINK_METRO] = {"metro", -0.37, 0.83, 0.79, 0.745, 0.995, 0.54},
    [LINK_TRAM] = {"tram", -0.28, 0.58, 0.56, 0.73, 0.9647, 0.54},
    [LINK_BUS] = {"bus", 0.50, 0.77, 0.65, 0.69, 0.9823, 0.62},
    [LINK_TRAIN] = {"train", 0.16, 0.69, 0.65, 0.55, 0.9855, 0.64},
    [LINK_CAR] = {"car", -0.06, 0.93, 0.83, 0.73, 0.9942, 0.46},
    [LINK_FERRY] = {"ferry", 0.25, 0.80, 0.77, 0.74, 0.9854, 0.58},
    [LINK_BROADBAND] = {"broadband", -0.03, 0.81, 0.48, 0.905, 0.9425, 0.6},
    [LINK_OBOE] = {"oboe", 0.83, 0.69, 0.30, 1.0, 0.92, 0.6},
};

/* A sum of four uniform bytes: mean 0, deviation 1. */
static double innovation(uint32_t bits)
{
    uint32_t pairs = (bits & 0x00ff00ff) + (bits >> 8 & 0x00ff00ff);

    return ((double)((pairs & 0xffff) + (pairs >> 16)) - 510) * (1 / 147.80054127099797);
}

static void draw(struct link *link, uint32_t begin, uint32_t end)
{
    const struct link_model *model = link->model;
    double slow_step = model->within * sqrt(model->slow * (1 - model->slow_rho * model->slow_rho));
    double fast_step =
        model->within * sqrt((1 - model->slow) * (1 - model->fast_rho * model->fast_rho));
    double slow = link->slow, fast = link->fast;

    for (uint32_t second = begin; second < end; second++) {
        uint64_t bits = world_mix(link->request + (second + 2) * WORLD_K1);
        link->mbits[second] = link->mu + slow + fast;
        slow = model->slow_rho * slow + slow_step * innovation((uint32_t)bits);
        fast = model->fast_rho * fast + fast_step * innovation((uint32_t)(bits >> 32));
    }
    for (uint32_t second = begin; second < end; second++)
        link->mbits[second] = exp(link->mbits[second]);
    link->slow = slow;
    link->fast = fast;
}

/* The 20 % quantile of the past: only its lower fifth is sorted. */
static double quantile(const double *mbits)
{
    double low[LINK_PAST / 5 + 1];
    uint32_t count = 0;

    for (uint32_t i = 0; i < LINK_PAST; i++) {
        uint32_t at = count;
        if (count == LINK_PAST / 5 + 1 && mbits[i] >= low[count - 1])
            continue;
        if (count < LINK_PAST / 5 + 1)
            count++;
        else
            at--;
        for (; at > 0 && low[at - 1] > mbits[i]; at--)
            low[at] = low[at - 1];
        low[at] = mbits[i];
    }
    return 0.2 * low[count - 2] + 0.8 * low[count - 1]; /* between the 12th and the 13th */
}

static void sum_up(struct link *link)
{
    double sum = 0;

    for (uint32_t second = 0; second < LINK_PAST; second++)
        sum += link->mbits[second];
    link->mean = sum / LINK_PAST;
    link->q20 = quantile(link->mbits);
}

void link_draw_past(struct link *link, enum link_kind kind, double times, uint64_t session,
                    uint64_t request)
{
    const struct link_model *model = &link_models[kind];
    double between = sqrt(model->sd * model->sd - model->within * model->within);

    link->trace = NULL;
    link->model = model;
    link->request = request;
    link->mu = model->mu + log(times) + between * world_normal(session);
    link->slow = model->within * sqrt(model->slow) * world_normal(request);
    link->fast = model->within * sqrt(1 - model->slow) * world_normal(request + 1);
    draw(link, 0, LINK_PAST);
    sum_up(link);
}

static void replay(struct link *link, uint32_t begin, uint32_t end)
{
    for (uint32_t second = begin; second < end; second++)
        link->mbits[second] =
            link->times * (double)link->trace->mbits[(link->at + second) % link->trace->seconds];
}

void link_replay_past(struct link *link, const struct link_trace *trace, uint64_t at, double times)
{
    link->trace = trace;
    link->at = at;
    link->times = times;
    replay(link, 0, LINK_PAST);
    sum_up(link);
}

void link_next(struct link *link)
{
    if (link->trace)
        replay(link, LINK_PAST, LINK_SECONDS);
    else
        draw(link, LINK_PAST, LINK_SECONDS);
}

struct link_start link_start(const struct link *link, double rate, double megabits)
{
    const double *next = link->mbits + LINK_PAST;
    double left = megabits * (1 + 12 * link->loss), sum = 0;
    struct link_start start = {3 * link->rtt_ms / 1000, 1};
    uint32_t second = 0;

    for (; second < LINK_NEXT && left > next[second]; second++) {
        left -= next[second];
        start.start_s += 1;
    }
    start.start_s += second < LINK_NEXT ? left / next[second] : left / next[LINK_NEXT - 1];
    for (second = 0; second < 30; second++)
        sum += next[second];
    if (rate > 0 && sum / 30 < rate)
        start.share = sum / 30 / rate;
    return start;
}
