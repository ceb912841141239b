/* memory: allocation, arenas against their promises (zeroed, aligned, apart, kept), byte strings. */
#include "runtime/base/memory.h"

#include "runtime/base/random.h"
#include "tests/unit/death.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static bool all_zero(const void *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (((const char *)data)[i])
            return false;
    return true;
}

static void test_new(void **state)
{
    static const size_t sizes[] = {0, 1, 7, 4096, 1 << 20};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *pointer = memory_new(sizes[i]);

        assert_non_null(pointer);
        assert_true(all_zero(pointer, sizes[i]));
        memory_free(pointer);
    }
    memory_free(memory_array(0, 8));
    memory_free(memory_array(8, 0));
    memory_free(NULL);
}

static void test_grow(void **state)
{
    int *numbers = NULL;

    (void)state;
    for (size_t count = 1; count <= 1000; count++) {
        numbers = memory_grow(numbers, count, sizeof(int));
        numbers[count - 1] = (int)count;
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(numbers[i], i + 1);
    numbers = memory_grow(numbers, 0, sizeof(int));
    assert_non_null(numbers);
    memory_free(numbers);
}

static void test_aligned(void **state)
{
    (void)state;
    for (size_t alignment = 16; alignment <= 4096; alignment *= 2)
        for (size_t size = 0; size < 300; size += 13) {
            char *pointer = memory_aligned(alignment, size);

            assert_int_equal((uintptr_t)pointer % alignment, 0);
            memset(pointer, 1, size);
            memory_free(pointer);
        }
}

static volatile size_t huge = SIZE_MAX / 2; /* volatile: the compiler would warn of the constant */

static void overflow_array(void)
{
    memory_free(memory_array(huge, 4));
}

static void overflow_grow(void)
{
    memory_free(memory_grow(NULL, huge, 4));
}

static void overflow_arena(void)
{
    struct arena *arena = arena_create(1024);

    arena_new(arena, huge * 2 + 1);
    arena_close(arena);
}

static void overflow_bytes(void)
{
    struct bytes bytes = {0};

    bytes_text(&bytes, "x");
    bytes_reserve(&bytes, BYTES_SIZE_MAX);
    bytes_clear(&bytes);
}

static void test_exhaustion_ends_the_process(void **state)
{
    void (*const runs[])(void) = {overflow_array, overflow_grow, overflow_arena, overflow_bytes};

    (void)state;
    for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
        char text[DEATH_TEXT_MAX];
        int status = death_of(runs[i], text);

        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 71);
        assert_non_null(strstr(text, "out of memory"));
    }
}

static void test_texts(void **state)
{
    char *text = memory_text("a text"), *formatted = memory_format("%s-%05d", "a", 42);

    (void)state;
    assert_string_equal(text, "a text");
    assert_string_equal(formatted, "a-00042");
    assert_null(memory_text(NULL));
    memory_free(text);
    memory_free(formatted);
}

static void test_arena_texts(void **state)
{
    struct arena *arena = arena_create(0);
    char *copy = arena_copy(arena, "a\0b", 3);

    (void)state;
    assert_memory_equal(copy, "a\0b", 4);
    assert_string_equal(arena_copy(arena, NULL, 0), "");
    assert_string_equal(arena_text(arena, ""), "");
    assert_string_equal(arena_text(arena, "text"), "text");
    assert_null(arena_text(arena, NULL));
    assert_string_equal(arena_format(arena, "%d%%", 30), "30%");
    assert_int_equal(strlen(arena_format(arena, "%0*d", 10000, 1)), 10000);
    arena_close(arena);
    arena_close(NULL);
}

#define PIECES 2000

/* Pieces of every size, each filled with its own byte: none may touch another. */
static void test_arena_pieces(void **state)
{
    struct arena *arena = arena_create(1000);
    struct random random = {.state = 1};

    (void)state;
    for (int round = 0; round < 3; round++) {
        static unsigned char *pieces[PIECES];
        static size_t sizes[PIECES];

        for (size_t i = 0; i < PIECES; i++) {
            sizes[i] = random_below(&random, i % 50 == 0 ? 5000 : 200);
            pieces[i] = arena_new(arena, sizes[i]);
            assert_int_equal((uintptr_t)pieces[i] % 16, 0);
            assert_true(all_zero(pieces[i], sizes[i]));
            memset(pieces[i], (int)(i % 255 + 1), sizes[i]);
        }
        for (size_t i = 0; i < PIECES; i++)
            for (size_t j = 0; j < sizes[i]; j++)
                assert_int_equal(pieces[i][j], i % 255 + 1);
        arena_reset(arena);
    }
    arena_close(arena);
}

static void test_arena_pieces_of_nothing_differ(void **state)
{
    struct arena *arena = arena_create(1024);

    (void)state;
    assert_ptr_not_equal(arena_new(arena, 0), arena_new(arena, 0));
    arena_close(arena);
}

static void test_arena_reset_reuses(void **state)
{
    struct arena *arena = arena_create(4096);
    void *first = arena_new(arena, 100);

    (void)state;
    arena_reset(arena);
    assert_ptr_equal(arena_new(arena, 100), first);
    arena_close(arena);
}

static void test_bytes(void **state)
{
    struct bytes bytes = {0};

    (void)state;
    bytes_put(&bytes, NULL, 0);
    assert_null(bytes.data);
    bytes_text(&bytes, "a");
    bytes_format(&bytes, "%d", 12);
    bytes_put(&bytes, "\0z", 2);
    assert_int_equal(bytes.size, 5);
    assert_memory_equal(bytes.data, "a12\0z", 5);
    bytes_reserve(&bytes, 1000);
    assert_true(bytes.capacity - bytes.size >= 1000);
    assert_memory_equal(bytes.data, "a12\0z", 5);
    for (int i = 0; i < 1000; i++)
        bytes_format(&bytes, "%03d", i);
    assert_int_equal(bytes.size, 3005);
    assert_memory_equal(bytes.data + 3002, "999", 3);
    bytes_clear(&bytes);
    assert_null(bytes.data);
    assert_int_equal(bytes.size + bytes.capacity, 0);
    bytes_clear(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_aligned),
        cmocka_unit_test(test_exhaustion_ends_the_process),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_arena_texts),
        cmocka_unit_test(test_arena_pieces),
        cmocka_unit_test(test_arena_pieces_of_nothing_differ),
        cmocka_unit_test(test_arena_reset_reuses),
        cmocka_unit_test(test_bytes),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
