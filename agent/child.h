/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child: what a process of the container does between clone and execve.
 *
 * Theory of operation
 *
 * The agent clones; the child, a copy of it, sets itself up and reports on a
 * SOCK_SEQPACKET socket that closes on execve. The agent answers with single
 * bytes:
 *
 *	child				agent
 *	(some: waits)		<-	CHILD_GO_PREPARED, id maps and network are set up from outside
 *	CHILD_TERMINAL + master	->	process.terminal only
 *	CHILD_READY		->	set up; waits. The agent sets rlimits from outside
 *	CHILD_GO_EXEC		<-
 *	CHILD_FAILED		->	at any time, and the child has ended
 *	end of file			execve() succeeded (or it was killed)
 *
 * The child holds no descriptor of the agent's but what `struct child_args`
 * names, and is not dumpable: processes of the container can see it before
 * execve, but not reach into it.
 */
#ifndef VRUN_AGENT_CHILD_H
#define VRUN_AGENT_CHILD_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct oci_process;
struct oci_spec;

enum child_report_type { CHILD_READY = 1, CHILD_TERMINAL = 2, CHILD_FAILED = 3 };

struct child_report {
	uint32_t type; /* enum child_report_type */
	int32_t error; /* CHILD_FAILED: positive errno */
	uint32_t stage; /* CHILD_FAILED: enum agent_stage */
	char text[ERR_TEXT_MAX]; /* CHILD_FAILED: NUL-terminated */
};

enum { CHILD_GO_PREPARED = 'p', CHILD_GO_EXEC = 'x' };

/* All borrowed. */
struct child_args {
	const struct oci_spec *spec; /* the container's */
	const struct oci_process *process;
	bool init; /* the container's first process: it sets the container up */
	bool wait_prepared; /* wait for CHILD_GO_PREPARED */
	unsigned long join; /* not init: CLONE_NEW* of the namespaces to join */
	int init_pidfd; /* not init: whose */
	const char *cgroup; /* not init: as struct agent_exec has it */
	int sync; /* the report socket, blocking */
	int stdio[3]; /* -EBADF: /dev/null; unused with a terminal */
	uint16_t rows, cols;
	const char *resolv_conf; /* init: the file for a container that mounts none; NULL: none */
	const uint8_t *seccomp; /* sock_filter[] */
	size_t seccomp_len;
	uint32_t seccomp_flags;
};

/* In the child, right after clone. Never returns. */
_Noreturn void child_run(const struct child_args *args);

#endif
