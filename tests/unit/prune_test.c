/* Which columns an edge carries: what the reader needs, and what readers behind it need. */
#include "runtime/graph/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/plan_ops.h"

#define JOB                                                                                        \
    "job: {name: t}\noperators:\n"                                                                 \
    "  - {id: s, kind: test/source, path: x, schema: {user: i64, item: i64, rating: f64, "         \
    "note: utf8}}\n"

/* Reads `rating` and passes the rest on. */
static bool reads_describe(struct describe *describe, struct error *err)
{
    const struct schema *in = describe_input(describe, 0);

    (void)err;
    describe_output(describe, 0, in);
    describe_passes(describe, 0, 0);
    if (schema_find(in, "rating") != FIELD_NONE)
        describe_reads(describe, 0, schema_find(in, "rating"));
    return true;
}

static const struct port reads_in[] = {{"in"}, {0}};
static const struct port reads_out[] = {{"out", .keyed = true}, {0}};
static const struct operator_def reads = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "test/reads",
    .help = "Reads ratings.",
    .inputs = reads_in,
    .outputs = reads_out,
    .deterministic = true,
    .describe = reads_describe,
    .process = ops_process,
};
OPERATOR_REGISTER(reads);

/* Reads nothing but its key. */
static bool keys_describe(struct describe *describe, struct error *err)
{
    static const struct field fields[] = {{.name = "n", .type = TYPE_I64}};
    static const struct schema schema = {1, (struct field *)fields};

    (void)err;
    describe_reads(describe, 0, schema_find(describe_input(describe, 0), "item"));
    describe_output(describe, 0, &schema);
    return true;
}

static const struct port keys_in[] = {{"in", .keyed = true}, {0}};
static const struct operator_def keys = {
    .abi = OPERATOR_ABI,
    .size = sizeof(struct operator_def),
    .name = "test/keys",
    .help = "Reads keys.",
    .inputs = keys_in,
    .outputs = reads_out,
    .deterministic = true,
    .describe = keys_describe,
    .process = ops_process,
};
OPERATOR_REGISTER(keys);

/* The columns of the edge into `id`, with the places in the output that they are taken from. */
static void check_edge(const struct plan *plan, const char *id, const char *want)
{
    uint32_t op = plan_find_op(plan, id);
    struct bytes text = {0};

    for (uint32_t i = 0; i < plan->edge_count; i++) {
        const struct plan_edge *edge = &plan->edges[i];

        if (edge->to != op)
            continue;
        assert_ptr_equal(edge->schema, plan->ops[op].inputs[edge->to_port].schema);
        for (uint32_t c = 0; c < edge->schema->count; c++) {
            bytes_format(&text, "%s%s", text.size ? " " : "", edge->schema->fields[c].name);
            if (edge->columns)
                bytes_format(&text, ":%u", edge->columns[c]);
        }
    }
    bytes_put(&text, "", 1);
    assert_string_equal((const char *)text.data, want);
    bytes_clear(&text);
}

static struct plan *plan_of(const char *operators)
{
    char *text = memory_format("%s%s", JOB, operators);
    struct plan_request request = {
        .path = "job.yaml", .text = text, .parallelism = 2, .split_mode = PLAN_SPLITS_MAKE};
    struct error_list errors = {0};
    struct plan *plan = plan_create(&request, &errors);

    assert_non_null(plan);
    error_list_clear(&errors);
    memory_free(text);
    return plan;
}

static void test_what_is_read_stays(void **state)
{
    struct plan *plan = plan_of("  - {id: r, kind: test/reads, from: s}\n"
                                "  - {id: k, kind: test/keys, from: r, key: item}\n"
                                "  - {id: out, kind: test/sink, from: k, path: x}\n");

    (void)state;
    check_edge(plan, "r", "item:1 rating:2");
    check_edge(plan, "k", "item:0");
    check_edge(plan, "out", "n");
    plan_close(plan);
}

static void test_a_silent_reader_needs_all(void **state)
{
    struct plan *plan = plan_of("  - {id: r, kind: test/reads, from: s}\n"
                                "  - {id: k, kind: test/keys, from: r, key: item}\n"
                                "  - {id: out, kind: test/sink, from: r, path: x}\n");

    (void)state;
    check_edge(plan, "r", "user item rating note");
    check_edge(plan, "k", "item:1");
    check_edge(plan, "out", "user item rating note");
    plan_close(plan);
}

static void test_unions_are_cut_alike(void **state)
{
    struct plan *plan = plan_of("  - {id: r, kind: test/reads, from: s}\n"
                                "  - {id: k, kind: test/keys, from: [s, r], key: item}\n"
                                "  - {id: out, kind: test/sink, from: k, path: x}\n");

    (void)state;
    check_edge(plan, "k", "item:1 item:0");
    plan_close(plan);
}

static void test_tables_keep_all(void **state)
{
    struct plan *plan = plan_of("  - {id: r, kind: test/reads, from: s}\n"
                                "  - {id: c, kind: test/count, from: r, key: item, window: "
                                "{tumbling: 1h}}\n"
                                "  - {id: m, kind: test/score, from: s, key: user, tables: "
                                "{popular: c}}\n"
                                "  - {id: out, kind: test/sink, from: m, path: x}\n");

    (void)state;
    check_edge(plan, "c", "user item rating note");
    check_edge(plan, "m", "user item rating note");
    plan_close(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_read_stays),
        cmocka_unit_test(test_a_silent_reader_needs_all),
        cmocka_unit_test(test_unions_are_cut_alike),
        cmocka_unit_test(test_tables_keep_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
