/* ids: identities of any part of a column are those of the whole. */
#include "operators/model/ids.h"

#include "runtime/batch/builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define ROWS 40u

static void test_parts(void **state)
{
    static const enum type types[] = {TYPE_BOOL, TYPE_I32, TYPE_I64, TYPE_TIMESTAMP, TYPE_UTF8};
    struct arena *arena = arena_create(4096);
    struct schema *schema = schema_create(arena);
    struct builder *builder;
    struct batch *batch;
    uint64_t whole[ROWS], part[ROWS + IDS_SPARE];

    (void)state;
    for (uint32_t i = 0; i < 5; i++)
        assert_true(schema_add_column(schema, arena, type_name(types[i]), types[i]));
    builder = builder_create(schema, false);
    for (uint32_t row = 0; row < ROWS; row++) {
        builder_row(builder, 0, 0, 0);
        for (uint32_t i = 0; row % 7 != 3 && i < 4; i++)
            builder_number(builder, i, row % 2 ? row : 0);
        builder_text(builder, 4, "a text, and more than one of them, as it seems", row);
    }
    batch = builder_finish(builder);
    for (uint32_t i = 0; i < 5; i++) {
        key_ids(batch_column(batch, i), ROWS, whole);
        for (uint32_t begin = 0; begin <= ROWS; begin++)
            for (uint32_t count = 0; begin + count <= ROWS; count++) {
                ids_part(batch_column(batch, i), begin, count, part);
                assert_memory_equal(part, whole + begin, count * sizeof(whole[0]));
            }
    }
    batch_release(&batch);
    builder_close(builder);
    arena_close(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
