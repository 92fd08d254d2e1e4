/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-console (virtio 1.2 §5.3): one port, hvc0 in the guest. What the guest
 * writes goes to a console_log; input comes from whoever attaches.
 */
#ifndef VRUN_VMM_VIRTIO_CONSOLE_H
#define VRUN_VMM_VIRTIO_CONSOLE_H

#include <stddef.h>

struct console_log;
struct err;
struct loop;
struct vdev;

/* `log` is borrowed and outlives the device. */
int virtio_console_new(struct loop *loop, struct console_log *log, struct vdev **ret, struct err *err);

/* Bytes for the guest's terminal; returns how many were taken (the rest when the driver gives buffers). */
size_t virtio_console_input(struct vdev *dev, const void *buf, size_t len);

#endif
