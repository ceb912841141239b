/* subtask: what the parts of one subtask share. The slot's thread only, but for the commands. */
#ifndef MILLRACE_TASK_SUBTASK_H
#define MILLRACE_TASK_SUBTASK_H

#include "runtime/task/op.h"
#include "runtime/task/output.h"

struct gate;
struct input;
struct source;
struct snapshot;

struct later { /* of op_later */
    struct later *next;
    bool (*run)(void *context, struct error *err);
    void (*end)(void *context);
    void *context;
    const char *id; /* of the operator */
};

/* The barrier that is passing through. */
struct barrier {
    uint64_t checkpoint;      /* 0: none */
    enum barrier_final final; /* behind sources: ENDS or not */
    bool aligned;     /* from all channels and tables: what can be released is on its way out */
    uint64_t ignored; /* barriers up to this number were aborted, superseded or have passed */
};

#define TRIGGER_FINALS 4u

#define STORE_WORDS (sizeof(struct store_figures) / sizeof(uint64_t))
_Static_assert(sizeof(struct store_figures) % sizeof(uint64_t) == 0, "words");

struct commands {             /* any thread */
    _Atomic uint64_t trigger; /* checkpoint * TRIGGER_FINALS + final */
    _Atomic uint64_t complete, abort;
};

struct subtask {
    struct task_host *host;
    const struct plan *plan;
    const struct plan_chain *chain;
    uint32_t number;
    struct waker *waker;
    struct arena *arena;
    struct error err;
    bool failed, restored; /* restored: began from a checkpoint */
    /* the chain, parents before children; publishers of tables at the end */
    uint32_t op_count, op_capacity;
    struct op *ops;
    struct store *store; /* NULL: no state */
    struct store_state *states;
    uint32_t state_count;
    uint32_t table_count; /* that operators of the chain look up; the gate waits for all */
    struct op_table **tables;
    struct input *input;   /* NULL: a source */
    struct source *source; /* NULL: has input */
    struct gate *gate;     /* NULL: rows go on as they come */
    int64_t gate_sent_ms;  /* last watermark behind the gate */
    bool waiting;          /* a target holds what its channel did not take */
    struct barrier barrier;
    struct later *later;        /* of this barrier, for its snapshot */
    struct snapshot *snapshot;  /* of the newest barrier, being written */
    struct snapshot *forgotten; /* older ones whose work is not done yet */
    struct commands commands;
    uint64_t triggered, completed, aborted; /* seen */
    bool drained;                           /* reported */
    struct random random;                   /* debug.chaos */
    /* figures */
    int64_t flushed_ns, step_end_ns, figures_ns;
    enum step_result step_last;
    _Atomic int64_t busy_ns, backpressured_ns, idle_ns, pause_max_ns, watermark_ms;
    _Atomic uint64_t gate_rows, bytes_done, bytes_all;
    _Atomic uint64_t store_words[STORE_WORDS]; /* struct store_figures, a word each */
};

static inline struct op *subtask_head(const struct subtask *subtask)
{
    return &subtask->ops[0];
}

/* The lowest watermark of the chain: cells that expired before it are needed by no one. */
static inline int64_t subtask_watermark(const struct subtask *subtask)
{
    int64_t lowest = INT64_MAX;

    for (uint32_t i = 0; i < subtask->op_count; i++)
        if (subtask->ops[i].watermark_ms < lowest)
            lowest = subtask->ops[i].watermark_ms;
    return lowest;
}

/* A number of rows to cut at: BATCH_ROWS_MAX, or with debug.chaos any from 1. */
static inline uint32_t subtask_cut(struct subtask *subtask)
{
    return subtask->host->chaos ? 1 + (uint32_t)random_below(&subtask->random, BATCH_ROWS_MAX)
                                : BATCH_ROWS_MAX;
}

/* Rows from outside for the first operator: to the gate, or to its items. Takes the reference. */
void subtask_take_batch(struct subtask *subtask, uint32_t port, uint32_t lane, struct batch *batch);

#endif
