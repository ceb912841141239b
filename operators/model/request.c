/* request: see request.h. */
#include "operators/model/request.h"

bool request_columns(struct describe *describe, struct schema *schema, const char *user,
                     const char *item, const struct text_list *carry, struct error *err)
{
    const struct schema *in = describe_input(describe, 0);
    struct arena *arena = describe_arena(describe);

    CHECK(schema_add(schema, arena, &in->fields[schema_find(in, user)]));
    if (!schema_add(schema, arena, &in->fields[schema_find(in, item)]))
        return describe_error(describe, err, "item", "name the item's column",
                              "\"%s\" is the user's column", item);
    for (uint32_t i = 0; i < carry->count; i++)
        if (!schema_add(schema, arena, &in->fields[schema_find(in, carry->items[i])]))
            return describe_error(describe, err, "carry", "leave it out",
                                  "column \"%s\" is in the output already", carry->items[i]);
    return true;
}
