/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qemu: whether this machine has an emulator for the QEMU engine. The engine
 * itself is reached through vmm/engine.h.
 */
#ifndef VRUN_VMM_QEMU_QEMU_H
#define VRUN_VMM_QEMU_QEMU_H

#include <stddef.h>

struct err;

/*
 * Ask the emulator (`path`, or NULL: qemu-system-x86_64 in $PATH) for its version. 0 with the
 * version's line in `buf`; a message when it is not there, does not run or is too old.
 */
int qemu_probe(const char *path, char *buf, size_t size, struct err *err);

#endif
