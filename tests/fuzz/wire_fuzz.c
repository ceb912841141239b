/* wire_fuzz: any bytes as a batch of a schema that comes from the first of them. What is accepted
 * holds together, can be read and copied to its last value, and encodes to bytes that decode to
 * the same rows and encode to the same bytes.
 *
 *   input: number of columns (below 6), then a byte a column: its type, and for a list's child
 *   again a number and types; then the message. */
#include "runtime/batch/wire.h"
#include "tests/unit/rows.h"

#define FUZZ_COLUMNS_MAX 6u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *at;
    size_t size;
};

static uint32_t next_byte(struct input *input)
{
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->at++;
}

static const struct schema *read_schema(struct input *input, struct arena *arena, uint32_t first)
{
    static const enum type types[] = {TYPE_BOOL,      TYPE_I32,  TYPE_I64,    TYPE_F32, TYPE_F64,
                                      TYPE_TIMESTAMP, TYPE_UTF8, TYPE_VECTOR, TYPE_LIST};
    struct schema *schema = schema_create(arena);
    uint32_t count = first + next_byte(input) % FUZZ_COLUMNS_MAX;

    for (uint32_t i = 0; i < count; i++) {
        struct field field = {.type = types[next_byte(input) % (first ? 8 : 9)]};

        snprintf(field.name, sizeof(field.name), "c%u", i);
        if (field.type == TYPE_VECTOR)
            field.width = 3;
        if (field.type == TYPE_LIST)
            field.child = read_schema(input, arena, 1);
        CHECK(schema_add(schema, arena, &field));
    }
    return schema;
}

static void write_rows(const struct batch *batch, const struct schema *schema, struct bytes *text)
{
    for (uint32_t row = 0; row < batch->rows; row++) {
        rows_write(batch, schema, row, text);
        if (batch->columns[HIDDEN_KEY]) {
            struct key key = key_of(batch, row);

            CHECK(key.size <= KEY_SIZE_MAX);
            rows_bytes_text(text, (const char *)key.data, key.size);
        }
    }
}

static void check_same(const struct batch *batch, const struct schema *schema,
                       const struct bytes *expected)
{
    struct bytes text = {0};

    batch_check(batch, schema);
    write_rows(batch, schema, &text);
    CHECK(text.size == expected->size);
    CHECK(text.size == 0 || memcmp(text.data, expected->data, text.size) == 0);
    bytes_clear(&text);
}

static void check_copies(struct batch *batch, const struct schema *schema)
{
    uint32_t *rows = memory_array((size_t)batch->rows + 1, sizeof(*rows));
    struct bytes text = {0}, first = {0}, second = {0};
    struct batch *copy, *back, *again;

    for (uint32_t row = 0; row < batch->rows; row++)
        rows[row] = row;
    write_rows(batch, schema, &text);
    copy = batch_gather(batch, rows, batch->rows);
    check_same(copy, schema, &text);
    wire_encode(copy, schema, &first);
    back = wire_decode(schema, first.data, first.size, NULL);
    CHECK(back);
    check_same(back, schema, &text);
    again = batch_dense(back);
    wire_encode(again, schema, &second);
    CHECK(first.size == second.size && memcmp(first.data, second.data, first.size) == 0);
    batch_release(&again);
    batch_release(&back);
    batch_release(&copy);
    bytes_clear(&text);
    bytes_clear(&first);
    bytes_clear(&second);
    memory_free(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct arena *arena = arena_create(4096);
    const struct schema *schema = read_schema(&input, arena, 0);
    struct error err = {0};
    struct batch *batch = wire_decode(schema, input.at, input.size, &err);

    if (batch) {
        batch_check(batch, schema);
        check_copies(batch, schema);
    } else {
        CHECK(err.code == ERROR_DATA);
    }
    batch_release(&batch);
    arena_close(arena);
    return 0;
}
