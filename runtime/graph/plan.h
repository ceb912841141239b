/* plan: a job file made into what runs: operators with their configuration, schemas and keys,
 * edges, chains, tables. A pure function of (job text, overrides, parallelism, splits): the
 * client, the coordinator and every worker make the same plan from the same message.
 * Read-only once made; owns everything reachable from it. */
#ifndef MILLRACE_GRAPH_PLAN_H
#define MILLRACE_GRAPH_PLAN_H

#include "runtime/api/operator.h"
#include "runtime/graph/settings.h"
#include "state/store.h"

enum partition {
    PARTITION_FORWARD, /* subtask i to subtask i */
    PARTITION_ABREAST, /* the same, but watermarks and barriers to all */
    PARTITION_KEY,
    PARTITION_REBALANCE, /* round robin by batches, from an offset by subtask */
    PARTITION_BROADCAST,
    PARTITION_DIRECT, /* an i64 column named `subtask` tells it */
};

struct plan_edge {
    uint32_t index;
    uint32_t from, from_port; /* operator, output port */
    uint32_t to, to_port;     /* operator, input port */
    enum partition partition;
    bool chained;        /* a call within the subtask, no channel */
    const uint32_t *key; /* PARTITION_KEY, and chained edges to keyed inputs: key columns */
    uint32_t key_count;
    const struct schema *schema;
    const uint32_t *columns; /* of the output, where not all of them go on; NULL: as they are */
};

struct plan_input {
    bool connected, keyed;
    const struct schema *schema;
    const struct text_list *key; /* by name */
    bool gated; /* rows are held and released sorted by (event time, port, order): the order is
                   needed and more than one stream meets, or tables are read. By the gate of the
                   chain's head, of a reader of tables in its chain */
};

struct plan_output {
    const struct schema *schema;
    const struct text_list *key; /* columns that rows are keyed by; NULL: none */
    uint32_t edge_count;
    const uint32_t *edges;
    uint32_t table;  /* table published from this port; FIELD_NONE */
    int64_t keep_ms; /* its rows leave so long after their version; 0: they stay */
};

struct plan_op {
    uint32_t index;
    const char *id;
    const struct operator_def *def;
    const void *config; /* def->config_size bytes */
    uint32_t parallelism;
    uint32_t chain;
    bool ordered;              /* order: event-time is asked for */
    int64_t version_period_ms; /* of its output rows as table versions; 0: any time */
    bool version_replace;
    uint32_t input_count, output_count;
    struct plan_input *inputs;
    struct plan_output *outputs;
    uint32_t state_count;       /* of def->states */
    struct store_state *states; /* resolved layouts; names are `id.state` */
    uint32_t *tables;           /* for each of def->tables: plan table, FIELD_NONE: not given */
    int64_t *delays_ms;         /* the same: a row sees versions closed that long before it */
    bool *looped;               /* the same: with a delay, and fed by what this operator sends */
    bool settles; /* all looped tables are complete up to a row once all that is before it has left,
                      so that at a barrier no row at or before the watermark stays behind */
    bool lookup_latest;         /* `lookup: latest`: the newest version, no waiting */
    uint32_t version_count;     /* `versions`: so many last columns of output 0 tell them */
    uint32_t split_count;       /* sources */
    const struct split *splits; /* index: SPLITS_MAX x the source's number + place in the list,
                                    so that two sources never give one origin */
    int line, column;           /* of its id in the job file */
};

/* Operators that run in one subtask, joined by calls: a tree in depth-first order. A reader of
 * tables and a gated operator head a chain, but for readers whose rows the head's gate holds. */
struct plan_chain {
    uint32_t index;
    uint32_t parallelism;
    uint32_t op_count;
    const uint32_t *ops; /* head first, parents before children */
};

/* A versioned table: published from one keyed output port, kept as one replica in each worker
 * that has a reader. Rows of one key come from one subtask. */
struct plan_table {
    uint32_t index;
    uint32_t from, from_port;
    const struct schema *schema;
    const uint32_t *key; /* columns of the schema */
    uint32_t key_count;
    int64_t period_ms; /* 1: any time */
    bool replace;
    int64_t keep_ms;        /* a row is not seen so long after its version; 0: it stays */
    int64_t delay_ms;       /* the longest of its readers' */
    uint32_t ranking_count; /* what readers ask for, without doubles */
    const struct plan_ranking {
        uint32_t column, limit;
    } * rankings;
};

struct plan {
    struct arena *arena;
    struct settings settings;
    const char *path;     /* of the job file, for messages */
    uint64_t seed;        /* hash of the job's name */
    uint32_t parallelism; /* the largest of any operator: the number of slots */
    uint32_t op_count, edge_count, chain_count, table_count;
    struct plan_op *ops; /* in the job file's order */
    struct plan_edge *edges;
    struct plan_chain *chains;
    struct plan_table *tables;
    const char *prevents_determinism; /* NULL: deterministic; else what and where, `; ` between */
};

struct plan_request {
    const char *path;             /* for messages */
    const char *text;             /* the job file */
    const char *const *overrides; /* `OPERATOR.FIELD=value`, `section.field=value` */
    uint32_t override_count;
    uint32_t parallelism; /* `-p`; 0: as the file says */
    enum {
        PLAN_SPLITS_MAKE,    /* ask the sources (reads the file system) */
        PLAN_SPLITS_GIVEN,   /* `splits`, as plan_splits_encode wrote them */
        PLAN_SPLITS_UNKNOWN, /* for `info` when the input is not there: as if several */
    } split_mode;
    const uint8_t *splits;
    size_t splits_size;
};

/* All mistakes of one run, in the file's order. */
struct error_list {
    uint32_t count, capacity;
    struct error *errors;
};
void error_list_clear(struct error_list *list);

/* NULL with at least one error. */
struct plan *plan_create(const struct plan_request *request, struct error_list *errors);
void plan_close(struct plan *plan); /* NULL is fine */

/* The splits of all sources as msgpack, for the workers. Appends. */
void plan_splits_encode(const struct plan *plan, struct bytes *out);

uint32_t plan_find_op(const struct plan *plan, const char *id); /* FIELD_NONE when absent */
/* The operator that heads a chain. */
static inline const struct plan_op *plan_head(const struct plan *plan, uint32_t chain)
{
    return &plan->ops[plan->chains[chain].ops[0]];
}
/* The slot of a subtask is its number; the worker of a slot. */
static inline uint32_t plan_worker_of(uint32_t subtask, uint32_t workers)
{
    return subtask % workers;
}
/* Whether a worker holds a replica: it has a subtask of a reader. */
bool plan_table_on_worker(const struct plan *plan, uint32_t table, uint32_t worker,
                          uint32_t workers);

/* Texts of `millrace info`. They append. */
void plan_describe(const struct plan *plan, struct bytes *out);           /* info JOB */
void plan_kinds(struct bytes *out);                                       /* info */
bool plan_manual(const char *kind, struct bytes *out, struct error *err); /* info KIND */

#endif
