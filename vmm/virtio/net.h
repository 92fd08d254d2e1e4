/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-net (virtio 1.2 §5.1) over a tap device with vnet headers.
 *
 * Frames go straight between the tap and guest buffers (readv, writev); the
 * tap's vnet header is the device's own header, so checksum and segmentation
 * offloads pass through to the host's kernel, which checks each header. Mergeable
 * receive buffers, several queue pairs, a control queue.
 *
 * Instead of a tap there may be a stream socket (net_stream.h), for user-mode networking by passt:
 * one pair, no offloads.
 *
 * Where it is asked for and the host has /dev/vhost-net, the host's kernel does all
 * that, and only the control queue is served here.
 *
 * Threads: all in the loop's thread; bounded work per turn, so that vsock and
 * the console are not starved. vhost-net has kernel threads of its own.
 */
#ifndef VRUN_VMM_VIRTIO_NET_H
#define VRUN_VMM_VIRTIO_NET_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct loop;
struct vdev;

enum { VNET_PAIRS_MAX = 8, VNET_MTU_MIN = 68, VNET_MTU_MAX = 65535 };

struct vnet_config {
	const char *tag; /* "net0", for messages */
	uint8_t mac[6];
	uint16_t mtu; /* offered as VIRTIO_NET_F_MTU */
	/*
	 * One tap descriptor per queue pair (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, and
	 * IFF_MULTI_QUEUE for more than one), non-blocking; consumed, even on failure.
	 * The device sets the header's size and the offloads.
	 */
	int take_tap_fds[VNET_PAIRS_MAX];
	unsigned n_pairs;
	bool stream; /* the one descriptor is a connected stream socket (net_stream.h) */
	/*
	 * Use vhost-net when it can be opened. The device's host must keep each queue's kick and call
	 * descriptors as they are while the device runs, as virtio-pci does and vhost-user doesn't.
	 */
	bool vhost;
};

/* With vhost-net these are the tap's own counters, which begin with the tap. */
struct vnet_stats {
	uint64_t rx_packets, rx_bytes, rx_dropped; /* into the guest */
	uint64_t tx_packets, tx_bytes, tx_dropped; /* out of the guest */
};

int virtio_net_new(struct loop *loop, const struct vnet_config *config, struct vdev **ret, struct err *err);
/* True when the host's kernel serves it. */
bool virtio_net_has_vhost(const struct vdev *dev);
void virtio_net_stats(const struct vdev *dev, struct vnet_stats *ret);

#endif
