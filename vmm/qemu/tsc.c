/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tsc: see tsc.h.
 */
#include "vmm/qemu/tsc.h"

#include <errno.h>

#if defined(__x86_64__)

#include "base/cleanup.h"
#include "base/fd.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

enum { INTERVAL_NS = 10 * 1000 * 1000, TRIES = 8 };

struct sample {
	uint64_t tsc;
	uint64_t ns;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

/* One moment on both clocks: of a few tries the one that took least, so that no preemption is in it. */
static struct sample take_sample(void)
{
	struct sample best = { 0 };
	uint64_t best_width = UINT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		uint64_t before = __rdtsc();
		uint64_t ns = now_ns();
		uint64_t after = __rdtsc();

		if (after - before < best_width) {
			best_width = after - before;
			best.tsc = before + (after - before) / 2;
			best.ns = ns;
		}
	}
	return best;
}

static int host_trusts_tsc(void)
{
	_cleanup_free_ char *name = NULL;

	if (file_read(AT_FDCWD, "/sys/devices/system/clocksource/clocksource0/current_clocksource", 64, &name,
		      NULL) < 0)
		return 0;
	/* A guest of KVM may use kvm-clock, which is the counter, scaled. */
	return strncmp(name, "tsc", 3) == 0 || strncmp(name, "kvm-clock", 9) == 0;
}

int tsc_measure_khz(unsigned *ret_khz)
{
	struct timespec interval = { .tv_nsec = INTERVAL_NS };
	struct sample from, to;
	uint64_t khz;

	if (!host_trusts_tsc())
		return -EOPNOTSUPP;
	from = take_sample();
	nanosleep(&interval, NULL);
	to = take_sample();
	if (to.ns <= from.ns || to.tsc <= from.tsc)
		return -EOPNOTSUPP;
	khz = (uint64_t)((double)(to.tsc - from.tsc) * 1e6 / (double)(to.ns - from.ns) + 0.5);
	if (khz < 100000 || khz > 100000000)
		return -EOPNOTSUPP;
	*ret_khz = (unsigned)khz;
	return 0;
}

#else

int tsc_measure_khz(unsigned *ret_khz)
{
	(void)ret_khz;
	return -EOPNOTSUPP;
}

#endif
