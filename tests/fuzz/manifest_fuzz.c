/* Manifests of any bytes: refused with an error, or read and written back the same. The checksum
 * is made right first, so that what lies behind it is reached. */
#include "runtime/base/hash.h"
#include "state/manifest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const struct manifest *manifest, struct arena *arena)
{
    struct bytes once = {0}, twice = {0};
    struct error err = {0};
    struct manifest *again;

    manifest_encode(manifest, &once);
    again = manifest_decode(once.data, once.size, arena, &err);
    CHECK(again);
    manifest_encode(again, &twice);
    CHECK(once.size == twice.size && memcmp(once.data, twice.data, once.size) == 0);
    bytes_clear(&once);
    bytes_clear(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_create(4096);
    struct bytes text = {0};
    struct manifest *manifest;
    struct error err = {0};

    manifest = manifest_decode(data, size, arena, &err);
    CHECK(manifest || err.code == ERROR_STATE);
    bytes_put(&text, data, size);
    bytes_format(&text, ",\"checksum\":\"%016" PRIx64 "\"}", hash_bytes(data, size));
    err = (struct error){0};
    manifest = manifest_decode(text.data, text.size, arena, &err);
    CHECK(manifest || err.code == ERROR_STATE);
    if (manifest)
        round_trip(manifest, arena);
    bytes_clear(&text);
    arena_close(arena);
    return 0;
}
