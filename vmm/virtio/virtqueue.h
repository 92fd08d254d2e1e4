/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtqueue: the device's side of a split virtqueue (virtio 1.2 §2.7).
 *
 * Theory of operation
 *
 * The driver puts heads of descriptor chains into the available ring; the device
 * pops one, does what it says, and pushes it into the used ring with the number
 * of bytes written. Descriptors live in memory that the guest can change at any
 * time, so each is copied once, the copy is checked, and the result is a
 * `struct vq_chain` of host iovecs that needs no more checking: all of it is
 * guest RAM, readable parts come before writable ones, it is no longer than the
 * queue, indirect tables are not nested.
 *
 * A violation marks the queue broken: pop then returns -EPROTO for good, until
 * the device is reset. The device tells its host (vdev_fail()).
 *
 * Threads: a virtqueue has no lock. A device that uses one from several threads
 * guards it with its own mutex.
 */
#ifndef VRUN_VMM_VIRTIO_VIRTQUEUE_H
#define VRUN_VMM_VIRTIO_VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct guest_mem;

enum {
	VIRTQUEUE_SIZE_MAX = 1024, /* largest size that we offer */
	/* A chain may cross memory regions, which splits entries. */
	VQ_CHAIN_IOV_MAX = VIRTQUEUE_SIZE_MAX + 32,
};

struct virtqueue {
	/* Set by the device's host before the device is started. */
	const struct guest_mem *mem;
	uint16_t size; /* power of two, ≤ max_size */
	uint16_t max_size; /* what the device offers */
	uint64_t desc_gpa, avail_gpa, used_gpa;
	bool enabled;
	bool event_idx; /* VIRTIO_F_EVENT_IDX negotiated; vdev_start() sets both from `acked` */
	bool indirect; /* VIRTIO_F_INDIRECT_DESC negotiated */
	int kick_fd; /* eventfd the driver's notification arrives on; borrowed; -1: none */
	int call_fd; /* eventfd that interrupts the driver; borrowed; -1: none */

	/* The ring's state; saved and restored with a snapshot (vhost-user: vring base). */
	uint16_t next_avail; /* next available entry to look at */
	uint16_t next_used; /* next used entry to write */
	uint16_t signalled_used; /* used index at the last call */
	bool signalled_valid;
	bool notify_off; /* we asked the driver not to kick */
	bool broken;
	const char *broken_why; /* static text */

	/* Resolved by virtqueue_start(). */
	const void *desc;
	void *avail; /* the avail ring; used_event at its end */
	void *used; /* the used ring; avail_event at its end */
};

struct vq_chain {
	uint16_t head;
	unsigned n_readable, n_writable;
	size_t readable_len, writable_len; /* bytes */
	struct iovec *readable, *writable; /* into iov[] */
	struct iovec iov[VQ_CHAIN_IOV_MAX];
};

/* Forget everything but `mem`, `max_size` and the descriptors. */
void virtqueue_reset(struct virtqueue *vq);

/*
 * Resolve the ring's addresses: size a power of two and ≤ max_size, alignment 16/2/4
 * (§2.7), all three parts in guest RAM. -EINVAL marks nothing.
 */
int virtqueue_start(struct virtqueue *vq);

/* Another owner (the host's kernel) has served the queue meanwhile: go on at `next_avail`, and after what it used. */
void virtqueue_resume_at(struct virtqueue *vq, uint16_t next_avail);

/*
 * 1: *chain filled; 0: nothing available, and the driver will kick unless kicks are
 * off; -EPROTO: the ring is broken. A buffer of no bytes adds no iovec.
 */
int virtqueue_pop(struct virtqueue *vq, struct vq_chain *chain);

/* Undo the last pop whose chain was not pushed; may be repeated, for the one before. */
void virtqueue_unpop(struct virtqueue *vq);

/* True when the driver has made more chains available. */
bool virtqueue_has_available(struct virtqueue *vq);

/* Return a chain with `written` bytes (≤ writable_len). Does not interrupt: see virtqueue_call(). */
void virtqueue_push(struct virtqueue *vq, uint16_t head, uint32_t written);

/*
 * The same in two steps, for chains that the driver must see together or not at all
 * (mergeable receive buffers, §5.1.6.4): what was filled is seen when it is published.
 */
void virtqueue_fill(struct virtqueue *vq, uint16_t head, uint32_t written);
void virtqueue_publish(struct virtqueue *vq);

/* Interrupt the driver if it wants to know (event index or flags, §2.7.7); one write to call_fd. */
void virtqueue_call(struct virtqueue *vq);

/*
 * Tell the driver whether to kick (§2.7.10). After turning kicks on, the return
 * value says whether chains became available meanwhile: then go on popping.
 */
void virtqueue_kicks_off(struct virtqueue *vq);
bool virtqueue_kicks_on(struct virtqueue *vq);

/* Copy between a chain's parts and a buffer, from byte `offset`; returns bytes copied. */
size_t iov_read(const struct iovec *iov, unsigned n, size_t offset, void *buf, size_t len);
size_t iov_write(const struct iovec *iov, unsigned n, size_t offset, const void *buf, size_t len);
/* The sub-range [offset, offset + len) of `iov` into `out` (≤ max entries); returns entries or -ENOBUFS. */
int iov_slice(const struct iovec *iov, unsigned n, size_t offset, size_t len, struct iovec *out,
	      unsigned max);

#endif
