/* sim: the coordinator and the tasklets of three workers under virtual time, from a seed (world.h).
 *
 *   sim [--seeds N] [--first S] [--expect-violation]
 *   sim --seed S                                       that one alone, with what it met
 *
 * Invariants, by the names that a violation is printed with:
 *   exactly once           the lines that sinks commit are those of a plain computation, each once
 *   one cut for tables     each looked-up value is that of the last closed window
 *   commit after manifest  nothing is committed before its checkpoint's manifest is durable
 *   unique names           no two bundles have one name but other contents
 *   no lost wake-up        a slot that sleeps has nothing to do
 *   the job ends           however it was disturbed, once the disturbances end
 *   the job succeeds
 *   replay                 a seed run twice goes the same way (every REPLAY_EVERY-th is)
 *
 * The last line says what the seeds met; a sweep that did not meet everything fails too. */
#include "tests/sim/world.h"

#include "runtime/base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLAY_EVERY 50u
#define SWEEP_MIN 50u /* seeds from which on everything must have been met */

struct outcome {
    uint64_t steps, trace;
    char violation[1024];
};

static void run_seed(uint64_t seed, struct world_counts *counts, struct outcome *outcome,
                     bool verbose)
{
    struct world *world = world_open(seed, verbose);
    struct world_counts own = {0};

    while (world_step(world))
        continue;
    (void)snprintf(outcome->violation, sizeof(outcome->violation), "%s", world_violation(world));
    outcome->trace = world_trace(world);
    world_count(world, &own);
    world_count(world, counts);
    outcome->steps = own.steps;
    if (verbose)
        (void)printf("seed %" PRIu64 ": trace %016" PRIx64 "\n", seed, outcome->trace);
    world_close(world);
}

static void run_checked(uint64_t seed, struct world_counts *counts, struct outcome *outcome,
                        bool verbose)
{
    struct world_counts ignored = {0};
    struct outcome again;

    run_seed(seed, counts, outcome, verbose);
    if (outcome->violation[0] || seed % REPLAY_EVERY != 0)
        return;
    run_seed(seed, &ignored, &again, false);
    if (outcome->steps != again.steps || outcome->trace != again.trace)
        (void)snprintf(outcome->violation, sizeof(outcome->violation),
                       "replay: the first run took %" PRIu64 " steps, trace %016" PRIx64
                       ", the second %" PRIu64 ", trace %016" PRIx64,
                       outcome->steps, outcome->trace, again.steps, again.trace);
}

static void print_counts(const struct world_counts *counts)
{
    (void)printf("%" PRIu64 " steps, %" PRIu64 " attempts (%" PRIu64 " from a checkpoint), %" PRIu64
                 " checkpoints, %" PRIu64 " given up; ",
                 counts->steps, counts->attempts, counts->restores, counts->checkpoints,
                 counts->aborts);
    (void)printf("%" PRIu64 " crashes, %" PRIu64 " hangs, %" PRIu64 " cut off, %" PRIu64
                 " broken connections, %" PRIu64 " stalled disks, %" PRIu64
                 " coordinators crashed, %" PRIu64 " stops, %" PRIu64 " manifests and %" PRIu64
                 " files refused; ",
                 counts->crashes, counts->hangs, counts->cuts, counts->breaks, counts->stalls,
                 counts->coordinator_crashes, counts->stops, counts->manifest_failures,
                 counts->write_failures);
    (void)printf("%" PRIu64 " manifests of an overtaken coordinator, ", counts->overtaken);
    (void)printf("%" PRIu64 " zombies, %" PRIu64 " late commits, %" PRIu64 " worlds with chaos, "
                 "%" PRIu64 " with spill, %" PRIu64 " with backpressure\n",
                 counts->zombies, counts->late_completes, counts->chaos, counts->spilled,
                 counts->backpressured);
}

static bool met_all(const struct world_counts *counts)
{
    return counts->crashes && counts->hangs && counts->cuts && counts->breaks && counts->stalls &&
           counts->coordinator_crashes && counts->stops && counts->manifest_failures &&
           counts->write_failures && counts->restores && counts->checkpoints && counts->aborts &&
           counts->overtaken && counts->zombies && counts->late_completes && counts->chaos &&
           counts->spilled && counts->backpressured;
}

struct options {
    uint64_t first, seeds;
    bool expect, alone;
};

static bool parse(int argc, char **argv, struct options *options)
{
    *options = (struct options){.first = 1, .seeds = 500};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--expect-violation") == 0) {
            options->expect = true;
        } else if (i + 1 < argc && strcmp(argv[i], "--seeds") == 0) {
            options->seeds = strtoull(argv[++i], NULL, 10);
        } else if (i + 1 < argc && strcmp(argv[i], "--first") == 0) {
            options->first = strtoull(argv[++i], NULL, 10);
        } else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0) {
            options->first = strtoull(argv[++i], NULL, 10);
            options->seeds = 1;
            options->alone = true;
        } else {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    struct world_counts counts = {0};
    struct options options;
    struct outcome outcome;

    if (!parse(argc, argv, &options)) {
        (void)fprintf(stderr, "usage: sim [--seeds N] [--first S] [--seed S] "
                              "[--expect-violation]\n");
        return 2;
    }
    log_set_level(LOG_ERROR);
    for (uint64_t seed = options.first; seed < options.first + options.seeds; seed++) {
        run_checked(seed, &counts, &outcome, options.alone);
        if (!outcome.violation[0])
            continue;
        print_counts(&counts);
        (void)printf("seed %" PRIu64 " violates %s\n", seed, outcome.violation);
        return options.expect ? 0 : 1;
    }
    print_counts(&counts);
    if (options.seeds >= SWEEP_MIN && !met_all(&counts)) {
        (void)printf("%" PRIu64 " seeds did not meet everything\n", options.seeds);
        return 1;
    }
    (void)printf("%" PRIu64 " seeds, no violation\n", options.seeds);
    return options.expect ? 1 : 0;
}
