/* link: the generated network link of a request: throughput a second, round trip and loss.
 * Method: log throughput is mu + slow + fast, two first-order autoregressions a second. One
 * component does not do: traces keep about half of their correlation over 10 s and lose a tenth of
 * it in the first. Weight and decay of each kind are fitted to the correlation over 1 s and 10 s of
 * HSDPA, FCC and Oboe traces (the figures are in link_kinds), mean and deviation are those of the
 * traces; mu is drawn for each session. The innovations are sums of four uniform bytes. Pure. */
#ifndef MILLRACE_MODEL_LINK_H
#define MILLRACE_MODEL_LINK_H

#include <stdint.h>

#define LINK_PAST 60 /* seconds that are known when a request is served */
#define LINK_NEXT 40 /* seconds that decide how it goes */
#define LINK_SECONDS (LINK_PAST + LINK_NEXT)
#define LINK_FAIL_S 3.0 /* a start that takes longer has failed */

enum link_kind {
    LINK_METRO,
    LINK_TRAM,
    LINK_BUS,
    LINK_TRAIN,
    LINK_CAR,
    LINK_FERRY,
    LINK_BROADBAND,
    LINK_OBOE
};
#define LINK_KINDS 8

struct link_model {
    const char *name;
    double mu, sd, within;           /* of log Mbit/s; the rest of sd is between sessions */
    double slow, slow_rho, fast_rho; /* slow: its share of the variance within */
};
extern const struct link_model link_models[LINK_KINDS];

struct link_trace; /* link_traces.h */

struct link {
    double mbits[LINK_SECONDS]; /* a second */
    double q20, mean;           /* of the past */
    double rtt_ms, loss;
    const struct link_model *model; /* private, as what follows: where the draws stand */
    double mu, slow, fast;
    uint64_t request;
    const struct link_trace *trace; /* NULL: drawn; otherwise where its replay stands */
    uint64_t at;
    double times;
};

/* Throughput of the past: `session` draws mu, `request` the rest. `times` scales the kind's
 * throughput. */
void link_draw_past(struct link *link, enum link_kind kind, double times, uint64_t session,
                    uint64_t request);
/* In its place: the second `at` of a trace and on; the first comes again after the last. */
void link_replay_past(struct link *link, const struct link_trace *trace, uint64_t at, double times);
void link_next(struct link *link); /* after either */

struct link_start {
    double start_s; /* time to the first frame, or the whole page */
    double share;   /* of the bitrate that is sustained */
};
/* A stream of `rate` Mbit/s (its first 2 s) or a page of `rate` Mbit. */
struct link_start link_start(const struct link *link, double rate, double megabits);

#endif
