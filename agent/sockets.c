/* SPDX-License-Identifier: Apache-2.0 */
/* sockets: see sockets.h. */
#include "agent/sockets.h"

#include "agent/process.h"
#include "agent/pump.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/loop.h"
#include "oci/agent_proto.h"
#include "oci/spec.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

enum { BACKLOG = 64 };

struct listener {
	struct listener *next;
	struct sockets *sockets;
	unsigned number;
	int fd;
	struct loop_source *source;
};

/* A process of the container, and the host: first OPEN is answered, then the stream connects, then both pump. */
struct connection {
	struct connection *next;
	struct sockets *sockets;
	uint32_t request;
	bool opened;
	int inside, stream; /* until they are pumped */
	struct loop_source *source; /* of the stream while it connects */
	struct pump *in, *out;
};

struct sockets {
	struct loop *loop;
	const struct stream_connector *connector;
	sockets_open_fn open;
	void *ctx;
	struct listener *listeners;
	struct connection *connections;
	unsigned n_connections;
	uint32_t next_request;
};

/* --- connections --- */

static void hang_up(struct connection *c)
{
	struct connection **link = &c->sockets->connections;

	while (*link != c)
		link = &(*link)->next;
	*link = c->next;
	c->sockets->n_connections--;
	loop_remove(c->source);
	pump_free(c->in);
	pump_free(c->out);
	close_fd(c->inside);
	close_fd(c->stream);
	free(c);
}

static void on_pump_done(void *ctx, struct pump *pump)
{
	struct connection *c = ctx;

	if (c->in == pump)
		c->in = NULL;
	else
		c->out = NULL;
	pump_free(pump);
	if (!c->in && !c->out)
		hang_up(c);
}

static int join(struct connection *c)
{
	int inside = fcntl(c->inside, F_DUPFD_CLOEXEC, 3), stream = fcntl(c->stream, F_DUPFD_CLOEXEC, 3);
	int r;

	if (inside < 0 || stream < 0) {
		close_fd(inside);
		close_fd(stream);
		return -EMFILE;
	}
	r = pump_new(c->sockets->loop, inside, stream, on_pump_done, c, &c->out);
	if (r == 0)
		r = pump_new(c->sockets->loop, TAKE_FD(c->stream), TAKE_FD(c->inside), on_pump_done, c,
			     &c->in);
	return r;
}

static void on_connected(void *ctx, int fd, uint32_t events)
{
	struct connection *c = ctx;
	socklen_t len = sizeof(int);
	int error = 0;

	(void)events;
	loop_remove(TAKE_PTR(c->source));
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error || join(c) < 0)
		hang_up(c);
}

int sockets_opened(struct sockets *s, uint32_t request, uint32_t error, uint32_t port)
{
	struct connection *c = s ? s->connections : NULL;

	while (c && (c->request != request || c->opened))
		c = c->next;
	if (!c)
		return -EPROTO;
	c->opened = true;
	if (!error)
		c->stream = s->connector->connect(s->connector->ctx, port);
	if (error || c->stream < 0 ||
	    loop_add_fd(s->loop, c->stream, EPOLLOUT, on_connected, c, &c->source) < 0)
		hang_up(c);
	return 0;
}

static void on_accept(void *ctx, int fd, uint32_t events)
{
	struct listener *l = ctx;
	struct sockets *s = l->sockets;
	_cleanup_close_ int inside = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	socklen_t len = sizeof(struct ucred);
	struct agent_open msg = { .socket = le32_make(l->number) };
	struct connection *c;
	struct ucred peer;

	(void)events;
	if (inside < 0 || s->n_connections >= AGENT_SOCKET_CONNECTIONS_MAX ||
	    getsockopt(inside, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return;
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	*c = (struct connection){ .next = s->connections,
				  .sockets = s,
				  .request = s->next_request++,
				  .inside = TAKE_FD(inside),
				  .stream = -EBADF };
	s->connections = c;
	s->n_connections++;
	msg.uid = le32_make(peer.uid);
	msg.gid = le32_make(peer.gid);
	s->open(s->ctx, c->request, &msg);
}

/* --- listening --- */

static int listen_on(struct sockets *s, const char *path, struct err *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	unsigned number, mode, uid, gid;
	struct listener *l;
	int end = 0, r;

	if (sscanf(path, AGENT_SOCKET_DIR "/%u-%o-%u-%u%n", &number, &mode, &uid, &gid, &end) != 4 ||
	    path[end] || strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, -EINVAL, "%s: not a socket's place", path);
	strcpy(addr.sun_path, path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    chown(path, uid, gid) < 0 || chmod(path, mode & 07777) < 0 || listen(fd, BACKLOG) < 0)
		return err_set_errno(err, -errno, "listening on %s", path);
	l = calloc(1, sizeof(*l));
	if (!l)
		return err_set_errno(err, -ENOMEM, "listening on %s", path);
	*l = (struct listener){ .next = s->listeners, .sockets = s, .number = number, .fd = fd };
	r = loop_add_fd(s->loop, fd, EPOLLIN, on_accept, l, &l->source);
	if (r < 0) {
		free(l);
		return err_set_errno(err, r, "listening on %s", path);
	}
	TAKE_FD(fd);
	s->listeners = l;
	return 0;
}

static bool is_socket(const struct oci_mount *m)
{
	return m->source && !strncmp(m->source, AGENT_SOCKET_DIR "/", strlen(AGENT_SOCKET_DIR "/"));
}

int sockets_new(struct loop *loop, const struct stream_connector *connector, const struct oci_spec *spec,
		sockets_open_fn open, void *ctx, struct sockets **ret, struct err *err)
{
	struct sockets *s = NULL;

	for (size_t i = 0; i < spec->n_mounts; i++) {
		int r = 0;

		if (!is_socket(&spec->mounts[i]))
			continue;
		if (!s) {
			s = calloc(1, sizeof(*s));
			if (!s)
				return err_set_errno(err, -ENOMEM, "sockets");
			*s = (struct sockets){
				.loop = loop, .connector = connector, .open = open, .ctx = ctx
			};
			if ((mkdir("/run/vrun", 0755) < 0 && errno != EEXIST) ||
			    (mkdir(AGENT_SOCKET_DIR, 0700) < 0 && errno != EEXIST))
				r = err_set_errno(err, -errno, AGENT_SOCKET_DIR);
		}
		if (r == 0)
			r = listen_on(s, spec->mounts[i].source, err);
		if (r < 0) {
			sockets_free(s);
			return r;
		}
	}
	*ret = s;
	return 0;
}

void sockets_free(struct sockets *s)
{
	if (!s)
		return;
	while (s->connections)
		hang_up(s->connections);
	while (s->listeners) {
		struct listener *l = s->listeners;

		s->listeners = l->next;
		loop_remove(l->source);
		close_fd(l->fd);
		free(l);
	}
	free(s);
}
