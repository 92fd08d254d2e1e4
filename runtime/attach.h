/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach: a command that stays in the foreground for a process in a VM: signals
 * are passed on, the terminal is relayed, and the exit status comes back.
 */
#ifndef VRUN_RUNTIME_ATTACH_H
#define VRUN_RUNTIME_ATTACH_H

struct container;
struct err;

/*
 * From container_launch() to the container's end. `on_ready` (may be NULL) is called once when
 * the container is there; a failure of it ends the container. Returns the exit status; when
 * `err` was set, of what went wrong.
 */
int attach_run(struct container *container, int (*on_ready)(void *ctx, struct err *err), void *ctx,
	       struct err *err);

#endif
