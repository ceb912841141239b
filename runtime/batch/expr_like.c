/* like: a pattern is cut at its % into pieces. The first piece must begin the text, the last must
 * end it, and between them the earliest place of each piece is the right one, so nothing is tried
 * twice. A piece without _ is found by memmem; one with _ is tried place by place.
 * In a pattern \ takes the meaning from the character behind it. */
#include "runtime/batch/expr_parts.h"

#include <string.h>

struct piece {
    struct text text; /* without \ */
    const bool *any;  /* by byte: a _, which stands for one character; NULL: there is none */
};

struct like {
    uint32_t count; /* of pieces: one more than there are % */
    struct piece *pieces;
};

static struct piece piece_create(struct arena *arena, const char **at, const char *end)
{
    char *text = arena_new(arena, (size_t)(end - *at) + 1);
    bool *any = arena_new(arena, (size_t)(end - *at) + 1), some = false;
    size_t size = 0;

    for (; *at < end && **at != '%'; ++*at) {
        bool escape = **at == '\\' && *at + 1 < end;

        any[size] = **at == '_';
        some |= any[size];
        *at += escape;
        text[size++] = **at;
    }
    return (struct piece){{text, size}, some ? any : NULL};
}

struct like *like_create(struct arena *arena, struct text pattern)
{
    struct like *like = arena_new(arena, sizeof(*like));
    const char *at = pattern.data, *end = at + pattern.size;

    like->pieces = arena_new(arena, (pattern.size + 1) * sizeof(*like->pieces));
    like->pieces[like->count++] = piece_create(arena, &at, end);
    while (at < end) {
        at++; /* the % */
        like->pieces[like->count++] = piece_create(arena, &at, end);
    }
    return like;
}

static bool continues(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* Behind the piece when it stands at `at`, else NULL. */
static const char *stands(const struct piece *piece, const char *at, const char *end)
{
    for (size_t i = 0; i < piece->text.size; i++) {
        if (at == end || (!(piece->any && piece->any[i]) && *at != piece->text.data[i]))
            return NULL;
        at++;
        while (piece->any && piece->any[i] && at < end && continues(*at))
            at++;
    }
    return at;
}

/* Behind the first place of the piece, else NULL. */
static const char *find(const struct piece *piece, const char *at, const char *end)
{
    const char *behind;

    if (!piece->any) {
        if (piece->text.size)
            at = memmem(at, (size_t)(end - at), piece->text.data, piece->text.size);
        return at ? at + piece->text.size : NULL;
    }
    for (; at < end; at++) {
        behind = stands(piece, at, end);
        if (behind)
            return behind;
    }
    return NULL;
}

/* Whether the piece ends the text, without going below `from`. */
static bool closes(const struct piece *piece, const char *from, const char *end)
{
    if (!piece->any)
        return (size_t)(end - from) >= piece->text.size &&
               memcmp(end - piece->text.size, piece->text.data, piece->text.size) == 0;
    for (const char *at = from; at < end; at++)
        if (stands(piece, at, end) == end)
            return true;
    return false;
}

static bool matches(const struct like *like, const struct text *text)
{
    const char *end = text->data + text->size;
    const char *at = stands(&like->pieces[0], text->data, end);

    if (!at || like->count == 1)
        return at == end;
    for (uint32_t i = 1; i + 1 < like->count; i++) {
        at = find(&like->pieces[i], at, end);
        if (!at)
            return false;
    }
    return closes(&like->pieces[like->count - 1], at, end);
}

uint64_t text_like(const struct strip *strip)
{
    const struct text *a = strip->in[0];
    uint64_t rows = strip->rows, bits = 0;

    while (rows) {
        uint32_t row = strip_next(&rows);
        bits |= (uint64_t)matches(strip->data, &a[row]) << row;
    }
    *(uint64_t *)strip->out = bits;
    return ALL_ROWS;
}
