/* SPDX-License-Identifier: Apache-2.0 */
/* net_stream: see net_stream.h. */
#include "vmm/virtio/net_stream.h"

#include "base/cleanup.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/fd.h"
#include "vmm/virtio/net_internal.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

enum {
	PREFIX = 4,
	FRAME_MIN = 14, /* an Ethernet header */
	FRAME_MAX = VNET_FRAME_MAX - VNET_HDR_LEN,
	IN_MAX = 4 * (PREFIX + FRAME_MAX), /* several go in one system call */
};

struct net_stream {
	int fd;
	bool gone;
	/* Received: bytes in_from to in_to, of which the last frame may not be whole. */
	size_t in_from, in_to;
	/* Taken and not sent yet: out_from to out_to. */
	size_t out_from, out_to;
	uint8_t in[IN_MAX], out[PREFIX + FRAME_MAX];
};

int net_stream_new(int fd, struct net_stream **ret, struct err *err)
{
	struct net_stream *stream;
	int type = 0, r;
	socklen_t len = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM)
		return err_set(err, -EINVAL, "descriptor %d is no stream socket", fd);
	if ((r = fd_set_nonblock(fd, true)) < 0 || (r = fd_set_cloexec(fd, true)) < 0)
		return err_set_errno(err, r, "descriptor %d", fd);
	stream = calloc(1, sizeof(*stream));
	if (!stream)
		return err_set(err, -ENOMEM, "out of memory");
	stream->fd = fd;
	*ret = stream;
	return 0;
}

void net_stream_free(struct net_stream *stream)
{
	free(stream);
}

static int lost(struct net_stream *stream)
{
	stream->gone = true;
	return -EBADFD;
}

/* --- receiving --- */

/* The length of the frame at in_from when it is there as a whole, 0 when not yet, -EBADFD. */
static ssize_t whole_frame(struct net_stream *stream)
{
	size_t have = stream->in_to - stream->in_from;
	uint32_t len;

	if (have < PREFIX)
		return 0;
	memcpy(&len, stream->in + stream->in_from, PREFIX);
	len = ntohl(len);
	if (len < FRAME_MIN || len > FRAME_MAX)
		return lost(stream);
	return have < PREFIX + len ? 0 : (ssize_t)len;
}

/* Read more behind what is there: 0, -EAGAIN or -EBADFD. */
static int fill(struct net_stream *stream)
{
	ssize_t n;

	/* What is left is less than a frame: there is room behind it then. */
	stream->in_to -= stream->in_from;
	memmove(stream->in, stream->in + stream->in_from, stream->in_to);
	stream->in_from = 0;
	do
		n = recv(stream->fd, stream->in + stream->in_to, IN_MAX - stream->in_to, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	if (n <= 0)
		return lost(stream);
	stream->in_to += (size_t)n;
	return 0;
}

ssize_t net_stream_read(struct net_stream *stream, const struct iovec *iov, unsigned n)
{
	const uint8_t header[VNET_HDR_LEN] = { 0 };
	ssize_t len = 0;
	size_t done;
	int r = 0;

	if (stream->gone)
		return -EBADFD;
	while (r == 0 && (len = whole_frame(stream)) == 0)
		r = fill(stream);
	if (r < 0 || len < 0)
		return r < 0 ? r : len;
	done = iov_write(iov, n, 0, header, sizeof(header));
	done += iov_write(iov, n, sizeof(header), stream->in + stream->in_from + PREFIX, (size_t)len);
	stream->in_from += PREFIX + (size_t)len;
	return (ssize_t)done;
}

/* --- sending --- */

int net_stream_flush(struct net_stream *stream)
{
	while (!stream->gone && stream->out_from < stream->out_to) {
		ssize_t n = send(stream->fd, stream->out + stream->out_from,
				 stream->out_to - stream->out_from, MSG_NOSIGNAL);

		if (n >= 0)
			stream->out_from += (size_t)n;
		else if (errno == EAGAIN)
			return -EAGAIN;
		else if (errno != EINTR)
			return lost(stream);
	}
	return stream->gone ? -EBADFD : 0;
}

ssize_t net_stream_write(struct net_stream *stream, const struct iovec *iov, unsigned n)
{
	uint32_t prefix;
	size_t len;
	int r;

	r = net_stream_flush(stream);
	if (r < 0)
		return r;
	/* Longer ones are not given to us: net_data.c, write_frame() */
	len = iov_read(iov, n, VNET_HDR_LEN, stream->out + PREFIX, FRAME_MAX);
	if (len < FRAME_MIN)
		return -EINVAL;
	prefix = htonl((uint32_t)len);
	memcpy(stream->out, &prefix, PREFIX);
	stream->out_from = 0;
	stream->out_to = PREFIX + len;
	r = net_stream_flush(stream);
	/* Taken: the rest goes later. */
	return r < 0 && r != -EAGAIN ? r : (ssize_t)(VNET_HDR_LEN + len);
}
