/* SPDX-License-Identifier: Apache-2.0 */
/* signals: what a child gives back before it runs somebody else's program, and what is passed on to a container. */
#ifndef VRUN_BASE_SIGNALS_H
#define VRUN_BASE_SIGNALS_H

#include <signal.h>

/*
 * All signals to their defaults, none blocked. Also 32 and 33, which libc keeps for itself and does not let anybody
 * name: who started us may have had them ignored, and execve() passes that on. Async-signal-safe.
 */
void signals_reset(void);

/*
 * All that can be caught but those of ourselves (SIGCHLD, SIGURG, and faults of our own code): as with runc, what a
 * user types at a command in the foreground is meant for the container.
 */
void signals_forwarded(sigset_t *ret);

#endif
