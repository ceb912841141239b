/* Reading sections and operators; see job.h. Two passes: first every operator's id, kind and
 * configuration, then the references between them, so that they may point forward. */
#include "runtime/graph/job.h"

#include "runtime/api/plugin.h"
#include "runtime/graph/reference.h"

#include <ctype.h>
#include <string.h>

struct job_fields { /* the engine's fields that are single values; the others are walked */
    const char *id, *kind;
    struct text_list from, key;
    struct option_map inputs, tables;
    int32_t lookup;
    bool versions;
    int64_t parallelism;
};

static const char *const lookups[] = {"versioned", "latest", NULL};
enum { LOOKUP_VERSIONED, LOOKUP_LATEST };

const struct option job_operator_fields[] = {
    {.name = "id",
     .type = OPT_TEXT,
     FIELD(struct job_fields, id),
     .required = true,
     .help = "Name of the operator in this job, by which others read from it. State is kept under "
             "it."},
    {.name = "kind",
     .type = OPT_TEXT,
     FIELD(struct job_fields, kind),
     .required = true,
     .help = "What it does; `millrace info` lists the kinds."},
    {.name = "from",
     .type = OPT_TEXTS,
     FIELD(struct job_fields, from),
     .help = "What its first input reads: an operator, `operator.port`, or a list of them (their "
             "union)."},
    {.name = "inputs",
     .type = OPT_MAP,
     FIELD(struct job_fields, inputs),
     .help = "What each input reads, by the input's name: {left: a, right: b.port}."},
    {.name = "key",
     .type = OPT_TEXTS,
     FIELD(struct job_fields, key),
     .help = "Columns that keyed inputs are keyed by; as upstream unless given."},
    {.name = "tables",
     .type = OPT_MAP,
     FIELD(struct job_fields, tables),
     .help = "What publishes the tables that it looks up: {name: operator}, or {name: {from: "
             "operator, delay: 1h}} for versions that were closed that long before a row; with a "
             "delay, a table may be made from what its reader sends."},
    {.name = "lookup",
     .type = OPT_ENUM,
     FIELD(struct job_fields, lookup),
     .def.i64 = LOOKUP_VERSIONED,
     .choices = lookups,
     .help = "Which version of its tables a row sees: the one that its event time dictates, or "
             "whatever is newest (which is not repeatable)."},
    {.name = "versions",
     .type = OPT_BOOL,
     FIELD(struct job_fields, versions),
     .help =
         "Whether its rows tell which versions of its tables they saw, by the time when each was "
         "closed: in versions.ID, or where it has several tables in versions.ID.TABLE."},
    {.name = "parallelism",
     .type = OPT_I64,
     FIELD(struct job_fields, parallelism),
     .min.i64 = 1,
     .max.i64 = PARALLELISM_MAX,
     .help = "Its subtasks; as the job unless given."},
    {0},
};

/* ---- sections ---- */

static const struct settings_section *find_section(const char *name)
{
    for (const struct settings_section *section = settings_sections; section->name; section++)
        if (strcmp(section->name, name) == 0)
            return section;
    return NULL;
}

static void tell_unknown_section(const struct job *job, const struct yaml_node *node)
{
    const char *names[32];
    uint32_t count = 0;

    for (; settings_sections[count].name; count++) {
        CHECK(count + 2 < sizeof(names) / sizeof(names[0]));
        names[count] = settings_sections[count].name;
    }
    names[count++] = "plugins";
    names[count++] = "operators";
    mistake_key(job->mistakes, node, mistake_known(job->arena, names, count, node->key),
                "there is no section \"%s\"", node->key);
}

static bool load_plugin(struct mistakes *mistakes, const struct yaml_node *node)
{
    struct error err = {0};

    if (node->kind != YAML_SCALAR || yaml_is_null(node) || !node->text[0])
        return mistake_value(mistakes, node, "write plugins: [PATH, PATH]",
                             "a plug-in is the path of a shared object");
    return plugin_load(node->text, &err) ||
           mistake_value(mistakes, node, err.how[0] ? err.how : NULL, "%s", err.what);
}

bool job_plugins(struct mistakes *mistakes, const struct yaml_node *root)
{
    const struct yaml_node *node = yaml_get(root, "plugins");
    bool good = true;

    if (!node)
        return true;
    if (node->kind != YAML_SEQUENCE)
        return load_plugin(mistakes, node);
    for (uint32_t i = 0; i < node->count; i++)
        good &= load_plugin(mistakes, node->items[i]);
    return good;
}

static bool name_good(const char *name)
{
    if (!*name || strlen(name) >= NAME_SIZE_MAX)
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && *name != '-' && *name != '_')
            return false;
    return true;
}

/* What spans fields. */
static void check_settings(const struct job *job)
{
    const struct settings *settings = &job->settings;
    const struct yaml_node *section = yaml_get(job->root, "job");
    const struct yaml_node *name = section ? yaml_get(section, "name") : NULL;

    if (!section)
        mistake_field(job->mistakes, job->root, "job", "write job: {name: NAME}",
                      "section \"job\" is missing");
    if (name && settings->job.name && !name_good(settings->job.name))
        mistake_value(job->mistakes, name, "write up to 63 letters, digits, - and _",
                      "\"%s\" cannot be the name of a job", settings->job.name);
    section = yaml_get(job->root, "heartbeat");
    if (section && settings->heartbeat.timeout_ms <= settings->heartbeat.interval_ms)
        mistake_value(job->mistakes, section, "make the timeout a few intervals long",
                      "the timeout is not longer than the interval");
    section = yaml_get(job->root, "restart");
    if (section && settings->restart.max_delay_ms < settings->restart.delay_ms)
        mistake_value(job->mistakes, section, "raise max-delay or lower delay",
                      "max-delay is shorter than delay");
}

static void read_settings(struct job *job)
{
    const struct fill fill = {job->arena, job->mistakes};

    for (const struct settings_section *section = settings_sections; section->name; section++) {
        const struct yaml_node *node = yaml_get(job->root, section->name);
        if (node)
            fill_options(&fill, node, section->options, NULL, &job->settings);
        else
            option_defaults(section->options, &job->settings);
    }
    for (uint32_t i = 0; i < job->root->count; i++) {
        const struct yaml_node *node = job->root->items[i];
        if (!find_section(node->key) && strcmp(node->key, "operators") != 0 &&
            strcmp(node->key, "plugins") != 0)
            tell_unknown_section(job, node);
    }
    check_settings(job);
}

/* ---- operators: the first pass ---- */

static const struct job_op *find_id(const struct job *job, const char *id)
{
    for (uint32_t i = 0; i < job->op_count; i++)
        if (job->ops[i].id && strcmp(job->ops[i].id, id) == 0)
            return &job->ops[i];
    return NULL;
}

static const char *read_id(const struct job *job, const struct yaml_node *mapping)
{
    const struct fill fill = {job->arena, job->mistakes};
    const struct yaml_node *node = yaml_get(mapping, "id");
    const char *id = node ? fill_text(&fill, node, "an operator's id") : NULL;
    const struct job_op *other;

    if (!node)
        mistake_field(job->mistakes, mapping, "id", "give the operator a name",
                      "\"id\" is missing");
    if (!id)
        return NULL;
    if (!name_good(id)) {
        mistake_value(job->mistakes, node, "write up to 63 letters, digits, - and _",
                      "\"%s\" cannot be an operator's id", id);
        return NULL;
    }
    other = find_id(job, id);
    if (!other)
        return id;
    mistake_value(job->mistakes, node, "give one of them another",
                  "\"%s\" is the id of operators[%u] already", id, other->node->index);
    return NULL;
}

static const struct operator_def *read_kind(const struct job *job, const struct yaml_node *mapping)
{
    const struct fill fill = {job->arena, job->mistakes};
    const struct yaml_node *node = yaml_get(mapping, "kind");
    const char *kind = node ? fill_text(&fill, node, "an operator's kind") : NULL;
    const struct operator_def *def = kind ? operator_find(kind) : NULL;

    if (!node)
        mistake_field(job->mistakes, mapping, "kind", "`millrace info` lists the kinds",
                      "\"kind\" is missing");
    if (def || !kind)
        return def;
    mistake_value(job->mistakes, node, mistake_known_kinds(job->arena, kind),
                  "there is no kind \"%s\"", kind);
    return NULL;
}

static void count_def(struct job_op *op)
{
    const struct operator_def *def = op->def;

    while (def->inputs && def->inputs[op->input_count].name)
        op->input_count++;
    while (def->outputs && def->outputs[op->output_count].name)
        op->output_count++;
    while (def->states && def->states[op->state_count].name)
        op->state_count++;
    while (def->tables && def->tables[op->table_count].name)
        op->table_count++;
    CHECK(op->input_count <= PORTS_MAX && op->output_count <= PORTS_MAX);
    CHECK(op->state_count <= STATES_MAX && op->table_count <= TABLES_MAX);
}

/* Parses an engine's field that is a single value. */
static void read_field(const struct job *job, const struct yaml_node *mapping, const char *name,
                       struct job_fields *fields)
{
    const struct yaml_node *node = yaml_get(mapping, name);
    const struct option *option = option_find(job_operator_fields, name);
    struct error err = {0};

    if (!node)
        return;
    if (node->kind != YAML_SCALAR || yaml_is_null(node))
        mistake_value(job->mistakes, node,
                      arena_format(job->arena, "write %s", option_type_help(option->type)),
                      "the field has no value");
    else if (!option_parse(option, node->text, fields, job->arena, &err))
        mistake_value(job->mistakes, node, err.how[0] ? err.how : NULL, "%s", err.what);
}

static void read_lookup(const struct job *job, struct job_op *op)
{
    const struct yaml_node *node = yaml_get(op->node, "lookup");
    struct job_fields fields = {0};

    read_field(job, op->node, "lookup", &fields);
    op->lookup_latest = fields.lookup == LOOKUP_LATEST;
    if (node && op->def && !op->table_count)
        mistake_key(job->mistakes, node, "leave it out", "%s looks up no tables", op->def->name);
}

static void read_versions(const struct job *job, struct job_op *op)
{
    const struct yaml_node *node = yaml_get(op->node, "versions");
    struct job_fields fields = {0};

    read_field(job, op->node, "versions", &fields);
    op->versions = fields.versions;
    if (op->versions && op->def && !op->table_count)
        mistake_key(job->mistakes, node, "leave it out", "%s looks up no tables", op->def->name);
    else if (op->versions && op->lookup_latest)
        mistake_key(job->mistakes, node, "leave one of them out",
                    "with `lookup: latest` rows see no version of their own");
}

/* All rows of a global input meet in one subtask. */
static bool is_global(const struct job_op *op)
{
    for (uint32_t i = 0; i < op->input_count; i++)
        if (op->def->inputs[i].global)
            return true;
    return false;
}

static void read_parallelism(const struct job *job, struct job_op *op)
{
    const struct yaml_node *node = yaml_get(op->node, "parallelism");
    const struct settings *settings = &job->settings;
    struct job_fields fields = {0};

    read_field(job, op->node, "parallelism", &fields);
    op->parallelism = fields.parallelism ? (uint32_t)fields.parallelism
                      : job->parallelism ? job->parallelism
                                         : (uint32_t)settings->job.parallelism;
    if (fields.parallelism > settings->job.key_groups)
        mistake_value(job->mistakes, node, "lower it, or raise job.key-groups in a new job",
                      "%u is more than the %lld key groups of the job", op->parallelism,
                      (long long)settings->job.key_groups);
    if (!op->def || !is_global(op))
        return;
    op->parallelism = 1;
    if (fields.parallelism > 1)
        mistake_value(job->mistakes, node, "leave it out, or write 1",
                      "all rows of %s meet in one subtask", op->def->name);
}

static void read_operator(struct job *job, struct job_op *op, const struct yaml_node *node)
{
    const struct fill fill = {job->arena, job->mistakes};
    uint32_t before = mistakes_total(job->mistakes);

    op->node = node;
    if (node->kind != YAML_MAPPING) {
        mistake_value(job->mistakes, node, "write {id: NAME, kind: KIND, ...}",
                      "%s stands where an operator is due", yaml_kind_name(node));
        op->bad = true;
        return;
    }
    op->id = read_id(job, node);
    op->def = read_kind(job, node);
    if (op->def) {
        count_def(op);
        op->config = arena_new(job->arena, op->def->config_size + 1);
        op->inputs = arena_new(job->arena, (op->input_count + 1) * sizeof(*op->inputs));
        op->tables = arena_new(job->arena, (op->table_count + 1) * sizeof(*op->tables));
        fill_options(&fill, node, op->def->options, job_operator_fields, op->config);
    }
    read_lookup(job, op);
    read_versions(job, op);
    read_parallelism(job, op);
    op->bad = mistakes_total(job->mistakes) > before;
}

/* ---- the whole ---- */

static void check_parallelism(const struct job *job)
{
    const struct settings *settings = &job->settings;
    const struct yaml_node *section = yaml_get(job->root, "job");
    const struct yaml_node *node = section ? yaml_get(section, "parallelism") : NULL;

    if (job->parallelism > PARALLELISM_MAX)
        mistake_run(job->mistakes, arena_format(job->arena, "-p %u", job->parallelism), NULL,
                    "that is more than the most subtasks of an operator (%u)", PARALLELISM_MAX);
    else if (job->parallelism > settings->job.key_groups)
        mistake_run(job->mistakes, arena_format(job->arena, "-p %u", job->parallelism),
                    "lower it, or raise job.key-groups in a new job",
                    "that is more than the %lld key groups of the job",
                    (long long)settings->job.key_groups);
    else if (!job->parallelism && node && settings->job.parallelism > settings->job.key_groups)
        mistake_value(job->mistakes, node, "lower it, or raise job.key-groups in a new job",
                      "%lld is more than the %lld key groups of the job",
                      (long long)settings->job.parallelism, (long long)settings->job.key_groups);
}

static bool check_operators(const struct job *job, const struct yaml_node *operators)
{
    if (!operators)
        return mistake_field(job->mistakes, job->root, "operators",
                             "write a list of operators, as in - {id: in, kind: source/file}",
                             "\"operators\" is missing");
    if (operators->kind != YAML_SEQUENCE || operators->count == 0)
        return mistake_value(job->mistakes, operators,
                             "write a list of operators, as in - {id: in, kind: source/file}",
                             operators->kind == YAML_SEQUENCE ? "there are no operators"
                                                              : "this is not a list");
    if (operators->count > OPERATORS_MAX)
        return mistake_value(job->mistakes, operators, NULL,
                             "there are %u operators, more than a job may have (%u)",
                             operators->count, OPERATORS_MAX);
    return true;
}

void job_read(struct job *job)
{
    const struct yaml_node *operators;

    if (job->root->kind != YAML_MAPPING) {
        mistake_value(job->mistakes, job->root,
                      "write job: and operators:", "%s stands where a job is due",
                      yaml_kind_name(job->root));
        return;
    }
    read_settings(job);
    check_parallelism(job);
    operators = yaml_get(job->root, "operators");
    if (!check_operators(job, operators))
        return;
    job->ops = arena_new(job->arena, operators->count * sizeof(*job->ops));
    for (uint32_t i = 0; i < operators->count; i++) {
        read_operator(job, &job->ops[i], operators->items[i]);
        job->op_count++;
    }
    for (uint32_t i = 0; i < job->op_count; i++)
        references_read(job, &job->ops[i]);
}

const char *job_texts(struct arena *arena, const struct text_list *list)
{
    char *text = arena_format(arena, "%s", list->count ? list->items[0] : "");

    for (uint32_t i = 1; i < list->count; i++)
        text = arena_format(arena, "%s, %s", text, list->items[i]);
    return text;
}
