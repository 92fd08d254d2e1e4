/* SPDX-License-Identifier: Apache-2.0 */
/* modules: load the kernel modules that the initramfs brings, in the order of its list. */
#ifndef VRUN_AGENT_MODULES_H
#define VRUN_AGENT_MODULES_H

/*
 * `list` has a path a line. The files are removed once loaded, as an initramfs
 * is memory. A kernel without modules has no such file: nothing is done. What
 * goes wrong is said on the console; what needs the module will fail later, with
 * a message of its own.
 */
void modules_load(const char *list);

#endif
