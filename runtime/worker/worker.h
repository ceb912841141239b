/* worker: the process that hosts slots. One loop thread (network, control), one thread a slot, a
 * small pool. Lives as long as its connection to the coordinator: when that ends (the job is over,
 * the worker was replaced, the coordinator died) it exits, and whatever it had not committed is
 * taken over by the next attempt. */
#ifndef MILLRACE_WORKER_WORKER_H
#define MILLRACE_WORKER_WORKER_H

#include <stdint.h>

struct worker_config {
    const char *host; /* of the coordinator */
    uint16_t port;
    uint32_t seat;  /* number among the job's workers */
    uint64_t epoch; /* of the coordinator; others are refused */
};

#define WORKER_POOL_THREADS 1u /* state files and loads, beside the slots */

/* Runs until told to finish (0), or cut off from the coordinator (3). */
int worker_run(const struct worker_config *config);

#endif
