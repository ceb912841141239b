/* arms: see arms.h. */
#include "operators/model/arms.h"

#include "operators/model/bandit.h"
#include "runtime/batch/expr.h"

#include <string.h>

/* ---- planning ---- */

static struct schema *copy_schema(struct arena *arena, const struct schema *from)
{
    struct schema *schema = schema_create(arena);

    for (uint32_t i = 0; i < from->count; i++)
        CHECK(schema_add(schema, arena, &from->fields[i]));
    return schema;
}

/* Later arms may name this one. False: a column has its name, or there are too many. */
static bool add_name(struct schema *known, struct arena *arena, const char *name, enum type type)
{
    return schema_find(known, name) == FIELD_NONE && schema_add_column(known, arena, name, type);
}

static bool check_arm(struct describe *describe, const struct option_entry *entry,
                      struct schema *known, struct error *err)
{
    const char *path = arena_format(describe_arena(describe), "arms.%s", entry->name);
    struct error mistake = {0};
    struct expr *expr = entry->text ? expr_compile(entry->text, known, &mistake) : NULL;
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
    if (strlen(entry->name) > ARMS_NAME_MAX)
        return describe_error(describe, err, path, "shorten it",
                              "the name has more than %u characters", ARMS_NAME_MAX);
    (void)add_name(known, describe_arena(describe), entry->name, type);
    return true;
}

bool arms_check(struct describe *describe, const struct option_map *arms,
                const struct schema *items, uint32_t least, uint32_t most, struct error *err)
{
    struct schema *known = copy_schema(describe_arena(describe), items);

    CHECK(most <= ARMS_MAX);
    if (arms->count < least || arms->count > most)
        return describe_error(describe, err, "arms", "name some, as {base: reasons.base}",
                              "there are %u arms, not %u to %u", arms->count, least, most);
    for (uint32_t i = 0; i < arms->count; i++)
        if (!check_arm(describe, &arms->entries[i], known, err))
            return false;
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

/* ---- an instance ---- */

void arms_open(struct arms *arms, const struct option_map *from, const struct schema *items)
{
    struct arena *arena = arena_create(4096);
    struct schema *known = copy_schema(arena, items);

    arms->count = from->count;
    for (uint32_t i = 0; i < arms->count; i++) {
        arms->values[i] = expr_compile(from->entries[i].text, known, NULL);
        CHECK(arms->values[i]); /* it was told while planning what is wrong with it */
        arms->named[i] = add_name(known, arena, from->entries[i].name, expr_type(arms->values[i]));
    }
    arena_close(arena);
}

void arms_close(struct arms *arms)
{
    for (uint32_t i = 0; i < arms->count; i++)
        expr_close(arms->values[i]);
}

struct batch *arms_items(const struct list_layout *layout, const struct batch *in)
{
    struct batch *items = batch_copy(list_items(layout, in));
    struct column *time = column_create(TYPE_I64, items->rows);
    int64_t *to;

    time->blocks[0] = block_create(items->rows * sizeof(int64_t));
    to = (int64_t *)(void *)time->blocks[0]->data;
    memset(to, 0, items->rows * sizeof(int64_t));
    time->values = to;
    for (uint32_t row = 0; row < batch_rows(in); row++) {
        uint32_t begin, end;
        list_range(layout, in, row, &begin, &end);
        for (uint32_t i = begin; i < end; i++)
            to[i] = batch_time(in)[row];
    }
    column_release(&items->columns[HIDDEN_TIME]);
    items->columns[HIDDEN_TIME] = time;
    return items;
}

struct column *arms_value(const struct arms *arms, uint32_t arm, struct batch **items)
{
    struct column *value = expr_eval(arms->values[arm], *items), *kept = value;
    struct batch *wider;

    if (!arms->named[arm])
        return value;
    column_ref(value);
    wider = batch_with(*items, &kept);
    batch_release(items);
    *items = wider;
    return value;
}
