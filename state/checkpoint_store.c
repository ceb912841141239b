/* See checkpoint_store.h. */
#include "state/checkpoint_store.h"

#include "runtime/base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_BYTES 262144u
#define PART_SIZE_MAX 200u /* bytes between two slashes */

void checkpoint_store_close(struct checkpoint_store *store)
{
    if (store)
        store->ops->close(store);
}

bool checkpoint_name_valid(const char *name)
{
    size_t part = 0, size = 0;

    for (; name[size]; size++) {
        char c = name[size];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (size >= CHECKPOINT_NAME_MAX - 1)
            return false;
        if (c == '/' ? part == 0 : (!letter && c != '_' && c != '-' && (c != '.' || part == 0)))
            return false;
        part = c == '/' ? 0 : part + 1;
        if (part > PART_SIZE_MAX)
            return false;
    }
    return part > 0;
}

static bool name_check(const struct checkpoint_store *store, const char *name, struct error *err)
{
    return checkpoint_name_valid(name) ||
           error_set(err, ERROR_DATA, store->place, "use letters, digits, dot, dash and underscore",
                     "\"%.100s\" is no name for an object of a checkpoint store", name);
}

enum put_result checkpoint_put(struct checkpoint_store *store, const char *name, const void *data,
                               size_t size, struct error *err)
{
    return name_check(store, name, err) ? store->ops->put(store, name, data, size, err)
                                        : PUT_FAILED;
}

enum put_result checkpoint_put_file(struct checkpoint_store *store, const char *name,
                                    const char *path, struct error *err)
{
    return name_check(store, name, err) ? store->ops->put_file(store, name, path, err) : PUT_FAILED;
}

bool checkpoint_get(struct checkpoint_store *store, const char *name, size_t size_max,
                    struct bytes *out, struct error *err)
{
    return name_check(store, name, err) && store->ops->get(store, name, size_max, out, err);
}

bool checkpoint_fetch(struct checkpoint_store *store, const char *name, const char *work_dir,
                      char path[PATH_SIZE_MAX], struct error *err)
{
    return name_check(store, name, err) && store->ops->fetch(store, name, work_dir, path, err);
}

bool checkpoint_sum(struct checkpoint_store *store, const char *name, uint64_t *size,
                    uint64_t *checksum, struct error *err)
{
    return name_check(store, name, err) && store->ops->sum(store, name, size, checksum, err);
}

bool checkpoint_list(struct checkpoint_store *store, const char *prefix, struct arena *arena,
                     struct name_list *out, struct error *err)
{
    return store->ops->list(store, prefix, arena, out, err);
}

bool checkpoint_remove(struct checkpoint_store *store, const char *name, struct error *err)
{
    return name_check(store, name, err) && store->ops->remove(store, name, err);
}

/* ---- sums of local files ---- */

static bool sum_read(int fd, XXH3_state_t *state, uint64_t *size, uint8_t *buffer)
{
    *size = 0;
    for (;;) {
        ssize_t n = read(fd, buffer, PIECE_BYTES);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        XXH3_64bits_update(state, buffer, (size_t)n);
        *size += (uint64_t)n;
    }
}

bool file_sum(const char *path, uint64_t *size, uint64_t *checksum, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    XXH3_state_t *state;
    uint8_t *buffer;
    bool ok;

    if (fd < 0)
        return error_errno(err, path, "cannot open a file of a checkpoint");
    state = XXH3_createState();
    CHECK(state);
    XXH3_64bits_reset(state);
    buffer = memory_grow(NULL, PIECE_BYTES, 1);
    ok = sum_read(fd, state, size, buffer) ||
         error_errno(err, path, "cannot read a file of a checkpoint");
    *checksum = XXH3_64bits_digest(state);
    memory_free(buffer);
    XXH3_freeState(state);
    (void)close(fd);
    return ok;
}
