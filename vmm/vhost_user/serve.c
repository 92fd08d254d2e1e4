/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serve: see serve.h.
 */
#include "vmm/vhost_user/serve.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "vmm/vhost_user/backend.h"
#include "vmm/virtio/vdev.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Front-ends that wait while one is served. */
enum { BACKLOG = 4 };

struct vhost_user_server {
	struct loop *loop;
	struct vdev *dev;
	int listener;
	struct loop_source *source;
	struct vhost_user *connection;
	struct sockaddr_un addr;
	struct stat bound; /* the socket's inode, so that we remove no other */
};

static void connection_closed(void *ctx, const char *why)
{
	struct vhost_user_server *server = ctx;

	if (!why)
		log_debug("%s: front-end has hung up", server->dev->tag);
	vhost_user_free(TAKE_PTR(server->connection));
	loop_set_events(server->source, EPOLLIN);
}

static void on_connection(void *ctx, int fd, uint32_t events)
{
	struct vhost_user_server *server = ctx;
	const struct vhost_user_config config = { .closed = connection_closed, .ctx = server };
	struct err err = ERR_INIT;
	int sock;

	(void)events;
	sock = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (sock < 0)
		return; /* it has gone again, or we are short of descriptors: the next turn tries again */
	if (vhost_user_new(server->loop, server->dev, sock, &config, &server->connection, &err) < 0) {
		LOG_RATELIMITED(LOG_LEVEL_WARN, "%s", err.text);
		return;
	}
	loop_set_events(server->source, 0);
}

/* What an earlier run left behind refuses connections. */
static bool is_stale(const struct sockaddr_un *addr)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;

	return fd >= 0 && lstat(addr->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 && errno == ECONNREFUSED;
}

static int bind_socket(int fd, const struct sockaddr_un *addr)
{
	mode_t mask = umask(0177);
	int r = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));

	r = r < 0 ? -errno : 0;
	umask(mask);
	return r;
}

static int listen_at(struct vhost_user_server *server, const char *path, struct err *err)
{
	int r;

	if (strlen(path) >= sizeof(server->addr.sun_path))
		return err_set(err, -ENAMETOOLONG, "socket path %s: at most %zu bytes", path,
			       sizeof(server->addr.sun_path) - 1);
	server->addr.sun_family = AF_UNIX;
	memcpy(server->addr.sun_path, path, strlen(path) + 1);

	server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server->listener < 0)
		return err_set_errno(err, -errno, "can't make a socket");
	r = bind_socket(server->listener, &server->addr);
	if (r == -EADDRINUSE && is_stale(&server->addr)) {
		unlink(path);
		r = bind_socket(server->listener, &server->addr);
	}
	if (r < 0)
		return err_set_errno(err, r, "can't make socket %s", path);
	/* From here on it is ours to remove. */
	if (lstat(path, &server->bound) < 0 || listen(server->listener, BACKLOG) < 0)
		return err_set_errno(err, -errno, "can't listen on %s", path);
	return 0;
}

static void cleanup_server(struct vhost_user_server **server)
{
	vhost_user_server_free(*server);
}

int vhost_user_serve(struct loop *loop, struct vdev *dev, const char *path, struct vhost_user_server **ret,
		     struct err *err)
{
	_cleanup_(cleanup_server) struct vhost_user_server *server = NULL;
	int r;

	server = calloc(1, sizeof(*server));
	if (!server)
		return err_set(err, -ENOMEM, "out of memory");
	server->loop = loop;
	server->dev = dev;
	server->listener = -EBADF;
	r = listen_at(server, path, err);
	if (r < 0)
		return r;
	r = loop_add_fd(loop, server->listener, EPOLLIN, on_connection, server, &server->source);
	if (r < 0)
		return err_set_errno(err, r, "can't watch %s", path);
	*ret = TAKE_PTR(server);
	return 0;
}

void vhost_user_server_free(struct vhost_user_server *server)
{
	struct stat st;

	if (!server)
		return;
	vhost_user_free(server->connection);
	loop_remove(server->source);
	close_fd(server->listener);
	if (server->bound.st_ino && lstat(server->addr.sun_path, &st) == 0 &&
	    st.st_ino == server->bound.st_ino && st.st_dev == server->bound.st_dev)
		unlink(server->addr.sun_path);
	free(server);
}
