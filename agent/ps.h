/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ps: the container's processes, for `vrun ps`: all that are in its cgroup or
 * below, numbered as its own pid namespace numbers them.
 */
#ifndef VRUN_AGENT_PS_H
#define VRUN_AGENT_PS_H

#include <stddef.h>

/*
 * Lines of "PID PPID UID STARTED TTY SECONDS COMMAND", sorted by PID, at most `max` bytes: what does not fit is
 * left out. PPID 0: the parent is not of the container. STARTED: seconds since 1970. TTY: the device's number as
 * in proc(5), 0 for none. SECONDS: of CPU time. The caller frees *ret_text.
 */
int ps_list(int cgroup, size_t max, char **ret_text, size_t *ret_len);

#endif
