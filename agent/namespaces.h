/* SPDX-License-Identifier: Apache-2.0 */
/*
 * namespaces: the container's namespaces (config-linux.md, "Namespaces", "User
 * namespace mappings", "Offset for Time Namespace") and what belongs in them.
 */
#ifndef VRUN_AGENT_NAMESPACES_H
#define VRUN_AGENT_NAMESPACES_H

#include <errno.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct oci_linux;
struct oci_spec;

/*
 * CLONE_NEW* of all the namespaces that the container has for itself. There is
 * always a mount namespace; a network namespace's path is the host's, which has
 * joined it, so the guest makes a new one. A user namespace with a path is
 * refused by namespaces_check().
 */
int namespaces_check(const struct oci_linux *l, struct err *err);
unsigned long namespaces_flags(const struct oci_linux *l);

/* The parts of that which clone3() takes; the rest is entered later or around it. */
unsigned long namespaces_clone_flags(const struct oci_linux *l);

/*
 * Around a clone3() in the agent: namespaces that only take effect for
 * children. `enter` for a new container: its time namespace with the offsets,
 * those with a path; `enter_pid` for one more process beside `pidfd`. `leave`
 * brings the agent's own back, whatever came before.
 */
struct namespaces_saved {
	int pid, time;
};
#define NAMESPACES_SAVED_INIT                                                                                \
	{                                                                                                    \
		.pid = -EBADF, .time = -EBADF                                                                \
	}
int namespaces_enter(struct namespaces_saved *saved, const struct oci_linux *l, struct err *err);
int namespaces_enter_pid(struct namespaces_saved *saved, int pidfd, struct err *err);
int namespaces_leave(struct namespaces_saved *saved);

/* In the agent, for a child that was cloned with CLONE_NEWUSER. */
int namespaces_write_maps(pid_t child, const struct oci_linux *l, struct err *err);
/* A container's id as the guest's, for chown() by the agent; UINT32_MAX when it is not mapped. */
uint32_t namespaces_map_uid(const struct oci_linux *l, uint32_t id);
uint32_t namespaces_map_gid(const struct oci_linux *l, uint32_t id);

/* In the child: join those with a path, a cgroup namespace, loopback, host name, domain name, sysctls. */
int namespaces_setup(const struct oci_spec *spec, struct err *err);

/* Bring up lo in the caller's network namespace. */
int namespaces_loopback_up(struct err *err);

#endif
