/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process: see process.h.
 */
#include "vmm/qemu/process.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/signals.h"
#include "vmm/jail/jail.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* As <linux/wait.h>; older C libraries don't have it. */
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* What it prints is kept by lines; longer ones are cut. */
enum { OUTPUT_KEPT = 2048, OUTPUT_LINE_MAX = 512 };

struct qemu_process {
	struct loop *loop;
	pid_t pid;
	int pidfd; /* -EBADF: not started */
	int output_fd; /* what it prints */
	struct loop_source *exit_source, *output_source;
	qemu_exited_fn exited;
	void *ctx;
	bool reaped;
	siginfo_t status; /* when reaped */
	char line[OUTPUT_LINE_MAX]; /* the unfinished one: it comes in pieces */
	size_t line_len;
	char output[OUTPUT_KEPT + 1]; /* the last lines, but for warnings */
	size_t output_len;
};

/* --- In the child: only async-signal-safe calls, as other threads may hold locks --- */

static int child_descriptors(int null_fd, int output_fd, const int *fds, size_t n_fds)
{
	if (dup2(null_fd, 0) < 0 || dup2(output_fd, 1) < 0 || dup2(output_fd, 2) < 0)
		return -errno;
	/* What we were started with may not be close-on-exec; a kernel that can't do it is no failure. */
	close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	for (size_t i = 0; i < n_fds; i++)
		if (fcntl(fds[i], F_SETFD, 0) < 0)
			return -errno;
	return 0;
}

/* A pidfd is readable when its process has ended. */
static bool has_died(int parent_fd)
{
	struct pollfd p = { .fd = parent_fd, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

static _Noreturn void child(char *const argv[], int parent_fd, int null_fd, int output_fd, int error_fd,
			    const int *fds, size_t n_fds, const struct jail_child *jail)
{
	/* Its messages are looked through, so in one language; nothing else of ours is its business. */
	static char lang[] = "LC_ALL=C", path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *const env[] = { lang, path, NULL };
	int r;

	/* A session of its own: the terminal's Ctrl-C is for the container. */
	setsid();
	/* Ours are blocked for a signalfd, and SIGPIPE is ignored: exec would pass both on. */
	signals_reset();
	r = child_descriptors(null_fd, output_fd, fds, n_fds);
	if (r == 0 && jail)
		r = jail_child_enter(jail);
	if (r == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		r = -errno;
	/* It may have before that; it has no pid here to be known by. */
	if (r == 0 && has_died(parent_fd))
		_exit(1);
	if (r == 0) {
		execve(argv[0], argv, env);
		r = -errno;
	}
	if (write(error_fd, &r, sizeof(r)) < 0)
		_exit(2);
	_exit(1);
}

/* --- In the parent --- */

static void keep_line(struct qemu_process *process)
{
	const char *line = process->line;
	size_t len = process->line_len, drop = 0;

	process->line_len = 0;
	if (len == 0)
		return;
	log_debug("qemu: %.*s", (int)len, line);
	/* It warns of harmless things, which would hide what it failed of. */
	if (memmem(line, len, ": warning: ", 11))
		return;
	if (process->output_len + len + 1 > OUTPUT_KEPT)
		drop = process->output_len + len + 1 - OUTPUT_KEPT;
	memmove(process->output, process->output + drop, process->output_len - drop);
	process->output_len -= drop;
	memcpy(process->output + process->output_len, line, len);
	process->output_len += len;
	process->output[process->output_len++] = '\n';
	process->output[process->output_len] = '\0';
}

static void keep_output(struct qemu_process *process, const char *buf, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)buf[i];

		if (c == '\n')
			keep_line(process);
		else if (process->line_len < sizeof(process->line))
			process->line[process->line_len++] = c < ' ' || c == 0x7f ? '?' : (char)c;
	}
}

/* False: no more will come. */
static bool read_output(struct qemu_process *process)
{
	char buf[1024];
	ssize_t n;

	for (;;) {
		n = read(process->output_fd, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		keep_output(process, buf, (size_t)n);
	}
}

static void on_output(void *ctx, int fd, uint32_t events)
{
	struct qemu_process *process = ctx;

	(void)fd;
	(void)events;
	if (!read_output(process))
		loop_remove(TAKE_PTR(process->output_source));
}

static void reap(struct qemu_process *process, int options)
{
	siginfo_t info = { .si_pid = 0 };

	if (process->reaped || process->pidfd < 0)
		return;
	while (waitid((idtype_t)P_PIDFD, (id_t)process->pidfd, &info, WEXITED | options) < 0) {
		if (errno == EINTR)
			continue;
		/* Somebody else has reaped it; how it ended is lost. */
		info = (siginfo_t){ .si_pid = process->pid };
		break;
	}
	if (info.si_pid == 0)
		return;
	process->reaped = true;
	process->status = info;
}

static void on_exit_event(void *ctx, int fd, uint32_t events)
{
	struct qemu_process *process = ctx;

	(void)fd;
	(void)events;
	reap(process, WNOHANG);
	if (!process->reaped)
		return;
	loop_remove(TAKE_PTR(process->exit_source));
	read_output(process);
	keep_line(process);
	process->exited(process->ctx);
}

/* 0 when the child has executed the emulator, or why it has not. */
static int read_exec_error(int fd)
{
	int code;

	return fd_read_all(fd, &code, sizeof(code)) == 0 ? code : 0;
}

static int spawn(struct qemu_process *process, char *const argv[], const int *fds, size_t n_fds,
		 const struct jail_child *jail, struct err *err)
{
	_cleanup_close_ int null_fd = -EBADF, output_wr = -EBADF, error_rd = -EBADF, error_wr = -EBADF;
	_cleanup_close_ int parent_fd = -EBADF;
	int pipe_fds[2], r;

	null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null_fd < 0)
		return err_set_errno(err, -errno, "can't open /dev/null");
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_set_errno(err, -errno, "can't make a pipe");
	process->output_fd = pipe_fds[0];
	output_wr = pipe_fds[1];
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_set_errno(err, -errno, "can't make a pipe");
	error_rd = pipe_fds[0];
	error_wr = pipe_fds[1];

	parent_fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (parent_fd < 0)
		return err_set_errno(err, -errno, "can't watch a process");
	/* fork(), and a namespace: the C library has no word for it. There is one thread. */
	process->pid = (pid_t)syscall(SYS_clone, SIGCHLD | (jail ? jail_child_clone_flags : 0), NULL, NULL,
				      NULL, 0);
	if (process->pid < 0)
		return err_set_errno(err, -errno, "can't start a process");
	if (process->pid == 0)
		child(argv, parent_fd, null_fd, output_wr, error_wr, fds, n_fds, jail);
	process->pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0);
	if (process->pidfd < 0) {
		r = -errno;
		/* Not reaped yet, so the pid is still its own. */
		kill(process->pid, SIGKILL);
		waitpid(process->pid, NULL, 0);
		return err_set_errno(err, r, "can't watch a process");
	}
	error_wr = close_fd(error_wr);
	r = read_exec_error(error_rd);
	return r < 0 ? err_set(err, r, "can't run the emulator %s (error %d)", argv[0], -r) : 0;
}

int qemu_process_start(struct loop *loop, char *const argv[], const int *fds, size_t n_fds,
		       const struct jail_child *jail, qemu_exited_fn exited, void *ctx, struct qemu_process **ret, struct err *err)
{
	struct qemu_process *process = calloc(1, sizeof(*process));
	int r;

	if (!process)
		return err_set(err, -ENOMEM, "out of memory");
	process->loop = loop;
	process->pidfd = process->output_fd = -EBADF;
	process->exited = exited;
	process->ctx = ctx;
	r = spawn(process, argv, fds, n_fds, jail, err);
	if (r >= 0) {
		r = fd_set_nonblock(process->output_fd, true);
		if (r >= 0)
			r = loop_add_fd(loop, process->output_fd, EPOLLIN, on_output, process,
					&process->output_source);
		if (r >= 0)
			r = loop_add_fd(loop, process->pidfd, EPOLLIN, on_exit_event, process,
					&process->exit_source);
		if (r < 0)
			err_set_errno(err, r, "can't watch the emulator");
	}
	if (r < 0) {
		qemu_process_free(process);
		return r;
	}
	*ret = process;
	return 0;
}

static int send_signal(struct qemu_process *process, int sig)
{
	if (process->reaped || process->pidfd < 0)
		return -ESRCH;
	return syscall(SYS_pidfd_send_signal, process->pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}

pid_t qemu_process_pid(const struct qemu_process *process)
{
	return process->pid;
}

int qemu_process_pause(struct qemu_process *process)
{
	siginfo_t info = { .si_pid = 0 };
	int r = send_signal(process, SIGSTOP);

	if (r < 0)
		return r;
	/* All its threads have stopped when the stop is reported. An end stays there to be reaped. */
	while (waitid((idtype_t)P_PIDFD, (id_t)process->pidfd, &info, WSTOPPED | WEXITED | WNOWAIT) < 0)
		if (errno != EINTR)
			return -errno;
	if (info.si_code != CLD_STOPPED)
		return -ESRCH;
	return 0;
}

int qemu_process_resume(struct qemu_process *process)
{
	return send_signal(process, SIGCONT);
}

void qemu_process_kill(struct qemu_process *process)
{
	loop_remove(TAKE_PTR(process->exit_source));
	send_signal(process, SIGKILL);
	reap(process, 0);
}

void qemu_process_free(struct qemu_process *process)
{
	if (!process)
		return;
	qemu_process_kill(process);
	loop_remove(process->output_source);
	close_fd(process->output_fd);
	close_fd(process->pidfd);
	free(process);
}

/* The last printed lines as one: at most three, joined. */
static void last_lines(const struct qemu_process *process, char *buf, size_t size)
{
	const char *text = process->output, *end = text + process->output_len, *p;
	unsigned lines = 0;
	size_t n = 0;

	while (end > text && end[-1] == '\n')
		end--;
	for (p = end; p > text; p--)
		if (p[-1] == '\n' && ++lines == 3)
			break;
	for (; p < end && n + 1 < size; p++)
		buf[n++] = *p == '\n' ? ' ' : *p;
	buf[n] = '\0';
}

int qemu_process_result(struct qemu_process *process, struct err *err)
{
	char said[1024];
	const char *colon;

	last_lines(process, said, sizeof(said));
	colon = said[0] ? ": " : "";
	switch (process->status.si_code) {
	case CLD_EXITED:
		if (process->status.si_status == 0)
			return 0;
		return err_set(err, -EIO, "QEMU ended with status %d%s%s", process->status.si_status, colon,
			       said);
	case CLD_KILLED:
	case CLD_DUMPED:
		return err_set(err, -EIO, "QEMU was killed by signal %d%s%s%s", process->status.si_status,
			       process->status.si_status == SIGKILL ? " (out of memory, or by hand)" : "",
			       colon, said);
	default:
		return err_set(err, -EIO, "QEMU is gone%s%s", colon, said);
	}
}
