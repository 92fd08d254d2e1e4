/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock_fd: reading and writing descriptors that we were given, without ever
 * blocking the loop.
 *
 * Theory of operation
 *
 * O_NONBLOCK belongs to the open file description, which we share with whoever
 * gave us the descriptor: a shell's terminal, a caller's pipe. Setting it there
 * would change it for them, and they may clear it under us. So:
 *
 *   sockets            MSG_DONTWAIT with each call
 *   non-blocking ones  as they are: whoever gave one so has made it for us
 *   pipes, terminals   opened again through /proc/self/fd, which gives a
 *                      description of our own with O_NONBLOCK. A pty's master can't
 *                      be (that opens a new pty), permission may lack, and in a jail
 *                      nothing is opened
 *   files, directories as they are: they are always ready
 *   all else           poll() before each call, and writes of at most PIPE_BUF
 *                      bytes, which a pipe that polls writable takes at once
 */
#include "vmm/virtio/vsock_internal.h"

#include "base/cleanup.h"
#include "vmm/jail/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>

static bool may_open_again(int fd, const struct stat *st)
{
	unsigned number;

	if (S_ISFIFO(st->st_mode))
		return true;
	/* Only a pty's master has a number to tell. */
	return S_ISCHR(st->st_mode) && isatty(fd) && ioctl(fd, TIOCGPTN, &number) < 0;
}

void vsock_fd_init(struct vsock_fd *vfd, int take_fd)
{
	char path[32];
	struct stat st;
	int fd, flags;

	*vfd = (struct vsock_fd){ .fd = -EBADF };
	if (take_fd < 0)
		return;
	vfd->fd = take_fd;
	vfd->kind = VSOCK_FD_POLLED;
	if (fstat(take_fd, &st) < 0)
		return;
	if (S_ISSOCK(st.st_mode)) {
		vfd->kind = VSOCK_FD_SOCKET;
		return;
	}
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode)) {
		vfd->kind = VSOCK_FD_DIRECT;
		return;
	}
	flags = fcntl(take_fd, F_GETFL);
	if (flags >= 0 && (flags & O_NONBLOCK)) {
		vfd->kind = VSOCK_FD_DIRECT;
		return;
	}
	if (flags < 0 || jail_entered() || !may_open_again(take_fd, &st))
		return;
	/* The same access: a pipe that was opened for both keeps its reader or writer. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", take_fd);
	fd = open(path, (flags & O_ACCMODE) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return;
	close_fd(take_fd);
	vfd->fd = fd;
	vfd->kind = VSOCK_FD_DIRECT;
}

static bool poll_ready(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	/* Errors and hang-ups too: then the call returns at once and says so. */
	return poll(&pfd, 1, 0) > 0;
}

static int call_error(void)
{
	return errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

ssize_t vsock_fd_read(const struct vsock_fd *vfd, const struct iovec *iov, unsigned n)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = n < IOV_MAX ? n : IOV_MAX };
	ssize_t len;

	if (vfd->kind == VSOCK_FD_POLLED && !poll_ready(vfd->fd, POLLIN))
		return -EAGAIN;
	do {
		if (vfd->kind == VSOCK_FD_SOCKET)
			len = recvmsg(vfd->fd, &msg, MSG_DONTWAIT);
		else
			len = readv(vfd->fd, msg.msg_iov, (int)msg.msg_iovlen);
	} while (len < 0 && errno == EINTR);
	if (len >= 0)
		return len;
	/* A terminal that was hung up, a peer that went away: nothing more will come. */
	if (errno == EIO || errno == ECONNRESET)
		return 0;
	return call_error();
}

ssize_t vsock_fd_write(const struct vsock_fd *vfd, const struct iovec *iov, unsigned n)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = n < IOV_MAX ? n : IOV_MAX };
	ssize_t len;

	if (vfd->kind == VSOCK_FD_POLLED && !poll_ready(vfd->fd, POLLOUT))
		return -EAGAIN;
	do {
		if (vfd->kind == VSOCK_FD_SOCKET)
			len = sendmsg(vfd->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		else if (vfd->kind == VSOCK_FD_POLLED)
			len = write(vfd->fd, iov->iov_base,
				    iov->iov_len < PIPE_BUF ? iov->iov_len : PIPE_BUF);
		else
			len = writev(vfd->fd, msg.msg_iov, (int)msg.msg_iovlen);
	} while (len < 0 && errno == EINTR);
	if (len > 0)
		return len;
	return len == 0 ? -EAGAIN : call_error();
}
