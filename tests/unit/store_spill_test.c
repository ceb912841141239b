/* The store with budgets so small that nearly everything leaves memory, against a naive model. */
#include "store_world.h"

static void test_model(void **state)
{
    static const uint64_t budgets[] = {64 << 10, 200 << 10, 1 << 20};
    uint64_t loaded = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct world *world = world_create(seed, budgets[seed % 3], 0);

        print_message("seed %d\n", (int)seed);
        world_run(world, 3000);
        world_figures(world);
        assert_true(world->spilled > 0 || world->memory_bytes > 200 << 10);
        loaded += world->loaded;
        world_close(world);
    }
    assert_true(loaded > 0);
}

/* With threads; the seed decides the operations, not the schedule. */
static void test_threads(void **state)
{
    (void)state;
    for (uint64_t seed = 20; seed <= 22; seed++) {
        struct world *world = world_create(seed, 200 << 10, 2);

        print_message("seed %d\n", (int)seed);
        world_run(world, 1500);
        world_close(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
        cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
