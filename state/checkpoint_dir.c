/* The checkpoint store in a directory. Temporary files stand in DIR/.tmp, on the same file system
 * as their objects, so that a link makes an object appear whole. Folders of objects are made when
 * needed and removed when they become empty; a put that loses such a race tries again. */
#include "state/checkpoint_store.h"

#include "runtime/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STALE_S 3600 /* age of temporary files that nobody finishes any more */
#define TRIES_MAX 8  /* of a put against removals of its folder */
#define FULL_MAX (PATH_SIZE_MAX + CHECKPOINT_NAME_MAX)
#define DEPTH_MAX 16u /* folders below each other */

struct dir_store {
    struct checkpoint_store base;
    char *dir;
};

static const char *dir_of(const struct checkpoint_store *store)
{
    return ((const struct dir_store *)store)->dir;
}

static void full_path(const struct checkpoint_store *store, const char *name, char path[FULL_MAX])
{
    (void)snprintf(path, FULL_MAX, "%s/%s", dir_of(store), name);
}

/* ---- folders ---- */

static bool folder_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        (void)close(fd);
    return ok;
}

/* Makes the folders before the last slash, from `from` on. Each new one is synced into its parent. */
static bool folders_make(char *path, size_t from)
{
    for (char *slash = strchr(path + from, '/'); slash; slash = strchr(slash + 1, '/')) {
        int made;

        *slash = 0;
        made = mkdir(path, 0777);
        if (made == 0) {
            char *parent = strrchr(path, '/');

            if (parent && parent > path) {
                *parent = 0;
                (void)folder_sync(path);
                *parent = '/';
            }
        }
        *slash = '/';
        if (made < 0 && errno != EEXIST)
            return false;
    }
    return true;
}

static bool parent_sync(const char *path)
{
    char folder[FULL_MAX];

    (void)snprintf(folder, sizeof(folder), "%s", path);
    *strrchr(folder, '/') = 0;
    return folder_sync(folder);
}

/* ---- put ---- */

static int temp_open(const struct checkpoint_store *store, char path[FULL_MAX])
{
    static atomic_ulong serial; /* unique in the process; the name has its id too */
    int fd;

    (void)snprintf(path, FULL_MAX, "%s/.tmp/%ld-%lu", dir_of(store), (long)getpid(),
                   atomic_fetch_add(&serial, 1));
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno == EEXIST && unlink(path) == 0) /* of a former process of that id */
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    return fd;
}

/* Gives the file `from` the object's name. */
static enum put_result object_link(const struct checkpoint_store *store, const char *from,
                                   const char *name, struct error *err)
{
    char path[FULL_MAX];
    int linked = -1;

    full_path(store, name, path);
    for (int i = 0; i < TRIES_MAX; i++) {
        if (folders_make(path, strlen(dir_of(store)) + 1))
            linked = link(from, path);
        if (linked == 0 || errno != ENOENT)
            break;
    }
    if (linked < 0 && errno == EEXIST)
        return PUT_EXISTS;
    if (linked == 0 && (parent_sync(path) || errno == ENOENT)) /* removed again since, say */
        return PUT_DONE;
    error_errno(err, path, "cannot put an object of a checkpoint");
    if (linked == 0)
        (void)unlink(path);
    return PUT_FAILED;
}

/* The file `temp`, open as `fd`, gets the object's name where it was `written` whole; both are gone after. */
static enum put_result put_temp(struct checkpoint_store *store, const char *name, const char *temp,
                                int fd, bool written, struct error *err)
{
    enum put_result result = PUT_FAILED;

    if (written && fsync(fd) == 0)
        result = object_link(store, temp, name, err);
    else
        error_errno(err, temp, "cannot write \"%s\" of a checkpoint", name);
    if (fd >= 0) {
        (void)close(fd);
        (void)unlink(temp);
    }
    return result;
}

static enum put_result dir_put(struct checkpoint_store *store, const char *name, const void *data,
                               size_t size, struct error *err)
{
    char temp[FULL_MAX];
    int fd = temp_open(store, temp);

    return put_temp(store, name, temp, fd, fd >= 0 && file_write(fd, data, size), err);
}

static enum put_result put_copy(struct checkpoint_store *store, const char *name, int from,
                                struct error *err)
{
    char temp[FULL_MAX];
    int fd = temp_open(store, temp);

    return put_temp(store, name, temp, fd, fd >= 0 && file_copy(from, fd), err);
}

static bool same_device(const struct checkpoint_store *store, int fd)
{
    struct stat file, dir;

    return fstat(fd, &file) == 0 && stat(dir_of(store), &dir) == 0 && file.st_dev == dir.st_dev;
}

static enum put_result dir_put_file(struct checkpoint_store *store, const char *name,
                                    const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum put_result result;

    if (fd < 0) {
        error_errno(err, path, "cannot open a file of a checkpoint");
        return PUT_FAILED;
    }
    if (fsync(fd) < 0) {
        error_errno(err, path, "cannot sync a file of a checkpoint");
        result = PUT_FAILED;
    } else if (same_device(store, fd)) {
        result = object_link(store, path, name, err);
    } else {
        result = put_copy(store, name, fd, err);
    }
    (void)close(fd);
    return result;
}

/* ---- get ---- */

static bool dir_get(struct checkpoint_store *store, const char *name, size_t size_max,
                    struct bytes *out, struct error *err)
{
    char path[FULL_MAX];
    struct stat stat_buffer;
    bool ok = false;
    int fd;

    full_path(store, name, path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &stat_buffer) < 0)
        error_errno(err, path, "cannot open an object of a checkpoint");
    else if (!S_ISREG(stat_buffer.st_mode))
        error_set(err, ERROR_STATE, path, NULL, "an object of a checkpoint is no file");
    else
        ok = file_read_fd(fd, path, size_max, out, err);
    if (fd >= 0)
        (void)close(fd);
    return ok;
}

static bool dir_fetch(struct checkpoint_store *store, const char *name, const char *work_dir,
                      char path[PATH_SIZE_MAX], struct error *err)
{
    char full[FULL_MAX];

    (void)work_dir;
    full_path(store, name, full);
    if (access(full, R_OK) < 0)
        return error_errno(err, full, "cannot read an object of a checkpoint");
    if (strlen(full) >= PATH_SIZE_MAX)
        return error_set(err, ERROR_LIMIT, full, NULL, "the path is too long");
    memcpy(path, full, strlen(full) + 1);
    return true;
}

static bool dir_sum(struct checkpoint_store *store, const char *name, uint64_t *size,
                    uint64_t *checksum, struct error *err)
{
    char path[FULL_MAX];

    full_path(store, name, path);
    return file_sum(path, size, checksum, err);
}

/* ---- list ---- */

struct walk {
    const char *dir, *prefix;
    struct arena *arena;
    char **names;
    uint32_t count, capacity;
    char path[FULL_MAX]; /* below dir */
    struct error *err;
};

static void walk_add(struct walk *walk)
{
    if (walk->count == walk->capacity) {
        walk->capacity = walk->capacity ? walk->capacity * 2 : 64;
        walk->names = memory_grow(walk->names, walk->capacity, sizeof(char *));
    }
    walk->names[walk->count++] = arena_text(walk->arena, walk->path);
}

/* Whether names below this part can begin with the prefix. */
static bool may_match(const char *path, const char *prefix)
{
    size_t a = strlen(path), b = strlen(prefix);

    return memcmp(path, prefix, a < b ? a : b) == 0;
}

static bool walk_folder(struct walk *walk, size_t size, unsigned depth);

static bool walk_entry(struct walk *walk, const char *name, size_t size, unsigned depth)
{
    char full[FULL_MAX * 2];
    struct stat stat_buffer;
    size_t length = strlen(name);

    if (name[0] == '.' || size + length + 2 > CHECKPOINT_NAME_MAX)
        return true;
    memcpy(walk->path + size, name, length + 1);
    if (!may_match(walk->path, walk->prefix))
        return true;
    (void)snprintf(full, sizeof(full), "%s/%s", walk->dir, walk->path);
    if (stat(full, &stat_buffer) < 0)
        return errno == ENOENT ||
               error_errno(walk->err, full, "cannot list a checkpoint directory");
    if (S_ISDIR(stat_buffer.st_mode)) {
        walk->path[size + length] = '/';
        walk->path[size + length + 1] = 0;
        return depth == DEPTH_MAX || walk_folder(walk, size + length + 1, depth + 1);
    }
    if (S_ISREG(stat_buffer.st_mode) &&
        strncmp(walk->path, walk->prefix, strlen(walk->prefix)) == 0)
        walk_add(walk);
    return true;
}

static bool walk_folder(struct walk *walk, size_t size, unsigned depth)
{
    char full[FULL_MAX * 2];
    struct dirent *entry;
    bool ok = true;
    DIR *dir;

    (void)snprintf(full, sizeof(full), "%s/%.*s", walk->dir, (int)size, walk->path);
    dir = opendir(full);
    if (!dir)
        return errno == ENOENT ||
               error_errno(walk->err, full, "cannot list a checkpoint directory");
    while (ok && (entry = readdir(dir)))
        ok = walk_entry(walk, entry->d_name, size, depth);
    (void)closedir(dir);
    return ok;
}

static int name_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool dir_list(struct checkpoint_store *store, const char *prefix, struct arena *arena,
                     struct name_list *out, struct error *err)
{
    struct walk *walk = memory_new(sizeof(*walk));
    bool ok;

    walk->dir = dir_of(store);
    walk->prefix = prefix;
    walk->arena = arena;
    walk->err = err;
    ok = walk_folder(walk, 0, 0);
    if (ok) {
        out->count = walk->count;
        out->names = arena_new(arena, (walk->count + 1ul) * sizeof(char *));
        if (walk->count) {
            qsort(walk->names, walk->count, sizeof(char *), name_compare);
            memcpy(out->names, walk->names, walk->count * sizeof(char *));
        }
    }
    memory_free(walk->names);
    memory_free(walk);
    return ok;
}

/* ---- remove, life ---- */

static bool dir_remove_object(struct checkpoint_store *store, const char *name, struct error *err)
{
    char path[FULL_MAX];
    size_t root = strlen(dir_of(store));

    full_path(store, name, path);
    if (unlink(path) < 0 && errno != ENOENT)
        return error_errno(err, path, "cannot remove an object of a checkpoint");
    for (char *slash = strrchr(path, '/'); slash && slash > path + root;
         slash = strrchr(path, '/')) {
        *slash = 0;
        if (rmdir(path) < 0)
            break; /* not empty, most likely */
    }
    return true;
}

static void dir_close(struct checkpoint_store *store)
{
    memory_free(((struct dir_store *)store)->dir);
    memory_free(store);
}

static void temp_sweep(const char *dir)
{
    char path[FULL_MAX];
    struct dirent *entry;
    DIR *temp;

    (void)snprintf(path, sizeof(path), "%s/.tmp", dir);
    temp = opendir(path);
    while (temp && (entry = readdir(temp))) {
        struct stat stat_buffer;

        (void)snprintf(path, sizeof(path), "%s/.tmp/%.255s", dir, entry->d_name);
        if (stat(path, &stat_buffer) == 0 && S_ISREG(stat_buffer.st_mode) &&
            time(NULL) - stat_buffer.st_mtime > STALE_S)
            (void)unlink(path);
    }
    if (temp)
        (void)closedir(temp);
}

static const struct checkpoint_store_ops dir_ops = {
    .put = dir_put,
    .put_file = dir_put_file,
    .get = dir_get,
    .fetch = dir_fetch,
    .sum = dir_sum,
    .list = dir_list,
    .remove = dir_remove_object,
    .close = dir_close,
};

struct checkpoint_store *checkpoint_store_dir(const char *dir, struct error *err)
{
    char temp[FULL_MAX];
    struct dir_store *store;

    if (strlen(dir) == 0 || strlen(dir) > PATH_SIZE_MAX - 16) {
        error_set(err, ERROR_CONFIG, dir, NULL, "no path of a checkpoint directory");
        return NULL;
    }
    (void)snprintf(temp, sizeof(temp), "%s/.tmp/", dir);
    if (!folders_make(temp, 1)) {
        error_errno(err, dir, "cannot make the checkpoint directory");
        error_mistake(err, "name another with checkpoint.dir");
        return NULL;
    }
    if (access(dir, R_OK | W_OK | X_OK) < 0) {
        error_errno(err, dir, "cannot use the checkpoint directory");
        error_mistake(err, "name another with checkpoint.dir");
        return NULL;
    }
    temp_sweep(dir);
    store = memory_new(sizeof(*store));
    store->dir = memory_text(dir);
    store->base = (struct checkpoint_store){&dir_ops, store->dir};
    return &store->base;
}
