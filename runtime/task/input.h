/* input: the channels of a subtask's first operator: which to read next, the minimum of their
 * watermarks, and the alignment of barriers. A channel that has delivered a barrier is not read
 * until the barrier has come by all of them. */
#ifndef MILLRACE_TASK_INPUT_H
#define MILLRACE_TASK_INPUT_H

#include "runtime/task/subtask.h"

struct input *input_open(struct subtask *subtask);
void input_close(struct input *input); /* NULL is fine */
/* Takes elements until it has a batch, or some of another kind. */
enum progress input_step(struct subtask *subtask);
int64_t input_watermark(const struct input *input);
/* What was known before a restore. */
void input_restored(struct input *input, int64_t watermark_ms);

/* Whether the barrier has come by all channels. */
bool input_aligned(const struct input *input);
/* All channels may be read again; those that wait at a later barrier go on waiting. */
void input_unblock(struct input *input, uint64_t passed);

#endif
