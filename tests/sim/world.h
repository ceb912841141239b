/* world: what the simulated operators and the checker share. One world a seed; single-threaded. */
#ifndef MILLRACE_SIM_WORLD_H
#define MILLRACE_SIM_WORLD_H

#include "runtime/api/operator.h"

#define SIM_SPLITS 4
#define SIM_ROWS 120 /* of a split */
#define SIM_KEYS 7
#define SIM_BATCH 9 /* rows of one read */

struct sim_event { /* row `row` of split `split`: a function of the seed alone */
    int64_t time_ms, key, value;
};
struct sim_event sim_event(uint64_t seed, uint32_t split, uint32_t row);

#define SIM_START_MS INT64_C(1000000)
#define SIM_DISORDER_MS 40
#define SIM_WINDOW_MS 100

/* What left the exactly-once sinks: lines by bundle. A bundle is named by attempt, subtask and
 * checkpoint, and committing it again changes nothing. */
struct sim_ledger {
    uint32_t count, capacity;
    struct sim_bundle {
        char name[64];
        uint64_t checkpoint;
        char *lines; /* each ended by \n */
    } * bundles;
    uint64_t durable;    /* the newest checkpoint whose manifest is durable */
    char violation[256]; /* the invariant that was broken first; empty: none */
};

extern struct sim_ledger *sim_ledger; /* of the world that runs */
extern uint64_t sim_seed;

#endif
