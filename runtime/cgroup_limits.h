/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_limits: linux.resources (config-linux.md) as files of the host's cgroup
 * controllers. Pure: nothing is read or written here.
 *
 * Theory of operation
 *
 * The limits are the container's, but on the host it is a VM that is limited, and
 * the container is inside it with a cgroup of its own (agent/cgroup.h). So:
 *
 *   memory   The VM's memory was sized so that the container can use its limit.
 *            The host's limit is what this VM can come to: its memory and the
 *            overhead around it. memory.swap and reservation move by as much.
 *   pids     vrun-vmm has threads where the container has processes:
 *            CGROUP_PIDS_ROOM more.
 *   cpu      As it is: shares, quota, period, burst, idle, real-time.
 *            The quota can be left out while the VM boots, which is no work of the
 *            container's.
 *   cpuset   As it is; these are the host's CPUs and nodes.
 *   blockIO  As it is; these are the host's disks.
 *   hugepageLimits  The container's huge pages are the guest's. On the host as
 *            well, where it has the controller.
 *   unified  cpu.* here and in the guest; memory.*, pids.* and hugetlb.* only in the
 *            guest, being the container's; all others only here, and only where
 *            the host has cgroup version 2.
 *   devices  Not here: these are the guest's devices.
 *
 * Kernel memory and useHierarchy are ignored, as runc does.
 */
#ifndef VRUN_RUNTIME_CGROUP_LIMITS_H
#define VRUN_RUNTIME_CGROUP_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct oci_resources;

/* Of vCPUs, the emulator's threads, and the workers that serve files. */
enum { CGROUP_PIDS_ROOM = 256 };

/* What a VM takes from its host, bytes. */
struct cgroup_sizes {
	uint64_t vm_memory; /* the guest's */
	uint64_t overhead; /* all else */
};

enum cgroup_parts {
	CGROUP_QUOTA = 1, /* of CPU time */
	CGROUP_REST = 2,
	CGROUP_ALL = CGROUP_QUOTA | CGROUP_REST,
};

struct cgroup_setting {
	const char *controller; /* "memory" */
	char file[80], instead[80]; /* `instead` where `file` is not there; "" for none */
	char *value;
	const char *field; /* of config.json, for messages */
	bool try_only; /* a step that only counts for those after it */
	bool may_miss; /* the host need not have this controller or file */
	bool fallback; /* only where the one before is missing */
};

struct cgroup_settings {
	struct cgroup_setting *v;
	size_t n;
};

/* In the order in which they are to be written. -EINVAL for values that contradict each other. */
int cgroup_limits(bool unified, const struct oci_resources *resources, const struct cgroup_sizes *sizes,
		  enum cgroup_parts parts, struct cgroup_settings *ret, struct err *err);
void cgroup_settings_done(struct cgroup_settings *settings);
#define _cleanup_cgroup_settings_ __attribute__((cleanup(cgroup_settings_done)))

/* runc's conversions. */
uint64_t cgroup_weight_of_shares(uint64_t shares); /* 2 to 262,144 -> 1 to 10,000 */
uint64_t cgroup_weight_of_blkio(uint64_t weight); /* 10 to 1,000 -> 1 to 10,000 */

/* linux.resources.memory.limit, or unified's memory.max: > 0, -1 for no limit, 0 when there is none. */
int64_t cgroup_memory_limit(const struct oci_resources *resources);

/* Number of CPUs in a list such as "0-3,8"; 0 when it is not a list. */
unsigned cgroup_cpus_count(const char *list);

/* Whether a key of `unified` is for the guest, for the host. */
bool cgroup_unified_is_guests(const char *key);
bool cgroup_unified_is_hosts(const char *key);

#endif
