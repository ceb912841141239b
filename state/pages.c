/* Large pages, ahead of need. With 10 M keys a sixth of an update are TLB misses, but the first
 * touch of a large page clears 2 MB at once (0.2 to 5 ms measured, by how the host backs it). So
 * the executor touches them, for the next segment and the next slab of tables; when it is too
 * late, small pages serve. Only for stores without a budget that have grown large. */
#include "state/internal.h"

#include <sys/mman.h>

#define TOUCH_STEP 4096u

struct pages_job {
    struct job job;
    void *pages; /* NULL: the system had none */
    bool slab;
};

static_assert(INDEX_SLAB_SIZE == SEGMENT_SIZE_MAX, "one size of large pages");

/* Large pages begin at a multiple of their size: maps twice as much and cuts the ends. */
static void *map_aligned(size_t size)
{
    uint8_t *raw = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uintptr_t begin, cut;

    if (raw == MAP_FAILED)
        return NULL;
    begin = ((uintptr_t)raw + size - 1) & ~((uintptr_t)size - 1);
    cut = begin - (uintptr_t)raw;
    if (cut)
        CHECK(munmap(raw, cut) == 0);
    if (size > cut)
        CHECK(munmap((uint8_t *)begin + size, size - cut) == 0);
    return (void *)begin;
}

static void pages_run(struct work *work)
{
    struct pages_job *job = (struct pages_job *)work;

    job->pages = map_aligned(SEGMENT_SIZE_MAX);
    if (!job->pages)
        return;
    (void)madvise(job->pages, SEGMENT_SIZE_MAX, MADV_HUGEPAGE); /* only a wish */
    for (size_t at = 0; at < SEGMENT_SIZE_MAX; at += TOUCH_STEP)
        ((volatile uint8_t *)job->pages)[at] = 0;
}

static void pages_take(struct store *store, struct pages_job *job)
{
    if (!job->pages)
        return;
    if (job->slab)
        index_slabs_give(store->slabs, job->pages);
    else if (!segments_give(&store->log, job->pages))
        CHECK(munmap(job->pages, SEGMENT_SIZE_MAX) == 0);
    job->pages = NULL;
}

void pages_drive(struct store *store)
{
    struct pages_job *job = store->pages_job;
    bool slab;

    if (!store->slabs || store->log.live < SEGMENT_SIZE_MAX)
        return;
    if (!job)
        job = store->pages_job = memory_new(sizeof(*job));
    if (job->job.active && !job_ended(store, &job->job))
        return;
    pages_take(store, job);
    slab = index_slabs_wanted(store->slabs);
    if (!slab && store->log.pool_count > 0)
        return;
    job->slab = slab;
    job_submit(store, &job->job, pages_run);
}

void pages_close(struct store *store)
{
    struct pages_job *job = store->pages_job;

    if (!job)
        return;
    job_wait(store, &job->job);
    if (job->pages)
        CHECK(munmap(job->pages, SEGMENT_SIZE_MAX) == 0);
    memory_free(job);
    store->pages_job = NULL;
}
