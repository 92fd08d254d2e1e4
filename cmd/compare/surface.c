/* SPDX-License-Identifier: Apache-2.0 */
/*
 * surface: what stands between the container's code and the host's kernel, and what
 * is in hand once that is crossed. See compare.h.
 *
 * Behind a namespace container stands the container's own process; behind a VM, vrun-vmm and what it
 * started (QEMU, on that engine): a guest has to take one of them over before it makes its first system
 * call on the host.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "cmd/compare/compare.h"
#include "runtime/undertaker.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRACE_LIMIT = 90, STATUS_MAX = 1 << 16 };

/* The worst of all processes behind one container. */
struct behind {
	size_t processes, threads;
	size_t aside; /* processes that the container does not reach */
	int capabilities; /* of the most privileged */
	bool uid_zero, new_privs, filtered;
	int namespaces; /* other than the host's; of the process that has the fewest */
	long devices; /* of the host, open */
	struct syscall_set allowed, used;
};

static unsigned long long status_hex(const char *status, const char *key)
{
	const char *line = strstr(status, key);

	return line ? strtoull(line + strlen(key), NULL, 16) : 0;
}

static unsigned long status_number(const char *status, const char *key)
{
	const char *line = strstr(status, key);

	return line ? strtoul(line + strlen(key), NULL, 10) : 0;
}

static int own_namespaces(pid_t pid)
{
	static const char *const names[] = { "cgroup", "ipc", "mnt", "net", "pid", "user", "uts" };
	int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char theirs[64], host[64];
		struct stat a, b;

		snprintf(theirs, sizeof(theirs), "/proc/%d/ns/%s", pid, names[i]);
		snprintf(host, sizeof(host), "/proc/self/ns/%s", names[i]);
		n += stat(theirs, &a) == 0 && stat(host, &b) == 0 && a.st_ino != b.st_ino;
	}
	return n;
}

/* Device nodes beyond null, zero and their like (major 1) and terminals. */
static long open_devices(pid_t pid)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *e;
	char path[64];
	long n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		struct stat st;

		if (fstatat(dirfd(dir), e->d_name, &st, 0) < 0 ||
		    (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode)))
			continue;
		n += S_ISBLK(st.st_mode) || (st.st_rdev >> 8 != 1 && (st.st_rdev >> 8) < 128);
	}
	return n;
}

/* It waits outside of the wall, for the end: what is in the container has no way to it. */
static bool is_undertaker(pid_t pid)
{
	_cleanup_free_ char *comm = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	return file_read(AT_FDCWD, path, STATUS_MAX, &comm, NULL) == 0 && !strcmp(comm, UNDERTAKER_COMM "\n");
}

/* Of the thread that has the most: threads that serve files have some that others gave up. */
static int capabilities(pid_t pid)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *e;
	char path[64];
	int most = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		_cleanup_free_ char *status = NULL;
		char name[64];
		int n;

		snprintf(name, sizeof(name), "%.20s/status", e->d_name);
		if (e->d_name[0] == '.' || file_read(dirfd(dir), name, STATUS_MAX, &status, NULL) < 0)
			continue;
		n = __builtin_popcountll(status_hex(status, "\nCapEff:"));
		most = n > most ? n : most;
	}
	return most;
}

static void add_process(struct behind *b, pid_t pid)
{
	_cleanup_free_ char *status = NULL;
	char path[64];
	int caps, ns;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (file_read(AT_FDCWD, path, STATUS_MAX, &status, NULL) < 0)
		return;
	caps = capabilities(pid);
	ns = own_namespaces(pid);
	b->capabilities = caps > b->capabilities ? caps : b->capabilities;
	b->namespaces = b->processes == 0 || ns < b->namespaces ? ns : b->namespaces;
	b->uid_zero |= status_number(status, "\nUid:") == 0;
	b->new_privs |= status_number(status, "\nNoNewPrivs:") == 0;
	b->threads += status_number(status, "\nThreads:");
	b->devices += open_devices(pid);
	b->processes++;
}

static int look(struct compare *c, enum side side, struct behind *ret, struct err *err)
{
	_cleanup_live_ struct live live = { .id = "" };
	pid_t pids[LIVE_PIDS];
	size_t all, n = 0;
	int r;

	compare_progress(c, "%s: the processes behind a container", c->stacks[side].name);
	r = live_idle(c, side, &live, pids, &all, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < all; i++) {
		if (is_undertaker(pids[i]))
			continue;
		add_process(ret, pids[i]);
		pids[n++] = pids[i];
	}
	ret->aside = all - n;
	return filters_read(pids, n, &ret->allowed, &ret->filtered, err);
}

static int go(void *ctx, struct err *err)
{
	return live_start(ctx, err);
}

static int trace(struct compare *c, enum side side, struct behind *ret, struct err *err)
{
	static const char *const args[] = { "work", PROBE_SCRATCH, NULL };
	_cleanup_live_ struct live live = { .id = "" };
	int r;

	compare_progress(c, "%s: counting system calls of a small program", c->stacks[side].name);
	r = live_create(c, &c->stacks[side], side == SIDE_NS ? "work-ns" : "work-vm",
			&(struct bundle_change){ .args = args }, false, &live, err);
	if (r == 0)
		r = trace_calls(live.pid, side == SIDE_NS, go, &live, TRACE_LIMIT, &ret->used, err);
	if (r == 0)
		r = live_wait_for(&live, "work done", 5, err);
	return r;
}

static void add_reach(struct group *group, const struct behind b[SIDES])
{
	struct row *allowed =
		report_add(group, "syscalls.allowed", "Host system calls within reach",
			   "what the seccomp filters of the host processes permit, read back by ptrace(2)");
	struct row *used = report_add(
		group, "syscalls.used", "Host system calls used",
		"distinct ones, traced from start to end of the same small program; a VM boots in it");
	struct row *calls =
		report_add(group, "syscalls.calls", "Calls made meanwhile", "each enters the host's kernel");

	allowed->better = used->better = BETTER_LOWER;
	for (int s = 0; s < SIDES; s++) {
		int n = syscall_count(&b[s].allowed);

		cell_number(&allowed->cells[s], b[s].filtered ? MOOD_APART : MOOD_SHARED, n);
		cell_number(&used->cells[s], MOOD_PLAIN, syscall_count(&b[s].used));
		cell_number(&calls->cells[s], MOOD_PLAIN, (double)b[s].used.calls);
	}
}

static void add_hand(struct group *group, const struct behind b[SIDES])
{
	struct row *processes = report_add(
		group, "behind.processes", "Host processes behind a container",
		"those that what it does reaches; vrun's undertaker, if there is one, only waits for their end");
	struct row *caps = report_add(group, "behind.capabilities", "Their capabilities on the host",
				      "of the most privileged thread");
	struct row *uid = report_add(group, "behind.uid", "Their user on the host", NULL);
	struct row *nnp =
		report_add(group, "behind.no_new_privs", "May gain privileges by exec", "no_new_privs");
	struct row *ns = report_add(group, "behind.namespaces", "Namespaces of their own",
				    "of seven; of the least confined one");
	struct row *devices = report_add(group, "behind.devices", "Host devices they hold open",
					 "/dev/kvm, /dev/net/tun and the like");

	caps->better = BETTER_LOWER;
	for (int s = 0; s < SIDES; s++) {
		cell_text(&processes->cells[s], MOOD_PLAIN, "%zu, of %zu thread%s%s", b[s].processes,
			  b[s].threads, b[s].threads == 1 ? "" : "s",
			  b[s].aside ? "; and one that waits" : "");
		cell_number(&caps->cells[s], MOOD_PLAIN, b[s].capabilities);
		cell_text(&uid->cells[s], b[s].uid_zero ? MOOD_SHARED : MOOD_APART, "%s",
			  b[s].uid_zero ? "root" : "not root");
		cell_text(&nnp->cells[s], b[s].new_privs ? MOOD_SHARED : MOOD_APART, "%s",
			  b[s].new_privs ? "yes" : "no");
		cell_number(&ns->cells[s], MOOD_PLAIN, b[s].namespaces);
		cell_number(&devices->cells[s], MOOD_PLAIN, (double)b[s].devices);
	}
}

/* What of the facts is about reach. */
static void add_inside(const struct compare *c, struct group *group)
{
	struct row *settings = report_add(group, "settings", "Host kernel settings that can be written",
					  "files below /proc/sys and /sys that the process may write");
	struct row *setuid = report_add(group, "setuid", "Setuid programs in the root",
					"what they would gain: root of the kernel that runs them");

	for (int s = 0; s < SIDES; s++) {
		double writable = probe_number(c->facts[s], "settings_writable");

		if (s == SIDE_NS)
			cell_number(&settings->cells[s], writable > 0 ? MOOD_SHARED : MOOD_PLAIN, writable);
		else
			cell_text(&settings->cells[s], MOOD_APART, "0 (and %.0f of its own kernel)",
				  writable);
		cell_text(&setuid->cells[s], MOOD_PLAIN, "%.0f%s, %s", probe_number(c->facts[s], "setuid"),
			  probe_number(c->facts[s], "no_new_privs") > 0 ? ", without effect (no_new_privs)"
									: "",
			  s == SIDE_NS ? "on the host's kernel" : "on its own kernel");
	}
}

int compare_surface(struct compare *c, struct group *group, struct err *err)
{
	struct behind b[SIDES] = { { .processes = 0 }, { .processes = 0 } };
	int r;

	*group = (struct group){
		.key = "surface",
		.title = "Attack surface",
		.intro =
			"What of the host's kernel code in the container can reach, and in what process it stands once "
			"it has broken out of its first wall.",
	};
	for (int s = 0; s < SIDES; s++) {
		r = look(c, (enum side)s, &b[s], err);
		if (r == 0)
			r = trace(c, (enum side)s, &b[s], err);
		if (r < 0)
			return r;
		c->report.syscalls[s] = syscall_count(&b[s].allowed);
	}
	add_reach(group, b);
	add_hand(group, b);
	add_inside(c, group);
	return 0;
}
