/* parts: see parts.h. Writing, prepare and commit; restore is in parts_restore.c. */
#include "operators/sink/parts.h"

#include "operators/sink/parts_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_SIZE (256u << 10)

/* ---- open ---- */

static bool make_directories(const char *dir, struct error *err)
{
    char *path = memory_text(dir);
    bool fine = true;
    for (char *at = path + 1; fine && *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        fine = mkdir(path, 0777) == 0 || errno == EEXIST;
        *at = '/';
    }
    fine = fine && (mkdir(path, 0777) == 0 || errno == EEXIST);
    memory_free(path);
    return fine || error_errno(err, dir, "cannot make the directory");
}

int parts_open_dir(const char *dir, struct error *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        error_errno(err, dir, "cannot open the directory");
    return fd;
}

struct fresh {
    struct parts *parts;
    uint32_t visible;
};

/* What an earlier run or attempt left behind. Nothing of this attempt's is there yet but files of
 * other subtasks, whose attempt is the same. */
static bool look_at_leftover(void *context, const struct part_name *name, const char *text,
                             struct error *err)
{
    struct fresh *fresh = context;
    struct parts *parts = fresh->parts;
    bool own = name->subtask == parts->subtask && name->attempt == parts->attempt;

    if (own && name->number >= parts->next_number)
        parts->next_number = name->number + 1;
    if (parts->options.restored)
        return true;
    if (name->kind == PART_VISIBLE) {
        fresh->visible++;
        return !parts->options.overwrite || parts_unlink(parts, parts->dir, text, err);
    }
    return !(own || name->attempt < parts->attempt) || parts_unlink(parts, parts->dir, text, err);
}

static bool look_at_directory(struct parts *parts, struct error *err)
{
    struct fresh fresh = {.parts = parts};
    if (!parts_scan(parts->options.dir, parts->options.suffix, look_at_leftover, &fresh, err))
        return false;
    if (fresh.visible == 0 || parts->options.overwrite)
        return true;
    return error_set(err, ERROR_CONFIG, parts->options.dir,
                     "choose another path, remove them, continue their run with -s, or set "
                     "overwrite: true",
                     "holds %u part files of an earlier run", fresh.visible);
}

struct parts *parts_open(const struct parts_options *options, struct error *err)
{
    struct parts *parts = memory_new(sizeof(*parts));
    parts->options = *options;
    parts->dir = -1;
    CHECK(subtask_parse(options->subtask, &parts->subtask, &parts->attempt));
    if (strchr(options->dir, '\n')) {
        error_set(err, ERROR_CONFIG, "path", "choose another one",
                  "a directory's name cannot hold a line end");
        goto failed;
    }
    if (make_directories(options->dir, err))
        parts->dir = parts_open_dir(options->dir, err);
    if (parts->dir < 0) {
        if (!options->restored) /* else it was there once, and may come back */
            error_mistake(err, "name a directory that can be made and written");
        goto failed;
    }
    /* Its files are made with the first rows, which may be hours later. */
    if (faccessat(parts->dir, ".", W_OK | X_OK, AT_EACCESS) != 0) {
        error_errno(err, options->dir, "cannot be written");
        error_mistake(err, "give the right to write there, or name another directory");
        goto failed;
    }
    if (!look_at_directory(parts, err))
        goto failed;
    return parts;
failed:
    parts_close(parts);
    return NULL;
}

void parts_close(struct parts *parts)
{
    if (!parts)
        return;
    stream_close(parts->open);
    for (uint32_t k = 0; k < parts->pending_count; k++)
        stream_close(parts->pending[k].stream);
    for (uint32_t k = 0; k < parts->former_count; k++)
        bundle_clear(&parts->formers[k]);
    memory_free(parts->formers);
    if (parts->dir >= 0)
        close(parts->dir);
    bytes_clear(&parts->buffer);
    memory_free(parts->pending);
    memory_free(parts);
}

/* ---- writing ---- */

struct bytes *parts_buffer(struct parts *parts)
{
    return &parts->buffer;
}

static struct part_name own_name(const struct parts *parts, uint64_t number)
{
    return (struct part_name){.kind = PART_PROGRESS,
                              .subtask = parts->subtask,
                              .attempt = parts->attempt,
                              .number = number};
}

static bool begin_file(struct parts *parts, struct error *err)
{
    struct part_name name = own_name(parts, parts->next_number);
    char text[PART_NAME_MAX];
    part_name_write(&name, parts->options.suffix, text);
    char *path = memory_format("%s/%s", parts->options.dir, text);
    parts->open = stream_create(path, parts->options.compression, err);
    memory_free(path);
    if (!parts->open)
        return false;
    parts->open_number = parts->next_number++;
    parts->open_since_ms = parts->now_ms;
    parts->directory_changed = true;
    const char *header = parts->options.header;
    return !header || stream_write(parts->open, header, strlen(header), err);
}

static bool flush(struct parts *parts, struct error *err)
{
    if (parts->buffer.size == 0)
        return true;
    if (!parts->open && !begin_file(parts, err))
        return false;
    if (!stream_write(parts->open, parts->buffer.data, parts->buffer.size, err))
        return false;
    parts->buffer.size = 0;
    return true;
}

/* The open file is complete; the next prepare closes it. */
static bool roll(struct parts *parts, struct error *err)
{
    struct pending_part part = {.number = parts->open_number, .stream = parts->open};
    if (!stream_settle(parts->open, &part.length, err))
        return false;
    parts->pending = memory_grow(parts->pending, parts->pending_count + 1, sizeof(*parts->pending));
    parts->pending[parts->pending_count++] = part;
    parts->open = NULL;
    return true;
}

bool parts_written(struct parts *parts, struct error *err)
{
    if (parts->buffer.size < BUFFER_SIZE)
        return true;
    if (!parts_settle(parts, err) || !flush(parts, err))
        return false;
    return stream_size(parts->open) < parts->options.roll_size || roll(parts, err);
}

/* ---- prepare and commit ---- */

static bool too_old(const struct parts *parts)
{
    return parts->options.roll_time_ms > 0 &&
           parts->now_ms - parts->open_since_ms >= parts->options.roll_time_ms;
}

static bool close_pending(struct parts *parts, uint64_t checkpoint, struct durable *durable,
                          struct error *err)
{
    for (uint32_t k = 0; k < parts->pending_count; k++) {
        struct pending_part *part = &parts->pending[k];
        if (!part->stream)
            continue;
        if (!stream_durable(part->stream, durable, err))
            return false;
        stream_close(part->stream);
        part->stream = NULL;
        part->checkpoint = checkpoint;
    }
    return true;
}

static void write_bundle(const struct parts *parts, uint64_t checkpoint, uint64_t open_length,
                         struct bytes *out)
{
    struct bundle bundle = {
        .dir = (char *)parts->options.dir,
        .subtask = (char *)parts->options.subtask,
        .suffix = (char *)parts->options.suffix,
        .checkpoint = checkpoint,
        .files = memory_array(parts->pending_count + 1, sizeof(*bundle.files)),
    };
    for (uint32_t k = 0; k < parts->pending_count; k++)
        bundle.files[bundle.count++] = (struct bundle_file){
            parts->pending[k].number, parts->pending[k].length, parts->pending[k].checkpoint};
    if (parts->open)
        bundle.files[bundle.count++] = (struct bundle_file){parts->open_number, open_length, 0};
    bundle_write(&bundle, out);
    memory_free(bundle.files);
}

bool parts_prepare(struct parts *parts, uint64_t checkpoint, int64_t now_ms, bool last,
                   struct bytes *bundle, struct durable *durable, struct error *err)
{
    uint64_t length = 0;
    CHECK(checkpoint > 0);
    if (!parts_settle(parts, err) || !flush(parts, err))
        return false;
    parts->now_ms = now_ms;
    if (parts->open_since_ms > now_ms) /* the clock was set back: else it stayed open until then */
        parts->open_since_ms = now_ms;
    parts->last = last;
    if (parts->open && (last || too_old(parts)) && !roll(parts, err))
        return false;
    if (parts->open &&
        (!stream_settle(parts->open, &length, err) || !stream_durable(parts->open, durable, err)))
        return false;
    if (!close_pending(parts, checkpoint, durable, err))
        return false;
    if (parts->directory_changed && !durable_add(durable, parts->dir, parts->options.dir, err))
        return false;
    parts->directory_changed = false;
    write_bundle(parts, checkpoint, length, bundle);
    return true;
}

/* Those that the bundle has made visible are no longer told. */
static void forget_committed(struct parts *parts, const struct bundle *bundle)
{
    uint32_t kept = 0;
    if (strcmp(bundle->subtask, parts->options.subtask) != 0)
        return;
    for (uint32_t k = 0; k < parts->pending_count; k++) {
        const struct pending_part *part = &parts->pending[k];
        if (part->stream || part->checkpoint > bundle->checkpoint)
            parts->pending[kept++] = *part;
    }
    parts->pending_count = kept;
}

bool parts_commit(struct parts *parts, const uint8_t *data, size_t size, struct error *err)
{
    struct bundle bundle;
    if (!parts_settle(parts, err) || !bundle_read(&bundle, data, size, err))
        return false;
    int dir = parts_open_dir(bundle.dir, err);
    bool changed = false;
    bool fine = dir >= 0 && parts_publish(dir, &bundle, &changed, err);
    if (fine && changed && !parts->last && strcmp(bundle.dir, parts->options.dir) == 0)
        parts->directory_changed = true; /* the next bundle needs it, nothing before */
    else if (fine && changed && fsync(dir) != 0)
        fine = error_errno(err, bundle.dir, "cannot write the directory to the disk");
    if (fine)
        forget_committed(parts, &bundle);
    if (dir >= 0)
        close(dir);
    bundle_clear(&bundle);
    return fine;
}
