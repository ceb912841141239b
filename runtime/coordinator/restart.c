/* See restart.h. */
#include "runtime/coordinator/restart.h"

void restart_init(struct restart *restart, const struct settings *settings, int64_t now_ms)
{
    *restart = (struct restart){
        .settings = settings,
        .delay_ms = settings->restart.delay_ms,
        .running_ms = INT64_MAX,
        .due_ms = now_ms,
    };
}

void restart_running(struct restart *restart, int64_t now_ms)
{
    restart->running_ms = now_ms;
}

/* A long calm time makes old failures forgotten. */
static void restart_calm(struct restart *restart, int64_t now_ms)
{
    if (restart->running_ms == INT64_MAX ||
        now_ms - restart->running_ms < restart->settings->restart.reset_after_ms)
        return;
    restart->since_calm = 0;
    restart->delay_ms = restart->settings->restart.delay_ms;
}

bool restart_allowed(struct restart *restart, int64_t now_ms)
{
    const struct settings *settings = restart->settings;

    restart_calm(restart, now_ms);
    restart->running_ms = INT64_MAX;
    if (settings->restart.strategy == RESTART_NONE ||
        restart->since_calm >= settings->restart.max_attempts)
        return false;
    restart->since_calm++;
    restart->count++;
    restart->due_ms = now_ms + restart->delay_ms;
    if (settings->restart.strategy == RESTART_EXPONENTIAL_DELAY) {
        restart->delay_ms *= 2;
        if (restart->delay_ms > settings->restart.max_delay_ms)
            restart->delay_ms = settings->restart.max_delay_ms;
    }
    return true;
}
