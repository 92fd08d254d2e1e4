/* SPDX-License-Identifier: Apache-2.0 */
/* exec_proxy: the host's process that stands for one of the guest's. See exec.h. */
#include "runtime/exec.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/signals.h"
#include "oci/spec.h"
#include "runtime/lookup.h"
#include "runtime/message.h"
#include "runtime/relay.h"
#include "runtime/stdio.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

struct proxy {
	struct loop *loop;
	int sock;
	int tty; /* the slave whose size counts, with a console socket; -EBADF */
	struct relay *relay;
	bool running; /* STARTED came */
	int (*started)(void *ctx, struct err *err);
	void *ctx;
	struct err *err;
};

static bool terminal_size(const struct proxy *p, uint16_t *rows, uint16_t *cols)
{
	if (p->tty >= 0)
		return pty_get_size(p->tty, rows, cols) == 0;
	return p->relay && stdio_terminal_size(rows, cols) == 0;
}

static void on_signal(void *ctx, const struct signalfd_siginfo *si)
{
	struct message msg = { .type = MESSAGE_KILL, .number = (int)si->ssi_signo };
	struct proxy *p = ctx;

	/* Of our own making: output that nobody reads. */
	if (si->ssi_signo == SIGPIPE)
		return;
	if (si->ssi_signo == SIGWINCH && (p->tty >= 0 || p->relay)) {
		msg = (struct message){ .type = MESSAGE_RESIZE };
		if (!terminal_size(p, &msg.rows, &msg.cols))
			return;
		if (p->relay)
			relay_resize(p->relay);
	}
	message_send(p->sock, &msg);
}

static void on_message(void *ctx, int fd, uint32_t events)
{
	_cleanup_message_ struct message msg = { 0 };
	struct proxy *p = ctx;
	int r = message_recv(fd, &msg);

	(void)events;
	if (r == -EAGAIN)
		return;
	if (r < 0) {
		/* vrun-vmm is gone, and all processes of its guest. */
		loop_quit(p->loop, 128 + SIGKILL);
		return;
	}
	switch (msg.type) {
	case MESSAGE_STARTED:
		p->running = true;
		if (p->started && p->started(p->ctx, p->err) < 0)
			loop_quit(p->loop, 1);
		break;
	case MESSAGE_EXITED:
		loop_quit(p->loop, msg.status);
		break;
	case MESSAGE_ERROR:
		/* The answer to a signal or a size that came too late. */
		if (p->running)
			break;
		err_set(p->err, msg.number > 0 && msg.number < 4096 ? -msg.number : -EIO, "%s",
			msg.text ? msg.text : "vrun-vmm failed");
		loop_quit(p->loop, msg.status ? msg.status : 1);
		break;
	default:
		break;
	}
}

/* Fills in the descriptors from 1 on, which the caller closes. */
static int open_streams(struct proxy *p, int take_console, struct message *msg, bool terminal,
			struct err *err)
{
	_cleanup_close_ int console = take_console, master = -EBADF, slave = -EBADF;
	uint16_t rows = 0, cols = 0;
	int r;

	if (!terminal) {
		for (int i = 0; i < 3; i++) {
			int fd = stdio_private(i, i != STDIN_FILENO);

			if (fd < 0)
				return err_set_errno(err, fd, "standard stream %d", i);
			msg->fds[msg->n_fds++] = fd;
		}
		return 0;
	}
	if (console < 0)
		(void)stdio_terminal_size(&rows, &cols);
	r = pty_open(rows, cols, &master, &slave);
	if (r < 0)
		return err_set_errno(err, r, "making a terminal");
	msg->flag = true;
	msg->rows = rows;
	msg->cols = cols;
	if (console >= 0) {
		/* As its session's leader we get SIGWINCH when the other side changes the size. */
		if (ioctl(slave, TIOCSCTTY, 0) < 0)
			return err_set_errno(err, -errno, "making the terminal ours");
		r = console_send(console, master);
		if (r < 0)
			return err_set_errno(err, r, "console socket");
		p->tty = fcntl(slave, F_DUPFD_CLOEXEC, 3);
	} else {
		r = relay_new(p->loop, TAKE_FD(master), &p->relay);
		if (r < 0)
			return err_set_errno(err, r, "terminal");
	}
	msg->fds[msg->n_fds++] = TAKE_FD(slave);
	return 0;
}

static int send_request(struct proxy *p, const struct exec_request *request, int take_console,
			struct err *err)
{
	struct message msg = { .type = MESSAGE_EXEC, .text = request->cgroup };
	_cleanup_close_ int console = take_console;
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r;

	r = oci_process_write(request->process, &text, &len);
	if (r < 0)
		return err_set_errno(err, r, "process");
	r = fd_from_bytes("process", text, len);
	if (r < 0)
		return err_set_errno(err, r, "process");
	msg.fds[msg.n_fds++] = r;
	r = open_streams(p, TAKE_FD(console), &msg, request->process->terminal, err);
	if (r == 0) {
		r = message_send(p->sock, &msg);
		if (r < 0)
			err_set_errno(err, r, "vrun-vmm");
	}
	for (size_t i = 0; i < msg.n_fds; i++)
		close_fd(msg.fds[i]);
	return r;
}

static int set_up(struct proxy *p, const struct exec_request *request, int take_console, struct err *err)
{
	_cleanup_close_ int console = take_console;
	struct loop_source *signals, *messages;
	sigset_t set;
	int r;

	r = loop_new(&p->loop);
	if (r == 0)
		r = fd_set_nonblock(p->sock, true);
	if (r == 0)
		r = loop_add_fd(p->loop, p->sock, EPOLLIN, on_message, p, &messages);
	signals_forwarded(&set);
	if (r == 0)
		r = loop_add_signals(p->loop, &set, on_signal, p, &signals);
	if (r < 0)
		return err_set_errno(err, r, "event loop");
	return send_request(p, request, TAKE_FD(console), err);
}

int exec_proxy_run(const struct lookup *container, const struct exec_request *request, int take_console,
		   int (*started)(void *ctx, struct err *err), void *ctx, struct err *err)
{
	_cleanup_close_ int console = take_console;
	struct proxy p = {
		.tty = -EBADF,
		.started = started,
		.ctx = ctx,
		.err = err,
	};
	int r;

	p.sock = lookup_connect(container, 0, err);
	if (p.sock < 0)
		return 1;
	r = set_up(&p, request, TAKE_FD(console), err);
	if (r == 0)
		r = loop_run(p.loop);
	if (r < 0) {
		if (!err->code)
			err_set_errno(err, r, "event loop");
		r = 1;
	}
	if (p.relay)
		relay_drain(p.relay);
	relay_free(p.relay);
	loop_free(p.loop);
	if (p.tty >= 0)
		ioctl(p.tty, TIOCNOTTY);
	close_fd(p.tty);
	close_fd(p.sock);
	return r;
}
