/* See nearest.h. Edit distance with neighbours swapped (optimal string alignment; Damerau 1964),
 * blind to case and to `-` against `_`. */
#include "runtime/base/nearest.h"

#include "runtime/base/limits.h"

#include <ctype.h>
#include <string.h>

static char fold(char c)
{
    return c == '_' ? '-' : (char)tolower((unsigned char)c);
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Both shorter than NAME_SIZE_MAX. */
static unsigned distance(const char *a, const char *b)
{
    unsigned rows[3][NAME_SIZE_MAX];
    unsigned *before = rows[0], *above = rows[1], *here = rows[2];
    size_t width = strlen(b);

    for (unsigned j = 0; j <= width; j++)
        above[j] = j;
    for (unsigned i = 1; a[i - 1]; i++) {
        unsigned *oldest = before;

        here[0] = i;
        for (unsigned j = 1; j <= width; j++) {
            unsigned other = fold(a[i - 1]) != fold(b[j - 1]);

            here[j] = least(above[j - 1] + other, least(above[j], here[j - 1]) + 1);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                fold(a[i - 2]) == fold(b[j - 1]))
                here[j] = least(here[j], before[j - 2] + 1);
        }
        before = above;
        above = here;
        here = oldest;
    }
    return above[width];
}

/* Distance that counts as near: one in three letters, three at most. */
static unsigned reach(size_t length)
{
    return length < 4 ? 1 : length < 7 ? 2 : 3;
}

struct best {
    const char *name;
    unsigned distance;
};

static void consider(struct best *best, const char *candidate, const char *name)
{
    const char *slash = strrchr(candidate, '/');
    unsigned apart;

    if (strlen(candidate) >= NAME_SIZE_MAX)
        return;
    apart = distance(candidate, name);
    if (slash)
        apart = least(apart, distance(slash + 1, name) + 1);
    if (apart <= reach(strlen(name)) && (!best->name || apart < best->distance))
        *best = (struct best){candidate, apart};
}

const char *text_nearest(const char *const *names, uint32_t count, const char *name)
{
    struct best best = {0};

    if (strlen(name) >= NAME_SIZE_MAX)
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        consider(&best, names[i], name);
    return best.name;
}
