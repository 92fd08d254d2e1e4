/* SPDX-License-Identifier: Apache-2.0 */
/* connector: see connector.h. */
#include "runtime/connector.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "runtime/stdio.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>

/* What the process has, under these numbers: /dev/null at 0 to 2 first. */
enum { FD_ASK = 3, FD_SOCKETS };

enum { CONNECT_MS = 1000 }; /* that a server whose queue is full is waited for */

struct request {
	uint32_t number, socket, uid, gid;
};

struct reply {
	uint32_t number;
	int32_t error;
};

struct connector {
	struct loop_source *source;
	int sock;
	pid_t pid;
	connector_fn fn;
	void *ctx;
};

/* --- the process --- */

static int become(uint32_t uid, uint32_t gid)
{
	return setresgid((gid_t)-1, gid, (gid_t)-1) < 0 || setresuid((uid_t)-1, uid, (uid_t)-1) < 0 ? -errno
												    : 0;
}

static int become_root(void)
{
	return setresuid((uid_t)-1, 0, (uid_t)-1) < 0 || setresgid((gid_t)-1, 0, (gid_t)-1) < 0 ? -errno : 0;
}

static int connect_to(int fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval wait = { .tv_sec = CONNECT_MS / 1000 }, forever = { 0 };
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d", fd);
	if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0 ||
	    connect(sock, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &forever, sizeof(forever)) < 0)
		return -errno;
	r = fd_set_nonblock(sock, true);
	return r < 0 ? r : TAKE_FD(sock);
}

static int serve(const struct request *request, size_t n)
{
	int r, back;

	/* -1 means "as it is" to the calls, and is nobody's number. */
	if (request->socket >= n || request->uid == UINT32_MAX || request->gid == UINT32_MAX)
		return -EINVAL;
	r = become(request->uid, request->gid);
	if (r == 0)
		r = connect_to(FD_SOCKETS + (int)request->socket);
	back = become_root();
	if (back < 0)
		_exit(1);
	return r;
}

static _Noreturn void serve_all(size_t n)
{
	struct request request;

	for (;;) {
		struct reply reply = { 0 };
		_cleanup_close_ int fd = -EBADF;
		ssize_t len = recv(FD_ASK, &request, sizeof(request), 0);

		if (len < 0 && errno == EINTR)
			continue;
		if (len != sizeof(request))
			_exit(0);
		fd = serve(&request, n);
		reply.number = request.number;
		reply.error = fd < 0 ? -fd : 0;
		if (fd_send(FD_ASK, &reply, sizeof(reply), &fd, fd >= 0) != sizeof(reply))
			_exit(0);
	}
}

/* Move each descriptor to its number, and close all else: nothing of the caller's is held. */
static int keep_only(int ask, int *sockets, size_t n)
{
	int first = FD_SOCKETS + (int)n, null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* Out of the way of the numbers. */
	ask = fcntl(ask, F_DUPFD_CLOEXEC, first);
	null = fcntl(null, F_DUPFD_CLOEXEC, first);
	if (ask < 0 || null < 0)
		return -errno;
	for (size_t i = 0; i < n; i++) {
		int copy = fcntl(sockets[i], F_DUPFD_CLOEXEC, first);

		if (copy < 0)
			return -errno;
		sockets[i] = copy;
	}
	for (size_t i = 0; i < n; i++)
		if (dup2(sockets[i], FD_SOCKETS + (int)i) < 0)
			return -errno;
	if (dup2(ask, FD_ASK) < 0)
		return -errno;
	if (stdio_to_null(null, false) < 0)
		return -EBADF;
	return syscall(SYS_close_range, first, ~0U, 0) < 0 ? -errno : 0;
}

/* To become somebody; and for root, whom the modes of sockets don't bind. As anybody else it has none. */
static int keep_capabilities(void)
{
	const uint32_t keep = 1U << CAP_SETUID | 1U << CAP_SETGID | 1U << CAP_DAC_OVERRIDE;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct data[2] = { { .effective = keep, .permitted = keep } };

	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static _Noreturn void connector_main(int ask, int *sockets, size_t n, pid_t parent)
{
	sigset_t all;

	prctl(PR_SET_NAME, "vrun-connector");
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	log_set_stderr(false);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || keep_only(ask, sockets, n) < 0 ||
	    setgroups(0, NULL) < 0 || keep_capabilities() < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    chdir("/") < 0)
		_exit(1);
	serve_all(n);
}

/* --- vrun-vmm's side --- */

static int open_socket(const char *path, struct err *err)
{
	const struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	_cleanup_close_ int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set_errno(err, -errno, "the socket %s", path);
	return S_ISSOCK(st.st_mode) ? TAKE_FD(fd) : err_set(err, -EINVAL, "%s is no socket any more", path);
}

static void on_reply(void *ctx, int fd, uint32_t events)
{
	struct connector *c = ctx;
	struct reply reply;
	int got = -EBADF;
	size_t n = 0;
	ssize_t len;

	(void)events;
	len = fd_recv(fd, &reply, sizeof(reply), &got, 1, &n);
	if (len == sizeof(reply) && (n == 1) == (reply.error == 0)) {
		c->fn(c->ctx, reply.number, reply.error, got);
		return;
	}
	if (n)
		close_fd(got);
	if (len == -EAGAIN)
		return;
	log_debug("the process that connects to sockets of the host is gone");
	loop_remove(TAKE_PTR(c->source));
}

static int start(struct connector *c, int *fds, size_t n, struct err *err)
{
	_cleanup_close_ int theirs = -EBADF;
	pid_t self = getpid();
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set_errno(err, -errno, "socketpair");
	c->sock = pair[0];
	theirs = pair[1];
	c->pid = fork();
	if (c->pid < 0)
		return err_set_errno(err, -errno, "a process that connects to sockets of the host");
	if (c->pid == 0)
		connector_main(theirs, fds, n, self);
	return fd_set_nonblock(c->sock, true);
}

int connector_new(struct loop *loop, char *const *paths, size_t n, connector_fn fn, void *ctx,
		  struct connector **ret, struct err *err)
{
	struct connector *c = calloc(1, sizeof(*c));
	_cleanup_free_ int *fds = calloc(n, sizeof(*fds));
	size_t opened = 0;
	int r = 0;

	if (!c || !fds) {
		free(c);
		return err_set(err, -ENOMEM, "out of memory");
	}
	*c = (struct connector){ .sock = -EBADF, .fn = fn, .ctx = ctx };
	while (r >= 0 && opened < n) {
		r = open_socket(paths[opened], err);
		if (r >= 0)
			fds[opened++] = r;
	}
	if (r >= 0)
		r = start(c, fds, n, err);
	for (size_t i = 0; i < opened; i++)
		close_fd(fds[i]);
	if (r >= 0) {
		r = loop_add_fd(loop, c->sock, EPOLLIN, on_reply, c, &c->source);
		if (r < 0)
			err_set_errno(err, r, "event loop");
	}
	if (r < 0) {
		connector_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

int connector_ask(struct connector *c, uint32_t request, uint32_t socket, uint32_t uid, uint32_t gid)
{
	const struct request msg = { .number = request, .socket = socket, .uid = uid, .gid = gid };

	if (!c->source)
		return -EPIPE;
	return send(c->sock, &msg, sizeof(msg), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

void connector_free(struct connector *c)
{
	siginfo_t info;

	if (!c)
		return;
	loop_remove(c->source);
	close_fd(c->sock);
	while (c->pid > 0 && waitid(P_PID, (id_t)c->pid, &info, WEXITED) < 0 && errno == EINTR)
		;
	free(c);
}
