/* References between operators; see reference.h. `a` is the first output of operator a, `a.port`
 * a named one. */
#include "runtime/graph/reference.h"

#include <string.h>

#define DELAY_MAX_MS (3660 * DAY_MS)

/* ---- names of things, for messages ---- */

static const char *known_operators(const struct job *job, const char *name)
{
    const char *names[OPERATORS_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < job->op_count; i++)
        if (job->ops[i].id)
            names[count++] = job->ops[i].id;
    return mistake_known(job->arena, names, count, name);
}

static const char *known_ports(const struct job *job, const struct port *ports, uint32_t count,
                               const char *name)
{
    const char *names[PORTS_MAX];

    for (uint32_t i = 0; i < count; i++)
        names[i] = ports[i].name;
    return mistake_known(job->arena, names, count, name);
}

static uint32_t find_port(const struct port *ports, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(ports[i].name, name) == 0)
            return i;
    return FIELD_NONE;
}

static uint32_t find_op(const struct job *job, const char *text, size_t size)
{
    for (uint32_t i = 0; i < job->op_count; i++)
        if (job->ops[i].id && strlen(job->ops[i].id) == size &&
            memcmp(job->ops[i].id, text, size) == 0)
            return i;
    return FIELD_NONE;
}

/* ---- one reference ---- */

static bool read_port(const struct job *job, struct job_ref *ref, const char *port)
{
    const struct job_op *from = &job->ops[ref->op];

    if (!from->def)
        return false; /* its kind is unknown, which has been told */
    if (!from->output_count)
        return mistake_value(job->mistakes, ref->node, "read what it reads",
                             "operator \"%s\" (%s) has no outputs", from->id, from->def->name);
    ref->port = port ? find_port(from->def->outputs, from->output_count, port) : 0;
    if (ref->port != FIELD_NONE)
        return true;
    return mistake_value(
        job->mistakes, ref->node, known_ports(job, from->def->outputs, from->output_count, port),
        "operator \"%s\" (%s) has no output \"%s\"", from->id, from->def->name, port);
}

static bool read_ref(const struct job *job, const char *text, const struct yaml_node *node,
                     struct job_ref *ref)
{
    const char *dot = strchr(text, '.');
    size_t size = dot ? (size_t)(dot - text) : strlen(text);

    ref->node = node;
    ref->port = 0;
    ref->op = find_op(job, text, size);
    if (ref->op == FIELD_NONE) {
        const char *id = arena_copy(job->arena, text, size);
        return mistake_value(job->mistakes, node, known_operators(job, id),
                             "there is no operator \"%s\"", id);
    }
    if (read_port(job, ref, dot ? dot + 1 : NULL))
        return true;
    ref->op = FIELD_NONE;
    return false;
}

/* ---- inputs ---- */

/* `[a, a.out]` would give each row twice. */
static bool check_union(const struct job *job, const struct job_input *input)
{
    for (uint32_t i = 1; i < input->count; i++)
        for (uint32_t j = 0; j < i; j++)
            if (input->refs[i].op == input->refs[j].op &&
                input->refs[i].port == input->refs[j].port)
                return mistake_value(job->mistakes, input->refs[i].node, "leave one of them",
                                     "this output is named twice");
    return true;
}

static bool read_refs(const struct job *job, const struct yaml_node *node, struct job_input *input)
{
    const struct fill fill = {job->arena, job->mistakes};
    struct text_list texts = {0};
    bool good = true;

    if (!fill_texts(&fill, node, &texts))
        return false;
    input->refs = arena_new(job->arena, (texts.count + 1) * sizeof(*input->refs));
    input->count = texts.count;
    for (uint32_t i = 0; i < texts.count; i++)
        good &= read_ref(job, texts.items[i], node->kind == YAML_SEQUENCE ? node->items[i] : node,
                         &input->refs[i]);
    return good && check_union(job, input);
}

static bool read_input(const struct job *job, struct job_op *op, const struct yaml_node *node)
{
    uint32_t port = find_port(op->def->inputs, op->input_count, node->key);

    if (port == FIELD_NONE)
        return mistake_key(job->mistakes, node,
                           known_ports(job, op->def->inputs, op->input_count, node->key),
                           "%s has no input \"%s\"", op->def->name, node->key);
    if (op->inputs[port].refs)
        return mistake_key(job->mistakes, node, "put all of them there, as in from: [a, b]",
                           "`from` connects input \"%s\" already", node->key);
    return read_refs(job, node, &op->inputs[port]);
}

static bool read_inputs(const struct job *job, struct job_op *op)
{
    const struct yaml_node *from = yaml_get(op->node, "from");
    const struct yaml_node *inputs = yaml_get(op->node, "inputs");
    bool good = true;

    if ((from || inputs) && !op->input_count)
        return mistake_key(job->mistakes, from ? from : inputs, "leave it out", "%s has no inputs",
                           op->def->name);
    if (from)
        good &= read_refs(job, from, &op->inputs[0]);
    if (!inputs)
        return good;
    if (inputs->kind != YAML_MAPPING)
        return mistake_value(job->mistakes, inputs, "write {input: operator}",
                             "%s stands where a mapping is due", yaml_kind_name(inputs));
    for (uint32_t i = 0; i < inputs->count; i++)
        good &= read_input(job, op, inputs->items[i]);
    return good;
}

/* Only where the rest of the connections is right: a misspelt one is not also a missing one. */
static bool check_connected(const struct job *job, const struct job_op *op)
{
    bool good = true;

    for (uint32_t i = 0; i < op->input_count; i++) {
        const struct port *port = &op->def->inputs[i];
        const char *field = i == 0 ? "from" : "inputs";
        if (op->inputs[i].count || port->optional)
            continue;
        good = mistake_field(
            job->mistakes, op->node, field,
            i == 0 ? "write from: OPERATOR"
                   : arena_format(job->arena, "write inputs: {%s: OPERATOR}", port->name),
            "input \"%s\" of %s is not connected", port->name, op->def->name);
    }
    return good;
}

/* ---- keys ---- */

static bool set_key(const struct job *job, struct job_op *op, uint32_t port,
                    const struct yaml_node *node)
{
    const struct fill fill = {job->arena, job->mistakes};
    struct text_list *list = arena_new(job->arena, sizeof(*list));

    if (!fill_texts(&fill, node, list))
        return false;
    op->inputs[port].key = list;
    op->inputs[port].key_node = node;
    return true;
}

static bool read_port_key(const struct job *job, struct job_op *op, const struct yaml_node *node)
{
    uint32_t port = find_port(op->def->inputs, op->input_count, node->key);

    if (port == FIELD_NONE)
        return mistake_key(job->mistakes, node,
                           known_ports(job, op->def->inputs, op->input_count, node->key),
                           "%s has no input \"%s\"", op->def->name, node->key);
    if (!op->def->inputs[port].keyed)
        return mistake_key(job->mistakes, node, "leave it out", "input \"%s\" of %s has no key",
                           node->key, op->def->name);
    return set_key(job, op, port, node);
}

static bool read_key(const struct job *job, struct job_op *op)
{
    const struct yaml_node *node = yaml_get(op->node, "key");
    bool good = true, any = false;

    if (!node)
        return true;
    if (node->kind == YAML_MAPPING) {
        for (uint32_t i = 0; i < node->count; i++)
            good &= read_port_key(job, op, node->items[i]);
        return good;
    }
    for (uint32_t i = 0; good && i < op->input_count; i++) {
        if (!op->def->inputs[i].keyed)
            continue;
        any = true;
        good = set_key(job, op, i, node);
    }
    if (good && !any)
        return mistake_key(job->mistakes, node, "leave it out", "%s has no keyed input",
                           op->def->name);
    return good;
}

/* ---- tables ---- */

struct table_fields {
    const char *from;
    int64_t delay_ms;
};

static const struct option table_options[] = {
    {.name = "from",
     .type = OPT_TEXT,
     FIELD(struct table_fields, from),
     .required = true,
     .help = "The operator that publishes the table."},
    {.name = "delay",
     .type = OPT_DURATION,
     FIELD(struct table_fields, delay_ms),
     .min.i64 = 1,
     .max.i64 = DELAY_MAX_MS,
     .help = "A row sees the newest version that was closed this long before it."},
    {0},
};

/* `{from: OPERATOR, delay: 1h}`. */
static bool read_delayed(const struct job *job, const struct job_op *op,
                         const struct yaml_node *node, struct job_ref *ref)
{
    const struct fill fill = {job->arena, job->mistakes};
    struct table_fields fields = {0};
    uint32_t before = mistakes_total(job->mistakes);

    fill_options(&fill, node, table_options, NULL, &fields);
    if (mistakes_total(job->mistakes) > before)
        return false;
    ref->delay_ms = fields.delay_ms;
    if (ref->delay_ms && op->lookup_latest)
        return mistake_value(job->mistakes, yaml_get(node, "delay"), "leave one of the two out",
                             "with `lookup: latest` rows see the newest version at any time");
    return read_ref(job, fields.from, yaml_get(node, "from"), ref);
}

static bool read_table(const struct job *job, struct job_op *op, const struct yaml_node *node)
{
    const struct fill fill = {job->arena, job->mistakes};
    const char *names[TABLES_MAX], *text;

    for (uint32_t i = 0; i < op->table_count; i++) {
        names[i] = op->def->tables[i].name;
        if (strcmp(names[i], node->key) != 0)
            continue;
        op->tables[i].node = node;
        if (node->kind == YAML_MAPPING)
            return read_delayed(job, op, node, &op->tables[i]);
        text = fill_text(&fill, node, "the operator that publishes the table");
        return text && read_ref(job, text, node, &op->tables[i]);
    }
    return mistake_key(job->mistakes, node,
                       mistake_known(job->arena, names, op->table_count, node->key),
                       "%s looks up no table \"%s\"", op->def->name, node->key);
}

static bool read_tables(const struct job *job, struct job_op *op)
{
    const struct yaml_node *node = yaml_get(op->node, "tables");
    bool good = true;

    for (uint32_t i = 0; i < op->table_count; i++)
        op->tables[i] = (struct job_ref){.op = FIELD_NONE};
    if (node && !op->table_count)
        return mistake_key(job->mistakes, node, "leave it out", "%s looks up no tables",
                           op->def->name);
    if (node && node->kind != YAML_MAPPING)
        return mistake_value(job->mistakes, node, "write {table: operator}",
                             "%s stands where a mapping is due", yaml_kind_name(node));
    for (uint32_t i = 0; node && i < node->count; i++)
        good &= read_table(job, op, node->items[i]);
    for (uint32_t i = 0; good && i < op->table_count; i++)
        if (!op->tables[i].node && !op->def->tables[i].optional)
            good = mistake_field(
                job->mistakes, node ? node : op->node, node ? op->def->tables[i].name : "tables",
                arena_format(job->arena, "write tables: {%s: OPERATOR}", op->def->tables[i].name),
                "table \"%s\" of %s is not given", op->def->tables[i].name, op->def->name);
    return good;
}

/* Where the kind is unknown, the operators named by `from` can still be looked at. */
static void check_from(const struct job *job, const struct job_op *op)
{
    const struct yaml_node *from = yaml_get(op->node, "from");
    struct job_input input = {0};

    if (from)
        read_refs(job, from, &input);
}

void references_read(struct job *job, struct job_op *op)
{
    bool good;

    if (op->node->kind != YAML_MAPPING)
        return;
    if (!op->def) {
        check_from(job, op);
        return;
    }
    good = read_inputs(job, op) && check_connected(job, op);
    good &= read_key(job, op);
    good &= read_tables(job, op);
    op->bad |= !good;
}
