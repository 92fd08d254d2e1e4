/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch_params: what vrun gives vrun-vmm at its birth, in one LAUNCH message on
 * the sync socket, which is vrun-vmm's descriptor LAUNCH_SYNC_FD. The
 * container's standard streams are vrun-vmm's own descriptors 0 to 2.
 */
#ifndef VRUN_RUNTIME_LAUNCH_PARAMS_H
#define VRUN_RUNTIME_LAUNCH_PARAMS_H

#include "oci/agent_proto.h"
#include "runtime/message.h"

#include <stdbool.h>
#include <stdint.h>

struct err;

enum { LAUNCH_SYNC_FD = 3 };

enum launch_fd {
	LAUNCH_FD_VM, /* vm_spec as JSON */
	LAUNCH_FD_CREATE, /* CREATE's payload */
	LAUNCH_FD_STATUS, /* the status file, status.h */
	LAUNCH_FD_CONTROL, /* the listening control socket */
	LAUNCH_FD_TIMELINE, /* the timeline file, timeline.h */
	/* Those may be absent. */
	LAUNCH_FD_SECCOMP, /* BPF */
	LAUNCH_FD_STORE, /* --root's directory: to remove the container if vrun dies before RELEASE */
	LAUNCH_FD_CONSOLE, /* socket to send the terminal's master to; with process.terminal */
	LAUNCH_FD_LOG, /* --log's file */
	LAUNCH_FDS,
	LAUNCH_FDS_NEEDED = LAUNCH_FD_SECCOMP,
};
_Static_assert((int)LAUNCH_FDS <= (int)MESSAGE_FDS_MAX, "one message carries them all");

struct launch_params {
	char *id;
	bool terminal;
	bool debug;
	bool log_json; /* the format of LAUNCH_FD_LOG */
	bool wait; /* the VM boots at START, which brings its network */
	struct agent_stdio stdio;
	unsigned boot_timeout; /* seconds until the agent's HELLO */
	uint32_t seccomp_flags;
	uint64_t begun_ns, launched_ns; /* CLOCK_MONOTONIC: vrun began; this was sent */
	int fds[LAUNCH_FDS]; /* -EBADF: absent */
};

/* A message borrows the descriptors of `params`. */
int launch_params_send(int sock, const struct launch_params *params);
/* Consumes the message's descriptors. */
int launch_params_read(struct message *msg, struct launch_params *ret, struct err *err);
/* Frees, and closes the descriptors that are left. */
void launch_params_done(struct launch_params *params);

#endif
