/* Writes what tests/bench/join.py runs on: impressions, or their clicks, as CSV.
 *
 *   bench-joins shown|clicks IMPRESSIONS > FILE.csv
 *
 * Eight impressions a request, a request each 50 ms, 17 columns as a shop logs them; one in twenty is
 * clicked up to 100 s later. Clicks are in the order of their impressions. */
#include "runtime/base/hash.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_MS INT64_C(1700000000000)
#define PAGE 8u
#define STEP_MS 50
#define CLICKED 20u
#define LATER_MS 100000u

struct shown {
    int64_t ts_ms;
    uint64_t request, item;
};

static struct shown shown_of(uint64_t number)
{
    return (struct shown){START_MS + (int64_t)(number / PAGE) * STEP_MS, number / PAGE,
                          hash_draw(3, number) % 100000 * PAGE + number % PAGE};
}

static void print_shown(uint64_t number)
{
    static const char *const places[] = {"home", "work", "commute", "travel"};
    struct shown shown = shown_of(number);
    uint64_t draw = hash_draw(1, shown.request), own = hash_draw(2, number);

    (void)printf(
        "%" PRId64 ",%" PRIu64 ",%" PRIu64 ",%u,%u,%u,%s,%u,%u,%u,0.%03u,0.%03u,%u.5,%u.25,"
        "%u.125,%s,%s\n",
        shown.ts_ms, shown.request, shown.item, (unsigned)(draw % 100000),
        (unsigned)(number % PAGE) + 1, (unsigned)(own % 12), places[draw >> 20 & 3],
        (unsigned)(draw >> 24) % 24, (unsigned)(draw >> 30) % 7, (unsigned)(draw >> 34) % 300,
        (unsigned)(own >> 8) % 1000, (unsigned)(own >> 20) % 1000, (unsigned)(own >> 32) % 5,
        (unsigned)(own >> 36) % 3, (unsigned)(own >> 40) % 2, draw >> 48 & 7 ? "false" : "true",
        draw >> 51 & 1 ? "wifi" : "4g");
}

static void print_click(uint64_t number)
{
    struct shown shown = shown_of(number);
    uint64_t draw = hash_draw(4, number);
    unsigned since_ms = (unsigned)(draw >> 32) % LATER_MS;

    if (draw % CLICKED == 0)
        (void)printf("%" PRId64 ",%" PRIu64 ",%" PRIu64 ",%u\n", shown.ts_ms + since_ms,
                     shown.request, shown.item, since_ms);
}

int main(int argc, char **argv)
{
    uint64_t count = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    bool shown = argc == 3 && strcmp(argv[1], "shown") == 0;

    if (count == 0 || count > 1000000000 || (!shown && strcmp(argv[1], "clicks") != 0)) {
        (void)fprintf(stderr, "usage: bench-joins shown|clicks IMPRESSIONS\n");
        return 2;
    }
    (void)puts(shown
                   ? "ts,rec_id,item_id,user_id,position,category,place,hour,weekday,day,p_served,"
                     "propensity,base,time,network,explore,net"
                   : "ts,rec_id,item_id,since_ms");
    for (uint64_t i = 0; i < count; i++)
        (shown ? print_shown : print_click)(i);
    return 0;
}
