/* The messages of protocol.h in msgpack; each kind has one writer and one reader, side by side. */
#include "runtime/worker/protocol.h"

#include "runtime/base/check.h"
#include "runtime/net/pack.h"

#define TEXT_MAX (16u << 20) /* bytes of a job file in a message */
#define FILES_MAX 65536u     /* state files of one subtask */

static void pack_bool(msgpack_packer *packer, bool value)
{
    if (value)
        msgpack_pack_true(packer);
    else
        msgpack_pack_false(packer);
}

/* ---- hello ---- */
static void write_hello(msgpack_packer *packer, const struct message *message)
{
    msgpack_pack_uint32(packer, message->worker);
    msgpack_pack_int64(packer, message->pid);
    pack_text(packer, message->address.host);
    msgpack_pack_uint16(packer, message->address.port);
}

static void read_hello(struct unpack *unpack, struct message *message)
{
    message->worker = (uint32_t)unpack_u64(unpack);
    message->pid = unpack_i64(unpack);
    unpack_text(unpack, message->address.host, sizeof(message->address.host));
    message->address.port = (uint16_t)unpack_u64(unpack);
}

/* ---- checkpoint commands ---- */
static void write_checkpoint(msgpack_packer *packer, const struct message *message)
{
    msgpack_pack_uint64(packer, message->checkpoint);
    msgpack_pack_uint64(packer, message->final);
}

static void read_checkpoint(struct unpack *unpack, struct message *message)
{
    uint64_t final;

    message->checkpoint = unpack_u64(unpack);
    final = unpack_u64(unpack);
    if (final > BARRIER_ENDS)
        unpack->failed = true;
    message->final = final > BARRIER_ENDS ? BARRIER_PASSES : (enum barrier_final) final;
}

/* ---- deploy ---- */
static void write_deploy(msgpack_packer *packer, const struct message *message)
{
    const struct message_deploy *deploy = &message->deploy;

    pack_text(packer, deploy->path);
    pack_text(packer, deploy->text);
    msgpack_pack_array(packer, deploy->override_count);
    for (uint32_t i = 0; i < deploy->override_count; i++)
        pack_text(packer, deploy->overrides[i]);
    msgpack_pack_uint32(packer, deploy->parallelism);
    pack_bytes(packer, deploy->splits.data, deploy->splits.size);
    pack_text(packer, deploy->work_dir);
    pack_text(packer, deploy->spill_dir);
    pack_text(packer, deploy->manifest);
    msgpack_pack_uint32(packer, deploy->worker);
    msgpack_pack_array(packer, deploy->workers);
    for (uint32_t i = 0; i < deploy->workers; i++) {
        msgpack_pack_array(packer, 2);
        pack_text(packer, deploy->peers[i].host);
        msgpack_pack_uint16(packer, deploy->peers[i].port);
    }
}

static char *read_text(struct unpack *unpack)
{
    size_t size;
    const uint8_t *data = unpack_bin(unpack, &size);
    char *text;

    if (size > TEXT_MAX || memchr(data, 0, size)) {
        unpack->failed = true;
        size = 0;
    }
    text = memory_new(size + 1);
    memcpy(text, data, size);
    return text;
}

static void read_peers(struct unpack *unpack, struct message_deploy *deploy)
{
    deploy->workers = unpack_array(unpack, WORKERS_MAX);
    deploy->peers = memory_array(deploy->workers, sizeof(*deploy->peers));
    for (uint32_t i = 0; i < deploy->workers; i++) {
        unpack_array(unpack, 2);
        unpack_text(unpack, deploy->peers[i].host, sizeof(deploy->peers[i].host));
        deploy->peers[i].port = (uint16_t)unpack_u64(unpack);
        unpack_leave(unpack);
    }
    unpack_leave(unpack);
}

static void read_deploy(struct unpack *unpack, struct message *message)
{
    struct message_deploy *deploy = &message->deploy;
    const uint8_t *splits;
    size_t size;

    deploy->path = read_text(unpack);
    deploy->text = read_text(unpack);
    deploy->override_count = unpack_array(unpack, 4096);
    deploy->overrides = memory_array(deploy->override_count, sizeof(char *));
    for (uint32_t i = 0; i < deploy->override_count; i++)
        deploy->overrides[i] = read_text(unpack);
    unpack_leave(unpack);
    deploy->parallelism = (uint32_t)unpack_u64(unpack);
    splits = unpack_bin(unpack, &size);
    bytes_put(&deploy->splits, splits, size);
    deploy->work_dir = read_text(unpack);
    deploy->spill_dir = read_text(unpack);
    deploy->manifest = read_text(unpack);
    deploy->worker = (uint32_t)unpack_u64(unpack);
    read_peers(unpack, deploy);
    if (deploy->worker >= deploy->workers)
        unpack->failed = true;
}

/* ---- report ---- */
static void write_report(msgpack_packer *packer, const struct message *message)
{
    const struct report *report = &message->report;
    const struct subtask_snapshot *snapshot = &report->snapshot;

    msgpack_pack_uint32(packer, report->kind);
    msgpack_pack_uint32(packer, report->chain);
    msgpack_pack_uint32(packer, report->subtask);
    msgpack_pack_uint64(packer, report->checkpoint);
    msgpack_pack_array(packer, snapshot->file_count);
    for (uint32_t i = 0; i < snapshot->file_count; i++) {
        msgpack_pack_array(packer, 6);
        pack_text(packer, snapshot->files[i].name);
        msgpack_pack_uint64(packer, snapshot->files[i].size);
        msgpack_pack_uint64(packer, snapshot->files[i].checksum);
        pack_bool(packer, snapshot->files[i].base);
        msgpack_pack_uint32(packer, snapshot->files[i].group_begin);
        msgpack_pack_uint32(packer, snapshot->files[i].group_end);
    }
    pack_bytes(packer, snapshot->meta.data, snapshot->meta.size);
    msgpack_pack_uint32(packer, report->error.code);
    pack_bool(packer, report->error.retriable);
    pack_text(packer, report->error.where);
    pack_text(packer, report->error.what);
    pack_text(packer, report->error.how);
}

static void read_snapshot(struct unpack *unpack, struct subtask_snapshot *snapshot)
{
    const uint8_t *meta;
    size_t size;

    snapshot->file_count = unpack_array(unpack, FILES_MAX);
    snapshot->files = memory_array(snapshot->file_count, sizeof(*snapshot->files));
    for (uint32_t i = 0; i < snapshot->file_count; i++) {
        struct store_file *file = &snapshot->files[i];

        unpack_array(unpack, 6);
        unpack_text(unpack, file->name, sizeof(file->name));
        file->size = unpack_u64(unpack);
        file->checksum = unpack_u64(unpack);
        file->base = unpack_bool(unpack);
        file->group_begin = (uint32_t)unpack_u64(unpack);
        file->group_end = (uint32_t)unpack_u64(unpack);
        unpack_leave(unpack);
    }
    unpack_leave(unpack);
    meta = unpack_bin(unpack, &size);
    bytes_put(&snapshot->meta, meta, size);
}

static void read_report(struct unpack *unpack, struct message *message)
{
    struct report *report = &message->report;
    uint64_t kind = unpack_u64(unpack), code;

    if (kind > REPORT_FAILED)
        unpack->failed = true;
    report->kind = (enum report_kind)kind;
    report->chain = report->snapshot.chain = (uint32_t)unpack_u64(unpack);
    report->subtask = report->snapshot.subtask = (uint32_t)unpack_u64(unpack);
    report->checkpoint = report->snapshot.checkpoint = unpack_u64(unpack);
    read_snapshot(unpack, &report->snapshot);
    code = unpack_u64(unpack);
    if (code > ERROR_LIMIT)
        unpack->failed = true;
    report->error.code = (enum error_code)code;
    report->error.retriable = unpack_bool(unpack);
    unpack_text(unpack, report->error.where, sizeof(report->error.where));
    unpack_text(unpack, report->error.what, sizeof(report->error.what));
    unpack_text(unpack, report->error.how, sizeof(report->error.how));
}

/* ---- figures ---- */
static void write_counts(msgpack_packer *packer, const uint64_t counts[PORTS_MAX])
{
    for (uint32_t i = 0; i < PORTS_MAX; i++)
        msgpack_pack_uint64(packer, counts[i]);
}

static void write_subtask(msgpack_packer *packer, const struct subtask_entry *entry)
{
    const struct subtask_figures *figures = &entry->figures;
    const struct store_figures *store = &figures->store;
    const int64_t times[] = {figures->busy_ns,      figures->backpressured_ns,
                             figures->idle_ns,      figures->pause_max_ns,
                             figures->watermark_ms, store->barrier_max_ns};
    const uint64_t counts[] = {
        figures->gate_rows,   figures->source_bytes_done, figures->source_bytes_all,
        store->cells,         store->log_bytes,           store->index_bytes,
        store->spilled_bytes, store->loaded_cells,        store->written_bytes};

    msgpack_pack_array(packer, 20);
    msgpack_pack_uint32(packer, entry->chain);
    msgpack_pack_uint32(packer, entry->subtask);
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        msgpack_pack_int64(packer, times[i]);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        msgpack_pack_uint64(packer, counts[i]);
    msgpack_pack_uint64(packer, figures->rejected_origin);
    pack_text(packer, figures->rejected);
    msgpack_pack_array(packer, figures->op_count);
    for (uint32_t i = 0; i < figures->op_count; i++) {
        msgpack_pack_array(packer, 2 + 3 * PORTS_MAX);
        msgpack_pack_uint32(packer, figures->ops[i].op);
        msgpack_pack_uint64(packer, figures->ops[i].late);
        write_counts(packer, figures->ops[i].rows_in);
        write_counts(packer, figures->ops[i].rows_out);
        write_counts(packer, figures->ops[i].counters);
    }
}

static void write_figures(msgpack_packer *packer, const struct message *message)
{
    const struct worker_figures *figures = &message->figures;

    msgpack_pack_uint32(packer, figures->worker);
    msgpack_pack_int64(packer, figures->pid);
    msgpack_pack_int64(packer, figures->cpu_ns);
    msgpack_pack_int64(packer, figures->rss_max_bytes);
    msgpack_pack_uint64(packer, figures->bytes_sent);
    msgpack_pack_array(packer, figures->subtask_count);
    for (uint32_t i = 0; i < figures->subtask_count; i++)
        write_subtask(packer, &figures->subtasks[i]);
}

static void read_counts(struct unpack *unpack, uint64_t counts[PORTS_MAX])
{
    for (uint32_t i = 0; i < PORTS_MAX; i++)
        counts[i] = unpack_u64(unpack);
}

static void read_ops(struct unpack *unpack, struct subtask_figures *figures)
{
    figures->op_count = unpack_array(unpack, sizeof(figures->ops) / sizeof(figures->ops[0]));
    for (uint32_t i = 0; i < figures->op_count; i++) {
        unpack_array(unpack, 2 + 3 * PORTS_MAX);
        figures->ops[i].op = (uint32_t)unpack_u64(unpack);
        figures->ops[i].late = unpack_u64(unpack);
        read_counts(unpack, figures->ops[i].rows_in);
        read_counts(unpack, figures->ops[i].rows_out);
        read_counts(unpack, figures->ops[i].counters);
        unpack_leave(unpack);
    }
    unpack_leave(unpack);
}

static void read_subtask(struct unpack *unpack, struct subtask_entry *entry)
{
    struct subtask_figures *figures = &entry->figures;
    struct store_figures *store = &figures->store;
    int64_t *const times[] = {&figures->busy_ns,      &figures->backpressured_ns,
                              &figures->idle_ns,      &figures->pause_max_ns,
                              &figures->watermark_ms, &store->barrier_max_ns};
    uint64_t *const counts[] = {
        &figures->gate_rows,   &figures->source_bytes_done, &figures->source_bytes_all,
        &store->cells,         &store->log_bytes,           &store->index_bytes,
        &store->spilled_bytes, &store->loaded_cells,        &store->written_bytes};

    unpack_array(unpack, 20);
    entry->chain = (uint32_t)unpack_u64(unpack);
    entry->subtask = (uint32_t)unpack_u64(unpack);
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        *times[i] = unpack_i64(unpack);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        *counts[i] = unpack_u64(unpack);
    figures->rejected_origin = unpack_u64(unpack);
    unpack_text(unpack, figures->rejected, sizeof(figures->rejected));
    read_ops(unpack, figures);
    unpack_leave(unpack);
}

static void read_figures(struct unpack *unpack, struct message *message)
{
    struct worker_figures *figures = &message->figures;

    figures->worker = (uint32_t)unpack_u64(unpack);
    figures->pid = unpack_i64(unpack);
    figures->cpu_ns = unpack_i64(unpack);
    figures->rss_max_bytes = unpack_i64(unpack);
    figures->bytes_sent = unpack_u64(unpack);
    figures->subtask_count = unpack_array(unpack, OPERATORS_MAX * PARALLELISM_MAX);
    figures->subtasks = memory_array(figures->subtask_count, sizeof(*figures->subtasks));
    for (uint32_t i = 0; i < figures->subtask_count; i++)
        read_subtask(unpack, &figures->subtasks[i]);
    unpack_leave(unpack);
}

/* ---- any message ---- */
static const struct message_codec {
    uint32_t items;
    void (*write)(msgpack_packer *packer, const struct message *message);
    void (*read)(struct unpack *unpack, struct message *message);
} message_codecs[MESSAGE_KIND_COUNT] = {
    [MESSAGE_HELLO] = {4, write_hello, read_hello},
    [MESSAGE_DEPLOYED] = {0, NULL, NULL},
    [MESSAGE_REPORT] = {11, write_report, read_report},
    [MESSAGE_HEARTBEAT] = {6, write_figures, read_figures},
    [MESSAGE_GOODBYE] = {6, write_figures, read_figures},
    [MESSAGE_DEPLOY] = {10, write_deploy, read_deploy},
    [MESSAGE_START] = {0, NULL, NULL},
    [MESSAGE_LEAVE] = {0, NULL, NULL},
    [MESSAGE_TRIGGER] = {2, write_checkpoint, read_checkpoint},
    [MESSAGE_COMPLETE] = {2, write_checkpoint, read_checkpoint},
    [MESSAGE_ABORT] = {2, write_checkpoint, read_checkpoint},
    [MESSAGE_FINISH] = {0, NULL, NULL},
};

void message_encode(const struct message *message, struct bytes *out)
{
    const struct message_codec *codec = &message_codecs[message->kind];
    msgpack_packer packer;

    connection_message(out);
    packer = pack_into(out);
    msgpack_pack_array(&packer, 3 + codec->items);
    msgpack_pack_uint32(&packer, message->kind);
    msgpack_pack_uint64(&packer, message->epoch);
    msgpack_pack_uint32(&packer, message->attempt);
    if (codec->write)
        codec->write(&packer, message);
}

bool message_decode(const uint8_t *data, size_t size, struct message *message, struct error *err)
{
    struct unpack unpack;
    uint64_t kind;

    unpack_begin(&unpack, data, size);
    kind = unpack_u64(&unpack);
    message->epoch = unpack_u64(&unpack);
    message->attempt = (uint32_t)unpack_u64(&unpack);
    if (kind >= MESSAGE_KIND_COUNT)
        unpack.failed = true;
    if (!unpack.failed) {
        message->kind = (enum message_kind)kind;
        if (message_codecs[kind].read)
            message_codecs[kind].read(&unpack, message);
    }
    if (unpack.level != 0 || unpack.levels[0].next != unpack.levels[0].count)
        unpack.failed = true;
    unpack_end(&unpack);
    if (unpack.failed)
        return error_set(err, ERROR_NETWORK, "control message", NULL, "not a message of ours");
    return true;
}

void message_clear(struct message *message)
{
    struct message_deploy *deploy = &message->deploy;

    memory_free(deploy->path);
    memory_free(deploy->text);
    for (uint32_t i = 0; i < deploy->override_count; i++)
        memory_free(deploy->overrides[i]);
    memory_free(deploy->overrides);
    bytes_clear(&deploy->splits);
    memory_free(deploy->work_dir);
    memory_free(deploy->spill_dir);
    memory_free(deploy->manifest);
    memory_free(deploy->peers);
    subtask_snapshot_clear(&message->report.snapshot);
    memory_free(message->figures.subtasks);
    *message = (struct message){0};
}
