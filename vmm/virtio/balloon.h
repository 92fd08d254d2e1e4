/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-balloon (virtio 1.2 §5.5), for free page reporting: the guest's kernel
 * names the large blocks of memory that nothing uses, and the host has their pages
 * back (guest_mem_discard()) until the guest touches them again. Linux reports what is
 * freed in blocks of 2 MiB, within some two seconds.
 *
 * The balloon proper stays empty: its target is 0 pages. What a driver puts into it
 * anyhow is given back to the host too.
 */
#ifndef VRUN_VMM_VIRTIO_BALLOON_H
#define VRUN_VMM_VIRTIO_BALLOON_H

struct err;
struct loop;
struct vdev;

int virtio_balloon_new(struct loop *loop, struct vdev **ret, struct err *err);

#endif
