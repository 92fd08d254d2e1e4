/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_host: the cgroup hierarchies of this host, and where in them a
 * container's cgroup goes (config-linux.md, "Cgroups Path"; cgroups(7)).
 *
 * Version 1, with one hierarchy for each controller or a few together, also
 * where a version 2 hierarchy without controllers stands beside (hybrid); or
 * version 2 alone (unified). Paths are runc's, so that callers find them.
 */
#ifndef VRUN_RUNTIME_CGROUP_HOST_H
#define VRUN_RUNTIME_CGROUP_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct err;

struct cgroup_hierarchy {
	char *controllers; /* "cpu,cpuacct", "name=systemd"; "" for version 2 */
	char *mount; /* where it is mounted, no slash at the end */
	char *root; /* the part of the hierarchy that is mounted there, "/" for all of it */
	char *own; /* our own cgroup, from the hierarchy's root */
};

struct cgroup_host {
	bool unified;
	struct cgroup_hierarchy *v; /* one when unified */
	size_t n;
};

/* From /proc/self/mountinfo and /proc/self/cgroup, or texts like these. -ENOENT: no cgroups at all. */
int cgroup_host_read(struct cgroup_host *ret, struct err *err);
int cgroup_host_parse(const char *mountinfo, const char *self, struct cgroup_host *ret, struct err *err);
void cgroup_host_done(struct cgroup_host *host);
#define _cleanup_cgroup_host_ __attribute__((cleanup(cgroup_host_done)))

/* The cgroup of `pid` in the hierarchy that has `controllers`; the caller frees it. */
int cgroup_of_pid(pid_t pid, const char *controllers, char **ret);
int cgroup_of_parse(const char *text, const char *controllers, char **ret);

/* linux.cgroupsPath without "..", "." and double slashes; a relative one can't leave its start. */
int cgroup_path_clean(const char *path, char **ret);

/*
 * The directory for `path` (clean): an absolute one from the hierarchy's root, a
 * relative one from our own cgroup; in version 2 from that cgroup's parent, as ours
 * holds processes and can't have controllers below it. The caller frees it.
 */
int cgroup_dir(const struct cgroup_hierarchy *hierarchy, bool unified, const char *path, char **ret);
/* The directory of `cgroup` as /proc/PID/cgroup names it, outside of the mount: -ENOENT. */
int cgroup_dir_of(const struct cgroup_hierarchy *hierarchy, const char *cgroup, char **ret);

/* --- systemd's names --- */

/* "slice:prefix:name", also in parts absent; NULL: the defaults for `id`. */
int cgroup_unit_parse(const char *path, const char *id, char **ret_slice, char **ret_unit, struct err *err);

#endif
