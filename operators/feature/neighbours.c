/* neighbours: see neighbours.h. */
#include "operators/feature/neighbours.h"

#include "runtime/base/check.h"

#include <string.h>

#define LEVELS 255u /* values of `together` that are counted each for itself */

_Static_assert(sizeof(struct neighbour) == 24, "no padding in an entry");

int64_t neighbours_weight(uint32_t distance)
{
    static const int64_t weights[NEIGHBOURS_DISTANCE_MAX + 1] = {
        65536, 45875, 32113, 22479, 15735, 11015, 7710, 5397, 3778, 2645, 1851};

    return distance <= NEIGHBOURS_DISTANCE_MAX ? weights[distance] : 0;
}

uint32_t neighbours_place(const struct neighbours *row, uint64_t other)
{
    uint32_t begin = 0, end = row->used;

    while (begin < end) {
        uint32_t middle = (begin + end) / 2;
        if (row->entries[middle].other < other)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

/* Larger is better; no two entries of a row have the same. */
static unsigned __int128 rank_of(const struct neighbour *entry, uint32_t place)
{
    uint64_t weight = (uint64_t)entry->forward + (uint64_t)entry->backward;

    return (unsigned __int128)entry->together << 96 | (unsigned __int128)weight << 32 |
           (UINT32_MAX - place);
}

static uint32_t least_place(const struct neighbours *row)
{
    uint32_t least = 0;
    unsigned __int128 rank = rank_of(&row->entries[0], 0);

    for (uint32_t place = 1; place < row->used; place++) {
        unsigned __int128 other = rank_of(&row->entries[place], place);
        if (other < rank) {
            rank = other;
            least = place;
        }
    }
    return least;
}

static void remove_place(struct neighbours *row, uint32_t place)
{
    row->used--;
    memmove(&row->entries[place], &row->entries[place + 1],
            (row->used - place) * sizeof(row->entries[0]));
}

static void insert_place(struct neighbours *row, uint32_t place, uint64_t other)
{
    memmove(&row->entries[place + 1], &row->entries[place],
            (row->used - place) * sizeof(row->entries[0]));
    row->entries[place] = (struct neighbour){.other = other};
    row->used++;
}

static void count(struct neighbour *entry, int64_t weight, bool forward, bool direct)
{
    if (entry->together == NEIGHBOUR_TOGETHER_MAX)
        return;
    entry->together++;
    entry->direct += direct;
    if (forward)
        entry->forward += (uint64_t)weight;
    else
        entry->backward += (uint64_t)weight;
}

bool neighbours_add(struct neighbours *row, uint64_t other, uint32_t distance, bool forward,
                    uint32_t limit)
{
    uint32_t place = neighbours_place(row, other);
    int64_t weight = neighbours_weight(distance);
    bool full = false, direct = forward && distance == 0;

    if (place == row->used || row->entries[place].other != other) {
        full = row->used >= limit;
        if (full) {
            uint32_t least = least_place(row);
            remove_place(row, least);
            place -= least < place;
        }
        insert_place(row, place, other);
    }
    count(&row->entries[place], weight, forward, direct);
    row->direct += direct;
    *(forward ? &row->forward : &row->backward) += weight;
    return full;
}

/* Hoare's selection: afterwards ranks[0 .. keep) are the largest, in no order. */
static void select_largest(unsigned __int128 *ranks, uint32_t count, uint32_t keep)
{
    int64_t left = 0, right = (int64_t)count - 1;

    while (left < right) {
        unsigned __int128 pivot = ranks[left + (right - left) / 2];
        int64_t i = left, j = right;
        while (i <= j) {
            while (ranks[i] > pivot)
                i++;
            while (ranks[j] < pivot)
                j--;
            if (i <= j) {
                unsigned __int128 swap = ranks[i];
                ranks[i++] = ranks[j];
                ranks[j--] = swap;
            }
        }
        if ((int64_t)keep - 1 <= j)
            right = j;
        else if ((int64_t)keep - 1 >= i)
            left = i;
        else
            return;
    }
}

/* The largest value of `together`, up to LEVELS, that at least `keep` entries reach; `*above`: so
 * many have more. LEVELS stands for all from there on. `levels` becomes each entry's. */
static uint32_t last_level(const struct neighbours *row, uint32_t keep, uint8_t *levels,
                           uint32_t *above)
{
    uint32_t counts[LEVELS + 1] = {0}, level = LEVELS;

    for (uint32_t place = 0; place < row->used; place++) {
        uint32_t together = row->entries[place].together;
        levels[place] = (uint8_t)(together < LEVELS ? together : LEVELS);
        counts[levels[place]]++;
    }
    for (*above = 0; *above + counts[level] < keep; level--)
        *above += counts[level];
    return level;
}

/* Most entries of a long row are told apart by `together`; only those that are equal to the last one
 * kept have to be ranked. */
uint32_t neighbours_choose(const struct neighbours *row, uint32_t keep, unsigned __int128 *ranks,
                           uint32_t *chosen)
{
    uint8_t levels[NEIGHBOURS_MAX + 1]; /* then: whether it is kept */
    uint32_t count = 0, equal = 0, above, level;

    CHECK(keep > 0 && row->used <= NEIGHBOURS_MAX);
    if (row->used <= keep) {
        for (uint32_t place = 0; place < row->used; place++)
            chosen[place] = place;
        return row->used;
    }
    level = last_level(row, keep, levels, &above);
    for (uint32_t place = 0; place < row->used; place++) {
        if (levels[place] == level)
            ranks[equal++] = rank_of(&row->entries[place], place);
        levels[place] = levels[place] > level;
    }
    select_largest(ranks, equal, keep - above);
    for (uint32_t i = 0; i < keep - above; i++)
        levels[UINT32_MAX - (uint32_t)ranks[i]] = true;
    for (uint32_t place = 0; place < row->used && count < keep; place++) {
        chosen[count] = place;
        count += levels[place];
    }
    CHECK(count == keep);
    return count;
}
