/* op: one operator within one subtask: what it is working on, its cells, timers and outputs. The
 * operator itself sees it only through runtime/api/operator.h.
 *
 * Work is a queue of items for each operator. The subtask always works on the deepest operator that
 * has some, so what one input causes has left the chain before the next one is taken, and a call
 * that has to wait for state leaves its item at the head of the queue and is tried again.
 * Used by the slot's thread; figures are read by any. */
#ifndef MILLRACE_TASK_OP_H
#define MILLRACE_TASK_OP_H

#include "runtime/graph/plan.h"
#include "runtime/net/channel.h"
#include "runtime/task/task.h"

struct op;
struct subtask;
struct output;
struct replica_reader;

/* ---- items ---- */
enum item_kind { ITEM_BATCH, ITEM_WATERMARK };

struct item {
    enum item_kind kind;
    uint32_t port;
    uint32_t at;         /* batch: selected rows that are done */
    struct batch *batch; /* owned */
    int64_t time_ms;     /* watermark */
};

struct items { /* a ring; capacity is 0 or a power of two */
    struct item *ring;
    uint32_t head, count, capacity;
};
struct item *items_push(struct items *items); /* zeroed, at the end */
void items_pop(struct items *items);          /* releases the first one's batch */
void items_clear(struct items *items);

static inline struct item *items_first(const struct items *items)
{
    return &items->ring[items->head & (items->capacity - 1)];
}

/* ---- what an operator is given ---- */
struct op_table {
    const struct plan_table *table; /* NULL: not given in the job file */
    struct replica *replica;
    struct replica_reader *reader;
    int64_t delay_ms; /* of the versions that are seen */
    bool looped;      /* made from what this operator sends: barriers do not wait for it */
    int64_t version;  /* pinned for the present call; INT64_MIN before the first */
    uint32_t ranking; /* among the table's rankings; FIELD_NONE: none asked for */
};

struct op_cells {   /* of one state, for the present call */
    void **cells;   /* BATCH_ROWS_MAX; NULL: map */
    uint32_t *same; /* rings of rows with one cell, made at the first resize of a call */
    bool resolved, linked;
};

struct due {
    uint32_t rows;
    struct key keys[BATCH_ROWS_MAX];
    int64_t times[BATCH_ROWS_MAX];
    struct bytes bytes; /* of the keys */
};

struct bundle { /* sink output that is prepared but not committed */
    uint64_t checkpoint;
    struct bytes data;
};

enum op_call { CALL_NONE, CALL_OPEN, CALL_BATCH, CALL_TIMER, CALL_WATERMARK, CALL_FLUSH };

struct op {
    struct subtask *subtask;
    const struct plan_op *plan;
    const struct operator_def *def; /* plan->def, or that of a publisher */
    const char *id;
    char subtask_name[36];
    uint64_t seed;
    struct arena *arena; /* the operator's own memory */
    void *scratch;
    uint32_t input_count;
    const struct plan_input *inputs;
    bool sorted;       /* rows come by event time, between timers */
    bool global;       /* keyed by nothing: one cell for all */
    int64_t period_ms; /* sorted: on_watermark is called at multiples of it - 1; 0: not */
    struct items items;
    /* state */
    uint32_t state_first, state_count; /* in the subtask's store */
    uint32_t timer_state;              /* FIELD_NONE: no timers */
    struct op_cells states[STATES_MAX];
    struct op_table tables[TABLES_MAX];
    /* the present call */
    enum op_call call;
    bool again;          /* on_watermark is to be called with the same time */
    struct batch *slice; /* of the first item; kept while it waits for cells */
    uint32_t slice_port;
    int64_t row_ns;  /* what a row costs, smoothed */
    struct due *due; /* NULL: no timers */
    /* time */
    int64_t watermark_ms; /* input so far */
    int64_t told_ms;      /* last on_watermark */
    int64_t telling_ms;   /* the same or, while it wants to be called again, the present one */
    int64_t row_ms;       /* sorted: the last row's; INT64_MIN: told since */
    /* outputs */
    uint32_t output_count;
    struct output *outputs;
    uint32_t bundle_count, bundle_capacity;
    struct bundle *bundles;
    /* figures: written by the slot's thread only */
    _Atomic uint64_t rows_in[PORTS_MAX], rows_out[PORTS_MAX], late, counters[PORTS_MAX];
};

/* Adds to a figure that only this thread writes. */
static inline void figure_add(_Atomic uint64_t *figure, uint64_t more)
{
    atomic_store_explicit(figure, atomic_load_explicit(figure, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

/* ---- working on items (chain.c) ---- */
enum progress {
    PROGRESS_DONE,   /* did something */
    PROGRESS_NONE,   /* nothing to do, or waits for state or tables */
    PROGRESS_FULL,   /* waits for room in an output */
    PROGRESS_FAILED, /* the subtask's error is filled */
};

/* Works on the first item of the deepest operator that has one. PROGRESS_NONE: no items, or the
 * state of a batch is being loaded. */
enum progress chain_work(struct subtask *subtask);
/* At a barrier, with the chain quiet. False: `subtask->err`. */
bool op_flush(struct op *op);
bool chain_quiet(const struct subtask *subtask); /* no items */

/* After a call of the operator: sends what it has built, of all ports or of one. */
void op_send_built(struct op *op);
void op_send_port(struct op *op, uint32_t port);
/* Hands a watermark on: to chained operators after their rows, and to the edges. */
void op_pass_watermark(struct op *op, int64_t time_ms);

/* Room for what op_table.c and chain.c share: pins the versions for rows of this time. */
void op_tables_pin(struct op *op, int64_t time_ms);
/* No row before this time will come any more. */
void op_tables_rest(struct op *op, int64_t time_ms);

#endif
