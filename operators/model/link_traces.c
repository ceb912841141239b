/* link_traces: see link_traces.h. */
#include "operators/model/link_traces.h"

#include "runtime/base/file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define FILE_SIZE_MAX (64u << 20)
#define DEPTH_MAX 8
#define PATH_SIZE 4096
#define MBITS_MAX 1e6
#define HOW "give each trace as lines of two numbers, seconds and Mbit/s"

/* ---- one trace ---- */

struct row {
    double at_s, mbits;
};

static bool wrong(struct error *err, uint32_t line, const char *what)
{
    return error_set(err, ERROR_DATA, "", HOW, "line %u: %s", line, what);
}

static const char *after_number(const char *text, double *number)
{
    char *end;

    *number = strtod(text, &end);
    if (end == text || !isfinite(*number))
        return NULL;
    while (*end == ' ' || *end == '\t' || *end == ',' || *end == '\r')
        end++;
    return end;
}

/* The next row; *text moves past it. False: none is left, or (err->what) it is wrong. */
static bool next_row(const char **text, uint32_t *line, struct row *row, struct error *err)
{
    const char *at = *text;

    for (;; at++) {
        at += strspn(at, " \t\r");
        if (*at == '#')
            at += strcspn(at, "\n");
        if (*at != '\n')
            break;
        ++*line;
    }
    *text = at;
    if (*at == 0)
        return false;
    at = after_number(at, &row->at_s);
    at = at ? after_number(at, &row->mbits) : NULL;
    if (!at || (*at != '\n' && *at != 0))
        return wrong(err, *line, "not two numbers");
    if (row->mbits < 0 || row->mbits > MBITS_MAX)
        return wrong(err, *line, "no throughput in Mbit/s");
    *text = at;
    return true;
}

/* Adds a throughput from `from` to `until`, seconds of the trace, to the seconds' means. */
static void spread(float *mbits, uint32_t seconds, double from, double until, double rate)
{
    for (uint32_t second = (uint32_t)from; second < seconds && second < until; second++)
        mbits[second] += (float)(rate * (fmin(until, second + 1.0) - fmax(from, second)));
}

/* The rows once more, which are right. */
static void fill(const char *text, float *mbits, uint32_t seconds)
{
    struct row row, before;
    uint32_t line = 1;
    double first;

    CHECK(next_row(&text, &line, &before, NULL));
    first = before.at_s;
    for (; next_row(&text, &line, &row, NULL); before = row)
        spread(mbits, seconds, before.at_s - first, row.at_s - first, row.mbits);
    for (uint32_t second = 0; second < seconds; second++)
        mbits[second] = fmaxf(mbits[second], (float)LINK_MBITS_MIN);
}

bool link_trace_parse(const char *text, struct arena *arena, struct link_trace *trace,
                      struct error *err)
{
    struct error fault = {0};
    struct row row = {0};
    const char *at = text;
    double first = 0, last = 0;
    uint32_t line = 1, rows = 0;
    float *mbits;

    for (; next_row(&at, &line, &row, &fault); rows++) {
        if (rows == 0)
            first = row.at_s;
        else if (row.at_s <= last)
            return wrong(err, line, "its time is not after the one before");
        if (row.at_s - first > LINK_TRACE_SECONDS_MAX)
            return wrong(err, line, "it is over a day after the first");
        last = row.at_s;
    }
    if (fault.what[0]) {
        if (err)
            *err = fault;
        return false;
    }
    if (last - first < 1)
        return error_set(err, ERROR_DATA, "", HOW, "its %u lines are less than a second", rows);
    trace->seconds = (uint32_t)(last - first);
    trace->mbits = mbits = arena_new(arena, trace->seconds * sizeof(float));
    fill(text, mbits, trace->seconds);
    return true;
}

/* ---- a folder ---- */

static const struct word {
    const char *text;
    enum link_kind kind;
} words[] = {
    {"metro", LINK_METRO},    {"tram", LINK_TRAM},
    {"bus", LINK_BUS},        {"train", LINK_TRAIN},
    {"car", LINK_CAR},        {"ferry", LINK_FERRY},
    {"fcc", LINK_BROADBAND},  {"broadband", LINK_BROADBAND},
    {"http", LINK_BROADBAND}, {"oboe", LINK_OBOE},
    {"wifi", LINK_BROADBAND},
};

/* The first word of a name that is a kind's. */
static bool name_kind(const char *name, size_t size, enum link_kind *kind)
{
    for (size_t begin = 0, end; begin < size; begin = end + 1) {
        for (end = begin; end < size && isalpha((unsigned char)name[end]); end++)
            ;
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
            if (strlen(words[i].text) == end - begin &&
                strncasecmp(name + begin, words[i].text, end - begin) == 0) {
                *kind = words[i].kind;
                return true;
            }
    }
    return false;
}

/* What comes with a set of traces, in a folder that may name a kind. */
static bool is_notice(const char *path)
{
    static const char *const notices[] = {"README", "LICENSE", "LICENCE", "COPYING"};
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

    for (size_t i = 0; i < sizeof(notices) / sizeof(notices[0]); i++)
        if (strncasecmp(name, notices[i], strlen(notices[i])) == 0)
            return true;
    return false;
}

bool link_trace_kind(const char *path, enum link_kind *kind)
{
    size_t end = is_notice(path) ? 0 : strlen(path);

    while (end > 0) { /* the file's name first, then the folders' upwards */
        size_t begin = end;
        while (begin > 0 && path[begin - 1] != '/')
            begin--;
        if (name_kind(path + begin, end - begin, kind))
            return true;
        end = begin > 0 ? begin - 1 : 0;
    }
    return false;
}

struct walk {
    char path[PATH_SIZE];
    size_t base; /* where the path below the folder begins */
    struct arena *arena;
    struct link_traces *traces;
    uint32_t capacity[LINK_KINDS];
};

static void keep(struct walk *walk, enum link_kind kind, const struct link_trace *trace)
{
    struct link_traces_kind *of = &walk->traces->kinds[kind];

    if (of->count == walk->capacity[kind]) {
        struct link_trace *more;
        walk->capacity[kind] = walk->capacity[kind] * 2 + 8;
        more = arena_new(walk->arena, walk->capacity[kind] * sizeof(*more));
        if (of->count)
            memcpy(more, of->traces, of->count * sizeof(*more));
        of->traces = more;
    }
    of->traces[of->count++] = *trace;
}

static bool take_file(struct walk *walk, struct error *err)
{
    struct bytes text = {0};
    struct link_trace trace;
    struct error why = {0};
    enum link_kind kind;
    bool good;

    if (!link_trace_kind(walk->path + walk->base, &kind))
        return true;
    if (!file_read(walk->path, FILE_SIZE_MAX, &text, err))
        return false;
    bytes_put(&text, "", 1);
    good = link_trace_parse((const char *)text.data, walk->arena, &trace, &why);
    bytes_clear(&text);
    if (!good)
        return error_set(err, why.code, walk->path, why.how, "%s", why.what);
    keep(walk, kind, &trace);
    return true;
}

static bool take_folder(struct walk *walk, int depth, struct error *err);

static bool take_entry(struct walk *walk, int depth, const char *name, struct error *err)
{
    size_t size = strlen(walk->path);
    struct stat status;
    bool good = true;

    if ((size_t)snprintf(walk->path + size, sizeof(walk->path) - size, "/%s", name) >=
        sizeof(walk->path) - size)
        good = error_set(err, ERROR_IO, name, "shorten it", "its path is too long");
    else if (stat(walk->path, &status) == 0 && S_ISDIR(status.st_mode))
        good = depth >= DEPTH_MAX || take_folder(walk, depth + 1, err);
    else
        good = take_file(walk, err);
    walk->path[size] = 0;
    return good;
}

static int by_name(const struct dirent **left, const struct dirent **right)
{
    return strcmp((*left)->d_name, (*right)->d_name); /* the same everywhere, unlike alphasort */
}

static bool take_folder(struct walk *walk, int depth, struct error *err)
{
    struct dirent **entries;
    int count = scandir(walk->path, &entries, NULL, by_name);
    bool good = true;

    if (count < 0)
        return error_set(err, ERROR_IO, walk->path, "give a folder of link traces",
                         "it cannot be read as a folder: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
        if (good && entries[i]->d_name[0] != '.')
            good = take_entry(walk, depth, entries[i]->d_name, err);
        free(entries[i]);
    }
    free(entries);
    return good;
}

const struct link_traces *link_traces_read(const char *folder, struct arena *arena,
                                           struct error *err)
{
    struct walk walk = {.arena = arena, .traces = arena_new(arena, sizeof(struct link_traces))};
    uint32_t count = 0;

    if ((size_t)snprintf(walk.path, sizeof(walk.path), "%s", folder) >= sizeof(walk.path)) {
        (void)error_set(err, ERROR_IO, "traces", "shorten it", "the path is too long");
        return NULL;
    }
    walk.base = strlen(folder);
    if (!take_folder(&walk, 0, err))
        return NULL;
    for (uint32_t kind = 0; kind < LINK_KINDS; kind++)
        count += walk.traces->kinds[kind].count;
    if (count > 0)
        return walk.traces;
    (void)error_set(err, ERROR_CONFIG, folder,
                    "let a word of each file's or folder's name tell its kind: metro, tram, bus, "
                    "train, car, ferry, broadband, oboe",
                    "no file in it is a link trace");
    return NULL;
}
