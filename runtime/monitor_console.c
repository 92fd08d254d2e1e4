/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_console: somebody looks at the guest's console, by a socket that came
 * with CONSOLE: what was written lately, what is written from now on, and bytes
 * typed there for the guest. One at a time. It must not hold the guest up: what
 * the socket does not take at once is lost.
 */
#include "runtime/monitor_internal.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/loop.h"
#include "vmm/console_log.h"
#include "vmm/vmm.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { HISTORY_LINES = 200, HISTORY_MAX = 32 << 10, INPUT_MAX = 512 };

struct monitor_console {
	struct monitor *m;
	int fd;
	struct loop_source *source;
};

/* Any thread, with the log's lock held. */
static void on_output(void *ctx, const void *buf, size_t len)
{
	const struct monitor_console *con = ctx;
	ssize_t n = send(con->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	(void)n;
}

static void on_input(void *ctx, int fd, uint32_t events)
{
	struct monitor_console *con = ctx;
	char buf[INPUT_MAX];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		monitor_console_free(con->m);
	else
		vmm_console_input(con->m->vmm, buf, (size_t)n);
}

/* The lines end as a terminal's do, as those that follow. */
static void send_history(const struct monitor_console *con)
{
	_cleanup_free_ char *text = malloc(HISTORY_MAX);
	const char *end;

	if (!text)
		return;
	end = text + console_log_tail(vmm_console(con->m->vmm), HISTORY_LINES, text, HISTORY_MAX);
	for (const char *line = text; line < end;) {
		size_t n = strcspn(line, "\n");

		on_output((void *)(uintptr_t)con, line, n);
		on_output((void *)(uintptr_t)con, "\r\n", 2);
		line += n + (line[n] != '\0');
	}
}

int monitor_console_attach(struct monitor *m, struct message *msg, struct err *err)
{
	_cleanup_close_ int fd = message_take_fd(msg, 0);
	struct monitor_console *con;
	int r;

	if (fd < 0)
		return err_set(err, -EINVAL, "console: there is no socket");
	if (m->console)
		return err_set(err, -EBUSY, "somebody is attached to the guest's console already");
	r = fd_set_nonblock(fd, true);
	con = r == 0 ? calloc(1, sizeof(*con)) : NULL;
	if (r == 0 && !con)
		r = -ENOMEM;
	if (r == 0)
		r = loop_add_fd(m->loop, fd, EPOLLIN, on_input, con, &con->source);
	if (r < 0) {
		free(con);
		return err_set_errno(err, r, "console");
	}
	con->m = m;
	con->fd = TAKE_FD(fd);
	m->console = con;
	send_history(con);
	console_log_set_tap(vmm_console(m->vmm), on_output, con);
	return 0;
}

void monitor_console_free(struct monitor *m)
{
	struct monitor_console *con = TAKE_PTR(m->console);

	if (!con)
		return;
	console_log_set_tap(vmm_console(m->vmm), NULL, NULL);
	loop_remove(con->source);
	close_fd(con->fd);
	free(con);
}
