/* SPDX-License-Identifier: Apache-2.0 */
/* control_client: the commands' end of a control socket. See control.h. */
#include "runtime/control.h"

#include "base/cleanup.h"
#include "base/err.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

enum { CONTROL_BACKLOG = 64 };

/* By way of the directory's descriptor: a socket's name holds 107 bytes, an id more. */
static void control_address(int dirfd, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/control", dirfd);
}

int control_listen(int dirfd)
{
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr;
	mode_t mask;
	int r;

	if (sock < 0)
		return -errno;
	control_address(dirfd, &addr);
	mask = umask(0177);
	r = bind(sock, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
	umask(mask);
	if (r == 0 && listen(sock, CONTROL_BACKLOG) < 0)
		r = -errno;
	return r < 0 ? r : TAKE_FD(sock);
}

int control_connect(int dirfd, unsigned timeout_ms)
{
	const struct timeval timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };
	_cleanup_close_ int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr;

	if (sock < 0)
		return -errno;
	if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0)
		return -errno;
	control_address(dirfd, &addr);
	if (connect(sock, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return TAKE_FD(sock);
}

int control_ask(int sock, const struct message *msg, struct message *ret, struct err *err)
{
	_cleanup_message_ struct message answer = { 0 };
	int r;

	r = message_send(sock, msg);
	if (r == 0)
		r = message_recv(sock, &answer);
	if (r == -EAGAIN)
		return err_set(err, -ETIMEDOUT, "vrun-vmm does not answer");
	if (r < 0)
		return err_set(err, r, "vrun-vmm went away without an answer (%s)", strerrorname_np(-r));
	*ret = answer;
	answer = (struct message){ 0 };
	if (ret->type != MESSAGE_ERROR)
		return 0;
	r = ret->number > 0 && ret->number < 4096 ? -ret->number : -EIO;
	err_set(err, r, "%s", ret->text ? ret->text : strerror(-r));
	return r;
}

int control_call(int sock, const struct message *msg, enum message_type also, int *ret_status,
		 struct err *err)
{
	_cleanup_message_ struct message answer = { 0 };
	int r = control_ask(sock, msg, &answer, err);

	if (r < 0 && ret_status)
		*ret_status = answer.status;
	if (r < 0 || answer.type == MESSAGE_OK || answer.type == also)
		return r;
	return err_set(err, -EPROTO, "vrun-vmm gave an unexpected answer");
}
