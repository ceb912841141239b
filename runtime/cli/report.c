/* See report.h. Options of sink/report are read by name from its table, as `info` reads them: nothing
 * here is compiled against operators. */
#include "runtime/cli/report.h"

#include "runtime/base/file.h"
#include "runtime/cli/page.h"

#include <jansson.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROWS_SIZE_MAX ((size_t)256 << 20) /* bytes of a section's files */

static const char kind[] = "sink/report";

/* ---- options ---- */

static const void *option_of(const struct plan_op *op, const char *name, enum option_type type)
{
    const struct option *option = option_find(op->def->options, name);

    CHECK(option && option->type == type);
    return (const char *)op->config + option->offset;
}

static const char *text_of(const struct plan_op *op, const char *name, enum option_type type)
{
    return *(const char *const *)option_of(op, name, type);
}

static json_t *texts_json(const struct text_list *texts)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < texts->count; i++)
        json_array_append_new(array, json_string(texts->items[i]));
    return array;
}

/* ---- rows ---- */

struct rows {
    struct bytes text; /* whole lines */
    size_t count;
    struct line {
        size_t begin, size;
    } * lines;
};

static bool add_file(struct rows *rows, const char *dir, const char *name, struct error *err)
{
    char *path = memory_format("%s/%s", dir, name);
    bool good = file_read(path, ROWS_SIZE_MAX - rows->text.size, &rows->text, err);

    memory_free(path);
    return good;
}

static bool is_part(const char *name)
{
    size_t size = strlen(name);

    return strncmp(name, "part-", 5) == 0 && size > 6 && strcmp(name + size - 6, ".jsonl") == 0;
}

static bool read_files(struct rows *rows, const char *dir, struct error *err)
{
    DIR *folder = opendir(dir);
    const struct dirent *entry;
    bool good = true;

    if (!folder)
        return errno == ENOENT || error_errno(err, dir, "cannot be read");
    while (good && (entry = readdir(folder)) != NULL)
        if (is_part(entry->d_name))
            good = add_file(rows, dir, entry->d_name, err);
    (void)closedir(folder);
    return good;
}

static int by_text(const void *left, const void *right, void *context)
{
    const struct line *a = left, *b = right;
    const uint8_t *text = context;
    int order = memcmp(text + a->begin, text + b->begin, a->size < b->size ? a->size : b->size);

    return order ? order : a->size < b->size ? -1 : a->size > b->size;
}

/* In an order that does not depend on how many subtasks wrote them. */
static void sort_lines(struct rows *rows)
{
    size_t capacity = 0, begin = 0;

    for (size_t i = 0; i < rows->text.size; i++) {
        if (rows->text.data[i] != '\n')
            continue;
        if (rows->count == capacity) {
            capacity = capacity ? 2 * capacity : 256;
            rows->lines = memory_grow(rows->lines, capacity, sizeof(*rows->lines));
        }
        rows->lines[rows->count++] = (struct line){begin, i - begin};
        begin = i + 1;
    }
    if (rows->count)
        qsort_r(rows->lines, rows->count, sizeof(*rows->lines), by_text, rows->text.data);
}

/* Of rows of a table of feature/lift the newest of each class: the others are its history. */
struct newest {
    json_t *class; /* owned */
    json_int_t window_end;
    struct line line;
};

static void take_newest(struct newest *kept, size_t *count, struct line line, json_t *row)
{
    json_t *class = json_object_get(row, "class");
    json_int_t window_end = json_integer_value(json_object_get(row, "window_end"));
    size_t at = 0;

    while (at < *count && !json_equal(kept[at].class, class))
        at++;
    if (at == *count) {
        kept[(*count)++] = (struct newest){json_incref(class), window_end, line};
    } else if (window_end > kept[at].window_end) {
        kept[at].window_end = window_end;
        kept[at].line = line;
    }
}

static void keep_newest(struct rows *rows)
{
    struct newest *kept = memory_array(rows->count, sizeof(*kept));
    size_t count = 0;

    for (size_t i = 0; i < rows->count; i++) {
        const struct line *line = &rows->lines[i];
        json_t *row = json_loadb((const char *)rows->text.data + line->begin, line->size, 0, NULL);
        if (json_object_get(row, "class"))
            take_newest(kept, &count, *line, row);
        json_decref(row);
    }
    for (size_t i = 0; i < count; i++) {
        rows->lines[i] = kept[i].line; /* by bytes: in the order of their first rows */
        json_decref(kept[i].class);
    }
    rows->count = count;
    memory_free(kept);
}

static void rows_clear(struct rows *rows)
{
    bytes_clear(&rows->text);
    memory_free(rows->lines);
}

/* ---- the data ---- */

/* JSON within a script element: `<` would end it, and stands only in texts. */
static void put_json(struct bytes *page, const void *text, size_t size)
{
    const char *at = text, *end = at + size;

    while (at < end) {
        size_t plain = (size_t)(end - at);
        const char *next = memchr(at, '<', plain);
        plain = next ? (size_t)(next - at) : plain;
        bytes_put(page, at, plain);
        if (next)
            bytes_text(page, "\\u003c");
        at += plain + (next != NULL);
    }
}

/* Takes the value. */
static void put_value(struct bytes *page, json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENCODE_ANY);

    CHECK(text);
    put_json(page, text, strlen(text));
    free(text);
    json_decref(value);
}

static json_t *columns_json(const struct plan_op *op)
{
    const struct text_list *columns = option_of(op, "columns", OPT_FIELDS);
    const struct schema *schema = op->inputs[0].schema;
    json_t *array;

    if (columns->count)
        return texts_json(columns);
    array = json_array();
    for (uint32_t i = 0; i < schema->count; i++)
        if (schema->fields[i].type != TYPE_LIST && schema->fields[i].type != TYPE_VECTOR)
            json_array_append_new(array, json_string(schema->fields[i].name));
    return array;
}

static json_t *types_json(const struct schema *schema)
{
    json_t *object = json_object();

    for (uint32_t i = 0; i < schema->count; i++)
        json_object_set_new(object, schema->fields[i].name,
                            json_string(type_name(schema->fields[i].type)));
    return object;
}

static const char *plot_of(const struct plan_op *op)
{
    const struct option *plot = option_find(op->def->options, "plot");

    return plot->choices[*(const int32_t *)option_of(op, "plot", OPT_ENUM)];
}

/* Left out where the job does not give it. */
static void put_text(json_t *object, const char *name, const char *title)
{
    if (title)
        json_object_set_new(object, name, json_string(title));
}

static json_t *section_json(const struct plan_op *op, size_t count)
{
    static const char *const fields[] = {"x", "y", "low", "high", "series"};
    json_t *object = json_object();

    json_object_set_new(object, "id", json_string(op->id));
    json_object_set_new(object, "title", json_string(text_of(op, "title", OPT_TEXT)));
    put_text(object, "note", text_of(op, "note", OPT_TEXT));
    put_text(object, "x_title", text_of(op, "x-title", OPT_TEXT));
    put_text(object, "y_title", text_of(op, "y-title", OPT_TEXT));
    json_object_set_new(object, "plot", json_string(plot_of(op)));
    for (uint32_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        put_text(object, fields[i], text_of(op, fields[i], OPT_FIELD));
    json_object_set_new(object, "prior",
                        json_real(*(const double *)option_of(op, "prior", OPT_F64)));
    json_object_set_new(object, "levels", texts_json(option_of(op, "levels", OPT_TEXTS)));
    json_object_set_new(object, "first_level",
                        json_integer(*(const int64_t *)option_of(op, "first-level", OPT_I64)));
    json_object_set_new(object, "level_count",
                        json_integer(*(const int64_t *)option_of(op, "level-count", OPT_I64)));
    json_object_set_new(object, "columns", columns_json(op));
    json_object_set_new(object, "types", types_json(op->inputs[0].schema));
    if (count > REPORT_ROWS_MAX)
        json_object_set_new(object, "cut", json_integer((json_int_t)count));
    return object;
}

static bool put_section(const struct plan_op *op, struct bytes *page, struct error *err)
{
    struct rows rows = {0};
    char *dir = memory_format("%s/%s", text_of(op, "path", OPT_TEXT), op->id);
    bool good = read_files(&rows, dir, err);

    memory_free(dir);
    sort_lines(&rows);
    if (strcmp(plot_of(op), "lifts") == 0)
        keep_newest(&rows);
    put_value(page, section_json(op, rows.count));
    page->size--; /* its closing brace: the rows go in as they are */
    bytes_text(page, ",\"rows\":[");
    for (size_t i = 0; i < rows.count && i < REPORT_ROWS_MAX; i++) {
        bytes_text(page, i ? ",\n" : "\n");
        put_json(page, rows.text.data + rows.lines[i].begin, rows.lines[i].size);
    }
    bytes_text(page, "]}");
    rows_clear(&rows);
    return good;
}

/* Counts of rows, unless a restart has made them those of the last attempt. */
static void put_operators(const char *summary_path, struct bytes *page)
{
    json_t *summary = json_load_file(summary_path, 0, NULL);
    json_t *operators = json_object_get(summary, "operators");

    if (operators && json_integer_value(json_object_get(summary, "restarts")) == 0) {
        bytes_text(page, ",\n\"operators\":");
        put_value(page, json_incref(operators));
    }
    json_decref(summary);
}

/* ---- the page ---- */

static void put_title(const char *job, struct bytes *page)
{
    time_t now = time(NULL);
    struct tm local;
    char when[64];

    if (!localtime_r(&now, &local) || !strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &local))
        when[0] = '\0';
    for (const char *at = job; *at; at++)
        bytes_format(page, strchr("<>&", *at) ? "&#%d;" : "%c", *at);
    bytes_format(page, ", %s", when);
}

static bool make_page(const struct plan *plan, const char *summary_path, struct bytes *page,
                      struct error *err)
{
    bool good = true, first = true;

    bytes_text(page, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    put_title(plan->settings.job.name, page);
    bytes_text(page, "</title>\n<style>\n");
    bytes_put(page, page_style, page_style_size);
    bytes_text(page, "</style>\n<script>\n");
    bytes_put(page, page_chart, page_chart_size);
    bytes_text(page, "\n</script>\n</head>\n<body>\n"
                     "<script type=\"application/json\" id=\"data\">\n{\"sections\":[");
    for (uint32_t i = 0; good && i < plan->op_count; i++) {
        if (strcmp(plan->ops[i].def->name, kind) != 0)
            continue;
        bytes_text(page, first ? "\n" : ",\n");
        first = false;
        good = put_section(&plan->ops[i], page, err);
    }
    bytes_text(page, "]");
    put_operators(summary_path, page);
    bytes_text(page, "}\n</script>\n<script>\n");
    bytes_put(page, page_script, page_script_size);
    bytes_text(page, "</script>\n</body>\n</html>\n");
    return good;
}

static bool write_page(const struct bytes *page, const char *path, struct error *err)
{
    char *beside = memory_format("%s.part", path);
    FILE *file = fopen(beside, "w");
    bool good = file && fwrite(page->data, 1, page->size, file) == page->size;

    good = (!file || fclose(file) == 0) && good;
    good = good && rename(beside, path) == 0;
    if (!good) {
        (void)error_errno(err, path, "cannot be written");
        (void)remove(beside);
    }
    memory_free(beside);
    return good;
}

bool report_write(const struct plan *plan, const char *summary_path, const char *path,
                  struct error *err)
{
    struct bytes page = {0};
    bool good = make_page(plan, summary_path, &page, err) && write_page(&page, path, err);

    bytes_clear(&page);
    return good;
}
