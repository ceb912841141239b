/* Plans of good job files: schemas, keys, partitions, gates, chains, tables, splits, and that the
 * same text gives the same plan. */
#include "runtime/graph/plan.h"

#include "runtime/base/random.h"

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
#define ORDERED "  - {id: s, kind: test/source, path: x, ordered: true, " SCHEMA "}\n"
#define ORDERED_2 "  - {id: s, kind: test/source, path: x, ordered: true, splits: 2, " SCHEMA "}\n"

/* `chain; chain`, each its operators with spaces between; the caller frees. */
static char *chains_of(const struct plan *plan)
{
    struct bytes text = {0};

    for (uint32_t i = 0; i < plan->chain_count; i++) {
        const struct plan_chain *chain = &plan->chains[i];
        assert_int_equal(chain->index, i);
        for (uint32_t k = 0; k < chain->op_count; k++) {
            assert_int_equal(plan->ops[chain->ops[k]].chain, i);
            assert_int_equal(plan->ops[chain->ops[k]].parallelism, chain->parallelism);
            bytes_format(&text, "%s%s", k ? " " : i ? "; " : "", plan->ops[chain->ops[k]].id);
        }
    }
    bytes_put(&text, "", 1);
    return (char *)text.data;
}

/* ---- schemas, keys, states ---- */

static void everything_is_there(void **state)
{
    struct plan *plan = plan_of(
        "job: {name: video, parallelism: 2, key-groups: 64}\n"
        "checkpoint: {interval: 1s}\n"
        "operators:\n" SOURCE
        "  - {id: c, kind: test/count, from: s, key: item, window: {sliding: 1h, every: 5m}}\n"
        "  - {id: l, kind: test/last, from: s, key: [user, item], parallelism: 3}\n"
        "  - {id: bad, kind: test/sink, from: s.rejected, path: dead/}\n",
        0);
    const struct plan_op *op = op_of(plan, "c");

    (void)state;
    assert_string_equal(plan->settings.job.name, "video");
    assert_int_equal(plan->settings.checkpoint.interval_ms, 1000);
    assert_int_equal(plan->settings.checkpoint.retain, 3);
    assert_string_equal(plan->settings.checkpoint.dir, "./checkpoints");
    assert_null(plan->settings.state.spill_dir);
    assert_int_equal(plan->settings.restart.strategy, RESTART_EXPONENTIAL_DELAY);
    assert_int_equal(plan->seed, hash_bytes("video", 5));
    assert_int_equal(plan->parallelism, 3);
    assert_int_equal(plan->op_count, 4);
    assert_int_equal(op->index, 1);
    assert_int_equal(op->line, 5);
    assert_int_equal(op->column, 10);
    assert_int_equal(op->parallelism, 2);
    assert_int_equal(((const struct ops_count *)op->config)->window.size_ms, HOUR_MS);
    assert_int_equal(((const struct ops_count *)op->config)->window.every_ms, 5 * MINUTE_MS);
    assert_true(op->inputs[0].keyed);
    assert_string_equal(op->inputs[0].key->items[0], "item");
    assert_int_equal(op->outputs[0].schema->count, 2);
    assert_string_equal(op->outputs[0].schema->fields[0].name, "key");
    assert_int_equal(op->outputs[0].schema->fields[0].type, TYPE_I64);
    assert_string_equal(op->outputs[0].key->items[0], "key");
    assert_int_equal(op->version_period_ms, 5 * MINUTE_MS);
    assert_true(op->version_replace);
    assert_string_equal(op->states[0].name, "c.panes");
    assert_int_equal(op->states[0].kind, STORE_PANE);
    assert_int_equal(op->states[0].size, 8);
    assert_int_equal(op->states[0].pane_ms, 5 * MINUTE_MS);
    assert_ptr_equal(op->states[0].config, op->config);
    op = op_of(plan, "l");
    assert_true(op->ordered);
    assert_int_equal(op->outputs[0].key->count, 2);
    assert_int_equal(op->states[0].ttl_ms, HOUR_MS);
    assert_int_equal(edge_of(plan, "l", 0)->key_count, 2);
    assert_int_equal(edge_of(plan, "l", 0)->key[1], 1);
    assert_int_equal(edge_of(plan, "bad", 0)->from_port, 2);
    assert_int_equal(op_of(plan, "s")->outputs[1].edge_count, 0);
    assert_int_equal(plan_find_op(plan, "absent"), FIELD_NONE);
    plan_close(plan);
    plan_close(NULL);
}

/* ---- partitions, gates, chains: one row a case ---- */

#define COUNT(id, from)                                                                            \
    "  - {id: " id ", kind: test/count, from: " from ", key: item, window: {tumbling: 1h}}\n"
#define SCORE(id, from, tables)                                                                    \
    "  - {id: " id ", kind: test/score, from: " from ", key: user, tables: {" tables "}}\n"
#define LOOPED(id, from, more) SCORE(id, from, "popular: {from: c, delay: 1h}" more)

static const struct shape {
    const char *name, *text;
    uint32_t parallelism;
    const char *op; /* the one that is looked at: the only edge into its first input */
    enum partition partition;
    bool chained, gated;
    const char *chains;
} shapes[] = {
    {"plain, same parallelism", JOB SOURCE "  - {id: m, kind: test/map, from: s}\n", 4, "m",
     PARTITION_FORWARD, true, false, "s m"},
    {"plain, other parallelism",
     JOB SOURCE "  - {id: m, kind: test/map, from: s, parallelism: 2}\n", 4, "m",
     PARTITION_REBALANCE, false, false, "s; m"},
    {"keyed",
     JOB SOURCE "  - {id: c, kind: test/count, from: s, key: user, window: {tumbling: "
                "1h}}\n",
     4, "c", PARTITION_KEY, false, false, "s; c"},
    {"keyed, both at one",
     JOB SOURCE "  - {id: c, kind: test/count, from: s, key: user, window: {tumbling: 1h}}\n", 1,
     "c", PARTITION_FORWARD, true, false, "s c"},
    {"keyed, other parallelism",
     JOB SOURCE "  - {id: c, kind: test/count, from: s, key: user, window: {tumbling: 1h}, "
                "parallelism: 1}\n",
     4, "c", PARTITION_KEY, false, false, "s; c"},
    {"keyed alike: rows stay",
     JOB SOURCE "  - {id: a, kind: test/map, from: s, dedup: {by: user}}\n"
                "  - {id: c, kind: test/count, from: a, window: {tumbling: 1h}}\n",
     4, "c", PARTITION_FORWARD, true, false, "s; a c"},
    {"keyed alike through a plain one",
     JOB SOURCE "  - {id: a, kind: test/map, from: s, dedup: {by: user}}\n"
                "  - {id: b, kind: test/map, from: a}\n"
                "  - {id: c, kind: test/count, from: b, key: user, window: {tumbling: 1h}}\n",
     4, "c", PARTITION_FORWARD, true, false, "s; a b c"},
    {"keyed alike, but rebalanced on the way",
     JOB SOURCE "  - {id: a, kind: test/map, from: s, dedup: {by: user}, parallelism: 2}\n"
                "  - {id: b, kind: test/map, from: a}\n"
                "  - {id: c, kind: test/count, from: b, key: user, window: {tumbling: 1h}}\n",
     4, "c", PARTITION_KEY, false, false, "s; a; b; c"},
    {"keyed alike at another parallelism",
     JOB SOURCE "  - {id: a, kind: test/map, from: s, dedup: {by: user}, parallelism: 2}\n"
                "  - {id: c, kind: test/count, from: a, key: user, window: {tumbling: 1h}}\n",
     4, "c", PARTITION_KEY, false, false, "s; a; c"},
    {"keyed otherwise",
     JOB SOURCE "  - {id: a, kind: test/map, from: s, dedup: {by: [user, item]}}\n"
                "  - {id: c, kind: test/count, from: a, key: user, window: {tumbling: 1h}}\n",
     4, "c", PARTITION_KEY, false, false, "s; a; c"},
    {"the key renamed",
     JOB SOURCE "  - {id: a, kind: test/count, from: s, key: user, window: {tumbling: 1h}}\n"
                "  - {id: c, kind: test/count, from: a, window: {tumbling: 1h}}\n",
     4, "c", PARTITION_FORWARD, true, false, "s; a c"},
    {"a part of the key is another key",
     JOB SOURCE "  - {id: a, kind: test/pairs, from: s, key: [user, item]}\n"
                "  - {id: c, kind: test/count, from: a, window: {tumbling: 1h}}\n",
     4, "c", PARTITION_KEY, false, false, "s; a; c"},
    {"global", JOB SOURCE "  - {id: t, kind: test/total, from: s}\n", 4, "t", PARTITION_KEY, false,
     false, "s; t"},
    {"global at one", JOB SOURCE "  - {id: t, kind: test/total, from: s}\n", 1, "t",
     PARTITION_FORWARD, true, false, "s t"},

    {"order from one split at one",
     JOB ORDERED "  - {id: l, kind: test/last, from: s, key: user}\n", 1, "l", PARTITION_FORWARD,
     true, false, "s l"},
    {"order from one split to many",
     JOB ORDERED "  - {id: l, kind: test/last, from: s, key: user}\n", 4, "l", PARTITION_KEY, false,
     false, "s; l"},
    {"order from two splits", JOB ORDERED_2 "  - {id: l, kind: test/last, from: s, key: user}\n", 1,
     "l", PARTITION_FORWARD, false, true, "s; l"},
    {"a source without order", JOB SOURCE "  - {id: l, kind: test/last, from: s, key: user}\n", 1,
     "l", PARTITION_FORWARD, false, true, "s; l"},
    {"order through a plain one",
     JOB ORDERED "  - {id: m, kind: test/map, from: s}\n"
                 "  - {id: l, kind: test/last, from: m, key: user}\n",
     4, "l", PARTITION_KEY, false, false, "s m; l"},
    {"order lost in the second exchange",
     JOB ORDERED "  - {id: m, kind: test/map, from: s, dedup: {by: item}}\n"
                 "  - {id: l, kind: test/last, from: m, key: user}\n",
     4, "l", PARTITION_KEY, false, true, "s; m; l"},
    {"order kept by a second one at one",
     JOB ORDERED "  - {id: m, kind: test/map, from: s, dedup: {by: item}}\n"
                 "  - {id: l, kind: test/last, from: m, key: user}\n",
     1, "l", PARTITION_FORWARD, true, false, "s m l"},
    {"order kept by rows that stay",
     JOB ORDERED "  - {id: a, kind: test/last, from: s, key: user}\n"
                 "  - {id: l, kind: test/last, from: a, key: user}\n",
     4, "l", PARTITION_FORWARD, true, false, "s; a l"},
    {"order lost in a rebalance from many",
     JOB ORDERED_2 "  - {id: m, kind: test/map, from: s}\n"
                   "  - {id: l, kind: test/last, from: m, key: user, parallelism: 1}\n",
     4, "l", PARTITION_KEY, false, true, "s m; l"},
    {"order lost in a window",
     JOB ORDERED "  - {id: c, kind: test/count, from: s, key: user, window: {tumbling: 1h}}\n"
                 "  - {id: l, kind: test/last, from: c}\n",
     1, "l", PARTITION_FORWARD, false, true, "s c; l"},
    {"order made by a gate",
     JOB SOURCE "  - {id: a, kind: test/last, from: s, key: user}\n"
                "  - {id: l, kind: test/last, from: a}\n",
     4, "l", PARTITION_FORWARD, true, false, "s; a l"},
    {"order made by a gate, sent on from many",
     JOB SOURCE "  - {id: a, kind: test/last, from: s, key: user}\n"
                "  - {id: l, kind: test/last, from: a, key: item}\n",
     4, "l", PARTITION_KEY, false, true, "s; a; l"},
    {"order made by a gate at one, sent to many",
     JOB SOURCE "  - {id: a, kind: test/last, from: s, key: user, parallelism: 1}\n"
                "  - {id: l, kind: test/last, from: a, key: item}\n",
     4, "l", PARTITION_KEY, false, false, "s; a; l"},
    {"order asked for by describe",
     JOB SOURCE "  - {id: m, kind: test/map, from: s, in-order: true}\n", 1, "m", PARTITION_FORWARD,
     false, true, "s; m"},
    {"late rows are not in order",
     JOB ORDERED "  - {id: l, kind: test/last, from: s.late, key: user}\n", 1, "l",
     PARTITION_FORWARD, false, true, "s; l"},
    {"tables gate",
     JOB ORDERED "  - {id: c, kind: test/count, from: s, key: item, window: {tumbling: 1h}}\n"
                 "  - {id: x, kind: test/score, from: s, key: user, tables: {popular: c}}\n",
     1, "x", PARTITION_FORWARD, false, true, "s c; x"},
    {"latest tables need no gate, but head a chain",
     JOB ORDERED
     "  - {id: c, kind: test/count, from: s, key: item, window: {tumbling: 1h}}\n"
     "  - {id: x, kind: test/score, from: s, key: user, tables: {popular: c}, lookup: latest}\n",
     1, "x", PARTITION_FORWARD, false, false, "s c; x"},
    {"behind tables rows are in order",
     JOB SOURCE "  - {id: c, kind: test/count, from: s, key: item, window: {tumbling: 1h}}\n"
                "  - {id: x, kind: test/score, from: s, key: user, tables: {popular: c}}\n"
                "  - {id: l, kind: test/last, from: x}\n",
     4, "l", PARTITION_FORWARD, true, false, "s; c; x l"},
    {"readers in a loop wait together",
     JOB SOURCE LOOPED("x", "s", "") "  - {id: m, kind: test/map, from: x}\n" LOOPED("y", "m", "")
         LOOPED("z", "y", ", extra: {from: l, delay: 2h}")
             COUNT("c", "z") "  - {id: l, kind: test/last, from: z}\n",
     4, "z", PARTITION_FORWARD, true, true, "s; x m y z l; c"},
    {"but not where one waits for a table without a loop",
     JOB SOURCE LOOPED("x", "s", "") LOOPED("y", "x", ", extra: l")
         COUNT("c", "y") "  - {id: l, kind: test/last, from: s, key: item}\n",
     4, "y", PARTITION_FORWARD, false, true, "s; x; y; c; l"},
    {"nor behind one that does",
     JOB SOURCE LOOPED("x", "s", ", extra: l") LOOPED("y", "x", "")
         COUNT("c", "y") "  - {id: l, kind: test/last, from: s, key: item}\n",
     4, "y", PARTITION_FORWARD, false, true, "s; x; y; c; l"},
    {"nor behind what is not in order",
     JOB SOURCE LOOPED("x", "s", "") "  - {id: m, kind: test/told, from: x}\n" LOOPED("y", "m", "")
         COUNT("c", "y"),
     4, "y", PARTITION_FORWARD, false, true, "s; x m; y; c"},
    {"a tree",
     JOB SOURCE "  - {id: a, kind: test/map, from: s}\n"
                "  - {id: b, kind: test/map, from: s}\n"
                "  - {id: a1, kind: test/sink, from: a, path: x}\n"
                "  - {id: b1, kind: test/sink, from: b, path: x}\n"
                "  - {id: s1, kind: test/sink, from: s.rejected, path: x}\n",
     2, "a", PARTITION_FORWARD, true, false, "s a a1 b b1 s1"},
    {"readers before what they read",
     JOB "  - {id: b, kind: test/map, from: a}\n"
         "  - {id: a, kind: test/map, from: s}\n" SOURCE,
     2, "b", PARTITION_FORWARD, true, false, "s a b"},
};

static void shapes_of_plans(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        const struct shape *shape = &shapes[i];
        struct plan *plan = plan_of(shape->text, shape->parallelism);
        const struct plan_edge *edge = edge_of(plan, shape->op, 0);
        char *chains = chains_of(plan);

        if (edge->partition != shape->partition || edge->chained != shape->chained ||
            op_of(plan, shape->op)->inputs[0].gated != shape->gated ||
            strcmp(chains, shape->chains) != 0)
            print_error("case: %s: partition %d, chained %d, gated %d, chains %s\n", shape->name,
                        (int)edge->partition, edge->chained,
                        op_of(plan, shape->op)->inputs[0].gated, chains);
        assert_int_equal(edge->partition, shape->partition);
        assert_int_equal(edge->chained, shape->chained);
        assert_int_equal(op_of(plan, shape->op)->inputs[0].gated, shape->gated);
        assert_string_equal(chains, shape->chains);
        memory_free(chains);
        plan_close(plan);
    }
}

static void keys_of_edges(void **state)
{
    struct plan *plan = plan_of(JOB SOURCE "  - {id: l, kind: test/last, from: s, key: item}\n"
                                           "  - {id: t, kind: test/total, from: l}\n"
                                           "  - {id: m, kind: test/map, from: l}\n",
                                1);
    const struct plan_edge *edge = edge_of(plan, "l", 0);

    (void)state;
    assert_int_equal(edge->partition, PARTITION_FORWARD); /* the engine adds the key itself */
    assert_non_null(edge->key);
    assert_int_equal(edge->key_count, 1);
    assert_int_equal(edge->key[0], 1);
    edge = edge_of(plan, "t", 0);
    assert_true(op_of(plan, "t")->inputs[0].keyed); /* by nothing: all rows are one key */
    assert_non_null(edge->key);
    assert_int_equal(edge->key_count, 0);
    edge = edge_of(plan, "m", 0);
    assert_false(op_of(plan, "m")->inputs[0].keyed);
    assert_null(edge->key);
    assert_string_equal(op_of(plan, "m")->outputs[0].key->items[0], "item");
    plan_close(plan);
}

static void unions_and_named_inputs(void **state)
{
    struct plan *plan = plan_of(
        JOB SOURCE "  - {id: r, kind: test/source, path: y, " SCHEMA "}\n"
                   "  - {id: u, kind: test/map, from: [s, r, s.late]}\n"
                   "  - {id: j, kind: test/join, inputs: {left: u, right: s}, key: {left: user, "
                   "right: [item]}}\n",
        2);

    (void)state;
    assert_int_equal(plan->edge_count, 5);
    assert_int_equal(plan->edges[0].from, 0);
    assert_int_equal(plan->edges[1].from, 1);
    assert_int_equal(plan->edges[2].from_port, 1);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(plan->edges[i].partition, PARTITION_FORWARD);
        assert_false(plan->edges[i].chained); /* several inputs meet */
    }
    assert_int_equal(edge_of(plan, "j", 0)->key[0], 0);
    assert_int_equal(edge_of(plan, "j", 1)->key[0], 1);
    assert_int_equal(op_of(plan, "s")->outputs[0].edge_count, 2);
    assert_int_equal(op_of(plan, "s")->outputs[0].edges[1], 4);
    plan_close(plan);
}

/* A chain of more operators than it may have is cut. */
static void long_chains(void **state)
{
    struct bytes text = {0};
    struct plan *plan;

    (void)state;
    bytes_text(&text, JOB);
    for (uint32_t i = 2 * CHAIN_OPS_MAX; i > 0; i--) /* backwards: heads come behind us */
        bytes_format(&text, "  - {id: m%u, kind: test/map, from: m%u}\n", i, i - 1);
    bytes_text(&text, "  - {id: m0, kind: test/source, path: x, " SCHEMA "}\n");
    bytes_put(&text, "", 1);
    plan = plan_of((const char *)text.data, 2);
    assert_int_equal(plan->chain_count, 3);
    assert_int_equal(plan->chains[0].op_count, CHAIN_OPS_MAX);
    assert_int_equal(plan->chains[1].op_count, CHAIN_OPS_MAX);
    assert_int_equal(plan->chains[2].op_count, 1);
    assert_string_equal(plan_head(plan, 1)->id, "m32");
    assert_false(edge_of(plan, "m32", 0)->chained);
    assert_int_equal(edge_of(plan, "m32", 0)->partition, PARTITION_FORWARD);
    bytes_clear(&text);
    plan_close(plan);
}

/* ---- tables, determinism, splits ---- */

#define TABLES                                                                                     \
    JOB SOURCE                                                                                     \
        "  - {id: c, kind: test/count, from: s, key: item, window: {sliding: 1h, every: "          \
        "5m}}\n"                                                                                   \
        "  - {id: l, kind: test/last, from: s, key: item}\n"                                       \
        "  - {id: x, kind: test/score, from: s, key: user, tables: {popular: c, extra: l}, "       \
        "parallelism: 2}\n"                                                                        \
        "  - {id: y, kind: test/score, from: s, key: user, tables: {popular: c}}\n"

static void tables(void **state)
{
    struct plan *plan = plan_of(TABLES, 3);
    const struct plan_table *table = &plan->tables[0];

    (void)state;
    assert_int_equal(plan->table_count, 2);
    assert_int_equal(table->from, op_of(plan, "c")->index);
    assert_int_equal(table->key_count, 1);
    assert_int_equal(table->key[0], 0);
    assert_int_equal(table->period_ms, 5 * MINUTE_MS);
    assert_true(table->replace);
    assert_int_equal(table->ranking_count, 1); /* both readers ask for the same */
    assert_int_equal(table->rankings[0].column, 1);
    assert_int_equal(table->rankings[0].limit, 100);
    assert_int_equal(plan->tables[1].period_ms, 1);
    assert_int_equal(plan->tables[1].ranking_count, 0);
    assert_int_equal(op_of(plan, "c")->outputs[0].table, 0);
    assert_int_equal(op_of(plan, "l")->outputs[0].table, 1);
    assert_int_equal(op_of(plan, "s")->outputs[0].table, FIELD_NONE);
    assert_int_equal(op_of(plan, "x")->tables[0], 0);
    assert_int_equal(op_of(plan, "x")->tables[1], 1);
    assert_int_equal(op_of(plan, "y")->tables[1], FIELD_NONE);
    assert_true(plan_table_on_worker(plan, 0, 2, 3)); /* y has three subtasks */
    assert_true(plan_table_on_worker(plan, 1, 1, 3)); /* x has two */
    assert_false(plan_table_on_worker(plan, 1, 2, 3));
    plan_close(plan);
}

static void determinism(void **state)
{
    struct plan *plan = plan_of(TABLES, 3);

    (void)state;
    assert_null(plan->prevents_determinism);
    plan_close(plan);
    plan = plan_of(JOB "  - {id: s, kind: test/source, path: x, unbounded: true, " SCHEMA "}\n"
                       "  - {id: d, kind: test/dice, from: s}\n"
                       "  - {id: c, kind: test/count, from: s, key: item, window: {tumbling: 1h}}\n"
                       "  - {id: x, kind: test/score, from: s, key: user, tables: {popular: c}, "
                       "lookup: latest}\n",
                   2);
    assert_string_equal(plan->prevents_determinism,
                        "s (test/source) is unbounded: a silent split is passed over by the "
                        "clock; d (test/dice) does not promise it; x (test/score) looks up the "
                        "latest version of its tables");
    plan_close(plan);
    plan = plan_of(JOB SOURCE "  - {id: r, kind: test/source, path: y, " SCHEMA "}\n"
                              "  - {id: c, kind: test/count, from: s, key: item, window: "
                              "{tumbling: 1h}}\n"
                              "  - {id: x, kind: test/score, from: [s, r], key: user, tables: "
                              "{popular: c}}\n",
                   2);
    assert_string_equal(plan->prevents_determinism,
                        "x (test/score) reads a table that is not fed by all of its own sources: "
                        "after a restart it may see newer rows there");
    plan_close(plan);
}

static const char two_sources[] =
    JOB "  - {id: s, kind: test/source, path: x, splits: 3, ordered: true, " SCHEMA "}\n"
        "  - {id: m, kind: test/map, from: r}\n"
        "  - {id: r, kind: test/source, path: y, unbounded: true, ordered: true, " SCHEMA "}\n"
        "  - {id: l, kind: test/last, from: r, key: user}\n";

static void splits_go_there_and_back(void **state)
{
    struct plan *plan = plan_of(two_sources, 2), *again;
    struct plan_request request = {
        .path = "job.yaml", .text = two_sources, .parallelism = 2, .split_mode = PLAN_SPLITS_GIVEN};
    struct bytes bytes = {0};

    (void)state;
    plan_splits_encode(plan, &bytes);
    request.splits = bytes.data;
    request.splits_size = bytes.size;
    again = make(&request);
    assert_int_equal(op_of(again, "s")->split_count, 3);
    assert_int_equal(op_of(again, "r")->split_count, 1);
    assert_int_equal(op_of(again, "m")->split_count, 0);
    assert_string_equal(op_of(again, "s")->splits[2].name, "x");
    assert_int_equal(op_of(again, "s")->splits[2].index, 2);
    assert_int_equal(op_of(again, "s")->splits[2].begin, 200);
    assert_int_equal(op_of(again, "s")->splits[2].end, 300);
    assert_int_equal(op_of(again, "r")->splits[0].index, SPLITS_MAX); /* no origin twice */
    assert_int_equal(op_of(again, "r")->splits[0].end, INT64_MAX);
    assert_int_equal(op_of(plan, "r")->splits[0].index, SPLITS_MAX);
    assert_string_equal(again->prevents_determinism, plan->prevents_determinism);
    plan_close(plan);
    plan_close(again);
    bytes_clear(&bytes);
}

/* Whatever came over the wire: a plan or one mistake, never more. */
static void damaged_splits(void **state)
{
    struct plan *plan = plan_of(two_sources, 2);
    struct plan_request request = {
        .path = "job.yaml", .text = two_sources, .parallelism = 2, .split_mode = PLAN_SPLITS_GIVEN};
    struct random random = {7};
    struct bytes bytes = {0};

    (void)state;
    plan_splits_encode(plan, &bytes);
    plan_close(plan);
    for (uint32_t round = 0; round < 2000; round++) {
        struct error_list errors = {0};
        uint8_t *damaged = memory_new(bytes.size);

        memcpy(damaged, bytes.data, bytes.size);
        request.splits = damaged;
        request.splits_size = round % 2 ? bytes.size : random_below(&random, bytes.size);
        damaged[random_below(&random, bytes.size)] ^= (uint8_t)(1 + random_below(&random, 255));
        plan = plan_create(&request, &errors);
        assert_int_equal(errors.count, plan ? 0 : 1);
        if (!plan)
            assert_string_equal(errors.errors[0].what, "the splits that came with the job are not "
                                                       "those of its sources");
        error_list_clear(&errors);
        plan_close(plan);
        memory_free(damaged);
    }
    bytes_clear(&bytes);
}

static void unknown_splits_are_several(void **state)
{
    struct plan_request request = {.path = "job.yaml",
                                   .text = JOB ORDERED
                                   "  - {id: l, kind: test/last, from: s, key: user}\n",
                                   .split_mode = PLAN_SPLITS_UNKNOWN};
    struct plan *plan = make(&request);

    (void)state;
    assert_int_equal(op_of(plan, "s")->split_count, 0);
    assert_true(op_of(plan, "l")->inputs[0].gated);
    plan_close(plan);
}

static void split_list_bound(void **state)
{
    struct arena *arena = arena_create(4096);
    struct split_list list = {.arena = arena};

    (void)state;
    for (uint32_t i = 0; i < SPLITS_MAX; i++)
        assert_true(split_list_add(&list, "x", i, i + 1));
    assert_false(split_list_add(&list, "x", 0, 1));
    assert_int_equal(list.count, SPLITS_MAX);
    assert_int_equal(list.splits[SPLITS_MAX - 1].index, SPLITS_MAX - 1);
    arena_close(arena);
}

/* ---- overrides, sameness, texts ---- */

static void overrides(void **state)
{
    static const char *const given[] = {"s.path=[ab]*.csv",
                                        "s.splits=5",
                                        "s.schema.more=utf8",
                                        "s.time.field=user",
                                        "s.time.unit=ms",
                                        "s.tags=[p, q]",
                                        "checkpoint.interval=250ms",
                                        "state.memory=64mb",
                                        "job.name=other",
                                        "s.splits=6",
                                        "m.column=more"};
    struct plan_request request = {
        .path = "job.yaml",
        .text = JOB "  - {id: s, kind: test/source, path: x, time: {field: item}, " SCHEMA "}\n"
                    "  - {id: m, kind: test/map, from: s}\n",
        .overrides = given,
        .override_count = sizeof(given) / sizeof(given[0]),
        .split_mode = PLAN_SPLITS_MAKE};
    struct plan *plan = make(&request);
    const struct ops_source *config = op_of(plan, "s")->config;

    (void)state;
    assert_string_equal(config->path, "[ab]*.csv");
    assert_int_equal(config->splits, 6); /* the later one */
    assert_int_equal(config->schema.count, 4);
    assert_string_equal(config->schema.entries[3].name, "more");
    assert_string_equal(config->time.field, "user");
    assert_int_equal(config->time.unit, 1);
    assert_int_equal(config->tags.count, 2);
    assert_string_equal(config->tags.items[1], "q");
    assert_int_equal(plan->settings.checkpoint.interval_ms, 250);
    assert_int_equal(plan->settings.state.memory_bytes, 64 << 20);
    assert_string_equal(plan->settings.job.name, "other");
    plan_close(plan);
}

static void describe_to(const char *text, struct bytes *out)
{
    struct plan *plan = plan_of(text, 4);

    plan_describe(plan, out);
    bytes_put(out, "", 1);
    plan_close(plan);
}

static void same_text_same_plan(void **state)
{
    struct bytes first = {0}, second = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        describe_to(shapes[i].text, &first);
        describe_to(shapes[i].text, &second);
        assert_string_equal((const char *)first.data, (const char *)second.data);
        bytes_clear(&first);
        bytes_clear(&second);
    }
}

static uint32_t count_of(const char *text, const char *part)
{
    uint32_t count = 0;

    for (; (text = strstr(text, part)); text++)
        count++;
    return count;
}

static void described(void **state)
{
    struct bytes out = {0};
    const char *text;

    (void)state;
    describe_to(TABLES, &out);
    text = (const char *)out.data;
    assert_int_equal(count_of(text, "\n    subtask "), 4 + 4 + 2 + 4);
    assert_non_null(strstr(text, "    subtask 3: key groups 96 to 127\n"));
    assert_non_null(strstr(text, "\nkey groups: 128\n"));
    assert_non_null(strstr(text, "  c (test/count): chain 1, parallelism 4\n"));
    assert_non_null(
        strstr(text, "  x (test/score): chain 3, parallelism 2, in event-time order\n"));
    assert_non_null(strstr(text, "    input in, key (user), gated\n"
                                 "      from s.out: key (user), 4 to 2\n"));
    assert_non_null(strstr(text, "    input requests: not connected\n"));
    assert_non_null(
        strstr(text, "  table 0: c.out, key (key), a version every 5m, which replaces the one "
                     "before, the 100 largest by rows, read by x (as popular), y (as popular)\n"));
    assert_non_null(strstr(text, "\ndeterministic: yes\n"));
    bytes_clear(&out);
    describe_to(JOB SOURCE LOOPED("x", "s", "") LOOPED("y", "x", "") COUNT("c", "y"), &out);
    assert_non_null(strstr((const char *)out.data, "    input in, key (user), gated by x\n"));
    bytes_clear(&out);
}

static void manuals(void **state)
{
    uint32_t count;
    const struct operator_def *const *all = operators_all(&count);
    struct error err = {0};
    struct bytes out = {0};

    (void)state;
    assert_true(count >= 9);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(plan_manual(all[i]->name, &out, &err));
        assert_ptr_equal(operator_find(all[i]->name), all[i]);
    }
    bytes_clear(&out);
    assert_true(plan_manual("test/score", &out, &err));
    bytes_put(&out, "", 1);
    assert_non_null(strstr((const char *)out.data, "test/score: Looks things up.\n"));
    assert_non_null(strstr((const char *)out.data, "    tables: {popular: OPERATOR}\n"));
    assert_non_null(strstr((const char *)out.data, "      ranked by rows, the 100 largest\n"));
    bytes_clear(&out);
    assert_false(plan_manual("test/scores", &out, &err));
    assert_non_null(strstr(err.how, "did you mean \"test/score\""));
    assert_int_equal(err.code, ERROR_CONFIG);
    plan_kinds(&out);
    bytes_put(&out, "", 1);
    assert_non_null(strstr((const char *)out.data, "test\n"));
    assert_non_null(strstr((const char *)out.data, "  test/sink                Takes rows.\n"));
    bytes_clear(&out);
    assert_null(operator_find("test"));
}

/* What the manual gives as the least is enough where its placeholders are. */
static void examples_are_jobs(void **state)
{
    struct bytes out = {0};
    struct error err = {0};
    const char *begin, *end;
    char *job;

    (void)state;
    assert_true(plan_manual("test/sink", &out, &err));
    bytes_put(&out, "", 1);
    begin = strstr((const char *)out.data, "  - id: sink");
    assert_non_null(begin);
    end = strstr(begin, "\n\n");
    job = memory_format(JOB "  - {id: OPERATOR, kind: test/source, path: x, " SCHEMA "}\n%.*s\n",
                        (int)(end - begin), begin);
    plan_close(plan_of(job, 1));
    memory_free(job);
    bytes_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_there),
        cmocka_unit_test(shapes_of_plans),
        cmocka_unit_test(keys_of_edges),
        cmocka_unit_test(unions_and_named_inputs),
        cmocka_unit_test(long_chains),
        cmocka_unit_test(tables),
        cmocka_unit_test(determinism),
        cmocka_unit_test(splits_go_there_and_back),
        cmocka_unit_test(damaged_splits),
        cmocka_unit_test(unknown_splits_are_several),
        cmocka_unit_test(split_list_bound),
        cmocka_unit_test(overrides),
        cmocka_unit_test(same_text_same_plan),
        cmocka_unit_test(described),
        cmocka_unit_test(manuals),
        cmocka_unit_test(examples_are_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
