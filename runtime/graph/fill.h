/* fill: a mapping of the job file into a config struct, by the struct's option table. Unknown
 * fields, wrong kinds of values, values out of range and missing fields are mistakes at their
 * place; whatever could not be read keeps its default. Texts live in the arena. */
#ifndef MILLRACE_GRAPH_FILL_H
#define MILLRACE_GRAPH_FILL_H

#include "runtime/base/option.h"
#include "runtime/graph/mistake.h"

struct fill {
    struct arena *arena;
    struct mistakes *mistakes;
};

/* `config` is zeroed memory. `also` (may be NULL) names fields of the same mapping that the
 * caller reads. */
void fill_options(const struct fill *fill, const struct yaml_node *mapping,
                  const struct option *options, const struct option *also, void *config);

/* One text, or a list of texts, none of them twice. False with a mistake told. */
bool fill_texts(const struct fill *fill, const struct yaml_node *node, struct text_list *list);
/* One text that says something. NULL with a mistake told; `what` such as "an operator's id". */
const char *fill_text(const struct fill *fill, const struct yaml_node *node, const char *what);

#endif
