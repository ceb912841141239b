/* typing: schemas, columns, keys and expressions checked against each other. */
#ifndef MILLRACE_GRAPH_TYPING_H
#define MILLRACE_GRAPH_TYPING_H

#include "runtime/graph/planner.h"

#define TYPING_LOOKS_MAX 4u /* at a job with loops, until nothing changes */

/* Schemas, keys, tables and configuration of one operator; those that it depends on are done. */
void typing_op(struct planner *planner, uint32_t op);

/* Fields of the configuration that name columns or hold expressions, against the first input. */
bool typing_options(struct planner *planner, uint32_t op);
/* Calls describe, also where a table is not known yet (loop.c). */
bool loops_describe(struct planner *planner, uint32_t op);
/* The schemas and keys of the outputs, after describe. */
bool typing_outputs(struct planner *planner, uint32_t op);

/* Whether all columns are in the schema and can be keys; otherwise a mistake at `node`. */
bool typing_key(struct planner *planner, const struct text_list *key, const struct schema *schema,
                const struct yaml_node *node);
/* `a i64, b utf8, c list(x i64)`; in the arena. */
const char *typing_schema_text(struct arena *arena, const struct schema *schema);
/* `did you mean ...; known are ...` over the columns. */
const char *typing_known_columns(struct arena *arena, const struct schema *schema,
                                 const char *name);
bool typing_same_texts(const struct text_list *a, const struct text_list *b); /* NULL is fine */

#endif
