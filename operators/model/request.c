/* request: see request.h. */
#include "operators/model/request.h"

#include "runtime/batch/expr.h"

bool request_check(struct describe *describe, const char *when, struct error *err)
{
    struct expr *expr;
    bool good;

    if (!when)
        return true;
    expr = expr_compile(when, describe_input(describe, 0), err);
    good = expr && expr_type(expr) == TYPE_BOOL;
    expr_close(expr);
    return good ||
           describe_error(describe, err, "request.when", "write a condition, such as rating >= 4",
                          "\"%s\" is not a condition", when);
}

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
