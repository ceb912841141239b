/* arms: see arms.h. */
#include "operators/model/arms.h"

#include "operators/model/bandit.h"
#include "runtime/batch/expr.h"

bool arms_check(struct describe *describe, const struct option_entry *entry,
                const struct schema *items, struct error *err)
{
    const char *path = arena_format(describe_arena(describe), "arms.%s", entry->name);
    struct error mistake = {0};
    struct expr *expr = entry->text ? expr_compile(entry->text, items, &mistake) : NULL;
    enum type type = expr ? expr_type(expr) : TYPE_NONE;

    expr_close(expr);
    if (!entry->text)
        return describe_error(describe, err, path, "write an expression, such as reasons.base",
                              "it is not a text");
    if (type == TYPE_NONE)
        return describe_error(describe, err, path, mistake.how, "%s", mistake.what);
    if (type != TYPE_F64 && type != TYPE_I64 && type != TYPE_F32 && type != TYPE_I32)
        return describe_error(describe, err, path, "write an expression that gives a number",
                              "it gives %s", type_name(type));
    return true;
}

bool arms_check_context(struct describe *describe, const struct text_list *columns,
                        struct error *err)
{
    const struct schema *in = describe_input(describe, 0);

    if (columns->count >= BANDIT_WIDTH_MAX)
        return describe_error(describe, err, "context", "leave some out",
                              "there are %u columns, more than %u", columns->count,
                              BANDIT_WIDTH_MAX - 1);
    for (uint32_t i = 0; i < columns->count; i++) {
        enum type type = in->fields[schema_find(in, columns->items[i])].type;

        if (type == TYPE_UTF8 || type == TYPE_LIST || type == TYPE_VECTOR)
            return describe_error(describe, err, "context", "name numbers and bools",
                                  "column \"%s\" is %s", columns->items[i], type_name(type));
    }
    return true;
}
