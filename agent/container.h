/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container: the one container of this guest: its configuration, its cgroup, and
 * how processes are cloned into it.
 */
#ifndef VRUN_AGENT_CONTAINER_H
#define VRUN_AGENT_CONTAINER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct child_args;
struct err;
struct guest_net;
struct oci_spec;

struct container {
	struct oci_spec *spec; /* owned */
	struct guest_net *network; /* owned; NULL: only loopback */
	unsigned long namespaces; /* CLONE_NEW* */
	int cgroup; /* its directory */
	pid_t init_pid;
	int init_pidfd; /* -EBADF until the first process was cloned */
	uint8_t *seccomp; /* owned; sock_filter[] */
	size_t seccomp_len;
	uint32_t seccomp_flags;
};

/* Takes the spec, the network and the program, even on failure. */
int container_new(struct oci_spec *take_spec, struct guest_net *take_network, uint8_t *take_seccomp,
		  size_t seccomp_len, uint32_t seccomp_flags, struct container **ret, struct err *err);
void container_free(struct container *container);

/*
 * Clone a process that runs child_run(args): the container's first one if
 * args->init, else one beside it. Completes `args` with what the container
 * knows. The pidfd is the caller's.
 */
int container_clone(struct container *container, struct child_args *args, pid_t *ret_pid, int *ret_pidfd,
		    struct err *err);

/* The guest's ids of a container's user, for the ownership of its pipes. False when not mapped. */
bool container_map_user(const struct container *container, uint32_t uid, uint32_t gid, uid_t *ret_uid,
			gid_t *ret_gid);

#endif
