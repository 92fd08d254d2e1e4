/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe: tries to get out of the jail, from inside vrun-vmm, as code would that a guest has
 * smuggled in. Linked into build/probe/vrun-vmm only; $VRUN_JAIL_PROBE says what to do.
 *
 *   attempts   everything in the table below, in a thread of each role, and one line each:
 *              "ROLE WHAT: trapped", "ROLE WHAT: EPERM", … or "ROLE WHAT: ESCAPED". Those that harm
 *              nobody are tried before the jail too ("before WHAT: …"), to show that they can succeed.
 *   violate    one call outside of the list, with nothing to soften it: the process is killed
 */
#include "vmm/jail/internal.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

enum { FDS_MAX = 1024 };

static _Thread_local bool probing;
static _Thread_local int trapped; /* the last call of that kind, or -1 */

bool jail_probe_trapped(int number, long *ret_result)
{
	if (!probing)
		return false;
	trapped = number;
	*ret_result = -EPERM;
	return true;
}

/* dprintf() asks where the file is, which not every thread may. */
__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	char line[256];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (len > 0 && write(STDERR_FILENO, line, (size_t)len) < 0)
		_exit(2);
}

/* --- Attempts: 0 or more when they succeed, else -1 and errno --- */

static long host_etc(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static long host_proc(void)
{
	return open("/proc/1/root/etc/passwd", O_RDONLY | O_CLOEXEC);
}

/* Upwards from whatever is open. The root of the jail is there, and it is empty. */
static long above_descriptors(void)
{
	static const char *const paths[] = {
		"../../../../../../../../etc/passwd",
		"../../../../../../../../../../../../proc/1/root/etc/passwd",
		"../1/root/etc/passwd",
		"../../1/status",
		"../../sys/kernel/core_pattern",
	};

	for (int fd = 0; fd < FDS_MAX; fd++) {
		for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
			int got = openat(fd, paths[i], O_RDONLY | O_CLOEXEC);

			if (got >= 0) {
				char link[64], target[256] = "";

				snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
				if (readlink(link, target, sizeof(target) - 1) < 0)
					snprintf(target, sizeof(target), "?");
				say("probe: descriptor %d (%s), %s\n", fd, target, paths[i]);
				return got;
			}
		}
	}
	return -1;
}

/* Through /proc/self/fd, by which the server reaches its own descriptors; its number is not known here. */
static long another_process(void)
{
	for (int fd = 0; fd < FDS_MAX; fd++) {
		int got = openat(fd, "../environ", O_RDONLY | O_CLOEXEC);

		if (got >= 0)
			return got;
	}
	return -1;
}

/* "shocker": the root of a share's file system by its handle, inode 2 on ext4. */
static long by_handle(void)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + 8];
	} u = { .h = { .handle_bytes = 8, .handle_type = 1 } };
	const uint32_t root_of_ext4[2] = { 2, 0 };

	memcpy(u.h.f_handle, root_of_ext4, sizeof(root_of_ext4));
	for (int fd = 3; fd < FDS_MAX; fd++) {
		int got = open_by_handle_at(fd, &u.h, O_PATH | O_CLOEXEC);

		if (got >= 0)
			return got;
		if (trapped >= 0)
			return -1;
	}
	return -1;
}

static long kill_init(void)
{
	return kill(1, 0);
}

static long kill_parent(void)
{
	return kill(getppid(), 0);
}

static long thread_of_init(void)
{
	return syscall(SYS_tgkill, 1, 1, 0);
}

static long pidfd_of_init(void)
{
	return syscall(SYS_pidfd_open, 1, 0);
}

static long signal_by_fcntl(void)
{
	return fcntl(0, F_SETOWN, 1);
}

static long memory_of_parent(void)
{
	char byte;
	struct iovec local = { &byte, 1 }, remote = { (void *)0x400000, 1 };

	return process_vm_readv(getppid(), &local, 1, &remote, 1, 0);
}

static long trace_parent(void)
{
	return ptrace(PTRACE_SEIZE, getppid(), NULL, NULL);
}

static long socket_inet(void)
{
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static long socket_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static long socket_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
}

static long socket_vsock(void)
{
	return socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static long do_mount(void)
{
	return mount("none", "/", "tmpfs", 0, NULL);
}

static long do_open_tree(void)
{
	return open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE);
}

static long do_fsopen(void)
{
	return fsopen("proc", 0);
}

static long do_umount(void)
{
	return umount2("/0", MNT_DETACH);
}

static long do_chroot(void)
{
	return chroot("/");
}

static long do_bpf(void)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };

	return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

static long do_kexec(void)
{
	return syscall(SYS_kexec_load, 0, 0, NULL, 0);
}

static long load_module(void)
{
	return syscall(SYS_init_module, "", 0, "");
}

static long enter_namespace(void)
{
	return setns(0, 0);
}

static long new_user_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static long new_process(void)
{
	long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);

	if (pid == 0)
		_exit(0);
	return pid;
}

static long execute(void)
{
	char *const argv[] = { NULL };

	return execve("/0/bin/sh", argv, argv);
}

static long new_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static long code_of_data(void)
{
	static char page[8192] __attribute__((aligned(4096)));

	return mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static long other_handler(void)
{
	return signal(SIGSYS, SIG_IGN) == SIG_ERR ? -1 : 0;
}

static long get_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1);
}

static long become_nobody(void)
{
	return syscall(SYS_setresuid, 65534, 65534, 65534);
}

static long type_for_others(void)
{
	return ioctl(0, TIOCSTI, "x");
}

static long other_ioctl(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };

	return ioctl(0, SIOCGIFFLAGS, &ifr);
}

static long ring(void)
{
	char params[120] = "";

	return syscall(SYS_io_uring_setup, 4, params);
}

static long performance(void)
{
	struct perf_event_attr attr = { .size = sizeof(attr), .type = PERF_TYPE_SOFTWARE };

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static long faults(void)
{
	return syscall(SYS_userfaultfd, O_CLOEXEC);
}

static long keyring(void)
{
	return syscall(SYS_add_key, "user", "vrun", "x", 1, -1);
}

static long ports(void)
{
	return syscall(SYS_iopl, 3);
}

static long clock_change(void)
{
	return syscall(SYS_settimeofday, NULL, NULL);
}

/* In the jail's root and outside of the shares. */
static long new_file(void)
{
	return open("/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static const struct attempt {
	const char *name;
	long (*fn)(void);
	bool harmless; /* may be tried without a jail */
} attempts[] = {
	{ "open /etc/passwd", host_etc, true },
	{ "open /proc/1/root/etc/passwd", host_proc, true },
	{ "open something above a descriptor", above_descriptors, true },
	{ "open another process's files", another_process },
	{ "open a file by its handle", by_handle, true },
	{ "make a file in the root", new_file },
	{ "signal process 1", kill_init, true },
	{ "signal the parent", kill_parent, true },
	{ "signal a thread of process 1", thread_of_init, true },
	{ "a pidfd of process 1", pidfd_of_init, true },
	{ "signals by F_SETOWN", signal_by_fcntl },
	{ "read the parent's memory", memory_of_parent },
	{ "ptrace the parent", trace_parent },
	{ "an internet socket", socket_inet, true },
	{ "a unix socket", socket_unix, true },
	{ "a netlink socket", socket_netlink, true },
	{ "a vsock socket", socket_vsock },
	{ "mount", do_mount },
	{ "open_tree", do_open_tree, true },
	{ "fsopen", do_fsopen, true },
	{ "umount", do_umount },
	{ "chroot", do_chroot, true },
	{ "bpf", do_bpf, true },
	{ "kexec_load", do_kexec },
	{ "init_module", load_module },
	{ "setns", enter_namespace },
	{ "a new user namespace", new_user_namespace },
	{ "a new process", new_process },
	{ "execve", execute },
	{ "executable memory", new_code, true },
	{ "data made executable", code_of_data, true },
	{ "another handler of SIGSYS", other_handler },
	{ "being dumpable", get_dumpable },
	{ "another uid", become_nobody },
	{ "ioctl TIOCSTI", type_for_others },
	{ "ioctl SIOCGIFFLAGS", other_ioctl },
	{ "io_uring", ring },
	{ "perf_event_open", performance, true },
	{ "userfaultfd", faults },
	{ "add_key", keyring },
	{ "iopl", ports },
	{ "settimeofday", clock_change },
};

static void try_all(const char *who, bool harmless)
{
	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		const struct attempt *a = &attempts[i];
		long r;

		if (harmless && !a->harmless)
			continue;
		trapped = -1;
		errno = 0;
		r = a->fn();
		say("probe: %s %s: %s\n", who, a->name,
			r >= 0	       ? "ESCAPED"
			: trapped >= 0 ? "trapped"
				       : strerrorname_np(errno));
		/* Not to be found by a later attempt. */
		if (r > STDERR_FILENO && a->fn != new_process)
			close((int)r);
	}
}

static void *vcpu_main(void *arg)
{
	int r = jail_thread_enter(JAIL_ROLE_VCPU);

	(void)arg;
	if (r < 0) {
		say("probe: vCPU: its list can't be loaded: %s\n", strerrorname_np(-r));
		return NULL;
	}
	probing = true;
	try_all("vCPU", false);
	return NULL;
}

static void *files_main(void *arg)
{
	probing = true;
	try_all("files", false);
	return arg;
}

/* Before main(): what can be done without a jail. */
__attribute__((constructor)) static void before(void)
{
	const char *what = getenv("VRUN_JAIL_PROBE");

	if (what && strcmp(what, "attempts") == 0)
		try_all("before", true);
}

void jail_probe_entered(void)
{
	const char *what = getenv("VRUN_JAIL_PROBE");
	pthread_t thread;
	int r;

	if (!what)
		return;
	if (strcmp(what, "violate") == 0)
		ptrace(PTRACE_SEIZE, 1, NULL, NULL);
	if (strcmp(what, "attempts") != 0)
		return;
	for (unsigned role = 0; role < JAIL_ROLES; role++)
		say("probe: %s: %u system calls\n", jail_role_name((enum jail_role)role),
			jail_syscalls((enum jail_role)role));
	probing = true;
	try_all("loop", false);
	probing = false;
	/* Started as vCPUs and workers are. */
	r = pthread_create(&thread, NULL, vcpu_main, NULL);
	if (r == 0)
		pthread_join(thread, NULL);
	else
		say("probe: no vCPU thread: %s\n", strerrorname_np(r));
	r = jail_thread_create_worker(&thread, NULL, files_main, NULL);
	if (r == 0)
		pthread_join(thread, NULL);
	else
		say("probe: no worker: %s\n", strerrorname_np(-r));
}
