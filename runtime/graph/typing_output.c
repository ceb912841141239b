/* What an operator's rows look like, and which columns of its input its options name. */
#include "runtime/batch/expr.h"
#include "runtime/graph/typing.h"

#include <string.h>

/* ---- options that name columns ---- */

struct scope {
    struct planner *planner;
    const struct schema *schema;
};

static bool check_option(const struct scope *scope, const struct option *option, const char *config,
                         const struct yaml_node *mapping);

static bool check_field(const struct scope *scope, const struct option *option, const char *name,
                        const struct yaml_node *mapping, const struct yaml_node *node)
{
    const char *how;

    if (schema_find(scope->schema, name) != FIELD_NONE)
        return true;
    how = typing_known_columns(scope->planner->arena, scope->schema, name);
    if (node)
        return mistake_value(&scope->planner->mistakes, node, how,
                             "there is no column \"%s\" in the input", name);
    return mistake_field(&scope->planner->mistakes, mapping, option->name, how,
                         "there is no column \"%s\" in the input, which this field names unless "
                         "given",
                         name);
}

static bool check_fields(const struct scope *scope, const struct option *option,
                         const struct text_list *list, const struct yaml_node *mapping,
                         const struct yaml_node *node)
{
    bool good = true;

    for (uint32_t i = 0; i < list->count; i++) {
        const struct yaml_node *at = node && node->kind == YAML_SEQUENCE ? node->items[i] : node;
        good &= check_field(scope, option, list->items[i], mapping, at);
    }
    return good;
}

static bool check_expression(const struct scope *scope, const struct option *option,
                             const char *text, const struct yaml_node *mapping,
                             const struct yaml_node *node)
{
    struct error err = {0};
    struct expr *expr = expr_compile(text, scope->schema, &err);

    if (expr) {
        expr_close(expr);
        return true;
    }
    if (node)
        return mistake_value(&scope->planner->mistakes, node, err.how, "%s", err.what);
    return mistake_field(&scope->planner->mistakes, mapping, option->name, err.how, "%s", err.what);
}

static bool check_group(const struct scope *scope, const struct option *options, const char *config,
                        const struct yaml_node *mapping)
{
    bool good = true;

    for (; options && options->name; options++)
        good &= check_option(scope, options, config, mapping);
    return good;
}

static bool check_option(const struct scope *scope, const struct option *option, const char *config,
                         const struct yaml_node *mapping)
{
    const struct yaml_node *node = yaml_get(mapping, option->name);
    const void *field = config + option->offset;
    const char *text = NULL;

    if (option->type == OPT_GROUP)
        return !node || check_group(scope, option->group, field, node);
    if (option->type == OPT_FIELDS)
        return check_fields(scope, option, field, mapping, node);
    if (option->type != OPT_FIELD && option->type != OPT_EXPRESSION)
        return true;
    memcpy(&text, field, sizeof(text));
    if (!text || !*text)
        return true;
    return option->type == OPT_FIELD ? check_field(scope, option, text, mapping, node)
                                     : check_expression(scope, option, text, mapping, node);
}

bool typing_options(struct planner *planner, uint32_t op)
{
    const struct plan_op *plan_op = &planner->plan->ops[op];
    const struct scope scope = {planner, plan_op->input_count ? plan_op->inputs[0].schema : NULL};

    if (!scope.schema)
        return true;
    return check_group(&scope, plan_op->def->options, plan_op->config, planner->job.ops[op].node);
}

/* ---- outputs ---- */

/* The input whose key the outputs keep: the first keyed one, otherwise the first with a key. */
static const struct plan_input *key_input(const struct plan_op *op)
{
    const struct plan_input *found = NULL;

    for (uint32_t i = 0; i < op->input_count; i++) {
        if (!op->inputs[i].connected || !op->inputs[i].key)
            continue;
        if (op->inputs[i].keyed)
            return &op->inputs[i];
        found = found ? found : &op->inputs[i];
    }
    return found;
}

static enum type column_type(const struct schema *schema, const char *name)
{
    uint32_t column = schema_find(schema, name);

    return column == FIELD_NONE ? TYPE_NONE : schema->fields[column].type;
}

/* The schema of a port whose columns the definition fixes. NULL with a mistake told. */
static const struct schema *fixed_schema(struct planner *planner, uint32_t op, uint32_t port)
{
    const struct plan_op *plan_op = &planner->plan->ops[op];
    const struct plan_input *input = key_input(plan_op);
    struct schema *schema = schema_create(planner->arena);

    for (const struct column_def *def = plan_op->def->outputs[port].columns; def->name; def++) {
        enum type type = def->type;
        if (type == TYPE_KEY && (!input || input->key->count != 1)) {
            mistake_field(&planner->mistakes, planner->job.ops[op].node, "key", "write key: COLUMN",
                          "%s needs a key of one column", plan_op->def->name);
            return NULL;
        }
        if (type == TYPE_KEY)
            type = column_type(input->schema, input->key->items[0]);
        CHECK(type != TYPE_VECTOR && type != TYPE_LIST);
        CHECK(schema_add_column(schema, planner->arena, def->name, type));
    }
    return schema;
}

/* The one column that the definition calls the key, or the input's key where all of its columns
 * are still there with their types. */
static const struct text_list *kept_key(struct planner *planner, const struct plan_op *op,
                                        uint32_t port)
{
    const struct plan_input *input = key_input(op);
    const struct column_def *def = op->def->outputs[port].columns;
    struct text_list *list = arena_new(planner->arena, sizeof(*list));

    if (!input)
        return NULL;
    for (; def && def->name; def++) {
        if (def->type != TYPE_KEY)
            continue;
        list->count = 1;
        list->items = arena_new(planner->arena, sizeof(*list->items));
        list->items[0] = def->name;
        return list;
    }
    for (uint32_t i = 0; i < input->key->count; i++)
        if (column_type(op->outputs[port].schema, input->key->items[i]) !=
            column_type(input->schema, input->key->items[i]))
            return NULL;
    return input->key;
}

/* The schema with the columns of `versions`. NULL with a mistake told. */
static const struct schema *add_versions(struct planner *planner, uint32_t op,
                                         const struct schema *schema)
{
    const struct job_op *job_op = &planner->job.ops[op];
    struct plan_op *plan_op = &planner->plan->ops[op];
    struct schema *wide = schema_create(planner->arena);
    bool several = job_op->table_count > 1;

    plan_op->version_count = 0;
    for (uint32_t i = 0; i < schema->count; i++)
        CHECK(schema_add(wide, planner->arena, &schema->fields[i]));
    for (uint32_t k = 0; k < job_op->table_count; k++) {
        const char *name =
            arena_format(planner->arena, "versions.%s%s%s", job_op->id, several ? "." : "",
                         several ? job_op->def->tables[k].name : "");
        if (job_op->tables[k].op == FIELD_NONE)
            continue;
        if (strlen(name) >= NAME_SIZE_MAX ||
            !schema_add_column(wide, planner->arena, name, TYPE_TIMESTAMP)) {
            mistake_field(&planner->mistakes, job_op->node, "versions", "give it another id",
                          "\"%s\" is there already, or too long a name", name);
            return NULL;
        }
        plan_op->version_count++;
    }
    return wide;
}

static bool type_output(struct planner *planner, uint32_t op, uint32_t port)
{
    struct plan_op *plan_op = &planner->plan->ops[op];
    struct plan_output *output = &plan_op->outputs[port];
    const struct port *def = &plan_op->def->outputs[port];
    const struct op_facts *facts = &planner->facts[op];

    output->schema = facts->outputs[port];
    if (!output->schema && def->columns)
        output->schema = fixed_schema(planner, op, port);
    if (!output->schema && !def->columns)
        return mistake_value(&planner->mistakes, planner->job.ops[op].node,
                             "this is a fault of the operator, not of the job",
                             "%s does not tell the columns of its output \"%s\"",
                             plan_op->def->name, def->name);
    if (output->schema && port == 0 && planner->job.ops[op].versions)
        output->schema = add_versions(planner, op, output->schema);
    if (!output->schema)
        return false;
    output->key = facts->output_keys[port];
    if (output->key)
        return typing_key(planner, output->key, output->schema, planner->job.ops[op].node);
    if (def->keyed)
        output->key = kept_key(planner, plan_op, port);
    return true;
}

bool typing_outputs(struct planner *planner, uint32_t op)
{
    bool good = true;

    for (uint32_t i = 0; i < planner->plan->ops[op].output_count; i++)
        good &= type_output(planner, op, i);
    return good;
}
