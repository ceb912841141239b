/* `millrace info` and `millrace info KIND`: everything is read from the operators' definitions,
 * and what stands at the head of their files. */
#include "runtime/graph/mistake.h"

#include "runtime/graph/job.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the list of kinds ---- */

static int by_name(const void *left, const void *right)
{
    const struct operator_def *const *a = left, *const *b = right;

    return strcmp((*a)->name, (*b)->name);
}

static size_t family_size(const char *name)
{
    return strcspn(name, "/");
}

static bool same_family(const char *a, const char *b)
{
    return family_size(a) == family_size(b) && memcmp(a, b, family_size(a)) == 0;
}

void plan_kinds(struct bytes *out)
{
    uint32_t count;
    const struct operator_def *const *all = operators_all(&count);
    const struct operator_def **sorted = memory_array(count, sizeof(*sorted));

    for (uint32_t i = 0; i < count; i++)
        sorted[i] = all[i];
    if (count)
        qsort(sorted, count, sizeof(const struct operator_def *), by_name);
    for (uint32_t i = 0; i < count; i++) {
        const char *name = sorted[i]->name;
        if (i == 0 || !same_family(sorted[i - 1]->name, name))
            bytes_format(out, "%s%.*s\n", i ? "\n" : "", (int)family_size(name), name);
        bytes_format(out, "  %-24s %s\n", name, sorted[i]->help);
    }
    if (count == 0)
        bytes_text(out, "this build has no operators\n");
    memory_free(sorted);
}

/* ---- the example ---- */

static void put_example_value(const struct option *option, struct bytes *out);

static void put_example_group(const struct option *options, struct bytes *out)
{
    const char *before = "{";

    for (; options && options->name; options++) {
        if (!options->required)
            continue;
        bytes_format(out, "%s%s: ", before, options->name);
        put_example_value(options, out);
        before = ", ";
    }
    bytes_text(out, *before == '{' ? "{}" : "}");
}

static void put_example_number(const struct option *option, struct bytes *out)
{
    if (option->type == OPT_F64)
        bytes_format(out, "%g", option->min.f64 > 0 ? option->min.f64 : 1.0);
    else
        bytes_format(out, "%lld", (long long)(option->min.i64 > 0 ? option->min.i64 : 1));
}

static void put_example_value(const struct option *option, struct bytes *out)
{
    static const char *const values[] = {
        [OPT_BOOL] = "true",
        [OPT_DURATION] = "1h",
        [OPT_BYTES] = "1mb",
        [OPT_RATIO] = "0.5",
        [OPT_TEXT] = "TEXT",
        [OPT_EXPRESSION] = "\"EXPRESSION\"",
        [OPT_FIELD] = "COLUMN",
        [OPT_FIELDS] = "[COLUMN]",
        [OPT_TEXTS] = "[TEXT]",
        [OPT_MAP] = "{NAME: VALUE}",
        [OPT_WINDOW] = "{tumbling: 1h}",
    };

    if (option->type == OPT_GROUP)
        put_example_group(option->group, out);
    else if (option->type == OPT_ENUM)
        bytes_text(out, option->choices[0]);
    else if (option->type == OPT_I64 || option->type == OPT_F64)
        put_example_number(option, out);
    else
        bytes_text(out, values[option->type] ? values[option->type] : "VALUE");
}

static void put_example_inputs(const struct operator_def *def, struct bytes *out)
{
    const char *before = "    inputs: {";
    bool keyed = false;

    for (uint32_t i = 0; def->inputs && def->inputs[i].name; i++) {
        keyed |= def->inputs[i].keyed;
        if (i == 0)
            bytes_text(out, "    from: OPERATOR\n");
        if (i == 0 || def->inputs[i].optional)
            continue;
        bytes_format(out, "%s%s: OPERATOR", before, def->inputs[i].name);
        before = ", ";
    }
    bytes_text(out, *before == ',' ? "}\n" : "");
    bytes_text(out, keyed ? "    key: COLUMN\n" : "");
    before = "    tables: {";
    for (const struct table_use *use = def->tables; use && use->name; use++) {
        if (use->optional)
            continue;
        bytes_format(out, "%s%s: OPERATOR", before, use->name);
        before = ", ";
    }
    bytes_text(out, *before == ',' ? "}\n" : "");
}

static void put_example(const struct operator_def *def, struct bytes *out)
{
    const char *base = strrchr(def->name, '/');

    bytes_format(out, "\nIN A JOB FILE, at the least\n  - id: %s\n    kind: %s\n",
                 base ? base + 1 : def->name, def->name);
    put_example_inputs(def, out);
    for (const struct option *option = def->options; option && option->name; option++) {
        if (!option->required)
            continue;
        bytes_format(out, "    %s: ", option->name);
        put_example_value(option, out);
        bytes_text(out, "\n");
    }
}

/* ---- the parts of a manual ---- */

static void put_columns(const struct column_def *columns, struct bytes *out)
{
    for (uint32_t i = 0; columns && columns[i].name; i++) {
        enum type type = columns[i].type;
        bytes_format(out, "%s%s %s", i ? ", " : "      columns: ", columns[i].name,
                     type == TYPE_NONE  ? "(any type)"
                     : type == TYPE_KEY ? "(as the key)"
                                        : type_name(type));
    }
    if (columns && columns[0].name)
        bytes_text(out, "\n");
}

static void put_ports(const char *title, const struct operator_def *def, const struct port *ports,
                      struct bytes *out)
{
    if (!ports || !ports[0].name)
        return;
    bytes_format(out, "\n%s\n", title);
    for (; ports->name; ports++) {
        bytes_format(out, "  %s%s%s%s\n", ports->name, ports->keyed ? ", keyed" : "",
                     ports->global ? ", all rows in one subtask" : "",
                     ports->optional ? ", optional" : "");
        if (ports->help)
            bytes_format(out, "      %s\n", ports->help);
        put_columns(ports->columns, out);
        if (ports->manual)
            ports->manual(def, out);
    }
}

static void put_tables(const struct operator_def *def, struct bytes *out)
{
    if (!def->tables || !def->tables[0].name)
        return;
    bytes_text(out, "\nTABLES that it looks up\n");
    for (const struct table_use *use = def->tables; use->name; use++) {
        bytes_format(out, "  %s%s\n", use->name, use->optional ? ", optional" : "");
        if (use->help)
            bytes_format(out, "      %s\n", use->help);
        put_columns(use->columns, out);
        if (use->rank_limit)
            bytes_format(out, "      ranked by %s, the %u largest\n", use->rank_by,
                         use->rank_limit);
    }
}

static void put_states(const struct operator_def *def, struct bytes *out)
{
    static const char *const kinds[] = {
        [STATE_NONE] = "",
        [STATE_VALUE] = "a value for each key",
        [STATE_LIST] = "a list for each key",
        [STATE_MAP] = "a map for each key",
        [STATE_PANE] = "an aggregate for each key and pane of time",
    };

    if (!def->states || !def->states[0].name)
        return;
    bytes_text(out, "\nSTATE\n");
    for (const struct state *state = def->states; state->name; state++) {
        bytes_format(out, "  %s: %s%s\n", state->name, kinds[state->kind],
                     state->expires ? ", for a time" : "");
        for (const struct state_field *field = state->fields; field && field->name; field++)
            bytes_format(out, "      %s %s\n", field->name, type_name(field->type));
    }
}

static void put_counters(const struct operator_def *def, struct bytes *out)
{
    if (!def->counters || !def->counters[0])
        return;
    bytes_text(out, "\nCOUNTERS beside rows in and out\n  ");
    for (uint32_t i = 0; def->counters[i]; i++)
        bytes_format(out, "%s%s", i ? ", " : "", def->counters[i]);
    bytes_text(out, "\n");
}

static bool is_one_of(const char *name, const char *a, const char *b, const char *c)
{
    return strcmp(name, a) == 0 || strcmp(name, b) == 0 || strcmp(name, c) == 0;
}

static void put_common(const struct operator_def *def, struct bytes *out)
{
    const struct option *fields = job_operator_fields;

    bytes_text(out, "\nFIELDS of every operator\n");
    for (; fields->name; fields++) {
        bool tables = is_one_of(fields->name, "tables", "lookup", "versions");
        bool inputs = is_one_of(fields->name, "from", "inputs", "key");
        if ((tables && !def->tables) || (inputs && !def->inputs))
            continue;
        bytes_format(out, "  %-12s %s\n", fields->name, fields->help);
    }
}

static bool tell_unknown(const char *kind, struct error *err)
{
    struct arena *arena = arena_create(4096);

    error_set(err, ERROR_CONFIG, kind, mistake_known_kinds(arena, kind),
              "there is no operator kind \"%s\"", kind);
    arena_close(arena);
    return false;
}

bool plan_manual(const char *kind, struct bytes *out, struct error *err)
{
    const struct operator_def *def = operator_find(kind);
    const char *text = operator_text(kind);

    if (!def)
        return tell_unknown(kind, err);
    bytes_format(out, "%s: %s\n", def->name, def->help);
    if (text) {
        bytes_text(out, "\nDESCRIPTION\n");
        bytes_text(out, text);
    }
    put_example(def, out);
    if (def->options && def->options[0].name) {
        bytes_text(out, "\nOPTIONS\n");
        option_manual(def->options, out);
    }
    put_common(def, out);
    put_ports("INPUTS", def, def->inputs, out);
    put_ports("OUTPUTS", def, def->outputs, out);
    put_tables(def, out);
    put_states(def, out);
    put_counters(def, out);
    bytes_format(out, "\nORDER: %s\n",
                 def->order == ORDER_EVENT_TIME ? "takes its rows in event-time order"
                                                : "the result does not depend on it");
    bytes_format(out, "DETERMINISTIC: %s\n", def->deterministic ? "yes" : "no");
    return true;
}
