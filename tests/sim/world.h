/* world: a coordinator, three workers and what is between them, in one thread under virtual time.
 * All that happens is drawn from the seed: how long each message takes, who is stepped, what breaks.
 * The coordinator's own process is modelled on runtime/control/driver.c. */
#ifndef MILLRACE_SIM_WORLD_H
#define MILLRACE_SIM_WORLD_H

#include "tests/sim/ledger.h"
#include "tests/sim/process.h"

struct world_counts { /* what happened, to know that a sweep over seeds has met everything */
    uint64_t steps, crashes, hangs, zombies, cuts, breaks, stalls, coordinator_crashes, stops;
    uint64_t manifest_failures, write_failures, attempts, restores, checkpoints, aborts;
    uint64_t overtaken;                     /* manifests of coordinators that had a successor */
    uint64_t late_completes;                /* COMPLETE reached a process that had been replaced */
    uint64_t chaos, spilled, backpressured; /* worlds with debug.chaos; that wrote cells to leave
                                               memory; where a subtask waited for room */
};

struct world;

struct world *world_open(uint64_t seed, bool told); /* told: each event is printed */
void world_close(struct world *world);              /* removes its folder */
/* One step of virtual time; false once the job has ended or an invariant is broken. */
bool world_step(struct world *world);
/* After the last step; empty: all invariants held. Borrowed until close. */
const char *world_violation(struct world *world);
/* Adds up. */
void world_count(const struct world *world, struct world_counts *counts);
/* Differs when anything went another way: two runs of a seed must give the same. */
uint64_t world_trace(const struct world *world);

#endif
