/* world_parts: what the files of the world share.
 *   world.c     its life, a step, what it counted
 *   messages.c  what is under way, in order and in time
 *   office.c    the coordinator's process: what runtime/control does around the state machine
 *   faults.c    what goes wrong */
#ifndef MILLRACE_SIM_WORLD_PARTS_H
#define MILLRACE_SIM_WORLD_PARTS_H

#include "tests/sim/world.h"

#define WORKERS PROCESS_WORKERS
#define NOBODY UINT32_MAX

enum message_kind {
    /* to a process, in order; a hung one gets them when it wakes */
    MESSAGE_TELL,  /* an action */
    MESSAGE_CLOSE, /* its control connection is closed */
    /* from a process to the coordinator, in order */
    MESSAGE_JOIN,
    MESSAGE_DEPLOYED_ALL,
    MESSAGE_REPORTED,
    MESSAGE_LOST, /* the coordinator sees the end of the connection */
    /* of the coordinator's own pool */
    MESSAGE_WRITE, /* the manifest goes to the disk */
    MESSAGE_WRITTEN,
    MESSAGE_FIND, /* the newest checkpoint is looked for */
    MESSAGE_FOUND,
    /* what a fault ends with */
    MESSAGE_WAKE,
    MESSAGE_HEAL,
};

struct message {
    enum message_kind kind;
    int64_t due_ms;
    uint64_t order; /* among equal times */
    uint32_t process, attempt, epoch;
    struct action action;  /* TELL */
    struct plan *plan;     /* TELL of a deployment */
    struct manifest *from; /* TELL of a deployment, FOUND; NULL: from nothing */
    struct report report;  /* REPORTED */
    uint64_t checkpoint;   /* WRITE, WRITTEN */
    struct bytes text;     /* WRITE: the manifest */
    bool good;             /* WRITTEN */
};

struct faults { /* one in so many steps; 0: never in this world */
    uint32_t crash, hang, cut, break_link, stall, coordinator, stop;
    uint32_t manifest; /* one in so many manifests */
    uint32_t left;     /* so many faults, then the world is calm */
};

struct world {
    struct random random;
    int64_t now_ms;
    uint64_t order, trace;
    char dir[64], work_dir[96], spill_dir[96], away_dir[96];
    struct ledger *ledger;
    struct process_shared shared;
    struct checkpoint_store *store;
    struct arena *arena; /* manifests */
    uint32_t plan_count;
    struct plan *plans[64]; /* the last one is the present; zombies may run older ones */
    struct coordinator *coordinator;
    uint32_t epoch, retain;
    uint32_t message_ms;       /* a control message takes so long, at most */
    uint32_t write_ms;         /* a manifest is durable so much later, at most */
    int64_t calm_ms;           /* no faults from then on */
    bool hasty;                /* checkpoints are given so little time that many are given up */
    bool slow;                 /* some processes are: what comes to them piles up */
    struct manifest *restored; /* what the present coordinator began from; NULL: nothing */
    uint32_t process_count;
    struct process **processes;
    uint32_t seats[WORKERS]; /* the process that has a seat, or NOBODY */
    uint32_t message_count, message_capacity;
    struct message **messages;
    struct faults faults;
    struct world_counts counts;
    bool told, finished;
};

/* ---- world.c ---- */
uint32_t draw(struct world *world, uint32_t below);
bool chance(struct world *world, uint32_t one_in); /* 0: never */
void trace(struct world *world, uint64_t value);
void say(const struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
struct process *in_seat(const struct world *world, uint32_t seat); /* NULL: nobody */

/* ---- messages.c ---- */
/* Arrives after up to so long. */
struct message *post(struct world *world, enum message_kind kind, uint32_t delay_max_ms);
/* As on a socket: what one process is told, or tells, keeps its order. */
struct message *post_in_order(struct world *world, enum message_kind kind,
                              const struct process *process, uint32_t delay_max_ms);
void messages_deliver(struct world *world);
bool messages_writing(const struct world *world); /* a manifest is under way */
/* A message is under way after which everything is different: a source has drained, a sink has
 * committed, a manifest is durable. */
bool messages_tense(const struct world *world);
/* All that was on its way to the coordinator or in its pool; of one that lives, and was only stopped,
 * the pool still writes. */
void messages_forget_coordinator(struct world *world, bool lives);
void messages_close(struct world *world);

/* ---- office.c ---- */
/* A coordinator of a new epoch, from the newest checkpoint, with workers of its own. */
void office_open(struct world *world);
/* Its workers see closed sockets. `lives`: it was stopped, and wakes when another has taken over. */
void office_close(struct world *world, bool lives);
bool office_stopped(const struct world *world); /* the job ended, but not its input */
void office_act(struct world *world);           /* carries out what the state machine asks for */
struct plan *office_plan(const struct world *world);
void office_write(struct world *world, const struct message *message);
void office_find(struct world *world, const struct message *message);
void office_deploy(struct world *world, const struct message *message);

/* ---- faults.c ---- */
void faults_draw(struct world *world);
void faults_strike(struct world *world); /* now and then */

#endif
