/* durable: see durable.h. */
#include "operators/sink/durable.h"

#include "runtime/base/memory.h"

#include <fcntl.h>
#include <unistd.h>

struct durable {
    uint32_t count;
    struct durable_file {
        int fd;
        char *name;
    } * files;
};

struct durable *durable_create(void)
{
    return memory_new(sizeof(struct durable));
}

void durable_close(struct durable *durable)
{
    if (!durable)
        return;
    for (uint32_t i = 0; i < durable->count; i++) {
        close(durable->files[i].fd);
        memory_free(durable->files[i].name);
    }
    memory_free(durable->files);
    memory_free(durable);
}

bool durable_add(struct durable *durable, int fd, const char *name, struct error *err)
{
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0)
        return error_errno(err, name, "cannot keep the file open");
    durable->files = memory_grow(durable->files, durable->count + 1, sizeof(*durable->files));
    durable->files[durable->count++] = (struct durable_file){own, memory_text(name)};
    return true;
}

bool durable_wait(struct durable *durable, struct error *err)
{
    for (uint32_t i = 0; i < durable->count; i++)
        if (fsync(durable->files[i].fd) != 0)
            return error_errno(err, durable->files[i].name, "cannot write to the disk");
    return true;
}
