/* SPDX-License-Identifier: Apache-2.0 */
/* internal: what the files of the jail share. */
#ifndef VRUN_VMM_JAIL_INTERNAL_H
#define VRUN_VMM_JAIL_INTERNAL_H

#include "vmm/jail/jail.h"

#include <linux/filter.h>
#include <stdint.h>

/* Of all mounts of shares. */
#define JAIL_SHARE_ATTRIBUTES (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

enum { JAIL_NAMES = 512 }; /* system calls that a violation can name */

/* --- root.c --- */

/* Own mount, IPC and UTS namespaces; nothing of ours reaches the host's mounts. */
int jail_root_new(struct err *err);
/*
 * A detached copy of what `fd` is, to be attached later; `submounts`: with the mounts below it, now and
 * later. `attributes`: MOUNT_ATTR_* for all of it. The descriptor, or -errno.
 */
int jail_root_copy(int fd, bool submounts, uint64_t attributes);
/*
 * Make `fds`, each from jail_root_copy(), all that there is; numbered as they come. The namespace's
 * own root is `view`. `ret_proc`: as of jail_enter().
 */
int jail_root_enter(const int *fds, size_t n, const struct vm_view *view, int *ret_proc, struct err *err);
/* In parts, each 0 or a descriptor, or -errno: an empty tmpfs, nowhere yet. */
int jail_root_empty(void);
/* A read-only directory that *ret_server, non-blocking, answers for: FUSE. Where /dev/fuse can be opened. */
int jail_root_served(int *ret_server);
/* One whose server has gone: in it everything fails, listing it too. */
int jail_root_gone(void);
/* Put a mount on top of the root: paths still start at what is below, and who comes in starts on top. */
int jail_root_cover(int fd);
/* Both. */
int jail_root_tmpfs(void);
/* Such a one, read-only, to show. */
int jail_root_show_nothing(void);
/* Read-only from now on. */
int jail_root_seal(int fd);
/* All that there is. */
int jail_root_pivot(int fd);

/* --- view.c --- */

/*
 * `gone`: jail_root_gone(), `proc`: jail_root_served(); or -errno. `shares`: those that the places number,
 * attached.
 */
int jail_view_show(const struct vm_view *view, int gone, int proc, const int *shares);

/* --- caps.c --- */

/* Nothing can be gained any more: bounding set, securebits, groups, no_new_privs. */
int jail_caps_lock(void);
/* The calling thread's, permitted and effective. */
int jail_caps_set(uint64_t caps);
uint64_t jail_caps_for(enum jail_files files);
/* RLIMIT_CORE, and nobody looks into us. */
int jail_no_dumps(void);

/* --- filters.c, of what syscalls.c makes --- */

/* Stands in the filters for the process's id, which is not known when they are made. */
#define JAIL_PID_PLACEHOLDER 0x5a1dface

/* Before the first is loaded. */
void jail_syscalls_prepare(void);
/* Load a role's filter into the calling thread. */
int jail_syscalls_load(enum jail_role role);
/* NULL: there is none. From a signal handler, too. */
const char *jail_syscalls_name(int number);
/* Never allowed and never used: the filter kills the process for it. */
_Noreturn void jail_syscalls_die(void);

/* --- violation.c --- */

/* The handler, for the whole process. */
int jail_violation_install(jail_violation_fn fn, void *ctx, struct err *err);
/* Let it come in this thread, and say which role that is. */
void jail_violation_thread(enum jail_role role);

/*
 * --- Test builds only (tests/jail/probe.c); not defined in the product ---
 * Called in the first thread when the process is confined, to try what it should not be able to. In a
 * thread that does so a trapped call fails and nobody is killed: true, *ret_result is what it returns.
 */
void jail_probe_entered(void) __attribute__((weak));
bool jail_probe_trapped(int number, long *ret_result) __attribute__((weak));

#endif
