/* SPDX-License-Identifier: Apache-2.0 */
/* stream: see stream.h; vsock(7). */
#include "agent/stream.h"

#include "agent/backoff.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "oci/agent_proto.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <linux/vm_sockets.h>

/* Below 1024: only the guest's root may bind it, and no process of the container runs yet. */
enum { CONTROL_SOURCE_PORT = 1023 };

static int begin(uint32_t source_port, uint32_t port)
{
	struct sockaddr_vm local = { .svm_family = AF_VSOCK,
				     .svm_cid = VMADDR_CID_ANY,
				     .svm_port = source_port };
	struct sockaddr_vm host = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = port };
	_cleanup_close_ int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* The kernel's default of 2 s is short for a host that is swapping. */
	struct timeval timeout = { .tv_sec = STREAM_TIMEOUT_MS / 1000 };

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout, sizeof(timeout)) < 0)
		return -errno;
	if (source_port != VMADDR_PORT_ANY && bind(fd, (struct sockaddr *)&local, sizeof(local)) < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&host, sizeof(host)) < 0 && errno != EINPROGRESS)
		return -errno;
	return TAKE_FD(fd);
}

int stream_connect_vsock(void *ctx, uint32_t port)
{
	(void)ctx;
	return begin(VMADDR_PORT_ANY, port);
}

int stream_finish(int fd, struct err *err)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	int error = 0, n;
	socklen_t len = sizeof(error);

	do
		n = poll(&pfd, 1, STREAM_TIMEOUT_MS);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_set_errno(err, -errno, "waiting for the host");
	if (n == 0)
		return err_set_errno(err, -ETIMEDOUT, "connecting to the host");
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return err_set_errno(err, -errno, "connecting to the host");
	return error ? err_set_errno(err, -error, "connecting to the host") : 0;
}

int stream_connect_control(struct err *err)
{
	struct backoff backoff = BACKOFF_INIT;

	for (;;) {
		_cleanup_close_ int fd = begin(CONTROL_SOURCE_PORT, AGENT_PORT_CONTROL);
		int r = fd < 0 ? fd : stream_finish(fd, err);

		if (r == 0)
			return TAKE_FD(fd);
		/* No device yet: no address family, no transport, or nobody at the other end. */
		if (!backoff_wait(&backoff))
			return err_set_errno(err, r, "no vsock connection to the host");
	}
}
