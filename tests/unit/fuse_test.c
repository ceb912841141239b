/* fuse: candidates, limits, own items and the order of the result, against a plain sort. Rows of the
 * popularity table are keys of our own. */
#include "operators/score/fuse.h"

#include "runtime/base/hash.h"
#include "runtime/base/memory.h"
#include "runtime/base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct table_row {
    uint8_t data[16];
    uint32_t size;
};

struct key table_row_key(const struct table_row *row)
{
    return (struct key){.data = row->data, .size = row->size};
}

static const struct fuse_weights weights = {3.0, 1.5, 1.2, 0.6};

struct world {
    struct fuse fuse;
    struct arena *arena;
};

static void world_init(struct world *world, uint32_t limit)
{
    world->arena = arena_create(1 << 20);
    fuse_init(&world->fuse, limit, arena_new(world->arena, fuse_slots_size(limit)),
              arena_new(world->arena, fuse_candidates_size(limit)));
}

static struct candidate *offer(struct world *world, uint64_t id, int64_t name)
{
    bool fresh;
    struct fuse_slot *slot = fuse_find(&world->fuse, id, &fresh);
    struct candidate *candidate = slot && fresh ? fuse_offer(&world->fuse, slot) : NULL;
    struct table_row *row;

    if (!candidate)
        return NULL;
    row = arena_new(world->arena, sizeof(*row));
    row->size = key_from_i64(name, row->data);
    candidate->popularity = row;
    return candidate;
}

static void test_slots(void **state)
{
    static const uint64_t own[] = {1, 5, 9};
    struct world world;
    bool fresh;

    (void)state;
    world_init(&world, 2);
    fuse_begin(&world.fuse, own, 3);
    assert_null(offer(&world, 5, 5)); /* the user's own */
    assert_non_null(offer(&world, 6, 6));
    assert_int_equal(fuse_find(&world.fuse, 6, &fresh)->place, 0);
    assert_false(fresh);
    assert_non_null(offer(&world, 7, 7));
    assert_null(offer(&world, 8, 8)); /* past the limit */
    assert_int_equal(world.fuse.count, 2);
    fuse_begin(&world.fuse, NULL, 0); /* all of that is forgotten */
    assert_non_null(offer(&world, 5, 5));
    world.fuse.request = UINT32_MAX; /* the number of requests runs over */
    fuse_begin(&world.fuse, NULL, 0);
    assert_non_null(offer(&world, 5, 5));
    assert_int_equal(world.fuse.count, 1);
    arena_close(world.arena);
}

/* As many own items as there may be leave room for all candidates. */
static void test_full(void **state)
{
    static uint64_t own[FUSE_OWN_MAX];
    struct world world;

    (void)state;
    world_init(&world, 100);
    for (uint64_t i = 0; i < FUSE_OWN_MAX; i++)
        own[i] = hash_draw(1, i);
    fuse_begin(&world.fuse, own, FUSE_OWN_MAX);
    for (uint64_t i = 0; i < 100; i++)
        assert_non_null(offer(&world, hash_draw(2, i), (int64_t)i));
    for (uint64_t i = 0; i < 1000; i++) /* looked at, but not offered: bounded too */
        assert_null(offer(&world, hash_draw(3, i), (int64_t)i));
    arena_close(world.arena);
}

/* The formula, written out for one candidate at distances 0 and 12. */
static void test_add(void **state)
{
    static const int64_t together[] = {4}, forward[] = {65536 * 2}, backward[] = {65536};
    const struct fuse_row row = {.count = 9,
                                 .forward = 65536 * 10,
                                 .backward = 65536 * 20,
                                 .entries = 1,
                                 .together = together,
                                 .entry_forward = forward,
                                 .entry_backward = backward};
    struct world world;
    struct candidate *candidate;

    (void)state;
    world_init(&world, 10);
    fuse_begin(&world.fuse, NULL, 0);
    candidate = offer(&world, 1, 1);
    fuse_add(&world.fuse, candidate, &row, 0, 0, sqrt(9.0 * 16));
    assert_true(candidate->item == 4 / 12.0);
    assert_true(candidate->forward == 2 / 15.0);
    assert_true(candidate->backward == 1 / 25.0);
    fuse_add(&world.fuse, candidate, &row, 0, 12, 12);
    assert_true(fabs(candidate->item - (4 / 12.0) * (1 + pow(0.9, 12))) < 1e-15);
    assert_true(candidate->forward == 2 / 15.0); /* nothing beyond distance 10 */
    candidate->popular = 8;
    assert_int_equal(fuse_rank(&world.fuse, &weights, 5), 1);
    assert_true(fabs(world.fuse.candidates[0].score - 6.3) < 1e-12); /* best of each */
    arena_close(world.arena);
}

static int by_order(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;

    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return memcmp(table_row_key(a->popularity).data, table_row_key(b->popularity).data, 9);
}

static void test_rank(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct random random = {.state = seed};
        struct world world;
        uint32_t count = (uint32_t)random_below(&random, 300), top, got;
        struct candidate *all = memory_array(count, sizeof(*all));

        world_init(&world, 300);
        fuse_begin(&world.fuse, NULL, 0);
        for (uint32_t i = 0; i < count; i++) { /* few values, so that many are equal */
            struct candidate *candidate = offer(&world, hash_draw(seed, i), (int64_t)i - 100);
            candidate->item = (double)random_below(&random, 4);
            candidate->popular = (double)random_below(&random, 2);
        }
        top = 1 + (uint32_t)random_below(&random, 320);
        got = fuse_rank(&world.fuse, &weights, top);
        assert_int_equal(got, count < top ? count : top);
        memcpy(all, world.fuse.candidates, count * sizeof(*all));
        qsort(all, count, sizeof(*all), by_order);
        for (uint32_t i = 0; i < got; i++)
            assert_int_equal(world.fuse.candidates[i].id, all[i].id);
        memory_free(all);
        arena_close(world.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_rank),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
