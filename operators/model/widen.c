/* widen: see widen.h. */
#include "operators/model/widen.h"

#include "runtime/batch/expr.h"

bool widen_describe(struct describe *describe, uint32_t out, const struct schema *added,
                    struct error *err)
{
    const struct schema *in = describe_input(describe, 0);
    struct schema *schema = schema_create(describe_arena(describe));

    for (uint32_t i = 0; i < in->count; i++)
        CHECK(schema_add(schema, describe_arena(describe), &in->fields[i]));
    for (uint32_t i = 0; i < added->count; i++)
        if (!schema_add(schema, describe_arena(describe), &added->fields[i]))
            return describe_error(describe, err, "", "rename it before, in `clean`",
                                  "the input already has a column \"%s\"", added->fields[i].name);
    describe_output(describe, out, schema);
    return true;
}

void widen_emit(struct op *op, uint32_t out, const struct batch *in, struct builder *added)
{
    struct batch *columns = builder_finish(added), *wide = NULL;

    for (uint32_t i = 0; i < columns->column_count; i++) {
        struct column *column = columns->columns[HIDDEN_COUNT + i];
        struct batch *wider;
        column_ref(column);
        wider = batch_with(wide ? wide : in, &column);
        batch_release(&wide);
        wide = wider;
    }
    batch_release(&columns);
    op_emit(op, out, &wide);
}

uint32_t widen_choose(struct expr *when, const struct batch *in, uint32_t *rows)
{
    if (when)
        return expr_filter(when, in, rows);
    for (uint32_t row = 0; row < in->rows; row++)
        rows[row] = row;
    return in->rows;
}

bool widen_check_when(struct describe *describe, const char *option, const char *when,
                      struct error *err)
{
    struct expr *expr;
    bool good;

    if (!when)
        return true;
    expr = expr_compile(when, describe_input(describe, 0), NULL);
    CHECK(expr); /* an OPT_EXPRESSION: the planner tells what does not compile */
    good = expr_type(expr) == TYPE_BOOL;
    expr_close(expr);
    return good || describe_error(describe, err, option, "write a condition, such as rating >= 4",
                                  "\"%s\" is not a condition", when);
}
