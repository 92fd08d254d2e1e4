/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_tap: the ioctls of a tap's queues (Documentation/networking/tuntap.rst) that
 * virtio-net needs; none of them asks for a privilege. 0 or -errno.
 *
 * Header and offloads are properties of the tap, so one of its queues is enough
 * to set them.
 */
#ifndef VRUN_VMM_VIRTIO_NET_TAP_H
#define VRUN_VMM_VIRTIO_NET_TAP_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct vnet_stats;

/*
 * Check that `fds` are queues of one tap with vnet headers, make them non-blocking and
 * close-on-exec, and set the tap up: headers of `hdr_len` bytes, little-endian, no offloads.
 */
int net_tap_prepare(const int *fds, unsigned n, int hdr_len, struct err *err);

/* The VIRTIO_NET_F_* offload bits that the host's kernel knows, for both directions. */
uint64_t net_tap_features(int fd);

/*
 * What the guest takes: the VIRTIO_NET_F_GUEST_* bits of `features`; others, and those whose own
 * requirements (virtio 1.2 §5.1.3.1) are missing, are left out.
 */
int net_tap_set_offloads(int fd, uint64_t features);

/*
 * The tap's counters, seen from the guest, from `counters_fd`: /proc/net/dev, opened in the
 * network namespace of the tap. -ENOENT when it isn't there.
 */
int net_tap_counters(int fd, int counters_fd, struct vnet_stats *ret);

/* Attach or detach one queue of a multi-queue tap. */
int net_tap_attach(int fd, bool on);

#endif
