/* SPDX-License-Identifier: Apache-2.0 */
/* clock: see clock.h. */
#include "agent/clock.h"

#include <errno.h>
#include <time.h>

/* Less is not worth a step, which programs may notice. */
static const uint64_t tolerance_ns = 20000000;

int64_t clock_correction(struct clock_follower *follower, uint64_t host_ns, uint64_t guest_ns)
{
	uint64_t before = follower->ahead_ns, ahead;

	follower->ahead_ns = 0;
	/* No clock of ours reads that: 2262. */
	if (host_ns > INT64_MAX || guest_ns > INT64_MAX)
		return 0;
	if (host_ns >= guest_ns)
		return host_ns - guest_ns > tolerance_ns ? (int64_t)(host_ns - guest_ns) : 0;
	ahead = guest_ns - host_ns;
	if (ahead <= tolerance_ns)
		return 0;
	if (!before) {
		follower->ahead_ns = ahead;
		return 0;
	}
	return -(int64_t)(ahead < before ? ahead : before);
}

int clock_follow(struct clock_follower *follower, uint64_t host_ns)
{
	struct timespec ts;
	int64_t now, step;

	clock_gettime(CLOCK_REALTIME, &ts);
	now = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
	step = now < 0 ? 0 : clock_correction(follower, host_ns, (uint64_t)now);
	if (step == 0)
		return 0;
	now += step;
	ts.tv_sec = now / 1000000000;
	ts.tv_nsec = now % 1000000000;
	return clock_settime(CLOCK_REALTIME, &ts) < 0 ? -errno : 0;
}
