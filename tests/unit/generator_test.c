/* generator: source/generator through an engine of the test's own: it goes on exactly after any row,
 * its splits are all users, and a column that nobody takes leaves the others as they are. */
#include "operators/model/world.h"
#include "runtime/api/operator.h"
#include "runtime/batch/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS_MAX 4000u

/* ---- the engine ---- */

struct op {
    struct world_options options;
    struct arena *arena;
    const struct schema *schema;
    void *scratch;
    uint64_t unread; /* columns, a mask */
    bool ordered;
    char fault[64];
};
struct describe {
    struct op *op;
};

extern const struct operator_def source_generator;

const void *op_config(const struct op *op)
{
    return &op->options;
}

void *op_memory(struct op *op, size_t size)
{
    return arena_new(op->arena, size);
}

void *op_scratch(const struct op *op)
{
    return op->scratch;
}

void op_set_scratch(struct op *op, void *scratch)
{
    op->scratch = scratch;
}

bool op_output_reads(const struct op *op, uint32_t port, uint32_t column)
{
    assert_true(port == 0 && column < op->schema->count);
    return !(op->unread >> column & 1);
}

const void *describe_config(const struct describe *describe)
{
    return &describe->op->options;
}

struct arena *describe_arena(struct describe *describe)
{
    return describe->op->arena;
}

void describe_output(struct describe *describe, uint32_t port, const struct schema *schema)
{
    assert_int_equal(port, 0);
    describe->op->schema = schema;
}

void describe_output_key(struct describe *describe, uint32_t port, const struct text_list *columns)
{
    assert_true(describe->op && port == 0 && columns->count == 1);
    assert_string_equal(columns->items[0], "user_id");
}

void describe_ordered(struct describe *describe)
{
    describe->op->ordered = true;
}

bool describe_error(struct describe *describe, struct error *err, const char *option,
                    const char *how, const char *what, ...)
{
    (void)what;
    assert_non_null(how);
    (void)snprintf(describe->op->fault, sizeof(describe->op->fault), "%s", option);
    return error_set(err, ERROR_CONFIG, option, how, "refused");
}

bool split_list_add(struct split_list *list, const char *name, int64_t begin, int64_t end)
{
    /* As the engine numbers those of its third source. */
    struct split split = {2 * SPLITS_MAX + list->count, arena_text(list->arena, name), begin, end};

    if (list->count == list->capacity)
        return false;
    list->splits[list->count++] = split;
    return true;
}

/* ---- a source ---- */

#define SPLITS 8u

struct rig {
    struct op op;
    struct split splits[SPLITS];
    struct split_list list;
};

static void rig_open(struct rig *rig, const char *text, uint64_t unread)
{
    struct describe describe = {&rig->op};
    struct error err = {0};

    *rig = (struct rig){.op.unread = unread};
    rig->op.arena = arena_create(1 << 16);
    rig->list = (struct split_list){rig->op.arena, 0, SPLITS, rig->splits};
    assert_true(world_options_read(&rig->op.options, text, strlen(text), rig->op.arena, &err));
    assert_true(source_generator.describe(&describe, &err));
    assert_true(rig->op.ordered);
    assert_true(source_generator.splits(&rig->op.options, &rig->list, &err));
    assert_true(source_generator.open(&rig->op, &err));
}

static void rig_close(struct rig *rig)
{
    arena_close(rig->op.arena);
}

struct rows {
    struct bytes text; /* a line each */
    uint32_t count;
    int64_t times[ROWS_MAX];
    uint64_t origins[ROWS_MAX];
    size_t ends[ROWS_MAX]; /* of lines */
    struct position last;
};

static void rows_clear(struct rows *rows)
{
    bytes_clear(&rows->text);
    memory_free(rows);
}

static void keep(struct rows *rows, struct encoder *encoder, const struct batch *batch)
{
    uint32_t row = 0;
    size_t begin = rows->text.size;

    assert_true(batch_rows(batch) <= BATCH_ROWS_MAX && rows->count + batch->rows <= ROWS_MAX);
    encode_rows(encoder, batch, &rows->text);
    for (size_t at = begin; at < rows->text.size; at++)
        if (rows->text.data[at] == '\n') {
            rows->times[rows->count] = batch_time(batch)[row];
            rows->origins[rows->count] = batch_origin(batch)[row++];
            rows->ends[rows->count++] = at + 1;
        }
    assert_int_equal(row, batch->rows);
}

static struct rows *read_split(struct rig *rig, uint32_t split, const struct position *from)
{
    static const struct encode_options json = {.format = ENCODE_JSON};
    struct rows *rows = memory_new(sizeof(*rows));
    struct error err = {0};
    struct builder *builder = builder_create(rig->op.schema, false);
    struct encoder *encoder = encoder_create(rig->op.schema, &json);
    void *reader = source_generator.split_open(&rig->op, &rig->splits[split], from, &err);
    enum read_result result = READ_MORE;

    assert_non_null(reader);
    while (result == READ_MORE) {
        struct batch *batch;
        result = source_generator.split_read(&rig->op, reader, builder, &err);
        assert_true(result == READ_MORE || result == READ_END);
        batch = builder_finish(builder);
        if (batch)
            keep(rows, encoder, batch);
        batch_release(&batch);
        source_generator.split_position(reader, &rows->last);
    }
    source_generator.split_close(reader);
    encoder_close(encoder);
    builder_close(builder);
    return rows;
}

/* ---- tests ---- */

static void users_inside(const struct rig *rig, uint32_t split, const struct rows *rows)
{
    uint32_t first, last;

    assert_int_equal(sscanf(rig->splits[split].name, "users %u to %u", &first, &last), 2);
    for (uint32_t i = 0; i < rows->count; i++) {
        const char *line = (const char *)rows->text.data + (i ? rows->ends[i - 1] : 0);
        unsigned long user = strtoul(strstr(line, "\"user_id\":") + 10, NULL, 10);
        assert_true(user >= first && user <= last);
    }
}

/* Ascending by (event time, order), no origin twice, and users of the split alone. */
static void test_order(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig, "site=shop users=300 items=20 candidates=2 length=1 days=20", 0);
    for (uint32_t split = 0; split < rig.list.count; split++) {
        struct rows *rows = read_split(&rig, split, NULL);
        assert_true(rows->count > 500);
        bytes_put(&rows->text, "", 1);
        users_inside(&rig, split, rows);
        for (uint32_t i = 1; i < rows->count; i++) {
            assert_true(rows->times[i] >= rows->times[i - 1]);
            assert_true(rows->times[i] / WORLD_HOUR_MS > rows->times[i - 1] / WORLD_HOUR_MS ||
                        rows->times[i] > rows->times[i - 1] ||
                        rows->origins[i] > rows->origins[i - 1]);
            for (uint32_t k = 0; k < i; k++)
                assert_true(rows->origins[k] != rows->origins[i]);
        }
        rows_clear(rows);
    }
    rig_close(&rig);
}

/* From the place of each row come that row and all that follow. */
static void test_resumed_at_any_row(void **state)
{
    struct rig rig;
    struct rows *all;
    struct position from = {0};

    (void)state;
    rig_open(&rig, "site=news users=160 items=20 candidates=2 length=1 first-day=40 days=12", 0);
    all = read_split(&rig, 5, NULL);
    assert_true(all->count > 2 * 128 && all->count < ROWS_MAX);
    assert_int_equal(all->last.offset, 12 * 24);
    assert_int_equal(all->last.rows, 0);
    for (uint32_t i = 0; i < all->count; i++) {
        uint64_t hour = (uint64_t)((all->times[i] - WORLD_DAY0_MS) / WORLD_HOUR_MS) - 40 * 24;
        size_t begin = i ? all->ends[i - 1] : 0;
        struct rows *rest;
        from.rows = i && hour == from.offset ? from.rows + 1 : 0;
        from.offset = hour;
        rest = read_split(&rig, 5, &from);
        assert_int_equal(rest->count, all->count - i);
        assert_int_equal(rest->text.size, all->text.size - begin);
        assert_memory_equal(rest->text.data, all->text.data + begin, rest->text.size);
        assert_true(rest->origins[0] == all->origins[i]);
        rows_clear(rest);
    }
    rows_clear(all);
    rig_close(&rig);
}

/* Each user is in one split, however few or uneven they are. */
static void test_splits(void **state)
{
    (void)state;
    for (uint32_t users = 1; users < 20; users++) {
        uint32_t next = 0;
        char text[80];
        struct rig rig;
        (void)snprintf(text, sizeof(text), "site=shop users=%u days=1", users);
        rig_open(&rig, text, 0);
        assert_int_equal(rig.list.count, users < SPLITS ? users : SPLITS);
        for (uint32_t split = 0; split < rig.list.count; split++) {
            uint32_t first, last;
            assert_int_equal(sscanf(rig.splits[split].name, "users %u to %u", &first, &last), 2);
            assert_true(first == next && last >= first);
            next = last + 1;
        }
        assert_int_equal(next, users);
        rig_close(&rig);
    }
}

static const char *behind(const char *text, const char *name)
{
    const char *found = strstr(text, name);

    assert_non_null(found);
    return found + strlen(name);
}

/* Those of the link are neighbours in a row; without them the rest stays. */
static void test_unread_columns(void **state)
{
    const char *text = "site=video users=40 items=20 candidates=3 length=1 days=8";
    struct rig rig, less;
    struct rows *all, *some;

    (void)state;
    rig_open(&rig, text, 0);
    rig_open(&less, text, 0);
    for (uint32_t i = 0; i < rig.op.schema->count; i++) {
        const char *name = rig.op.schema->fields[i].name;
        if (!strncmp(name, "thr_", 4) || !strcmp(name, "rtt_ms") || !strcmp(name, "loss"))
            less.op.unread |= UINT64_C(1) << i;
    }
    assert_int_equal(__builtin_popcountll(less.op.unread), 4);
    assert_true(source_generator.open(&less.op, &(struct error){0}));
    all = read_split(&rig, 1, NULL);
    some = read_split(&less, 1, NULL);
    assert_int_equal(all->count, some->count);
    for (uint32_t i = 0; i < all->count; i++) {
        char *a = arena_copy(rig.op.arena, all->text.data + (i ? all->ends[i - 1] : 0),
                             all->ends[i] - (i ? all->ends[i - 1] : 0));
        char *b = arena_copy(rig.op.arena, some->text.data + (i ? some->ends[i - 1] : 0),
                             some->ends[i] - (i ? some->ends[i - 1] : 0));
        assert_null(strstr(a, "\"loss\":null"));
        assert_string_equal(behind(b, "\"loss\":null,"), strstr(a, "\"budget_used\""));
        assert_memory_equal(a, b, (size_t)(strstr(b, "\"thr_q20\"") - b));
    }
    rows_clear(all);
    rows_clear(some);
    rig_close(&rig);
    rig_close(&less);
}

static void test_refused(void **state)
{
    struct rig rig;
    struct describe describe = {&rig.op};
    struct error err = {0};

    (void)state;
    rig_open(&rig, "site=shop", 0);
    rig.op.options.candidates = 401;
    assert_false(source_generator.describe(&describe, &err));
    assert_string_equal(rig.op.fault, "candidates");
    rig.op.options.candidates = 9;
    assert_false(source_generator.describe(&describe, &err));
    assert_string_equal(rig.op.fault, "length");
    rig.op.options.candidates = 80;
    rig.op.options.first_day = WORLD_DAYS_MAX - 1;
    assert_false(source_generator.describe(&describe, &err));
    assert_string_equal(rig.op.fault, "days");
    rig.op.options.days = 1; /* at the bound */
    assert_true(source_generator.describe(&describe, &err));
    assert_true(source_generator.open(&rig.op, &err));
    rows_clear(read_split(&rig, 0, NULL));
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),   cmocka_unit_test(test_resumed_at_any_row),
        cmocka_unit_test(test_splits),  cmocka_unit_test(test_unread_columns),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
