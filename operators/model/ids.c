/* ids: see ids.h. */
#include "operators/model/ids.h"

#include <string.h>

void ids_part(const struct column *column, uint32_t begin, uint32_t count, uint64_t *ids)
{
    uint32_t from = begin & ~7u; /* bitmaps can be entered at whole bytes only */
    struct column part = {.type = column->type, .rows = begin - from + count};

    CHECK(begin + count <= column->rows);
    part.validity = column->validity ? column->validity + from / 8 : NULL;
    part.offsets = column->offsets ? column->offsets + from : NULL;
    part.values = column->values;
    if (column->type == TYPE_BOOL)
        part.values = (const uint8_t *)column->values + from / 8;
    else if (column->type != TYPE_UTF8)
        part.values = (const uint8_t *)column->values + from * type_size(column->type);
    key_ids(&part, part.rows, ids);
    memmove(ids, ids + (begin - from), count * sizeof(*ids));
}
