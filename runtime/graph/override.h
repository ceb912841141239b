/* override: `-D OPERATOR.FIELD=value` and `-D section.field=value` into the tree of a job file,
 * before it is validated, so that a wrong value is found by the same rules and told with the
 * override as its place. FIELD may be a path (`time.unit`); a value in `{...}` or `[...]` is YAML,
 * any other one is a text as it stands. Later ones win. */
#ifndef MILLRACE_GRAPH_OVERRIDE_H
#define MILLRACE_GRAPH_OVERRIDE_H

#include "runtime/graph/mistake.h"

/* `root` is a mapping. */
void overrides_apply(struct arena *arena, struct yaml_node *root, const char *const *overrides,
                     uint32_t count, struct mistakes *mistakes);

#endif
