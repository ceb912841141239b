/* settings: what a job file says outside `operators:`. Each section is an option table, so that
 * the file, `-D section.field=value` and the manual agree. Durations in ms, sizes in bytes. */
#ifndef MILLRACE_GRAPH_SETTINGS_H
#define MILLRACE_GRAPH_SETTINGS_H

#include "runtime/base/option.h"

enum restart_strategy { RESTART_FIXED_DELAY, RESTART_EXPONENTIAL_DELAY, RESTART_NONE };

struct settings {
    struct {
        const char *name;          /* required; letters, digits, - and _ */
        int64_t parallelism;       /* default 1 */
        int64_t key_groups;        /* default 128; fixed for the life of a job's state */
        int64_t buffer_timeout_ms; /* default 1 */
    } job;
    struct {
        int64_t interval_ms; /* 0: only the final one; default 10s */
        const char *dir;     /* default ./checkpoints */
        int64_t retain;      /* default 3 */
        bool copies;         /* default true */
        int64_t timeout_ms;  /* default 10m */
        double merge_ratio;  /* default 1.0 */
    } checkpoint;
    struct {
        int32_t strategy;       /* enum restart_strategy; default exponential-delay */
        int64_t max_attempts;   /* default 10 */
        int64_t delay_ms;       /* first or fixed delay; default 100ms */
        int64_t max_delay_ms;   /* exponential; default 30s */
        int64_t reset_after_ms; /* exponential: calm time after which the delay starts anew */
    } restart;
    struct {
        int64_t memory_bytes;  /* budget of keyed state of the whole job; 0: no limit */
        const char *spill_dir; /* default: a folder beside the checkpoints, per process */
    } state;
    struct {
        int64_t interval_ms; /* default 500ms */
        int64_t timeout_ms;  /* default 5s: a silent worker is replaced */
    } heartbeat;
    struct {
        int64_t channel_bytes;   /* bound of a channel; default 1mb */
        int64_t channel_time_ms; /* credits also bound what is in flight by time; default 100ms */
        bool compress;           /* LZ4 between processes; default false */
    } network;
    struct {
        int64_t chaos;           /* 0: off; a seed: random batch sizes, delays, tasklet order */
        int64_t sink_delay_ms;   /* sleep of a sink a batch: makes backpressure */
        int64_t hold_after_rows; /* 0: off; a source waits there for a checkpoint */
        int64_t crash_after_checkpoint; /* 0: off; worker 0 of the first attempt kills itself */
    } debug;
};

struct settings_section {
    const char *name;             /* `checkpoint` */
    const struct option *options; /* offsets are into struct settings */
    const char *help;
};
extern const struct settings_section settings_sections[]; /* ends with {0} */

#endif
