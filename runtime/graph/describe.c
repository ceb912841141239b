/* The describe_* functions of operator.h: they read and fill the plan that is being made. */
#include "runtime/graph/describe.h"

#include <stdio.h>
#include <string.h>

struct describe {
    struct planner *planner;
    const struct job_op *job_op;
    struct plan_op *op;
    struct op_facts *facts;
    uint32_t told; /* mistakes told by describe_error */
    struct error last;
};

static const struct text_list no_columns = {0};

bool describe_run(struct planner *planner, uint32_t op)
{
    struct describe describe = {.planner = planner,
                                .job_op = &planner->job.ops[op],
                                .op = &planner->plan->ops[op],
                                .facts = &planner->facts[op]};
    struct error err = {0};

    if (!describe.op->def->describe)
        return true;
    if (describe.op->def->describe(&describe, &err))
        return describe.told == 0;
    /* What describe_error made is kept already; anything else is told at the operator. */
    if (!describe.told || strcmp(err.what, describe.last.what) != 0)
        mistake_error(&planner->mistakes, describe.job_op->node, &err);
    return false;
}

const void *describe_config(const struct describe *describe)
{
    return describe->op->config;
}

struct arena *describe_arena(struct describe *describe)
{
    return describe->planner->arena;
}

const struct schema *describe_input(const struct describe *describe, uint32_t port)
{
    CHECK(port < describe->op->input_count);
    return describe->op->inputs[port].schema;
}

const struct text_list *describe_key(const struct describe *describe, uint32_t port)
{
    CHECK(port < describe->op->input_count);
    return describe->op->inputs[port].key ? describe->op->inputs[port].key : &no_columns;
}

/* The operator's lists may live in its own frame: the plan keeps copies. */
static const struct text_list *copy_texts(struct arena *arena, const struct text_list *list)
{
    struct text_list *copy = arena_new(arena, sizeof(*copy));

    copy->count = list->count;
    copy->items = arena_new(arena, (list->count + 1) * sizeof(*copy->items));
    for (uint32_t i = 0; i < list->count; i++)
        copy->items[i] = arena_text(arena, list->items[i]);
    return copy;
}

void describe_set_key(struct describe *describe, uint32_t port, const struct text_list *columns)
{
    CHECK(port < describe->op->input_count);
    describe->op->inputs[port].key = copy_texts(describe->planner->arena, columns);
    describe->op->inputs[port].keyed = true;
}

const struct schema *describe_table(const struct describe *describe, uint32_t table)
{
    const struct job_ref *ref;

    CHECK(table < describe->job_op->table_count);
    ref = &describe->job_op->tables[table];
    if (ref->op == FIELD_NONE)
        return NULL;
    if (ref->ahead)
        return ref->schema ? ref->schema : describe->planner->stand_ins[table];
    return describe->planner->plan->ops[ref->op].outputs[ref->port].schema;
}

bool describe_table_known(const struct describe *describe, uint32_t table)
{
    const struct job_ref *ref;

    CHECK(table < describe->job_op->table_count);
    ref = &describe->job_op->tables[table];
    return ref->op != FIELD_NONE && (!ref->ahead || ref->schema);
}

void describe_output(struct describe *describe, uint32_t port, const struct schema *schema)
{
    CHECK(port < describe->op->output_count);
    describe->facts->outputs[port] = schema;
}

static bool reads(const struct job_op *op, uint32_t from, uint32_t port)
{
    for (uint32_t k = 0; k < op->table_count; k++)
        if (op->tables[k].op == from && op->tables[k].port == port)
            return true;
    for (uint32_t i = 0; i < op->input_count; i++)
        for (uint32_t k = 0; k < op->inputs[i].count; k++)
            if (op->inputs[i].refs[k].op == from && op->inputs[i].refs[k].port == port)
                return true;
    return false;
}

bool describe_output_used(const struct describe *describe, uint32_t port)
{
    const struct job *job = &describe->planner->job;

    for (uint32_t i = 0; i < job->op_count; i++)
        if (reads(&job->ops[i], describe->op->index, port))
            return true;
    return false;
}

void describe_output_key(struct describe *describe, uint32_t port, const struct text_list *columns)
{
    CHECK(port < describe->op->output_count);
    describe->facts->output_keys[port] = copy_texts(describe->planner->arena, columns);
}

void describe_reads(struct describe *describe, uint32_t port, uint32_t column)
{
    CHECK(port < describe->op->input_count && column < COLUMNS_MAX);
    describe->facts->told_reads[port] = true;
    describe->facts->reads[port][column] = true;
}

void describe_passes(struct describe *describe, uint32_t port, uint32_t output)
{
    CHECK(port < describe->op->input_count && output < describe->op->output_count);
    describe->facts->told_reads[port] = true;
    describe->facts->passes[port] |= 1u << output;
}

void describe_state(struct describe *describe, uint32_t state, size_t size,
                    const struct state_field *fields)
{
    CHECK(state < describe->op->state_count);
    describe->op->states[state].size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
    describe->op->states[state].fields = fields;
}

void describe_expiry(struct describe *describe, uint32_t state, int64_t ttl_ms)
{
    CHECK(state < describe->op->state_count);
    CHECK(ttl_ms >= 0);
    describe->op->states[state].ttl_ms = ttl_ms;
}

void describe_pane(struct describe *describe, uint32_t state, int64_t pane_ms)
{
    CHECK(state < describe->op->state_count);
    CHECK(pane_ms > 0);
    describe->op->states[state].pane_ms = pane_ms;
}

void describe_versions(struct describe *describe, int64_t period_ms, bool replace)
{
    CHECK(period_ms >= 0);
    describe->op->version_period_ms = period_ms;
    describe->op->version_replace = replace;
}

void describe_keep(struct describe *describe, uint32_t port, int64_t keep_ms)
{
    CHECK(port < describe->op->output_count && keep_ms > 0);
    describe->op->outputs[port].keep_ms = keep_ms;
}

void describe_order(struct describe *describe, enum order order)
{
    describe->op->ordered = order == ORDER_EVENT_TIME;
}

void describe_ordered(struct describe *describe)
{
    describe->facts->source_ordered = true;
}

void describe_aside(struct describe *describe, uint32_t port)
{
    CHECK(port < describe->op->output_count);
    describe->facts->aside[port] = true;
}

void describe_retimed(struct describe *describe, uint32_t port)
{
    CHECK(port < describe->op->output_count);
    describe->facts->retimed[port] = true;
}

bool describe_error(struct describe *describe, struct error *err, const char *option,
                    const char *how, const char *what, ...)
{
    struct mistakes *mistakes = &describe->planner->mistakes;
    struct error told = {0};
    char text[sizeof(told.what)];
    va_list arguments;

    va_start(arguments, what);
    vsnprintf(text, sizeof(text), what, arguments);
    va_end(arguments);
    error_set(&told, ERROR_CONFIG, "", how, "%s", text);
    mistake_tell(mistakes, describe->job_op->node, option ? option : "", &told);
    mistake_keep(mistakes, describe->job_op->node, option ? option : "", &told);
    describe->told++;
    describe->last = told;
    if (err)
        *err = told;
    return false;
}
