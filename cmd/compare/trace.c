/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace: counts the host's system calls that a container's processes make. See compare.h.
 *
 * A child of ours is the tracer, so that waiting for any tracee takes nobody
 * else's child. It tells by one byte that all threads are seized, and at the end
 * writes the set.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "cmd/compare/compare.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static const long trace_options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
				  PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC;

static int seize_threads(pid_t pid)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *e;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		pid_t tid = atoi(e->d_name);

		if (e->d_name[0] == '.')
			continue;
		if (ptrace(PTRACE_SEIZE, tid, 0, trace_options) < 0 && errno != ESRCH)
			return -errno;
		/* It stops, and goes on from call to call. */
		ptrace(PTRACE_INTERRUPT, tid, 0, 0);
	}
	return dir ? 0 : -ESRCH;
}

static void count_call(pid_t tid, struct syscall_set *set)
{
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	set->calls++;
	if (info.entry.nr < SYSCALLS_MAX)
		set->has[info.entry.nr] = true;
}

static void follow(pid_t main_pid, bool from_exec, struct syscall_set *set)
{
	bool counting = !from_exec;
	int status;
	pid_t tid;

	while ((tid = waitpid(-1, &status, __WALL)) > 0) {
		int sig = WIFSTOPPED(status) ? WSTOPSIG(status) : 0, event = status >> 16, deliver = 0;

		if (!WIFSTOPPED(status)) {
			/* What of it is left ends soon, or belongs to nobody. */
			if (tid == main_pid)
				return;
			continue;
		}
		if (sig == (SIGTRAP | 0x80)) {
			if (counting)
				count_call(tid, set);
		} else if (event == PTRACE_EVENT_EXEC) {
			/* The runtime's own program has made room for the container's. */
			if (from_exec && !counting) {
				counting = true;
				*set = (struct syscall_set){ .calls = 0 };
			}
		} else if (event == PTRACE_EVENT_STOP &&
			   (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU)) {
			ptrace(PTRACE_LISTEN, tid, 0, 0);
			continue;
		} else if (!event) {
			deliver = sig;
		}
		ptrace(PTRACE_SYSCALL, tid, 0, deliver);
	}
}

static void trace_main(pid_t pid, bool from_exec, int limit, int sock)
{
	struct syscall_set set = { .calls = 0 };
	pid_t pids[LIVE_PIDS];
	size_t n = process_tree(pid, pids, LIVE_PIDS);
	char ok = 1;

	/* The end of this process lets all tracees go on untraced. */
	alarm((unsigned)limit);
	for (size_t i = 0; i < n; i++) {
		if (seize_threads(pids[i]) < 0 && i == 0)
			ok = 0;
	}
	if (fd_write_all(sock, &ok, 1) < 0 || !ok)
		_exit(1);
	follow(pid, from_exec, &set);
	_exit(fd_write_all(sock, &set, sizeof(set)) < 0);
}

int trace_calls(pid_t pid, bool from_exec, int (*go)(void *ctx, struct err *err), void *ctx, int limit,
		struct syscall_set *ret, struct err *err)
{
	_cleanup_close_ int rfd = -EBADF, wfd = -EBADF;
	struct syscall_set set;
	char ok = 0;
	int fds[2], r;
	pid_t tracer;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set_errno(err, -errno, "pipe");
	rfd = fds[0];
	wfd = fds[1];
	tracer = fork();
	if (tracer < 0)
		return err_set_errno(err, -errno, "fork");
	if (tracer == 0)
		trace_main(pid, from_exec, limit, wfd);
	wfd = close_fd(wfd);
	r = fd_read_all(rfd, &ok, 1);
	if (r < 0 || !ok) {
		waitpid(tracer, NULL, 0);
		return err_set(err, -EPERM, "process %d can't be traced (ptrace)", pid);
	}
	r = go(ctx, err);
	if (r < 0)
		kill(tracer, SIGKILL);
	else if (fd_read_all(rfd, &set, sizeof(set)) < 0)
		r = err_set(err, -ETIMEDOUT, "the traced container did not end within %d seconds", limit);
	waitpid(tracer, NULL, 0);
	if (r == 0)
		*ret = set;
	return r;
}
