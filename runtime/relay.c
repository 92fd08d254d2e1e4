/* SPDX-License-Identifier: Apache-2.0 */
/* relay: two pumps, one a direction. See relay.h. */
#include "runtime/relay.h"

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/loop.h"
#include "runtime/stdio.h"

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/epoll.h>

enum {
	RELAY_BUFFER = 16 << 10,
	/* Somebody who reads our output slowly gets this long once the container is over. */
	DRAIN_MS = 10000,
};

/* Reads when its buffer is empty, writes when it is not. */
struct pump {
	struct loop *loop;
	int from, to;
	struct loop_source *reader, *writer;
	size_t start, len;
	bool ended; /* nothing more comes */
	char buf[RELAY_BUFFER];
};

struct relay {
	int master, second; /* the same: epoll takes a descriptor once */
	int in, out;
	int tty; /* the one that is the container's meanwhile; -errno */
	struct tty_mode mode;
	struct pump to_guest, from_guest;
};

static void pump_update(struct pump *pump)
{
	if (pump->reader)
		loop_set_events(pump->reader, pump->len == 0 && !pump->ended ? EPOLLIN : 0);
	if (pump->writer)
		loop_set_events(pump->writer, pump->len > 0 ? EPOLLOUT : 0);
}

static void pump_end(struct pump *pump)
{
	pump->ended = true;
	loop_remove(TAKE_PTR(pump->reader));
	pump_update(pump);
}

static void pump_write(struct pump *pump)
{
	ssize_t n = write(pump->to, pump->buf + pump->start, pump->len);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		/* Nobody takes it any more: the rest of what comes is dropped, as a terminal's hang-up does. */
		pump->len = 0;
		return;
	}
	pump->start += (size_t)n;
	pump->len -= (size_t)n;
}

/* 1: something came. 0: nothing now. -ENODATA: the end. */
static int pump_read(struct pump *pump)
{
	ssize_t n = read(pump->from, pump->buf, sizeof(pump->buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* A master whose slaves are all closed reads EIO. */
	if (n <= 0)
		return -ENODATA;
	pump->start = 0;
	pump->len = (size_t)n;
	return 1;
}

static void on_readable(void *ctx)
{
	struct pump *pump = ctx;

	if (pump->len > 0)
		return;
	if (pump_read(pump) < 0)
		pump_end(pump);
	else if (pump->len > 0)
		pump_write(pump);
	pump_update(pump);
}

static void on_writable(void *ctx)
{
	struct pump *pump = ctx;

	if (pump->len > 0)
		pump_write(pump);
	pump_update(pump);
}

static void on_read_event(void *ctx, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	on_readable(ctx);
}

static void on_write_event(void *ctx, int fd, uint32_t events)
{
	struct pump *pump = ctx;

	(void)fd;
	/* An error or hang-up comes whatever we watch for: the write finds out. */
	if ((events & (EPOLLERR | EPOLLHUP)) && pump->len == 0) {
		loop_remove(TAKE_PTR(pump->writer));
		return;
	}
	on_writable(pump);
}

static int pump_start(struct pump *pump, struct loop *loop, int from, int to)
{
	int r;

	*pump = (struct pump){ .loop = loop, .from = from, .to = to };
	r = loop_add_fd(loop, from, EPOLLIN, on_read_event, pump, &pump->reader);
	if (r == -EPERM)
		r = loop_add_defer(loop, on_readable, pump, &pump->reader);
	if (r < 0)
		return r;
	r = loop_add_fd(loop, to, 0, on_write_event, pump, &pump->writer);
	if (r == -EPERM)
		r = loop_add_defer(loop, on_writable, pump, &pump->writer);
	if (r == 0)
		pump_update(pump);
	return r;
}

static void pump_stop(struct pump *pump)
{
	loop_remove(TAKE_PTR(pump->reader));
	loop_remove(TAKE_PTR(pump->writer));
}

void relay_resize(struct relay *relay)
{
	uint16_t rows, cols;

	if (pty_get_size(relay->tty, &rows, &cols) == 0)
		pty_set_size(relay->master, rows, cols);
}

int relay_new(struct loop *loop, int take_master, struct relay **ret)
{
	struct relay *relay = calloc(1, sizeof(*relay));
	int r;

	if (!relay) {
		close_fd(take_master);
		return -ENOMEM;
	}
	relay->mode = (struct tty_mode)TTY_MODE_INIT;
	relay->master = take_master;
	relay->in = stdio_private(STDIN_FILENO, false);
	relay->out = stdio_private(STDOUT_FILENO, true);
	relay->tty = stdio_terminal();
	relay->second = fcntl(relay->master, F_DUPFD_CLOEXEC, 3);
	r = relay->in < 0 ? relay->in : relay->out < 0 ? relay->out : 0;
	if (r == 0)
		r = fd_set_nonblock(relay->master, true);
	if (r == 0)
		r = pump_start(&relay->to_guest, loop, relay->in, relay->master);
	if (r == 0)
		r = pump_start(&relay->from_guest, loop, relay->second, relay->out);
	if (r == 0)
		r = tty_make_raw(relay->tty, &relay->mode);
	if (r < 0) {
		relay_free(relay);
		return r;
	}
	relay_resize(relay);
	*ret = relay;
	return 0;
}

void relay_drain(struct relay *relay)
{
	struct pump *pump = &relay->from_guest;
	struct pollfd to = { .fd = pump->to, .events = POLLOUT };

	for (;;) {
		if (pump->len == 0 && (pump->ended || pump_read(pump) <= 0))
			return;
		pump_write(pump);
		if (pump->len > 0 && poll(&to, 1, DRAIN_MS) <= 0)
			return;
	}
}

void relay_free(struct relay *relay)
{
	if (!relay)
		return;
	tty_restore(&relay->mode);
	pump_stop(&relay->to_guest);
	pump_stop(&relay->from_guest);
	close_fd(relay->master);
	close_fd(relay->second);
	close_fd(relay->in);
	close_fd(relay->out);
	close_fd(relay->tty);
	free(relay);
}
