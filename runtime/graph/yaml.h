/* yaml: the text of a job file as a tree of scalars, sequences and mappings that know their line
 * and column. Events come from libyaml; the tree is ours so that every later message has a place.
 * Refused, with a line that says so: anchors and aliases, tags, several documents, keys that are
 * no scalars or stand twice, zero bytes, and whatever passes the bounds JOB_*_MAX.
 * Lines and columns count from 1. Nodes live in the arena that is given. */
#ifndef MILLRACE_GRAPH_YAML_H
#define MILLRACE_GRAPH_YAML_H

#include "runtime/base/memory.h"

#include <stdbool.h>
#include <stdint.h>

struct mistakes;

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
    enum yaml_kind kind;
    bool plain;               /* a scalar without quotes */
    int line, column;         /* of the value */
    int key_line, key_column; /* of its key; 0 outside mappings */
    const char *key;          /* in a mapping; NULL otherwise */
    uint32_t index;           /* in a sequence */
    const char *text;         /* of a scalar */
    uint32_t count, capacity;
    struct yaml_node **items; /* values of a mapping, items of a sequence; in the file's order */
    struct yaml_node *parent;
    const char *override;     /* text of the `-D` that it comes from; NULL: from the file */
    uint32_t override_number; /* from 1, in the order given; 0: from the file */
};

/* NULL when the text is not YAML that we take; `mistakes` then says why. An empty text gives an
 * empty mapping. */
struct yaml_node *yaml_parse(struct arena *arena, const char *text, struct mistakes *mistakes);
/* The value of an override, `{...}` or `[...]`: all nodes are marked as coming from it. */
struct yaml_node *yaml_parse_flow(struct arena *arena, const char *text, const char *override,
                                  uint32_t override_number, struct mistakes *mistakes);

struct yaml_node *yaml_scalar(struct arena *arena, const char *text);
struct yaml_node *yaml_mapping(struct arena *arena);
/* NULL when absent, or when `mapping` is none. */
struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key);
/* Replaces or appends. `value` moves in. */
void yaml_put(struct arena *arena, struct yaml_node *mapping, const char *key,
              struct yaml_node *value);
/* A scalar that says nothing: `key:`, `key: ~`, `key: null`. */
bool yaml_is_null(const struct yaml_node *node);
const char *yaml_kind_name(const struct yaml_node *node); /* `a list`, ... */

/* Writes such as `operators[3].dedup.within`; "" for the root. Returns text. */
const char *yaml_path(const struct yaml_node *node, char *text, size_t size);

#endif
