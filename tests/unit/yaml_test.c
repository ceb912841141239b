/* The tree of a job file: places, paths, what is refused, bounds. */
#include "runtime/base/limits.h"
#include "runtime/graph/mistake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct arena *arena;
    struct mistakes mistakes;
};

static void begin(struct fixture *fixture)
{
    *fixture = (struct fixture){.arena = arena_create(4096), .mistakes = {.path = "job.yaml"}};
}

static void end(struct fixture *fixture)
{
    mistakes_clear(&fixture->mistakes);
    arena_close(fixture->arena);
}

/* All mistakes, one a line, in the file's order. */
static void texts(struct mistakes *mistakes, char *text, size_t size)
{
    struct error_list list = {0};
    char line[ERROR_TEXT_MAX];
    size_t at = 0;

    text[0] = '\0';
    mistakes_move(mistakes, &list);
    for (uint32_t i = 0; i < list.count && at < size; i++)
        at += (size_t)snprintf(text + at, size - at, "%s\n",
                               error_text(&list.errors[i], line, sizeof(line)));
    error_list_clear(&list);
}

static void places_and_paths(void **state)
{
    struct fixture fixture;
    const struct yaml_node *root, *node;
    char path[64];

    (void)state;
    begin(&fixture);
    root = yaml_parse(fixture.arena,
                      "job: {name: x}\n"
                      "operators:\n"
                      "  - id: a\n"
                      "    dedup: {by: [user, \"item\"]}\n",
                      &fixture.mistakes);
    assert_non_null(root);
    assert_int_equal(root->kind, YAML_MAPPING);
    assert_int_equal(root->count, 2);
    assert_string_equal(yaml_path(root, path, sizeof(path)), "");
    node = yaml_get(yaml_get(root, "job"), "name");
    assert_string_equal(node->text, "x");
    assert_string_equal(yaml_path(node, path, sizeof(path)), "job.name");
    assert_int_equal(node->line, 1);
    assert_int_equal(node->column, 13);
    assert_int_equal(node->key_column, 7);
    node = yaml_get(yaml_get(yaml_get(root, "operators")->items[0], "dedup"), "by");
    assert_string_equal(yaml_path(node, path, sizeof(path)), "operators[0].dedup.by");
    assert_int_equal(node->kind, YAML_SEQUENCE);
    assert_true(node->items[0]->plain);
    assert_false(node->items[1]->plain);
    assert_int_equal(node->items[1]->line, 4);
    assert_int_equal(node->items[1]->column, 24);
    assert_string_equal(yaml_path(node->items[1], path, sizeof(path)), "operators[0].dedup.by[1]");
    assert_string_equal(yaml_path(node->items[1], path, 8), "operato");
    assert_null(yaml_get(root, "absent"));
    assert_null(yaml_get(node, "absent"));
    assert_int_equal(fixture.mistakes.count, 0);
    end(&fixture);
}

static void nulls(void **state)
{
    static const struct {
        const char *text;
        bool null;
    } cases[] = {{"a:", true},
                 {"a: ~", true},
                 {"a: null", true},
                 {"a: ''", false},
                 {"a: \"~\"", false},
                 {"a: 0", false},
                 {"a: none", false},
                 {"\xef\xbb\xbf"
                  "a: ~\r\n",
                  true}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture fixture;
        const struct yaml_node *root;

        begin(&fixture);
        root = yaml_parse(fixture.arena, cases[i].text, &fixture.mistakes);
        assert_non_null(root);
        assert_string_equal(root->items[0]->key, "a");
        assert_int_equal(yaml_is_null(root->items[0]), cases[i].null);
        end(&fixture);
    }
}

static void empty_is_a_mapping(void **state)
{
    static const char *const cases[] = {"", "\n\n", "# only a comment\n", "\xef\xbb\xbf"};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture fixture;
        const struct yaml_node *root;

        begin(&fixture);
        root = yaml_parse(fixture.arena, cases[i], &fixture.mistakes);
        assert_non_null(root);
        assert_int_equal(root->kind, YAML_MAPPING);
        assert_int_equal(root->count, 0);
        end(&fixture);
    }
}

static void refused(void **state)
{
    static const struct {
        const char *text, *told;
    } cases[] = {
        {"a: &x 1\nb: *x\n", "job.yaml:1:4: anchors (&name) are not taken; write the value out "
                             "where it is used\n"},
        {"a: 1\nb: *x\n",
         "job.yaml:2:4: aliases (*name) are not taken; write the value out where it is used\n"},
        {"a: !!str 1\n",
         "job.yaml:1:4: tags (!type) are not taken; leave it out; the field knows its type\n"},
        {"a: 1\n---\nb: 2\n", "job.yaml:2:1: a second document begins here; a job file is one; "
                              "remove this and what follows\n"},
        {"? [a]\n: 1\n", "job.yaml:1:3: a list or mapping stands where a field's name is due; "
                         "write a plain name before the colon\n"},
        {"a: \"x\\0y\"\n", "job.yaml:1:4: a text holds a zero byte\n"},
        {"a: [1, 2\nb: 3\n", "job.yaml:2:2: this is not YAML: did not find expected ',' or ']' "
                             "while parsing a flow sequence\n"},
        {"a:\n\tb: 1\n",
         "job.yaml:2:1: this is not YAML: found character that cannot start any "
         "token while scanning for the next token; indent by blanks, not by tabs\n"},
        {"a: @b\n", "job.yaml:1:4: this is not YAML: found character that cannot start any token "
                    "while scanning for the next token; quote a text that begins so\n"},
        {"a: b: c\n", "job.yaml:1:5: this is not YAML: mapping values are not allowed in this "
                      "context; quote a text with `: ` in it, or mend the indentation\n"},
        {"ok: 1\nbad: \xff\n", "job.yaml:2:6: this is not YAML: invalid leading UTF-8 octet\n"},
        {"a: 1\nb: 2\na: 3\nb: 4\na: 5\n",
         "job.yaml:3:1: a: \"a\" is given twice; the first is in line 1; leave one of them\n"
         "job.yaml:4:1: b: \"b\" is given twice; the first is in line 2; leave one of them\n"
         "job.yaml:5:1: a: \"a\" is given twice; the first is in line 1; leave one of them\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture fixture;
        char told[2048];

        begin(&fixture);
        (void)yaml_parse(fixture.arena, cases[i].text, &fixture.mistakes);
        texts(&fixture.mistakes, told, sizeof(told));
        assert_string_equal(told, cases[i].told);
        end(&fixture);
    }
}

static bool parses(const char *text)
{
    struct fixture fixture;
    bool good;

    begin(&fixture);
    good = yaml_parse(fixture.arena, text, &fixture.mistakes) && fixture.mistakes.count == 0;
    end(&fixture);
    return good;
}

static bool nested(uint32_t depth)
{
    char text[2 * JOB_DEPTH_MAX + 8] = "";

    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    return parses(text);
}

/* A list of `count` values, with a stream and a document around it: count + 6 events. */
static bool wide(uint32_t count)
{
    struct bytes text = {0};
    bool good;

    for (uint32_t i = 0; i < count; i++)
        bytes_text(&text, "- x\n");
    bytes_put(&text, "", 1);
    good = parses((const char *)text.data);
    bytes_clear(&text);
    return good;
}

static bool long_text(uint32_t size)
{
    char *text = memory_new(size + 1);
    bool good;

    memset(text, '#', size);
    good = parses(text);
    memory_free(text);
    return good;
}

static void bounds(void **state)
{
    (void)state;
    assert_true(nested(JOB_DEPTH_MAX));
    assert_false(nested(JOB_DEPTH_MAX + 1));
    assert_true(wide(JOB_NODES_MAX - 6));
    assert_false(wide(JOB_NODES_MAX - 5));
    assert_true(long_text(JOB_SIZE_MAX));
    assert_false(long_text(JOB_SIZE_MAX + 1));
}

static void put_replaces(void **state)
{
    struct fixture fixture;
    struct yaml_node *root;
    char path[32];

    (void)state;
    begin(&fixture);
    root = yaml_parse(fixture.arena, "a: 1\nb: 2\n", &fixture.mistakes);
    yaml_put(fixture.arena, root, "b", yaml_scalar(fixture.arena, "two"));
    yaml_put(fixture.arena, root, "c", yaml_mapping(fixture.arena));
    yaml_put(fixture.arena, yaml_get(root, "c"), "d", yaml_scalar(fixture.arena, "x"));
    assert_int_equal(root->count, 3);
    assert_string_equal(yaml_get(root, "b")->text, "two");
    assert_string_equal(yaml_path(yaml_get(yaml_get(root, "c"), "d"), path, sizeof(path)), "c.d");
    end(&fixture);
}

static void flow_is_marked(void **state)
{
    struct fixture fixture;
    const struct yaml_node *root;
    char told[512];

    (void)state;
    begin(&fixture);
    root = yaml_parse_flow(fixture.arena, "{a: [1]}", "x.y={a: [1]}", 3, &fixture.mistakes);
    assert_int_equal(yaml_get(root, "a")->items[0]->override_number, 3);
    assert_null(yaml_parse_flow(fixture.arena, "{a: ]}", "x.y={a: ]}", 1, &fixture.mistakes));
    texts(&fixture.mistakes, told, sizeof(told));
    assert_string_equal(told, "-D x.y={a: ]}: this is not YAML: did not find expected node "
                              "content while parsing a flow node\n");
    end(&fixture);
}

static void mistakes_are_bounded(void **state)
{
    struct fixture fixture;
    struct error_list list = {0};
    struct yaml_node *root;

    (void)state;
    begin(&fixture);
    root = yaml_parse(fixture.arena, "a: 1\n", &fixture.mistakes);
    for (uint32_t i = 0; i < MISTAKES_MAX + 5; i++)
        mistake_value(&fixture.mistakes, root->items[0], NULL, "wrong %u", i);
    assert_int_equal(mistakes_total(&fixture.mistakes), MISTAKES_MAX + 5);
    mistakes_move(&fixture.mistakes, &list);
    assert_int_equal(list.count, MISTAKES_MAX + 1);
    assert_string_equal(list.errors[0].what, "wrong 0");
    assert_string_equal(list.errors[MISTAKES_MAX].what, "5 more mistakes are not shown");
    error_list_clear(&list);
    end(&fixture);
}

static void long_paths_keep_their_tail(void **state)
{
    struct fixture fixture;
    struct yaml_node *root;
    char path[PATH_SIZE_MAX], told[1024];

    (void)state;
    begin(&fixture);
    memset(path, 'd', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    memcpy(path + sizeof(path) - 10, "/job.yaml", 9);
    fixture.mistakes.path = path;
    root = yaml_parse(fixture.arena, "a: 1\n", &fixture.mistakes);
    mistake_value(&fixture.mistakes, root->items[0], NULL, "wrong");
    texts(&fixture.mistakes, told, sizeof(told));
    assert_int_equal(strncmp(told, "...ddd", 6), 0);
    assert_non_null(strstr(told, "d/job.yaml:1:4: a: wrong\n"));
    end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_and_paths),
        cmocka_unit_test(nulls),
        cmocka_unit_test(empty_is_a_mapping),
        cmocka_unit_test(refused),
        cmocka_unit_test(bounds),
        cmocka_unit_test(put_replaces),
        cmocka_unit_test(flow_is_marked),
        cmocka_unit_test(mistakes_are_bounded),
        cmocka_unit_test(long_paths_keep_their_tail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
