/* protocol: what coordinator and workers say to each other, one message a frame, msgpack arrays
 * [kind, epoch, attempt, ...]. Every message carries epoch and attempt: others are refused. */
#ifndef MILLRACE_WORKER_PROTOCOL_H
#define MILLRACE_WORKER_PROTOCOL_H

#include "runtime/net/exchange.h"
#include "runtime/task/task.h"

enum message_kind {
    /* worker to coordinator */
    MESSAGE_HELLO, /* the first: seat, pid, port for the data of other workers */
    MESSAGE_DEPLOYED,
    MESSAGE_REPORT,
    MESSAGE_HEARTBEAT, /* with figures */
    MESSAGE_GOODBYE,   /* answers FINISH, with the last figures */
    /* coordinator to worker */
    MESSAGE_DEPLOY,
    MESSAGE_START,
    MESSAGE_LEAVE,
    MESSAGE_TRIGGER,
    MESSAGE_COMPLETE,
    MESSAGE_ABORT,
    MESSAGE_FINISH,
    MESSAGE_KIND_COUNT,
};

/* One process's figures; a heartbeat carries them. */
struct worker_figures {
    uint32_t worker;
    int64_t pid, cpu_ns, rss_max_bytes;
    uint64_t bytes_sent;
    uint32_t subtask_count;
    struct subtask_entry {
        uint32_t chain, subtask;
        struct subtask_figures figures;
    } * subtasks; /* owned; message_clear frees */
};

struct message_deploy {
    char *path, *text; /* of the job file */
    uint32_t override_count;
    char **overrides;
    uint32_t parallelism; /* 0: as the file says */
    struct bytes splits;
    char *work_dir;              /* state files are written here */
    char *spill_dir;             /* folders of the workers' spill stores are made here */
    char *manifest;              /* path of the manifest to restore from; empty: none */
    uint32_t worker, workers;    /* seat of the receiver */
    struct exchange_peer *peers; /* by worker */
};

struct message {
    enum message_kind kind;
    uint64_t epoch;
    uint32_t attempt;
    /* HELLO */
    uint32_t worker;
    int64_t pid;
    struct exchange_peer address;
    /* TRIGGER, COMPLETE, ABORT */
    uint64_t checkpoint;
    enum barrier_final final;
    struct message_deploy deploy;  /* DEPLOY */
    struct report report;          /* REPORT */
    struct worker_figures figures; /* HEARTBEAT, GOODBYE */
};

/* Begins a frame in `out` (empty) and appends the message. */
void message_encode(const struct message *message, struct bytes *out);
/* Zeroed `message` in; owned parts by message_clear, also after a failure. Nothing is trusted. */
bool message_decode(const uint8_t *data, size_t size, struct message *message, struct error *err);
void message_clear(struct message *message);

#endif
