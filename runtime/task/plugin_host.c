/* See plugin_host.h. Memory layouts are the same on both sides, so that an exported array points into
 * the column; what a plug-in gives is copied, as blocks need spare bytes behind their data. */
#include "runtime/task/plugin_host.h"

#include <stdio.h>
#include <string.h>

/* ---- out: schemas ---- */
static const char *format_of(enum type type)
{
    switch (type) {
    case TYPE_BOOL:
        return "b";
    case TYPE_I32:
        return "i";
    case TYPE_I64:
        return "l";
    case TYPE_F32:
        return "f";
    case TYPE_F64:
        return "g";
    case TYPE_TIMESTAMP:
        return "tsm:UTC";
    case TYPE_UTF8:
        return "u";
    case TYPE_LIST:
        return "+l";
    case TYPE_VECTOR: /* with its width */
    case TYPE_NONE:
    case TYPE_KEY:
        break;
    }
    return "+w:";
}

struct schema_memory { /* private_data of a schema */
    char name[NAME_SIZE_MAX];
    char format[24];
    struct ArrowSchema **children, *child_memory;
};

/* A child that was moved away has no release any more (the specification's rule). */
static void schema_release(struct ArrowSchema *schema)
{
    struct schema_memory *memory = schema->private_data;

    for (int64_t i = 0; i < schema->n_children; i++)
        if (schema->children[i]->release)
            schema->children[i]->release(schema->children[i]);
    memory_free(memory->children);
    memory_free(memory->child_memory);
    memory_free(memory);
    schema->release = NULL;
}

static void schema_make(struct ArrowSchema *schema, const char *name, const char *format,
                        uint32_t children)
{
    struct schema_memory *memory = memory_new(sizeof(*memory));

    (void)snprintf(memory->name, sizeof(memory->name), "%s", name);
    (void)snprintf(memory->format, sizeof(memory->format), "%s", format);
    memory->children = memory_array(children, sizeof(struct ArrowSchema *));
    memory->child_memory = memory_array(children, sizeof(struct ArrowSchema));
    for (uint32_t i = 0; i < children; i++)
        memory->children[i] = &memory->child_memory[i];
    *schema = (struct ArrowSchema){.format = memory->format,
                                   .name = memory->name,
                                   .flags = ARROW_FLAG_NULLABLE,
                                   .n_children = children,
                                   .children = memory->children,
                                   .release = schema_release,
                                   .private_data = memory};
}

static void export_schema(const struct field *field, struct ArrowSchema *schema)
{
    char format[24];

    (void)snprintf(format, sizeof(format), "%s", format_of(field->type));
    if (field->type == TYPE_VECTOR)
        (void)snprintf(format, sizeof(format), "+w:%u", field->width);
    schema_make(schema, field->name, format,
                field->type == TYPE_LIST || field->type == TYPE_VECTOR);
    if (field->type == TYPE_VECTOR)
        schema_make(schema->children[0], "item", "f", 0);
    if (field->type != TYPE_LIST)
        return;
    schema_make(schema->children[0], "item", "+s", field->child->count);
    for (uint32_t i = 0; i < field->child->count; i++)
        export_schema(&field->child->fields[i], schema->children[0]->children[i]);
}

/* ---- out: arrays ---- */
struct array_memory { /* private_data of an array */
    struct column *column;
    const void *buffers[3];
    struct ArrowArray **children, *child_memory;
};

static void array_release(struct ArrowArray *array)
{
    struct array_memory *memory = array->private_data;

    for (int64_t i = 0; i < array->n_children; i++)
        if (array->children[i]->release)
            array->children[i]->release(array->children[i]);
    column_release(&memory->column);
    memory_free(memory->children);
    memory_free(memory->child_memory);
    memory_free(memory);
    array->release = NULL;
}

/* `column` is what the memory belongs to. */
static struct array_memory *array_make(struct ArrowArray *array, const struct column *column,
                                       uint32_t length, uint32_t buffers, uint32_t children)
{
    struct array_memory *memory = memory_new(sizeof(*memory));

    memory->column = (struct column *)(uintptr_t)column;
    column_ref(memory->column);
    memory->children = memory_array(children, sizeof(struct ArrowArray *));
    memory->child_memory = memory_array(children, sizeof(struct ArrowArray));
    for (uint32_t i = 0; i < children; i++)
        memory->children[i] = &memory->child_memory[i];
    *array = (struct ArrowArray){.length = length,
                                 .null_count = -1, /* not counted */
                                 .n_buffers = buffers,
                                 .n_children = children,
                                 .buffers = memory->buffers,
                                 .children = memory->children,
                                 .release = array_release,
                                 .private_data = memory};
    return memory;
}

static void export_array(const struct column *column, struct ArrowArray *array);

static void export_list(const struct column *column, struct ArrowArray *array)
{
    const struct batch *child = column->child;
    struct array_memory *memory = array_make(array, column, column->rows, 2, 1);
    struct ArrowArray *items = array->children[0];

    memory->buffers[0] = column->validity;
    memory->buffers[1] = column->offsets;
    (void)array_make(items, column, child->rows, 1, child->column_count); /* no item is null */
    items->null_count = 0;
    for (uint32_t i = 0; i < child->column_count; i++)
        export_array(batch_column(child, i), items->children[i]);
}

static void export_array(const struct column *column, struct ArrowArray *array)
{
    bool vector = column->type == TYPE_VECTOR, text = column->type == TYPE_UTF8;
    struct array_memory *memory;

    if (column->type == TYPE_LIST) {
        export_list(column, array);
        return;
    }
    memory = array_make(array, column, column->rows, vector ? 1 : text ? 3 : 2, vector);
    memory->buffers[0] = column->validity;
    if (!column->validity)
        array->null_count = 0;
    if (vector) {
        struct array_memory *values =
            array_make(array->children[0], column, column->rows * column->width, 2, 0);

        values->buffers[1] = column->values;
        array->children[0]->null_count = 0;
        return;
    }
    memory->buffers[1] = text ? (const void *)column->offsets : column->values;
    memory->buffers[2] = text ? column->values : NULL;
}

void plugin_export(const struct column *column, const struct field *field,
                   struct ArrowSchema *schema, struct ArrowArray *array)
{
    if (schema)
        export_schema(field, schema);
    export_array(column, array);
}

/* ---- in ---- */
static bool is_scalar(enum type type)
{
    return type == TYPE_BOOL || type == TYPE_UTF8 || type_size(type) > 0;
}

static struct block *copy_bits(const uint8_t *bits, int64_t offset, uint32_t rows)
{
    struct block *block = block_create(((size_t)rows + 7) / 8);

    memset(block->data, 0, ((size_t)rows + 7) / 8);
    for (uint32_t row = 0; row < rows; row++) {
        uint64_t at = (uint64_t)offset + row;

        block->data[row >> 3] |= (uint8_t)((bits[at >> 3] >> (at & 7) & 1) << (row & 7));
    }
    return block;
}

static bool import_text(struct column *column, const struct ArrowArray *array)
{
    const int32_t *from = (const int32_t *)array->buffers[1] + array->offset;
    uint32_t rows = column->rows;
    int32_t *to;

    for (uint32_t row = 0; row < rows; row++)
        if (from[row] < 0 || from[row + 1] < from[row])
            return false;
    column->blocks[1] = block_create((rows + 1ul) * sizeof(int32_t));
    to = (int32_t *)(void *)column->blocks[1]->data;
    for (uint32_t row = 0; row <= rows; row++)
        to[row] = from[row] - from[0];
    column->blocks[0] = block_create((size_t)to[rows]);
    if (to[rows])
        memcpy(column->blocks[0]->data, (const uint8_t *)array->buffers[2] + from[0],
               (size_t)to[rows]);
    column->offsets = to;
    return true;
}

static void import_values(struct column *column, const struct ArrowArray *array)
{
    size_t size = type_size(column->type);

    if (column->type == TYPE_BOOL) {
        column->blocks[0] = copy_bits(array->buffers[1], array->offset, column->rows);
        return;
    }
    column->blocks[0] = block_create(column->rows * size);
    if (column->rows)
        memcpy(column->blocks[0]->data,
               (const uint8_t *)array->buffers[1] + (size_t)array->offset * size,
               column->rows * size);
}

static bool array_fits(const struct ArrowArray *array, enum type type, uint32_t rows)
{
    int64_t buffers = type == TYPE_UTF8 ? 3 : 2;

    if (!array->release || array->length != rows || array->offset < 0 ||
        array->n_buffers != buffers || array->n_children != 0 || array->dictionary ||
        !array->buffers)
        return false;
    return rows == 0 || (array->buffers[1] && (type != TYPE_UTF8 || array->buffers[2]));
}

struct column *plugin_import(struct ArrowArray *array, enum type type, uint32_t rows,
                             struct error *err)
{
    struct column *column = column_create(type, rows);
    bool good = is_scalar(type) && rows > 0 && array_fits(array, type, rows);

    if (good && array->buffers[0] && array->null_count != 0) {
        column->blocks[2] = copy_bits(array->buffers[0], array->offset, rows);
        column->validity = column->blocks[2]->data;
    }
    if (good && type == TYPE_UTF8)
        good = import_text(column, array);
    else if (good)
        import_values(column, array);
    if (array->release)
        array->release(array);
    if (good) {
        column->values = column->blocks[0]->data;
        return column;
    }
    column_release(&column);
    error_set(err, ERROR_DATA, "",
              "give as many values as the batch has rows, in that type's layout",
              "the plug-in's array is not one of %u values of %s", rows, type_name(type));
    return NULL;
}

/* ---- the table ---- */
static enum type host_describe_column(const struct describe *describe, uint32_t port,
                                      const char *name)
{
    const struct schema *schema = describe_input(describe, port);
    uint32_t column = schema ? schema_find(schema, name) : FIELD_NONE;

    return column == FIELD_NONE ? TYPE_NONE : schema->fields[column].type;
}

static bool host_describe_output(struct describe *describe, uint32_t output, uint32_t input,
                                 const struct plugin_column *added, uint32_t count,
                                 struct error *err)
{
    struct arena *arena = describe_arena(describe);
    const struct schema *in = describe_input(describe, input);
    struct schema *schema = schema_create(arena);

    for (uint32_t i = 0; i < in->count; i++)
        CHECK(schema_add(schema, arena, &in->fields[i]));
    for (uint32_t i = 0; i < count; i++) {
        if (!is_scalar(added[i].type))
            return describe_error(describe, err, "", NULL,
                                  "column \"%s\" has no type that a "
                                  "plug-in can add",
                                  added[i].name);
        if (strlen(added[i].name) >= NAME_SIZE_MAX ||
            !schema_add_column(schema, arena, added[i].name, added[i].type))
            return describe_error(describe, err, "", "choose another name",
                                  "a column \"%s\" cannot be added to the input's", added[i].name);
    }
    describe_output(describe, output, schema);
    return true;
}

static bool host_describe_error(struct describe *describe, struct error *err, const char *option,
                                const char *how, const char *what)
{
    return describe_error(describe, err, option, how, "%s", what);
}

static uint32_t host_column(const struct op *op, uint32_t port, const char *name)
{
    return schema_find(op_input_schema(op, port), name);
}

static bool host_fail(struct error *err, const char *how, const char *what)
{
    return error_set(err, ERROR_DATA, "", how, "%s", what);
}

static uint32_t host_rows(const struct batch *batch)
{
    return batch_rows(batch);
}

static const int64_t *host_times(const struct batch *batch)
{
    return batch_time(batch);
}

static void host_export_column(const struct op *op, uint32_t port, const struct batch *batch,
                               uint32_t column, struct ArrowSchema *schema,
                               struct ArrowArray *array)
{
    const struct schema *in = op_input_schema(op, port);

    CHECK(column < in->count);
    plugin_export(batch_column(batch, column), &in->fields[column], schema, array);
}

static bool host_emit(struct op *op, uint32_t output, const struct batch *batch,
                      struct ArrowArray *added, uint32_t count, struct error *err)
{
    const struct schema *schema = op_output_schema(op, output);
    struct batch *sent = batch_copy(batch);
    bool good = schema->count == batch->column_count + count;

    if (!good)
        error_set(err, ERROR_DATA, "", "give the columns of describe_output",
                  "the plug-in sends %u columns, its output has %u", batch->column_count + count,
                  schema->count);
    for (uint32_t i = 0; i < count; i++) {
        enum type type = good ? schema->fields[batch->column_count + i].type : TYPE_NONE;
        struct column *column = NULL;
        struct batch *longer;

        if (good)
            column = plugin_import(&added[i], type, batch_rows(batch), err);
        else if (added[i].release)
            added[i].release(&added[i]);
        good = column != NULL;
        if (!good)
            continue;
        longer = batch_with(sent, &column);
        batch_release(&sent);
        sent = longer;
    }
    if (good)
        op_emit(op, output, &sent);
    batch_release(&sent);
    return good;
}

const struct plugin_host plugin_host_table = {
    .abi = PLUGIN_ABI,
    .size = sizeof(struct plugin_host),
    .describe_config = describe_config,
    .describe_column = host_describe_column,
    .describe_output = host_describe_output,
    .describe_error = host_describe_error,
    .config = op_config,
    .memory = op_memory,
    .set_scratch = op_set_scratch,
    .scratch = op_scratch,
    .column = host_column,
    .count = op_count,
    .fail = host_fail,
    .rows = host_rows,
    .times = host_times,
    .export_column = host_export_column,
    .emit = host_emit,
    .cells = op_cells,
    .cell_size = op_cell_size,
    .cell_resize = op_cell_resize,
    .cell_remove = op_cell_remove,
    .set_timers = op_set_timers,
    .due_rows = due_rows,
    .due_times = due_time,
};
