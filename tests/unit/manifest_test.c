/* Manifests: the JSON, and what is done with it in both kinds of checkpoint store. */
#include "tests/unit/state_rig.h"

#include "runtime/base/hash.h"
#include "state/manifest.h"

#include <inttypes.h>

static struct store_file file_of(const char *name, const char *text)
{
    struct store_file file = {
        .size = strlen(text), .checksum = hash_bytes(text, strlen(text)), .group_end = 8};

    (void)snprintf(file.name, sizeof(file.name), "%s", name);
    return file;
}

static const uint8_t position[] = {0, 1, 2, 0xff, 0x80};

struct sample {
    struct manifest manifest;
    struct manifest_operator operators[2];
    struct manifest_subtask subtasks[3];
    struct store_file files[3];
    struct manifest_blob blobs[3];
};

static void sample_fill(struct sample *sample, uint64_t checkpoint, uint32_t epoch,
                        uint32_t attempt)
{
    *sample = (struct sample){
        .manifest = {.job_id = "00ff",
                     .job_name = "video",
                     .checkpoint = checkpoint,
                     .epoch = epoch,
                     .attempt = attempt,
                     .kernel = "zen/haswell",
                     .time_ms = 1700000000123,
                     .operator_count = 2,
                     .operators = sample->operators},
        .operators = {{"events", 1, 16, 1, &sample->subtasks[0]},
                      {"trends", 2, 16, 2, &sample->subtasks[1]}},
        .subtasks = {{.index = 0,
                      .group_end = 16,
                      .watermark_ms = INT64_MIN,
                      .blob_count = 3,
                      .blobs = sample->blobs},
                     {.index = 0,
                      .group_end = 8,
                      .watermark_ms = -5,
                      .file_count = 2,
                      .files = sample->files},
                     {.index = 1,
                      .group_begin = 8,
                      .group_end = 16,
                      .watermark_ms = INT64_MAX,
                      .attachment_count = 1,
                      .attachments = &sample->files[2]}},
        .files = {file_of("a.sst", "first"), file_of("b.sst", "second"), file_of("c.bin", "third")},
        .blobs = {{"positions", position, sizeof(position)},
                  {"two", position, 2},
                  {"none", position, 0}},
    };
    sample->files[0].base = true;
    sample->files[1].group_begin = 3;
}

static void test_round(void **state)
{
    struct sample sample;
    struct bytes text = {0}, again = {0};
    struct arena *arena = arena_create(4096);
    struct manifest *read;
    struct error err = {0};

    (void)state;
    sample_fill(&sample, 12, 3, 1);
    manifest_encode(&sample.manifest, &text);
    read = manifest_decode(text.data, text.size, arena, &err);
    must(read != NULL, &err);
    assert_int_equal(read->checkpoint, 12);
    assert_int_equal(read->operators[0].subtasks[0].watermark_ms, INT64_MIN);
    assert_int_equal(read->operators[0].subtasks[0].blobs[0].size, sizeof(position));
    assert_memory_equal(read->operators[0].subtasks[0].blobs[0].data, position, sizeof(position));
    assert_int_equal(read->operators[0].subtasks[0].blobs[2].size, 0);
    assert_true(read->operators[1].subtasks[0].files[0].base);
    assert_int_equal(read->operators[1].subtasks[0].files[1].group_begin, 3);
    assert_string_equal(read->operators[1].subtasks[1].attachments[0].name, "c.bin");
    manifest_encode(read, &again);
    assert_int_equal(text.size, again.size);
    assert_memory_equal(text.data, again.data, text.size);
    bytes_clear(&text);
    bytes_clear(&again);
    arena_close(arena);
}

static void test_bit_flips(void **state)
{
    struct sample sample;
    struct bytes text = {0};
    struct arena *arena = arena_create(4096);

    (void)state;
    sample_fill(&sample, 12, 3, 1);
    manifest_encode(&sample.manifest, &text);
    for (size_t bit = 0; bit < text.size * 8; bit++) {
        struct error err = {0};

        text.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_null(manifest_decode(text.data, text.size, arena, &err));
        assert_int_equal(err.code, ERROR_STATE);
        text.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t size = 0; size < text.size; size++) {
        struct error err = {0};

        assert_null(manifest_decode(text.data, size, arena, &err));
    }
    bytes_clear(&text);
    arena_close(arena);
}

/* Replaces one piece of the JSON and makes the checksum right again. */
static struct manifest *decode_changed(const struct bytes *text, const char *from, const char *to,
                                       struct arena *arena, struct error *err)
{
    char *whole = arena_copy(arena, text->data, text->size);
    char *at = strstr(whole, from), *tail;
    struct bytes changed = {0};
    struct manifest *read;

    assert_non_null(at);
    bytes_put(&changed, whole, (size_t)(at - whole));
    bytes_text(&changed, to);
    bytes_text(&changed, at + strlen(from));
    bytes_put(&changed, "", 1);
    tail = strstr((char *)changed.data, ",\"checksum\":\"");
    for (char *next = tail; next; next = strstr(next + 1, ",\"checksum\":\""))
        tail = next;
    changed.size = (size_t)(tail - (char *)changed.data);
    bytes_format(&changed, ",\"checksum\":\"%016" PRIx64 "\"}",
                 hash_bytes(changed.data, changed.size));
    read = manifest_decode(changed.data, changed.size, arena, err);
    bytes_clear(&changed);
    return read;
}

static void test_strict(void **state)
{
    static const struct {
        const char *from, *to, *where;
    } cases[] = {
        {"\"version\":1", "\"version\":2", "manifest.json: version"},
        {"\"version\":1", "\"version\":1,\"more\":1", "manifest.json"},
        {"\"job_name\":\"video\"", "\"job_name\":\"../video\"", "manifest.json: job_name"},
        {"\"checkpoint\":12", "\"checkpoint\":-1", "manifest.json: checkpoint"},
        {"\"checkpoint\":12", "\"checkpoint\":12.0", "manifest.json: checkpoint"},
        {"\"checkpoint\":12", "\"checkpoint\":12,\"checkpoint\":12", "manifest.json"},
        {"\"epoch\":3", "\"epoch\":4294967296", "manifest.json: epoch"},
        {"\"final\":false", "\"final\":0", "manifest.json: final"},
        {"\"index\":1", "\"index\":2", "manifest.json: operators[1].subtasks[1].index"},
        {"\"index\":1", "\"index\":0", "manifest.json: operators[1].subtasks[1].index"},
        {"\"groups\":[3,8]", "\"groups\":[9,8]",
         "manifest.json: operators[1].subtasks[0].files[1].groups"},
        {"\"groups\":[3,8]", "\"groups\":[3,8,9]",
         "manifest.json: operators[1].subtasks[0].files[1].groups"},
        {"\"groups\":[8,16]", "\"groups\":[8,17]",
         "manifest.json: operators[1].subtasks[1].groups"},
        {"\"name\":\"b.sst\"", "\"name\":\"b/../c.sst\"",
         "manifest.json: operators[1].subtasks[0].files[1].name"},
        {"\"name\":\"b.sst\"", "\"name\":\".b\"",
         "manifest.json: operators[1].subtasks[0].files[1].name"},
        {"\"name\":\"two\"", "\"name\":\"none\"",
         "manifest.json: operators[0].subtasks[0].blobs[2].name"},
        {"\"data\":\"AAE=\"", "\"data\":\"AAF=\"",
         "manifest.json: operators[0].subtasks[0].blobs[1].data"},
        {"\"data\":\"AAE=\"", "\"data\":\"AA==AA==\"",
         "manifest.json: operators[0].subtasks[0].blobs[1].data"},
        {"\"id\":\"trends\"", "\"id\":\"events\"", "manifest.json: operators[1].id"},
        {"\"operators\":[", "\"operators\":{},\"x\":[", "manifest.json"},
    };
    struct sample sample;
    struct bytes text = {0};
    struct arena *arena = arena_create(4096);
    struct error err = {0};

    (void)state;
    sample_fill(&sample, 12, 3, 1);
    manifest_encode(&sample.manifest, &text);
    assert_non_null(decode_changed(&text, "\"epoch\":3", "\"epoch\":7", arena, &err));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        err = (struct error){0};
        if (decode_changed(&text, cases[i].from, cases[i].to, arena, &err))
            fail_msg("%s was taken", cases[i].to);
        assert_string_equal(err.where, cases[i].where);
    }
    bytes_clear(&text);
    arena_close(arena);
}

/* ---- in a store ---- */

static void put_text(struct checkpoint_store *store, const char *file, const char *text)
{
    char name[CHECKPOINT_NAME_MAX];
    struct error err = {0};

    manifest_file_name("video", file, name);
    must(checkpoint_put(store, name, text, strlen(text), &err) != PUT_FAILED, &err);
}

static void put_sample(struct checkpoint_store *store, uint64_t checkpoint, uint32_t epoch,
                       uint32_t attempt)
{
    struct sample sample;
    struct error err = {0};

    put_text(store, "a.sst", "first");
    put_text(store, "b.sst", "second");
    put_text(store, "c.bin", "third");
    sample_fill(&sample, checkpoint, epoch, attempt);
    must(manifest_write(store, &sample.manifest, &err), &err);
}

static void test_latest(void **state)
{
    struct checkpoint_store *store = checkpoint_store_memory(NULL, NULL);
    struct arena *arena = arena_create(4096);
    struct manifest_skipped skipped;
    struct manifest *latest;
    struct error err = {0};
    uint32_t epoch;

    (void)state;
    must(manifest_latest(store, "video", 0, arena, &latest, &skipped, &err), &err);
    assert_null(latest);
    put_sample(store, 9, 1, 0);
    put_sample(store, 10, 1, 0);
    put_sample(store, 2, 2, 0);
    put_sample(store, 3, 2, 1);
    must(manifest_latest(store, "video", 0, arena, &latest, &skipped, &err), &err);
    assert_int_equal(latest->epoch * 100 + latest->checkpoint, 203);
    assert_int_equal(skipped.count, 0);
    must(manifest_latest(store, "video", 1, arena, &latest, &skipped, &err), &err);
    assert_int_equal(latest->epoch * 100 + latest->checkpoint, 110);
    must(manifest_epoch_claim(store, "video", "me", &epoch, &err), &err);
    assert_int_equal(epoch, 3); /* above all manifests */
    must(manifest_latest(store, "vide", 0, arena, &latest, &skipped, &err), &err);
    assert_null(latest);
    checkpoint_store_close(store);
    arena_close(arena);
}

static void test_fencing(void **state)
{
    struct checkpoint_store *store = checkpoint_store_memory(NULL, NULL);
    struct sample sample;
    struct error err = {0};

    (void)state;
    put_sample(store, 5, 2, 1);
    sample_fill(&sample, 6, 1, 7);
    assert_false(manifest_write(store, &sample.manifest, &err));
    assert_int_equal(err.code, ERROR_FENCED);
    sample_fill(&sample, 6, 2, 0);
    assert_false(manifest_write(store, &sample.manifest, &err));
    assert_int_equal(err.code, ERROR_FENCED);
    sample_fill(&sample, 5, 2, 1); /* the same bytes again: an answer was lost */
    must(manifest_write(store, &sample.manifest, &err), &err);
    sample.manifest.time_ms++;
    assert_false(manifest_write(store, &sample.manifest, &err));
    assert_int_equal(err.code, ERROR_FENCED);
    checkpoint_store_close(store);
}

static void overwrite(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

/* Each file of the newest checkpoint damaged in turn: it is named, the one before is taken. */
static void test_damage(void **state)
{
    static const struct {
        const char *path, *text, *said;
    } cases[] = {
        {"video/shared/a2.sst", "firsT", "a2.sst: damaged file: its checksum"},
        {"video/shared/a2.sst", "firs", "a2.sst: damaged file: 4 bytes"},
        {"video/shared/a2.sst", NULL, "a2.sst: cannot open"},
        {"video/chk-000002-e1-a0/manifest.json", "{}", "manifest.json: damaged manifest"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *dir = dir_new(), *path = memory_format("%s/%s", dir, cases[i].path);
        struct error err = {0};
        struct checkpoint_store *store = checkpoint_store_dir(dir, &err);
        struct arena *arena = arena_create(4096);
        struct manifest_skipped skipped;
        struct manifest *latest;
        struct sample sample;

        must(store != NULL, &err);
        put_sample(store, 1, 1, 0);
        put_text(store, "a2.sst", "first");
        sample_fill(&sample, 2, 1, 0);
        sample.files[0] = file_of("a2.sst", "first");
        must(manifest_write(store, &sample.manifest, &err), &err);
        if (cases[i].text)
            overwrite(path, cases[i].text);
        else
            assert_int_equal(unlink(path), 0);
        must(manifest_latest(store, "video", 0, arena, &latest, &skipped, &err), &err);
        assert_int_equal(latest->checkpoint, 1);
        assert_int_equal(skipped.count, 1);
        if (!strstr(skipped.lines[0], cases[i].said))
            fail_msg("said: %s", skipped.lines[0]);
        checkpoint_store_close(store);
        arena_close(arena);
        dir_remove(dir);
        memory_free(path);
        memory_free(dir);
    }
}

static bool has(struct checkpoint_store *store, const char *name)
{
    struct bytes bytes = {0};
    struct error err;
    bool found = checkpoint_get(store, name, 1 << 20, &bytes, &err);

    bytes_clear(&bytes);
    return found;
}

static void put_own(struct checkpoint_store *store, uint64_t number, bool savepoint)
{
    char text[32];
    struct sample sample;
    struct error err = {0};

    (void)snprintf(text, sizeof(text), "own-%d", (int)number);
    put_text(store, text, text);
    sample_fill(&sample, number, 1, 0);
    sample.files[0] = file_of(text, text);
    sample.manifest.savepoint = savepoint;
    must(manifest_write(store, &sample.manifest, &err), &err);
}

static void test_retain(void **state)
{
    struct checkpoint_store *store = checkpoint_store_memory(NULL, NULL);
    struct error err = {0};

    (void)state;
    put_sample(store, 1, 1, 0);
    for (uint64_t i = 2; i <= 6; i++)
        put_own(store, i, i == 3);
    put_text(store, "unnamed", "of the next checkpoint");
    must(manifest_retain(store, "video", 1, 2, "video/chk-000002-e1-a0/manifest.json", &err), &err);
    assert_false(has(store, "video/chk-000001-e1-a0/manifest.json"));
    assert_true(has(store, "video/chk-000002-e1-a0/manifest.json"));
    assert_true(has(store, "video/chk-000003-e1-a0/manifest.json"));
    assert_false(has(store, "video/chk-000004-e1-a0/manifest.json"));
    assert_true(has(store, "video/chk-000005-e1-a0/manifest.json"));
    assert_true(has(store, "video/shared/own-2"));
    assert_true(has(store, "video/shared/own-3"));
    assert_false(has(store, "video/shared/own-4"));
    assert_true(has(store, "video/shared/own-5"));
    assert_false(has(store, "video/shared/a.sst"));
    assert_true(has(store, "video/shared/b.sst"));
    assert_true(has(store, "video/shared/unnamed"));
    must(manifest_sweep(store, "video", &err), &err);
    assert_false(has(store, "video/shared/unnamed"));
    assert_true(has(store, "video/shared/own-2"));
    assert_true(has(store, "video/shared/b.sst"));
    checkpoint_store_close(store);
}

/* While a kept manifest cannot be read, no file goes. */
static void test_retain_blind(void **state)
{
    struct checkpoint_store *store = checkpoint_store_memory(NULL, NULL);
    struct error err = {0};

    (void)state;
    put_own(store, 1, false);
    put_own(store, 2, false);
    must(checkpoint_put(store, "video/chk-000003-e1-a0/manifest.json", "{", 1, &err) == PUT_DONE,
         &err);
    must(manifest_retain(store, "video", 1, 1, NULL, &err), &err);
    assert_false(has(store, "video/chk-000001-e1-a0/manifest.json"));
    assert_true(has(store, "video/chk-000003-e1-a0/manifest.json"));
    assert_true(has(store, "video/shared/own-1"));
    must(manifest_sweep(store, "video", &err), &err);
    assert_true(has(store, "video/shared/own-1"));
    put_own(store, 4, false);
    must(manifest_retain(store, "video", 1, 1, NULL, &err), &err);
    assert_false(has(store, "video/chk-000003-e1-a0/manifest.json"));
    assert_false(has(store, "video/shared/own-2"));
    assert_true(has(store, "video/shared/own-4"));
    checkpoint_store_close(store);
}

static bool fail_nth(void *context, const char *verb, const char *name)
{
    int *left = context;

    (void)verb, (void)name;
    return (*left)-- == 0;
}

/* Every call of the store fails once: retention never removes what a kept manifest names. */
static void test_retain_failing(void **state)
{
    (void)state;
    for (int nth = 0; nth < 25; nth++) {
        int left = -1;
        struct checkpoint_store *store = checkpoint_store_memory(fail_nth, &left);
        struct arena *arena = arena_create(4096);
        struct manifest *latest;
        struct error err = {0};

        put_text(store, "b.sst", "second");
        put_text(store, "c.bin", "third");
        for (uint64_t i = 1; i <= 4; i++)
            put_own(store, i, false);
        left = nth;
        (void)!manifest_retain(store, "video", 1, 2, NULL, &err);
        left = -1;
        for (uint64_t i = 3; i <= 4; i++) {
            char name[64];

            (void)snprintf(name, sizeof(name), "video/chk-%06d-e1-a0/manifest.json", (int)i);
            latest = manifest_read(store, name, arena, &err);
            must(latest != NULL, &err);
        }
        must(manifest_retain(store, "video", 1, 2, NULL, &err), &err);
        must(manifest_sweep(store, "video", &err), &err);
        assert_false(has(store, "video/shared/own-1"));
        checkpoint_store_close(store);
        arena_close(arena);
    }
}

/* Claims only grow, whoever makes them; the highest fences the others. */
static void test_epochs(void **state)
{
    struct checkpoint_store *store = checkpoint_store_memory(NULL, NULL);
    struct arena *arena = arena_create(4096);
    struct error err = {0};
    const char *owner;
    uint32_t first, second, newest;

    (void)state;
    must(manifest_epoch_newest(store, "video", arena, &newest, &owner, &err), &err);
    assert_int_equal(newest, 0);
    assert_string_equal(owner, "");
    must(manifest_epoch_claim(store, "video", "a", &first, &err), &err);
    must(manifest_epoch_begun(store, "video", first, NULL, &err), &err);
    must(manifest_epoch_check(store, "video", first, &err), &err);
    must(manifest_epoch_claim(store, "video", "b", &second, &err), &err);
    assert_int_equal(first, 1); /* it has written nothing, and is fenced all the same */
    assert_int_equal(second, 2);
    assert_false(manifest_epoch_check(store, "video", first, &err));
    assert_int_equal(err.code, ERROR_FENCED);
    must(manifest_epoch_check(store, "video", second, &err), &err);
    must(manifest_epoch_check(store, "vide", first, &err), &err); /* another job's folder */
    must(manifest_epoch_newest(store, "video", arena, &newest, &owner, &err), &err);
    assert_int_equal(newest, 2);
    assert_string_equal(owner, "b");
    assert_true(has(store, "video/epochs/00000001"));
    must(manifest_epoch_begun(store, "video", second, NULL, &err), &err);
    assert_false(has(store, "video/epochs/00000001"));
    assert_true(has(store, "video/epochs/00000002"));
    must(manifest_epoch_claim(store, "video", "c", &second, &err), &err);
    assert_int_equal(second, 3);
    checkpoint_store_close(store);
    arena_close(arena);
}

struct rival { /* claims an epoch just before or after another's manifest is put */
    struct checkpoint_store *store;
    bool before, done;
};

static bool rival_comes(void *context, const char *verb, const char *name)
{
    struct rival *rival = context;
    struct error err = {0};
    uint32_t epoch;

    if (!rival->store || rival->done || !strstr(name, rival->before ? "/chk-" : "/epochs/") ||
        strcmp(verb, rival->before ? "put" : "list") != 0)
        return false;
    if (!rival->before && !has(rival->store, "video/chk-000002-e1-a1/manifest.json"))
        return false;
    rival->done = true;
    must(manifest_epoch_claim(rival->store, "video", "rival", &epoch, &err), &err);
    return false;
}

/* Whenever the successor comes, a manifest that it may not have seen is refused, and not taken for
 * the newest by the one after it. */
static void test_epoch_race(void **state)
{
    (void)state;
    for (int before = 0; before < 2; before++) {
        struct rival rival = {.before = before == 1};
        struct checkpoint_store *store = checkpoint_store_memory(rival_comes, &rival);
        struct arena *arena = arena_create(4096);
        struct manifest *latest;
        struct sample sample;
        struct error err = {0};
        uint32_t epoch;

        must(manifest_epoch_claim(store, "video", "first", &epoch, &err), &err);
        put_sample(store, 1, 1, 1);
        sample_fill(&sample, 2, 1, 1);
        rival.store = store;
        assert_false(manifest_write(store, &sample.manifest, &err));
        assert_int_equal(err.code, ERROR_FENCED);
        assert_true(rival.done);
        must(manifest_epoch_begun(store, "video", 2, "video/chk-000001-e1-a1/manifest.json", &err),
             &err);
        must(manifest_latest(store, "video", 0, arena, &latest, NULL, &err), &err);
        assert_int_equal(latest->checkpoint, 1);
        must(manifest_epoch_claim(store, "video", "third", &epoch, &err), &err);
        must(manifest_epoch_begun(store, "video", 3, NULL, &err), &err);
        must(manifest_latest(store, "video", 0, arena, &latest, NULL, &err), &err);
        assert_int_equal(latest->checkpoint, 1);
        assert_false(manifest_retain(store, "video", 1, 1, NULL, &err)); /* nor may it remove */
        assert_int_equal(err.code, ERROR_FENCED);
        assert_true(has(store, "video/chk-000001-e1-a1/manifest.json"));
        put_sample(store, 2, 3, 1);
        must(manifest_latest(store, "video", 0, arena, &latest, NULL, &err), &err);
        assert_int_equal(latest->epoch, 3);
        checkpoint_store_close(store);
        arena_close(arena);
    }
}

/* What other runs have written stays, however much of it there is. */
static void test_retain_own(void **state)
{
    struct checkpoint_store *store = checkpoint_store_memory(NULL, NULL);
    char newest[CHECKPOINT_NAME_MAX];
    struct error err = {0};
    uint32_t count;

    (void)state;
    for (uint64_t i = 1; i <= 4; i++)
        put_own(store, i, false);
    for (uint64_t i = 1; i <= 3; i++)
        put_sample(store, i, 2, 1);
    must(manifest_retain(store, "video", 2, 1, NULL, &err), &err);
    for (int i = 1; i <= 4; i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "video/chk-%06d-e1-a0/manifest.json", i);
        assert_true(has(store, name));
        (void)snprintf(name, sizeof(name), "video/shared/own-%d", i);
        assert_true(has(store, name));
    }
    assert_false(has(store, "video/chk-000002-e2-a1/manifest.json"));
    must(manifest_count(store, "video", &count, newest, &err), &err);
    assert_int_equal(count, 5);
    assert_string_equal(newest, "video/chk-000003-e2-a1/manifest.json");
    must(manifest_count(store, "other", &count, newest, &err), &err);
    assert_int_equal(count, 0);
    assert_string_equal(newest, "");
    checkpoint_store_close(store);
}

static void check_open(const char *path, uint64_t checkpoint)
{
    struct arena *arena = arena_create(4096);
    struct checkpoint_store *store;
    struct manifest_skipped skipped;
    struct manifest *manifest;
    struct error err = {0};

    must(manifest_open(path, arena, &store, &manifest, &skipped, &err), &err);
    assert_int_equal(manifest->checkpoint, checkpoint);
    must(manifest_verify(store, manifest, &err), &err);
    checkpoint_store_close(store);
    arena_close(arena);
}

static void test_open(void **state)
{
    static const char *const bad[] = {"", "/video/shared", "/video/shared/a.sst", "/nothing"};
    char *dir = dir_new(), *path, *moved;
    struct arena *arena = arena_create(4096);
    struct error err = {0};
    struct checkpoint_store *store = checkpoint_store_dir(dir, &err);
    struct manifest *manifest;

    (void)state;
    put_sample(store, 7, 1, 0);
    put_sample(store, 8, 1, 0);
    checkpoint_store_close(store);
    path = memory_format("%s/video/chk-000007-e1-a0/manifest.json", dir);
    check_open(path, 7);
    *strrchr(path, '/') = 0;
    check_open(path, 7);
    *strrchr(path, '/') = 0;
    check_open(path, 8);
    moved = memory_format("%s/copied", dir); /* the folder may get another name */
    assert_int_equal(rename(path, moved), 0);
    check_open(moved, 8);
    assert_int_equal(rename(moved, path), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *wrong = memory_format("%s%s", dir, bad[i]);

        assert_false(manifest_open(wrong, arena, &store, &manifest, NULL, &err));
        assert_int_equal(err.code, ERROR_CONFIG);
        assert_null(store);
        memory_free(wrong);
    }
    dir_remove(dir);
    memory_free(path);
    memory_free(moved);
    memory_free(dir);
    arena_close(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round),          cmocka_unit_test(test_bit_flips),
        cmocka_unit_test(test_strict),         cmocka_unit_test(test_latest),
        cmocka_unit_test(test_fencing),        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_retain),         cmocka_unit_test(test_retain_blind),
        cmocka_unit_test(test_retain_failing), cmocka_unit_test(test_open),
        cmocka_unit_test(test_epochs),         cmocka_unit_test(test_epoch_race),
        cmocka_unit_test(test_retain_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
