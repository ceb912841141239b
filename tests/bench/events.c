/* Writes the events that tests/bench/engine.py runs on: JSON lines of about 150 bytes and 8 fields,
 * in order of time but for a disorder of 50 ms, 1 % of them sent twice.
 *
 *   bench-events COUNT SEED > events.jsonl
 *
 * 1,000 events a second of event time; 1,000 items, so that a window of 60 s every 10 s gives 0.1
 * rows for each event. */
#include "runtime/base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ITEMS 1000
#define USERS 100000
#define START_MS INT64_C(1700000000000)

static void event_print(uint64_t number, uint64_t seed)
{
    static const char *const types[] = {"view", "cart", "like", "buy"};
    uint64_t draw = hash_draw(seed, number), other = hash_draw(seed + 1, number);

    (void)printf(
        "{\"event_id\":\"e%012" PRIu64 "\",\"user\":%u,\"item\":\"i%06u\",\"category\":"
        "\"c%02u\",\"type\":\"%s\",\"price\":%u.%02u,\"session\":\"s%07u\",\"ts\":%" PRId64 "}\n",
        number, (unsigned)(draw % USERS), (unsigned)((draw >> 20) % ITEMS),
        (unsigned)((draw >> 20) % ITEMS % 20), types[(draw >> 40) % 4], (unsigned)(other % 500),
        (unsigned)((other >> 12) % 100), (unsigned)((other >> 20) % 1000000),
        START_MS + (int64_t)number + (int64_t)((other >> 44) % 50));
}

int main(int argc, char **argv)
{
    uint64_t count, seed;

    if (argc != 3) {
        (void)fprintf(stderr, "usage: bench-events COUNT SEED\n");
        return 2;
    }
    count = strtoull(argv[1], NULL, 10);
    seed = strtoull(argv[2], NULL, 10);
    for (uint64_t i = 0; i < count; i++) {
        event_print(i, seed);
        if (hash_draw(seed + 2, i) % 100 == 0)
            event_print(i, seed);
    }
    return 0;
}
