/* SPDX-License-Identifier: Apache-2.0 */
/*
 * net_vhost: a queue pair served by the host's kernel (linux/vhost.h), so that a frame
 * costs this process nothing: the driver's kicks wake a kernel thread, which calls
 * the driver back.
 *
 * Needs a host whose kick and call descriptors stay the same while the device runs,
 * and guest memory mapped here.
 */
#ifndef VRUN_VMM_VIRTIO_NET_VHOST_H
#define VRUN_VMM_VIRTIO_NET_VHOST_H

#include "vmm/virtio/virtqueue.h"

#include <stdint.h>

/* A descriptor for one pair, owned by this process; -errno when the kernel has no vhost-net, or too old a one. */
int net_vhost_open(void);

/*
 * Hand over `rings`, receive and transmit, those of them that are enabled; they are started.
 * `features` are the negotiated ones; `err_fd` is signalled when a ring is found broken. On
 * failure net_vhost_stop() undoes what was done.
 */
int net_vhost_start(int fd, const struct virtqueue rings[2], uint64_t features, int tap, int err_fd);

/* Take them back where the kernel has left them; no access to guest memory after this. */
void net_vhost_stop(int fd, struct virtqueue rings[2]);

#endif
