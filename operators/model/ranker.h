/* ranker: the learning ranking as maths over arrays: candidates of one request, their features, the
 * fusion and the item vectors. Pure; filled by learn/ranking from tables and state, by
 * score/ranking from tables alone.
 *
 * Items have numbers, in the order of their first event; times are event numbers. Beside what the
 * lines of the user's latest items say (item-to-item, sequence both ways, pairs), a candidate has
 * what users did lately around the same items (ranking_trails.h), popularity on three time scales,
 * age, how it fits the popularity and age of what the user took, and
 * the scores of embeddings (a short history, a long one, and, if asked for, the latest few items). A
 * generator's sum s gives two features, s / max and 0.33 ln(s / max + 0.003): the shape of its head and
 * of its tail. */
#ifndef MILLRACE_MODEL_RANKER_H
#define MILLRACE_MODEL_RANKER_H

#include "operators/model/embedding.h"
#include "operators/model/fusion.h"

#include <stdbool.h>

#define RANKER_HISTORY_MAX 200u  /* of the user's latest items */
#define RANKER_ENTRIES_MAX 1000u /* of a line */
#define RANKER_EMBEDDINGS 3u     /* at most; two of them in any case */
#define RANKER_STAGES 7u         /* by length of the history */
#define RANKER_GAPS 8u           /* by the time since the user's last event */
#define RANKER_KNOWN 7u          /* by how often its newest item was met, by all */
#define RANKER_NUMBERS 4u        /* of an item, at most */
#define RANKER_GATES (RANKER_STAGES + RANKER_GAPS + RANKER_KNOWN)

enum ranker_gate { GATE_STAGE, GATE_GAP, GATE_KNOWN }; /* kinds */

enum ranker_feature {
    FEATURE_NEAR_HEAD, /* item-to-item, the latest 60, decay 0.9 */
    FEATURE_NEAR_TAIL,
    FEATURE_FAR_HEAD, /* the latest 200, decay 0.985 */
    FEATURE_FAR_TAIL,
    FEATURE_SEQUENCE_HEAD,
    FEATURE_SEQUENCE_TAIL,
    FEATURE_BACKWARD_TAIL,
    FEATURE_BEST_HEAD, /* the strongest single item */
    FEATURE_BEST_TAIL,
    FEATURE_VISIT_HEAD, /* item-to-item, the present visit */
    FEATURE_VISIT_TAIL,
    FEATURE_FOLLOW_HEAD, /* what followed lately */
    FEATURE_FOLLOW_TAIL,
    FEATURE_PEERS_HEAD, /* what users like this one met */
    FEATURE_PEERS_TAIL,
    FEATURE_AFTER, /* sequence rule of the newest item, smoothed to popularity */
    FEATURE_COUNT,
    FEATURE_FAST, /* decayed counts */
    FEATURE_SLOW,
    FEATURE_AGE,
    FEATURE_LAST,
    FEATURE_STAGE, /* lift among users with as long a history */
    FEATURE_TASTE, /* - |popularity - mean popularity of what the user took| */
    FEATURE_TASTE_AGE,
    FEATURE_SAME,      /* it is the newest item */
    FEATURE_SAME_RATE, /* how often that is met again at once */
    FEATURE_MET,       /* 1 / (1 + its latest distance in the history) */
    FEATURE_MET_OFTEN, /* times in the history */
    FEATURE_MET_LONG,  /* the longest time from it to the user's next event */
    FEATURE_SHORT,     /* embeddings */
    FEATURE_LONG,
    RANKER_PLAIN,                /* from here on only with attributes */
    FEATURE_TAGS = RANKER_PLAIN, /* cosine with the user's profile, with the newest item */
    FEATURE_TAGS_NEWEST,
    FEATURE_TAGS_LIFT, /* how much more of them this user takes than all do: mean, least */
    FEATURE_TAGS_LEAST,
    FEATURE_NUMBER,                                       /* distance of each to the user's mean */
    RANKER_FEATURES = FEATURE_NUMBER + RANKER_NUMBERS + 2 /* a third embedding's, direct's */
};

/* What is kept of items, by number. */
struct ranker_items {
    uint32_t count;
    float *events;          /* of the item */
    float *shrink;          /* 1 / sqrt(events) */
    float *fast, *slow;     /* decayed counts at the item's last event */
    uint32_t *first, *last; /* event numbers */
    float *again;           /* events right after one of the same item, of the same user */
    float *stages; /* RANKER_STAGES each, decayed likewise: by users with as long a history */
};

/* What a table says of one item: entries, and what they are divided by. */
struct ranker_line {
    const uint32_t *items;
    const float *together, *forward, *backward, *direct;
    uint32_t entries;
    float count, forward_sum, backward_sum, direct_sum;
};

/* Of a candidate, while lines are added up. */
enum ranker_sum {
    SUM_NEAR,
    SUM_FAR,
    SUM_SEQUENCE,
    SUM_BACKWARD,
    SUM_BEST,
    SUM_VISIT,
    SUM_FOLLOW,
    SUM_PEERS,
    SUM_AFTER,
    SUM_DIRECT,
    RANKER_SUMS
};

struct ranker_request {
    const uint32_t *own, *history; /* never offered; latest items, newest first */
    const int64_t *times_ms;       /* of the history */
    uint32_t own_count, history_count;
    uint32_t visit_count; /* of the history: items of the present visit */
    uint32_t now;         /* event number */
    int64_t gap_ms;       /* since the user's last event; below 0: none */
};

struct ranker_ranked {
    float score;
    uint32_t place; /* of the candidate */
};

struct ranker_met {
    uint32_t request, place; /* that met it last; the candidate's, or `stride`: not offered */
};

struct ranker_pace { /* how fast a history is forgotten, by distance */
    float near, far, sequence;
    int64_t lengths[RANKER_STAGES - 1]; /* of histories, at which gates begin */
    struct {
        float decay;
        uint32_t distance;
    } embeddings[RANKER_EMBEDDINGS];
};

struct attributes;

struct ranker {
    uint32_t candidates_max, stride; /* the same in whole lanes */
    uint32_t features;               /* in use */
    struct attributes *attributes;   /* of items; NULL: none */
    struct ranker_items items;
    float *stage_sums; /* RANKER_STAGES, at the last event */
    uint32_t embedding_count;
    uint32_t third, direct; /* features of what was asked for; 0: it was not */
    bool direct_asked;
    struct embedding embeddings[RANKER_EMBEDDINGS];
    struct fusion fusion;
    /* of the request */
    struct ranker_request asked;
    uint32_t count, request;                   /* candidates; number */
    uint32_t *candidates;                      /* item numbers */
    struct ranker_met *met;                    /* by item */
    float *sums[RANKER_SUMS];                  /* by place; at `stride` what is not offered */
    uint32_t entry_places[RANKER_ENTRIES_MAX]; /* of the present line */
    float *values;                             /* features */
    float *scores, *scratch;
    uint64_t *ranks; /* of the best so far */
    struct fusion_gates gates;
    const struct ranker_pace *pace;
    float after_share, direct_share; /* of the newest item: 1 / (sum + 5) */
    float near_decay[RANKER_HISTORY_MAX], far_decay[RANKER_HISTORY_MAX];
    float sequence_decay[RANKER_HISTORY_MAX];
};

struct ranker_limits {
    uint32_t items, candidates;
    uint32_t dims, embeddings;
    bool direct;
};

/* The caller gives zeroed memory of this size. `repeats`: what was met is offered again, as in
 * sessions, which are short. */
size_t ranker_size(const struct ranker_limits *limits);
void ranker_init(struct ranker *ranker, const struct ranker_limits *limits, bool repeats,
                 void *memory);

/* Of attributes_init (ranking_attributes.h): their features are used, too. */
void ranker_set_attributes(struct ranker *ranker, struct attributes *attributes);

/* A new request, whose arrays hold until the next one. */
void ranker_begin(struct ranker *ranker, const struct ranker_request *request);
/* Offers an item, if there is room. */
void ranker_meet(struct ranker *ranker, uint32_t item);
/* Adds what the line of the user's item at this distance says; offers its entries. */
void ranker_add(struct ranker *ranker, const struct ranker_line *line, uint32_t distance);
/* Adds to a sum of the item; offers it. */
void ranker_add_one(struct ranker *ranker, enum ranker_sum which, uint32_t item, float value);
/* Features and scores of the candidates. */
void ranker_rate(struct ranker *ranker);

/* A feature by the candidates' places. */
static inline float *ranker_values(struct ranker *ranker, uint32_t feature)
{
    return ranker->values + (size_t)feature * ranker->stride;
}

/* The best `top`, in order. Returns how many. */
uint32_t ranker_best(const struct ranker *ranker, uint32_t top, struct ranker_ranked *best);
/* ln of the sum of exp(score): a score less it is the logarithm of the candidate's probability. Only
 * with candidates. */
float ranker_mass(const struct ranker *ranker);
/* Where the item stands among the candidates; below 0: nowhere. */
int32_t ranker_place(const struct ranker *ranker, uint32_t item);
/* The user took the candidate at `place`: the fusion learns, and `scores` are used up. */
void ranker_learn(struct ranker *ranker, uint32_t place);
/* For restored items. */
void ranker_set_events(struct ranker *ranker, uint32_t item, float events);
/* One event more of the item, by the user of the request. */
void ranker_count(struct ranker *ranker, uint32_t item, uint32_t now);

#endif
