/* ids: identities (key_ids) of a part of a column, such as the elements of one list. */
#ifndef MILLRACE_MODEL_IDS_H
#define MILLRACE_MODEL_IDS_H

#include "runtime/batch/key.h"

#define IDS_SPARE 7u /* `ids` has room for so many more than `count` */

void ids_part(const struct column *column, uint32_t begin, uint32_t count, uint64_t *ids);

#endif
