/* wire: there and back against the model of rows.h, a golden message, and damage: every cut, every
 * changed byte, and messages that are well-formed but wrong. */
#include "runtime/batch/wire.h"

#include "tests/unit/rows.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SEEDS 300u

static struct field fields[] = {{.name = "id", .type = TYPE_I64},
                                {.name = "name", .type = TYPE_UTF8}};
static const struct schema schema = {2, fields};
static struct field list_fields[] = {{.name = "flag", .type = TYPE_BOOL},
                                     {.name = "list", .type = TYPE_LIST, .child = &schema},
                                     {.name = "vector", .type = TYPE_VECTOR, .width = 2}};
static const struct schema lists = {3, list_fields};

/* Encoding what was decoded gives the same bytes. */
static void check_again(const struct batch *batch, const struct schema *with,
                        const struct bytes *first)
{
    struct bytes second = {0};

    wire_encode(batch, with, &second);
    assert_int_equal(first->size, second.size);
    assert_memory_equal(first->data, second.data, second.size);
    bytes_clear(&second);
}

static void check_there_and_back(uint64_t seed)
{
    struct random random = {seed};
    struct arena *arena = arena_create(4096);
    const struct schema *drawn = rows_schema(&random, arena, true);
    uint32_t count = 1 + (uint32_t)random_below(&random, 100), places[100], selected = 0;
    struct rows rows = {0};
    struct batch *batch = rows_batch(&random, drawn, count, seed % 2, &rows), *some, *back;
    struct bytes out = {0};
    struct error err = {0};

    for (uint32_t row = 0; row < count; row++)
        if (seed % 3 == 0 || random_below(&random, 3) == 0)
            places[selected++] = row;
    some = batch_select(batch, places, selected);
    wire_encode(seed % 3 ? some : batch, drawn, &out);
    back = wire_decode(drawn, out.data, out.size, &err);
    assert_non_null(back);
    if (!rows_same(back, drawn, &rows, places, selected))
        fail_msg("seed %" PRIu64, seed);
    assert_true((back->columns[HIDDEN_ORDER] == back->columns[HIDDEN_ORIGIN]) == (seed % 2 == 0));
    check_again(back, drawn, &out);
    batch_release(&back);
    batch_release(&some);
    batch_release(&batch);
    bytes_clear(&out);
    rows_clear(&rows);
    arena_close(arena);
}

static void test_there_and_back(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        check_there_and_back(seed);
}

static struct batch *draw(const struct schema *with, uint32_t count, uint64_t seed)
{
    struct random random = {seed};
    struct rows rows = {0};
    struct batch *batch = rows_batch(&random, with, count, false, &rows);

    rows_clear(&rows);
    return batch;
}

static void test_keys_travel(void **state)
{
    uint32_t column = 1;
    struct batch *plain = draw(&schema, 50, 1), *keyed = key_batch(plain, &column, 1), *back;
    struct bytes out = {0};

    (void)state;
    bytes_text(&out, "before"); /* encoding appends */
    wire_encode(keyed, &schema, &out);
    assert_memory_equal(out.data, "before", 6);
    back = wire_decode(&schema, out.data + 6, out.size - 6, NULL);
    assert_non_null(back);
    for (uint32_t row = 0; row < 50; row++) {
        struct key is = key_of(back, row), expected = key_of(keyed, row);

        assert_int_equal(is.hash, expected.hash);
        assert_int_equal(is.size, expected.size);
        assert_memory_equal(is.data, expected.data, is.size);
        assert_int_equal(is.hash, hash_bytes(is.data, is.size));
    }
    batch_release(&plain);
    batch_release(&keyed);
    batch_release(&back);
    bytes_clear(&out);
}

static void test_no_rows(void **state)
{
    struct batch *batch = draw(&lists, 5, 2), *none = batch_select(batch, NULL, 0), *back;
    struct bytes out = {0};

    (void)state;
    wire_encode(none, &lists, &out);
    back = wire_decode(&lists, out.data, out.size, NULL);
    assert_non_null(back);
    assert_int_equal(batch_rows(back), 0);
    batch_check(back, &lists);
    batch_release(&batch);
    batch_release(&none);
    batch_release(&back);
    bytes_clear(&out);
}

/* The rows of `batch` from `first` on, as a view into its memory whose offsets do not begin at 0. */
static struct batch *tail_of(struct batch *batch, uint32_t first)
{
    struct batch *tail = batch_create(batch->rows - first, batch->column_count);

    for (uint32_t i = 0; i < HIDDEN_COUNT + batch->column_count; i++) {
        const struct column *from = batch->columns[i];
        struct column *column;

        if (!from)
            continue;
        CHECK(!from->validity && from->type != TYPE_BOOL);
        column = column_create(from->type, tail->rows);
        column->width = from->width;
        column->offsets = from->offsets ? from->offsets + first : NULL;
        column->values = from->offsets
                             ? from->values
                             : (const uint8_t *)from->values + first * type_size(from->type);
        column->child = from->child;
        if (column->child)
            batch_ref(column->child);
        tail->columns[i] = column;
    }
    return tail;
}

static void test_views(void **state)
{
    struct field view_fields[] = {fields[0], fields[1], list_fields[1]};
    const struct schema with = {3, view_fields};
    struct builder *builder = builder_create(&with, false);
    struct bytes out = {0}, expected = {0};
    struct batch *batch, *tail, *copy;
    uint32_t places[7];

    (void)state;
    for (uint32_t row = 0; row < 10; row++) {
        struct builder *child;

        builder_row(builder, row, row, row + 1);
        builder_i64(builder, 0, row);
        builder_text(builder, 1, "0123456789", row);
        child = builder_list(builder, 2);
        builder_child_row(child);
        builder_text(child, 1, "child", row % 5);
        builder_list_end(builder, 2);
    }
    batch = builder_finish(builder);
    tail = tail_of(batch, 3);
    for (uint32_t i = 0; i < 7; i++)
        places[i] = i + 3;
    copy = batch_gather(batch, places, 7);
    wire_encode(tail, &with, &out);
    wire_encode(copy, &with, &expected);
    assert_int_equal(out.size, expected.size);
    assert_memory_equal(out.data, expected.data, out.size);
    batch_release(&tail);
    batch_release(&copy);
    batch_release(&batch);
    bytes_clear(&out);
    bytes_clear(&expected);
    builder_close(builder);
}

/* The format of checkpoints and of a rolling upgrade. */
static void test_golden(void **state)
{
    static const uint8_t expected[] = {
        0x93, 1,    2,              /* version, rows */
        0x97,                       /* hidden and two columns */
        0x93, 0xc0, 0xc0, 0xc4, 16, /* time */
        10,   0,    0,    0,    0,    0,    0,  0, 11, 0, 0, 0, 0, 0, 0, 0, /* */
        0x93, 0xc0, 0xc0, 0xc4, 16,                                         /* origin */
        1,    0,    0,    0,    0,    0,    0,  0, 2,  0, 0, 0, 0, 0, 0, 0, /* */
        1,                                      /* order: the same as origin */
        0xc0, 0xc0,                             /* hash, key */
        0x93, 0xc4, 1,    1,    0xc0, 0xc4, 16, /* id: 7, null */
        7,    0,    0,    0,    0,    0,    0,  0, 0,  0, 0, 0, 0, 0, 0, 0, /* */
        0x93, 0xc0, 0xc4, 12,   0,    0,    0,  0, 2,  0, 0, 0, 3, 0, 0, 0, /* name: ab, c */
        0xc4, 3,    'a',  'b',  'c',                                        /* */
    };
    struct builder *builder = builder_create(&schema, false);
    struct bytes out = {0};
    struct batch *batch;

    (void)state;
    builder_row(builder, 10, 1, 1);
    builder_i64(builder, 0, 7);
    builder_text(builder, 1, "ab", 2);
    builder_row(builder, 11, 2, 2);
    builder_text(builder, 1, "c", 1);
    batch = builder_finish(builder);
    wire_encode(batch, &schema, &out);
    assert_int_equal(out.size, sizeof(expected));
    assert_memory_equal(out.data, expected, sizeof(expected));
    batch_release(&batch);
    bytes_clear(&out);
    builder_close(builder);
}

/* ---- damage ---- */
static bool decodes(const struct schema *with, const uint8_t *data, size_t size)
{
    struct error err = {0};
    struct batch *batch = wire_decode(with, data, size, &err);

    if (!batch) {
        assert_int_equal(err.code, ERROR_DATA);
        assert_true(err.what[0] != 0);
        return false;
    }
    batch_check(batch, with);
    batch_release(&batch);
    return true;
}

static void test_cuts(void **state)
{
    struct batch *batch = draw(&lists, 9, 4);
    struct bytes out = {0};

    (void)state;
    wire_encode(batch, &lists, &out);
    for (size_t size = 0; size < out.size; size++) {
        uint8_t *exact = memory_grow(NULL, size + 1, 1); /* so that ASan sees a read past it */

        memcpy(exact + 1, out.data, size);
        assert_false(decodes(&lists, exact + 1, size));
        memory_free(exact);
    }
    bytes_put(&out, "", 1);
    assert_false(decodes(&lists, out.data, out.size)); /* one byte more */
    batch_release(&batch);
    bytes_clear(&out);
}

/* Any byte becomes any other: refused, or a batch that holds together. */
static void test_changed_bytes(void **state)
{
    struct batch *batch = draw(&lists, 3, 6);
    struct bytes out = {0};
    uint32_t refused = 0;

    (void)state;
    wire_encode(batch, &lists, &out);
    for (size_t at = 0; at < out.size; at++)
        for (uint32_t change = 1; change < 256; change++) {
            out.data[at] ^= (uint8_t)change;
            refused += !decodes(&lists, out.data, out.size);
            out.data[at] ^= (uint8_t)change;
        }
    assert_true(refused > 1000);
    batch_release(&batch);
    bytes_clear(&out);
}

static void test_other_schema(void **state)
{
    struct field other_fields[] = {fields[1], fields[0]},
                 more_fields[] = {fields[0], fields[1], fields[0]};
    const struct schema other = {2, other_fields}, more = {3, more_fields}, less = {1, fields};
    struct batch *batch = draw(&schema, 3, 6);
    struct bytes out = {0};

    (void)state;
    wire_encode(batch, &schema, &out);
    assert_true(decodes(&schema, out.data, out.size));
    assert_false(decodes(&other, out.data, out.size));
    assert_false(decodes(&more, out.data, out.size));
    assert_false(decodes(&less, out.data, out.size));
    assert_false(decodes(&lists, out.data, out.size));
    batch_release(&batch);
    bytes_clear(&out);
}

/* A one-row message with every column as given; what a column may be. */
static bool hidden_decodes(const char *time, size_t time_size, const char *order, size_t order_size)
{
    static const char head[] = "\x93\x01\x01\x95";
    static const char origin[] = "\x93\xc0\xc0\xc4\x08\0\0\0\0\0\0\0\0";
    static const struct schema none = {0, NULL};
    struct bytes out = {0};
    bool good;

    bytes_put(&out, head, sizeof(head) - 1);
    bytes_put(&out, time, time_size);
    bytes_put(&out, origin, sizeof(origin) - 1);
    bytes_put(&out, order, order_size);
    bytes_put(&out, "\xc0\xc0", 2);
    good = decodes(&none, out.data, out.size);
    bytes_clear(&out);
    return good;
}

#define TEXT(text) (text), sizeof(text) - 1

static void test_hidden(void **state)
{
    (void)state;
    assert_true(hidden_decodes(TEXT("\x93\xc0\xc0\xc4\x08\0\0\0\0\0\0\0\0"), TEXT("\x01")));
    assert_true(hidden_decodes(TEXT("\x93\xc0\xc0\xc4\x08\0\0\0\0\0\0\0\0"), TEXT("\x00")));
    /* missing; not earlier; itself; with nulls; with offsets; short; a number; an array of two */
    assert_false(hidden_decodes(TEXT("\xc0"), TEXT("\x01")));
    assert_false(hidden_decodes(TEXT("\x93\xc0\xc0\xc4\x08\0\0\0\0\0\0\0\0"), TEXT("\x03")));
    assert_false(hidden_decodes(TEXT("\x93\xc0\xc0\xc4\x08\0\0\0\0\0\0\0\0"), TEXT("\x02")));
    assert_false(hidden_decodes(TEXT("\x00"), TEXT("\x01")));
    assert_false(
        hidden_decodes(TEXT("\x93\xc4\x01\x01\xc0\xc4\x08\0\0\0\0\0\0\0\0"), TEXT("\x01")));
    assert_false(hidden_decodes(TEXT("\x93\xc0\xc4\x00\xc4\x08\0\0\0\0\0\0\0\0"), TEXT("\x01")));
    assert_false(hidden_decodes(TEXT("\x93\xc0\xc0\xc4\x07\0\0\0\0\0\0\0"), TEXT("\x01")));
    assert_false(hidden_decodes(TEXT("\x93\xc0\xc0\x08"), TEXT("\x01")));
    assert_false(hidden_decodes(TEXT("\x92\xc0\xc0"), TEXT("\x01")));
    assert_false(hidden_decodes(TEXT("\x93\xc0\xc0\xc4\x08\0\0\0\0\0\0\0\0"), TEXT("\xff")));
}

/* A key at its bound, and one past it. */
static void test_long_key(void **state)
{
    static char text[KEY_SIZE_MAX + 1];

    (void)state;
    for (uint32_t size = KEY_SIZE_MAX; size <= KEY_SIZE_MAX + 1; size++) {
        struct builder *builder = builder_create(&schema, true);
        struct key key = {(const uint8_t *)text, size, 0};
        struct bytes out = {0};
        struct batch *batch;

        builder_row(builder, 0, 0, 0);
        builder_row_key(builder, &key);
        batch = builder_finish(builder);
        wire_encode(batch, &schema, &out);
        assert_int_equal(decodes(&schema, out.data, out.size), size == KEY_SIZE_MAX);
        batch_release(&batch);
        bytes_clear(&out);
        builder_close(builder);
    }
}

static void test_sane(void **state)
{
    static const struct {
        const char *name, *data;
        size_t size;
        bool sane;
    } cases[] = {
        {"nil", TEXT("\xc0"), true},
        {"nothing", TEXT(""), false},
        {"two", TEXT("\xc0\xc0"), false},
        {"never used", TEXT("\xc1"), false},
        {"small integers", TEXT("\x93\x00\x7f\xff"), true},
        {"integers",
         TEXT("\x98\xcc\1\xcd\1\1\xce\1\1\1\1\xcf\1\1\1\1\1\1\1\1"
              "\xd0\1\xd1\1\1\xd2\1\1\1\1\xd3\1\1\1\1\1\1\1\1"),
         true},
        {"cut integer", TEXT("\xcf\1\1\1\1\1\1\1"), false},
        {"floats", TEXT("\x92\xca\1\1\1\1\xcb\1\1\1\1\1\1\1\1"), true},
        {"texts", TEXT("\x94\xa1x\xd9\1x\xda\0\1x\xdb\0\0\0\1x"), true},
        {"bins", TEXT("\x93\xc4\1x\xc5\0\1x\xc6\0\0\0\1x"), true},
        {"exts", TEXT("\x94\xc7\1\0x\xc8\0\1\0x\xc9\0\0\0\1\0x\xd4\0x"), true},
        {"long bin", TEXT("\xc6\xff\xff\xff\xffx"), false},
        {"small map", TEXT("\x81\1\2"), true},
        {"half a map", TEXT("\x81\1"), false},
        {"arrays", TEXT("\x92\xdc\0\1\1\xdd\0\0\0\1\1"), true},
        {"maps", TEXT("\x92\xde\0\1\1\2\xdf\0\0\0\1\1\2"), true},
        {"huge array", TEXT("\xdd\xff\xff\xff\xff\1"), false},
        {"huge map", TEXT("\xdf\xff\xff\xff\xff\1"), false},
        {"huge in huge", TEXT("\x92\xdd\xff\xff\xff\xff\xdd\xff\xff\xff\xff"), false},
    };

    (void)state;
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (wire_sane((const uint8_t *)cases[i].data, cases[i].size) != cases[i].sane)
            fail_msg("%s", cases[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_keys_travel),
        cmocka_unit_test(test_no_rows),        cmocka_unit_test(test_views),
        cmocka_unit_test(test_golden),         cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_changed_bytes),  cmocka_unit_test(test_other_schema),
        cmocka_unit_test(test_hidden),         cmocka_unit_test(test_long_key),
        cmocka_unit_test(test_sane),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
