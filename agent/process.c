/* SPDX-License-Identifier: Apache-2.0 */
/* process: see process.h. */
#include "agent/process.h"

#include "agent/child.h"
#include "agent/container.h"
#include "agent/process_attrs.h"
#include "agent/pump.h"
#include "agent/stdio.h"
#include "agent/terminal.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "oci/agent_proto.h"
#include "oci/spec.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

struct process {
	struct process_env_of_agent env;
	uint32_t number;
	const struct oci_process *config;
	pid_t pid;
	int pidfd;
	int sync; /* child.h */
	struct loop_source *sync_source;
	int terminal_stream; /* connected, until the terminal comes */
	int master;
	uint16_t rows, cols;
	struct pump *pumps[3]; /* by stream; with a terminal 0 is its input and 1 its output */
	bool ready, go, started, failed, exited;
	int wait_status;
};

static void on_pump_done(void *ctx, struct pump *pump)
{
	struct process *p = ctx;
	bool hang_up = p->master >= 0 && p->pumps[0] == pump;

	for (int i = 0; i < 3; i++)
		if (p->pumps[i] == pump)
			p->pumps[i] = NULL;
	pump_free(pump);
	/* Whoever had the terminal has closed it: its last master goes, and the kernel sends SIGHUP. */
	if (hang_up) {
		pump_free(TAKE_PTR(p->pumps[1]));
		p->master = close_fd(p->master);
	}
	p->env.handlers->stream_ended(p->env.ctx, p);
}

static void fail(struct process *p, int error, uint32_t stage, const char *text)
{
	if (p->failed || p->started)
		return;
	p->failed = true;
	if (!p->exited)
		(void)process_signal(p, SIGKILL);
	p->env.handlers->failed(p->env.ctx, p, error, stage, text);
}

static void close_sync(struct process *p)
{
	loop_remove(TAKE_PTR(p->sync_source));
	p->sync = close_fd(p->sync);
}

static int send_go(struct process *p, char what)
{
	return send(p->sync, &what, 1, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The agent's end of a terminal: one stream, both ways. */
static int start_terminal(struct process *p, int take_master)
{
	_cleanup_close_ int master = take_master, stream = TAKE_FD(p->terminal_stream);
	int r;

	p->master = fcntl(master, F_DUPFD_CLOEXEC, 3);
	if (p->master < 0)
		return -errno;
	if (p->rows && p->cols)
		(void)terminal_resize(p->master, p->rows, p->cols);
	/* Nobody listens: what the process prints must not fill the terminal up. */
	if (stream < 0)
		return stdio_discard(p->env.loop, TAKE_FD(master), on_pump_done, p, &p->pumps[1]);
	r = pump_new(p->env.loop, fcntl(stream, F_DUPFD_CLOEXEC, 3), fcntl(master, F_DUPFD_CLOEXEC, 3),
		     on_pump_done, p, &p->pumps[0]);
	if (r < 0)
		return r;
	return pump_new(p->env.loop, TAKE_FD(master), TAKE_FD(stream), on_pump_done, p, &p->pumps[1]);
}

static void on_child_ready(struct process *p)
{
	struct err err = ERR_INIT;
	int r;

	p->ready = true;
	/* Only now: limits meant for the program must not get in the way of its set-up. */
	r = process_limits_apply(p->pid, p->config, &err);
	if (r < 0)
		fail(p, -r, AGENT_STAGE_SETUP, err.text);
	else if (p->go)
		(void)send_go(p, CHILD_GO_EXEC);
	else
		p->env.handlers->ready(p->env.ctx, p);
}

static void on_report(struct process *p, struct child_report *report, int *fd)
{
	int r;

	switch (report->type) {
	case CHILD_READY:
		on_child_ready(p);
		break;
	case CHILD_TERMINAL:
		r = *fd < 0 ? -EPROTO : start_terminal(p, TAKE_FD(*fd));
		if (r < 0)
			fail(p, -r, AGENT_STAGE_SETUP, "taking the terminal over");
		break;
	case CHILD_FAILED:
		report->text[sizeof(report->text) - 1] = '\0';
		fail(p, report->error, report->stage, report->text);
		break;
	}
}

/* The socket closed: by execve(), or the process is dead. */
static void on_sync_closed(struct process *p)
{
	close_sync(p);
	if (p->go && p->ready && !p->failed && !p->started) {
		p->started = true;
		p->env.handlers->started(p->env.ctx, p);
	}
}

static void read_sync(struct process *p)
{
	while (p->sync >= 0) {
		struct child_report report;
		int fds[1] = { -EBADF };
		size_t n_fds = 0;
		ssize_t n = fd_recv(p->sync, &report, sizeof(report), fds, 1, &n_fds);
		_cleanup_close_ int fd = n_fds ? fds[0] : -EBADF;

		if (n == -EAGAIN)
			return;
		if (n == sizeof(report))
			on_report(p, &report, &fd);
		else
			on_sync_closed(p);
	}
}

static void on_sync(void *ctx, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	read_sync(ctx);
}

static int start_pumps(struct process *p, struct stdio *stdio)
{
	int r = 0;

	if (p->config->terminal) {
		p->terminal_stream = TAKE_FD(stdio->stream[0]);
		return 0;
	}
	for (int i = 0; i < 3 && r == 0; i++) {
		int stream, pipe_end;

		if (stdio->stream[i] < 0)
			continue;
		stream = TAKE_FD(stdio->stream[i]);
		pipe_end = TAKE_FD(stdio->ours[i]);
		r = i == 0 ? pump_new(p->env.loop, stream, pipe_end, on_pump_done, p, &p->pumps[i])
			   : pump_new(p->env.loop, pipe_end, stream, on_pump_done, p, &p->pumps[i]);
	}
	return r;
}

int process_launch(const struct process_env_of_agent *env, struct container *container, uint32_t number,
		   const struct agent_exec *request, struct process **ret, struct err *err)
{
	const struct oci_process *config = request->process;
	const struct agent_stdio *ports = &request->stdio;
	_cleanup_(stdio_done) struct stdio stdio = STDIO_INIT;
	_cleanup_close_ int ours = -EBADF, theirs = -EBADF;
	struct child_args args = {
		.process = config,
		.init = number == AGENT_INIT,
		.rows = ports->rows,
		.cols = ports->cols,
		.cgroup = request->cgroup,
	};
	struct process *p;
	int r, pair[2];

	r = stdio_open(&stdio, env->connector, container, config, ports, err);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set_errno(err, -errno, "socketpair");
	ours = pair[0];
	theirs = pair[1];
	args.sync = theirs;
	memcpy(args.stdio, stdio.theirs, sizeof(args.stdio));

	p = calloc(1, sizeof(*p));
	if (!p)
		return err_set_errno(err, -ENOMEM, "a new process");
	*p = (struct process){ .env = *env,
			       .number = number,
			       .config = config,
			       .pid = -1,
			       .pidfd = -EBADF,
			       .sync = -EBADF,
			       .terminal_stream = -EBADF,
			       .master = -EBADF };
	r = container_clone(container, &args, &p->pid, &p->pidfd, err);
	if (r < 0)
		goto failed;
	p->sync = TAKE_FD(ours);
	theirs = close_fd(theirs);
	stdio_close_theirs(&stdio);
	if (args.wait_prepared && send_go(p, CHILD_GO_PREPARED) < 0) {
		r = err_set(err, -EPIPE, "the process ended during its set-up");
		goto failed;
	}
	/* The child sets itself up while the connections to the host are made. */
	r = stdio_finish(&stdio, err);
	if (r < 0)
		goto failed;
	r = start_pumps(p, &stdio);
	if (r == 0)
		r = fd_set_nonblock(p->sync, true);
	if (r == 0)
		r = loop_add_fd(env->loop, p->sync, EPOLLIN, on_sync, p, &p->sync_source);
	if (r < 0) {
		err_set_errno(err, r, "watching the process");
		goto failed;
	}
	*ret = p;
	return 0;
failed:
	process_free(p);
	return r;
}

void process_free(struct process *p)
{
	if (!p)
		return;
	if (p->pidfd >= 0 && !p->exited)
		(void)process_signal(p, SIGKILL);
	close_sync(p);
	for (int i = 0; i < 3; i++)
		pump_free(p->pumps[i]);
	close_fd(p->terminal_stream);
	close_fd(p->master);
	close_fd(p->pidfd);
	free(p);
}

uint32_t process_number(const struct process *p)
{
	return p->number;
}

pid_t process_pid(const struct process *p)
{
	return p->pid;
}

bool process_is_started(const struct process *p)
{
	return p->started;
}

bool process_is_ready(const struct process *p)
{
	return p->ready && !p->failed;
}

int process_start(struct process *p)
{
	if (p->go)
		return -EALREADY;
	p->go = true;
	return p->ready ? send_go(p, CHILD_GO_EXEC) : 0;
}

int process_signal(struct process *p, int signo)
{
	return syscall(SYS_pidfd_send_signal, p->pidfd, signo, NULL, 0) < 0 ? -errno : 0;
}

void process_resize(struct process *p, uint16_t rows, uint16_t cols)
{
	p->rows = rows;
	p->cols = cols;
	if (p->master >= 0)
		(void)terminal_resize(p->master, rows, cols);
}

void process_set_exited(struct process *p, int wait_status)
{
	p->exited = true;
	p->wait_status = wait_status;
	read_sync(p);
	/* A child of it could still hold the socket, never having reached execve(). */
	close_sync(p);
	if (!p->ready)
		fail(p, EIO, AGENT_STAGE_SETUP, "the process ended during its set-up");
	pump_free(TAKE_PTR(p->pumps[0]));
}

bool process_has_exited(const struct process *p, int *ret_wait_status)
{
	if (p->exited)
		*ret_wait_status = p->wait_status;
	return p->exited;
}

void process_drain(struct process *p)
{
	for (int i = 1; i < 3; i++)
		if (p->pumps[i])
			pump_drain(p->pumps[i]);
}

bool process_is_drained(const struct process *p)
{
	return !p->pumps[1] && !p->pumps[2];
}
