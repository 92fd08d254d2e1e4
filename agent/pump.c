/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pump: see pump.h.
 *
 * Theory of operation
 *
 * Exactly one side is in the loop at any time: the reading side while the
 * buffer is empty, the writing side while it is not. A hang-up is reported for
 * as long as a descriptor is watched, so the idle side must not be.
 *
 * No splice(): to a socket it moves page by page, which a vsock turns into a
 * packet each.
 */
#include "agent/pump.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
	BUFFER_SIZE = 64 << 10, /* a vsock packet's largest payload, a pipe's usual size */
	ROUNDS_PER_TURN = 16, /* then the loop's other sources have their turn */
};

struct pump {
	struct loop *loop;
	int in, out;
	struct loop_source *source; /* of one of the two */
	bool watching_out;
	bool draining;
	pump_done_fn done;
	void *ctx;
	size_t start, len; /* what is in the buffer */
	uint8_t buf[BUFFER_SIZE];
};

static void pump_turn(struct pump *p);

static void on_ready(void *ctx, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	pump_turn(ctx);
}

static int watch(struct pump *p, bool out)
{
	if (p->source && p->watching_out == out)
		return 0;
	loop_remove(TAKE_PTR(p->source));
	p->watching_out = out;
	return loop_add_fd(p->loop, out ? p->out : p->in, out ? EPOLLOUT : EPOLLIN, on_ready, p, &p->source);
}

static void finish(struct pump *p)
{
	loop_remove(TAKE_PTR(p->source));
	/* Others may hold the same socket, for the other direction: so not by close() alone. */
	(void)shutdown(p->out, SHUT_WR);
	(void)shutdown(p->in, SHUT_RD);
	p->in = close_fd(p->in);
	p->out = close_fd(p->out);
	p->done(p->ctx, p);
}

/* 1: moved something, 0: would block, negative: it is over. */
static int fill(struct pump *p)
{
	ssize_t n = read(p->in, p->buf, sizeof(p->buf));

	if (n < 0 && errno == EINTR)
		return 1;
	if (n < 0 && errno == EAGAIN)
		return p->draining ? -ENODATA : 0;
	if (n <= 0)
		return -ENODATA;
	p->start = 0;
	p->len = (size_t)n;
	return 1;
}

static int flush(struct pump *p)
{
	ssize_t n = send(p->out, p->buf + p->start, p->len, MSG_NOSIGNAL);

	if (n < 0 && errno == ENOTSOCK)
		n = write(p->out, p->buf + p->start, p->len);
	if (n < 0 && errno == EINTR)
		return 1;
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	p->start += (size_t)n;
	p->len -= (size_t)n;
	return 1;
}

static void pump_turn(struct pump *p)
{
	int r = 1;

	for (int i = 0; i < ROUNDS_PER_TURN && r > 0; i++)
		r = p->len ? flush(p) : fill(p);
	if (r >= 0)
		r = watch(p, p->len > 0);
	if (r < 0)
		finish(p);
}

int pump_new(struct loop *loop, int take_in, int take_out, pump_done_fn done, void *ctx, struct pump **ret)
{
	_cleanup_close_ int in = take_in, out = take_out;
	struct pump *p;
	int r;

	r = fd_set_nonblock(in, true);
	if (r == 0)
		r = fd_set_nonblock(out, true);
	if (r < 0)
		return r;
	p = malloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	/* Not the buffer: its pages are only had when it is used. */
	p->loop = loop;
	p->in = in;
	p->out = out;
	p->source = NULL;
	p->watching_out = false;
	p->draining = false;
	p->done = done;
	p->ctx = ctx;
	p->start = p->len = 0;
	r = watch(p, false);
	if (r < 0) {
		free(p);
		return r;
	}
	TAKE_FD(in);
	TAKE_FD(out);
	*ret = p;
	return 0;
}

void pump_drain(struct pump *p)
{
	if (p->draining)
		return;
	p->draining = true;
	pump_turn(p);
}

void pump_free(struct pump *p)
{
	if (!p)
		return;
	loop_remove(p->source);
	close_fd(p->in);
	close_fd(p->out);
	free(p);
}
