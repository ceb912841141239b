/* expr: any text over a fixed schema. What compiles is run over a small batch and must agree with
 * the naive evaluator; what does not must say why. */
#include "runtime/base/check.h"
#include "runtime/batch/builder.h"
#include "runtime/batch/expr.h"
#include "tests/unit/expr_naive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct field fields[] = {
    {.name = "n", .type = TYPE_I64},       {.name = "i", .type = TYPE_I32},
    {.name = "d", .type = TYPE_F64},       {.name = "f", .type = TYPE_F32},
    {.name = "b", .type = TYPE_BOOL},      {.name = "s", .type = TYPE_UTF8},
    {.name = "t", .type = TYPE_TIMESTAMP}, {.name = "odd name", .type = TYPE_I64},
};
static const struct schema schema = {sizeof(fields) / sizeof(fields[0]), fields};

/* Every third value is null, in turns. */
static struct batch *make(void)
{
    static const char *const texts[] = {"", "abc", "12", "\xc3\xa9t\xc3\xa9", "a%b_c", "true"};
    struct builder *builder = builder_create(&schema, false);
    struct batch *batch;

    for (uint32_t row = 0; row < 70; row++) {
        builder_row(builder, row * INT64_C(86400000), row, row);
        if (row % 3 != 0)
            builder_i64(builder, 0, row == 7 ? INT64_MIN : (int64_t)row - 20);
        if (row % 3 != 1)
            builder_i32(builder, 1, (int32_t)row - 5);
        if (row % 3 != 2)
            builder_f64(builder, 2, row / 4.0 - 3);
        if (row % 3 != 0)
            builder_f32(builder, 3, (float)row / 3);
        if (row % 3 != 1)
            builder_bool(builder, 4, row % 2);
        if (row % 3 != 2)
            builder_text(builder, 5, texts[row % 6], strlen(texts[row % 6]));
        if (row % 3 != 0)
            builder_i64(builder, 6, row * INT64_C(1234567890));
        builder_i64(builder, 7, row);
    }
    batch = builder_finish(builder);
    builder_close(builder);
    return batch;
}

static void compare(struct expr *expr, const char *text)
{
    struct batch *batch = make();
    struct naive *naive = naive_compile(text, &schema);
    struct column *column = expr_eval(expr, batch);
    char difference[256];

    CHECK(naive);
    if (!naive_agrees(naive, batch, column, difference, sizeof(difference))) {
        fprintf(stderr, "%s: %s\n", text, difference);
        abort();
    }
    if (expr_type(expr) == TYPE_BOOL) {
        uint32_t rows[70];
        CHECK(expr_filter(expr, batch, rows) <= batch->selected);
    }
    column_release(&column);
    naive_close(naive);
    batch_release(&batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = memory_new(size + 1);
    struct error err = {0};
    struct expr *expr;

    if (size)
        memcpy(text, data, size);
    expr = expr_compile(text, &schema, &err);
    if (expr)
        compare(expr, text);
    else
        CHECK(err.what[0] && err.code != ERROR_NONE);
    expr_close(expr);
    memory_free(text);
    return 0;
}
