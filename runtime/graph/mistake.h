/* mistake: all that is wrong with a job file, gathered in one run and told in the file's order;
 * what an override got wrong comes after, in the order of the overrides. */
#ifndef MILLRACE_GRAPH_MISTAKE_H
#define MILLRACE_GRAPH_MISTAKE_H

#include "runtime/base/check.h"
#include "runtime/base/error.h"
#include "runtime/graph/plan.h"
#include "runtime/graph/yaml.h"

#include <stdarg.h>

struct mistakes {
    const char *path; /* of the job file; borrowed */
    uint32_t count;   /* kept, at most MISTAKES_MAX */
    uint32_t more;    /* beyond that, only counted */
    uint32_t capacity;
    struct mistake *items;
};

static inline uint32_t mistakes_total(const struct mistakes *mistakes)
{
    return mistakes->count + mistakes->more;
}

/* All of these return false. `how` may be NULL. */

/* At a value, at the key that it stands under, or for a field that a mapping lacks. */
bool mistake_value(struct mistakes *mistakes, const struct yaml_node *node, const char *how,
                   const char *what, ...) __attribute__((format(printf, 4, 5)));
bool mistake_key(struct mistakes *mistakes, const struct yaml_node *node, const char *how,
                 const char *what, ...) __attribute__((format(printf, 4, 5)));
bool mistake_field(struct mistakes *mistakes, const struct yaml_node *mapping, const char *field,
                   const char *how, const char *what, ...) __attribute__((format(printf, 5, 6)));
/* At a place of the text, or of the override numbered `override` when that is not 0. */
bool mistake_place(struct mistakes *mistakes, int line, int column, const char *how,
                   const char *what, ...) __attribute__((format(printf, 5, 6)));
bool mistake_override(struct mistakes *mistakes, uint32_t number, const char *text, const char *how,
                      const char *what, ...) __attribute__((format(printf, 5, 6)));
/* An error that was made elsewhere: told at the value, with its own place after ours. */
bool mistake_error(struct mistakes *mistakes, const struct yaml_node *node,
                   const struct error *err);
/* Without a place: about the whole run, such as `-p 200`. `where` is told as it is. */
bool mistake_run(struct mistakes *mistakes, const char *where, const char *how, const char *what,
                 ...) __attribute__((format(printf, 4, 5)));

/* Fills `err` as mistake_value would, without keeping it: `field` is a dotted path below `node`
 * ("dedup.within"); the deepest part of it that the file has gives the place. */
void mistake_tell(const struct mistakes *mistakes, const struct yaml_node *node, const char *field,
                  struct error *err);
/* Keeps `err`, whose `where` is complete, at the place that mistake_tell found. */
void mistake_keep(struct mistakes *mistakes, const struct yaml_node *node, const char *field,
                  const struct error *err);

/* `did you mean "NEAREST"; known are a, b, c`: for unknown names; in the arena. */
const char *mistake_known(struct arena *arena, const char *const *names, uint32_t count,
                          const char *name);

/* The same over the registered kinds, by name: their order in the section is the compiler's. */
const char *mistake_known_kinds(struct arena *arena, const char *kind);

/* Forgets all but the first `total`. */
void mistakes_cut(struct mistakes *mistakes, uint32_t total);

/* Sorts, and moves everything into the list, which is empty before. */
void mistakes_move(struct mistakes *mistakes, struct error_list *list);
void mistakes_clear(struct mistakes *mistakes);

#endif
