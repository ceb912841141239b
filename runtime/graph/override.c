/* Overrides; see override.h. A name that is both a section and an operator's id means the section
 * where that has the field, otherwise the operator; where both have it, it is refused. */
#include "runtime/graph/override.h"

#include "runtime/graph/job.h"

#include <string.h>

struct override {
    struct arena *arena;
    struct yaml_node *root;
    struct mistakes *mistakes;
    const char *text;
    uint32_t number;
    uint32_t count; /* of steps */
    char *steps[JOB_DEPTH_MAX];
    const char *value;
};

#define FORM "write OPERATOR.FIELD=value or section.field=value"

static bool refuse(const struct override *override, const char *how, const char *what)
{
    (void)mistake_override(override->mistakes, override->number, override->text, how, "%s", what);
    return false;
}

static bool split(struct override *override)
{
    const char *equals = strchr(override->text, '=');
    char *path, *step;

    if (!equals)
        return refuse(override, FORM, "there is no = in it");
    override->value = equals + 1;
    path = arena_copy(override->arena, override->text, (size_t)(equals - override->text));
    while ((step = strsep(&path, "."))) {
        if (!*step || override->count == JOB_DEPTH_MAX)
            return refuse(override, FORM,
                          *step ? "the path before = is too long" : "a name before = is empty");
        override->steps[override->count++] = step;
    }
    if (override->count < 2)
        return refuse(override, FORM, "it names no field");
    return true;
}

static const struct settings_section *find_section(const char *name)
{
    for (const struct settings_section *section = settings_sections; section->name; section++)
        if (strcmp(section->name, name) == 0)
            return section;
    return NULL;
}

static const char *scalar_of(const struct yaml_node *mapping, const char *key)
{
    const struct yaml_node *node = yaml_get(mapping, key);

    return node && node->kind == YAML_SCALAR ? node->text : NULL;
}

static struct yaml_node *find_operator(const struct override *override, const char *id)
{
    const struct yaml_node *operators = yaml_get(override->root, "operators");

    if (!operators || operators->kind != YAML_SEQUENCE)
        return NULL;
    for (uint32_t i = 0; i < operators->count; i++) {
        const char *found = scalar_of(operators->items[i], "id");
        if (found && strcmp(found, id) == 0)
            return operators->items[i];
    }
    return NULL;
}

static bool operator_has(const struct yaml_node *node, const char *field)
{
    const char *kind = scalar_of(node, "kind");
    const struct operator_def *def = kind ? operator_find(kind) : NULL;

    return option_find(job_operator_fields, field) ||
           (def && def->options && option_find(def->options, field));
}

static void tell_unknown(const struct override *override)
{
    const struct yaml_node *operators = yaml_get(override->root, "operators");
    uint32_t count = 0, ids = operators && operators->kind == YAML_SEQUENCE ? operators->count : 0;
    const char **names;

    for (uint32_t i = 0; settings_sections[i].name; i++)
        count++;
    names = memory_array(count + ids, sizeof(*names));
    count = 0;
    for (uint32_t i = 0; i < ids; i++) {
        names[count] = scalar_of(operators->items[i], "id");
        count += names[count] != NULL;
    }
    for (uint32_t i = 0; settings_sections[i].name; i++)
        names[count++] = settings_sections[i].name;
    refuse(override, mistake_known(override->arena, names, count, override->steps[0]),
           arena_format(override->arena, "there is no operator or section \"%s\"",
                        override->steps[0]));
    memory_free(names);
}

static struct yaml_node *mark(const struct override *override, struct yaml_node *node)
{
    node->override = override->text;
    node->override_number = override->number;
    return node;
}

/* The mapping below `parent`, made when absent. */
static struct yaml_node *enter(const struct override *override, struct yaml_node *parent,
                               const char *name)
{
    struct yaml_node *node = yaml_get(parent, name);

    if (!node || yaml_is_null(node)) {
        node = mark(override, yaml_mapping(override->arena));
        yaml_put(override->arena, parent, name, node);
    }
    if (node->kind == YAML_MAPPING)
        return node;
    refuse(override, "override it as a whole",
           arena_format(override->arena, "\"%s\" is %s, which has no fields", name,
                        yaml_kind_name(node)));
    return NULL;
}

static struct yaml_node *find_target(const struct override *override)
{
    const char *name = override->steps[0], *field = override->steps[1];
    const struct settings_section *section = find_section(name);
    struct yaml_node *node = find_operator(override, name);
    bool in_section = section && option_find(section->options, field);

    if (node && in_section && operator_has(node, field)) {
        refuse(override, "give the operator another id",
               "this is a section and an operator, and both have this field");
        return NULL;
    }
    if (node && !in_section && override->count == 2 && strcmp(field, "id") == 0) {
        refuse(override, "change it in the job file", "an operator's id cannot be overridden");
        return NULL;
    }
    if (node && !in_section)
        return node;
    if (section)
        return enter(override, override->root, name);
    tell_unknown(override);
    return NULL;
}

static struct yaml_node *make_value(const struct override *override)
{
    const char *value = override->value;
    size_t size = strlen(value);
    char last = size ? value[size - 1] : '\0';

    if ((*value == '{' && last == '}') || (*value == '[' && last == ']'))
        return yaml_parse_flow(override->arena, value, override->text, override->number,
                               override->mistakes);
    return mark(override, yaml_scalar(override->arena, value));
}

static void apply(struct override *override)
{
    struct yaml_node *node, *value;

    if (!split(override))
        return;
    node = find_target(override);
    for (uint32_t i = 1; node && i + 1 < override->count; i++)
        node = enter(override, node, override->steps[i]);
    if (!node)
        return;
    value = make_value(override);
    if (value)
        yaml_put(override->arena, node, override->steps[override->count - 1], value);
}

void overrides_apply(struct arena *arena, struct yaml_node *root, const char *const *overrides,
                     uint32_t count, struct mistakes *mistakes)
{
    for (uint32_t i = 0; i < count; i++) {
        struct override override = {.arena = arena,
                                    .root = root,
                                    .mistakes = mistakes,
                                    .text = arena_text(arena, overrides[i]),
                                    .number = i + 1};
        apply(&override);
    }
}
