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
    fuse_init(&world->fuse, limit, arena_new(world->arena, fuse_size(limit)));
}

static uint32_t know(struct world *world, uint64_t id)
{
    uint32_t item;

    fuse_know(&world->fuse, &id, 1, &item);
    return item;
}

/* Whether the item is a candidate from now on. */
static bool offer(struct world *world, uint64_t id, int64_t name)
{
    struct fuse_item *item = &world->fuse.items[know(world, id)];
    struct table_row *row;

    if (!item->asked) {
        row = arena_new(world->arena, sizeof(*row));
        row->size = key_from_i64(name, row->data);
        item->row = row;
        item->asked = true;
    }
    return fuse_meet(&world->fuse, know(world, id));
}

static void test_items(void **state)
{
    static const uint64_t own[] = {1, 5, 9};
    struct world world;

    (void)state;
    world_init(&world, 2);
    fuse_begin(&world.fuse, own, 3);
    assert_false(offer(&world, 5, 5)); /* the user's own */
    assert_true(offer(&world, 6, 6));
    assert_false(offer(&world, 6, 6)); /* is one already */
    assert_true(offer(&world, 7, 7));
    assert_false(offer(&world, 8, 8)); /* past the limit */
    assert_int_equal(world.fuse.offered, 2);
    assert_int_equal(world.fuse.order[0], know(&world, 6));
    fuse_begin(&world.fuse, NULL, 0); /* met is forgotten, known is not */
    assert_non_null(world.fuse.items[know(&world, 6)].row);
    assert_true(offer(&world, 5, 5));
    fuse_forget(&world.fuse);
    fuse_begin(&world.fuse, NULL, 0);
    assert_null(world.fuse.items[know(&world, 6)].row);
    world.fuse.request = UINT32_MAX; /* the numbers of requests and batches run over */
    world.fuse.era = UINT32_MAX;
    fuse_forget(&world.fuse);
    fuse_begin(&world.fuse, NULL, 0);
    assert_true(offer(&world, 5, 5));
    assert_int_equal(world.fuse.offered, 1);
    arena_close(world.arena);
}

/* As many own items as there may be leave room for all candidates, request after request. */
static void test_full(void **state)
{
    static uint64_t own[FUSE_OWN_MAX];
    struct world world;

    (void)state;
    world_init(&world, 100);
    for (uint64_t round = 0; round < 20; round++) {
        for (uint64_t i = 0; i < FUSE_OWN_MAX; i++)
            own[i] = hash_draw(4 * round + 1, i);
        fuse_begin(&world.fuse, own, FUSE_OWN_MAX);
        for (uint64_t i = 0; i < FUSE_RECENT_MAX; i++)
            assert_int_not_equal(know(&world, hash_draw(4 * round + 2, i)), FUSE_NOBODY);
        for (uint64_t i = 0; i < 100; i++)
            assert_true(offer(&world, hash_draw(4 * round + 3, i), (int64_t)i));
        for (uint64_t i = 0; i < 20000; i++) /* bounded, and all the same */
            assert_false(offer(&world, hash_draw(4 * round + 4, i), (int64_t)i));
        assert_int_equal(know(&world, 1), FUSE_NOBODY);
        assert_int_equal(world.fuse.offered, 100);
    }
    arena_close(world.arena);
}

/* An item without a row of `popularity` is no candidate, but counts as met. */
static void test_nameless(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, 2);
    fuse_begin(&world.fuse, NULL, 0);
    for (uint64_t i = 1; i <= 3; i++) {
        world.fuse.items[know(&world, i)].asked = true;
        assert_false(fuse_meet(&world.fuse, know(&world, i)));
    }
    assert_true(offer(&world, 10, 10));
    assert_false(offer(&world, 11, 11)); /* the fifth of four */
    arena_close(world.arena);
}

static void fill(struct world *world, struct fuse_line *line, uint32_t entries, double share)
{
    struct fuse *fuse = &world->fuse;

    line->count = 9;
    line->forward = 65536 * (10 + 5);
    line->backward = 65536 * (20 + 5);
    for (uint32_t i = 0; i < entries; i++) {
        uint32_t at = line->begin + i;

        fuse->entry_items[at] = know(world, i + 1);
        fuse->entry_together[at] = 4 + share * i;
        fuse->entry_forward[at] = 65536 * 2;
        fuse->entry_backward[at] = 65536;
        fuse->items[fuse->entry_items[at]].count = 16;
        (void)offer(world, i + 1, i + 1);
    }
    fuse_line_filled(fuse, line);
}

/* The formula, written out for one candidate at distances 0 and 12. */
static void test_add(void **state)
{
    struct world world;
    struct fuse_line *line;
    const struct fuse_item *item;

    (void)state;
    world_init(&world, 10);
    fuse_begin(&world.fuse, NULL, 0);
    line = fuse_line(&world.fuse, 1);
    fill(&world, line, 1, 0);
    item = &world.fuse.items[know(&world, 1)];
    fuse_add(&world.fuse, line, 0);
    assert_true(item->item == 4 / 12.0);
    assert_true(item->forward == 2 / 15.0);
    assert_true(item->backward == 1 / 25.0);
    fuse_add(&world.fuse, line, 12);
    assert_true(fabs(item->item - (4 / 12.0) * (1 + pow(0.9, 12))) < 1e-15);
    assert_true(item->forward == 2 / 15.0); /* nothing beyond distance 10 */
    world.fuse.items[know(&world, 1)].popular = 8;
    assert_int_equal(fuse_rank(&world.fuse, &weights, 5), 1);
    assert_true(fabs(world.fuse.ranked[0].score - 6.3) < 1e-12); /* best of each */
    arena_close(world.arena);
}

/* Long lines, and pieces in their stead, add the same to every entry, whatever stands beside it. */
static void test_lines(void **state)
{
    enum { ENTRIES = 1000 };
    struct world world;
    struct fuse_line *line, piece = {0};
    const struct fuse *fuse = &world.fuse;

    (void)state;
    world_init(&world, ENTRIES);
    fuse_begin(&world.fuse, NULL, 0);
    line = fuse_line(&world.fuse, ENTRIES);
    fill(&world, line, ENTRIES, 0.25);
    fuse_add(&world.fuse, line, 3);
    for (uint32_t i = 0; i < ENTRIES; i++)
        assert_true(fuse->items[know(&world, i + 1)].item ==
                    fuse->item_decay[3] * (4 + 0.25 * i) / 12.0);
    assert_null(fuse_line(&world.fuse, 1u << 20));
    fuse_piece(&piece, FUSE_PIECE);
    fill(&world, &piece, FUSE_PIECE, 0.25);
    fuse_add(&world.fuse, &piece, 3);
    for (uint32_t i = 0; i < FUSE_PIECE; i++)
        assert_true(fuse->items[know(&world, i + 1)].item ==
                    2 * (fuse->item_decay[3] * (4 + 0.25 * i) / 12.0));
    arena_close(world.arena);
}

static const struct fuse *ordered;

static int by_order(const void *left, const void *right)
{
    const struct fuse_ranked *a = left, *b = right;

    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return memcmp(ordered->items[a->item].row->data, ordered->items[b->item].row->data, 9);
}

static void test_rank(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct random random = {.state = seed};
        struct world world;
        uint32_t count = (uint32_t)random_below(&random, 300), top, got;
        struct fuse_ranked *all = memory_array(count, sizeof(*all));

        world_init(&world, 300);
        fuse_begin(&world.fuse, NULL, 0);
        for (uint32_t i = 0; i < count; i++) { /* few values, so that many are equal */
            struct fuse_item *item;

            assert_true(offer(&world, hash_draw(seed, i), (int64_t)i - 100));
            item = &world.fuse.items[know(&world, hash_draw(seed, i))];
            item->item = (double)random_below(&random, 4);
            item->popular = (double)random_below(&random, 2);
        }
        (void)fuse_rank(&world.fuse, &weights, count);
        memcpy(all, world.fuse.ranked, count * sizeof(*all));
        ordered = &world.fuse;
        qsort(all, count, sizeof(*all), by_order);
        top = 1 + (uint32_t)random_below(&random, 320);
        got = fuse_rank(&world.fuse, &weights, top);
        assert_int_equal(got, count < top ? count : top);
        for (uint32_t i = 0; i < got; i++)
            assert_int_equal(world.fuse.ranked[i].item, all[i].item);
        memory_free(all);
        arena_close(world.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items), cmocka_unit_test(test_full),  cmocka_unit_test(test_nameless),
        cmocka_unit_test(test_add),   cmocka_unit_test(test_lines), cmocka_unit_test(test_rank),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
