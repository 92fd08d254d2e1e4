/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup: the container's cgroup in the guest's own cgroup v2 hierarchy.
 *
 * The host limits the whole machine; these limits are there for the container
 * to see and keep within its own kernel (config-linux.md, "Control groups").
 * Not here: block devices, processors and network classes, which name the host's; and
 * device rules, which device_filter.h has.
 */
#ifndef VRUN_AGENT_CGROUP_H
#define VRUN_AGENT_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct oci_resources;

#define CGROUP_ROOT "/sys/fs/cgroup"

/* Let children of the hierarchy's root have every controller. Best effort. */
void cgroup_enable_controllers(void);

/* Make the container's cgroup. Returns its directory's descriptor. */
int cgroup_create(struct err *err);
void cgroup_remove(void);
/* One below the container's, as it numbers them: "/" is the container's own. A descriptor or -errno. */
int cgroup_open_below(int cgroup, const char *path, struct err *err);
/* The cgroup that a process is in. A descriptor or -errno. */
int cgroup_open_of(pid_t pid);

/*
 * Apply linux.resources. A value that the kernel refuses is an error; a file that the guest's kernel does
 * not have is left out, unless linux.resources.unified names it.
 */
int cgroup_apply(int cgroup, const struct oci_resources *resources, struct err *err);

/* The same for a container that runs; with memory.checkBeforeUpdate no limit is set below what is in use. */
int cgroup_update(int cgroup, const struct oci_resources *resources, struct err *err);

/* Hand the cgroup to the root of a user namespace: cgroups(7), "Cgroups delegation". */
int cgroup_delegate(int cgroup, uid_t uid, gid_t gid);

bool cgroup_is_populated(int cgroup);
/* SIGKILL to all, at once and without races. */
int cgroup_kill(int cgroup);
/* Each process in it and below, numbered as the agent does. One that comes or goes meanwhile may be missed. */
int cgroup_for_each(int cgroup, void (*fn)(void *ctx, pid_t pid), void *ctx);
/* Any signal to each process in it and below; -ESRCH when there was none. */
int cgroup_signal(int cgroup, int signo);

/* memory.swap.max for OCI's memory and memory+swap; false: nothing to set. INT64_MAX stands for "max". */
bool cgroup_swap_limit(int64_t memory_limit, int64_t memory_and_swap, int64_t *ret);
/* cpu.weight (1 to 10,000) for cpu.shares (2 to 262,144). */
uint64_t cgroup_cpu_weight(uint64_t shares);

#endif
