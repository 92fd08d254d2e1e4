/* SPDX-License-Identifier: Apache-2.0 */
/* exec: who runs the proxy, and who waits for it. See exec.h. */
#include "runtime/exec.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "oci/spec.h"
#include "runtime/lookup.h"
#include "runtime/message.h"
#include "runtime/stdio.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int write_pid(const char *path, pid_t pid, struct err *err)
{
	char text[16];
	int len, r;

	if (!path)
		return 0;
	len = snprintf(text, sizeof(text), "%d", (int)pid);
	r = file_write_atomic(AT_FDCWD, path, text, (size_t)len, 0644);
	return r < 0 ? err_set_errno(err, r, "pid file %s", path) : 0;
}

static int on_foreground_started(void *ctx, struct err *err)
{
	return write_pid(ctx, getpid(), err);
}

/* The child tells its parent how the start went, once. */
static int on_child_started(void *ctx, struct err *err)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int *sync = ctx;

	(void)err;
	message_send(*sync, &(struct message){ .type = MESSAGE_STARTED });
	*sync = close_fd(*sync);
	/* Nothing of the caller's is held any longer. */
	log_set_stderr(false);
	stdio_to_null(null, false);
	return 0;
}

static _Noreturn void be_proxy(const struct lookup *container, const struct exec_request *request,
			       int console, int sync)
{
	struct err err = ERR_INIT;
	int status;

	/* A terminal's signals, and its controlling process, are of a session. */
	setsid();
	status = chdir("/") < 0 ? 1 : 0;
	if (status == 0)
		status = exec_proxy_run(container, request, console, on_child_started, &sync, &err);
	if (err.code && sync >= 0)
		message_send(sync, &(struct message){
					   .type = MESSAGE_ERROR,
					   .number = -err.code,
					   .status = status,
					   .text = err.text,
				   });
	_exit(status);
}

/* What the parent that stays passes on; by number, as a handler may. */
static volatile sig_atomic_t child_pid;

static void pass_on(int signo)
{
	int saved = errno;

	kill((pid_t)child_pid, signo);
	errno = saved;
}

static int wait_for_child(pid_t pid)
{
	int status;
	pid_t r;

	do {
		r = waitpid(pid, &status, 0);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return 1;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void pass_signals_on(pid_t pid)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 };
	struct sigaction action = { .sa_handler = pass_on, .sa_flags = SA_RESTART };

	child_pid = pid;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &action, NULL);
}

static int run_child(const struct lookup *container, const struct exec_request *request, int take_console,
		     struct err *err)
{
	_cleanup_message_ struct message msg = { 0 };
	_cleanup_close_ int console = take_console, sync = -EBADF;
	int pair[2], status, r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set_errno(err, -errno, "socketpair");
	sync = pair[0];
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		close_fd(pair[1]);
		return err_set_errno(err, -errno, "fork");
	}
	if (pid == 0) {
		close_fd(sync);
		be_proxy(container, request, console, pair[1]);
	}
	close_fd(pair[1]);
	console = close_fd(console);

	r = message_recv(sync, &msg);
	if (r == 0 && msg.type == MESSAGE_STARTED) {
		r = write_pid(request->pid_file, pid, err);
		if (r < 0) {
			kill(pid, SIGKILL);
			wait_for_child(pid);
			return r;
		}
		if (request->detach)
			return 0;
		pass_signals_on(pid);
		return wait_for_child(pid);
	}
	status = wait_for_child(pid);
	if (r == 0 && msg.type == MESSAGE_ERROR)
		err_set(err, msg.number > 0 && msg.number < 4096 ? -msg.number : -EIO, "%s",
			msg.text ? msg.text : "exec failed");
	else
		err_set(err, -EIO, "exec: the process that stands for it ended (exit status %d)", status);
	return msg.status ? msg.status : 1;
}

int exec_run(const struct lookup *container, const struct exec_request *request, struct err *err)
{
	_cleanup_close_ int console = -EBADF;
	bool terminal = request->process->terminal;
	int r;

	if (request->console_socket && !terminal)
		return err_set(err, -EINVAL,
			       "cannot use console socket if vrun will not detach or allocate tty");
	if (terminal && !request->console_socket && request->detach)
		return err_set(err, -EINVAL,
			       "cannot allocate tty if vrun will detach without setting console socket");
	if (terminal && !request->console_socket) {
		r = stdio_check_terminal(err);
		if (r < 0)
			return r;
	}
	if (request->console_socket) {
		r = console_connect(request->console_socket, &console, err);
		if (r < 0)
			return r;
	}
	if (request->detach || request->console_socket)
		return run_child(container, request, TAKE_FD(console), err);
	return exec_proxy_run(container, request, -EBADF, on_foreground_started,
			      (void *)(uintptr_t)request->pid_file, err);
}
