/* columns: the `schema` option of a source as a schema and the paths of its columns.
 *   schema: {user: i64, item: utf8, hour: {path: context.hour, type: i32}} */
#ifndef MILLRACE_SOURCE_COLUMNS_H
#define MILLRACE_SOURCE_COLUMNS_H

#include "runtime/base/option.h"
#include "runtime/batch/schema.h"

struct columns {
    struct schema *schema;
    const char **paths;  /* one a column; NULL: its name */
    uint32_t raw_column; /* FIELD_NONE: none */
};

/* `raw`: a column of this name for the record's bytes is added; NULL: none. All in `arena`. On
 * failure err->where is the option's path, such as `schema.user.type`. */
bool columns_make(const struct option_map *map, const char *raw, struct arena *arena,
                  struct columns *columns, struct error *err) NODISCARD;

#endif
