/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backend: hosts one vdev for a vhost-user front-end (QEMU) on a connected
 * socket, in the loop's thread (QEMU, docs/interop/vhost-user.rst).
 *
 * The front-end runs the guest, so nothing that it says is believed: a message
 * of the wrong shape, out of range or against the protocol ends the connection,
 * with one line in the log. So does a guest that breaks a ring (vdev_fail()).
 * The device is stopped then, and this process lives on.
 */
#ifndef VRUN_VMM_VHOST_USER_BACKEND_H
#define VRUN_VMM_VHOST_USER_BACKEND_H

#include <stdbool.h>

struct err;
struct loop;
struct vdev;
struct vhost_user;

struct vhost_user_config {
	/* Take guest memory only from memfds that can't shrink: for front-ends that do so, as ours does. */
	bool sealed_memory;
	/*
	 * QEMU's network device: it has the configuration space to itself and warns when we offer ours,
	 * and it adds each memory region once per queue pair (7.2). Neither is offered.
	 */
	bool network;
	/*
	 * The connection is over and the device stopped; called once, from the loop. `why` is NULL when
	 * the front-end hung up between messages. The back-end may be freed here.
	 */
	void (*closed)(void *ctx, const char *why);
	void *ctx;
};

/*
 * Serve `dev` (borrowed, stopped; its host until vhost_user_free()) on `take_sock`,
 * which is consumed even on failure.
 */
int vhost_user_new(struct loop *loop, struct vdev *dev, int take_sock, const struct vhost_user_config *config,
		   struct vhost_user **ret, struct err *err);
/* Stops the device, unmaps its memory, hangs up. No `closed` follows. NULL is fine. */
void vhost_user_free(struct vhost_user *backend);

#endif
