/* SPDX-License-Identifier: Apache-2.0 */
/* process_attrs: environment, scheduling, I/O priority, personality and limits of a process (config.md, "Process"). */
#ifndef VRUN_AGENT_PROCESS_ATTRS_H
#define VRUN_AGENT_PROCESS_ATTRS_H

#include <sys/types.h>

struct err;
struct oci_linux;
struct oci_process;

/* process.scheduler, process.ioPriority, linux.personality, for the calling process. */
int process_attrs_apply(const struct oci_process *process, const struct oci_linux *l, struct err *err);

/* process.rlimits and oomScoreAdj, from outside: a user namespace's root may not raise them itself. */
int process_limits_apply(pid_t pid, const struct oci_process *process, struct err *err);

/* The environment for execve(): process.env, each name with its last value, and HOME from the container's /etc/passwd when it has none. */
struct process_env {
	char **v; /* NULL-terminated; the strings but `home` are the process's */
	char *home;
};
int process_env_build(const struct oci_process *process, struct process_env *ret);
void process_env_done(struct process_env *env);

#endif
