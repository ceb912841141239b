/* job: what a job file says, read and validated field by field: settings, and operators with
 * their kind, configuration and references to each other. Schemas come later (typing.h).
 * Everything lives in the arena. */
#ifndef MILLRACE_GRAPH_JOB_H
#define MILLRACE_GRAPH_JOB_H

#include "runtime/batch/schema.h"
#include "runtime/graph/fill.h"

/* `a` or `a.port`. */
struct job_ref {
    uint32_t op; /* FIELD_NONE: not there, which has been told */
    uint32_t port;
    const struct yaml_node *node; /* NULL: an optional table that is not given */
    int64_t delay_ms;             /* of a table: how much older the version is that is seen */
    /* A table whose publisher comes later in the order, as it is fed by the reader: what is known of
     * it is what it was when planning looked last; NULL: nothing yet. */
    bool ahead;
    const struct schema *schema;
    const struct text_list *key;
};

struct job_input {
    uint32_t count; /* 0: not connected */
    struct job_ref *refs;
    const struct text_list *key;      /* from `key:`; NULL: not given */
    const struct yaml_node *key_node; /* of that */
};

struct job_op {
    const struct yaml_node *node;
    const char *id;                 /* NULL: missing or wrong */
    const struct operator_def *def; /* NULL: the kind is missing or unknown */
    bool bad;                       /* has a mistake: what depends on it is not looked at */
    void *config;
    uint32_t parallelism;
    uint32_t input_count, output_count, table_count, state_count; /* of def */
    struct job_input *inputs;
    struct job_ref *tables; /* one for each of def->tables */
    bool lookup_latest, versions;
};

struct job {
    struct arena *arena;
    struct mistakes *mistakes;
    const struct yaml_node *root;
    uint32_t parallelism; /* `-p`; 0: none */
    struct settings settings;
    uint32_t op_count;
    struct job_op *ops; /* in the file's order */
};

/* The fields of every operator beside its kind's own: id, kind, from, inputs, key, tables, lookup,
 * versions, parallelism. */
extern const struct option job_operator_fields[];

/* Loads what `plugins:` names: before anything that looks an operator up. False with mistakes told. */
bool job_plugins(struct mistakes *mistakes, const struct yaml_node *root);

/* Fills `settings` and `ops` from `root`, told mistakes included. */
void job_read(struct job *job);

/* An operator's column, key or port list as `a, b`; in the arena. */
const char *job_texts(struct arena *arena, const struct text_list *list);

#endif
