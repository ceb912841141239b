/* Runs of a pane: when FAN_IN of one level have gathered they are merged into one of the next,
 * in the executor, so that a scan reads few files. Some 4 write passes for 4,000 evictions. */
#include "state/internal.h"
#include "state/sst.h"

#include <sys/stat.h>
#include <unistd.h>

#define FAN_IN 8u
#define PIECE_KEYS 65536u

struct run_job {
    struct job job;
    struct store *store;
    uint32_t state;
    int64_t pane_ms;
    uint64_t serial;            /* of the pane's group */
    struct run *inputs[FAN_IN]; /* they stay in the group; it may be dropped meanwhile, */
    char *paths[FAN_IN];        /* which deletes the files but not what is open */
    uint32_t level, group;      /* key group of the present key: in file order */
    struct scan *scan;
    struct sst_writer *writer;
    uint8_t *value;
    struct run *out;
    bool more;
};

static bool key_put(void *context, const struct key *key, const void *cell, struct error *err)
{
    struct run_job *run = context;
    const struct state_info *state = &run->store->states[run->state];
    uint8_t name[FILE_KEY_MAX];
    struct file_cell out = {.group = key_group(key->hash, run->store->config.key_groups),
                            .state = state->layout.id,
                            .pane_ms = run->pane_ms,
                            .key = key->data,
                            .key_size = key->size};
    uint32_t size = file_key(STORE_PANE, &out, name), head = file_value_head(&out, run->value);

    memcpy(run->value + head, cell, state->def->size);
    return sst_writer_put(run->writer, name, size, run->value, head + state->def->size, err);
}

static bool run_begin(struct run_job *run, struct error *err)
{
    run->scan = scan_runs(run->store, &run->store->states[run->state],
                          (const char *const *)run->paths, FAN_IN, err);
    if (!run->scan)
        return false;
    run->writer = sst_writer_create(run->out->path, false, err);
    return run->writer != NULL;
}

static bool run_piece(struct run_job *run, struct error *err)
{
    struct stat stat_buffer;

    if (!run->scan && !run_begin(run, err))
        return false;
    if (!scan_some(run->scan, PIECE_KEYS, key_put, run, &run->more, err))
        return false;
    if (run->more)
        return true;
    if (!sst_writer_finish(run->writer, err))
        return false;
    run->out->size = stat(run->out->path, &stat_buffer) == 0 ? (uint64_t)stat_buffer.st_size : 0;
    return true;
}

static void run_run(struct work *work)
{
    struct run_job *run = (struct run_job *)work;

    run->job.failed = !run_piece(run, &run->job.err);
}

static void run_free(struct run_job *run)
{
    scan_close(run->scan);
    sst_writer_close(run->writer);
    for (uint32_t i = 0; i < FAN_IN; i++)
        memory_free(run->paths[i]);
    if (run->out) {
        (void)unlink(run->out->path);
        memory_free(run->out->path);
        memory_free(run->out);
    }
    memory_free(run->value);
    memory_free(run);
}

static struct run_job *run_create(struct store *store, const struct group *group, uint32_t level)
{
    struct run_job *run = memory_new(sizeof(*run));
    uint32_t count = 0;

    run->store = store;
    run->state = (uint32_t)(group->state - store->states);
    run->pane_ms = group->pane_ms;
    run->serial = group->serial;
    run->level = level;
    run->value = memory_new(FILE_VALUE_MAX);
    for (struct run *r = group->runs; r && count < FAN_IN; r = r->next)
        if (r->level == level) {
            run->inputs[count] = r;
            run->paths[count++] = memory_text(r->path);
        }
    run->out = memory_new(sizeof(*run->out));
    run->out->level = level + 1;
    run->out->path =
        memory_format("%s/merged-%llu.sst", store->spill_dir, (unsigned long long)++store->serial);
    return run;
}

static bool level_full(const struct group *group, uint32_t *level)
{
    for (*level = 0; *level < group->run_count; (*level)++) {
        uint32_t count = 0;

        for (const struct run *run = group->runs; run; run = run->next)
            count += run->level == *level;
        if (count >= FAN_IN)
            return true;
    }
    return false;
}

static struct run_job *run_wanted(struct store *store)
{
    uint32_t level;

    for (uint32_t i = 0; store->spill_dir_made && i < store->config.state_count; i++)
        for (uint32_t k = 0; k < store->states[i].pane_count; k++) {
            const struct group *group = store->states[i].panes[k];

            if (group->run_count >= FAN_IN && level_full(group, &level))
                return run_create(store, group, level);
        }
    return NULL;
}

static void run_replace(struct store *store, struct run_job *run)
{
    struct group *group = pane_find(store, &store->states[run->state], run->pane_ms, false);

    if (!group || group->serial != run->serial)
        return; /* dropped meanwhile; run_free deletes the result */
    for (uint32_t i = 0; i < FAN_IN; i++) {
        struct run **at = &group->runs;

        while (*at != run->inputs[i])
            at = &(*at)->next;
        *at = run->inputs[i]->next;
        (void)unlink(run->inputs[i]->path);
        memory_free(run->inputs[i]->path);
        memory_free(run->inputs[i]);
    }
    store->spilled_bytes += run->out->size;
    run->out->next = group->runs;
    group->runs = run->out;
    group->run_count -= FAN_IN - 1;
    run->out = NULL;
}

/* A pane that was dropped while its runs were to be opened: no failure of the store. */
static bool run_dropped(struct store *store, const struct run_job *run)
{
    const struct group *group = pane_find(store, &store->states[run->state], run->pane_ms, false);

    return !group || group->serial != run->serial;
}

bool runs_drive(struct store *store)
{
    struct run_job *run = store->run_job;

    if (store->failed)
        return false;
    if (!run) {
        run = store->run_job = run_wanted(store);
        if (run)
            job_submit(store, &run->job, run_run);
        return true;
    }
    if (!run->job.active || !work_done(&run->job.work))
        return true;
    run->job.failed &= !run_dropped(store, run);
    if (!job_ended(store, &run->job) || store->failed)
        return !store->failed;
    if (run->more && !run_dropped(store, run)) {
        job_submit(store, &run->job, run_run);
        return true;
    }
    if (!run->more)
        run_replace(store, run);
    run_free(run);
    store->run_job = NULL;
    return true;
}

void runs_close(struct store *store)
{
    if (!store->run_job)
        return;
    job_wait(store, &store->run_job->job);
    run_free(store->run_job);
    store->run_job = NULL;
}
