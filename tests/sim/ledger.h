/* ledger: the rows that a seed makes, what must come of them, and what the sinks committed. The
 * expected lines are computed without the engine; each commit is held against them at once, so that
 * a violation is named at the step that made it. */
#ifndef MILLRACE_SIM_LEDGER_H
#define MILLRACE_SIM_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#define SIM_SPLITS 5u
#define SIM_ROWS 250u /* of a split, at most */
#define SIM_BATCH 5u  /* rows of one read */
#define SIM_START_MS INT64_C(1000000)
#define SIM_DISORDER_MS 40 /* as the source declares; some rows are later than that */
#define SIM_JITTER_MS 70
#define SIM_WINDOW_MS 100
#define SIM_SILENCE_MS 150
#define SIM_FED 1000 /* fed values are below it */
#define SIM_BACK_MS 30
#define SIM_TALLY_MS 120
#define SIM_FAR_MS 250

struct sim_event { /* row `row` of split `split`: a function of the seed alone */
    int64_t time_ms, key, value;
};
uint32_t sim_rows(uint64_t seed, uint32_t split); /* how many the split has */
struct sim_event sim_event(uint64_t seed, uint32_t split, uint32_t row);

struct ledger;

struct ledger *ledger_create(uint64_t seed);
void ledger_close(struct ledger *ledger);
uint64_t ledger_seed(const struct ledger *ledger);

/* The manifest of this checkpoint is durable. */
void ledger_durable(struct ledger *ledger, uint64_t checkpoint);
/* A sink makes a bundle visible: its unique name, then lines that each end in \n. Committing it
 * again changes nothing. `restored`: from a checkpoint. */
void ledger_commit(struct ledger *ledger, const char *name, uint64_t checkpoint, const char *lines,
                   bool restored);
/* At the end of the job: all expected lines must be there. */
void ledger_finish(struct ledger *ledger);
/* Another invariant is broken; the first one told stands. */
void ledger_violate(struct ledger *ledger, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The first invariant that was broken, with its name; empty: none. */
const char *ledger_violation(const struct ledger *ledger);
uint32_t ledger_checkpoints(const struct ledger *ledger); /* durable ones */

extern struct ledger *sim_ledger; /* of the world that runs: what the sinks commit to */

#endif
