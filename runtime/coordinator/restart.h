/* restart: the strategies of `restart.strategy`, as Flink names them: how often and how soon a
 * failed job is tried again. Pure. */
#ifndef MILLRACE_COORDINATOR_RESTART_H
#define MILLRACE_COORDINATOR_RESTART_H

#include "runtime/graph/settings.h"

struct restart {
    const struct settings *settings;
    uint32_t count;      /* in all */
    uint32_t since_calm; /* since the last calm time; bounded by max-attempts */
    int64_t delay_ms;    /* the next one */
    int64_t running_ms;  /* when the present attempt began to run; INT64_MAX: it does not */
    int64_t due_ms;      /* when the next attempt may start */
};

void restart_init(struct restart *restart, const struct settings *settings, int64_t now_ms);
void restart_running(struct restart *restart, int64_t now_ms);
/* A failure: false when no further attempt is allowed; otherwise due_ms is set. */
bool restart_allowed(struct restart *restart, int64_t now_ms);

#endif
