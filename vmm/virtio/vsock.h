/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-vsock (virtio 1.2 §5.10): streams between the guest and descriptors of
 * this process; no kernel vhost.
 *
 * The guest connects to the host (CID 2). A port is open when it was offered
 * with virtio_vsock_offer() (one connection, then it closes) or when the
 * `connect` callback takes it; anything else is answered with RST. The host
 * connects to the guest with virtio_vsock_connect().
 *
 * A stream joins one guest socket to a pair of host descriptors: what the guest
 * sends is written to `wfd`, what is read from `rfd` is sent to the guest. They
 * may be the same descriptor (socket, terminal) or absent (-1: that direction is
 * shut at once). Any kind works: pipes, sockets, terminals, regular files,
 * /dev/null. Half-close: the guest's SHUTDOWN(SEND) closes wfd (shutdown(SHUT_WR)
 * where both are one socket); end of file on rfd sends SHUTDOWN to the guest. A
 * host reader that is gone (EPIPE) shuts the guest's sending side.
 *
 * Back-pressure: a stream never buffers more than its advertised credit; a slow
 * host reader stops the guest's sender by credit, not the other streams.
 *
 * A descriptor's O_NONBLOCK is never changed, as others may share it: see
 * vsock_fd.c. The process ignores SIGPIPE. Data that the guest sent before the device
 * was reset is still delivered, before the end is reported.
 *
 * Threads: all in the loop's thread.
 */
#ifndef VRUN_VMM_VIRTIO_VSOCK_H
#define VRUN_VMM_VIRTIO_VSOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct loop;
struct vdev;

enum {
	VSOCK_STREAMS_MAX = 1024, /* more get RST */
	VSOCK_BUF_ALLOC = 256 << 10, /* credit we give per stream, bytes */
};

enum vsock_end {
	VSOCK_END_REFUSED, /* the guest answered our connect with RST */
	VSOCK_END_CLOSED, /* both directions ended in order, all data delivered */
	VSOCK_END_RESET, /* RST, or the device was reset */
	VSOCK_END_ERROR, /* writing to wfd failed (EPIPE, ENOSPC); the rest of the guest's data is lost */
};

/*
 * Called once, from the loop, when the stream is gone; its descriptors are closed by
 * then. It may do anything, freeing the device included. Freeing the device calls it
 * for what is left.
 */
typedef void (*vsock_end_fn)(void *ctx, enum vsock_end why);

struct vsock_config {
	uint64_t guest_cid; /* > 2, < 2^32 - 1 */
	/*
	 * The guest connects to a port that was not offered: give descriptors (ours to
	 * close) and return 0, or -ECONNREFUSED. May be NULL. Must not stop or free the
	 * device.
	 */
	int (*connect)(void *ctx, uint32_t guest_port, uint32_t host_port, int *ret_rfd, int *ret_wfd);
	void *ctx;
};

int virtio_vsock_new(struct loop *loop, const struct vsock_config *config, struct vdev **ret, struct err *err);

/*
 * Let the guest connect once to `host_port`. Consumes both descriptors, even on
 * failure (-EADDRINUSE, -ENOSPC, -ENOMEM). `privileged`: only from a guest port
 * below 1024, which takes CAP_NET_BIND_SERVICE there. `fn` may be NULL.
 */
int virtio_vsock_offer(struct vdev *dev, uint32_t host_port, bool privileged, int take_rfd, int take_wfd,
		       vsock_end_fn fn, void *ctx);
/* Take an offer back that nobody came for; its descriptors are closed, `fn` is not called. -ENOENT. */
int virtio_vsock_withdraw(struct vdev *dev, uint32_t host_port);

/* Connect to a port in the guest; the same rules. A refusal is reported through `fn`. */
int virtio_vsock_connect(struct vdev *dev, uint32_t guest_port, int take_rfd, int take_wfd, vsock_end_fn fn,
			 void *ctx);

#endif
