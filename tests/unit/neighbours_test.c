/* neighbours: rows of co-visits against a naive list, also at the limit. */
#include "operators/feature/neighbours.h"

#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "runtime/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ENTRIES 400

struct naive {
    uint64_t other;
    int64_t together, forward, backward, direct;
};

static int by_rank(const void *left, const void *right)
{
    const struct naive *a = left, *b = right;

    if (a->together != b->together)
        return a->together > b->together ? -1 : 1;
    if (a->forward + a->backward != b->forward + b->backward)
        return a->forward + a->backward > b->forward + b->backward ? -1 : 1;
    return a->other < b->other ? -1 : 1;
}

static uint32_t naive_add(struct naive *list, uint32_t count, uint64_t other, uint32_t distance,
                          bool forward, uint32_t limit)
{
    uint32_t at = 0;

    while (at < count && list[at].other != other)
        at++;
    if (at == count) {
        if (count == limit) {
            qsort(list, count, sizeof(*list), by_rank);
            count--;
        }
        at = count++;
        list[at] = (struct naive){.other = other};
    }
    list[at].together++;
    list[at].direct += forward && distance == 0;
    *(forward ? &list[at].forward : &list[at].backward) += neighbours_weight(distance);
    return count;
}

static struct neighbours *row_create(void)
{
    return memory_new(sizeof(struct neighbours) + ENTRIES * sizeof(struct neighbour));
}

static void compare(const struct neighbours *row, struct naive *list, uint32_t count, uint32_t keep)
{
    unsigned __int128 ranks[ENTRIES];
    uint32_t chosen[ENTRIES];
    uint32_t kept = neighbours_choose(row, keep, ranks, chosen);

    assert_int_equal(row->used, count);
    assert_int_equal(kept, count < keep ? count : keep);
    qsort(list, count, sizeof(*list), by_rank);
    for (uint32_t i = 1; i < kept; i++)
        assert_true(chosen[i - 1] < chosen[i]);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t place = neighbours_place(row, list[i].other), at = 0;
        const struct neighbour *entry = &row->entries[place];
        assert_true(place < row->used && entry->other == list[i].other);
        assert_int_equal(entry->together, list[i].together);
        assert_int_equal(entry->forward, list[i].forward);
        assert_int_equal(entry->backward, list[i].backward);
        assert_int_equal(entry->direct, list[i].direct);
        while (at < kept && chosen[at] != place)
            at++;
        assert_int_equal(at < kept, i < kept); /* the first `keep` in order, and no others */
    }
}

static void run(uint64_t seed)
{
    struct random random = {.state = seed};
    struct naive list[ENTRIES];
    struct neighbours *row = row_create();
    uint32_t count = 0, limit = 1 + (uint32_t)random_below(&random, ENTRIES);
    uint64_t others = 1 + random_below(&random, 2 * limit);
    int64_t forward_sum = 0, backward_sum = 0, direct_sum = 0;

    for (int i = 0; i < 1500; i++) {
        uint64_t other = hash_draw(seed, random_below(&random, others));
        uint32_t distance = (uint32_t)random_below(&random, 20);
        bool forward = random_below(&random, 2), full = count == limit;
        uint32_t place = neighbours_place(row, other);
        bool there = place < row->used && row->entries[place].other == other;
        bool forgot = neighbours_add(row, other, distance, forward, limit);
        assert_int_equal(forgot, full && !there);
        count = naive_add(list, count, other, distance, forward, limit);
        *(forward ? &forward_sum : &backward_sum) += neighbours_weight(distance);
        direct_sum += forward && distance == 0;
    }
    assert_int_equal(row->direct, direct_sum);
    assert_int_equal(row->forward, forward_sum);
    assert_int_equal(row->backward, backward_sum);
    compare(row, list, count, 1);
    compare(row, list, count, 1 + (uint32_t)random_below(&random, count));
    compare(row, list, count, ENTRIES);
    memory_free(row);
}

static void test_against_naive(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++)
        run(seed);
}

/* Who is kept where most, some or none have met very often: fewer than `keep` are better. */
static void test_often_together(void **state)
{
    static unsigned __int128 ranks[ENTRIES];
    static uint32_t chosen[ENTRIES];
    struct neighbours *row = memory_new(sizeof(*row) + ENTRIES * sizeof(row->entries[0]));

    (void)state;
    row->used = ENTRIES;
    for (uint32_t spread = 1; spread <= 601; spread += 100) {
        for (uint32_t i = 0; i < ENTRIES; i++)
            row->entries[i] = (struct neighbour){.other = i,
                                                 .together = (1 + hash_draw(spread, i) % spread) &
                                                             NEIGHBOUR_TOGETHER_MAX,
                                                 .forward = i % 7};
        for (uint32_t keep = 1; keep < ENTRIES; keep += 31) {
            assert_int_equal(neighbours_choose(row, keep, ranks, chosen), keep);
            for (uint32_t i = 0; i < keep; i++) {
                const struct neighbour *a = &row->entries[chosen[i]];
                uint32_t better = 0;

                for (uint32_t k = 0; k < ENTRIES; k++) {
                    const struct neighbour *b = &row->entries[k];
                    better += b->together != a->together ? b->together > a->together
                              : b->forward != a->forward ? b->forward > a->forward
                                                         : b->other < a->other;
                }
                assert_true(better < keep);
            }
        }
    }
    memory_free(row);
}

static void test_weights(void **state)
{
    (void)state;
    assert_int_equal(neighbours_weight(0), 65536);
    assert_int_equal(neighbours_weight(10), 1851);
    assert_int_equal(neighbours_weight(11), 0);
    assert_int_equal(neighbours_weight(UINT32_MAX), 0);
}

/* Sums take 40 bits in an entry, counts 24. */
static void test_large_sums(void **state)
{
    struct neighbours *row = row_create();

    (void)state;
    assert_false(neighbours_add(row, 7, 0, true, 1));
    row->entries[0].together = row->entries[0].direct = NEIGHBOUR_TOGETHER_MAX - 1;
    row->entries[0].forward = (UINT64_C(1) << 40) - (2u << 16);
    assert_false(neighbours_add(row, 7, 0, true, 1));
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(row->entries[0].forward, (UINT64_C(1) << 40) - (1u << 16));
        assert_int_equal(row->entries[0].together, NEIGHBOUR_TOGETHER_MAX);
        assert_int_equal(row->entries[0].direct, NEIGHBOUR_TOGETHER_MAX);
        assert_false(neighbours_add(row, 7, 0, true, 1)); /* counted no further */
    }
    assert_int_equal(row->direct, 4);
    memory_free(row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_naive),
        cmocka_unit_test(test_often_together),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_large_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
