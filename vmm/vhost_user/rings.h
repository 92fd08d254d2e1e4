/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rings: from vhost-user's rings, which come and go one by one, to a vdev, which
 * starts and stops as a whole.
 *
 * Theory of operation
 *
 * A ring is ready when it has addresses and a kick descriptor and is enabled. A
 * device runs when it may (its features are set) and has at least one ready
 * ring. Any message that touches a ring or the memory table first halts the
 * device, then changes its own thing; when no more messages wait, rings_run()
 * starts it again with what is ready by then. So a burst of messages costs one
 * restart at most, and this is the only place that starts or stops the device.
 *
 * Nothing is lost meanwhile: the rings' indices live on in the virtqueues, a kick
 * stays in its eventfd, and vdev_start() looks into every ring once. The front-end
 * does change call descriptors of a running device (at each masking of an
 * interrupt): these are replaced in place by dup3(), which workers don't notice.
 *
 * A ring starts with its kick descriptor, not with the first kick: what the
 * driver had made available before a front-end paused and resumed it has no new kick.
 */
#ifndef VRUN_VMM_VHOST_USER_RINGS_H
#define VRUN_VMM_VHOST_USER_RINGS_H

#include "vmm/guest_mem.h"
#include "vmm/virtio/vdev.h"

#include <stdbool.h>
#include <stdint.h>

struct vu_vring_addr;

struct ring {
	uint64_t desc, avail, used; /* front-end virtual addresses */
	bool has_addr;
	bool enabled; /* by SET_VRING_ENABLE */
	bool based; /* SET_VRING_BASE came: the used index is still to be taken from memory */
	int kick_fd, err_fd; /* -EBADF: none */
	int call_fd; /* always an eventfd: the front-end's, or one that nobody reads */
};

struct rings {
	struct vdev *dev;
	struct guest_mem mem; /* changed only while halted */
	uint64_t features; /* negotiated, VU_F_PROTOCOL_FEATURES included */
	bool has_features;
	unsigned n;
	struct ring ring[VDEV_QUEUES_MAX];
};

int rings_init(struct rings *rings, struct vdev *dev);
/* Halts. Unmaps the memory. */
void rings_done(struct rings *rings);

/* Stop the device, if it runs. */
void rings_halt(struct rings *rings);
/* Start the device, if it is halted and there is a ready ring. -errno with *ret_why (static text). */
int rings_run(struct rings *rings, const char **ret_why);

/*
 * The messages about one ring; `index` is below `n`. Each halts the device where it
 * has to. -EINVAL and the like with *ret_why.
 */
int rings_set_size(struct rings *rings, unsigned index, uint32_t size, const char **ret_why);
int rings_set_addr(struct rings *rings, unsigned index, const struct vu_vring_addr *addr,
		   const char **ret_why);
int rings_set_base(struct rings *rings, unsigned index, uint32_t base, const char **ret_why);
/* Ends the ring until it gets another kick descriptor; every chain before the returned index is used. */
uint16_t rings_take_base(struct rings *rings, unsigned index);
int rings_set_enabled(struct rings *rings, unsigned index, uint32_t enabled, const char **ret_why);
/* `take_fd` is consumed; -EBADF for none, which is all right for call and err. */
int rings_set_kick(struct rings *rings, unsigned index, int take_fd, const char **ret_why);
int rings_set_call(struct rings *rings, unsigned index, int take_fd, const char **ret_why);
int rings_set_err(struct rings *rings, unsigned index, int take_fd, const char **ret_why);

/* RESET_OWNER: all rings disabled. */
void rings_disable(struct rings *rings);
/* RESET_DEVICE: as at the beginning, but for memory and features. */
void rings_reset(struct rings *rings);
/* The device broke: tell the front-end through the rings' err descriptors. */
void rings_signal_error(struct rings *rings);

#endif
