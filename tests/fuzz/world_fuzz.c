/* Options of a generated world from a text of somebody's log: never a crash, and what is taken says
 * the same again when it is written. */
#include "operators/model/world_options.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_create(WORLD_OPTIONS_TEXT_MAX);
    struct world_options options, again;
    struct error err = {0};
    char text[WORLD_OPTIONS_TEXT_MAX], twice[WORLD_OPTIONS_TEXT_MAX];

    if (world_options_read(&options, (const char *)data, size, arena, &err)) {
        world_options_text(&options, text, sizeof(text));
        CHECK(world_options_read(&again, text, strlen(text), arena, &err));
        world_options_text(&again, twice, sizeof(twice));
        CHECK(strcmp(text, twice) == 0);
    } else {
        CHECK(err.what[0]);
    }
    arena_close(arena);
    return 0;
}
