/* Link traces: what a file's lines mean, which kind a path is of, and how a trace is replayed. */
#include "operators/model/link_traces.h"
#include "operators/model/world.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static void test_seconds(void **state)
{
    static const char text[] = "# seconds, Mbit/s\n"
                               "\n"
                               "100.0 9\n" /* its throughput was before the trace */
                               "100.5, 4\r\n"
                               "102.0\t2\n"
                               "103.9 0";
    static const float means[] = {(4 * .5f + 2 * .5f), 2, LINK_MBITS_MIN};
    struct arena *arena = arena_create(256);
    struct link_trace trace;
    struct error err = {0};

    (void)state;
    assert_true(link_trace_parse(text, arena, &trace, &err));
    assert_int_equal(trace.seconds, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_float_equal(trace.mbits[i], means[i], 1e-6);
    arena_close(arena);
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *text, *what;
    } bad[] = {
        {"", "0 lines are less than a second"},
        {"1 2\n", "1 lines are less than a second"},
        {"0 1\n0.5 1\n", "2 lines are less than a second"},
        {"0 1\nseconds mbits\n", "line 2: not two numbers"},
        {"0 1\n\n# no\n2\n", "line 4: not two numbers"},
        {"0 1\n2 3 4\n", "line 2: not two numbers"},
        {"0 1\n2 nan\n", "line 2: not two numbers"},
        {"0 1\n2 -3\n", "line 2: no throughput"},
        {"0 1\n2 1e9\n", "line 2: no throughput"},
        {"0 1\n2 3\n2 3\n", "line 3: its time is not after"},
        {"0 1\n2 3\n90000 3\n", "line 3: it is over a day"},
    };
    struct arena *arena = arena_create(256);
    struct link_trace trace;

    (void)state;
    for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct error err = {0};
        assert_false(link_trace_parse(bad[i].text, arena, &trace, &err));
        if (!strstr(err.what, bad[i].what) || !err.how[0])
            fail_msg("\"%s\": %s", bad[i].text, err.what);
        assert_false(link_trace_parse(bad[i].text, arena, &trace, NULL));
    }
    arena_close(arena);
}

static void test_kinds(void **state)
{
    static const struct {
        const char *path;
        enum link_kind kind;
    } paths[] = {
        {"norway_metro_6", LINK_METRO},
        {"cooked_traces/tram.ljabru-report.2011-02-02_1345CET.log", LINK_TRAM},
        {"bus.txt", LINK_BUS},
        {"train/1.txt", LINK_TRAIN},
        {"bus/Car.csv", LINK_CAR},
        {"x/ferry/y/1", LINK_FERRY},
        {"trace_10322_http---edition.cnn.com", LINK_BROADBAND},
        {"fcc/trace_7", LINK_BROADBAND},
        {"WiFi/trace_7", LINK_BROADBAND},
        {"traces_oboe/oboe_trace_9.txt", LINK_OBOE},
    };
    static const char *const none[] = {
        "", "README.md", "cars", "traces/1.txt", "busy/x", "fcc/LICENCE", "metro/Readme.txt"};
    enum link_kind kind = LINK_METRO;

    (void)state;
    for (uint32_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        assert_true(link_trace_kind(paths[i].path, &kind));
        assert_int_equal(kind, paths[i].kind);
    }
    for (uint32_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_false(link_trace_kind(none[i], &kind));
}

static void put(const char *folder, const char *name, const char *text)
{
    char path[512];
    FILE *file;

    assert_true((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) < sizeof(path));
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_folder(void **state)
{
    struct arena *arena = arena_create(1024);
    const struct link_traces *traces;
    struct error err = {0};
    char folder[] = "/tmp/link_traces_test-XXXXXX", text[256];

    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_null(link_traces_read(folder, arena, &err));
    assert_non_null(strstr(err.what, "no file in it is a link trace"));
    (void)snprintf(text, sizeof(text), "%s/metro", folder);
    assert_int_equal(mkdir(text, 0700), 0);
    put(folder, "README.md", "Not a trace.\n");
    put(folder, "metro/b", "0 1\n2 1\n");
    put(folder, "metro/a", "0 1\n3 2\n");
    put(folder, "z_metro", "0 1\n4 3\n");
    put(folder, "oboe", "0 1\n5 3\n");
    traces = link_traces_read(folder, arena, &err);
    assert_non_null(traces);
    assert_int_equal(traces->kinds[LINK_METRO].count, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(traces->kinds[LINK_METRO].traces[i].seconds, i == 0 ? 3 : 2 * i);
    assert_int_equal(traces->kinds[LINK_OBOE].count, 1);
    assert_int_equal(traces->kinds[LINK_BUS].count, 0);
    put(folder, "bus", "nothing\n");
    assert_null(link_traces_read(folder, arena, &err));
    assert_non_null(strstr(err.where, "/bus"));
    assert_non_null(strstr(err.what, "line 1: not two numbers"));
    assert_null(link_traces_read("/no/such/folder", arena, &err));
    assert_string_equal(err.where, "/no/such/folder");
    (void)snprintf(text, sizeof(text), "rm -r %s", folder);
    assert_int_equal(system(text), 0);
    arena_close(arena);
}

static void test_replay(void **state)
{
    float mbits[7];
    struct link_trace trace = {7, mbits};
    struct link link = {.rtt_ms = 50};
    double sum = 0;

    (void)state;
    for (uint32_t i = 0; i < 7; i++)
        mbits[i] = (float)i + 1;
    link_replay_past(&link, &trace, 5, 2);
    link_next(&link);
    for (uint32_t i = 0; i < LINK_SECONDS; i++)
        assert_float_equal(link.mbits[i], 2.0 * ((5 + i) % 7 + 1), 1e-12);
    for (uint32_t i = 0; i < LINK_PAST; i++)
        sum += link.mbits[i];
    assert_float_equal(link.mean, sum / LINK_PAST, 1e-12);
    assert_float_equal(link.q20, 4, 1e-12);
    link_draw_past(&link, LINK_OBOE, 1, 1, 2); /* and back to a drawn one */
    link_next(&link);
    assert_null(link.trace);
}

/* A session's later requests stand where its time has come to in the same trace. */
static void test_session(void **state)
{
    static float mbits[3600];
    struct link_trace trace = {3600, mbits};
    struct link_traces traces = {.kinds[LINK_OBOE] = {1, &trace},
                                 .kinds[LINK_BROADBAND] = {1, &trace}};
    struct world_options options;
    struct world *world;
    struct world_user user;
    uint32_t met = 0;

    (void)state;
    for (uint32_t i = 0; i < 3600; i++)
        mbits[i] = (float)i + 1;
    option_defaults(world_option_table, &options);
    world = memory_new(world_size(&options));
    world_init(world, &options);
    world->traces = &traces;
    world_user_make(world, 3, &user);
    for (int64_t hour = 0; hour < 24 * 60; hour++)
        for (uint32_t i = 1; i < world_request_count(world, &user, hour); i++) {
            static const double times[] = {
                [NET_WIFI] = 6, [NET_5G] = 10, [NET_4G] = 4, [NET_3G] = 1};
            struct world_context first, context;
            double apart;

            world_context_make(world, &user, hour, 0, &first);
            world_context_make(world, &user, hour, i, &context);
            if (context.place == PLACE_COMMUTE && context.net != NET_WIFI)
                continue; /* drawn */
            world_link_past(world, &user, &first);
            world_link_past(world, &user, &context);
            apart = (context.link.mbits[0] - first.link.mbits[0]) / times[context.net];
            if (apart < 0)
                apart += 3600;
            assert_float_equal(apart, floor((double)(context.ts_ms - first.ts_ms) / 1000), 1e-6);
            met++;
        }
    assert_true(met > 10);
    memory_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seconds), cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_kinds),   cmocka_unit_test(test_folder),
        cmocka_unit_test(test_replay),  cmocka_unit_test(test_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
