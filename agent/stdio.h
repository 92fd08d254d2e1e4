/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stdio: the standard streams of one process before it runs: a connection to
 * the host for each that is wanted, and a pipe between that and the process.
 */
#ifndef VRUN_AGENT_STDIO_H
#define VRUN_AGENT_STDIO_H

#include "agent/pump.h"

#include <errno.h>

struct agent_stdio;
struct container;
struct err;
struct oci_process;
struct stream_connector;

struct stdio {
	int stream[3]; /* to the host; -EBADF: not wanted. With a terminal only the first */
	int ours[3], theirs[3]; /* the pipes' ends; none with a terminal */
};
#define STDIO_INIT                                                                                           \
	{                                                                                                    \
		{ -EBADF, -EBADF, -EBADF }, { -EBADF, -EBADF, -EBADF },                                      \
		{                                                                                            \
			-EBADF, -EBADF, -EBADF                                                               \
		}                                                                                            \
	}

/* Begin the connections and make the pipes. */
int stdio_open(struct stdio *stdio, const struct stream_connector *connector,
	       const struct container *container, const struct oci_process *process,
	       const struct agent_stdio *ports, struct err *err);
/* Wait until all connections stand. */
int stdio_finish(struct stdio *stdio, struct err *err);
void stdio_close_theirs(struct stdio *stdio);
void stdio_done(struct stdio *stdio);

/* Read and forget. */
int stdio_discard(struct loop *loop, int take_fd, pump_done_fn done, void *ctx, struct pump **ret);

#endif
