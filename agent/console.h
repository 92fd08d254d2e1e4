/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console: a line of the agent's for whoever looks at the guest's console.
 *
 * By way of the kernel's log, which reaches every console there is or will be,
 * and the host's error message with it (the console's last lines).
 */
#ifndef VRUN_AGENT_CONSOLE_H
#define VRUN_AGENT_CONSOLE_H

/* `path`: /dev/kmsg. Without it the lines go to standard error. */
void console_open(const char *path);
void console_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
