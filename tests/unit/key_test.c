/* key: the canonical encoding and its hash are part of the on-disk format: golden values; columns
 * of keys against an encoder that goes byte by byte; key groups enumerated. */
#include "runtime/base/random.h"
#include "runtime/batch/builder.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SEEDS 200u
#define TEXT_MAX 1100u

static const struct golden {
    const char *name;
    uint8_t size, data[24];
    uint64_t hash; /* XXH3, 64 bits, seed 0 */
} golden[] = {
    {"bool", 2, {1, 1}, 0x070d80d6a76865f3u},
    {"zero", 9, {2, 0x80, 0, 0, 0, 0, 0, 0, 0}, 0xdcfd168574dc1eb8u},
    {"minus one", 9, {2, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0x272f833168d9ce62u},
    {"i32", 9, {2, 0x80, 0, 0, 0, 0, 0, 1, 0x2c}, 0x298b4fca953c9c61u},
    {"time", 9, {3, 0x80, 0, 0, 0, 0, 0, 0, 5}, 0xa5946b1cf251e022u},
    {"text", 4, {4, 'a', 'b', 'c'}, 0x1a8cafcdf467a415u},
    {"empty text", 1, {4}, 0x73b2284b32bf8672u},
    {"null", 1, {0}, 0xc44bdff4074eecdbu},
    {"two", 17, {2, 0x80, 0, 0, 0, 0, 0, 0, 7, 4, 0, 0, 0, 3, 'a', 'b', 'c'}, 0xfc45867254e8337du},
    {"none", 0, {0}, 0x2d06800538d394c2u},
};

static struct field golden_fields[] = {
    {.name = "bool", .type = TYPE_BOOL},      {.name = "zero", .type = TYPE_I64},
    {.name = "minus", .type = TYPE_I64},      {.name = "i32", .type = TYPE_I32},
    {.name = "time", .type = TYPE_TIMESTAMP}, {.name = "text", .type = TYPE_UTF8},
    {.name = "empty", .type = TYPE_UTF8},     {.name = "null", .type = TYPE_UTF8},
    {.name = "seven", .type = TYPE_I64},
};
static const struct schema golden_schema = {9, golden_fields};

static void check_golden(const struct batch *batch, const struct golden *expected,
                         const uint32_t *columns, uint32_t count)
{
    struct batch *keyed = key_batch(batch, columns, count);
    struct key key = key_of(keyed, 0);

    if (key.size != expected->size || memcmp(key.data, expected->data, key.size) != 0 ||
        key.hash != expected->hash)
        fail_msg("%s: size %u, hash 0x%016" PRIx64, expected->name, key.size, key.hash);
    batch_check(keyed, &golden_schema);
    batch_release(&keyed);
}

static void test_golden(void **state)
{
    struct builder *builder = builder_create(&golden_schema, false);
    struct batch *batch;

    (void)state;
    builder_row(builder, 0, 0, 0);
    builder_bool(builder, 0, true);
    builder_i64(builder, 1, 0);
    builder_i64(builder, 2, -1);
    builder_i32(builder, 3, 300);
    builder_i64(builder, 4, 5);
    builder_text(builder, 5, "abc", 3);
    builder_text(builder, 6, "", 0);
    builder_i64(builder, 8, 7);
    batch = builder_finish(builder);
    for (uint32_t c = 0; c < 8; c++)
        check_golden(batch, &golden[c], &c, 1);
    check_golden(batch, &golden[8], (const uint32_t[]){8, 5}, 2);
    check_golden(batch, &golden[9], NULL, 0);
    batch_release(&batch);
    builder_close(builder);
}

/* ---- against a naive encoder ---- */
static uint32_t naive_integer(uint8_t *data, uint8_t tag, int64_t value)
{
    uint64_t flipped = (uint64_t)value ^ 0x8000000000000000u;

    data[0] = tag;
    for (uint32_t i = 0; i < 8; i++)
        data[1 + i] = (uint8_t)(flipped >> (56 - 8 * i));
    return 9;
}

static uint32_t naive_value(const struct column *column, uint32_t row, bool alone, uint8_t *data)
{
    uint32_t size, at = 0;
    const char *text;

    if (!column_valid(column, row)) {
        data[0] = 0;
        return 1;
    }
    switch (column->type) {
    case TYPE_BOOL:
        data[0] = 1;
        data[1] = column_bool(column, row);
        return 2;
    case TYPE_I32:
        return naive_integer(data, 2, ((const int32_t *)column->values)[row]);
    case TYPE_I64:
        return naive_integer(data, 2, ((const int64_t *)column->values)[row]);
    case TYPE_TIMESTAMP:
        return naive_integer(data, 3, ((const int64_t *)column->values)[row]);
    default:
        text = column_text(column, row, &size);
        data[at++] = 4;
        for (uint32_t i = 0; i < 4 && !alone; i++)
            data[at++] = (uint8_t)(size >> (24 - 8 * i));
        memcpy(data + at, text, size);
        return at + size;
    }
}

static uint32_t naive_key(const struct batch *batch, const uint32_t *columns, uint32_t count,
                          uint32_t row, uint8_t *data)
{
    uint32_t size = 0;
    uint64_t hash;

    for (uint32_t c = 0; c < count; c++)
        size += naive_value(batch_column(batch, columns[c]), row, count == 1, data + size);
    if (size <= KEY_SIZE_MAX)
        return size;
    hash = hash_bytes(data, size);
    data[0] = 5;
    for (uint32_t i = 0; i < 8; i++)
        data[1 + i] = (uint8_t)(hash >> (56 - 8 * i));
    return 9;
}

static struct field key_fields[] = {
    {.name = "b", .type = TYPE_BOOL}, {.name = "i", .type = TYPE_I32},
    {.name = "l", .type = TYPE_I64},  {.name = "t", .type = TYPE_TIMESTAMP},
    {.name = "s", .type = TYPE_UTF8}, {.name = "r", .type = TYPE_UTF8},
};
static const struct schema key_schema = {6, key_fields};

static void draw_value(struct random *random, struct builder *builder, uint32_t column, bool longer)
{
    static char text[TEXT_MAX];
    uint64_t size = random_below(random, 20);

    switch (key_fields[column].type) {
    case TYPE_BOOL:
        builder_bool(builder, column, random_below(random, 2));
        break;
    case TYPE_I32:
        builder_i32(builder, column, (int32_t)random_next(random));
        break;
    case TYPE_UTF8:
        if (longer && random_below(random, 4) == 0)
            size = KEY_SIZE_MAX - 24 + random_below(random, 48);
        for (uint64_t i = 0; i < size; i++)
            text[i] = (char)random_next(random);
        builder_text(builder, column, text, size);
        break;
    default:
        builder_i64(builder, column, (int64_t)random_next(random));
    }
}

static struct batch *draw_batch(struct random *random)
{
    struct builder *builder = builder_create(&key_schema, false);
    uint32_t rows = 1 + (uint32_t)random_below(random, 60);
    bool nulls = random_below(random, 2), longer = random_below(random, 3) == 0;
    struct batch *batch;

    for (uint32_t row = 0; row < rows; row++) {
        builder_row(builder, 0, row, row);
        for (uint32_t c = 0; c < key_schema.count; c++)
            if (!nulls || random_below(random, 4) > 0)
                draw_value(random, builder, c, longer);
    }
    batch = builder_finish(builder);
    builder_close(builder);
    return batch;
}

static void check_keys(const struct batch *batch, const uint32_t *columns, uint32_t count,
                       uint64_t seed)
{
    static uint8_t data[8 * TEXT_MAX];
    struct batch *keyed = key_batch(batch, columns, count);

    batch_check(keyed, &key_schema);
    for (uint32_t row = 0; row < batch->rows; row++) {
        struct key key = key_of(keyed, row);
        uint32_t size = naive_key(batch, columns, count, row, data);

        if (key.size != size || memcmp(key.data, data, size) != 0 ||
            key.hash != hash_bytes(data, size))
            fail_msg("seed %" PRIu64 " row %u", seed, row);
    }
    batch_release(&keyed);
}

static void check_ids(const struct batch *batch, uint32_t column)
{
    struct batch *keyed = key_batch(batch, &column, 1);
    uint64_t ids[64];

    key_ids(batch_column(batch, column), batch->rows, ids);
    for (uint32_t row = 0; row < batch->rows; row++)
        assert_int_equal(
            ids[row], column_valid(batch_column(batch, column), row) ? batch_hash(keyed)[row] : 0);
    batch_release(&keyed);
}

static void test_batches(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct random random = {seed};
        struct batch *batch = draw_batch(&random);
        uint32_t columns[6];

        for (uint32_t count = 0; count <= 6; count++) {
            for (uint32_t c = 0; c < count; c++)
                columns[c] = (uint32_t)random_below(&random, key_schema.count);
            check_keys(batch, columns, count, seed);
        }
        for (uint32_t c = 0; c < key_schema.count; c++) {
            check_keys(batch, &c, 1, seed);
            check_ids(batch, c);
        }
        batch_release(&batch);
    }
}

/* Keys that are made one by one are those of a column; at the bound and one past it. */
static void test_single(void **state)
{
    static const uint32_t sizes[] = {0, 1, KEY_SIZE_MAX - 1, KEY_SIZE_MAX, KEY_SIZE_MAX + 1};
    static char text[KEY_SIZE_MAX + 1];
    struct builder *builder = builder_create(&key_schema, false);
    uint32_t l = 2, s = 4, count = sizeof(sizes) / sizeof(sizes[0]);
    struct batch *batch, *by_text, *by_number;
    uint8_t data[KEY_SIZE_MAX];

    (void)state;
    memset(text, 'k', sizeof(text));
    for (uint32_t i = 0; i < count; i++) {
        builder_row(builder, 0, i, i);
        builder_text(builder, s, text, sizes[i]);
        builder_i64(builder, l, (int64_t)i - 2);
    }
    batch = builder_finish(builder);
    by_text = key_batch(batch, &s, 1);
    by_number = key_batch(batch, &l, 1);
    for (uint32_t i = 0; i < count; i++) {
        struct key key = key_of(by_text, i);
        uint32_t size = key_from_text(text, sizes[i], data);

        assert_int_equal(size, sizes[i] < KEY_SIZE_MAX ? sizes[i] + 1 : 9);
        assert_int_equal(key.size, size);
        assert_memory_equal(key.data, data, size);
        key = key_of(by_number, i);
        assert_int_equal(key.size, key_from_i64((int64_t)i - 2, data));
        assert_memory_equal(key.data, data, key.size);
    }
    batch_release(&by_text);
    batch_release(&by_number);
    batch_release(&batch);
    builder_close(builder);
}

/* A new key replaces the old one; columns, selection and hidden columns stay shared. */
static void test_rekey(void **state)
{
    struct random random = {9};
    struct batch *batch = draw_batch(&random), *first, *some, *second;
    uint32_t l = 2, i = 1, rows[] = {0};

    (void)state;
    first = key_batch(batch, &l, 1);
    some = batch_select(first, rows, 1);
    second = key_batch(some, &i, 1);
    assert_int_equal(second->selected, 1);
    assert_ptr_equal(batch_column(second, 0), batch_column(batch, 0));
    assert_ptr_equal(second->columns[HIDDEN_TIME], batch->columns[HIDDEN_TIME]);
    assert_ptr_not_equal(second->columns[HIDDEN_KEY], first->columns[HIDDEN_KEY]);
    batch_release(&batch);
    batch_release(&first);
    batch_release(&some);
    batch_release(&second);
}

/* Bytes of integer keys order as the numbers do. */
static void test_order(void **state)
{
    static const int64_t values[] = {INT64_MIN, -300, -1, 0, 1, 255, 256, INT64_MAX};
    uint8_t before[KEY_SIZE_MAX], data[KEY_SIZE_MAX];

    (void)state;
    for (uint32_t i = 1; i < sizeof(values) / sizeof(values[0]); i++) {
        key_from_i64(values[i - 1], before);
        key_from_i64(values[i], data);
        assert_true(memcmp(before, data, 9) < 0);
    }
}

/* Every group has one owner, and an owner's range is exactly its groups. */
static void test_groups(void **state)
{
    (void)state;
    for (uint32_t groups = 1; groups <= 130; groups++)
        for (uint32_t parallelism = 1; parallelism <= groups; parallelism++) {
            assert_int_equal(key_group_begin(0, groups, parallelism), 0);
            assert_int_equal(key_group_begin(parallelism, groups, parallelism), groups);
            for (uint32_t group = 0; group < groups; group++) {
                uint32_t owner = key_group_owner(group, groups, parallelism);

                assert_true(owner < parallelism);
                assert_true(group >= key_group_begin(owner, groups, parallelism));
                assert_true(group < key_group_begin(owner + 1, groups, parallelism));
            }
        }
    assert_int_equal(key_group(0, KEY_GROUPS_MAX), 0);
    assert_int_equal(key_group(UINT64_MAX, KEY_GROUPS_MAX), KEY_GROUPS_MAX - 1);
    assert_int_equal(key_group(UINT64_C(1) << 63, 128), 64);
}

static void test_types(void **state)
{
    (void)state;
    assert_true(key_type(TYPE_BOOL) && key_type(TYPE_I32) && key_type(TYPE_I64));
    assert_true(key_type(TYPE_TIMESTAMP) && key_type(TYPE_UTF8));
    assert_false(key_type(TYPE_F32) || key_type(TYPE_F64) || key_type(TYPE_VECTOR));
    assert_false(key_type(TYPE_LIST) || key_type(TYPE_NONE) || key_type(TYPE_KEY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden), cmocka_unit_test(test_batches),
        cmocka_unit_test(test_single), cmocka_unit_test(test_rekey),
        cmocka_unit_test(test_order),  cmocka_unit_test(test_groups),
        cmocka_unit_test(test_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
