/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ring_driver: the driver's side of a virtqueue, for unit tests and fuzzers.
 *
 * Guest RAM is malloc'd regions, so that the sanitizer sees every step outside
 * them. A `struct ring_driver` behaves as a well-behaved driver would (§2.7.13,
 * §2.7.14); the raw functions at the end write whatever a hostile one could.
 * `struct ring_host` hosts a device as a transport would.
 *
 * Failures of the test's own making abort.
 */
#ifndef VRUN_TESTS_UNIT_RING_DRIVER_H
#define VRUN_TESTS_UNIT_RING_DRIVER_H

#include "vmm/guest_mem.h"
#include "vmm/virtio/vdev.h"
#include "vmm/virtio/virtqueue.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- Guest RAM --- */

struct ring_mem {
	struct guest_mem mem;
	uint64_t next
		[GUEST_MEM_REGIONS_MAX]; /* where ring_mem_alloc() goes on, per region in order of addition */
	uint64_t base[GUEST_MEM_REGIONS_MAX], size[GUEST_MEM_REGIONS_MAX];
	uint8_t *hva[GUEST_MEM_REGIONS_MAX];
	unsigned n;
};

void ring_mem_init(struct ring_mem *rm);
/* A zeroed region of its own at `gpa`; returns its number. Regions may adjoin: their host memory never does. */
unsigned ring_mem_add(struct ring_mem *rm, uint64_t gpa, uint64_t size);
void ring_mem_done(struct ring_mem *rm);
/* Guest physical address of `len` fresh bytes. */
uint64_t ring_mem_alloc(struct ring_mem *rm, unsigned region, size_t len, size_t align);
/* The bytes there; all in one region. */
void *ring_mem_at(struct ring_mem *rm, uint64_t gpa, size_t len);

/* --- A queue --- */

struct ring_buf {
	uint64_t gpa;
	uint32_t len;
	bool writable;
};

enum { RING_F_NEXT = 1, RING_F_WRITE = 2, RING_F_INDIRECT = 4 };

struct ring_driver {
	struct ring_mem *rm;
	struct virtqueue *vq;
	uint16_t size;
	bool event_idx;
	uint64_t desc_gpa, avail_gpa, used_gpa;
	uint16_t avail_idx; /* next entry of the available ring */
	uint16_t kicked_idx; /* avail_idx at the last look at avail_event */
	uint16_t used_idx; /* next entry of the used ring to look at */
	uint16_t free_head, n_free; /* chain of unused descriptors */
	uint16_t free_next[VIRTQUEUE_SIZE_MAX];
	uint16_t chain_len[VIRTQUEUE_SIZE_MAX]; /* by head; 0: not ours */
	int kick_fd, call_fd; /* owned eventfds, non-blocking */
};

/*
 * Lay the rings out in `region` and point `vq` at them (mem, size, addresses, descriptors, enabled). `features` are
 * VIRTIO_F_* bits. The queue is not started: vdev_start() or virtqueue_start() does that.
 */
void ring_driver_init(struct ring_driver *rd, struct ring_mem *rm, unsigned region, struct virtqueue *vq,
		      uint16_t size, uint64_t features);
void ring_driver_done(struct ring_driver *rd);
/* Forget all chains and begin at index 0, as after a device reset; the queue's addresses are set again. */
void ring_driver_restart(struct ring_driver *rd);
/* Begin at another index, as if that many chains had passed. Before any chain and before the start. */
void ring_driver_begin_at(struct ring_driver *rd, uint16_t idx);

/* Make a chain available; returns its head, or -1 when descriptors are short. Does not kick. */
int ring_driver_add(struct ring_driver *rd, const struct ring_buf *bufs, unsigned n);
/* The same by an indirect table at `table_gpa` (n * 16 bytes). */
int ring_driver_add_indirect(struct ring_driver *rd, uint64_t table_gpa, const struct ring_buf *bufs,
			     unsigned n);
/* Kick if the device wants it (§2.7.10); returns whether. */
bool ring_driver_kick(struct ring_driver *rd);
/* Take one used element; false when there is none. The chain's descriptors are free again. */
bool ring_driver_used(struct ring_driver *rd, uint32_t *ret_head, uint32_t *ret_len);
/* Ask for a call with the next used element, or for none. True when elements are waiting already. */
bool ring_driver_calls_on(struct ring_driver *rd);
void ring_driver_calls_off(struct ring_driver *rd);
/* True when the device has called since the last time. */
bool ring_driver_called(struct ring_driver *rd);

/* --- Raw access --- */

void ring_driver_set_desc(struct ring_driver *rd, uint16_t i, uint64_t gpa, uint32_t len, uint16_t flags,
			  uint16_t next);
/* The same for entry `i` of an indirect table. May lie across regions. */
void ring_mem_set_desc(struct ring_mem *rm, uint64_t table_gpa, unsigned i, uint64_t gpa, uint32_t len,
		       uint16_t flags, uint16_t next);
/* Put any head in the next available entry and publish it. */
void ring_driver_publish(struct ring_driver *rd, uint16_t head);
/* Publish any available index. */
void ring_driver_set_avail_idx(struct ring_driver *rd, uint16_t idx);
void ring_driver_set_avail_flags(struct ring_driver *rd, uint16_t flags);
void ring_driver_set_used_event(struct ring_driver *rd, uint16_t idx);
uint16_t ring_driver_avail_event(struct ring_driver *rd);
uint16_t ring_driver_used_flags(struct ring_driver *rd);
uint16_t ring_driver_device_idx(struct ring_driver *rd); /* the used ring's idx */

/* --- A device's host --- */

struct ring_host {
	struct ring_mem rm;
	struct vdev *dev;
	struct ring_driver queues[8];
	unsigned failures; /* vdev_fail() reports */
	const char *why; /* of the last */
	unsigned config_changes;
	bool reset_on_failure; /* stop the device from inside `failed`, as a vhost-user back-end may */
};

/*
 * Host a borrowed device: two adjoining regions of `region_size` bytes at 1 MiB, all queues of `size` entries in the
 * first, features acked (limited to what is offered). Then start it with vdev_start(host->dev).
 */
void ring_host_init(struct ring_host *host, struct vdev *dev, uint64_t region_size, uint16_t size,
		    uint64_t features);
/* Stop, reset the queues, and lay them out again; ready for another vdev_start(). */
void ring_host_reset(struct ring_host *host);
/* Stops the device; does not free it. */
void ring_host_done(struct ring_host *host);

#endif
