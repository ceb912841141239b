/* ranking_memory and own, with a small engine of their own: what of a ranking is untold through barriers,
 * kills and runs that publish nothing; and a ring in chunks. */
#include "operators/learn/ranking_memory.h"
#include "runtime/base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ITEMS 12u
#define CELLS 4096u
#define BLOCKS 256u

/* ---- the engine ---- */

struct cell {
    uint32_t state, size;
    uint8_t entry[16];
    void *data;
};

struct op {
    struct cell cells[CELLS];
    void *blocks[BLOCKS];
    uint32_t cell_count, block_count;
};

void *op_memory(struct op *op, size_t size)
{
    assert_true(op->block_count < BLOCKS);
    return op->blocks[op->block_count++] = memory_new(size);
}

uint64_t op_seed(const struct op *op)
{
    (void)op;
    return 7;
}

void *op_entry(struct op *op, uint32_t state, uint32_t row, const void *entry, uint32_t size,
               bool make)
{
    struct cell *cell = op->cells;

    (void)row;
    assert_true(size <= sizeof(cell->entry));
    for (; cell < op->cells + op->cell_count; cell++)
        if (cell->state == state && cell->size == size && memcmp(cell->entry, entry, size) == 0)
            return cell->data;
    if (!make)
        return NULL;
    assert_true(op->cell_count < CELLS);
    op->cell_count++;
    *cell =
        (struct cell){.state = state, .size = size, .data = memory_new(memory_states[state].size)};
    memcpy(cell->entry, entry, size);
    return cell->data;
}

bool error_option(struct error *err, const struct op *op, const char *option, const char *what,
                  const char *how)
{
    (void)op;
    return error_set(err, ERROR_CONFIG, option, how, "%s", what);
}

static void forget_blocks(struct op *op)
{
    while (op->block_count > 0)
        memory_free(op->blocks[--op->block_count]);
}

static void forget_all(struct op *op)
{
    forget_blocks(op);
    while (op->cell_count > 0)
        memory_free(op->cells[--op->cell_count].data);
}

/* ---- what is untold ---- */

struct learner {
    struct ranker ranker;
    struct catalogue catalogue;
    struct memory memory;
};

/* The operator begins again from what is in the state. */
static void begin(struct learner *learner, struct op *op, bool publishes)
{
    const struct ranker_limits limits = {ITEMS, ITEMS, EMBEDDING_PIECE, 2, false};
    struct error err = {0};

    forget_blocks(op);
    ranker_init(&learner->ranker, &limits, false, op_memory(op, ranker_size(&limits)));
    catalogue_init(&learner->catalogue, op, ITEMS);
    memory_init(&learner->memory, op, &learner->ranker, &learner->catalogue, 8, publishes);
    assert_true(memory_begin(&learner->memory, &err));
}

static void meet(struct learner *learner, uint32_t item)
{
    uint8_t bytes[KEY_SIZE_MAX];
    struct key key = {bytes, key_from_i64(item, bytes), 0};

    key.hash = hash_bytes(bytes, key.size);
    if (catalogue_find(&learner->catalogue, key.hash) == CATALOGUE_NONE)
        assert_int_equal(memory_add(&learner->memory, key.hash, &key), item);
    memory_touch(&learner->memory, item);
    learner->memory.window.pending = 1;
}

static void tell(struct learner *learner)
{
    memory_settle(&learner->memory.untold);
    learner->memory.window.pending = 0;
}

/* Items by bit. */
static uint32_t untold(const struct learner *learner)
{
    uint32_t bits = 0;

    for (uint32_t i = 0; i < learner->memory.untold.count; i++)
        bits |= 1u << learner->memory.untold.items[i];
    return bits;
}

static void test_untold(void **state)
{
    struct op *op = memory_new(sizeof(*op));
    struct learner *learner = memory_new(sizeof(*learner));

    (void)state;
    begin(learner, op, true);
    for (uint32_t item = 0; item < 5; item++)
        meet(learner, item);
    assert_int_equal(untold(learner), 0x1f);
    assert_true(memory_flush(&learner->memory));
    begin(learner, op, true); /* none of them is lost in the middle of a window */
    assert_int_equal(untold(learner), 0x1f);
    assert_int_equal(learner->memory.window.pending, 1);
    tell(learner);
    meet(learner, 2);
    assert_true(memory_flush(&learner->memory));
    meet(learner, 3); /* after the barrier */
    assert_int_equal(untold(learner), 0xc);
    begin(learner, op, true); /* none comes twice */
    assert_int_equal(untold(learner), 0x4);
    tell(learner);
    assert_true(memory_flush(&learner->memory));
    begin(learner, op, true);
    assert_int_equal(untold(learner), 0);
    assert_int_equal(learner->memory.window.pending, 0);
    begin(learner, op, false); /* item 4 changes without a word */
    meet(learner, 4);
    assert_true(memory_flush(&learner->memory));
    begin(learner, op, true);
    assert_int_equal(untold(learner), 0x1f);
    forget_all(op);
    memory_free(learner);
    memory_free(op);
}

/* ---- what a user has met ---- */

static void test_own(void **state)
{
    static uint64_t ids[OWN_MAX];
    static uint32_t numbers[OWN_MAX];
    struct op *op = memory_new(sizeof(*op));
    struct own_map maps[2] = {{op, MEMORY_USERS, sizeof(ids[0])},
                              {op, MEMORY_USERS, sizeof(numbers[0])}};
    void *items[2] = {ids, numbers};
    uint32_t count;

    (void)state;
    for (uint32_t m = 0; m < 2; m++) {
        struct own *own = own_read(&maps[m], 0, m, items[m], &count);

        assert_int_equal(count, 0);
        for (uint64_t i = 0; i <= OWN_MAX; i++) {
            uint64_t id = i << 32 | (i + 1);
            uint32_t number = (uint32_t)i + 1;

            assert_true(own_add(&maps[m], 0, m, own, m == 0 ? (void *)&id : (void *)&number));
        }
    }
    assert_non_null(own_read(&maps[0], 0, 0, ids, &count));
    assert_int_equal(count, OWN_MAX); /* the oldest is gone */
    assert_non_null(own_read(&maps[1], 0, 1, numbers, &count));
    for (uint64_t i = 0; i < OWN_MAX; i++) {
        uint64_t at = i == 0 ? OWN_MAX : i;

        assert_true(ids[i] == (at << 32 | (at + 1)));
        assert_int_equal(numbers[i], at + 1);
    }
    forget_all(op);
    memory_free(op);
}

static void test_may_ask(void **state)
{
    struct own own = {0};

    (void)state;
    assert_true(own_may_ask(&own, 10, -100)); /* never before */
    assert_false(own_may_ask(&own, 10, -91));
    assert_true(own_may_ask(&own, 10, -90));
    assert_false(own_may_ask(&own, 10, -81)); /* since the last that might */
    assert_true(own_may_ask(&own, 0, -81));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_untold),
        cmocka_unit_test(test_own),
        cmocka_unit_test(test_may_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
