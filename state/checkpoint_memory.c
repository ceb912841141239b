/* The checkpoint store in memory, for tests and the simulation. Any thread. */
#include "state/checkpoint_store.h"

#include "runtime/base/file.h"
#include "runtime/base/hash.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct object {
    char *name;
    uint8_t *data;
    size_t size;
};

struct memory_store {
    struct checkpoint_store base;
    checkpoint_store_fail *fail;
    void *context;
    pthread_mutex_t lock;
    struct object *objects; /* sorted by name */
    uint32_t count, capacity;
};

static bool refuse(struct memory_store *store, const char *verb, const char *name,
                   struct error *err)
{
    if (!store->fail || !store->fail(store->context, verb, name))
        return false;
    error_set(err, ERROR_IO, name, NULL, "injected failure of %s", verb);
    if (err)
        err->retriable = true;
    return true;
}

/* The place of the name, or where it would stand. Under the lock. */
static uint32_t place_of(const struct memory_store *store, const char *name)
{
    uint32_t low = 0, high = store->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (strcmp(store->objects[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const struct object *find(const struct memory_store *store, const char *name)
{
    uint32_t place = place_of(store, name);

    return place < store->count && strcmp(store->objects[place].name, name) == 0
               ? &store->objects[place]
               : NULL;
}

static enum put_result insert(struct memory_store *store, const char *name, const void *data,
                              size_t size)
{
    uint32_t place = place_of(store, name);

    if (find(store, name))
        return PUT_EXISTS;
    if (store->count == store->capacity) {
        store->capacity = store->capacity ? store->capacity * 2 : 64;
        store->objects = memory_grow(store->objects, store->capacity, sizeof(*store->objects));
    }
    memmove(store->objects + place + 1, store->objects + place,
            (store->count - place) * sizeof(*store->objects));
    store->objects[place] =
        (struct object){memory_text(name), memory_grow(NULL, size + 1, 1), size};
    if (size)
        memcpy(store->objects[place].data, data, size);
    store->count++;
    return PUT_DONE;
}

static enum put_result memory_put(struct checkpoint_store *base, const char *name, const void *data,
                                  size_t size, struct error *err)
{
    struct memory_store *store = (struct memory_store *)base;
    enum put_result result;

    if (refuse(store, "put", name, err))
        return PUT_FAILED;
    pthread_mutex_lock(&store->lock);
    result = insert(store, name, data, size);
    pthread_mutex_unlock(&store->lock);
    return result;
}

static enum put_result memory_put_file(struct checkpoint_store *base, const char *name,
                                       const char *path, struct error *err)
{
    struct bytes bytes = {0};
    enum put_result result = PUT_FAILED;

    if (file_read(path, BYTES_SIZE_MAX / 2, &bytes, err))
        result = memory_put(base, name, bytes.data, bytes.size, err);
    bytes_clear(&bytes);
    return result;
}

static bool absent(const char *name, struct error *err)
{
    return error_set(err, ERROR_IO, name, NULL, "the checkpoint store has no such object");
}

static bool memory_get(struct checkpoint_store *base, const char *name, size_t size_max,
                       struct bytes *out, struct error *err)
{
    struct memory_store *store = (struct memory_store *)base;
    const struct object *object;
    bool ok = false;

    if (refuse(store, "get", name, err))
        return false;
    pthread_mutex_lock(&store->lock);
    object = find(store, name);
    if (!object) {
        absent(name, err);
    } else if (object->size > size_max) {
        error_set(err, ERROR_LIMIT, name, NULL,
                  "an object of a checkpoint has %zu bytes; the most is %zu", object->size,
                  size_max);
    } else {
        bytes_put(out, object->data, object->size);
        ok = true;
    }
    pthread_mutex_unlock(&store->lock);
    return ok;
}

static bool memory_fetch(struct checkpoint_store *base, const char *name, const char *work_dir,
                         char path[PATH_SIZE_MAX], struct error *err)
{
    struct bytes bytes = {0};
    const char *slash = strrchr(name, '/');
    FILE *file = NULL;
    bool ok = memory_get(base, name, SIZE_MAX, &bytes, err);

    if (ok) {
        (void)snprintf(path, PATH_SIZE_MAX, "%s/%s", work_dir, slash ? slash + 1 : name);
        file = fopen(path, "wb");
        ok = file && fwrite(bytes.data, 1, bytes.size, file) == bytes.size;
        ok = (!file || fclose(file) == 0) && ok;
        if (!ok)
            error_errno(err, path, "cannot write a file of a checkpoint");
    }
    bytes_clear(&bytes);
    return ok;
}

static bool memory_sum(struct checkpoint_store *base, const char *name, uint64_t *size,
                       uint64_t *checksum, struct error *err)
{
    struct bytes bytes = {0};
    bool ok = memory_get(base, name, SIZE_MAX, &bytes, err);

    if (ok) {
        *size = bytes.size;
        *checksum = hash_bytes(bytes.data, bytes.size);
    }
    bytes_clear(&bytes);
    return ok;
}

static bool memory_list(struct checkpoint_store *base, const char *prefix, struct arena *arena,
                        struct name_list *out, struct error *err)
{
    struct memory_store *store = (struct memory_store *)base;
    uint32_t first, last;

    if (refuse(store, "list", prefix, err))
        return false;
    pthread_mutex_lock(&store->lock);
    first = last = place_of(store, prefix);
    while (last < store->count && strncmp(store->objects[last].name, prefix, strlen(prefix)) == 0)
        last++;
    out->count = last - first;
    out->names = arena_new(arena, (out->count + 1ul) * sizeof(char *));
    for (uint32_t i = first; i < last; i++)
        out->names[i - first] = arena_text(arena, store->objects[i].name);
    pthread_mutex_unlock(&store->lock);
    return true;
}

static bool memory_remove(struct checkpoint_store *base, const char *name, struct error *err)
{
    struct memory_store *store = (struct memory_store *)base;
    uint32_t place;

    if (refuse(store, "remove", name, err))
        return false;
    pthread_mutex_lock(&store->lock);
    if (find(store, name)) {
        place = place_of(store, name);
        memory_free(store->objects[place].name);
        memory_free(store->objects[place].data);
        store->count--;
        memmove(store->objects + place, store->objects + place + 1,
                (store->count - place) * sizeof(*store->objects));
    }
    pthread_mutex_unlock(&store->lock);
    return true;
}

static void memory_close(struct checkpoint_store *base)
{
    struct memory_store *store = (struct memory_store *)base;

    for (uint32_t i = 0; i < store->count; i++) {
        memory_free(store->objects[i].name);
        memory_free(store->objects[i].data);
    }
    memory_free(store->objects);
    pthread_mutex_destroy(&store->lock);
    memory_free(store);
}

static const struct checkpoint_store_ops memory_ops = {
    .put = memory_put,
    .put_file = memory_put_file,
    .get = memory_get,
    .fetch = memory_fetch,
    .sum = memory_sum,
    .list = memory_list,
    .remove = memory_remove,
    .close = memory_close,
};

struct checkpoint_store *checkpoint_store_memory(checkpoint_store_fail *fail, void *context)
{
    struct memory_store *store = memory_new(sizeof(*store));

    store->base = (struct checkpoint_store){&memory_ops, "memory"};
    store->fail = fail;
    store->context = context;
    CHECK(pthread_mutex_init(&store->lock, NULL) == 0);
    return &store->base;
}
