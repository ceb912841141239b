/* likings: see likings.h. */
#include "operators/model/likings.h"

#include <math.h>
#include <string.h>

double liking_faded(const struct liking *liking, int64_t time_ms, int64_t half_life_ms)
{
    return liking->weight * exp2(-(double)(time_ms - liking->time_ms) / (double)half_life_ms);
}

static void make_name(char *name, const char *text, size_t size)
{
    memset(name, 0, LIKING_SIZE);
    memcpy(name, text, size < LIKING_SIZE ? size : LIKING_SIZE);
}

static struct liking *find(struct likings *likings, const char *name)
{
    for (uint64_t i = 0; i < likings->count; i++)
        if (memcmp(likings->items[i].name, name, LIKING_SIZE) == 0)
            return &likings->items[i];
    return NULL;
}

const struct liking *likings_find(const struct likings *likings, const char *name, size_t size)
{
    char whole[LIKING_SIZE];

    make_name(whole, name, size);
    return find((struct likings *)likings, whole);
}

static struct liking *least(struct likings *likings, int64_t time_ms, int64_t half_life_ms)
{
    struct liking *found = &likings->items[0];

    for (uint64_t i = 1; i < likings->count; i++)
        if (fabs(liking_faded(&likings->items[i], time_ms, half_life_ms)) <
            fabs(liking_faded(found, time_ms, half_life_ms)))
            found = &likings->items[i];
    return found;
}

/* Room for one more: grows by half. */
static struct likings *make_room(struct op *op, uint32_t state, uint32_t row)
{
    struct likings *likings = op_cells(op, state)[row];
    uint64_t have = (op_cell_size(op, state, row) - sizeof(*likings)) / sizeof(likings->items[0]);

    if (likings->count < have)
        return likings;
    have = have + have / 2 + 2 < LIKINGS_MAX ? have + have / 2 + 2 : LIKINGS_MAX;
    likings = op_cell_resize(op, state, row,
                             (uint32_t)(sizeof(*likings) + have * sizeof(likings->items[0])));
    CHECK(likings); /* LIKINGS_MAX fits */
    return likings;
}

void likings_learn(struct op *op, uint32_t state, uint32_t row, const char *name, size_t size,
                   double weight, int64_t time_ms, int64_t half_life_ms)
{
    struct likings *likings = op_cells(op, state)[row];
    struct liking *liking;
    char whole[LIKING_SIZE];

    if (size == 0)
        return;
    make_name(whole, name, size);
    liking = find(likings, whole);
    if (!liking && likings->count == LIKINGS_MAX) {
        liking = least(likings, time_ms, half_life_ms);
        *liking = (struct liking){.time_ms = time_ms};
    } else if (!liking) {
        likings = make_room(op, state, row);
        liking = &likings->items[likings->count++];
        *liking = (struct liking){.time_ms = time_ms};
    }
    memcpy(liking->name, whole, sizeof(whole));
    liking->weight = liking_faded(liking, time_ms, half_life_ms) + weight;
    liking->time_ms = time_ms;
}

bool likings_part(const char **at, const char *end, char separator, const char **part, size_t *size)
{
    const char *stop;

    if (*at >= end)
        return false;
    stop = memchr(*at, separator, (size_t)(end - *at));
    stop = stop ? stop : end;
    *part = *at;
    *size = (size_t)(stop - *at);
    *at = stop + 1;
    return true;
}
