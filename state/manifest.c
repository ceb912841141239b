/* The JSON of a manifest; what is done with checkpoint stores is in manifest_store.c. */
#include "state/manifest.h"

#include "runtime/base/hash.h"
#include "runtime/batch/key.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT "millrace-manifest"
#define TAIL ",\"checksum\":\""
#define TAIL_SIZE (sizeof(TAIL) - 1 + 16 + 2) /* with 16 hex digits, quote and brace */
#define TEXT_MAX 4096u                        /* bytes of a text in a manifest, but blobs */

/* ---- base64 (RFC 4648, with padding) ---- */

static const char digits64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static char *base64_encode(const uint8_t *data, size_t size)
{
    char *text = memory_new((size + 2) / 3 * 4 + 1), *at = text;

    for (size_t i = 0; i < size; i += 3) {
        uint32_t left = size - i < 3 ? (uint32_t)(size - i) : 3;
        uint32_t bits = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                        (left > 2 ? data[i + 2] : 0u);

        *at++ = digits64[bits >> 18];
        *at++ = digits64[bits >> 12 & 63];
        *at++ = left > 1 ? digits64[bits >> 6 & 63] : '=';
        *at++ = left > 2 ? digits64[bits & 63] : '=';
    }
    return text;
}

/* 1 + the value of a digit; 0: none. Made once a text. */
static void digits_of(uint8_t values[256])
{
    memset(values, 0, 256);
    for (uint8_t i = 0; i < 64; i++)
        values[(uint8_t)digits64[i]] = i + 1;
}

/* Canonical texts only. `out` has size / 4 * 3 bytes. */
static bool base64_decode(const char *text, size_t size, uint8_t *out, size_t *out_size)
{
    size_t pad = 0;
    uint8_t values[256];

    digits_of(values);
    *out_size = 0;
    if (size % 4)
        return false;
    while (pad < 2 && pad < size && text[size - 1 - pad] == '=')
        pad++;
    for (size_t i = 0; i < size; i += 4) {
        bool last = i + 4 == size;
        uint32_t bits = 0;

        for (size_t k = 0; k < 4; k++) {
            uint32_t digit = last && k >= 4 - pad ? 1 : values[(uint8_t)text[i + k]];

            if (digit == 0)
                return false;
            bits = bits << 6 | (digit - 1);
        }
        if (last && pad && (bits & (pad == 2 ? 0xffffu : 0xffu)))
            return false;
        for (size_t k = 0; k < 3 - (last ? pad : 0); k++)
            out[(*out_size)++] = (uint8_t)(bits >> (16 - 8 * k));
    }
    return true;
}

/* ---- writing ---- */

static json_t *file_json(const struct store_file *file)
{
    char checksum[17];
    json_t *json;

    (void)snprintf(checksum, sizeof(checksum), "%016" PRIx64, file->checksum);
    json = json_pack("{s:s, s:I, s:s, s:b, s:[I, I]}", "name", file->name, "size",
                     (json_int_t)file->size, "checksum", checksum, "base", (int)file->base,
                     "groups", (json_int_t)file->group_begin, (json_int_t)file->group_end);
    CHECK(json && file->size <= INT64_MAX);
    return json;
}

static json_t *files_json(const struct store_file *files, uint32_t count)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(list, file_json(&files[i]));
    return list;
}

static json_t *blobs_json(const struct manifest_subtask *subtask)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < subtask->blob_count; i++) {
        char *text = base64_encode(subtask->blobs[i].data, subtask->blobs[i].size);
        json_t *json = json_pack("{s:s, s:s}", "name", subtask->blobs[i].name, "data", text);

        CHECK(json);
        json_array_append_new(list, json);
        memory_free(text);
    }
    return list;
}

static json_t *subtask_json(const struct manifest_subtask *subtask)
{
    json_t *json = json_pack(
        "{s:I, s:[I, I], s:I, s:o, s:o, s:o}", "index", (json_int_t)subtask->index, "groups",
        (json_int_t)subtask->group_begin, (json_int_t)subtask->group_end, "watermark_ms",
        (json_int_t)subtask->watermark_ms, "files", files_json(subtask->files, subtask->file_count),
        "attachments", files_json(subtask->attachments, subtask->attachment_count), "blobs",
        blobs_json(subtask));

    CHECK(json);
    return json;
}

static json_t *operator_json(const struct manifest_operator *op)
{
    json_t *list = json_array(), *json;

    for (uint32_t i = 0; i < op->subtask_count; i++)
        json_array_append_new(list, subtask_json(&op->subtasks[i]));
    json =
        json_pack("{s:s, s:I, s:I, s:o}", "id", op->id, "parallelism", (json_int_t)op->parallelism,
                  "key_groups", (json_int_t)op->key_groups, "subtasks", list);
    CHECK(json);
    return json;
}

static json_t *manifest_json(const struct manifest *manifest)
{
    json_t *list = json_array(), *json;

    for (uint32_t i = 0; i < manifest->operator_count; i++)
        json_array_append_new(list, operator_json(&manifest->operators[i]));
    json = json_pack("{s:s, s:i, s:s, s:s, s:I, s:I, s:I, s:b, s:b, s:s, s:I, s:o}", "format",
                     FORMAT, "version", MANIFEST_VERSION, "job_id", manifest->job_id, "job_name",
                     manifest->job_name, "checkpoint", (json_int_t)manifest->checkpoint, "epoch",
                     (json_int_t)manifest->epoch, "attempt", (json_int_t)manifest->attempt, "final",
                     (int)manifest->final, "savepoint", (int)manifest->savepoint, "kernel",
                     manifest->kernel, "time_ms", (json_int_t)manifest->time_ms, "operators", list);
    CHECK(json && manifest->checkpoint <= INT64_MAX);
    return json;
}

void manifest_encode(const struct manifest *manifest, struct bytes *out)
{
    json_t *json = manifest_json(manifest);
    char *text = json_dumps(json, JSON_COMPACT);
    size_t size;

    CHECK(text);
    size = strlen(text) - 1; /* without the last brace */
    bytes_put(out, text, size);
    bytes_format(out, TAIL "%016" PRIx64 "\"}", hash_bytes(text, size));
    free(text);
    json_decref(json);
}

/* ---- reading ---- */

struct reading {
    struct arena *arena;
    struct error *err;
    char path[256]; /* of the field, for messages */
    bool failed;
};

static void refuse(struct reading *reading, const char *field, const char *what)
{
    char where[400];

    if (reading->failed)
        return;
    reading->failed = true;
    (void)snprintf(where, sizeof(where), "manifest.json%s%s%s%s",
                   reading->path[0] || field[0] ? ": " : "", reading->path,
                   reading->path[0] && field[0] ? "." : "", field);
    error_set(reading->err, ERROR_STATE, where, "use an older checkpoint", "damaged manifest: %s",
              what);
}

static size_t enter(struct reading *reading, const char *list, size_t at)
{
    size_t size = strlen(reading->path);

    (void)snprintf(reading->path + size, sizeof(reading->path) - size, "%s%s[%zu]", size ? "." : "",
                   list, at);
    return size;
}

static void leave(struct reading *reading, size_t size)
{
    reading->path[size] = 0;
}

static int64_t read_int(struct reading *reading, json_t *object, const char *field, int64_t min,
                        int64_t max)
{
    json_t *json = json_object_get(object, field);
    int64_t value = json_is_integer(json) ? json_integer_value(json) : 0;

    if (!json_is_integer(json) || value < min || value > max) {
        refuse(reading, field, "no number of the range");
        return min;
    }
    return value;
}

static bool read_bool(struct reading *reading, json_t *object, const char *field)
{
    json_t *json = json_object_get(object, field);

    if (!json_is_boolean(json))
        refuse(reading, field, "neither true nor false");
    return json_is_true(json);
}

static const char *read_text(struct reading *reading, json_t *object, const char *field)
{
    json_t *json = json_object_get(object, field);

    if (!json_is_string(json) || json_string_length(json) > TEXT_MAX ||
        strlen(json_string_value(json)) != json_string_length(json)) {
        refuse(reading, field, "no text");
        return "";
    }
    return arena_text(reading->arena, json_string_value(json));
}

static bool is_name_part(const char *text)
{
    return !strchr(text, '/') && checkpoint_name_valid(text);
}

static const char *read_name(struct reading *reading, json_t *object, const char *field)
{
    const char *text = read_text(reading, object, field);

    if (!reading->failed && !is_name_part(text))
        refuse(reading, field, "no name");
    return text;
}

static uint64_t read_checksum(struct reading *reading, json_t *object)
{
    const char *text = read_text(reading, object, "checksum");

    if (!reading->failed && (strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16))
        refuse(reading, "checksum", "no checksum");
    return reading->failed ? 0 : strtoull(text, NULL, 16);
}

static void read_groups(struct reading *reading, json_t *object, uint32_t *begin, uint32_t *end)
{
    json_t *list = json_object_get(object, "groups");
    json_t *first = json_array_get(list, 0), *second = json_array_get(list, 1);

    *begin = *end = 0;
    if (json_array_size(list) != 2 || !json_is_integer(first) || !json_is_integer(second) ||
        json_integer_value(first) < 0 || json_integer_value(first) > json_integer_value(second) ||
        json_integer_value(second) > KEY_GROUPS_MAX) {
        refuse(reading, "groups", "no range of key groups");
        return;
    }
    *begin = (uint32_t)json_integer_value(first);
    *end = (uint32_t)json_integer_value(second);
}

/* The list; NULL with *count 0 when it is none, or too long. */
static json_t *read_list(struct reading *reading, json_t *object, const char *field,
                         uint32_t count_max, uint32_t *count)
{
    json_t *list = json_object_get(object, field);

    *count = 0;
    if (!json_is_array(list) || json_array_size(list) > count_max) {
        refuse(reading, field, "no list, or too long");
        return NULL;
    }
    *count = (uint32_t)json_array_size(list);
    return list;
}

/* Nothing is passed over: an object has just the fields that are read. */
static void read_closed(struct reading *reading, json_t *object, size_t fields)
{
    if (!json_is_object(object) || json_object_size(object) != fields)
        refuse(reading, "", "unknown or missing fields");
}

static void read_file(struct reading *reading, json_t *json, struct store_file *file)
{
    const char *name;

    read_closed(reading, json, 5);
    name = read_name(reading, json, "name");
    if (strlen(name) >= sizeof(file->name))
        refuse(reading, "name", "too long");
    else
        memcpy(file->name, name, strlen(name) + 1);
    file->size = (uint64_t)read_int(reading, json, "size", 0, INT64_MAX);
    file->checksum = read_checksum(reading, json);
    file->base = read_bool(reading, json, "base");
    read_groups(reading, json, &file->group_begin, &file->group_end);
}

static struct store_file *read_files(struct reading *reading, json_t *object, const char *field,
                                     uint32_t *count)
{
    json_t *list = read_list(reading, object, field, MANIFEST_FILES_MAX, count);
    struct store_file *files = arena_new(reading->arena, (*count + 1ul) * sizeof(*files));

    for (uint32_t i = 0; i < *count && !reading->failed; i++) {
        size_t path = enter(reading, field, i);

        read_file(reading, json_array_get(list, i), &files[i]);
        leave(reading, path);
    }
    return files;
}

static void read_blob(struct reading *reading, json_t *json, struct manifest_blob *blob)
{
    json_t *data = json_object_get(json, "data");
    size_t size = json_string_length(data);
    uint8_t *bytes;

    read_closed(reading, json, 2);
    blob->name = read_name(reading, json, "name");
    if (!json_is_string(data)) {
        refuse(reading, "data", "no text");
        return;
    }
    bytes = arena_new(reading->arena, size / 4 * 3 + 1);
    if (!base64_decode(json_string_value(data), size, bytes, &blob->size))
        refuse(reading, "data", "no base64");
    blob->data = bytes;
}

static void read_blobs(struct reading *reading, json_t *object, struct manifest_subtask *subtask)
{
    json_t *list = read_list(reading, object, "blobs", MANIFEST_BLOBS_MAX, &subtask->blob_count);

    subtask->blobs =
        arena_new(reading->arena, (subtask->blob_count + 1ul) * sizeof(*subtask->blobs));
    for (uint32_t i = 0; i < subtask->blob_count && !reading->failed; i++) {
        size_t path = enter(reading, "blobs", i);

        read_blob(reading, json_array_get(list, i), &subtask->blobs[i]);
        for (uint32_t k = 0; k < i && !reading->failed; k++)
            if (strcmp(subtask->blobs[k].name, subtask->blobs[i].name) == 0)
                refuse(reading, "name", "it is there twice");
        leave(reading, path);
    }
}

static void read_subtask(struct reading *reading, json_t *json, uint32_t parallelism,
                         uint32_t key_groups, struct manifest_subtask *subtask)
{
    read_closed(reading, json, 6);
    subtask->index = (uint32_t)read_int(reading, json, "index", 0, (int64_t)parallelism - 1);
    read_groups(reading, json, &subtask->group_begin, &subtask->group_end);
    if (subtask->group_end > key_groups)
        refuse(reading, "groups", "more key groups than the operator has");
    subtask->watermark_ms = read_int(reading, json, "watermark_ms", INT64_MIN, INT64_MAX);
    subtask->files = read_files(reading, json, "files", &subtask->file_count);
    subtask->attachments = read_files(reading, json, "attachments", &subtask->attachment_count);
    read_blobs(reading, json, subtask);
    for (uint32_t i = 0; i < subtask->file_count; i++) {
        struct store_file *file = &subtask->files[i];

        if (file->group_begin == 0 && file->group_end == 0) {
            file->group_begin = subtask->group_begin;
            file->group_end = subtask->group_end;
        }
    }
}

static void read_operator(struct reading *reading, json_t *json, struct manifest_operator *op)
{
    json_t *list;

    read_closed(reading, json, 4);
    op->id = read_text(reading, json, "id");
    op->parallelism = (uint32_t)read_int(reading, json, "parallelism", 1, PARALLELISM_MAX);
    op->key_groups = (uint32_t)read_int(reading, json, "key_groups", 0, KEY_GROUPS_MAX);
    list = read_list(reading, json, "subtasks", op->parallelism, &op->subtask_count);
    op->subtasks = arena_new(reading->arena, (op->subtask_count + 1ul) * sizeof(*op->subtasks));
    for (uint32_t i = 0; i < op->subtask_count && !reading->failed; i++) {
        size_t path = enter(reading, "subtasks", i);

        read_subtask(reading, json_array_get(list, i), op->parallelism, op->key_groups,
                     &op->subtasks[i]);
        if (i && op->subtasks[i].index <= op->subtasks[i - 1].index)
            refuse(reading, "index", "not in order");
        leave(reading, path);
    }
}

static void read_operators(struct reading *reading, json_t *json, struct manifest *manifest)
{
    json_t *list = read_list(reading, json, "operators", OPERATORS_MAX, &manifest->operator_count);

    manifest->operators =
        arena_new(reading->arena, (manifest->operator_count + 1ul) * sizeof(*manifest->operators));
    for (uint32_t i = 0; i < manifest->operator_count && !reading->failed; i++) {
        size_t path = enter(reading, "operators", i);

        read_operator(reading, json_array_get(list, i), &manifest->operators[i]);
        for (uint32_t k = 0; k < i && !reading->failed; k++)
            if (strcmp(manifest->operators[k].id, manifest->operators[i].id) == 0)
                refuse(reading, "id", "it is there twice");
        leave(reading, path);
    }
}

static void read_manifest(struct reading *reading, json_t *json, struct manifest *manifest)
{
    read_closed(reading, json, 13);
    if (strcmp(read_text(reading, json, "format"), FORMAT) != 0)
        refuse(reading, "format", "not " FORMAT);
    (void)read_int(reading, json, "version", MANIFEST_VERSION, MANIFEST_VERSION);
    manifest->job_id = read_text(reading, json, "job_id");
    manifest->job_name = read_name(reading, json, "job_name");
    manifest->checkpoint = (uint64_t)read_int(reading, json, "checkpoint", 0, INT64_MAX);
    manifest->epoch = (uint32_t)read_int(reading, json, "epoch", 0, UINT32_MAX);
    manifest->attempt = (uint32_t)read_int(reading, json, "attempt", 0, UINT32_MAX);
    manifest->final = read_bool(reading, json, "final");
    manifest->savepoint = read_bool(reading, json, "savepoint");
    manifest->kernel = read_text(reading, json, "kernel");
    manifest->time_ms = read_int(reading, json, "time_ms", INT64_MIN, INT64_MAX);
    read_operators(reading, json, manifest);
}

static bool checksum_holds(const char *text, size_t size)
{
    char stored[17];

    if (size < TAIL_SIZE || memcmp(text + size - TAIL_SIZE, TAIL, sizeof(TAIL) - 1) != 0)
        return false;
    (void)snprintf(stored, sizeof(stored), "%016" PRIx64, hash_bytes(text, size - TAIL_SIZE));
    return memcmp(stored, text + size - 18, 16) == 0 && memcmp(text + size - 2, "\"}", 2) == 0;
}

struct manifest *manifest_decode(const void *data, size_t size, struct arena *arena,
                                 struct error *err)
{
    struct reading reading = {.arena = arena, .err = err};
    struct manifest *manifest = arena_new(arena, sizeof(*manifest));
    json_error_t where;
    json_t *json;

    if (!checksum_holds(data, size)) {
        refuse(&reading, "", "its checksum is wrong");
        return NULL;
    }
    json = json_loadb(data, size, JSON_REJECT_DUPLICATES, &where);
    if (!json)
        refuse(&reading, "", where.text);
    else
        read_manifest(&reading, json, manifest);
    json_decref(json);
    return reading.failed ? NULL : manifest;
}
