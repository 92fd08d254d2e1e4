/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup: the cgroup of a container's vrun-vmm on the host.
 *
 * Theory of operation
 *
 * vrun makes the cgroup, sets its limits and puts vrun-vmm into it while that still
 * waits for its launch parameters, so all that vrun-vmm allocates and starts (the
 * guest's memory, an emulator) is in it. Callers read statistics there by
 * vrun-vmm's pid.
 *
 * The quota of CPU time comes last, once the guest is up: booting is no work of the
 * container's, and under a small quota would take minutes.
 *
 * ROOT/ID/cgroup.json says what was made, and is written before anything is: who
 * deletes the container, and a vrun-vmm whose vrun was killed, find it there.
 *
 * Without linux.cgroupsPath it is named by the container's id below our own cgroup, as
 * runc's; with a number behind where that is taken, as ids are unique below one --root only.
 *
 * Two drivers, as runc has them. cgroupfs: directories are made in each hierarchy.
 * systemd (--systemd-cgroup): a transient scope is asked of systemd by busctl, and
 * the hierarchies that systemd leaves alone get the same path.
 */
#ifndef VRUN_RUNTIME_CGROUP_H
#define VRUN_RUNTIME_CGROUP_H

#include "runtime/cgroup_limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct err;
struct oci_spec;

struct cgroup_dir {
	char *controllers; /* as cgroup_hierarchy has it */
	char *path;
	char *top; /* the hierarchy's mount point: nothing is removed from there up */
};

struct cgroup {
	bool unified;
	bool entered; /* it exists, or did once */
	bool unnamed; /* no linux.cgroupsPath: any name will do */
	char *slice, *unit; /* NULL: cgroupfs */
	struct cgroup_sizes sizes;
	struct cgroup_dir *dirs; /* of systemd: known once it has been entered */
	size_t n_dirs;
};

/* Where the container's cgroup is to be. Checks the limits too; nothing is changed. */
int cgroup_new(const char *id, const struct oci_spec *spec, bool systemd, const struct cgroup_sizes *sizes,
	       struct cgroup **ret, struct err *err);
void cgroup_free(struct cgroup *cgroup);
static inline void cleanup_cgroup(struct cgroup **p)
{
	cgroup_free(*p);
}
#define _cleanup_cgroup_ __attribute__((cleanup(cleanup_cgroup)))

/* cgroup.json in a container's directory. -ENOENT: it has none. */
int cgroup_save(const struct cgroup *cgroup, int dirfd, struct err *err);
int cgroup_load(int dirfd, struct cgroup **ret, struct err *err);

/* Make it, set all limits but the quota, and move `pid` there. Saves it in `dirfd` on the way. */
int cgroup_enter(struct cgroup *cgroup, const struct oci_spec *spec, int dirfd, pid_t pid, struct err *err);

/* Put another process into it, once it has been entered. */
int cgroup_join(const struct cgroup *cgroup, pid_t pid, struct err *err);

/* Set `parts` of the limits, at first or anew. */
int cgroup_apply(const struct cgroup *cgroup, const struct oci_resources *resources, enum cgroup_parts parts,
		 struct err *err);

/*
 * Take it away, with what is below; waits a little for processes that are ending. 0 when it is not there.
 * -EBUSY while something lives in it.
 */
int cgroup_remove(const struct cgroup *cgroup, struct err *err);

/* The same two for the container with this directory, if it has a cgroup. */
int cgroup_apply_saved(int dirfd, const struct oci_resources *resources, enum cgroup_parts parts,
		       struct err *err);
int cgroup_remove_saved(int dirfd, struct err *err);
/* SIGKILL to all that is in it: for a container whose process is not known any more. */
void cgroup_kill_saved(int dirfd);

/* For a process in it that is to remove it: go to the top of each hierarchy. Best effort. */
void cgroup_leave(const struct cgroup *cgroup);

#endif
