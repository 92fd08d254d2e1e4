/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc_file: files of the container's /proc, for the host's tools that look for its processes there
 * (runtime/proc_fs.h). As it is mounted in the container, so that processes have the numbers that they have there.
 */
#ifndef VRUN_AGENT_PROC_FILE_H
#define VRUN_AGENT_PROC_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The first AGENT_PROC_MAX bytes of a file (agent_proto.h: struct agent_proc) in the container whose first
 * process is `init`; `userns`: it has a user namespace of its own, and users are numbered as that has them.
 * -ENOENT: there is no such process, or nothing at /proc but what somebody else has put there.
 */
int proc_file_read(pid_t init, bool userns, uint32_t pid, uint32_t file, char **ret, size_t *ret_len);

#endif
