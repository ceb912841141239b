/* log: one line a record on stderr: level, fixed message, then key=value. Any thread.
 * Libraries return errors; the owner of the decision logs, once. Nothing is logged per event. */
#ifndef MILLRACE_BASE_LOG_H
#define MILLRACE_BASE_LOG_H

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level); /* default LOG_INFO; call before threads start */
void log_set_prefix(const char *prefix);  /* such as `worker=2`; copied */

/* log_line(LOG_INFO, "checkpoint complete", "checkpoint=%d bytes=%zu", n, size); newlines inside
 * become spaces. */
void log_line(enum log_level level, const char *message, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
