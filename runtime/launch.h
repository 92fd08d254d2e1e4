/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch: vrun's side of vrun-vmm's birth.
 *
 * launch_spawn() gives a process that waits for its parameters: its pid is
 * known, and hooks and cgroups can deal with it before it does anything.
 * launch_go() lets it build the machine. When vrun exits without
 * launch_release(), or is killed, the container ends.
 */
#ifndef VRUN_RUNTIME_LAUNCH_H
#define VRUN_RUNTIME_LAUNCH_H

#include "runtime/message.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct launch_params;
struct plan;

struct launch {
	pid_t pid; /* 0: none, or reaped */
	uint64_t pid_start; /* proc_start_time() */
	int sync; /* -EBADF */
};
#define LAUNCH_INIT                                                                                          \
	{                                                                                                    \
		.sync = -EBADF                                                                               \
	}

/* Start vrun-vmm with our standard streams, in a network namespace (-EBADF: ours). */
int launch_spawn(const char *id, int netns, struct launch *ret, struct err *err);

/*
 * Send the parameters; `params` has its descriptors for STATUS, CONTROL and the optional ones, those
 * of the plan are made here. `start`: the container's process runs at once.
 */
int launch_go(struct launch *launch, struct launch_params *params, const struct plan *plan, bool start,
	      struct err *err);

/*
 * Wait for `event` (CREATED or STARTED). *ret_status: the exit status that a failure stands for.
 */
int launch_wait(struct launch *launch, enum message_type event, int *ret_status, struct err *err);

/* vrun goes, the container stays. */
void launch_release(struct launch *launch);

/* Wait for vrun-vmm's end: its exit status, 128 + signal when it was killed. */
int launch_reap(struct launch *launch);

/* End vrun-vmm if it still runs, reap it. For failures. */
void launch_abort(struct launch *launch);
void launch_done(struct launch *launch);

#endif
