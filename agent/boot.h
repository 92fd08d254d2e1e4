/* SPDX-License-Identifier: Apache-2.0 */
/*
 * boot: from the kernel's first execve to a machine that can hold a container.
 * Only in the guest, as PID 1 in the initramfs.
 */
#ifndef VRUN_AGENT_BOOT_H
#define VRUN_AGENT_BOOT_H

struct err;

/* The early file systems, the modules, a root that pivot_root works on, control groups, loopback. */
int boot_prepare(struct err *err);

/* Mount the shares, at AGENT_SHARE_DIR. */
int boot_mount_shares(struct err *err);

/* Have the kernel look for PCI devices that were not there when it booted. */
void boot_find_devices(void);

/*
 * Never returns: reset the machine, which ends it. Nothing is flushed: without
 * a host at the other end that could take for ever.
 */
_Noreturn void boot_end_machine(void);

#endif
