/* SPDX-License-Identifier: Apache-2.0 */
/* attach: see attach.h. */
#include "runtime/attach.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/signals.h"
#include "runtime/container.h"
#include "runtime/message.h"
#include "runtime/proc.h"
#include "runtime/relay.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>

struct attach {
	struct container *container;
	struct loop *loop;
	struct relay *relay;
	struct loop_source *sync, *console;
	int pidfd;
	struct attach_ops ops;
	void *ctx;
	struct err *err;
	int status; /* of what went wrong, when err is set */
	bool heard; /* of the container: that it is there, or has ended before */
};

static void on_signal(void *ctx, const struct signalfd_siginfo *si)
{
	struct attach *a = ctx;

	if (si->ssi_signo == SIGWINCH && a->relay) {
		relay_resize(a->relay);
		return;
	}
	/* Of our own making: output that nobody reads. */
	if (si->ssi_signo == SIGPIPE)
		return;
	proc_signal(a->pidfd, (int)si->ssi_signo);
}

static void fail(struct attach *a, int status)
{
	a->status = status;
	/* Its container goes with us: the socket's end says so. */
	loop_remove(TAKE_PTR(a->sync));
	a->container->launch.sync = close_fd(a->container->launch.sync);
}

/* A step that the container has taken: say so, once. */
static void tell(struct attach *a, int (**step)(void *ctx, struct err *err))
{
	int (*fn)(void *ctx, struct err *err) = *step;

	*step = NULL;
	if (fn && a->container->launch.sync >= 0 && fn(a->ctx, a->err) < 0)
		fail(a, 1);
}

/* One message; 0, or why there is none. */
static int take_message(struct attach *a)
{
	_cleanup_message_ struct message msg = { 0 };
	int r = message_recv(a->container->launch.sync, &msg);

	if (r < 0)
		return r;
	if (msg.type == MESSAGE_ERROR) {
		err_set(a->err, msg.number > 0 && msg.number < 4096 ? -msg.number : -EIO, "%s",
			msg.text ? msg.text : "vrun-vmm failed");
		a->status = msg.status ? msg.status : 1;
	} else if (msg.type == MESSAGE_EXITED) {
		a->heard = true;
	} else if (msg.type == MESSAGE_CREATED || msg.type == MESSAGE_STARTED) {
		a->heard = true;
		tell(a, &a->ops.created);
		if (msg.type == MESSAGE_STARTED)
			tell(a, &a->ops.started);
	}
	return 0;
}

static void on_sync(void *ctx, int fd, uint32_t events)
{
	struct attach *a = ctx;
	int r = take_message(a);

	(void)fd;
	(void)events;
	/* Its end is what we wait for, by its pidfd. */
	if (r < 0 && r != -EAGAIN)
		loop_remove(TAKE_PTR(a->sync));
}

/* The terminal's master comes before the guest boots. */
static void on_console(void *ctx, int fd, uint32_t events)
{
	struct attach *a = ctx;
	char name[64];
	int master = -EBADF;
	size_t n = 0;

	(void)events;
	if (fd_recv(fd, name, sizeof(name), &master, 1, &n) > 0 && n == 1)
		relay_new(a->loop, master, &a->relay);
	loop_remove(TAKE_PTR(a->console));
}

static void on_end(void *ctx, int fd, uint32_t events)
{
	struct attach *a = ctx;

	(void)fd;
	(void)events;
	loop_quit(a->loop, 0);
}

static int set_up(struct attach *a)
{
	struct container *c = a->container;
	struct loop_source *signals, *end;
	sigset_t set;
	int r;

	r = loop_new(&a->loop);
	if (r < 0)
		return r;
	a->pidfd = proc_open(c->launch.pid, c->launch.pid_start);
	/* Gone already: the sync socket has its last word, the wait its status. */
	if (a->pidfd >= 0) {
		r = loop_add_fd(a->loop, a->pidfd, EPOLLIN, on_end, a, &end);
		if (r < 0)
			return r;
	}
	signals_forwarded(&set);
	r = loop_add_signals(a->loop, &set, on_signal, a, &signals);
	if (r == 0)
		r = fd_set_nonblock(c->launch.sync, true);
	if (r == 0)
		r = loop_add_fd(a->loop, c->launch.sync, EPOLLIN, on_sync, a, &a->sync);
	if (r == 0 && c->console >= 0)
		r = loop_add_fd(a->loop, c->console, EPOLLIN, on_console, a, &a->console);
	return r;
}

int attach_run(struct container *container, const struct attach_ops *ops, void *ctx, struct err *err)
{
	struct attach a = {
		.container = container,
		.pidfd = -EBADF,
		.ops = *ops,
		.ctx = ctx,
		.err = err,
		.status = 1,
	};
	int r, status;

	r = set_up(&a);
	if (r == 0 && a.pidfd >= 0)
		r = loop_run(a.loop);
	/* What it said last may still be in the socket. */
	while (r == 0 && container->launch.sync >= 0 && take_message(&a) == 0)
		;
	if (r < 0)
		err_set_errno(err, r, "waiting for the container");
	if (a.relay)
		relay_drain(a.relay);
	relay_free(a.relay);
	status = launch_reap(&container->launch);
	/* It was killed, or could not even say why it ends. */
	if (!err->code && !a.heard) {
		a.status = status ? status : 1;
		err_set(err, -ECHILD, "vrun-vmm ended before the container was there (exit status %d)", status);
	}
	loop_free(a.loop);
	close_fd(a.pidfd);
	return err->code ? a.status : status;
}
