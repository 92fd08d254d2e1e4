/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup_internal: what cgroup*.c share. */
#ifndef VRUN_RUNTIME_CGROUP_INTERNAL_H
#define VRUN_RUNTIME_CGROUP_INTERNAL_H

#include "runtime/cgroup.h"

#include <stdbool.h>

struct cgroup_host;

/* --- cgroup_dir.c: one directory of a hierarchy --- */

/* Whether it may be a container's. As runc: one that others live in, or that is frozen, is not taken over (-EBUSY). */
int cgroup_dir_check(const struct cgroup_dir *dir, struct err *err);
/* Make it and what is missing above it, with the controllers it needs. */
int cgroup_dir_make(const struct cgroup_dir *dir, bool unified, struct err *err);
int cgroup_dir_join(const struct cgroup_dir *dir, pid_t pid);
/* Whether it has a controller, "" being any. */
bool cgroup_dir_has(const struct cgroup_dir *dir, bool unified, const char *controller);
/* SIGKILL to its processes. */
void cgroup_dir_kill(const struct cgroup_dir *dir);
int cgroup_dir_remove(const struct cgroup_dir *dir, struct err *err);

/* --- cgroup.c --- */

/* Where `path` is in each hierarchy. */
int cgroup_set_dirs(struct cgroup *cgroup, const struct cgroup_host *host, const char *path, struct err *err);

/* --- cgroup_systemd.c --- */

/* Make the scope with `pid` in it. */
int cgroup_systemd_start(const struct cgroup *cgroup, const char *description,
			 const struct oci_resources *resources, pid_t pid, struct err *err);
/* Let systemd know of limits, so that it does not undo them. */
int cgroup_systemd_set(const struct cgroup *cgroup, const struct oci_resources *resources,
		       enum cgroup_parts parts, struct err *err);
void cgroup_systemd_stop(const struct cgroup *cgroup);
/* -ENOTSUP with a message when systemd does not run this host. */
int cgroup_systemd_check(struct err *err);

#endif
