/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach: a command that stays in the foreground for a process in a VM: signals
 * are passed on, the terminal is relayed, and the exit status comes back.
 */
#ifndef VRUN_RUNTIME_ATTACH_H
#define VRUN_RUNTIME_ATTACH_H

struct container;
struct err;

/* Each is called at most once; a failure of it ends the container. Any may be NULL. */
struct attach_ops {
	int (*created)(void *ctx, struct err *err); /* others may deal with the container from here on */
	int (*started)(void *ctx, struct err *err);
};

/*
 * From container_launch() to the container's end. Returns the exit status; when
 * `err` was set, of what went wrong.
 */
int attach_run(struct container *container, const struct attach_ops *ops, void *ctx, struct err *err);

#endif
