/* The info verb: exit status, and what goes to which stream. */
#include "runtime/cli/info.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/plan_ops.h"

#define ARGS_MAX 8

#define JOB "job: {name: t}\noperators:\n"
#define SOURCE(more) "  - {id: s, kind: test/source, path: gone.csv, schema: {user: i64}" more "}\n"

static const struct verb_case {
    const char *name;
    const char *args[ARGS_MAX]; /* JOB_FILE stands for the file with `job` */
    const char *job;
    int status;
    const char *out, *err; /* parts of the streams; NULL: nothing there */
} cases[] = {
    {"kinds", {NULL}, NULL, 0, "  test/sink                Takes rows.\n", NULL},
    {"help", {"--help"}, NULL, 0, "usage: millrace info", NULL},
    {"kind", {"test/count"}, NULL, 0, "test/count: Counts rows.\n", NULL},
    {"unknown kind", {"test/cuont"}, NULL, 2, NULL, "did you mean \"test/count\""},
    {"unknown family", {"tets/cuont"}, NULL, 2, NULL, "`millrace info` lists the kinds"},
    {"flags of a job", {"test/count", "-p", "2"}, NULL, 2, NULL, "-p and -D go with a job file"},
    {"flags of no job", {"-D", "a.b=c"}, NULL, 2, NULL, "-p and -D go with a job file"},
    {"plug-in", {"./absent.so"}, NULL, 2, NULL, "plug-in \"./absent.so\" cannot be loaded"},
    {"no such file", {"absent.yaml"}, NULL, 2, NULL, "absent.yaml: "},
    {"two names", {"test/count", "test/map"}, NULL, 2, NULL, "\"test/map\" is a second name"},
    {"parallelism", {"-p", "0", "test/map"}, NULL, 2, NULL, "\"0\" is not a number from 1"},
    {"unknown flag", {"--slots", "2"}, NULL, 2, NULL, "--slots is not a flag of it; see"},
    {"misspelt flag", {"--paralelism=2"}, NULL, 2, NULL, "did you mean --parallelism; see"},
    {"unknown letter", {"-q"}, NULL, 2, NULL, "-q is not a flag of it; see"},
    {"flag without value", {"--define"}, NULL, 2, NULL, "--define needs a value"},
    {"flag with value", {"--help=me"}, NULL, 2, NULL, "--help takes no value"},
    {"job", {"JOB_FILE"}, JOB SOURCE(""), 0, "\ndeterministic: yes\n", NULL},
    {"job with flags",
     {"JOB_FILE", "-p", "3", "-D", "s.splits=7", "-Djob.name=other"},
     JOB SOURCE(""),
     0,
     "job: other\n",
     NULL},
    {"bad job", {"JOB_FILE"}, JOB SOURCE(", pth: x"), 2, NULL, ":3:69: operators[0].pth: there is"},
    {"bad override", {"JOB_FILE", "-D", "x"}, JOB SOURCE(""), 2, NULL, "-D x: there is no = in it"},
    {"input not there",
     {"JOB_FILE"},
     JOB SOURCE(", missing: true"),
     0,
     "    splits: none known\n",
     "gone.csv: no such file\nnote: the plan is shown as if each source had several splits\n"},
    {"input not there and bad",
     {"JOB_FILE"},
     JOB SOURCE(", missing: true, pth: x"),
     2,
     NULL,
     "operators[0].pth: there is"},
};

/* Everything written to a temporary file. */
static char *read_all(FILE *file)
{
    struct bytes text = {0};
    char block[4096];
    size_t got;

    rewind(file);
    while ((got = fread(block, 1, sizeof(block), file)) > 0)
        bytes_put(&text, block, got);
    bytes_put(&text, "", 1);
    return (char *)text.data;
}

static int run(const struct verb_case *verb, const char *path, char **out, char **err)
{
    char *argv[ARGS_MAX + 2] = {(char *)"info"};
    int argc = 1, status, saved_out, saved_err;
    FILE *files[2] = {tmpfile(), tmpfile()};

    for (; argc <= ARGS_MAX && verb->args[argc - 1]; argc++)
        argv[argc] =
            (char *)(strcmp(verb->args[argc - 1], "JOB_FILE") == 0 ? path : verb->args[argc - 1]);
    assert_non_null(files[0]);
    assert_non_null(files[1]);
    fflush(NULL);
    saved_out = dup(STDOUT_FILENO);
    saved_err = dup(STDERR_FILENO);
    dup2(fileno(files[0]), STDOUT_FILENO);
    dup2(fileno(files[1]), STDERR_FILENO);
    status = info_run(argc, argv);
    fflush(NULL);
    dup2(saved_out, STDOUT_FILENO);
    dup2(saved_err, STDERR_FILENO);
    close(saved_out);
    close(saved_err);
    *out = read_all(files[0]);
    *err = read_all(files[1]);
    fclose(files[0]);
    fclose(files[1]);
    return status;
}

static void check_stream(const char *name, const char *text, const char *part)
{
    bool good = part ? strstr(text, part) != NULL : !*text;

    if (!good)
        print_error("case: %s: expected %s in:\n%s", name, part ? part : "nothing", text);
    assert_true(good);
}

static void verb(void **state)
{
    char path[] = "/tmp/millrace-info-XXXXXX";
    int file = mkstemp(path);

    (void)state;
    assert_true(file >= 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *job = cases[i].job ? cases[i].job : "";
        char *out, *err;

        assert_int_equal(ftruncate(file, 0), 0);
        assert_int_equal(pwrite(file, job, strlen(job), 0), strlen(job));
        int status = run(&cases[i], path, &out, &err);
        check_stream(cases[i].name, out, cases[i].out);
        check_stream(cases[i].name, err, cases[i].err);
        assert_int_equal(status, cases[i].status);
        memory_free(out);
        memory_free(err);
    }
    close(file);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(verb)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
