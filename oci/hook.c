/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hook: see hook.h.
 *
 * Output goes to memory files and not through pipes: a hook may leave a process
 * behind that holds them, which must neither keep us waiting nor die of SIGPIPE.
 */
#include "oci/hook.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/signals.h"
#include "oci/spec.h"

#include <ctype.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { OUTPUT_SHOWN = 500, TIMEOUT_MS_MAX = 2000000000 };

struct hook_files {
	int in, out, err;
};

/* In the child. Never returns. */
static void become(const struct oci_hook *hook, const struct oci_hook_env *env,
		   const struct hook_files *files)
{
	char *no_args[] = { hook->path, NULL }, *no_env[] = { NULL };
	char *const *environment = env->environment ? env->environment : no_env;

	setpgid(0, 0);
	signals_reset();
	if (dup2(files->in, STDIN_FILENO) < 0 || dup2(files->out, STDOUT_FILENO) < 0 ||
	    dup2(files->err, STDERR_FILENO) < 0)
		_exit(126);
	if (env->netns >= 0 && setns(env->netns, CLONE_NEWNET) < 0) {
		dprintf(STDERR_FILENO, "network namespace: %s", strerrorname_np(errno));
		_exit(126);
	}
	if (env->cwd && chdir(env->cwd) < 0 && chdir("/") < 0)
		_exit(126);
	execve(hook->path, hook->args.n ? hook->args.v : no_args, hook->env.n ? hook->env.v : environment);
	dprintf(STDERR_FILENO, "can't be executed: %s", strerrorname_np(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* 0, or -ETIMEDOUT once it was killed; reaped in either case. */
static int wait_hook(pid_t pid, const struct oci_hook *hook, int *ret_status)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };
	bool in_time = true;

	if (hook->timeout.has && pidfd >= 0) {
		uint64_t wait = hook->timeout.v > TIMEOUT_MS_MAX / 1000 ? TIMEOUT_MS_MAX
									: (uint64_t)hook->timeout.v * 1000;
		uint64_t end = now_ms() + wait, now;
		int n = 0;

		while ((now = now_ms()) < end && n == 0) {
			n = poll(&pfd, 1, (int)(end - now));
			if (n < 0 && errno == EINTR)
				n = 0;
		}
		in_time = n > 0;
		/* The leader is not reaped yet, so the group is still its own. */
		if (!in_time)
			kill(-pid, SIGKILL);
	}
	while (waitpid(pid, ret_status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return in_time ? 0 : -ETIMEDOUT;
}

/* The end of what a file holds, as one line. */
static void tail(int fd, char *buf, size_t size)
{
	struct stat st;
	off_t from = 0;
	ssize_t n;

	if (fstat(fd, &st) == 0 && st.st_size > (off_t)size - 1)
		from = st.st_size - (off_t)size + 1;
	n = pread(fd, buf, size - 1, from);
	while (n > 0 && isspace((unsigned char)buf[n - 1]))
		n--;
	buf[n > 0 ? n : 0] = '\0';
	for (char *p = buf; *p; p++) {
		if (iscntrl((unsigned char)*p))
			*p = ' ';
	}
}

static int failed(const struct hook_files *files, int status, struct err *err)
{
	char out[OUTPUT_SHOWN], errors[OUTPUT_SHOWN], end[64];
	const char *signal_text;

	if (WIFSIGNALED(status)) {
		signal_text = sigdescr_np(WTERMSIG(status));
		snprintf(end, sizeof(end), "signal %d (%s)", WTERMSIG(status),
			 signal_text ? signal_text : "real-time");
		for (char *p = end; *p; p++)
			*p = (char)tolower((unsigned char)*p);
	} else {
		snprintf(end, sizeof(end), "exit status %d", WEXITSTATUS(status));
	}
	tail(files->out, out, sizeof(out));
	tail(files->err, errors, sizeof(errors));
	return err_set(err, -ECANCELED, "%s, stdout: %s, stderr: %s", end, out, errors);
}

static int run(const struct oci_hook *hook, const struct oci_hook_env *env, const struct hook_files *files,
	       struct err *err)
{
	int status, r;
	pid_t pid;

	pid = fork();
	if (pid < 0)
		return err_set_errno(err, -errno, "fork");
	if (pid == 0)
		become(hook, env, files);
	/* Both sides, as either may be first. */
	setpgid(pid, pid);
	r = wait_hook(pid, hook, &status);
	if (r == -ETIMEDOUT)
		return err_set(err, r, "hook ran past specified timeout of %lld s",
			       (long long)hook->timeout.v);
	if (r < 0)
		return err_set_errno(err, r, "waiting for the hook");
	return status ? failed(files, status, err) : 0;
}

int oci_hook_run(const struct oci_hook *hook, const struct oci_hook_env *env, struct err *err)
{
	_cleanup_close_ int in = fd_from_bytes("state", env->state, env->state_len);
	_cleanup_close_ int out = memfd_create("stdout", MFD_CLOEXEC);
	_cleanup_close_ int errors = memfd_create("stderr", MFD_CLOEXEC);
	int r;

	if (in < 0 || out < 0 || errors < 0)
		return err_set_errno(err, in < 0 ? in : -errno, "files for the hook");
	/* 0 to 2 are always in use, so none of these is one that is about to be replaced. */
	r = run(hook, env, &(struct hook_files){ in, out, errors }, err);
	return r < 0 ? err_wrap(err, r, "%s", hook->path) : 0;
}
