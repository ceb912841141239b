/* The store in memory, against a naive model (store_world.h). */
#include "store_world.h"

static void test_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct world *world = world_create(seed, 0, 0);

        print_message("seed %d\n", (int)seed);
        world_run(world, 3000);
        assert_int_equal(world->spilled, 0);
        assert_true(world->restores > 0);
        world_close(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
