/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_internal: what the parts of virtio-net share. Theory of operation: net.c.
 */
#ifndef VRUN_VMM_VIRTIO_NET_INTERNAL_H
#define VRUN_VMM_VIRTIO_NET_INTERNAL_H

#include "vmm/virtio/net.h"
#include "vmm/virtio/vdev.h"

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct net_stream;

#define VNET_BIT(n) (1ULL << (n))

/* What the driver takes (VIRTIO_NET_CTRL_GUEST_OFFLOADS, §5.1.6.5.6). */
#ifdef VIRTIO_NET_F_HOST_USO
#define VNET_GUEST_USO (VNET_BIT(VIRTIO_NET_F_GUEST_USO4) | VNET_BIT(VIRTIO_NET_F_GUEST_USO6))
#else
#define VNET_GUEST_USO 0ULL
#endif
#define VNET_GUEST_SEGMENTS                                                                                  \
	(VNET_BIT(VIRTIO_NET_F_GUEST_TSO4) | VNET_BIT(VIRTIO_NET_F_GUEST_TSO6) |                             \
	 VNET_BIT(VIRTIO_NET_F_GUEST_UFO) | VNET_GUEST_USO)
#define VNET_GUEST_OFFLOADS                                                                                  \
	(VNET_BIT(VIRTIO_NET_F_GUEST_CSUM) | VNET_BIT(VIRTIO_NET_F_GUEST_ECN) | VNET_GUEST_SEGMENTS)

enum {
	VNET_QUEUE_SIZE = 256,
	VNET_HDR_LEN = sizeof(struct virtio_net_hdr_v1), /* §5.1.6: with num_buffers, always so since 1.0 */
	VNET_LINK_HDR_MAX = 14 + 2 * 4, /* Ethernet, two VLAN tags */
	/* The longest frame, segmentation offloads included, behind its vnet header. */
	VNET_FRAME_MAX = VNET_HDR_LEN + 65535 + VNET_LINK_HDR_MAX,
	/* All pieces of buffers that one readv() takes (IOV_MAX), less one for the tail. */
	VNET_RX_IOV_MAX = 1023,
};

struct vnet_rx_buf {
	uint16_t head;
	uint16_t n_iov;
	uint32_t len;
};

/*
 * Receive buffers popped ahead, and a frame that waits for more of them. They stand at
 * the same places in `bufs` and `iov`, as each has one piece at least.
 */
struct vnet_rx {
	unsigned first_buf, n_bufs;
	unsigned first_iov, n_iov;
	size_t room; /* bytes in all of them */
	size_t frame; /* bytes of the frame that is read and not placed yet, 0: none */
	size_t in_place; /* of these, how many are in the buffers; the rest is in `tail` */
	struct vnet_rx_buf bufs[VNET_RX_IOV_MAX];
	struct iovec iov[VNET_RX_IOV_MAX + 1];
	uint8_t tail[VNET_FRAME_MAX]; /* touched only by frames that outgrow the buffers */
};

struct vnet_pair {
	struct virtio_net *net;
	unsigned index;
	int tap;
	bool attached; /* the tap gives this queue frames */
	bool tap_ready; /* there may be frames to read; the tap tells once until it is read empty */
	bool rx_more, tx_more; /* work for the next turn */
	struct loop_source *watch; /* of the tap, edge-triggered */
	struct net_stream *stream; /* `tap` is its socket; NULL: it is a tap */
	bool tx_full; /* the stream takes no frame now, and tells when it does */
	int vhost; /* -EBADF: served here */
	bool vhost_runs;
	struct vnet_rx rx;
};

struct virtio_net {
	struct vdev dev; /* first: the public handle */
	bool gone; /* the tap: the link is down for good */
	bool control_more;
	uint64_t offloads; /* of VNET_GUEST_OFFLOADS, those in effect */
	size_t rx_wanted; /* room to have before a frame is read */
	struct loop_source *turn; /* deferred; enabled while there is work */
	struct vnet_stats stats;
	struct vq_chain chain; /* scratch */
	bool vhost; /* the pairs are served by the kernel, and these exist: */
	int err_fd; /* eventfd: it found a broken ring */
	int counters_fd; /* /proc/net/dev of the tap's network namespace */
	struct loop_source *err_watch, *control_watch;
	unsigned n_pairs;
	struct vnet_pair pairs[];
};

static inline bool vnet_has(const struct virtio_net *net, unsigned bit)
{
	return net->dev.acked & VNET_BIT(bit);
}

/* The queues may be used. False after a failure, in which the host may have stopped us. */
static inline bool vnet_live(const struct virtio_net *net)
{
	return net->dev.started && !net->dev.failed;
}

/* --- net.c --- */

/* Have a turn soon, for what is marked as `more`. */
void vnet_schedule(struct virtio_net *net);
/* The tap was deleted: tell the driver that the link is down. */
void vnet_lost_tap(struct virtio_net *net);
/* Attach the first `n` queues of the tap and no others. */
int vnet_set_pairs(struct virtio_net *net, unsigned n);
int vnet_set_offloads(struct virtio_net *net, uint64_t features);

/* --- net_data.c: a turn's worth of frames --- */

void vnet_receive(struct vnet_pair *pair);
void vnet_transmit(struct vnet_pair *pair);
/* Give back the buffers and forget the frame that waits. */
void vnet_rx_stop(struct vnet_pair *pair);

/* --- net_control.c --- */

/* A turn's worth of commands. */
void vnet_control(struct virtio_net *net, struct virtqueue *vq);

#endif
