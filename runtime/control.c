/* SPDX-License-Identifier: Apache-2.0 */
/* control: the server's sockets. What requests mean is monitor_verbs.c's. See control.h. */
#include "runtime/control.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

struct control_conn {
	struct control_conn *next;
	struct control *control;
	int fd;
	struct loop_source *source;
	void *data;
	bool broken; /* close it at the next event */
};

struct control {
	struct loop *loop;
	int fd;
	struct loop_source *source;
	const struct control_ops *ops;
	void *ctx;
	struct control_conn *conns;
	unsigned n_conns;
};

static void conn_close(struct control_conn *conn)
{
	struct control *control = conn->control;
	struct control_conn **link = &control->conns;

	while (*link != conn)
		link = &(*link)->next;
	*link = conn->next;
	control->n_conns--;
	control->ops->closed(control->ctx, conn);
	loop_remove(conn->source);
	close_fd(conn->fd);
	free(conn);
}

void control_reply(struct control_conn *conn, const struct message *msg)
{
	if (!conn->broken && message_send(conn->fd, msg) < 0) {
		conn->broken = true;
		/* Makes the descriptor readable, so the loop comes by. */
		shutdown(conn->fd, SHUT_RDWR);
	}
}

static void reply_error(struct control_conn *conn, int r, const struct err *err)
{
	const struct message msg = {
		.type = MESSAGE_ERROR,
		.number = -r,
		.text = err->text,
	};

	control_reply(conn, &msg);
}

static void on_conn(void *ctx, int fd, uint32_t events)
{
	struct control_conn *conn = ctx;
	_cleanup_message_ struct message msg = { 0 };
	struct err err = ERR_INIT;
	int r;

	(void)events;
	r = conn->broken ? -EPIPE : message_recv(fd, &msg);
	if (r == -EAGAIN)
		return;
	if (r < 0) {
		if (r != -ENODATA && r != -EPIPE && r != -ECONNRESET)
			log_debug("control: a connection ended: %s", strerrorname_np(-r));
		conn_close(conn);
		return;
	}
	r = conn->control->ops->request(conn->control->ctx, conn, &msg, &err);
	if (r < 0)
		reply_error(conn, r, &err);
	else if (r == 0)
		control_reply(conn, &(struct message){ .type = MESSAGE_OK });
}

static void on_listen(void *ctx, int fd, uint32_t events)
{
	struct control *control = ctx;
	struct control_conn *conn;
	int sock;

	(void)events;
	sock = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (sock < 0)
		return;
	conn = control->n_conns < CONTROL_CONNS_MAX ? calloc(1, sizeof(*conn)) : NULL;
	if (!conn) {
		close_fd(sock);
		return;
	}
	conn->control = control;
	conn->fd = sock;
	if (loop_add_fd(control->loop, sock, EPOLLIN, on_conn, conn, &conn->source) < 0) {
		close_fd(sock);
		free(conn);
		return;
	}
	conn->next = control->conns;
	control->conns = conn;
	control->n_conns++;
}

int control_new(struct loop *loop, int take_listen_fd, const struct control_ops *ops, void *ctx,
		struct control **ret)
{
	_cleanup_close_ int fd = take_listen_fd;
	struct control *control;
	int r;

	r = fd_set_nonblock(fd, true);
	if (r < 0)
		return r;
	control = calloc(1, sizeof(*control));
	if (!control)
		return -ENOMEM;
	control->loop = loop;
	control->ops = ops;
	control->ctx = ctx;
	r = loop_add_fd(loop, fd, EPOLLIN, on_listen, control, &control->source);
	if (r < 0) {
		free(control);
		return r;
	}
	control->fd = TAKE_FD(fd);
	*ret = control;
	return 0;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	while (control->conns) {
		struct control_conn *conn = control->conns;

		control->conns = conn->next;
		loop_remove(conn->source);
		close_fd(conn->fd);
		free(conn);
	}
	loop_remove(control->source);
	close_fd(control->fd);
	free(control);
}

void control_set_data(struct control_conn *conn, void *data)
{
	conn->data = data;
}

void *control_data(const struct control_conn *conn)
{
	return conn->data;
}

pid_t control_peer(const struct control_conn *conn)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(conn->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ? 0 : peer.pid;
}
