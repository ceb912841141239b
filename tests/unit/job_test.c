/* What is wrong with a job file, told exactly: one table of bad files and one of overrides. */
#include "runtime/graph/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/plan_ops.h"

#define JOB "job: {name: t}\noperators:\n"
#define SOURCE                                                                                     \
    "  - {id: s, kind: test/source, path: x, schema: {user: i64, item: utf8, rating: f64}}\n"
#define FIELDS_OF_SOURCE                                                                           \
    "path, schema, time, ordered, missing, unbounded, splits, sample, buffer, tags, id, kind, "    \
    "from, inputs, key, tables, lookup, versions, parallelism"
#define FIELDS_OF_MAP                                                                              \
    "filter, column, columns, dedup, in-order, id, kind, from, inputs, key, tables, lookup, "      \
    "versions, parallelism"
#define SECTIONS "job, checkpoint, restart, state, heartbeat, network, debug"
#define KINDS                                                                                      \
    "test/count, test/dice, test/grow, test/join, test/last, test/look, test/map, test/pairs, "    \
    "test/score, test/sink, test/source, test/told, test/total"

/* All mistakes, one a line; the caller frees. */
static char *mistakes_of(const struct plan_request *request)
{
    struct error_list errors = {0};
    struct plan *plan = plan_create(request, &errors);
    struct bytes text = {0};
    char line[ERROR_TEXT_MAX];

    assert_int_equal(plan == NULL, errors.count > 0);
    for (uint32_t i = 0; i < errors.count; i++)
        bytes_format(&text, "%s\n", error_text(&errors.errors[i], line, sizeof(line)));
    bytes_put(&text, "", 1);
    plan_close(plan);
    error_list_clear(&errors);
    return (char *)text.data;
}

static void expect(const char *name, const struct plan_request *request, const char *told)
{
    char *found = mistakes_of(request);

    if (strcmp(found, told) != 0)
        print_error("case: %s\nfound:\n%sexpected:\n%s", name, found, told);
    assert_string_equal(found, told);
    memory_free(found);
}

static const struct bad_file {
    const char *name, *text, *told;
} bad_files[] = {
    {"empty", "",
     "job.yaml:1:1: job: section \"job\" is missing; write job: {name: NAME}\n"
     "job.yaml:1:1: operators: \"operators\" is missing; write a list of operators, as in - {id: "
     "in, kind: source/file}\n"},
    {"not a mapping", "- a\n",
     "job.yaml:1:1: a list stands where a job is due; write job: and operators:\n"},
    {"syntax",
     "job: {name: t\n"
     "operators: []\n",
     "job.yaml:2:10: this is not YAML: did not find expected ',' or '}' while parsing a flow "
     "mapping\n"},
    {"no operators", "job: {name: t}\n",
     "job.yaml:1:1: operators: \"operators\" is missing; write a list of operators, as in - {id: "
     "in, kind: source/file}\n"},
    {"operators are a mapping",
     "job: {name: t}\n"
     "operators: {a: 1}\n",
     "job.yaml:2:12: operators: this is not a list; write a list of operators, as in - {id: in, "
     "kind: source/file}\n"},
    {"empty operators",
     "job: {name: t}\n"
     "operators: []\n",
     "job.yaml:2:12: operators: there are no operators; write a list of operators, as in - {id: "
     "in, kind: source/file}\n"},
    {"section unknown",
     "job: {name: t}\n"
     "checkpont: {}\n"
     "extras: [x]\n"
     "operators:\n" SOURCE,
     "job.yaml:2:1: checkpont: there is no section \"checkpont\"; did you mean \"checkpoint\"; "
     "known are " SECTIONS ", plugins, operators\n"
     "job.yaml:3:1: extras: there is no section \"extras\"; known are " SECTIONS
     ", plugins, operators\n"},
    {"section is no mapping",
     "job: {name: t}\n"
     "checkpoint: 10s\n"
     "state: [a]\n"
     "operators:\n" SOURCE,
     "job.yaml:2:13: checkpoint: a single value stands where a mapping is due; write fields and "
     "values, as in {name: value}\n"
     "job.yaml:3:8: state: a list stands where a mapping is due; write fields and values, as in "
     "{name: value}\n"},
    {"settings",
     "job: {name: a b, parallelism: 0, key-groups: x}\n"
     "checkpoint: {interval: 90 parsecs, retain: 0, dir: [a], merge-ratio: 1e9}\n"
     "restart: {strategy: never, delay: 1h, max-delay: 1s}\n"
     "network: {compress: maybe, channel-bytes: 1tb}\n"
     "heartbeat: {interval: 10s, timeout: 10s}\n"
     "operators:\n" SOURCE,
     "job.yaml:1:13: job.name: \"a b\" cannot be the name of a job; write up to 63 letters, "
     "digits, - and _\n"
     "job.yaml:1:31: job.parallelism: \"0\" is out of range; write a value from 1 to 1024\n"
     "job.yaml:1:46: job.key-groups: \"x\" is not an integer; write a whole number, such as 20\n"
     "job.yaml:2:24: checkpoint.interval: \"90 parsecs\" is not a duration; write a number and ms, "
     "s, m, h or d, such as 90s\n"
     "job.yaml:2:44: checkpoint.retain: \"0\" is out of range; write a value from 1 to 1000\n"
     "job.yaml:2:52: checkpoint.dir: a list is not what this field takes; write a text\n"
     "job.yaml:2:70: checkpoint.merge-ratio: \"1e9\" is out of range; write a value from 0.05 to "
     "100\n"
     "job.yaml:3:10: restart: max-delay is shorter than delay; raise max-delay or lower delay\n"
     "job.yaml:3:21: restart.strategy: \"never\" is not a choice; write one of fixed-delay, "
     "exponential-delay, none\n"
     "job.yaml:4:21: network.compress: \"maybe\" is not a boolean; write true or false\n"
     "job.yaml:4:43: network.channel-bytes: \"1tb\" is not a byte size; write a number and b, kb, "
     "mb or gb, such as 64mb\n"
     "job.yaml:5:12: heartbeat: the timeout is not longer than the interval; make the timeout a "
     "few intervals long\n"},
    {"name is missing",
     "job: {parallelism: 1}\n"
     "operators:\n" SOURCE,
     "job.yaml:1:6: job.name: \"name\" is missing; give it a text\n"},
    {"parallelism above key groups",
     "job: {name: t, key-groups: 4, parallelism: 5}\n"
     "operators:\n" SOURCE "  - {id: m, kind: test/map, from: s, parallelism: 6}\n",
     "job.yaml:1:44: job.parallelism: 5 is more than the 4 key groups of the job; lower it, or "
     "raise job.key-groups in a new job\n"
     "job.yaml:4:51: operators[1].parallelism: 6 is more than the 4 key groups of the job; lower "
     "it, or raise job.key-groups in a new job\n"},
    {"operator is a text", JOB SOURCE "  - clean\n",
     "job.yaml:4:5: operators[1]: a single value stands where an operator is due; write {id: NAME, "
     "kind: KIND, ...}\n"},
    {"id and kind are missing",
     JOB SOURCE "  - {}\n"
                "  - {id: , kind: }\n",
     "job.yaml:4:5: operators[1].id: \"id\" is missing; give the operator a name\n"
     "job.yaml:4:5: operators[1].kind: \"kind\" is missing; `millrace info` lists the kinds\n"
     "job.yaml:5:10: operators[2].id: an operator's id is missing here\n"
     "job.yaml:5:18: operators[2].kind: an operator's kind is missing here\n"},
    {"ids",
     JOB SOURCE "  - {id: a b, kind: test/map, from: s}\n"
                "  - {id: s, kind: test/map, from: s}\n"
                "  - {id: [x], kind: test/map, from: s}\n",
     "job.yaml:4:10: operators[1].id: \"a b\" cannot be an operator's id; write up to 63 letters, "
     "digits, - and _\n"
     "job.yaml:5:10: operators[2].id: \"s\" is the id of operators[0] already; give one of them "
     "another\n"
     "job.yaml:6:10: operators[3].id: a list stands where an operator's id is due\n"},
    {"kind", JOB SOURCE "  - {id: m, kind: test/mapp, from: t, colum: user}\n",
     "job.yaml:4:19: operators[1].kind: there is no kind \"test/mapp\"; did you mean \"test/map\"; "
     "known are " KINDS "\n"
     "job.yaml:4:36: operators[1].from: there is no operator \"t\"; did you mean \"s\"; known are "
     "s, m\n"},
    {"field unknown", JOB SOURCE "  - {id: m, kind: test/map, from: s, dedupe: {by: [user]}}\n",
     "job.yaml:4:38: operators[1].dedupe: there is no field \"dedupe\" here; did you mean "
     "\"dedup\"; known are " FIELDS_OF_MAP "\n"},
    {"field in a group unknown",
     JOB SOURCE "  - {id: m, kind: test/map, from: s, dedup: {by: [user], widthin: 1s}}\n",
     "job.yaml:4:58: operators[1].dedup.widthin: there is no field \"widthin\" here; did you mean "
     "\"within\"; known are by, within\n"},
    {"group",
     JOB SOURCE "  - {id: m, kind: test/map, from: s, dedup: 1s}\n"
                "  - {id: n, kind: test/map, from: s, dedup: {within: 2d}}\n",
     "job.yaml:4:45: operators[1].dedup: a single value is not what this field takes; write its "
     "fields, as in {name: value}\n"
     "job.yaml:5:45: operators[2].dedup.by: \"by\" is missing; give it a list of columns of the "
     "input, such as [user, item]\n"
     "job.yaml:5:54: operators[2].dedup.within: \"2d\" is out of range; write a value from 1ms to "
     "1d\n"},
    {"fields without a value",
     JOB SOURCE "  - {id: m, kind: test/map, from: s, filter: , column: null, columns: ~}\n"
                "  - {id: n, kind: test/map, from: , key: {}}\n",
     "job.yaml:4:46: operators[1].filter: the field has no value; write one, or leave the field "
     "out\n"
     "job.yaml:4:56: operators[1].column: the field has no value; write one, or leave the field "
     "out\n"
     "job.yaml:4:71: operators[1].columns: the field has no value; write one, or leave the field "
     "out\n"
     "job.yaml:5:35: operators[2].from: the field has no value; write one, or leave the field "
     "out\n"},
    {"lists",
     JOB SOURCE
     "  - {id: m, kind: test/map, from: s, columns: [user, [item]], dedup: {by: []}}\n"
     "  - {id: n, kind: test/map, from: s, columns: {a: b}, dedup: {by: [user, user]}}\n",
     "job.yaml:4:54: operators[1].columns[1]: a list stands where a text is due\n"
     "job.yaml:4:75: operators[1].dedup.by: the list is empty; name at least one\n"
     "job.yaml:5:47: operators[2].columns: a mapping is not what this field takes; write a text, "
     "or a list of texts as in [a, b]\n"
     "job.yaml:5:74: operators[2].dedup.by[1]: \"user\" is named twice; leave one of them\n"},
    {"scalars",
     JOB "  - {id: s, kind: test/source, path: [x], schema: a, ordered: 1, splits: 1001, sample: "
         "1.5, buffer: 10, tags: {a: b}, time: {unit: h, out-of-orderness: 2d}}\n",
     "job.yaml:3:38: operators[0].path: a list is not what this field takes; write a text\n"
     "job.yaml:3:51: operators[0].schema: a single value is not what this field takes; write names "
     "and values, as in {name: value}\n"
     "job.yaml:3:63: operators[0].ordered: \"1\" is not a boolean; write true or false\n"
     "job.yaml:3:74: operators[0].splits: \"1001\" is out of range; write a value from 1 to 1000\n"
     "job.yaml:3:88: operators[0].sample: \"1.5\" is out of range; write a value from 0 to 1\n"
     "job.yaml:3:101: operators[0].buffer: \"10\" is not a byte size; write a number and b, kb, mb "
     "or gb, such as 64mb\n"
     "job.yaml:3:111: operators[0].tags: a mapping is not what this field takes; write a text, or "
     "a list of texts as in [a, b]\n"
     "job.yaml:3:125: operators[0].time.field: \"field\" is missing; give it a text\n"
     "job.yaml:3:132: operators[0].time.unit: \"h\" is not a choice; write one of s, ms, us; did "
     "you mean `s`?\n"
     "job.yaml:3:153: operators[0].time.out-of-orderness: \"2d\" is out of range; write a value "
     "from 0s to 1d\n"},
    {"schema is told by describe, every column",
     JOB "  - {id: s, kind: test/source, path: x, schema: {a: i65, b: i64, c: {d: i64}}}\n",
     "job.yaml:3:53: operators[0].schema.a: \"i65\" is not a type; write a type such as i64 or "
     "utf8\n"
     "job.yaml:3:69: operators[0].schema.c: \"{}\" is not a type; write a type such as i64 or "
     "utf8\n"},
    {"map with a list", JOB "  - {id: s, kind: test/source, path: x, schema: {a: [i64]}}\n",
     "job.yaml:3:53: operators[0].schema.a: a list stands where a text or a mapping is due\n"},
    {"windows",
     JOB SOURCE
     "  - {id: w0, kind: test/count, from: s, key: user, window: 1h}\n"
     "  - {id: w1, kind: test/count, from: s, key: user, window: {}}\n"
     "  - {id: w2, kind: test/count, from: s, key: user, window: {tumbling: 1h, sliding: 1h}}\n"
     "  - {id: w3, kind: test/count, from: s, key: user, window: {tumbling: 1h, every: 5m}}\n"
     "  - {id: w4, kind: test/count, from: s, key: user, window: {sliding: 1h}}\n"
     "  - {id: w5, kind: test/count, from: s, key: user, window: {sliding: 1h, every: 7m}}\n"
     "  - {id: w6, kind: test/count, from: s, key: user, window: {every: 5m}}\n"
     "  - {id: w7, kind: test/count, from: s, key: user, window: {tumbling: 0s}}\n"
     "  - {id: w8, kind: test/count, from: s, key: user, window: {tumbling: 1h, hop: 5m}}\n",
     "job.yaml:4:60: operators[1].window: a single value is not what this field takes; write "
     "{tumbling: 1h} or {sliding: 1h, every: 5m}\n"
     "job.yaml:5:60: operators[2].window: a window is either tumbling or sliding; write {tumbling: "
     "1h} or {sliding: 1h, every: 5m}\n"
     "job.yaml:6:60: operators[3].window: a window is either tumbling or sliding; write {tumbling: "
     "1h} or {sliding: 1h, every: 5m}\n"
     "job.yaml:7:75: operators[4].window.every: a tumbling window has no \"every\"; write "
     "{tumbling: 1h} or {sliding: 1h, every: 5m}\n"
     "job.yaml:8:60: operators[5].window.every: \"every\" is missing, which a sliding window "
     "needs; write {tumbling: 1h} or {sliding: 1h, every: 5m}\n"
     "job.yaml:9:81: operators[6].window.every: \"7m\" does not divide the window's size \"1h\"; "
     "choose one that does, so that windows are made of whole steps\n"
     "job.yaml:10:60: operators[7].window: a window is either tumbling or sliding; write "
     "{tumbling: 1h} or {sliding: 1h, every: 5m}\n"
     "job.yaml:11:71: operators[8].window.tumbling: \"0s\" is out of range; write a value from 1ms "
     "to 3660d\n"
     "job.yaml:12:75: operators[9].window.hop: there is no field \"hop\" here; known are tumbling, "
     "sliding, every\n"},
    {"window is missing", JOB SOURCE "  - {id: w, kind: test/count, from: s, key: user}\n",
     "job.yaml:4:5: operators[1].window: \"window\" is missing; give it {tumbling: 1h} or "
     "{sliding: 1h, every: 5m}\n"},
    {"references",
     JOB SOURCE "  - {id: a, kind: test/map, from: ss}\n"
                "  - {id: b, kind: test/map, from: s.rejectd}\n"
                "  - {id: c, kind: test/map, from: out}\n"
                "  - {id: d, kind: test/map, from: [s, s.out]}\n"
                "  - {id: e, kind: test/map, from: [s, s]}\n"
                "  - {id: out, kind: test/sink, from: s, path: x}\n",
     "job.yaml:4:35: operators[1].from: there is no operator \"ss\"; did you mean \"s\"; known are "
     "s, a, b, c, d, e, out\n"
     "job.yaml:5:35: operators[2].from: operator \"s\" (test/source) has no output \"rejectd\"; "
     "did you mean \"rejected\"; known are out, late, rejected\n"
     "job.yaml:6:35: operators[3].from: operator \"out\" (test/sink) has no outputs; read what it "
     "reads\n"
     "job.yaml:7:39: operators[4].from[1]: this output is named twice; leave one of them\n"
     "job.yaml:8:39: operators[5].from[1]: \"s\" is named twice; leave one of them\n"},
    {"inputs",
     JOB SOURCE "  - {id: a, kind: test/join, key: user, inputs: {left: s, rigt: s}}\n"
                "  - {id: b, kind: test/join, key: user, from: s, inputs: {left: s, right: s}}\n"
                "  - {id: c, kind: test/join, key: user, from: s}\n"
                "  - {id: d, kind: test/map}\n"
                "  - {id: e, kind: test/map, from: []}\n"
                "  - {id: f, kind: test/map, inputs: s}\n"
                "  - {id: g, kind: test/source, path: x, schema: {a: i64}, from: s}\n",
     "job.yaml:4:59: operators[1].inputs.rigt: test/join has no input \"rigt\"; did you mean "
     "\"right\"; known are left, right\n"
     "job.yaml:5:59: operators[2].inputs.left: `from` connects input \"left\" already; put all of "
     "them there, as in from: [a, b]\n"
     "job.yaml:6:5: operators[3].inputs: input \"right\" of test/join is not connected; write "
     "inputs: {right: OPERATOR}\n"
     "job.yaml:7:5: operators[4].from: input \"in\" of test/map is not connected; write from: "
     "OPERATOR\n"
     "job.yaml:8:5: operators[5].from: input \"in\" of test/map is not connected; write from: "
     "OPERATOR\n"
     "job.yaml:9:37: operators[6].inputs: a single value stands where a mapping is due; write "
     "{input: operator}\n"
     "job.yaml:10:59: operators[7].from: test/source has no inputs; leave it out\n"},
    {"cycles",
     JOB SOURCE "  - {id: a, kind: test/map, from: c}\n"
                "  - {id: b, kind: test/map, from: [s, a]}\n"
                "  - {id: c, kind: test/map, from: b}\n"
                "  - {id: d, kind: test/map, from: d}\n"
                "  - {id: e, kind: test/map, from: c, filter: nothing is told of it}\n",
     "job.yaml:4:35: operators[1].from: operators read each other in a loop: a reads c, c reads b, "
     "b reads a; leave one of these connections out, or read a table with a delay there\n"
     "job.yaml:7:35: operators[4].from: operators read each other in a loop: d reads d; leave one "
     "of these connections out, or read a table with a delay there\n"},
    {"cycle through a table",
     JOB SOURCE "  - {id: a, kind: test/score, from: s, key: user, tables: {popular: b}}\n"
                "  - {id: b, kind: test/count, from: a, key: item, window: {tumbling: 1h}}\n",
     "job.yaml:4:69: operators[1].tables.popular: operators read each other in a loop: a reads b, "
     "b reads a; give one of its tables a delay, as in {from: OPERATOR, delay: 1h}\n"},
    {"cycle beside one with a delay",
     JOB SOURCE "  - {id: a, kind: test/score, from: s, key: user, tables: {popular: {from: b, "
                "delay: 1h}, extra: b}}\n"
                "  - {id: b, kind: test/count, from: a, key: item, window: {tumbling: 1h}}\n",
     "job.yaml:4:98: operators[1].tables.extra: operators read each other in a loop: a reads b, "
     "b reads a; give one of its tables a delay, as in {from: OPERATOR, delay: 1h}\n"},
    {"delays",
     JOB SOURCE
     "  - {id: a, kind: test/score, from: s, key: user, tables: {popular: {from: b, delay: 0s}, "
     "extra: {delay: 1h}}}\n"
     "  - {id: b, kind: test/count, from: s, key: item, window: {tumbling: 1h}}\n"
     "  - {id: c, kind: test/score, from: s, key: user, tables: {popular: {from: b, dely: 1h}, "
     "extra: [b]}}\n"
     "  - {id: d, kind: test/score, from: s, key: user, lookup: latest, tables: {popular: {from: "
     "b, delay: 1h}}}\n",
     "job.yaml:4:86: operators[1].tables.popular.delay: \"0s\" is out of range; write a value from "
     "1ms to 3660d\n"
     "job.yaml:4:98: operators[1].tables.extra.from: \"from\" is missing; give it a text\n"
     "job.yaml:6:79: operators[3].tables.popular.dely: there is no field \"dely\" here; did you "
     "mean \"delay\"; known are from, delay\n"
     "job.yaml:6:97: operators[3].tables.extra: a list stands where the operator that publishes "
     "the table is due\n"
     "job.yaml:7:102: operators[4].tables.popular.delay: with `lookup: latest` rows see the newest "
     "version at any time; leave one of the two out\n"},
    {"a loop that is never the same",
     JOB SOURCE "  - {id: a, kind: test/grow, from: s, key: user, tables: {rows: {from: b, delay: "
                "1h}}}\n"
                "  - {id: b, kind: test/last, from: a, key: user}\n",
     "job.yaml:4:72: operators[1].tables.rows.from: the columns of this table are others each time "
     "that its reader's are known; read a table whose columns do not follow from those of its "
     "reader\n"},
    {"a loop whose table lacks a column",
     JOB SOURCE "  - {id: a, kind: test/score, from: s, key: user, tables: {popular: {from: b, "
                "delay: 1h}}}\n"
                "  - {id: b, kind: test/pairs, from: a}\n",
     "job.yaml:4:76: operators[1].tables.popular.from: table \"popular\" of test/score needs a "
     "column \"rows\", which is not there; known are user, item, rating\n"},
    {"union",
     JOB SOURCE "  - {id: s2, kind: test/source, path: x, schema: {user: i64, thing: utf8}}\n"
                "  - {id: s3, kind: test/source, path: x, schema: {user: i64, item: utf8}}\n"
                "  - {id: a, kind: test/map, from: [s, s2]}\n"
                "  - {id: b, kind: test/map, from: [s, s3, s.late]}\n",
     "job.yaml:6:39: operators[3].from[1]: column 2 of \"s2\" is thing utf8, but that of \"s\" is "
     "item utf8; the outputs of a union have the same columns in the same order\n"
     "job.yaml:7:39: operators[4].from[1]: column 3 of \"s3\" is not there, but that of \"s\" is "
     "rating f64; the outputs of a union have the same columns in the same order\n"},
    {"keys",
     JOB SOURCE
     "  - {id: a, kind: test/last, from: s}\n"
     "  - {id: b, kind: test/last, from: s, key: rating}\n"
     "  - {id: c, kind: test/last, from: s, key: [user, itm]}\n"
     "  - {id: d, kind: test/map, from: s, key: user}\n"
     "  - {id: e, kind: test/score, from: s, key: {in: user, requsts: user}, tables: {popular: "
     "f}}\n"
     "  - {id: f, kind: test/count, from: s, key: [user, item], window: {tumbling: 1h}}\n"
     "  - {id: g, kind: test/map, from: s, dedup: {by: rating}}\n",
     "job.yaml:4:5: operators[1].key: input \"in\" of test/last is keyed, but the rows that it "
     "reads are not; write key: COLUMN, or key: [COLUMN, COLUMN]\n"
     "job.yaml:5:44: operators[2].key: column \"rating\" is f64, which cannot be a key; key by a "
     "bool, i32, i64, timestamp or utf8 column\n"
     "job.yaml:6:51: operators[3].key[1]: the key's column \"itm\" is not in the input; did you "
     "mean \"item\"; known are user, item, rating\n"
     "job.yaml:7:38: operators[4].key: test/map has no keyed input; leave it out\n"
     "job.yaml:8:56: operators[5].key.requsts: test/score has no input \"requsts\"; did you mean "
     "\"requests\"; known are in, requests\n"
     "job.yaml:9:5: operators[6].key: test/count needs a key of one column; write key: COLUMN\n"
     "job.yaml:10:5: operators[7]: column \"rating\" is f64, which cannot be a key; key by a bool, "
     "i32, i64, timestamp or utf8 column\n"},
    {"global",
     JOB SOURCE "  - {id: a, kind: test/total, from: s, parallelism: 2}\n"
                "  - {id: b, kind: test/total, from: s, key: user}\n"
                "  - {id: c, kind: test/total, from: s, parallelism: 1}\n",
     "job.yaml:4:53: operators[1].parallelism: all rows of test/total meet in one subtask; leave "
     "it out, or write 1\n"
     "job.yaml:5:40: operators[2].key: test/total has no keyed input; leave it out\n"},
    {"columns and expressions",
     JOB SOURCE "  - {id: m, kind: test/map, from: s, filter: user > 1, column: usr, columns: "
                "[item, ratin], dedup: {by: [itm]}}\n",
     "job.yaml:4:64: operators[1].column: there is no column \"usr\" in the input; did you mean "
     "\"user\"; known are user, item, rating\n"
     "job.yaml:4:85: operators[1].columns[1]: there is no column \"ratin\" in the input; did you "
     "mean \"rating\"; known are user, item, rating\n"
     "job.yaml:4:106: operators[1].dedup.by[0]: there is no column \"itm\" in the input; did you "
     "mean \"item\"; known are user, item, rating\n"},
    {"required columns",
     JOB "  - {id: s, kind: test/source, path: x, schema: {user: utf8}}\n"
         "  - {id: r, kind: test/source, path: x, schema: {usr: i64}}\n"
         "  - {id: c, kind: test/count, from: s, key: user, window: {tumbling: 1h}}\n"
         "  - {id: a, kind: test/score, from: s, key: user, tables: {popular: c}}\n"
         "  - {id: b, kind: test/score, from: r, key: usr, tables: {popular: c}}\n",
     "job.yaml:6:37: operators[3].from: input \"in\" of test/score needs column \"user\" to be "
     "i64, but it is utf8\n"
     "job.yaml:7:37: operators[4].from: input \"in\" of test/score needs a column \"user\", which "
     "is not there; did you mean \"usr\"; known are usr\n"},
    {"tables",
     JOB SOURCE
     "  - {id: c, kind: test/count, from: s, key: user, window: {tumbling: 1h}}\n"
     "  - {id: l, kind: test/last, from: s, key: user}\n"
     "  - {id: t0, kind: test/score, from: s, key: user}\n"
     "  - {id: t1, kind: test/score, from: s, key: user, tables: {}}\n"
     "  - {id: t2, kind: test/score, from: s, key: user, tables: {popula: c}}\n"
     "  - {id: t3, kind: test/score, from: s, key: user, tables: c}\n"
     "  - {id: t4, kind: test/score, from: s, key: user, tables: {popular: s}}\n"
     "  - {id: t5, kind: test/score, from: s, key: user, tables: {popular: l}}\n"
     "  - {id: t6, kind: test/score, from: s, key: user, tables: {popular: c.oot}}\n"
     "  - {id: t7, kind: test/score, from: s, key: user, tables: {popular: [c]}}\n"
     "  - {id: t8, kind: test/score, from: s, key: user, tables: {popular: c, extra: cc}}\n"
     "  - {id: m, kind: test/map, from: s, tables: {a: c}, lookup: latest}\n"
     "  - {id: n, kind: test/score, from: s, key: user, tables: {popular: c}, lookup: newest}\n",
     "job.yaml:6:5: operators[3].tables: table \"popular\" of test/score is not given; write "
     "tables: {popular: OPERATOR}\n"
     "job.yaml:7:60: operators[4].tables.popular: table \"popular\" of test/score is not given; "
     "write tables: {popular: OPERATOR}\n"
     "job.yaml:8:61: operators[5].tables.popula: test/score looks up no table \"popula\"; did you "
     "mean \"popular\"; known are popular, extra\n"
     "job.yaml:9:60: operators[6].tables: a single value stands where a mapping is due; write "
     "{table: operator}\n"
     "job.yaml:10:70: operators[7].tables.popular: output \"out\" of \"s\" has no key, so it "
     "cannot be a table; take the output of a keyed operator, such as window-aggregate\n"
     "job.yaml:10:70: operators[7].tables.popular: table \"popular\" of test/score needs a column "
     "\"rows\", which is not there; known are user, item, rating\n"
     "job.yaml:11:70: operators[8].tables.popular: table \"popular\" of test/score needs a column "
     "\"rows\", which is not there; known are user, item, rating\n"
     "job.yaml:12:70: operators[9].tables.popular: operator \"c\" (test/count) has no output "
     "\"oot\"; did you mean \"out\"; known are out\n"
     "job.yaml:13:70: operators[10].tables.popular: a list stands where the operator that "
     "publishes the table is due\n"
     "job.yaml:14:80: operators[11].tables.extra: there is no operator \"cc\"; did you mean \"c\"; "
     "known are s, c, l, t0, t1, t2, t3, t4, t5, t6, t7, t8, m, n\n"
     "job.yaml:15:38: operators[12].tables: test/map looks up no tables; leave it out\n"
     "job.yaml:15:54: operators[12].lookup: test/map looks up no tables; leave it out\n"
     "job.yaml:16:81: operators[13].lookup: \"newest\" is not a choice; write one of versioned, "
     "latest\n"},
    {"versions",
     JOB SOURCE "  - {id: c, kind: test/count, from: s, key: user, window: {tumbling: 1h}}\n"
                "  - {id: this-name-has-more-letters-than-a-column-of-its-versions-has, kind: "
                "test/score, from: "
                "s, key: user, versions: true, tables: {popular: c}}\n",
     "job.yaml:5:5: operators[2].versions: "
     "\"versions.this-name-has-more-letters-than-a-column-of-its-versions-has.popular\" is there "
     "already, or too long a name; give it another id\n"},
    {"input is not there",
     JOB "  - {id: s, kind: test/source, path: gone.csv, schema: {a: i64}, missing: true}\n"
         "  - {id: m, kind: test/map, from: s, column: b}\n",
     "job.yaml:3:5: operators[0]: gone.csv: no such file\n"
     "job.yaml:4:46: operators[1].column: there is no column \"b\" in the input; did you mean "
     "\"a\"; known are a\n"},
    {"nothing follows from a bad one",
     JOB "  - {id: s, kind: test/source, path: x, schema: {a: i65}}\n"
         "  - {id: m, kind: test/map, from: s, column: b}\n"
         "  - {id: l, kind: test/last, from: m}\n",
     "job.yaml:3:53: operators[0].schema.a: \"i65\" is not a type; write a type such as i64 or "
     "utf8\n"},
};

static void files(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_files) / sizeof(bad_files[0]); i++) {
        struct plan_request request = {
            .path = "job.yaml", .text = bad_files[i].text, .split_mode = PLAN_SPLITS_MAKE};
        expect(bad_files[i].name, &request, bad_files[i].told);
    }
}

static const struct bad_override {
    const char *override, *told;
} bad_overrides[] = {
    {"s.path=y", ""},
    {"s.path={x", ""},
    {"s.path=[ab]*.csv", ""},
    {"s.path=", "-D s.path=: \"\" is not a text; write a text\n"},
    {"s.schema.more=i32", ""},
    {"s.schema={user: i64, item: utf8}", ""},
    {"m.dedup.within=5s", ""},
    {"m.columns=[user, item]", ""},
    {"s.time.field=user", ""},
    {"checkpoint.interval=1s", ""},
    {"state.memory=64mb", ""},
    {"state.filter=user > 1", ""},
    {"out.kind=test/sink", ""},
    {"job.name=other", ""},
    {"job.parallelism=2", ""},
    {"m.parallelism=2", ""},
    {"s.pth=y", "-D s.pth=y: there is no field \"pth\" here; did you mean \"path\"; known "
                "are " FIELDS_OF_SOURCE "\n"},
    {"ss.path=y", "-D ss.path=y: there is no operator or section \"ss\"; did you mean \"s\"; known "
                  "are s, m, state, out, " SECTIONS "\n"},
    {"chekpoint.interval=1s",
     "-D chekpoint.interval=1s: there is no operator or section \"chekpoint\"; did you mean "
     "\"checkpoint\"; known are s, m, state, out, " SECTIONS "\n"},
    {"checkpoint.intervall=1s",
     "-D checkpoint.intervall=1s: there is no field \"intervall\" here; did you mean \"interval\"; "
     "known are interval, dir, retain, copies, timeout, merge-ratio\n"},
    {"checkpoint.interval=soon", "-D checkpoint.interval=soon: \"soon\" is not a duration; write a "
                                 "number and ms, s, m, h or d, such as 90s\n"},
    {"s.path",
     "-D s.path: there is no = in it; write OPERATOR.FIELD=value or section.field=value\n"},
    {"=y", "-D =y: a name before = is empty; write OPERATOR.FIELD=value or section.field=value\n"},
    {"s=y", "-D s=y: it names no field; write OPERATOR.FIELD=value or section.field=value\n"},
    {".path=y",
     "-D .path=y: a name before = is empty; write OPERATOR.FIELD=value or section.field=value\n"},
    {"s..x=y",
     "-D s..x=y: a name before = is empty; write OPERATOR.FIELD=value or section.field=value\n"},
    {"s.id=t", "-D s.id=t: an operator's id cannot be overridden; change it in the job file\n"},
    {"m.dedup.by.x=1",
     "-D m.dedup.by.x=1: \"by\" is a list, which has no fields; override it as a whole\n"},
    {"s.path.x=1",
     "-D s.path.x=1: \"path\" is a single value, which has no fields; override it as a whole\n"},
    {"s.schema={user: ", "-D s.schema={user: : a single value is not what this field takes; write "
                         "names and values, as in {name: value}\n"},
    {"s.schema={user: ]}", "-D s.schema={user: ]}: this is not YAML: did not find expected node "
                           "content while parsing a flow node\n"},
    {"m.dedup={within: 1s}", "-D m.dedup={within: 1s}: \"by\" is missing; give it a list of "
                             "columns of the input, such as [user, item]\n"},
    {"m.dedup.widthin=1s", "-D m.dedup.widthin=1s: there is no field \"widthin\" here; did you "
                           "mean \"within\"; known are by, within\n"},
    {"m.from=nobody",
     "-D m.from=nobody: there is no operator \"nobody\"; known are s, m, state, out\n"},
    {"m.columns=[user, itm]", "-D m.columns=[user, itm]: there is no column \"itm\" in the input; "
                              "did you mean \"item\"; known are user, item, rating\n"},
    {"s.schema.user=i65",
     "-D s.schema.user=i65: \"i65\" is not a type; write a type such as i64 or utf8\n"},
    {"s.time.unit=ms", "-D s.time.unit=ms: \"field\" is missing; give it a text\n"},
    {"a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q=1",
     "-D a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q=1: the path before = is too long; write "
     "OPERATOR.FIELD=value or section.field=value\n"},
    {"state.kind=test/map", ""},
    {"state.spill=x",
     "-D state.spill=x: there is no field \"spill\" here; known are " FIELDS_OF_MAP "\n"},
};

static const char good_file[] =
    JOB SOURCE "  - {id: m, kind: test/map, from: s, dedup: {by: [user], within: 1s}}\n"
               "  - {id: state, kind: test/map, from: m}\n"
               "  - {id: out, kind: test/sink, from: m, path: x}\n";

static void overrides(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad_overrides) / sizeof(bad_overrides[0]); i++) {
        struct plan_request request = {.path = "job.yaml",
                                       .text = good_file,
                                       .overrides = &bad_overrides[i].override,
                                       .override_count = 1,
                                       .split_mode = PLAN_SPLITS_MAKE};
        expect(bad_overrides[i].override, &request, bad_overrides[i].told);
    }
}

/* Of the file first, then of the overrides in their order. */
static void file_and_overrides(void **state)
{
    static const char *const given[] = {"out.pth=y", "checkpoint.interval=soon"};
    struct plan_request request = {.path = "job.yaml",
                                   .text = JOB SOURCE
                                   "  - {id: m, kind: test/map, from: s, colum: user}\n"
                                   "  - {id: out, kind: test/sink, from: m, path: x}\n",
                                   .overrides = given,
                                   .override_count = 2,
                                   .split_mode = PLAN_SPLITS_MAKE};

    (void)state;
    expect("file and overrides", &request,
           "job.yaml:4:38: operators[1].colum: there is no field \"colum\" here; did you mean "
           "\"column\"; known are " FIELDS_OF_MAP "\n"
           "-D out.pth=y: there is no field \"pth\" here; did you mean \"path\"; known are path, "
           "id, kind, from, inputs, key, tables, lookup, versions, parallelism\n"
           "-D checkpoint.interval=soon: \"soon\" is not a duration; write a number and ms, s, m, "
           "h or d, such as 90s\n");
}

/* The words are expr's; the place is ours. */
static void expressions(void **state)
{
    static const char *const given[] = {"m.filter=bad >"};
    struct plan_request request = {.path = "job.yaml",
                                   .text = JOB SOURCE
                                   "  - {id: m, kind: test/map, from: s, filter: nobody > 1}\n"};
    char *told = mistakes_of(&request);

    (void)state;
    assert_int_equal(strncmp(told, "job.yaml:4:46: operators[1].filter: ", 36), 0);
    memory_free(told);
    request.overrides = given;
    request.override_count = 1;
    told = mistakes_of(&request);
    assert_int_equal(strncmp(told, "-D m.filter=bad >: ", 19), 0);
    memory_free(told);
}

static void parallelism(void **state)
{
    struct plan_request request = {.path = "job.yaml", .text = good_file};

    (void)state;
    request.parallelism = 128;
    expect("at the bound", &request, "");
    request.parallelism = 129;
    expect("one past it", &request,
           "-p 129: that is more than the 128 key groups of the job; lower it, or raise "
           "job.key-groups in a new job\n");
    request.parallelism = PARALLELISM_MAX + 1;
    expect("past any", &request,
           "-p 1025: that is more than the most subtasks of an operator (1024)\n");
}

/* `count` operators in one line each. */
static char *many(uint32_t count)
{
    struct bytes text = {0};

    bytes_text(&text, JOB);
    for (uint32_t i = 0; i < count; i++)
        bytes_format(&text, "  - {id: s%u, kind: test/source, path: x, schema: {a: i64}}\n", i);
    bytes_put(&text, "", 1);
    return (char *)text.data;
}

static void operators_bound(void **state)
{
    char *text = many(OPERATORS_MAX);
    struct plan_request request = {.path = "job.yaml", .text = text};

    (void)state;
    expect("at the bound", &request, "");
    memory_free(text);
    text = many(OPERATORS_MAX + 1);
    request.text = text;
    expect("one past it", &request,
           "job.yaml:3:3: operators: there are 257 operators, more than a job may have (256)\n");
    memory_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files),
        cmocka_unit_test(overrides),
        cmocka_unit_test(file_and_overrides),
        cmocka_unit_test(expressions),
        cmocka_unit_test(parallelism),
        cmocka_unit_test(operators_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
