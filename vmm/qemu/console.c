/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console: see console.h.
 */
#include "vmm/qemu/console.h"

#include "base/cleanup.h"
#include "base/loop.h"
#include "vmm/console_log.h"

#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* Reads in one turn of the loop, and at the end: no more than a socket holds, as QEMU may be filling it. */
enum { TURN_READS = 4, DRAIN_READS = 256 };

/* False: no more will come. */
static bool read_some(struct qemu_console *console, unsigned max_reads)
{
	char buf[4096];
	ssize_t n;

	for (unsigned i = 0; i < max_reads; i++) {
		n = recv(console->sock, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 && errno == EAGAIN;
		console_log_write(console->log, buf, (size_t)n);
	}
	return true;
}

static void on_readable(void *ctx, int fd, uint32_t events)
{
	struct qemu_console *console = ctx;

	(void)fd;
	(void)events;
	if (!read_some(console, TURN_READS))
		loop_remove(TAKE_PTR(console->source));
}

int qemu_console_init(struct qemu_console *console, struct loop *loop, struct console_log *log,
		      int *ret_theirs)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	console->sock = pair[0];
	console->log = log;
	*ret_theirs = pair[1];
	return loop_add_fd(loop, console->sock, EPOLLIN, on_readable, console, &console->source);
}

void qemu_console_done(struct qemu_console *console)
{
	loop_remove(TAKE_PTR(console->source));
	console->sock = close_fd(console->sock);
}

void qemu_console_drain(struct qemu_console *console)
{
	if (console->source)
		read_some(console, DRAIN_READS);
}

size_t qemu_console_input(struct qemu_console *console, const void *buf, size_t len)
{
	ssize_t n = send(console->sock, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	return n < 0 ? 0 : (size_t)n;
}
