/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: another process in a running container.
 *
 * Theory of operation
 *
 * A process of the host stands for each of them: it asks vrun-vmm over a control
 * connection, passes on what signals it gets, and exits with the process's
 * status. When it is killed, its connection closes and the guest's process is
 * killed. In the foreground that is vrun itself; detached, or with a console
 * socket, it is a child that goes to the caller when vrun exits.
 */
#ifndef VRUN_RUNTIME_EXEC_H
#define VRUN_RUNTIME_EXEC_H

#include <stdbool.h>

struct err;
struct lookup;
struct oci_process;

struct exec_request {
	const struct oci_process *process; /* with `terminal` as it is wanted */
	bool detach;
	const char *console_socket; /* path, or NULL */
	const char *pid_file; /* or NULL */
	const char *cgroup; /* a path below the container's in the guest, or NULL */
};

/*
 * The exit status: the process's, or 0 once a detached one runs. With `err` set: what a
 * failure stands for.
 */
int exec_run(const struct lookup *container, const struct exec_request *request, struct err *err);

/* --- exec_proxy.c: what the process of the host does --- */

/*
 * Connects by itself, so that vrun-vmm sees the pid of who stands for the process.
 * `take_console`: the console socket, or -EBADF: a terminal is then relayed to our own. `started` is
 * called once the guest's process runs; a negative result ends it. Returns the exit status.
 */
int exec_proxy_run(const struct lookup *container, const struct exec_request *request, int take_console,
		   int (*started)(void *ctx, struct err *err), void *ctx, struct err *err);

#endif
