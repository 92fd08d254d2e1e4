/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm_serve: see vmm_serve.h. It listens on a socket, serves one front-end after
 * another, and ends by SIGTERM or SIGINT, as QEMU's conventions for back-end
 * programs ask (docs/interop/vhost-user.rst).
 */
#include "cmd/vmm_serve.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/loop.h"
#include "cmd/options.h"
#include "vmm/vhost_user/serve.h"
#include "vmm/virtio/fs.h"
#include "vmm/virtio/vdev.h"
#include "vmm/virtio/vsock.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { SERVE_SHARES_MAX = 64 };

struct serve {
	const char *socket_path;
	bool debug, help;
	/* fs */
	const char *tag, *cache;
	struct opt_list shares, readonly_shares;
	/* vsock */
	struct opt_count cid;
	const char *connect_dir;
};

#define COMMON_OPTIONS                                                                                       \
	{ "socket-path", 's',                                                                                \
	  OPT_STRING,	 offsetof(struct serve, socket_path),                                                \
	  "PATH",	 "listen for a front-end there" },                                                   \
		{ "debug", 0, OPT_FLAG, offsetof(struct serve, debug), NULL, "tell each message" },          \
	{                                                                                                    \
		"help", 'h', OPT_FLAG, offsetof(struct serve, help), NULL, "print this help"                 \
	}

static const struct opt fs_opts[] = {
	{ "share", 0, OPT_LIST, offsetof(struct serve, shares), "NAME=PATH",
	  "share a directory or file under this name" },
	{ "share-readonly", 0, OPT_LIST, offsetof(struct serve, readonly_shares), "NAME=PATH",
	  "the same, without writes" },
	{ "tag", 0, OPT_STRING, offsetof(struct serve, tag), "TAG", "what the guest mounts (vrun)" },
	{ "cache", 0, OPT_STRING, offsetof(struct serve, cache), "auto|none|always",
	  "what the guest may keep of files (auto)" },
	COMMON_OPTIONS,
	OPT_END,
};

static const struct opt vsock_opts[] = {
	{ "cid", 0, OPT_COUNT, offsetof(struct serve, cid), "N", "the guest's context id (3)" },
	{ "connect-dir", 0, OPT_STRING, offsetof(struct serve, connect_dir), "DIR",
	  "the guest's connection to port N goes to the unix socket DIR/N" },
	COMMON_OPTIONS,
	OPT_END,
};

/* --- virtio-fs --- */

struct share_list {
	struct vfs_share shares[SERVE_SHARES_MAX];
	char *names[SERVE_SHARES_MAX];
	size_t n;
};

static void share_list_done(struct share_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		close_fd(list->shares[i].fd);
		free(list->names[i]);
	}
}

static int add_shares(struct share_list *list, const struct opt_list *words, bool readonly,
		      enum vfs_cache cache, struct err *err)
{
	for (size_t i = 0; i < words->n; i++) {
		const char *equals = strchr(words->v[i], '=');
		char *name;
		int fd;

		if (!equals || equals == words->v[i])
			return err_set(err, -EINVAL, "share %s: must be NAME=PATH", words->v[i]);
		if (list->n == SERVE_SHARES_MAX)
			return err_set(err, -E2BIG, "at most %d shares", SERVE_SHARES_MAX);
		fd = open(equals + 1, O_PATH | O_CLOEXEC);
		if (fd < 0)
			return err_set_errno(err, -errno, "share %s", words->v[i]);
		name = strndup(words->v[i], (size_t)(equals - words->v[i]));
		if (!name) {
			close_fd(fd);
			return err_set(err, -ENOMEM, "out of memory");
		}
		list->names[list->n] = name;
		list->shares[list->n++] =
			(struct vfs_share){ .name = name, .fd = fd, .readonly = readonly, .cache = cache };
	}
	return 0;
}

static int parse_cache(const char *word, enum vfs_cache *ret, struct err *err)
{
	static const struct {
		const char *word;
		enum vfs_cache cache;
	} modes[] = { { "auto", VFS_CACHE_AUTO },
		      { "none", VFS_CACHE_NONE },
		      { "always", VFS_CACHE_ALWAYS } };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (strcmp(word, modes[i].word) == 0) {
			*ret = modes[i].cache;
			return 0;
		}
	}
	return err_set(err, -EINVAL, "cache mode %s: must be auto, none or always", word);
}

static int make_fs(struct loop *loop, const struct serve *serve, struct vdev **ret, struct err *err)
{
	_cleanup_(share_list_done) struct share_list list = { .n = 0 };
	struct vfs_config config = { .tag = serve->tag ? serve->tag : "vrun" };
	enum vfs_cache cache = VFS_CACHE_AUTO;
	int r;

	if (serve->cache && (r = parse_cache(serve->cache, &cache, err)) < 0)
		return r;
	if ((r = add_shares(&list, &serve->shares, false, cache, err)) < 0 ||
	    (r = add_shares(&list, &serve->readonly_shares, true, cache, err)) < 0)
		return r;
	if (list.n == 0)
		return err_set(err, -EINVAL, "nothing to share: give --share NAME=PATH");
	config.shares = list.shares;
	config.n_shares = list.n;
	return virtio_fs_new(loop, &config, ret, err);
}

/* --- virtio-vsock --- */

static int connect_out(void *ctx, uint32_t guest_port, uint32_t host_port, int *ret_rfd, int *ret_wfd)
{
	const struct serve *serve = ctx;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -EBADF;
	int n;

	(void)guest_port;
	n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%u", serve->connect_dir, host_port);
	if (n < 0 || (size_t)n >= sizeof(addr.sun_path))
		return -ECONNREFUSED;
	/* A unix socket connects at once or not at all; a full backlog is not waited for. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -ECONNREFUSED;
	*ret_rfd = *ret_wfd = TAKE_FD(fd);
	return 0;
}

static int make_vsock(struct loop *loop, struct serve *serve, struct vdev **ret, struct err *err)
{
	const struct vsock_config config = {
		.guest_cid = serve->cid.has ? serve->cid.v : 3,
		.connect = serve->connect_dir ? connect_out : NULL,
		.ctx = serve,
	};

	return virtio_vsock_new(loop, &config, ret, err);
}

/* --- Both --- */

static void on_signal(void *ctx, const struct signalfd_siginfo *si)
{
	(void)si;
	loop_quit(ctx, 0);
}

static int watch_signals(struct loop *loop, struct err *err)
{
	struct loop_source *source;
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	r = loop_add_signals(loop, &set, on_signal, loop, &source);
	return r < 0 ? err_set_errno(err, r, "can't watch signals") : 0;
}

static void cleanup_loop(struct loop **loop)
{
	loop_free(*loop);
}

static void cleanup_vdev(struct vdev **dev)
{
	vdev_free(*dev);
}

static int run(struct serve *serve, bool is_fs, struct err *err)
{
	/* In the order of their dependence, so freed backwards. */
	_cleanup_(cleanup_loop) struct loop *loop = NULL;
	_cleanup_(cleanup_vdev) struct vdev *dev = NULL;
	struct vhost_user_server *server;
	int r;

	if (!serve->socket_path)
		return err_set(err, -EINVAL, "--socket-path is missing");
	r = loop_new(&loop);
	if (r < 0)
		return err_set_errno(err, r, "can't make an event loop");
	r = watch_signals(loop, err);
	if (r < 0)
		return r;
	r = is_fs ? make_fs(loop, serve, &dev, err) : make_vsock(loop, serve, &dev, err);
	if (r < 0)
		return r;
	r = vhost_user_serve(loop, dev, serve->socket_path, &server, err);
	if (r < 0)
		return r;
	r = loop_run(loop);
	vhost_user_server_free(server);
	return r < 0 ? err_set_errno(err, r, "event loop") : 0;
}

static int usage(FILE *out, const struct opt *opts, const char *device)
{
	fprintf(out, "Usage: vrun-vmm serve %s --socket-path PATH [OPTION…]\n\n", device);
	fprintf(out,
		"Serves one vhost-user front-end after another, such as QEMU, until it gets SIGTERM.\n\n");
	opt_print_help(opts, out);
	fprintf(out, "\nExample:\n  vrun-vmm serve %s --socket-path /tmp/%s.sock %s\n", device, device,
		opts == fs_opts ? "--share src=/usr/src" : "--connect-dir /tmp/ports");
	return 0;
}

int vmm_serve_main(int argc, char **argv)
{
	bool is_fs = strcmp(argv[0], "fs") == 0;
	const struct opt *opts = is_fs ? fs_opts : vsock_opts;
	struct serve serve = { .socket_path = NULL };
	struct err err = ERR_INIT;
	int words, r;

	log_set_prefix("vrun-vmm");
	if (!is_fs && strcmp(argv[0], "vsock") != 0) {
		fprintf(stderr, "vrun-vmm: there is no device \"%s\" to serve: fs or vsock\n", argv[0]);
		return 1;
	}
	r = opt_parse(opts, OPT_ANYWHERE, &serve, argv + 1, argc - 1, &words, &err);
	if (r >= 0 && serve.help) {
		usage(stdout, opts, argv[0]);
	} else if (r >= 0) {
		log_set_level(serve.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN);
		r = words > 0 ? err_set(&err, -EINVAL, "unexpected argument \"%s\"", argv[1])
			      : run(&serve, is_fs, &err);
	}
	opt_done(opts, &serve);
	if (r < 0)
		fprintf(stderr, "vrun-vmm: %s\n", err.text);
	return r < 0;
}
