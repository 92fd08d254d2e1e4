/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passt_child: see passt_child.h.
 *
 * passt goes to the background by itself once it is ready, and lets go of its standard streams
 * then. Before, it writes there what is wrong, among other things. The child waits until it is
 * in its cgroup, so that all that passt is and has is in there.
 */
#include "runtime/passt_child.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/signals.h"
#include "runtime/cgroup.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
	PASST_FD = 3,
	OUTPUT_MAX = 8192,
	READY_MS = 30000, /* it takes a few; this is for one that never will */
	EXIT_NOT_THERE = 127, /* as a shell has it */
};

void passt_args_init(struct passt_args *args)
{
	char fd[8];

	*args = (struct passt_args){ .n = 0 };
	snprintf(fd, sizeof(fd), "%d", PASST_FD);
	passt_args_add(args, "passt");
	passt_args_add(args, "--fd");
	passt_args_add(args, fd);
}

void passt_args_add(struct passt_args *args, const char *arg)
{
	if (args->error)
		return;
	if (args->n == PASST_ARGS_MAX) {
		args->error = -E2BIG;
		return;
	}
	args->v[args->n] = strdup(arg);
	if (args->v[args->n])
		args->n++;
	else
		args->error = -ENOMEM;
}

void passt_args_done(struct passt_args *args)
{
	for (size_t i = 0; i < args->n; i++)
		free(args->v[i]);
	*args = (struct passt_args){ .n = 0 };
}

static _Noreturn void become_passt(struct passt_args *args, int sock, int go, int output)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char byte;

	/* The other end closes unwritten when we are not wanted any more. */
	if (read(go, &byte, 1) != 1 || null < 0)
		_exit(1);
	signals_reset();
	/* Each is above PASST_FD: run() sees to it. */
	if (dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
	    dup2(output, STDERR_FILENO) < 0 || dup2(sock, PASST_FD) < 0)
		_exit(1);
	syscall(SYS_close_range, PASST_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	if (chdir("/") == 0)
		execvp(args->v[0], args->v);
	_exit(errno == ENOENT ? EXIT_NOT_THERE : 1);
}

/* Until it lets go of its output. False: it does not. */
static bool read_output(int fd, char ret[static OUTPUT_MAX])
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	bool ended = false;

	while (!ended && poll(&pfd, 1, READY_MS) > 0) {
		char drop[256];
		bool full = len == OUTPUT_MAX - 1;
		ssize_t n = read(fd, full ? drop : ret + len, full ? sizeof(drop) : OUTPUT_MAX - 1 - len);

		ended = n <= 0;
		if (n > 0 && !full)
			len += (size_t)n;
	}
	ret[len] = '\0';
	return ended;
}

/* passt's last words are why it ended, but for those about a missing syslog. */
static const char *last_words(char *output)
{
	const char *last = "no reason given";
	char *next, *line;

	for (next = output; (line = strsep(&next, "\n"));)
		if (*line && strncmp(line, "Failed to send ", 15) != 0)
			last = line;
	return last;
}

static int outcome(pid_t pid, int output, struct err *err)
{
	char text[OUTPUT_MAX];
	int status = 0;
	bool ended = read_output(output, text);

	if (!ended)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_set_errno(err, -errno, "waiting for passt");
	if (!ended)
		return err_set(err, -ETIMEDOUT, "passt is not ready after %d s", READY_MS / 1000);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NOT_THERE)
		return err_set(err, -ENOTSUP, "passt is not installed (Debian's package passt)");
	return err_set(err, -EIO, "passt failed: %s", last_words(text));
}

/* A copy that no dup2() of the child's overwrites. */
static int move_up(int fd)
{
	int up = fcntl(fd, F_DUPFD_CLOEXEC, PASST_FD + 1);

	return up < 0 ? -errno : up;
}

int passt_child_run(struct passt_args *args, int sock, const struct cgroup *cgroup, struct err *err)
{
	_cleanup_close_ int go = -EBADF, go_end = -EBADF, out = -EBADF, out_end = -EBADF, guest = -EBADF;
	int pipes[2], r;
	pid_t pid;

	if (args->error)
		return err_set_errno(err, args->error, "passt's arguments");
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return err_set_errno(err, -errno, "pipe");
	go_end = pipes[0];
	go = pipes[1];
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return err_set_errno(err, -errno, "pipe");
	out = pipes[0];
	r = out_end = move_up(pipes[1]);
	close(pipes[1]);
	if (r >= 0)
		r = guest = move_up(sock);
	if (r < 0)
		return err_set_errno(err, r, "descriptors for passt");
	pid = fork();
	if (pid < 0)
		return err_set_errno(err, -errno, "fork");
	if (pid == 0) {
		close(go);
		become_passt(args, guest, go_end, out_end);
	}
	out_end = close_fd(out_end);
	guest = close_fd(guest);
	r = cgroup ? cgroup_join(cgroup, pid, err) : 0;
	if (r == 0 && write(go, "", 1) != 1)
		r = err_set_errno(err, -errno, "passt");
	if (r < 0) {
		go = close_fd(go);
		waitpid(pid, NULL, 0);
		return r;
	}
	return outcome(pid, out, err);
}
