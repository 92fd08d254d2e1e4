/* SPDX-License-Identifier: Apache-2.0 */
/* signals: what a child gives back before it runs somebody else's program. */
#ifndef VRUN_BASE_SIGNALS_H
#define VRUN_BASE_SIGNALS_H

/*
 * All signals to their defaults, none blocked. Also 32 and 33, which libc keeps for itself and does not let anybody
 * name: who started us may have had them ignored, and execve() passes that on. Async-signal-safe.
 */
void signals_reset(void);

#endif
