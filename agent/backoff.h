/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backoff: wait a little longer each time, for a device that the kernel is still
 * bringing up. Used before the loop runs, when nothing else is to be done.
 */
#ifndef VRUN_AGENT_BACKOFF_H
#define VRUN_AGENT_BACKOFF_H

#include <stdbool.h>
#include <time.h>

struct backoff {
	long next_us, waited_us;
};
#define BACKOFF_INIT                                                                                         \
	{                                                                                                    \
		.next_us = 500                                                                               \
	}

enum { BACKOFF_STEP_MAX_US = 50000, BACKOFF_TOTAL_US = 20000000 };

/* False once the patience is over. */
static inline bool backoff_wait(struct backoff *b)
{
	struct timespec ts = { .tv_nsec = b->next_us * 1000 };

	if (b->waited_us >= BACKOFF_TOTAL_US)
		return false;
	nanosleep(&ts, NULL);
	b->waited_us += b->next_us;
	if (b->next_us < BACKOFF_STEP_MAX_US)
		b->next_us *= 2;
	return true;
}

#endif
