/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syscalls: what each role may ask of the host's kernel, and why. A program of the build: it has
 * libseccomp make the filters, and prints them as C, which filters.c includes. So vrun-vmm needs neither time nor
 * memory for that when it starts, and does not depend on what the library does when there is none.
 *
 * An entry without an argument allows the call with any; several entries of one call
 * with an argument are alternatives. Arguments are compared in the bits that the kernel
 * looks at. Not here: whatever names another process, makes a socket, mounts, executes,
 * changes a signal's handler, makes memory executable or opens a file by its handle.
 */
#include "vmm/jail/internal.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <linux/vhost.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum {
	LOOP = 1 << JAIL_ROLE_LOOP,
	VCPU = 1 << JAIL_ROLE_VCPU,
	FILES = 1 << JAIL_ROLE_FILES,
	ALL = LOOP | VCPU | FILES,
};

struct entry {
	int call;
	unsigned roles;
	/* When `mask` is set: only with argument `arg`, masked, of this value. */
	unsigned arg;
	uint64_t mask, value;
};

#define ANY(name, roles) { SCMP_SYS(name), roles, 0, 0, 0 }
#define ARG(name, roles, arg, mask, value) { SCMP_SYS(name), roles, arg, mask, value }
#define BITS32 0xffffffffULL
#define IOCTL(request, roles) ARG(ioctl, roles, 1, BITS32, (uint32_t)(request))
#define FCNTL(command, roles) ARG(fcntl, roles, 1, BITS32, (uint32_t)(command))

/* clang-format off: a table */
static const struct entry entries[] = {
	/* --- Every thread: memory --- */
	ARG(mmap, ALL, 2, PROT_EXEC, 0),	/* malloc, stacks, a front-end's memory regions; never code */
	ARG(mprotect, ALL, 2, PROT_EXEC, 0),	/* malloc's arenas, a stack's guard page */
	ANY(munmap, ALL), ANY(mremap, ALL), ANY(brk, ALL),
	ANY(madvise, ALL),			/* a thread's stack as it ends; malloc */

	/* --- Every thread: its own life, and waiting for others --- */
	ANY(futex, ALL),
	ANY(rt_sigprocmask, ALL),		/* the C library, around the making and the end of threads */
	ANY(rt_sigreturn, ALL),			/* from the vCPUs' kick; from a stopped process */
	ANY(restart_syscall, ALL),		/* after SIGSTOP and SIGCONT */
	ANY(set_robust_list, ALL), ANY(rseq, ALL),	/* the C library in a new thread */
	ANY(gettid, ALL), ANY(getpid, ALL),
	ANY(exit, ALL), ANY(exit_group, ALL),
	ANY(sched_yield, ALL),
	ANY(sched_getaffinity, ALL),		/* malloc: how many arenas */
	ANY(getrandom, ALL),			/* the C library's hash and malloc seeds */
	ANY(clock_gettime, ALL),		/* where the vDSO can't tell the time by itself */
	ANY(clock_nanosleep, ALL),
	ARG(prctl, ALL, 0, BITS32, PR_SET_NAME),
	ARG(seccomp, ALL, 0, BITS32, SECCOMP_SET_MODE_FILTER),	/* a new thread's own list, within this one */

	/* --- Every thread: descriptors that are there --- */
	ANY(read, ALL), ANY(write, ALL),	/* eventfds, pipes; log lines */
	ANY(close, ALL),
	ANY(pwrite64, ALL),			/* the status file, from a violation too; files */
	ARG(sendto, ALL, 4, UINT64_MAX, 0),	/* where it is connected: a console's reader, a violation */
	ANY(poll, ALL), ANY(ppoll, ALL),	/* is an interrupt or a stream's byte there? */

	/* --- Threads are made by the loop (vCPUs) and by the file server's workers --- */
	ARG(clone, LOOP | FILES, 0, CLONE_THREAD, CLONE_THREAD),

	/* --- The loop --- */
	ANY(epoll_wait, LOOP | FILES), ANY(epoll_pwait, LOOP | FILES),
	ANY(epoll_ctl, LOOP), ANY(timerfd_create, LOOP), ANY(timerfd_settime, LOOP),
	ANY(eventfd2, LOOP),			/* a queue that is started */
	ANY(accept4, LOOP),			/* commands, at the control socket; QEMU */
	ANY(recvmsg, LOOP), ANY(sendmsg, LOOP), ANY(recvfrom, LOOP),
	ANY(shutdown, LOOP),			/* a stream's end */
	ANY(getsockopt, LOOP),			/* whose process is it? what kind of socket? */
	ANY(readv, LOOP), ANY(writev, LOOP),	/* frames, streams */
	ANY(pread64, LOOP | FILES),		/* counters; files */
	ANY(memfd_create, LOOP), ANY(ftruncate, LOOP | FILES),	/* an answer too long for a message; truncate */
	ANY(lseek, LOOP | FILES),
	ANY(dup2, LOOP), ANY(dup3, LOOP),	/* standard streams to /dev/null; a queue's call descriptor */
	ANY(fstatfs, LOOP | FILES),		/* a front-end's memory: of huge pages? */
	/* The C library's fstat(). Paths lead nowhere. */
	ARG(newfstatat, LOOP, 3, AT_EMPTY_PATH, AT_EMPTY_PATH), ANY(fstat, LOOP | FILES),
	FCNTL(F_GETFL, LOOP | FILES), FCNTL(F_SETFL, LOOP), FCNTL(F_GETFD, LOOP), FCNTL(F_SETFD, LOOP),
	FCNTL(F_DUPFD_CLOEXEC, LOOP | FILES),
	FCNTL(F_ADD_SEALS, LOOP), FCNTL(F_GET_SEALS, LOOP),	/* memory that QEMU must not shrink */
	ANY(waitid, LOOP), ANY(pidfd_send_signal, LOOP),	/* QEMU, by the one pidfd there is */

	/* --- KVM: a queue's notifications, an interrupt's route; the machine's run --- */
	IOCTL(KVM_IOEVENTFD, LOOP | VCPU), IOCTL(KVM_IRQFD, LOOP | VCPU),
	IOCTL(KVM_SET_GSI_ROUTING, LOOP | VCPU),
	IOCTL(KVM_SET_USER_MEMORY_REGION, LOOP | VCPU),	/* registers that are read without an exit, where the guest has put them */
	IOCTL(KVM_KVMCLOCK_CTRL, LOOP),		/* after a pause */
	IOCTL(KVM_RUN, VCPU),
	IOCTL(KVM_GET_REGS, VCPU), IOCTL(KVM_GET_SREGS, VCPU),	/* a crash is told with the registers */

	/* --- The network: offloads and queues as the guest negotiates them; vhost-net --- */
	IOCTL(TUNSETOFFLOAD, LOOP), IOCTL(TUNSETQUEUE, LOOP), IOCTL(TUNSETVNETHDRSZ, LOOP),
	IOCTL(TUNSETVNETLE, LOOP), IOCTL(TUNGETIFF, LOOP),
	IOCTL(VHOST_GET_FEATURES, LOOP), IOCTL(VHOST_SET_FEATURES, LOOP), IOCTL(VHOST_SET_MEM_TABLE, LOOP),
	IOCTL(VHOST_SET_VRING_NUM, LOOP), IOCTL(VHOST_SET_VRING_BASE, LOOP), IOCTL(VHOST_GET_VRING_BASE, LOOP),
	IOCTL(VHOST_SET_VRING_ADDR, LOOP), IOCTL(VHOST_SET_VRING_KICK, LOOP),
	IOCTL(VHOST_SET_VRING_CALL, LOOP), IOCTL(VHOST_SET_VRING_ERR, LOOP),
	IOCTL(VHOST_NET_SET_BACKEND, LOOP),

	/* --- Terminals: is a stream one, its size, and leaving it --- */
	IOCTL(TCGETS, LOOP), IOCTL(TIOCGPTN, LOOP), IOCTL(TIOCGWINSZ, LOOP), IOCTL(TIOCNOTTY, LOOP),

	/* --- Files: below descriptors of the shares --- */
	ANY(openat, FILES), ANY(statx, FILES), ANY(newfstatat, FILES),
	ANY(readlinkat, FILES), ANY(getdents64, FILES),
	ANY(mkdirat, FILES), ANY(mknodat, FILES), ANY(symlinkat, FILES), ANY(linkat, FILES),
	ANY(unlinkat, FILES), ANY(renameat, FILES), ANY(renameat2, FILES),
	ANY(fchmodat, FILES), ANY(fchownat, FILES), ANY(utimensat, FILES),
	ANY(preadv, FILES), ANY(pwritev, FILES), ANY(preadv2, FILES), ANY(pwritev2, FILES),
	ANY(fallocate, FILES), ANY(copy_file_range, FILES),
	ANY(fsync, FILES), ANY(fdatasync, FILES), ANY(syncfs, FILES),
	/* By path, which is that of a descriptor in /proc/self/fd, the worker's directory. */
	ANY(getxattr, FILES), ANY(setxattr, FILES), ANY(listxattr, FILES), ANY(removexattr, FILES),
	ANY(flock, FILES), FCNTL(F_OFD_SETLK, FILES), FCNTL(F_OFD_GETLK, FILES),	/* locks that others see */
	/* A worker has a umask and a directory of its own, and makes files as the guest's user. */
	ARG(unshare, FILES, 0, UINT64_MAX, CLONE_FS), ANY(fchdir, FILES), ANY(umask, FILES),
	ANY(setfsuid, FILES), ANY(setfsgid, FILES), ANY(geteuid, FILES), ANY(getegid, FILES),
	ANY(capget, FILES), ANY(capset, FILES),	/* without CAP_FSETID a write clears set-user-ID bits */
	ARG(prctl, FILES, 0, BITS32, PR_GET_SECUREBITS),

#ifdef __SANITIZE_ADDRESS__
	/* --- The sanitizers' runtime, in test builds: threads, and its report --- */
	ANY(sigaltstack, ALL), ANY(prlimit64, ALL), ANY(openat, ALL), ANY(readlink, ALL), ANY(uname, ALL),
	ANY(newfstatat, ALL), ANY(lseek, ALL), ANY(getuid, ALL), ANY(ioctl, ALL), ANY(process_vm_readv, ALL),
#endif
};
/* clang-format on */

/* Whose entries a role has. A vCPU's thread is made by the loop: its list comes on top of the loop's. */
static unsigned roles_of(enum jail_role role)
{
	return role == JAIL_ROLE_LOOP ? LOOP | VCPU : 1U << role;
}

static unsigned count_calls(enum jail_role role)
{
	unsigned n = 0, roles = roles_of(role);

	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		bool seen = false;

		for (size_t k = 0; k < i && !seen; k++)
			seen = entries[k].call == entries[i].call && (entries[k].roles & roles);
		n += (entries[i].roles & roles) && !seen;
	}
	/* And tgkill, below. */
	return n + (role != JAIL_ROLE_FILES);
}

static int add_entries(scmp_filter_ctx ctx, unsigned roles)
{
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		const struct entry *e = &entries[i];
		const struct scmp_arg_cmp cmp = { e->arg, SCMP_CMP_MASKED_EQ, e->mask, e->value };
		int r;

		if (!(e->roles & roles))
			continue;
		r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, e->call, e->mask ? 1 : 0, &cmp);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_special(scmp_filter_ctx ctx, unsigned role)
{
	const struct scmp_arg_cmp us = { 0, SCMP_CMP_MASKED_EQ, BITS32, JAIL_PID_PLACEHOLDER };
	/* Its arguments are in memory, where a filter can't look: the C library takes clone() then. */
	int r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, NULL);

#ifndef __SANITIZE_ADDRESS__
	const struct scmp_arg_cmp quiet_open[] = {
		{ 0, SCMP_CMP_MASKED_EQ, BITS32, (uint32_t)AT_FDCWD },
		{ 2, SCMP_CMP_MASKED_EQ, BITS32, O_RDONLY | O_CLOEXEC },
	};

	/*
	 * malloc gives memory back after a look at /proc/sys/vm/overcommit_memory, the first time anywhere. It
	 * does not mind when there is none, and in the jail there is none.
	 */
	if (r == 0 && !(role & FILES))
		r = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(ENOENT), SCMP_SYS(openat), 2, quiet_open);
#endif
	/* jail_syscalls_die() */
	if (r == 0)
		r = seccomp_rule_add_array(ctx, SCMP_ACT_KILL_PROCESS, SCMP_SYS(vserver), 0, NULL);
	/* A vCPU is called out of KVM_RUN by a signal; abort(). */
	if (r == 0 && (role & (LOOP | VCPU)))
		r = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &us);
	return r;
}

/* libseccomp writes to a descriptor. */
static int print_filter(scmp_filter_ctx ctx)
{
	FILE *f = tmpfile();
	struct sock_filter op;
	int r = f ? seccomp_export_bpf(ctx, fileno(f)) : -errno;

	if (r == 0)
		rewind(f);
	while (r == 0 && fread(&op, sizeof(op), 1, f) == 1)
		printf("\t{ %#x, %u, %u, %#x },\n", op.code, op.jt, op.jf, op.k);
	if (f)
		fclose(f);
	return r;
}

static int print_role(enum jail_role role)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	int r = -ENOMEM;

	printf("static struct sock_filter filter_%d[] = {\n", (int)role);
	if (ctx)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* A binary tree: about nine comparisons for each call. */
	if (ctx && r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (ctx && r == 0)
		r = add_entries(ctx, roles_of(role));
	if (ctx && r == 0)
		r = add_special(ctx, roles_of(role));
	if (ctx && r == 0)
		r = print_filter(ctx);
	printf("};\nenum { CALLS_%d = %u };\n", (int)role, count_calls(role));
	seccomp_release(ctx);
	return r;
}

static void print_names(void)
{
	printf("static const char *const names[] = {\n");
	for (int i = 0; i < JAIL_NAMES; i++) {
		_cleanup_free_ char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, i);

		if (name)
			printf("\t[%d] = \"%s\",\n", i, name);
	}
	printf("};\n");
}

int main(void)
{
	for (unsigned role = 0; role < JAIL_ROLES; role++) {
		int r = print_role((enum jail_role)role);

		if (r < 0) {
			fprintf(stderr, "system calls of role %u: %s\n", role, strerror(-r));
			return 1;
		}
	}
	print_names();
	return fflush(stdout) == 0 ? 0 : 1;
}
