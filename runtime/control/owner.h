/* owner: which process holds a claim on a job's checkpoint folder, as a short text, and whether it
 * still lives: host, boot and start time are told with the pid, so that a pid that has come round
 * again is not mistaken. Linux; a process of another host or container cannot be judged. */
#ifndef MILLRACE_CONTROL_OWNER_H
#define MILLRACE_CONTROL_OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OWNER_TEXT_MAX 512u

/* The text of this process. */
void owner_text(char *text, size_t size);
/* True: it is the text of a process of this host that lives, stopped or not. */
bool owner_lives(const char *text, int64_t *pid);

#endif
