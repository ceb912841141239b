/* plugin_host: what plug-ins call (runtime/api/plugin.h), and columns as arrays of the Arrow C Data
 * Interface: given out without a copy, taken in by one. */
#ifndef MILLRACE_TASK_PLUGIN_HOST_H
#define MILLRACE_TASK_PLUGIN_HOST_H

#include "runtime/api/plugin.h"

extern const struct plugin_host plugin_host_table;

/* The column as an array that holds a reference to it. `schema` NULL: not wanted. */
void plugin_export(const struct column *column, const struct field *field,
                   struct ArrowSchema *schema, struct ArrowArray *array);
/* A column of so many rows with a copy of the array's values; NULL where it is not such an array. The
 * array is released in any case. */
struct column *plugin_import(struct ArrowArray *array, enum type type, uint32_t rows,
                             struct error *err);

#endif
