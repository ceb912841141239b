/* source/file with a small engine of its own: splits, formats, sorting, rejects; and a stop after each
 * step: what is read before and after it, from the position taken there, is the whole, once. */
#include "operators/source/columns.h"
#include "operators/source/sort.h"
#include "runtime/api/operator.h"
#include "runtime/base/random.h"
#include "runtime/batch/encode.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

extern const struct operator_def source_file;

/* ---- the engine ---- */

struct op {
    uint8_t config[1024];
    void *scratch, *memory;
    struct builder *rejected;
    int64_t out_of_orderness;
};

struct describe {
    struct op *op;
    struct arena *arena;
    const struct schema *schema;
    bool ordered;
    char option[256];
};

const void *op_config(const struct op *op)
{
    return op->config;
}

void *op_memory(struct op *op, size_t size)
{
    op->memory = memory_new(size);
    return op->memory;
}

void op_set_scratch(struct op *op, void *scratch)
{
    op->scratch = scratch;
}

void *op_scratch(const struct op *op)
{
    return op->scratch;
}

uint64_t op_seed(const struct op *op)
{
    (void)op;
    return 77;
}

void op_source_time(struct op *op, int64_t out_of_orderness_ms, int64_t idle_ms)
{
    op->out_of_orderness = out_of_orderness_ms;
    assert_int_equal(idle_ms, 0);
}

bool op_output_reads(const struct op *op, uint32_t port, uint32_t column)
{
    (void)op;
    (void)port;
    (void)column;
    return true;
}

struct builder *op_reserve(struct op *op, uint32_t port, uint32_t rows)
{
    (void)rows;
    assert_int_equal(port, 2);
    return op->rejected;
}

bool split_list_add(struct split_list *list, const char *name, int64_t begin, int64_t end)
{
    struct split split = {list->count, arena_text(list->arena, name), begin, end};
    if (list->count == list->capacity)
        return false;
    list->splits[list->count++] = split;
    return true;
}

const void *describe_config(const struct describe *describe)
{
    return describe->op->config;
}

struct arena *describe_arena(struct describe *describe)
{
    return describe->arena;
}

void describe_output(struct describe *describe, uint32_t port, const struct schema *schema)
{
    if (port == 0)
        describe->schema = schema;
}

void describe_ordered(struct describe *describe)
{
    describe->ordered = true;
}

bool describe_error(struct describe *describe, struct error *err, const char *option,
                    const char *how, const char *what, ...)
{
    va_list arguments;
    char text[256];
    va_start(arguments, what);
    vsnprintf(text, sizeof(text), what, arguments);
    va_end(arguments);
    snprintf(describe->option, sizeof(describe->option), "%s", option);
    return error_set(err, ERROR_CONFIG, option, how, "%s", text);
}

/* ---- a job: configuration by option names, as a job file gives it ---- */

static char folder[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/source_test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

static void put_file(const char *name, const void *data, size_t size)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_int_equal(fwrite(data, 1, size, file), size);
    fclose(file);
}

static struct option_entry event_entries[] = {
    {.name = "t", .text = "i64"},
    {.name = "v", .text = "utf8"},
};

struct job {
    struct op op;
    struct arena *arena;
    struct error err;
    struct describe describe;
    struct split splits[64];
    struct split_list list;
};

static void set(struct job *job, const struct option *options, void *config, const char *name,
                const char *text)
{
    const char *dot = strchr(name, '.');
    char first[64];
    snprintf(first, sizeof(first), "%.*s", (int)(dot ? (size_t)(dot - name) : strlen(name)), name);
    const struct option *option = option_find(options, first);
    assert_non_null(option);
    if (dot)
        set(job, option->group, (uint8_t *)config + option->offset, dot + 1, text);
    else if (!option_parse(option, text, config, job->arena, &job->err))
        fail_msg("%s: %s", name, job->err.what);
}

/* `settings`: names and values, ends with NULL. */
static struct job *job_create(const char *path, const char *const *settings)
{
    struct job *job = memory_new(sizeof(*job));
    char full[256];
    assert_true(source_file.config_size <= sizeof(job->op.config));
    job->arena = arena_create(4096);
    option_defaults(source_file.options, job->op.config);
    option_defaults(option_find(source_file.options, "time")->group,
                    job->op.config + option_find(source_file.options, "time")->offset);
    snprintf(full, sizeof(full), "%s/%s", folder, path);
    set(job, source_file.options, job->op.config, "path", full);
    set(job, source_file.options, job->op.config, "time.field", "t");
    set(job, source_file.options, job->op.config, "max-record", "100b");
    struct option_map map = {2, event_entries};
    memcpy(job->op.config + option_find(source_file.options, "schema")->offset, &map, sizeof(map));
    for (; settings && *settings; settings += 2)
        set(job, source_file.options, job->op.config, settings[0], settings[1]);
    job->describe = (struct describe){.op = &job->op, .arena = job->arena};
    job->list = (struct split_list){job->arena, 0, 64, job->splits};
    return job;
}

static void job_close(struct job *job)
{
    arena_close(job->arena);
    memory_free(job);
}

/* ---- reading: lines `row SPLIT OFFSET TIME json` and `reject SPLIT OFFSET TIME size field: reason` */

struct result {
    struct bytes text, rejects; /* read_all puts the rejects behind the rows */
    uint32_t steps;
};

static struct schema *rejected_schema(struct arena *arena)
{
    struct schema *schema = schema_create(arena);
    for (const struct column_def *column = source_file.outputs[2].columns; column->name; column++)
        assert_true(schema_add_column(schema, arena, column->name, column->type));
    return schema;
}

static void take_rows(struct bytes *out, struct encoder *encoder, struct builder *builder,
                      const char *word)
{
    struct batch *batch = builder_finish(builder);
    for (uint32_t row = 0; batch && row < batch_rows(batch); row++) {
        struct batch *one = batch_select(batch, &row, 1);
        uint64_t origin = batch_origin(batch)[row];
        bytes_format(out, "%s %u %" PRIu64 " %" PRId64 " ", word, origin_split(origin),
                     origin_offset(origin), batch_time(batch)[row]);
        encode_rows(encoder, one, out);
        batch_release(&one);
    }
    batch_release(&batch);
}

static void begin(struct job *job)
{
    if (!source_file.open(&job->op, &job->err))
        fail_msg("%s: %s", job->err.where, job->err.what);
}

static void end(struct job *job)
{
    source_file.close(&job->op);
    memory_free(job->op.memory);
    job->op.memory = job->op.scratch = NULL;
}

/* One split, up to `steps` steps from `position`, which is moved on. True: it has ended. */
static bool read_split(struct job *job, const struct split *split, struct position *position,
                       bool from_position, uint32_t steps, struct result *result)
{
    static const struct encode_options json = {.format = ENCODE_JSON};
    struct schema *rejected = rejected_schema(job->arena);
    struct builder *out = builder_create(job->describe.schema, false);
    struct encoder *rows = encoder_create(job->describe.schema, &json);
    struct encoder *rejects = encoder_create(rejected, &json);
    enum read_result read = READ_MORE;
    begin(job);
    job->op.rejected = builder_create(rejected, false);
    void *reader =
        source_file.split_open(&job->op, split, from_position ? position : NULL, &job->err);
    if (!reader)
        fail_msg("%s: %s", job->err.where, job->err.what);
    for (uint32_t step = 0; step < steps && read == READ_MORE; step++) {
        read = source_file.split_read(&job->op, reader, out, &job->err);
        if (read == READ_FAILED)
            fail_msg("%s: %s", job->err.where, job->err.what);
        take_rows(&result->rejects, rejects, job->op.rejected, "reject");
        take_rows(&result->text, rows, out, "row");
        result->steps++;
    }
    source_file.split_position(reader, position);
    source_file.split_close(reader);
    builder_close(job->op.rejected);
    builder_close(out);
    encoder_close(rows);
    encoder_close(rejects);
    end(job);
    return read == READ_END;
}

static struct job *plan(struct job *job)
{
    if (!source_file.describe(&job->describe, &job->err) ||
        !source_file.splits(job->op.config, &job->list, &job->err))
        fail_msg("%s: %s", job->err.where, job->err.what);
    return job;
}

/* All splits, one after the other; `stop`: after so many steps a split is left and taken up again. */
static struct result read_all(struct job *job, uint32_t stop)
{
    struct result result = {0};
    for (uint32_t k = 0; k < job->list.count; k++) {
        struct position position = {0};
        if (!read_split(job, &job->splits[k], &position, false, stop, &result))
            assert_true(read_split(job, &job->splits[k], &position, true, UINT32_MAX, &result));
    }
    bytes_put(&result.text, result.rejects.data, result.rejects.size);
    bytes_put(&result.text, "", 1);
    bytes_clear(&result.rejects);
    return result;
}

static void expect_text(const char *path, const char *const *settings, const char *expected)
{
    struct job *job = job_create(path, settings);
    plan(job);
    struct result result = read_all(job, UINT32_MAX);
    assert_string_equal((char *)result.text.data, expected);
    bytes_clear(&result.text);
    job_close(job);
}

/* ---- tests ---- */

static const char small[] =
    "{\"t\":30,\"v\":\"a\"}\n{\"t\":10,\"v\":\n{\"t\":20}\n{\"t\":10,\"v\":\"b\"}\n";

/* @ stands for the folder. */
static const char *with_folder(const char *text)
{
    static char out[4096];
    char *to = out;
    for (; *text; text++) {
        if (*text == '@')
            to += sprintf(to, "%s", folder);
        else
            *to++ = *text;
    }
    *to = '\0';
    return out;
}

static void test_rows_and_rejects(void **state)
{
    (void)state;
    put_file("a.jsonl", small, sizeof(small) - 1);
#define REJECT                                                                                     \
    "reject 0 17 30 {\"raw\":\"{\\\"t\\\":10,\\\"v\\\":\",\"file\":\"@/a.jsonl\",\"offset\":17,"   \
    "\"field\":\"\",\"reason\":\"is not JSON: it ends too early\"}\n"
    expect_text("a.jsonl", NULL,
                with_folder("row 0 0 30 {\"t\":30,\"v\":\"a\"}\nrow 0 30 20 {\"t\":20,\"v\":null}\n"
                            "row 0 39 10 {\"t\":10,\"v\":\"b\"}\n" REJECT));
    expect_text(
        "a.jsonl", (const char *const[]){"order-by", "time", "raw", "true", NULL},
        with_folder(
            "row 0 39 10 {\"t\":10,\"v\":\"b\",\"raw\":\"{\\\"t\\\":10,\\\"v\\\":\\\"b\\\"}\"}\n"
            "row 0 30 20 {\"t\":20,\"v\":null,\"raw\":\"{\\\"t\\\":20}\"}\n"
            "row 0 0 30 "
            "{\"t\":30,\"v\":\"a\",\"raw\":\"{\\\"t\\\":30,\\\"v\\\":\\\"a\\\"}\"}\n" REJECT));
#undef REJECT
}

static void test_several_files(void **state)
{
    (void)state;
    put_file("b.csv", "v,t\nx,1\n", 8);
    put_file("a.csv", "t,v\n2,y\n", 8);
    put_file("empty.csv", "", 0);
    put_file(".hidden.csv", "t,v\n9,z\n", 8);
    static const char *const settings[] = {"format", "csv", "time.unit", "s", NULL};
    static const char expected[] =
        "row 0 4 2000 {\"t\":2,\"v\":\"y\"}\nrow 1 4 1000 {\"t\":1,\"v\":\"x\"}\n";
    expect_text("*.csv", settings, expected);
    expect_text("", settings, expected);
    expect_text("[ab].csv", settings, expected);
    put_file("[ab].csv", "t,v\n3,w\n", 8); /* a name that looks like a pattern */
    expect_text("[ab].csv", settings, "row 0 4 3000 {\"t\":3,\"v\":\"w\"}\n");
}

static void test_no_match(void **state)
{
    (void)state;
    struct job *job = job_create("none/*.jsonl", NULL);
    assert_false(source_file.splits(job->op.config, &job->list, &job->err));
    assert_int_equal(job->err.code, ERROR_CONFIG);
    assert_non_null(strstr(job->err.where, "none/*.jsonl"));
    job_close(job);
}

/* Records of many shapes: good ones in disorder, broken, oversized, empty lines. */
static struct bytes make_lines(uint32_t count, uint64_t seed)
{
    struct random random = {seed};
    struct bytes out = {0};
    for (uint32_t k = 0; k < count; k++) {
        uint64_t draw = random_below(&random, 40);
        if (draw == 0)
            bytes_format(&out, "{\"t\":%u,\"v\":\"unclosed}\n", k);
        else if (draw == 1)
            bytes_format(&out, "{\"t\":1,\"v\":\"%0*u\"}\n", (int)(80 + random_below(&random, 400)),
                         k);
        else if (draw == 2)
            bytes_text(&out, "\n");
        else
            bytes_format(&out, "{\"t\":%u,\"v\":\"%u\"}\n", (unsigned)random_below(&random, 500),
                         k);
    }
    bytes_text(&out, "{\"t\":3,\"v\""); /* truncated */
    return out;
}

static uint32_t offsets_of(const struct result *result, uint64_t *offsets, uint32_t max)
{
    uint32_t count = 0;
    const char *at = (char *)result->text.data;
    for (; *at; at = strchr(at, '\n') + 1) {
        assert_true(count < max);
        assert_int_equal(sscanf(at, "%*s %*u %" SCNu64, &offsets[count++]), 1);
    }
    return count;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void test_splits(void **state)
{
    (void)state;
    struct bytes text = make_lines(600, 5);
    put_file("a.jsonl", text.data, text.size);
    uint64_t whole[1000], cut[1000];
    struct job *job = job_create("a.jsonl", NULL);
    plan(job);
    assert_int_equal(job->list.count, 1);
    struct result result = read_all(job, UINT32_MAX);
    uint32_t count = offsets_of(&result, whole, 1000);
    qsort(whole, count, sizeof(*whole), by_value);
    bytes_clear(&result.text);
    job_close(job);
    static const char *const sizes[] = {"1kb", "1500b", "4000b", "100kb"};
    for (size_t k = 0; k < 4; k++) {
        job = job_create("a.jsonl", (const char *const[]){"split-size", sizes[k], NULL});
        plan(job);
        assert_true(k == 3 ? job->list.count == 1 : job->list.count > 3);
        for (uint32_t s = 1; s < job->list.count; s++) {
            assert_true(job->splits[s].begin == job->splits[s - 1].end);
            assert_int_equal(text.data[job->splits[s].begin - 1], '\n');
        }
        result = read_all(job, UINT32_MAX);
        assert_int_equal(offsets_of(&result, cut, 1000), count);
        qsort(cut, count, sizeof(*cut), by_value);
        assert_memory_equal(cut, whole, count * sizeof(*cut));
        bytes_clear(&result.text);
        job_close(job);
    }
    bytes_clear(&text);
}

static void put_gzip(const char *name, const struct bytes *text, size_t member)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    unlink(path);
    for (size_t at = 0; at < text->size; at += member) { /* members behind one another */
        gzFile file = gzopen(path, "ab");
        size_t size = text->size - at < member ? text->size - at : member;
        assert_int_equal(gzwrite(file, text->data + at, (unsigned)size), size);
        gzclose(file);
    }
}

static void put_zstd(const char *name, const struct bytes *text)
{
    size_t bound = ZSTD_compressBound(text->size);
    uint8_t *packed = memory_new(2 * bound);
    size_t half = text->size / 2;
    size_t size = ZSTD_compress(packed, bound, text->data, half, 3);
    size += ZSTD_compress(packed + size, bound, text->data + half, text->size - half, 3);
    put_file(name, packed, size);
    memory_free(packed);
}

static void test_compressed(void **state)
{
    (void)state;
    struct bytes text = make_lines(3000, 6);
    put_file("plain", text.data, text.size);
    put_gzip("gzip", &text, 7000);
    put_zstd("zstd", &text);
    static const char *const names[] = {"plain", "gzip", "zstd"};
    struct result results[3];
    for (size_t k = 0; k < 3; k++) {
        struct job *job = job_create(names[k], (const char *const[]){"split-size", "100mb", NULL});
        plan(job);
        results[k] = read_all(job, UINT32_MAX);
        job_close(job);
    }
    uint64_t first[4000], other[4000];
    uint32_t count = offsets_of(&results[0], first, 4000);
    for (size_t k = 1; k < 3; k++) {
        assert_int_equal(offsets_of(&results[k], other, 4000), count);
        assert_memory_equal(first, other, count * sizeof(*first));
    }
    for (size_t k = 0; k < 3; k++)
        bytes_clear(&results[k].text);
    bytes_clear(&text);
}

/* Reads a file until it fails. */
static void expect_failure(struct job *job, const struct position *from, enum error_code code,
                           const char *what)
{
    struct builder *out = builder_create(job->describe.schema, false);
    enum read_result read = READ_MORE;

    begin(job);
    job->op.rejected = builder_create(rejected_schema(job->arena), false);
    void *reader = source_file.split_open(&job->op, &job->splits[0], from, &job->err);
    while (reader && read == READ_MORE)
        read = source_file.split_read(&job->op, reader, out, &job->err);
    assert_true(!reader || read == READ_FAILED);
    assert_int_equal(job->err.code, code);
    assert_non_null(strstr(job->err.where, folder));
    assert_non_null(strstr(job->err.what, what));
    source_file.split_close(reader);
    builder_close(job->op.rejected);
    builder_close(out);
    end(job);
    job_close(job);
}

/* What will not mend by itself is a mistake; a file that is gone may come back. */
static void test_unreadable(void **state)
{
    (void)state;
    struct bytes text = make_lines(3000, 6);
    const struct position from = {.time_ms = 1, .offset = (int64_t)text.size - 9};
    char path[256];
    struct job *job;
    FILE *file;
    snprintf(path, sizeof(path), "%s/in", folder);
    put_gzip("in", &text, text.size);
    assert_int_equal(truncate(path, 5000), 0);
    expect_failure(plan(job_create("in", NULL)), NULL, ERROR_CONFIG,
                   "is cut off near byte 5000, byte ");
    put_gzip("in", &text, text.size);
    file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, 4000, SEEK_SET), 0);
    assert_int_equal(fwrite("damage!!", 8, 1, file), 1);
    assert_int_equal(fclose(file), 0);
    expect_failure(plan(job_create("in", NULL)), NULL, ERROR_CONFIG, "is damaged near byte ");
    put_gzip("in", &(struct bytes){.data = text.data, .size = 999}, 999);
    expect_failure(plan(job_create("in", NULL)), &from, ERROR_CONFIG,
                   "ends at byte 999, before byte ");
    put_file("in", text.data, text.size);
    job = plan(job_create("in", NULL));
    assert_int_equal(truncate(path, 5000), 0);
    expect_failure(job, NULL, ERROR_CONFIG, "ends at byte 5000, before the end of its split");
    put_file("in", text.data, text.size);
    job = plan(job_create("in", NULL));
    assert_int_equal(unlink(path), 0);
    expect_failure(job, NULL, ERROR_IO, "cannot open: No such file");
    put_file("in", text.data, text.size);
    job = plan(job_create("in", NULL));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(path, path), 0);
    expect_failure(job, NULL, ERROR_CONFIG, "cannot open: Too many levels");
    assert_int_equal(unlink(path), 0);
    bytes_clear(&text);
}

static void expect_resumable(const char *path, const char *const *settings)
{
    struct job *job = job_create(path, settings);
    plan(job);
    struct result whole = read_all(job, UINT32_MAX);
    for (uint32_t stop = 1; stop < whole.steps; stop += 1 + stop / 8) {
        struct result again = read_all(job, stop);
        if (strcmp((char *)again.text.data, (char *)whole.text.data) != 0)
            fail_msg("%s: a stop after step %u changes what is read", path, stop);
        bytes_clear(&again.text);
    }
    bytes_clear(&whole.text);
    job_close(job);
}

static void test_resume(void **state)
{
    (void)state;
    struct bytes text = make_lines(4000, 8);
    char *big = memory_new(600001);
    memset(big, 'x', 600000);
    put_file("a.jsonl", text.data, text.size);
    put_gzip("a.gz", &text, 100000);
    bytes_put(&text, "\n", 1);
    bytes_put(&text, big, 600000); /* longer than the buffer: a stop in the middle of it */
    bytes_text(&text, "\n{\"t\":5}\n");
    put_file("big.jsonl", text.data, text.size);
    expect_resumable("a.jsonl", NULL);
    expect_resumable("big.jsonl", NULL);
    expect_resumable("a.gz", NULL);
    expect_resumable("a.jsonl", (const char *const[]){"order-by", "time", NULL});
    expect_resumable("big.jsonl", (const char *const[]){"order-by", "time", "ties", "hash", NULL});
    memory_free(big);
    bytes_clear(&text);
}

/* ---- sorting ---- */

static struct field sort_fields[] = {
    {.name = "a", .type = TYPE_I32},  {.name = "b", .type = TYPE_UTF8},
    {.name = "c", .type = TYPE_BOOL}, {.name = "d", .type = TYPE_F32},
    {.name = "e", .type = TYPE_F64},  {.name = "f", .type = TYPE_TIMESTAMP},
};
static const struct schema sort_schema = {6, sort_fields};

/* A row's values follow from its number, so that they can be checked. */
static void sort_row(struct builder *builder, struct random *random, uint32_t number)
{
    uint64_t order = random_below(random, 3) ? number : random_next(random);
    char text[300];
    builder_row(builder, (int64_t)random_below(random, 50) - 25, number, order);
    builder_i32(builder, 0, (int32_t)number);
    if (number % 3)
        builder_text(builder, 1, text,
                     (size_t)snprintf(text, sizeof(text), "%0*u", (int)(number % 250), number));
    if (number % 5)
        builder_bool(builder, 2, number & 1);
    if (number % 7)
        builder_f32(builder, 3, (float)number);
    builder_f64(builder, 4, number * 0.5);
    builder_i64(builder, 5, (int64_t)number << 20);
}

static void check_sorted_row(const struct batch *batch, uint32_t row)
{
    char text[300];
    uint32_t size, number = (uint32_t)batch_origin(batch)[row];
    const struct column *b = batch_column(batch, 1), *c = batch_column(batch, 2);
    assert_int_equal(((const int32_t *)batch_column(batch, 0)->values)[row], number);
    assert_int_equal(column_valid(b, row), number % 3 != 0);
    if (number % 3) {
        const char *value = column_text(b, row, &size);
        assert_int_equal(size, snprintf(text, sizeof(text), "%0*u", (int)(number % 250), number));
        assert_memory_equal(value, text, size);
    }
    assert_int_equal(column_valid(c, row), number % 5 != 0);
    if (number % 5)
        assert_int_equal(column_bool(c, row), number & 1);
    assert_int_equal(column_valid(batch_column(batch, 3), row), number % 7 != 0);
    assert_true(column_number(batch_column(batch, 4), row) == number * 0.5);
}

static void check_order(struct sorter *sorter, uint32_t rows)
{
    struct builder *builder = builder_create(&sort_schema, false);
    uint8_t *seen = memory_new(rows);
    int64_t time = INT64_MIN;
    uint64_t order = 0;
    uint32_t got = 1, total = 0;
    while (got > 0) {
        assert_true(sorter_next(sorter, 1000, builder, &got, NULL));
        struct batch *batch = builder_finish(builder);
        for (uint32_t row = 0; row < got; row++) {
            assert_true(batch_time(batch)[row] > time ||
                        (batch_time(batch)[row] == time && batch_order(batch)[row] >= order));
            time = batch_time(batch)[row];
            order = batch_order(batch)[row];
            seen[batch_origin(batch)[row]]++;
            check_sorted_row(batch, row);
        }
        total += got;
        batch_release(&batch);
    }
    assert_int_equal(total, rows);
    for (uint32_t row = 0; row < rows; row++)
        assert_int_equal(seen[row], 1);
    memory_free(seen);
    builder_close(builder);
}

static void run_sort(uint32_t rows, size_t limit, bool spills)
{
    struct random random = {rows};
    struct sort_budget budget = {.limit = limit};
    struct sorter *sorter = sorter_create(&sort_schema, &budget);
    struct builder *builder = builder_create(&sort_schema, false);
    for (uint32_t row = 0; row < rows;) {
        for (uint32_t k = 0; k < 700 && row < rows; k++)
            sort_row(builder, &random, row++);
        struct batch *batch = builder_finish(builder);
        sorter_add(sorter, batch);
        batch_release(&batch);
        for (bool busy = true; busy;)
            assert_true(sorter_work(sorter, &busy, NULL));
    }
    assert_true(sorter_finish(sorter, NULL));
    assert_int_equal(sorter_runs(sorter) > 1, spills);
    check_order(sorter, rows);
    sorter_close(sorter);
    assert_int_equal(budget.used, 0);
    builder_close(builder);
}

static void test_sort(void **state)
{
    (void)state;
    run_sort(0, 1 << 20, false);
    run_sort(1, 1 << 20, false);
    run_sort(20000, 64 << 20, false);
    run_sort(60000, 1 << 20, true);
    run_sort(60000, 1, true);
}

/* ---- configuration ---- */

static void test_columns(void **state)
{
    (void)state;
    struct option_entry parts[3] = {{.name = "path", .text = "a.b"},
                                    {.name = "type", .text = "i32"}};
    struct option_map nested = {2, parts};
    struct option_entry typo = {.name = "typ", .text = "i64"};
    struct option_map wrong = {1, &typo};
    struct option_map untyped = {1, parts};
    const struct {
        struct option_entry entry;
        const char *where; /* NULL: fine */
    } cases[] = {
        {{.name = "x", .text = "i64"}, NULL},
        {{.name = "x", .map = &nested}, NULL},
        {{.name = "x", .text = "int"}, "schema.x"},
        {{.name = "x", .map = &wrong}, "schema.x.typ"},
        {{.name = "x", .map = &untyped}, "schema.x"},
        {{.name = "raw", .text = "utf8"}, "schema.raw"},
        {{.name = "", .text = "utf8"}, "schema."},
        {{.name = "a-name-that-is-longer-than-the-sixty-three-bytes-which-a-name-may-have",
          .text = "utf8"},
         "schema.a-name-that-is-longer-than-the-sixty-three-bytes-which-a-name-may-have"},
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        struct arena *arena = arena_create(1024);
        struct option_map map = {1, (struct option_entry *)&cases[k].entry};
        struct columns columns;
        struct error err = {0};
        bool fine = columns_make(&map, "raw", arena, &columns, &err);
        if (fine != !cases[k].where || (!fine && strcmp(err.where, cases[k].where) != 0))
            fail_msg("case %zu: %s: %s", k, err.where, err.what);
        if (fine)
            assert_int_equal(columns.raw_column, 1);
        arena_close(arena);
    }
}

static void test_describe(void **state)
{
    (void)state;
    static const struct {
        const char *settings[5], *option; /* NULL: fine */
    } cases[] = {
        {{"time.unit", "s"}, NULL},
        {{"time.field", "x"}, "time.field"},
        {{"time.unit", "text"}, "schema.t"},
        {{"time.field", "v"}, "schema.v"},
        {{"format", "csv", "delimiter", ";;"}, "delimiter"},
        {{"format", "csv", "delimiter", "5"}, "delimiter"},
        {{"format", "csv", "quote", "''"}, "quote"},
        {{"format", "csv", "quote", "none"}, NULL},
        {{"format", "csv", "delimiter", "\\t"}, NULL},
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        struct job *job = job_create("a", cases[k].settings);
        bool fine = source_file.describe(&job->describe, &job->err);
        if (fine != !cases[k].option ||
            (!fine && strcmp(job->describe.option, cases[k].option) != 0))
            fail_msg("case %zu: %s: %s", k, job->err.where, job->err.what);
        job_close(job);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rows_and_rejects), TEST(test_several_files),    TEST(test_no_match),
        TEST(test_splits),           TEST(test_compressed),       TEST(test_unreadable),
        TEST(test_resume),           cmocka_unit_test(test_sort), cmocka_unit_test(test_columns),
        TEST(test_describe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
