/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vdev: a virtio device (virtio 1.2), as its host sees it.
 *
 * Each device is written once against this contract. Its host is the virtio-pci
 * transport of the KVM engine, the vhost-user back-end, or a unit test; no
 * device has a line about which. The host supplies guest memory, negotiated
 * features, the queues' addresses and eventfds; the device supplies features,
 * config bytes, and what to do with chains.
 *
 * Life: the host calls init-time getters at any time. When the driver sets
 * DRIVER_OK (or the vhost-user front-end enables rings) it fills in `acked` and
 * the queues, then calls start(). stop() ends all use of queues and guest memory
 * before it returns; chains popped but not pushed are abandoned or completed.
 * start() may follow again. Everything runs in the loop's thread, except what a
 * device does in its own workers.
 */
#ifndef VRUN_VMM_VIRTIO_VDEV_H
#define VRUN_VMM_VIRTIO_VDEV_H

#include "vmm/virtio/virtqueue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct loop_source;
struct vdev;

struct vdev_ops {
	const char *name; /* "virtio-fs", for messages */
	uint16_t type; /* VIRTIO_ID_* */
	uint32_t pci_class; /* class, subclass, prog-if for the PCI transport, e.g. 0x018000 */

	/*
	 * Make the queues live. Queues that are not `enabled` stay unused. A device
	 * with workers of its own waits on the queue's kick_fd itself. NULL: nothing to be done, as each
	 * queue gets a first kick.
	 */
	int (*start)(struct vdev *dev);
	/* Idempotent. No access to guest memory after it returns. NULL: nothing is kept of the queues. */
	void (*stop)(struct vdev *dev);
	/*
	 * Chains may be available on queue `q`: called in the loop's thread for each
	 * kick when the device left `own_kicks` false. Spurious calls are harmless.
	 */
	void (*kick)(struct vdev *dev, unsigned q);
	bool own_kicks;
	/* One interrupt for all queues does: few of them are ever busy at once, and each is work at the start. */
	bool shared_call;

	/* The driver wrote config bytes; NULL: read-only. Bounds are checked by the caller. */
	void (*config_written)(struct vdev *dev, size_t offset, size_t len);
	/* Ends the whole device; it is stopped. */
	void (*free)(struct vdev *dev);
};

/* How the device reaches whoever hosts it. */
struct vdev_host_ops {
	/* The device found a violation: NEEDS_RESET, or drop the vhost-user connection. Loop thread. */
	void (*failed)(void *host, struct vdev *dev, const char *why);
	/* Config bytes changed: interrupt the driver. Loop thread. */
	void (*config_changed)(void *host, struct vdev *dev);
};

enum { VDEV_QUEUES_MAX = 64 };

struct vdev {
	const struct vdev_ops *ops;
	char tag[64]; /* "fs0", for messages */
	struct loop *loop;

	uint64_t features; /* offered, VIRTIO_F_VERSION_1 and the ring features included */
	uint64_t acked; /* negotiated; valid from start() */

	uint8_t *config; /* device configuration space, little-endian */
	size_t config_len;

	struct virtqueue *vqs;
	unsigned n_vqs;

	bool started;
	bool failed; /* reported; until the next reset */

	const struct vdev_host_ops *host_ops;
	void *host;

	struct loop_source **kick_sources; /* owned by vdev_start()/vdev_stop() */
};

/* The ring features that every device of ours offers: VERSION_1, INDIRECT_DESC, EVENT_IDX. */
#define VDEV_RING_FEATURES ((1ULL << 32) | (1ULL << 28) | (1ULL << 29))

/* For devices: fill in the common part. Queues get `max_size` each. Config is zeroed. */
int vdev_init(struct vdev *dev, const struct vdev_ops *ops, struct loop *loop, const char *tag,
	      uint64_t features, unsigned n_vqs, uint16_t max_size, size_t config_len);
void vdev_done(struct vdev *dev);

/*
 * For hosts. vdev_start(): virtqueue_start() on each enabled queue, then
 * ops->start(), then watch the kick descriptors unless own_kicks; each queue is
 * kicked once, as the driver may have kicked before we watched. On failure the
 * device is stopped again.
 */
int vdev_start(struct vdev *dev);
void vdev_stop(struct vdev *dev);
void vdev_free(struct vdev *dev); /* stops first; NULL is fine */

/* For devices, loop thread: report a violation once, stop serving. */
void vdev_fail(struct vdev *dev, const char *why);

#endif
