/* file: a whole file is read, at its bound and past it, from a pipe, and not from a folder; a new
 * file has a name of its own, a copy all that was left. */
#include "runtime/base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file of `size` bytes, 0 to 250 in turns. */
static void make_file(char path[], size_t size)
{
    int fd;
    FILE *file;

    (void)snprintf(path, 32, "/tmp/millrace-file-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    file = fdopen(fd, "wb");
    assert_non_null(file);
    for (size_t i = 0; i < size; i++)
        assert_int_not_equal(fputc((int)(i % 251), file), EOF);
    assert_int_equal(fclose(file), 0);
}

static void test_sizes(void **state)
{
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 200000};
    struct error err;
    char path[32];

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct bytes bytes = {0};

        make_file(path, sizes[i]);
        bytes_text(&bytes, "before");
        assert_true(file_read(path, sizes[i], &bytes, &err));
        assert_int_equal(bytes.size, 6 + sizes[i]);
        assert_memory_equal(bytes.data, "before", 6);
        for (size_t at = 0; at < sizes[i]; at++)
            assert_int_equal(bytes.data[6 + at], at % 251);
        bytes.size = 6;
        if (sizes[i] > 0) {
            assert_false(file_read(path, sizes[i] - 1, &bytes, &err));
            assert_int_equal(err.code, ERROR_LIMIT);
            assert_string_equal(err.where, path);
            assert_int_equal(bytes.size, 6);
        }
        bytes_clear(&bytes);
        assert_int_equal(unlink(path), 0);
    }
}

static void test_pipe(void **state)
{
    struct bytes bytes = {0};
    struct error err;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "through a pipe", 14), 14);
    assert_int_equal(close(ends[1]), 0);
    assert_true(file_read_fd(ends[0], "pipe", 100, &bytes, &err));
    assert_int_equal(bytes.size, 14);
    assert_memory_equal(bytes.data, "through a pipe", 14);
    assert_int_equal(close(ends[0]), 0);
    assert_false(file_read_fd(ends[0], "pipe", 100, &bytes, &err));
    assert_int_equal(err.code, ERROR_IO);
    assert_int_equal(bytes.size, 14);
    bytes_clear(&bytes);
}

static void test_nothing_to_read(void **state)
{
    struct bytes bytes = {0};
    struct error err;

    (void)state;
    assert_false(file_read("/nowhere/at/all", 100, &bytes, &err));
    assert_int_equal(err.code, ERROR_IO);
    assert_string_equal(err.where, "/nowhere/at/all");
    assert_non_null(strstr(err.what, strerror(ENOENT)));
    assert_false(file_read("/", 100, &bytes, &err));
    assert_int_equal(err.code, ERROR_IO);
    assert_non_null(strstr(err.what, strerror(EISDIR)));
    bytes_clear(&bytes);
}

/* As many as may be there at a time, each for its owner alone; then none, and one again. */
static void test_make(void **state)
{
    char dir[] = "/tmp/millrace-file-XXXXXX", prefix[64], path[FILE_MADE_MAX][96], more[96];
    struct error err;

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(prefix, sizeof(prefix), "%s/new", dir);
    for (uint32_t i = 0; i < FILE_MADE_MAX; i++) {
        struct stat stat;
        uint32_t back;
        int fd = file_make(prefix, 0600, path[i], sizeof(path[i]), &err);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, &i, sizeof(i)), sizeof(i));
        assert_int_equal(pread(fd, &back, sizeof(back), 0), sizeof(back));
        assert_int_equal(back, i);
        assert_int_equal(fstat(fd, &stat), 0);
        assert_int_equal(stat.st_mode & 0777, 0600);
        assert_int_equal(close(fd), 0);
    }
    assert_true(file_make(prefix, 0600, more, sizeof(more), &err) < 0);
    assert_non_null(strstr(err.what, strerror(EEXIST)));
    assert_int_equal(unlink(path[7]), 0);
    assert_int_equal(close(file_make(prefix, 0600, more, sizeof(more), &err)), 0);
    assert_string_equal(more, path[7]);
    for (uint32_t i = 0; i < FILE_MADE_MAX; i++)
        assert_int_equal(unlink(path[i]), 0);
    assert_int_equal(rmdir(dir), 0);
    assert_true(file_make(prefix, 0600, more, sizeof(more), &err) < 0);
    assert_non_null(strstr(err.what, strerror(ENOENT)));
    assert_true(file_make(prefix, 0600, more, strlen(prefix) + 3, &err) < 0);
    assert_non_null(strstr(err.what, strerror(ENAMETOOLONG)));
}

/* The rest of a file, longer than a piece. */
static void test_copy(void **state)
{
    struct bytes bytes = {0};
    struct error err;
    char from[32], to[64];
    int in, out;

    (void)state;
    make_file(from, 600000);
    in = open(from, O_RDONLY);
    out = file_make(from, 0600, to, sizeof(to), &err);
    assert_true(in >= 0 && out >= 0);
    assert_int_equal(lseek(in, 1000, SEEK_SET), 1000);
    assert_true(file_copy(in, out));
    assert_true(file_read(to, 700000, &bytes, &err));
    assert_int_equal(bytes.size, 599000);
    for (size_t at = 0; at < bytes.size; at++)
        assert_int_equal(bytes.data[at], (at + 1000) % 251);
    assert_true(file_copy(in, out)); /* nothing is left */
    assert_int_equal(lseek(in, 0, SEEK_SET), 0);
    assert_false(file_copy(in, in)); /* which is only read */
    assert_int_equal(errno, EBADF);
    assert_int_equal(close(in), 0);
    assert_int_equal(close(out), 0);
    assert_int_equal(unlink(from), 0);
    assert_int_equal(unlink(to), 0);
    bytes_clear(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_pipe),
        cmocka_unit_test(test_nothing_to_read),
        cmocka_unit_test(test_make),
        cmocka_unit_test(test_copy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
