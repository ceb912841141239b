/* ranking_memory: what learn/ranking has learnt, as arrays, and the same in the operator's state.
 *
 * The state is complete at each barrier: cells of the model, of items, of past events and of users. The
 * arrays follow from it: they are read once, at the first call, and what has changed is written back
 * before a barrier. Items have numbers in the order of their first event; past events stand in a ring. */
#ifndef MILLRACE_LEARN_RANKING_MEMORY_H
#define MILLRACE_LEARN_RANKING_MEMORY_H

#include "operators/learn/ranking_trails.h"
#include "operators/model/catalogue.h"
#include "operators/model/own.h"
#include "operators/model/ranking_attributes.h"
#include "operators/model/reranker.h"
#include "runtime/api/operator.h"

#define MEMORY_PREFIX 60u /* items before a past event that it is replayed with */
#define MEMORY_NAME 46u   /* bytes of a name in the item's cell; longer ones go on in pieces */
#define MEMORY_PIECE 64u  /* bytes of a piece */

#define MEMORY_TOLD 1024u /* latest changes of items that the tables name again */

#define MEMORY_WEIGHTS (2u * RANKER_FEATURES * (1 + RANKER_GATES))

enum { /* states */
       MEMORY_MODEL,
       MEMORY_ITEMS,
       MEMORY_VECTORS,
       MEMORY_NAMES,
       MEMORY_PASTS,
       MEMORY_USERS,
       MEMORY_RERANKER,
       MEMORY_EXAMPLES,
       MEMORY_ATTRIBUTES,
       MEMORY_WINDOW,
       MEMORY_CHANGES
};

struct memory_model {
    uint64_t events;
    uint32_t items, pasts_max; /* the ring is laid out for */
    uint32_t features;         /* the weights are */
    struct attributes_spread spreads[RANKER_NUMBERS];
    uint32_t dims, embeddings;
    uint32_t direct; /* 1: without, 2: with; 0: a state of before this was kept */
    float stage_sums[RANKER_STAGES];
    float weights[MEMORY_WEIGHTS];
};

struct memory_name {
    uint16_t size;
    uint8_t bytes[MEMORY_NAME];
};

struct memory_item {
    uint64_t id;
    float events, fast, slow, again, stages[RANKER_STAGES];
    uint32_t first, last;
    struct memory_name name; /* canonical key */
    float biases[RANKER_EMBEDDINGS], bias_squares[RANKER_EMBEDDINGS];
};

struct memory_past { /* an event, with what its user had met before, newest first */
    uint32_t item, count;
    uint32_t history[MEMORY_PREFIX];
};

struct memory_event {
    struct memory_past past;
    struct trail trail;
};

/* Of the tables: what is not told yet. */
struct memory_window {
    int64_t due_ms; /* the last millisecond of the window that has changes */
    uint32_t pending;
    uint32_t period; /* windows told + 1 */
    uint64_t begun; /* the tables have all items but for changes; 0: nothing was published before */
    uint64_t told;  /* changes, ever */
    uint32_t items[MEMORY_TOLD]; /* of these, by number of the change modulo this */
};

struct memory_change { /* of an item */
    uint32_t period;   /* in which it changed last */
};

extern const struct state memory_states[];
/* While planning: items have attributes, so that there is a state for them. */
void memory_describe_attributes(struct describe *describe);

struct memory_changes { /* items that changed in the present period */
    uint32_t period, count;
    uint32_t *items, *periods; /* numbers; by item: in which it changed last. NULL: not asked */
};

struct memory {
    struct op *op;
    struct ranker *ranker;
    struct reranker *reranker; /* NULL: none */
    struct catalogue *catalogue;
    uint32_t pasts_max;
    bool loaded;
    uint64_t events;
    struct memory_name *names; /* by item */
    struct memory_past *pasts; /* by event modulo pasts_max */
    struct trails trails;      /* likewise; apart, since walks jump among them */
    struct memory_changes unwritten, untold;
    struct memory_window window;         /* its period is `untold`'s */
    uint32_t own[OWN_MAX], own_count;    /* of the present user */
    uint64_t first_event, first_example; /* that are not written yet */
};

/* In open. `publishes`: changes are kept until the tables tell them. */
void memory_init(struct memory *memory, struct op *op, struct ranker *ranker,
                 struct catalogue *catalogue, uint32_t pasts_max, bool publishes);
/* At the begin of each call, and before a barrier. False without `err`: state could not be read; the
 * engine fails the subtask after the call. */
bool memory_begin(struct memory *memory, struct error *err);
bool memory_flush(struct memory *memory);

/* A new item's number; CATALOGUE_NONE when there is no room. */
uint32_t memory_add(struct memory *memory, uint64_t id, const struct key *key);
/* The item's canonical key; `bytes` has room for KEY_SIZE_MAX. False as above. */
bool memory_key(const struct memory *memory, uint32_t item, uint8_t *bytes, struct key *key);

static inline void memory_change(struct memory_changes *changes, uint32_t item)
{
    if (changes->periods[item] == changes->period)
        return;
    changes->periods[item] = changes->period;
    changes->items[changes->count++] = item;
}
/* The item changes. */
static inline void memory_touch(struct memory *memory, uint32_t item)
{
    memory_change(&memory->unwritten, item);
    if (memory->untold.items)
        memory_change(&memory->untold, item);
}
/* A new period. */
static inline void memory_settle(struct memory_changes *changes)
{
    changes->count = 0;
    changes->period++;
}
/* Past events that are kept. */
static inline uint32_t memory_pasts(const struct memory *memory)
{
    return memory->events < memory->pasts_max ? (uint32_t)memory->events : memory->pasts_max;
}

/* Reads what the user has met into `own`; NULL as above. */
struct own *memory_user(struct memory *memory, uint64_t user);
/* The user meets an item that is not among `own`. */
bool memory_meet(struct memory *memory, struct own *first, uint64_t user, uint32_t item);
/* An event ends, before the item counts it: it is kept with its history. `first` NULL: nothing is kept
 * of its user, whose events are not linked. */
void memory_keep(struct memory *memory, struct own *first, uint64_t user, uint32_t item,
                 const uint32_t *history, uint32_t count);

#endif
