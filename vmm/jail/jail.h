/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jail: the second wall. A guest that takes over vrun-vmm by a flaw in a device stands in
 * less than a container: this process, confined before the guest's first instruction.
 *
 * Theory of operation
 *
 * jail_new() gives the process mount, IPC and UTS namespaces of its own; the host's files are
 * still there to be opened. What is opened to be kept is kept so that it leads nowhere:
 * jail_share() gives a private copy of the mount with the directory as its root, so that
 * ".." ends there; jail_open_proc_fd() one of /proc/self/fd. jail_enter() then changes
 * the root to a read-only tmpfs that holds the shares and nothing else, and gives up the rest.
 *
 * This process is the container's on the host, and tools enter the mount namespace of a container's
 * process and expect its files there: podman cp does. So the root of the namespace, in which they are
 * then, is not the process's, but what vm_spec.h's view describes: the container's root, with the
 * other shares where the container has them, and wherever the guest has mounted something of its own
 * a directory in which everything fails, so that nothing is lost below it and it does not seem
 * empty. Where shares are in it, or without FUSE, it is an empty read-only tmpfs.
 *
 * At /proc they look for the container's processes: podman top does. That directory is a FUSE file system,
 * too, read-only and for root alone, but one with a server: jail_enter() hands its descriptor out, and
 * whoever has that answers (runtime/proc_fs.h). It is mounted last, and no path of ours leads there, or we would
 * wait for ourselves. When this process ends, all who wait fail at once. podman top lists /dev and
 * /dev/pts as well: these are empty.
 *
 * What remains, and why
 *
 *   files		the shares, below /N; nosuid, nodev, noexec, and read-only those that the
 *			guest may only read. Descriptors that were opened before: KVM, taps, the
 *			status, timeline and log files, sockets of commands and of the emulator.
 *   namespaces		network: the container's, where vrun-vmm was born. PID: the host's, since
 *			its pid is the container's; no system call is left that reaches a process.
 *   cgroup		the container's on the host.
 *   capabilities	none in the loop's and the vCPUs' threads. Threads that serve files act
 *			for all users of the guest: enum jail_files says with what. Never
 *			CAP_DAC_READ_SEARCH, with which any file of a file system can be
 *			opened by its handle, be it in the share or not.
 *   privileges		no_new_privs, an empty bounding set, securebits locked: nothing brings a
 *			capability back.
 *   limits		RLIMIT_CORE 0 and not dumpable: guest memory gets nowhere by a crash.
 *			RLIMIT_NOFILE is what the guest's open files may use.
 *   system calls	one allow-list a thread role, syscalls.c, built by libseccomp; ioctl, fcntl, prctl, clone and signals
 *			by argument.
 *
 * A system call outside of its list is not carried out. It traps (SECCOMP_RET_TRAP): the
 * handler tells its name to whoever waits and ends the process by one for which the
 * filter has SECCOMP_RET_KILL_PROCESS, so that the parent sees SIGSYS. With KILL_PROCESS at
 * once nobody could name it: only the kernel's log has the number. The handler can't be replaced or
 * blocked: rt_sigaction is in no list, and a blocked SIGSYS kills.
 *
 * Roles are a wall against a bug, not between threads: they share their memory.
 *
 * Needs CAP_SYS_ADMIN, CAP_SETPCAP and Linux 5.12 (mount_setattr). Once in a process; all
 * from its first thread, before it makes others.
 */
#ifndef VRUN_VMM_JAIL_JAIL_H
#define VRUN_VMM_JAIL_JAIL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct err;
struct jail;
struct vm_view;

/* As whom files are served; each has what those before have. */
enum jail_files {
	JAIL_FILES_NONE, /* no shares: no capability */
	JAIL_FILES_READ, /* CAP_DAC_OVERRIDE: whatever its owner and mode; the mounts are read-only */
	/* CAP_CHOWN, FOWNER, FSETID, SETUID, SETGID, MKNOD, SETFCAP: with the guest's owners and modes */
	JAIL_FILES_WRITE,
	/*
	 * CAP_SYS_ADMIN, which trusted.* attributes take: the guest's overlayfs marks what is deleted by
	 * them. In all else that it is good for, the list of system calls stands before it.
	 */
	JAIL_FILES_TRUSTED,
};

/* Which list of system calls a thread has. */
enum jail_role {
	JAIL_ROLE_LOOP, /* devices' state, the agent, commands */
	JAIL_ROLE_VCPU, /* KVM_RUN, registers of devices, interrupts */
	JAIL_ROLE_FILES, /* a file server's worker */
	JAIL_ROLES,
};
const char *jail_role_name(enum jail_role role);

/* Stage 1. -EPERM says what is missing and what to do. */
int jail_new(struct jail **ret, struct err *err);
/* Does not lead out of it. NULL is fine. */
void jail_free(struct jail *jail);

/*
 * The directory or file of the O_PATH descriptor `fd` with the mounts below it, as a descriptor
 * that can be kept. Mounts that the host makes or ends there later are seen. Without `submounts`
 * there is neither. The caller closes both.
 */
int jail_share(struct jail *jail, int fd, bool readonly, bool submounts, struct err *err);

/* --- Without a jail --- */

/*
 * A mount namespace of our own, in which who comes in finds an empty read-only root, and not the host's
 * files; paths of ours lead where they did. -EPERM without CAP_SYS_ADMIN.
 */
int jail_hide_root(void);
/* As jail_share(), to be kept open and nothing more. Or -errno. */
int jail_copy(int fd, bool submounts);
/*
 * An O_PATH descriptor of /proc/self/fd, without a way up where this process may make one (in
 * a jail: always). Or -errno.
 */
int jail_open_proc_fd(void);

/* From a signal handler: `text` is the violation in words. */
typedef void (*jail_violation_fn)(void *ctx, const char *text);

/*
 * Stage 2: the calling thread is the loop's. The numbers of shares in `view` count the calls of jail_share(); without
 * places an empty root is shown. *ret_proc: the descriptor (/dev/fuse, non-blocking) of a server for the view's
 * VM_PLACE_PROC, the caller's; -EBADF: there is none.
 */
int jail_enter(struct jail *jail, enum jail_files files, const struct vm_view *view,
	       jail_violation_fn violation, void *ctx, int *ret_proc, struct err *err);

/* Files of the host can't be opened any more. */
bool jail_entered(void);

/* First thing in a new thread of that role. 0 without a jail. */
int jail_thread_enter(enum jail_role role);
/*
 * pthread_create() for a worker of JAIL_ROLE_FILES, from any thread; the new thread is one already.
 * In a jail its stack is JAIL_WORKER_STACK and all signals are blocked, whatever `attr` and
 * the caller have. Returns -errno.
 */
int jail_thread_create_worker(pthread_t *ret, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
enum { JAIL_WORKER_STACK = 256 << 10 };

/* --- The emulator: a child that the jailed process starts beforehand --- */

struct jail_child {
	const char *program; /* absolute, symlinks resolved */
	const char *const *files; /* what it reads besides; absolute, NULL-terminated */
	bool kvm; /* it needs /dev/kvm */
};

/* For clone(2) in addition to the namespaces of jail_new(), which the child shares: process ids of its own. */
extern const int jail_child_clone_flags;
/*
 * In the child, before it executes its program: a read-only root with that program's installation
 * (/usr and what the dynamic linker reads), `files` and three devices, no capabilities, no_new_privs,
 * no core dumps.
 */
int jail_child_enter(const struct jail_child *child);

/* How many system calls a role may make, whatever their arguments; for tests and documentation. */
unsigned jail_syscalls(enum jail_role role);

#endif
