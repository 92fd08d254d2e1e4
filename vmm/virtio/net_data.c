/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_data: virtio-net's frames, both ways. Theory of operation: net.c.
 */
#include "vmm/virtio/net_internal.h"

#include "base/endian.h"
#include "vmm/virtio/net_stream.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

enum {
	/* What a turn does for one queue before the others have theirs. */
	FRAMES_PER_TURN = 64,
	BYTES_PER_TURN = 1 << 20,
};

/* A transmit chain is one writev(): each descriptor, and each crossing of memory regions, is a piece. */
static_assert(VNET_QUEUE_SIZE + VQ_CHAIN_IOV_MAX - VIRTQUEUE_SIZE_MAX <= IOV_MAX, "chain for one writev()");
static_assert(VNET_RX_IOV_MAX + 1 <= IOV_MAX, "buffers for one readv()");

/* --- From the tap to the guest --- */

/* Make room at the end of the arrays, by the room at their beginning. */
static void compact(struct vnet_rx *rx)
{
	memmove(rx->iov, rx->iov + rx->first_iov, rx->n_iov * sizeof(rx->iov[0]));
	memmove(rx->bufs, rx->bufs + rx->first_buf, rx->n_bufs * sizeof(rx->bufs[0]));
	rx->first_iov = rx->first_buf = 0;
}

/* Keep the chain that was popped. False: there is no room in the arrays. */
static bool keep_buffer(struct vnet_rx *rx, const struct vq_chain *chain)
{
	unsigned n = chain->n_writable;

	if (rx->n_iov + n > VNET_RX_IOV_MAX)
		return false;
	if (rx->first_iov + rx->n_iov + n > VNET_RX_IOV_MAX || rx->first_buf + rx->n_bufs == VNET_RX_IOV_MAX)
		compact(rx);
	memcpy(rx->iov + rx->first_iov + rx->n_iov, chain->writable, n * sizeof(struct iovec));
	rx->bufs[rx->first_buf + rx->n_bufs] = (struct vnet_rx_buf){
		.head = chain->head,
		.n_iov = (uint16_t)n,
		/* A frame is never longer. */
		.len = chain->writable_len < VNET_FRAME_MAX ? (uint32_t)chain->writable_len : VNET_FRAME_MAX,
	};
	rx->n_iov += n;
	rx->n_bufs++;
	rx->room += chain->writable_len;
	return true;
}

/*
 * Pop buffers until there is room for `wanted` bytes, or until more can't be held: 1. 0: the
 * driver has given no more yet. Negative: the device has failed.
 */
static int collect(struct vnet_pair *pair, struct virtqueue *vq, size_t wanted)
{
	struct virtio_net *net = pair->net;
	struct vnet_rx *rx = &pair->rx;
	/* §5.1.6.4: without mergeable buffers a frame has one. A driver that has the ring's size out has no more. */
	unsigned max = vnet_has(net, VIRTIO_NET_F_MRG_RXBUF) ? vq->size : 1;

	while (rx->room < wanted && rx->n_bufs < max) {
		struct vq_chain *chain = &net->chain;
		int r = virtqueue_pop(vq, chain);

		if (r < 0)
			vdev_fail(&net->dev, vq->broken_why);
		if (r <= 0)
			return r;
		/* §5.1.6.3.1: each could be a frame's first, and is for the device to write. */
		if (chain->n_readable || chain->writable_len < VNET_HDR_LEN) {
			vdev_fail(&net->dev, "receive buffer that can't hold a header");
			return -EPROTO;
		}
		if (!keep_buffer(rx, chain)) {
			virtqueue_unpop(vq);
			return 1;
		}
	}
	return 1;
}

/* The frame fits: give it to the driver. */
static void place_frame(struct vnet_pair *pair, struct virtqueue *vq)
{
	struct vnet_rx *rx = &pair->rx;
	struct iovec *iov = rx->iov + rx->first_iov;
	size_t len = rx->frame, left;
	unsigned used = 0;
	le16 count;

	if (len > rx->in_place)
		iov_write(iov, rx->n_iov, rx->in_place, rx->tail, len - rx->in_place);
	for (left = len; left > 0; used++) {
		uint32_t room = rx->bufs[rx->first_buf + used].len;

		left -= left < room ? left : room;
	}
	/* §5.1.6.4: set in any case; the tap leaves its place alone. */
	count = le16_make((uint16_t)used);
	iov_write(iov, rx->n_iov, offsetof(struct virtio_net_hdr_v1, num_buffers), &count, sizeof(count));

	for (left = len; used > 0; used--) {
		const struct vnet_rx_buf *buf = &rx->bufs[rx->first_buf++];
		uint32_t part = left < buf->len ? (uint32_t)left : buf->len;

		virtqueue_fill(vq, buf->head, part);
		left -= part;
		for (unsigned i = 0; i < buf->n_iov; i++)
			rx->room -= rx->iov[rx->first_iov++].iov_len;
		rx->n_iov -= buf->n_iov;
		rx->n_bufs--;
	}
	/* §5.1.6.4: the buffers of a frame are seen together. */
	virtqueue_publish(vq);
	pair->net->stats.rx_packets++;
	pair->net->stats.rx_bytes += len - VNET_HDR_LEN;
	rx->frame = 0;
}

static ssize_t read_tap(const struct vnet_pair *pair, const struct iovec *iov, unsigned n_iov)
{
	ssize_t n;

	if (pair->stream)
		return net_stream_read(pair->stream, iov, n_iov);
	do
		n = readv(pair->tap, iov, (int)n_iov);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* 1: there is a frame, in rx->frame; 0: none; negative: lost. */
static int read_frame(struct vnet_pair *pair)
{
	struct virtio_net *net = pair->net;
	struct vnet_rx *rx = &pair->rx;
	/* keep_buffer() leaves a place free behind the last. */
	struct iovec *iov = rx->iov + rx->first_iov;
	ssize_t n;

	iov[rx->n_iov] = (struct iovec){ .iov_base = rx->tail, .iov_len = sizeof(rx->tail) };
	n = read_tap(pair, iov, rx->n_iov + 1);
	if (n < 0) {
		if (n == -EAGAIN)
			return 0;
		if (n == -EBADFD)
			vnet_lost_tap(net);
		/* The memory behind the buffers is gone; the frame with it. */
		if (n != -EFAULT)
			return 0;
		net->stats.rx_dropped++;
		return -EFAULT;
	}
	if (n <= VNET_HDR_LEN || n > VNET_FRAME_MAX) {
		net->stats.rx_dropped++;
		return -EMSGSIZE;
	}
	rx->frame = (size_t)n;
	rx->in_place = rx->frame < rx->room ? rx->frame : rx->room;
	return 1;
}

/* 1: a frame moved or dropped; 0: the tap has none; -ENOBUFS: the driver's turn; other: the device has failed. */
static int receive_frame(struct vnet_pair *pair, struct virtqueue *vq, size_t *bytes)
{
	struct virtio_net *net = pair->net;
	struct vnet_rx *rx = &pair->rx;
	int r;

	if (rx->frame == 0) {
		r = collect(pair, vq, net->rx_wanted);
		if (r < 0)
			return r;
		if (rx->n_bufs == 0)
			return -ENOBUFS;
		r = read_frame(pair);
		if (r <= 0)
			return r < 0 ? 1 : 0;
		*bytes += rx->frame;
	}
	if (rx->frame > rx->room) {
		r = collect(pair, vq, rx->frame);
		if (r < 0)
			return r;
		if (r == 0)
			return -ENOBUFS;
	}
	/* All that can be had are too small. */
	if (rx->frame > rx->room) {
		rx->frame = 0;
		net->stats.rx_dropped++;
		return 1;
	}
	place_frame(pair, vq);
	return 1;
}

void vnet_receive(struct vnet_pair *pair)
{
	struct virtio_net *net = pair->net;
	struct virtqueue *vq = &net->dev.vqs[2 * pair->index];
	size_t bytes = 0;
	int r = 1;

	if (!vq->enabled || !vnet_live(net))
		return;
	virtqueue_kicks_off(vq);
	for (unsigned i = 0; i < FRAMES_PER_TURN && bytes < BYTES_PER_TURN && r == 1; i++)
		r = receive_frame(pair, vq, &bytes);
	if (r < 0 && r != -ENOBUFS)
		return;
	virtqueue_call(vq);
	if (r == 0)
		pair->tap_ready = false;
	/* Short of buffers, the driver's next kick brings us back here. */
	pair->rx_more = r == 1 || (r == -ENOBUFS && virtqueue_kicks_on(vq));
	if (pair->rx_more)
		vnet_schedule(net);
}

void vnet_rx_stop(struct vnet_pair *pair)
{
	struct virtqueue *vq = &pair->net->dev.vqs[2 * pair->index];
	struct vnet_rx *rx = &pair->rx;

	for (; rx->n_bufs > 0; rx->n_bufs--)
		virtqueue_unpop(vq);
	rx->n_iov = 0;
	rx->first_buf = rx->first_iov = 0;
	rx->room = rx->frame = 0;
}

/* --- From the guest to the tap --- */

static ssize_t write_tap(const struct vnet_pair *pair, const struct iovec *iov, unsigned n_iov)
{
	ssize_t n;

	if (pair->stream)
		return net_stream_write(pair->stream, iov, n_iov);
	/* A detached queue of the tap still sends: what is left in a pair that is not used any more goes out. */
	do
		n = writev(pair->tap, iov, (int)n_iov);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* False: dropped. */
static bool write_frame(struct vnet_pair *pair, const struct vq_chain *chain)
{
	struct virtio_net *net = pair->net;
	ssize_t n;

	if (net->gone || chain->readable_len > VNET_FRAME_MAX)
		return false;
	n = write_tap(pair, chain->readable, chain->n_readable);
	if (n == -EBADFD)
		vnet_lost_tap(net);
	return n >= 0;
}

/* A stream has no queue that drops: what it has no room for yet stays in the driver's. */
static bool is_full(struct vnet_pair *pair)
{
	pair->tx_full = pair->stream && net_stream_flush(pair->stream) == -EAGAIN;
	return pair->tx_full;
}

/* As receive_frame(); -ENOBUFS: the stream's turn. */
static int transmit_frame(struct vnet_pair *pair, struct virtqueue *vq, size_t *bytes)
{
	struct virtio_net *net = pair->net;
	struct vq_chain *chain = &net->chain;
	int r;

	if (is_full(pair))
		return -ENOBUFS;
	r = virtqueue_pop(vq, chain);
	if (r < 0)
		vdev_fail(&net->dev, vq->broken_why);
	if (r <= 0)
		return r;
	/* §5.1.6.2: a header and a frame, all of it to be read. */
	if (chain->n_writable || chain->readable_len < VNET_HDR_LEN) {
		vdev_fail(&net->dev, "transmit buffer without a header");
		return -EPROTO;
	}
	if (write_frame(pair, chain)) {
		net->stats.tx_packets++;
		net->stats.tx_bytes += chain->readable_len - VNET_HDR_LEN;
		*bytes += chain->readable_len;
	} else {
		net->stats.tx_dropped++;
	}
	virtqueue_push(vq, chain->head, 0);
	return 1;
}

void vnet_transmit(struct vnet_pair *pair)
{
	struct virtio_net *net = pair->net;
	struct virtqueue *vq = &net->dev.vqs[2 * pair->index + 1];
	size_t bytes = 0;
	int r = 1;

	if (!vq->enabled || !vnet_live(net))
		return;
	virtqueue_kicks_off(vq);
	for (unsigned i = 0; i < FRAMES_PER_TURN && bytes < BYTES_PER_TURN && r == 1; i++)
		r = transmit_frame(pair, vq, &bytes);
	if (r < 0 && r != -ENOBUFS)
		return;
	virtqueue_call(vq);
	pair->tx_more = r == 1 || (r == 0 && virtqueue_kicks_on(vq));
	if (pair->tx_more)
		vnet_schedule(net);
}
