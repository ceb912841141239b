/* Writes the events that tests/bench/keys.py runs on: lines `key,amount,ts` in order of time.
 *
 *   bench-keys KEYS > events.csv
 *
 * Each of the keys comes twice, far apart and in two different orders. A day of event time, the
 * window of keys.yaml, has 1.5 events for each key: so the first window holds all keys, half of them
 * twice, and the second one half of them. */
#include "runtime/base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define START_MS INT64_C(1699920000000) /* a midnight */
#define DAY_MS UINT64_C(86400000)

/* Primes: as factors they permute the keys, of which there are fewer. */
static const uint64_t steps[] = {2654435761, 3266489917};

int main(int argc, char **argv)
{
    uint64_t keys = argc == 2 ? strtoull(argv[1], NULL, 10) : 0;

    if (keys == 0 || keys > 1000000000) {
        (void)fprintf(stderr, "usage: bench-keys KEYS\n");
        return 2;
    }
    (void)puts("key,amount,ts");
    for (uint64_t i = 0; i < 2 * keys; i++) {
        uint64_t amount = hash_draw(1, i);

        (void)printf("%" PRIu64 ",%u.%02u,%" PRId64 "\n", i * steps[i / keys] % keys,
                     (unsigned)(amount % 500), (unsigned)((amount >> 12) % 100),
                     START_MS + (int64_t)(i * DAY_MS / (keys + keys / 2)));
    }
    return 0;
}
