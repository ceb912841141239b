/* Options of a generated world from a text of somebody's log: never a crash, and what is taken says
 * the same again when it is written. */
#include "operators/model/world_options.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world_options options, again;
    struct error err = {0};
    char text[WORLD_OPTIONS_TEXT_MAX], twice[WORLD_OPTIONS_TEXT_MAX];

    if (!world_options_read(&options, (const char *)data, size, &err)) {
        CHECK(err.what[0]);
        return 0;
    }
    world_options_text(&options, text, sizeof(text));
    CHECK(world_options_read(&again, text, strlen(text), &err));
    world_options_text(&again, twice, sizeof(twice));
    CHECK(strcmp(text, twice) == 0);
    return 0;
}
