/* SPDX-License-Identifier: Apache-2.0 */
/* signame: signals by name or number, as `kill` takes them. */
#ifndef VRUN_RUNTIME_SIGNAME_H
#define VRUN_RUNTIME_SIGNAME_H

/* "9", "KILL", "SIGKILL", "sigkill", "RTMIN+3", "SIGRTMAX-1": the signal's number, or -EINVAL. */
int signal_from_text(const char *text);

#endif
