/* Plans of jobs with loops: which tables are looped, who settles, what is shown of it, and where
 * watermarks go to all subtasks. */
#include "runtime/graph/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/plan_make.h"

#define JOB "job: {name: t}\noperators:\n"
#define SCHEMA "schema: {user: i64, item: i64, rating: f64}"
#define SOURCE "  - {id: s, kind: test/source, path: x, " SCHEMA "}\n"
#define COUNT(id, from)                                                                            \
    "  - {id: " id ", kind: test/count, from: " from ", key: item, window: {tumbling: 1h}}\n"
#define SCORE(id, from, tables)                                                                    \
    "  - {id: " id ", kind: test/score, from: " from ", key: user, tables: {" tables "}}\n"

static const struct loop_case {
    const char *name, *text;
    bool looped, settles, deterministic; /* x's first table */
    const char *readers;                 /* of the first table, in the plan's text */
} loop_cases[] = {
    {"a table of its own",
     JOB SOURCE SCORE("x", "s", "popular: {from: c, delay: 90m}") COUNT("c", "x"), true, true, true,
     ", read by x (as popular, a delay of 90m, in a loop)\n"},
    {"far away, and read twice",
     JOB SOURCE SCORE("x", "s", "popular: {from: c, delay: 1h}") SCORE(
         "y", "x", "popular: {from: c, delay: 2h}, extra: l") "  - {id: l, kind: test/last, from: "
                                                              "x}\n" COUNT("c", "y")
                                                                  SCORE("z", "y", "popular: c"),
     true, true, true,
     ", read by x (as popular, a delay of 1h, in a loop), y (as popular, a delay of 2h, in a "
     "loop), "
     "z (as popular)\n"},
    {"no loop", JOB SOURCE COUNT("c", "s") SCORE("x", "s", "popular: {from: c, delay: 1h}"), false,
     false, true, ", read by x (as popular, a delay of 1h)\n"},
    {"through tables alone",
     JOB SOURCE SCORE("x", "s", "popular: {from: c, delay: 1h}") COUNT("b", "x")
         SCORE("y", "s", "popular: b") COUNT("c", "y"),
     true, true, true, ", read by x (as popular, a delay of 1h, in a loop)\n"},
    {"another source beside",
     JOB SOURCE "  - {id: r, kind: test/source, path: y, " SCHEMA
                "}\n" SCORE("x", "s", "popular: {from: c, delay: 1h}") COUNT("c", "[x, r]"),
     true, false, false, ", read by x (as popular, a delay of 1h, in a loop)\n"},
    {"another source behind a table",
     JOB SOURCE "  - {id: r, kind: test/source, path: y, " SCHEMA "}\n" COUNT("d", "r") SCORE(
         "x", "s", "popular: {from: c, delay: 1h}") SCORE("y", "x", "popular: d") COUNT("c", "y"),
     true, false, false, ", read by x (as popular, a delay of 1h, in a loop)\n"},
    {"behind a reader that cannot settle",
     JOB SOURCE "  - {id: r, kind: test/source, path: y, " SCHEMA
                "}\n" SCORE("y", "s", "popular: {from: d, delay: 1h}") COUNT("d", "[y, r]")
                    SCORE("x", "[s, r]", "popular: {from: c, delay: 1h}, extra: d") COUNT("c", "x"),
     true, false, false, ", read by x (as popular, a delay of 1h, in a loop)\n"},
};

static void loops(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(loop_cases) / sizeof(loop_cases[0]); i++) {
        const struct loop_case *with = &loop_cases[i];
        struct plan *plan = plan_of(with->text, 2);
        const struct plan_op *x = op_of(plan, "x");
        struct bytes text = {0};

        print_message("%s\n", with->name);
        assert_int_equal(x->looped[0], with->looped);
        assert_int_equal(x->settles, with->settles);
        assert_true(x->inputs[0].gated);
        assert_int_equal(plan->tables[x->tables[0]].schema->count, 2);
        assert_true(plan->tables[x->tables[0]].delay_ms >= x->delays_ms[0]);
        assert_int_equal(!plan->prevents_determinism, with->deterministic);
        plan_describe(plan, &text);
        bytes_put(&text, "", 1);
        assert_non_null(strstr((const char *)text.data, with->readers));
        bytes_clear(&text);
        plan_close(plan);
    }
}

/* Where the subtasks of a source send to those of a reader one to one. */
static void loops_abreast(void **state)
{
    struct plan *plan =
        plan_of(JOB "  - {id: s, kind: test/source, path: x, splits: 2, " SCHEMA "}\n"
                    "  - {id: m, kind: test/map, from: s}\n"
                    "  - {id: l, kind: test/look, from: m, tables: {rows: {from: c, "
                    "delay: 1h}}}\n"
                    "  - {id: k, kind: test/look, from: l, tables: {rows: {from: c, "
                    "delay: 1h}}}\n"
                    "  - {id: o, kind: test/look, from: m, tables: {rows: c}}\n" COUNT("c", "k"),
                3);

    (void)state;
    assert_int_equal(edge_of(plan, "m", 0)->partition, PARTITION_FORWARD);
    assert_int_equal(edge_of(plan, "l", 0)->partition, PARTITION_ABREAST);
    assert_int_equal(edge_of(plan, "k", 0)->partition, PARTITION_FORWARD);
    assert_int_equal(edge_of(plan, "o", 0)->partition, PARTITION_ABREAST);
    assert_int_equal(edge_of(plan, "c", 0)->partition, PARTITION_KEY);
    plan_close(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loops),
        cmocka_unit_test(loops_abreast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
