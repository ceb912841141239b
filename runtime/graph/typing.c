/* Typing one operator: inputs (unions, keys, required columns), tables, options, then describe,
 * then outputs and states. Operators are typed after all that they read; where one of those is
 * bad, nothing is known about the rows, and the operator is passed over without a word. */
#include "runtime/graph/typing.h"

#include "runtime/graph/describe.h"

#include <string.h>

/* ---- texts ---- */

static const char *field_text(struct arena *arena, const struct field *field)
{
    if (field->type == TYPE_VECTOR)
        return arena_format(arena, "%s vector(%u)", field->name, field->width);
    if (field->type == TYPE_LIST)
        return arena_format(arena, "%s list(%s)", field->name,
                            typing_schema_text(arena, field->child));
    return arena_format(arena, "%s %s", field->name, type_name(field->type));
}

const char *typing_schema_text(struct arena *arena, const struct schema *schema)
{
    struct bytes text = {0};
    const char *result;

    for (uint32_t i = 0; i < schema->count; i++)
        bytes_format(&text, "%s%s", i ? ", " : "", field_text(arena, &schema->fields[i]));
    result = arena_copy(arena, text.size ? (const char *)text.data : "", text.size);
    bytes_clear(&text);
    return result;
}

const char *typing_known_columns(struct arena *arena, const struct schema *schema, const char *name)
{
    const char *names[COLUMNS_MAX];

    CHECK(schema->count <= COLUMNS_MAX);
    for (uint32_t i = 0; i < schema->count; i++)
        names[i] = schema->fields[i].name;
    return mistake_known(arena, names, schema->count, name);
}

bool typing_same_texts(const struct text_list *a, const struct text_list *b)
{
    if (!a || !b)
        return a == b;
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}

/* ---- inputs ---- */

static bool schemas_differ(struct planner *planner, const struct job_ref *first,
                           const struct job_ref *ref)
{
    const struct plan *plan = planner->plan;
    const struct schema *a = plan->ops[first->op].outputs[first->port].schema;
    const struct schema *b = plan->ops[ref->op].outputs[ref->port].schema;
    const char *name = plan->ops[first->op].id;
    uint32_t i = 0;

    if (schema_equal(a, b))
        return true;
    while (i < a->count && i < b->count &&
           schema_equal(&(struct schema){1, &a->fields[i]}, &(struct schema){1, &b->fields[i]}))
        i++;
    return mistake_value(
        &planner->mistakes, ref->node,
        "the outputs of a union have the same columns in the same order",
        "column %u of \"%s\" is %s, but that of \"%s\" is %s", i + 1, plan->ops[ref->op].id,
        i < b->count ? field_text(planner->arena, &b->fields[i]) : "not there", name,
        i < a->count ? field_text(planner->arena, &a->fields[i]) : "not there");
}

/* The key that all of a union have, or NULL. */
static const struct text_list *upstream_key(const struct planner *planner,
                                            const struct job_input *input)
{
    const struct text_list *key = NULL;

    for (uint32_t i = 0; i < input->count; i++) {
        const struct job_ref *ref = &input->refs[i];
        const struct text_list *other = planner->plan->ops[ref->op].outputs[ref->port].key;
        if (i && !typing_same_texts(key, other))
            return NULL;
        key = other;
    }
    return key;
}

bool typing_key(struct planner *planner, const struct text_list *key, const struct schema *schema,
                const struct yaml_node *node)
{
    for (uint32_t i = 0; i < key->count; i++) {
        const struct yaml_node *at = node->kind == YAML_SEQUENCE ? node->items[i] : node;
        uint32_t column = schema_find(schema, key->items[i]);
        if (column == FIELD_NONE)
            return mistake_value(&planner->mistakes, at,
                                 typing_known_columns(planner->arena, schema, key->items[i]),
                                 "the key's column \"%s\" is not in the input", key->items[i]);
        if (!key_type(schema->fields[column].type))
            return mistake_value(&planner->mistakes, at,
                                 "key by a bool, i32, i64, timestamp or utf8 column",
                                 "column \"%s\" is %s, which cannot be a key", key->items[i],
                                 type_name(schema->fields[column].type));
    }
    return true;
}

static bool check_column(struct planner *planner, uint32_t op, const char *input,
                         const struct column_def *want, const struct schema *schema,
                         const struct yaml_node *node)
{
    uint32_t column = schema_find(schema, want->name);
    const char *kind = planner->plan->ops[op].def->name;
    enum type type;

    if (column == FIELD_NONE)
        return mistake_value(
            &planner->mistakes, node, typing_known_columns(planner->arena, schema, want->name),
            "%s of %s needs a column \"%s\", which is not there", input, kind, want->name);
    type = schema->fields[column].type;
    if (want->type == TYPE_NONE || want->type == type || (want->type == TYPE_KEY && key_type(type)))
        return true;
    return mistake_value(&planner->mistakes, node, NULL,
                         "%s of %s needs column \"%s\" to be %s, but it is %s", input, kind,
                         want->name, want->type == TYPE_KEY ? "a key" : type_name(want->type),
                         type_name(type));
}

static bool type_input(struct planner *planner, uint32_t op, uint32_t port)
{
    const struct job_input *from = &planner->job.ops[op].inputs[port];
    struct plan_op *plan_op = &planner->plan->ops[op];
    struct plan_input *input = &plan_op->inputs[port];
    const struct port *def = &plan_op->def->inputs[port];
    const char *name = arena_format(planner->arena, "input \"%s\"", def->name);
    bool good = true;

    if (!from->count)
        return true;
    input->connected = true;
    input->schema = planner->plan->ops[from->refs[0].op].outputs[from->refs[0].port].schema;
    for (uint32_t i = 1; i < from->count; i++)
        good &= schemas_differ(planner, &from->refs[0], &from->refs[i]);
    for (const struct column_def *want = def->columns; want && want->name; want++)
        good &= check_column(planner, op, name, want, input->schema, from->refs[0].node);
    input->keyed = def->keyed || def->global;
    input->key = def->global ? arena_new(planner->arena, sizeof(*input->key))
                 : from->key ? from->key
                             : upstream_key(planner, from);
    if (from->key)
        good &= typing_key(planner, from->key, input->schema, from->key_node);
    return good;
}

/* After describe, which may have set the key. */
static bool check_keyed(struct planner *planner, uint32_t op, uint32_t port)
{
    const struct job_op *job_op = &planner->job.ops[op];
    const struct plan_op *plan_op = &planner->plan->ops[op];
    const struct plan_input *input = &plan_op->inputs[port];

    if (!input->connected || !input->keyed)
        return true;
    if (!input->key)
        return mistake_field(&planner->mistakes, job_op->node, "key",
                             "write key: COLUMN, or key: [COLUMN, COLUMN]",
                             "input \"%s\" of %s is keyed, but the rows that it reads are not",
                             plan_op->def->inputs[port].name, plan_op->def->name);
    return job_op->inputs[port].key == input->key || /* checked where it is written */
           typing_key(planner, input->key, input->schema, job_op->node);
}

/* ---- tables ---- */

static bool check_ranking(struct planner *planner, uint32_t op, const struct table_use *use,
                          const struct schema *schema, const struct yaml_node *node)
{
    uint32_t column = use->rank_limit ? schema_find(schema, use->rank_by) : FIELD_NONE;
    enum type type;

    if (!use->rank_limit)
        return true;
    if (column == FIELD_NONE)
        return mistake_value(&planner->mistakes, node,
                             typing_known_columns(planner->arena, schema, use->rank_by),
                             "table \"%s\" of %s is ranked by a column \"%s\", which is not there",
                             use->name, planner->plan->ops[op].def->name, use->rank_by);
    type = schema->fields[column].type;
    if (type == TYPE_I32 || type == TYPE_I64 || type == TYPE_F32 || type == TYPE_F64)
        return true;
    return mistake_value(&planner->mistakes, node, NULL,
                         "table \"%s\" of %s is ranked by column \"%s\", which is no number but %s",
                         use->name, planner->plan->ops[op].def->name, use->rank_by,
                         type_name(type));
}

/* The rows of a table are packed: its lists hold what has one size. */
static bool check_lists(struct planner *planner, const struct schema *schema,
                        const struct yaml_node *node)
{
    for (uint32_t i = 0; i < schema->count; i++) {
        const struct schema *child = schema->fields[i].child;

        for (uint32_t c = 0; child && c < child->count; c++)
            if (type_size(child->fields[c].type) == 0 && child->fields[c].type != TYPE_BOOL)
                return mistake_value(
                    &planner->mistakes, node, "publish lists of numbers, times and bools",
                    "list \"%s\" of that table has a column \"%s\" of %s", schema->fields[i].name,
                    child->fields[c].name, type_name(child->fields[c].type));
    }
    return true;
}

static bool type_table(struct planner *planner, uint32_t op, uint32_t table)
{
    const struct job_ref *ref = &planner->job.ops[op].tables[table];
    const struct table_use *use = &planner->plan->ops[op].def->tables[table];
    const struct plan_op *from = ref->op == FIELD_NONE ? NULL : &planner->plan->ops[ref->op];
    const char *name = arena_format(planner->arena, "table \"%s\"", use->name);
    const struct schema *schema;
    const struct text_list *key;
    bool good = true;

    if (!from || (ref->ahead && !ref->schema))
        return true;
    schema = ref->ahead ? ref->schema : from->outputs[ref->port].schema;
    key = ref->ahead ? ref->key : from->outputs[ref->port].key;
    if (!key || !key->count)
        good = mistake_value(&planner->mistakes, ref->node,
                             "take the output of a keyed operator, such as window-aggregate",
                             "output \"%s\" of \"%s\" has no key, so it cannot be a table",
                             from->def->outputs[ref->port].name, from->id);
    if (key && key->count > 1) /* no look-up would find a row */
        good =
            mistake_value(&planner->mistakes, ref->node, "key what publishes it by one column",
                          "rows are looked up by one column, but those of \"%s\" have a key of %u",
                          from->id, key->count);
    for (const struct column_def *want = use->columns; want && want->name; want++)
        good &= check_column(planner, op, name, want, schema, ref->node);
    good &= check_lists(planner, schema, ref->node);
    return good && check_ranking(planner, op, use, schema, ref->node);
}

/* ---- states ---- */

static bool check_state(struct planner *planner, uint32_t op, uint32_t state)
{
    struct store_state *made = &planner->plan->ops[op].states[state];
    const struct yaml_node *node = planner->job.ops[op].node;

    if (made->size > CELL_SIZE_MAX)
        return mistake_value(&planner->mistakes, node, "ask for less",
                             "a cell of state \"%s\" would take %u bytes, more than %u", made->name,
                             made->size, CELL_SIZE_MAX);
    if (made->size == 0) /* this configuration does not use it: no cells come with rows */
        made->kind = STORE_MAP;
    CHECK(made->kind != STORE_PANE || (made->pane_ms > 0 && made->merge));
    return true;
}

/* ---- the whole ---- */

/* False where something that it reads is bad. */
static bool inputs_known(const struct planner *planner, uint32_t op)
{
    const struct job_op *job_op = &planner->job.ops[op];

    for (uint32_t i = 0; i < job_op->input_count; i++)
        for (uint32_t k = 0; k < job_op->inputs[i].count; k++)
            if (job_op->inputs[i].refs[k].op == FIELD_NONE ||
                planner->job.ops[job_op->inputs[i].refs[k].op].bad)
                return false;
    for (uint32_t i = 0; i < job_op->table_count; i++)
        if (job_op->tables[i].op != FIELD_NONE && planner->job.ops[job_op->tables[i].op].bad)
            return false;
    return true;
}

static bool type_op(struct planner *planner, uint32_t op)
{
    const struct plan_op *plan_op = &planner->plan->ops[op];
    bool good = true;

    planner->facts[op] = (struct op_facts){0};
    for (uint32_t i = 0; i < plan_op->input_count; i++)
        good &= type_input(planner, op, i);
    for (uint32_t i = 0; i < planner->job.ops[op].table_count; i++)
        good &= type_table(planner, op, i);
    good = good && typing_options(planner, op);
    good = good && loops_describe(planner, op);
    for (uint32_t i = 0; good && i < plan_op->input_count; i++)
        good &= check_keyed(planner, op, i);
    for (uint32_t i = 0; good && i < plan_op->state_count; i++)
        good &= check_state(planner, op, i);
    return good && typing_outputs(planner, op);
}

void typing_op(struct planner *planner, uint32_t op)
{
    struct job_op *job_op = &planner->job.ops[op];

    if (!job_op->bad)
        job_op->bad = !inputs_known(planner, op) || !type_op(planner, op);
}
