/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_stream: Ethernet frames over a connected stream socket, each behind its length
 * in 4 bytes of network order: what QEMU's `-netdev stream` speaks, and passt(1).
 *
 * It stands in for a tap with vnet headers: frames come with an empty header, and the
 * header of what is sent is left out; so none of the offloads may be offered.
 *
 * The peer is trusted no more than the guest is: a length that no frame has ends the stream.
 */
#ifndef VRUN_VMM_VIRTIO_NET_STREAM_H
#define VRUN_VMM_VIRTIO_NET_STREAM_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct err;
struct net_stream;

/* Borrows the socket and makes it non-blocking. */
int net_stream_new(int fd, struct net_stream **ret, struct err *err);
/* NULL is fine. */
void net_stream_free(struct net_stream *stream);

/*
 * The next frame with its header, as readv() from a tap: its bytes, of which those that `iov` has
 * no room for are lost. -EAGAIN: none yet; -EBADFD: the peer is gone, for good.
 */
ssize_t net_stream_read(struct net_stream *stream, const struct iovec *iov, unsigned n);

/*
 * A header and a frame, as writev() to a tap. -EAGAIN: what was taken before is not sent yet,
 * and the socket tells by EPOLLOUT when this can be tried again; -EINVAL: no frame; -EBADFD.
 */
ssize_t net_stream_write(struct net_stream *stream, const struct iovec *iov, unsigned n);
/* Send what waits: 0, -EAGAIN or -EBADFD. */
int net_stream_flush(struct net_stream *stream);

#endif
