/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listener: see listener.h.
 */
#include "vmm/qemu/listener.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

struct qemu_listener {
	int sock;
	struct loop_source *source;
	pid_t pid; /* 0: nobody yet */
	char address[sizeof(((struct sockaddr_un *)0)->sun_path)];
	qemu_connected_fn connected;
	void *ctx;
};

static bool is_expected(const struct qemu_listener *listener, int sock)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return listener->pid > 0 && getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       peer.pid == listener->pid;
}

static void on_connection(void *ctx, int fd, uint32_t events)
{
	struct qemu_listener *listener = ctx;
	_cleanup_close_ int sock = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (sock < 0)
		return;
	if (!is_expected(listener, sock)) {
		LOG_RATELIMITED(LOG_LEVEL_DEBUG, "QEMU's socket: connection by somebody else");
		return;
	}
	loop_remove(TAKE_PTR(listener->source));
	listener->sock = close_fd(listener->sock);
	listener->connected(listener->ctx, TAKE_FD(sock));
}

/* unix(7), "Autobind feature": the kernel finds an abstract address that is free. */
static int bind_anywhere(struct qemu_listener *listener)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(addr.sun_family);
	size_t n;

	if (bind(listener->sock, (struct sockaddr *)&addr, len) < 0)
		return -errno;
	len = sizeof(addr);
	if (getsockname(listener->sock, (struct sockaddr *)&addr, &len) < 0)
		return -errno;
	n = len - offsetof(struct sockaddr_un, sun_path);
	if (n < 2 || n > sizeof(addr.sun_path) || addr.sun_path[0] != '\0')
		return -EADDRNOTAVAIL;
	memcpy(listener->address, addr.sun_path + 1, n - 1);
	return listen(listener->sock, 4) < 0 ? -errno : 0;
}

int qemu_listener_new(struct loop *loop, qemu_connected_fn connected, void *ctx, struct qemu_listener **ret)
{
	struct qemu_listener *listener = calloc(1, sizeof(*listener));
	int r;

	if (!listener)
		return -ENOMEM;
	listener->connected = connected;
	listener->ctx = ctx;
	listener->sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = listener->sock < 0 ? -errno : bind_anywhere(listener);
	if (r == 0)
		r = loop_add_fd(loop, listener->sock, EPOLLIN, on_connection, listener, &listener->source);
	if (r < 0) {
		qemu_listener_free(listener);
		return r;
	}
	*ret = listener;
	return 0;
}

void qemu_listener_free(struct qemu_listener *listener)
{
	if (!listener)
		return;
	loop_remove(listener->source);
	close_fd(listener->sock);
	free(listener);
}

const char *qemu_listener_address(const struct qemu_listener *listener)
{
	return listener->address;
}

void qemu_listener_expect(struct qemu_listener *listener, pid_t pid)
{
	listener->pid = pid;
}
