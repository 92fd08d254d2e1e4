/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock: keep the guest's wall clock at the host's, which says its own time in
 * CLOCK messages: at the start, after a pause, and now and then.
 *
 * A message tells the time at which it was sent, and may have been long on its way:
 * the guest is surely behind what it says, but perhaps only seems ahead of it. So one
 * message is enough to go forward; to go back takes two that say so, and the least that either says.
 */
#ifndef VRUN_AGENT_CLOCK_H
#define VRUN_AGENT_CLOCK_H

#include <stdint.h>

struct clock_follower {
	uint64_t ahead_ns; /* as the last message had it; 0: it did not */
};

/* What to add to the guest's clock, which reads `guest_ns`, given that the host's read `host_ns`. 0: nothing. */
int64_t clock_correction(struct clock_follower *follower, uint64_t host_ns, uint64_t guest_ns);

/* Set CLOCK_REALTIME by it. 0 or -errno. */
int clock_follow(struct clock_follower *follower, uint64_t host_ns);

#endif
