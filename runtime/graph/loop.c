/* Loops: an operator looks up, with a delay, a table that is made from what it sends.
 *
 * Typing goes round: at the first look the reader is described with a stand-in of the columns that
 * it declares (optional tables: as if not given), at the next ones with what the look before made of
 * the publisher, until that stays the same. A declared column may have any type that a key can have;
 * the first one that the reader accepts stands in.
 *
 * A reader settles at a barrier when its looped tables come from its own sources alone: then each of
 * them, and all that they wait for, has everything up to the reader's watermark from before the
 * barrier, so the reader can wait for the last row. Were another source involved, that one's rows
 * could be behind its barrier, and the reader would wait for ever; so it would where another subtask
 * of the same reader has an earlier watermark at its barrier, which is why watermarks of sources go to
 * all of them; and where rows that it waits for are held over the barrier by a reader that does not
 * settle. */
#include "runtime/graph/describe.h"
#include "runtime/graph/typing.h"

#include <stdio.h>

/* ---- the first look ---- */

static bool any_type(const struct column_def *column)
{
    return column->type == TYPE_NONE || column->type == TYPE_KEY;
}

static const struct schema *list_of(struct arena *arena)
{
    struct schema *child = schema_create(arena);

    CHECK(schema_add_column(child, arena, "value", TYPE_I64));
    return child;
}

static const struct schema *stand_in(struct arena *arena, const struct table_use *use,
                                     enum type key_type)
{
    struct schema *schema = schema_create(arena);

    for (const struct column_def *column = use->columns; column && column->name; column++) {
        struct field field = {.type = any_type(column) ? key_type : column->type};

        (void)snprintf(field.name, sizeof(field.name), "%s", column->name);
        if (field.type == TYPE_LIST)
            field.child = list_of(arena);
        if (field.type == TYPE_VECTOR)
            field.width = 1;
        CHECK(schema_add(schema, arena, &field));
    }
    return schema;
}

static bool describe_as(struct planner *planner, uint32_t op, enum type key_type)
{
    const struct job_op *job_op = &planner->job.ops[op];

    for (uint32_t k = 0; k < job_op->table_count; k++) {
        const struct table_use *use = &job_op->def->tables[k];

        planner->stand_ins[k] = use->optional ? NULL : stand_in(planner->arena, use, key_type);
    }
    return describe_run(planner, op);
}

static bool looks_ahead(const struct job_op *op)
{
    for (uint32_t k = 0; k < op->table_count; k++)
        if (op->tables[k].ahead && !op->tables[k].schema)
            return true;
    return false;
}

bool loops_describe(struct planner *planner, uint32_t op)
{
    static const enum type types[] = {TYPE_I64, TYPE_I32, TYPE_UTF8, TYPE_TIMESTAMP, TYPE_BOOL};
    uint32_t before = mistakes_total(&planner->mistakes);

    if (!looks_ahead(&planner->job.ops[op]))
        return describe_run(planner, op);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (describe_as(planner, op, types[i]))
            return true;
        mistakes_cut(&planner->mistakes, before);
    }
    return describe_as(planner, op, types[0]); /* tells what is wrong */
}

/* ---- looks ---- */

/* Keeps what this look made of a table's publisher. True: it is as before. */
static bool keep_table(const struct planner *planner, struct job_ref *ref)
{
    const struct plan_output *made = &planner->plan->ops[ref->op].outputs[ref->port];
    bool same = ref->schema && schema_equal(ref->schema, made->schema) &&
                typing_same_texts(ref->key, made->key);

    ref->schema = made->schema;
    ref->key = made->key;
    return same;
}

static const struct job_ref *keep_tables(struct planner *planner)
{
    const struct job_ref *changed = NULL;

    for (uint32_t i = 0; i < planner->job.op_count; i++)
        for (uint32_t k = 0; k < planner->job.ops[i].table_count; k++) {
            struct job_ref *ref = &planner->job.ops[i].tables[k];

            if (ref->ahead && !planner->job.ops[i].bad && !planner->job.ops[ref->op].bad &&
                !keep_table(planner, ref))
                changed = ref;
        }
    return changed;
}

void typing_make(struct planner *planner)
{
    const struct job_ref *changed = NULL;

    for (uint32_t look = 0; look < TYPING_LOOKS_MAX; look++) {
        for (uint32_t i = 0; i < planner->plan->op_count; i++)
            typing_op(planner, planner->order[i]);
        if (mistakes_total(&planner->mistakes) > 0 || !(changed = keep_tables(planner)))
            return;
    }
    mistake_value(&planner->mistakes, changed->node,
                  "read a table whose columns do not follow from those of its reader",
                  "the columns of this table are others each time that its reader's are known");
}

/* ---- which tables are looped, and who settles ---- */

struct reach { /* squares of op_count */
    uint32_t count;
    bool *sends;   /* [op, other]: what the other sends comes here, by inputs or tables */
    bool *sources; /* [op, source]: by inputs */
    bool *all;     /* [op, source]: by inputs and tables, also those of its inputs */
};

static bool *at(const struct reach *reach, bool *square, uint32_t row, uint32_t column)
{
    return &square[(size_t)row * reach->count + column];
}

/* What reaches one operator reaches its reader. True: something was new. */
static bool pass_on(const struct reach *reach, bool *square, uint32_t from, uint32_t to)
{
    bool news = false;

    for (uint32_t s = 0; s < reach->count; s++) {
        news = news || (*at(reach, square, from, s) && !*at(reach, square, to, s));
        *at(reach, square, to, s) |= *at(reach, square, from, s);
    }
    return news;
}

/* One more step by edges, and `tables`. True: something was new. */
static bool spread(const struct plan *plan, const struct reach *reach, bool *square, bool tables)
{
    bool news = false;

    for (uint32_t e = 0; e < plan->edge_count; e++)
        news = pass_on(reach, square, plan->edges[e].from, plan->edges[e].to) || news;
    for (uint32_t i = 0; tables && i < plan->op_count; i++)
        for (uint32_t k = 0; plan->ops[i].def->tables && plan->ops[i].def->tables[k].name; k++)
            if (plan->ops[i].tables[k] != FIELD_NONE)
                news = pass_on(reach, square, plan->tables[plan->ops[i].tables[k]].from, i) || news;
    return news;
}

static void find_reach(const struct plan *plan, struct reach *reach)
{
    for (uint32_t i = 0; i < plan->op_count; i++) {
        bool source = plan->ops[i].input_count == 0;

        *at(reach, reach->sends, i, i) = true;
        *at(reach, reach->sources, i, i) = *at(reach, reach->all, i, i) = source;
    }
    while (spread(plan, reach, reach->sends, true))
        continue;
    while (spread(plan, reach, reach->sources, false))
        continue;
    while (spread(plan, reach, reach->all, true))
        continue;
}

/* Whether all sources that the table's publisher depends on feed the reader's inputs. */
static bool own_sources(const struct reach *reach, uint32_t reader, uint32_t publisher)
{
    for (uint32_t s = 0; s < reach->count; s++)
        if (*at(reach, reach->all, publisher, s) && !*at(reach, reach->sources, reader, s))
            return false;
    return true;
}

static void find_looped(const struct plan *plan, const struct reach *reach, struct plan_op *op)
{
    op->settles = false;
    for (uint32_t k = 0; op->def->tables && op->def->tables[k].name; k++) {
        uint32_t from = op->tables[k] == FIELD_NONE ? op->index : plan->tables[op->tables[k]].from;

        op->looped[k] = op->delays_ms[k] > 0 && *at(reach, reach->sends, from, op->index);
        op->settles = op->settles || op->looped[k];
    }
    for (uint32_t k = 0; op->settles && op->def->tables[k].name; k++)
        op->settles =
            !op->looped[k] || own_sources(reach, op->index, plan->tables[op->tables[k]].from);
}

static bool any_looped(const struct plan_op *op)
{
    for (uint32_t k = 0; op->def->tables && op->def->tables[k].name; k++)
        if (op->looped[k])
            return true;
    return false;
}

/* Whether a looped table depends on a reader that holds rows over a barrier. */
static bool behind_another(const struct plan *plan, const struct reach *reach,
                           const struct plan_op *op)
{
    for (uint32_t k = 0; op->def->tables && op->def->tables[k].name; k++)
        for (uint32_t i = 0; op->looped[k] && i < plan->op_count; i++)
            if (any_looped(&plan->ops[i]) && !plan->ops[i].settles &&
                *at(reach, reach->sends, plan->tables[op->tables[k]].from, i))
                return true;
    return false;
}

static void find_settled(const struct plan *plan, const struct reach *reach)
{
    bool changed = true;

    while (changed) {
        changed = false;
        for (uint32_t i = 0; i < plan->op_count; i++)
            if (plan->ops[i].settles && behind_another(plan, reach, &plan->ops[i])) {
                plan->ops[i].settles = false;
                changed = true;
            }
    }
}

/* ---- watermarks ---- */

/* Whether rows may be held over a barrier, in each subtask from another time on. */
static bool holds_over(const struct plan *plan, const struct reach *reach, const struct plan_op *op)
{
    for (uint32_t k = 0; op->def->tables && op->def->tables[k].name; k++) {
        if (op->tables[k] == FIELD_NONE || op->lookup_latest)
            continue;
        if (op->looped[k] ? !op->settles
                          : !own_sources(reach, op->index, plan->tables[op->tables[k]].from))
            return true;
    }
    return false;
}

/* Whether all subtasks have one watermark at a barrier: rows of one source split go to one of its
 * subtasks, and the watermarks of these meet where one subtask sends to all. */
static bool is_level(const struct plan *plan, const struct reach *reach, const struct plan_op *op,
                     const bool *level)
{
    bool all = op->input_count > 0 && !holds_over(plan, reach, op);

    for (uint32_t e = 0; e < plan->edge_count; e++)
        if (plan->edges[e].to == op->index && plan->edges[e].partition == PARTITION_FORWARD)
            all = all && level[plan->edges[e].from];
    return all || op->parallelism == 1;
}

/* Whether it waits for versions. Then it may stand still with rows at or below its watermark (a full gate,
 * a barrier), and what it waits for must not depend on sources that its watermark knows nothing of: the
 * rows that these still owe could be behind what stands still. */
static bool waits(const struct plan_op *op)
{
    return plan_op_reads_tables(op) && !op->lookup_latest;
}

/* A subtask that waits does so for what all others have sent, so none may be ahead at a barrier. */
static void bring_abreast(struct planner *planner, const struct reach *reach)
{
    struct plan *plan = planner->plan;
    bool level[OPERATORS_MAX] = {false};

    for (uint32_t i = 0; i < plan->op_count; i++) {
        const struct plan_op *op = &plan->ops[planner->order[i]];

        level[op->index] = is_level(plan, reach, op, level);
        if (!waits(op) || level[op->index])
            continue;
        for (uint32_t e = 0; e < plan->edge_count; e++)
            if (plan->edges[e].to == op->index && plan->edges[e].partition == PARTITION_FORWARD &&
                !level[plan->edges[e].from])
                plan->edges[e].partition = PARTITION_ABREAST;
        level[op->index] = true;
    }
}

void loops_make(struct planner *planner)
{
    struct plan *plan = planner->plan;
    size_t square = (size_t)plan->op_count * plan->op_count + 1;
    struct reach reach = {.count = plan->op_count};

    if (plan->table_count == 0)
        return;
    reach.sends = memory_array(square, sizeof(bool));
    reach.sources = memory_array(square, sizeof(bool));
    reach.all = memory_array(square, sizeof(bool));
    find_reach(plan, &reach);
    for (uint32_t i = 0; i < plan->op_count; i++)
        find_looped(plan, &reach, &plan->ops[i]);
    find_settled(plan, &reach);
    bring_abreast(planner, &reach);
    memory_free(reach.sends);
    memory_free(reach.sources);
    memory_free(reach.all);
}
