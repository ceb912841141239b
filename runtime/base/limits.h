/* limits: every bound of the engine, with its unit. A test build shrinks some, so that edges are
 * met often. */
#ifndef MILLRACE_BASE_LIMITS_H
#define MILLRACE_BASE_LIMITS_H

#ifdef MILLRACE_TEST_LIMITS
#define BATCH_ROWS_MAX 7u
#else
#define BATCH_ROWS_MAX 1024u /* rows of a batch */
#endif

#define KEY_GROUPS_DEFAULT 128u
#define KEY_GROUPS_MAX 32768u
#define PARALLELISM_MAX 1024u
#define WORKERS_MAX 256u
#define OPERATORS_MAX 256u
#define COLUMNS_MAX 128u           /* of a schema */
#define PORTS_MAX 8u               /* inputs or outputs of an operator */
#define STATES_MAX 16u             /* of an operator */
#define TABLES_MAX 8u              /* read by an operator */
#define NAME_SIZE_MAX 64u          /* bytes of an id, port, column or state name, with its 0 */
#define PATH_SIZE_MAX 1024u        /* bytes of a path, with its 0 */
#define KEY_SIZE_MAX 1024u         /* bytes of a canonical key */
#define CELL_SIZE_MAX 65536u       /* bytes of one state cell */
#define RECORD_SIZE_MAX (1u << 20) /* bytes of one input record; longer ones are rejected */
#define SPLITS_MAX 65536u
#define MESSAGE_SIZE_MAX (64u << 20) /* bytes of one frame between processes */
#define CHAIN_OPS_MAX 32u            /* operators of a chain */
#define JOB_SIZE_MAX (1u << 20)      /* bytes of a job file */
#define JOB_NODES_MAX 65536u /* values, lists and mappings of a job file, their ends included */
#define JOB_DEPTH_MAX 16u    /* nested lists and mappings of a job file */
#define MISTAKES_MAX 256u    /* told in one run */

#endif
