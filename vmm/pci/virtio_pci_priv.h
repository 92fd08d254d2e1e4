/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_pci_priv: what the transport's files share. Private to vmm/pci/.
 *
 * The BAR has a page for each kind of thing, so that the guest reads those whose reads do nothing
 * without an exit (struct pci_host_ops, map), and writes what needs no action.
 *
 * The common configuration straddles two pages: its last part, all of the selected queue (size, vector, enable,
 * addresses), is plain memory, which is taken at the next write to a register before it. A driver has to write
 * one of these before the queue can matter: to select the next, or to say DRIVER_OK (virtio 1.2 §3.1.1). Until
 * then a vector that isn't there reads as it was written, where §4.1.5.1.2.1 has NO_VECTOR at once.
 */
#ifndef VRUN_VMM_PCI_VIRTIO_PCI_PRIV_H
#define VRUN_VMM_PCI_VIRTIO_PCI_PRIV_H

#include "vmm/pci/pci.h"
#include "vmm/pci/virtio_pci_msix.h"
#include "vmm/virtio/vdev.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_source;

enum {
	VP_BAR = 0,
	VP_PAGE = 0x1000,
	VP_DEVICE = 0x0000,
	VP_COMMON = 0x0fe8, /* 24 bytes, then queue_size */
	VP_COMMON_SIZE = 56, /* up to queue_device: what follows needs features that aren't offered */
	VP_DEVICE_MAX = VP_COMMON - VP_DEVICE,
	VP_QUEUE = 0x1000,
	VP_REGISTERS_END = 0x2000, /* of device and common configuration: two pages */
	VP_MSIX_TABLE = 0x2000,
	VP_ISR = 0x3000,
	VP_MSIX_PBA = 0x4000,
	VP_NOTIFY = 0x5000,
	VP_NOTIFY_MULTIPLIER = 4, /* an address, and so an ioeventfd, for each queue */
	VP_BAR_SIZE = 0x8000,

	VP_ISR_CONFIG = 2,
	VP_ISR_QUEUE = 1,

	/* pci_cfg_data in the VIRTIO_PCI_CAP_PCI_CFG capability (§4.1.4.9) */
	VP_WINDOW_DATA = 16,
	VP_WINDOW_END = 20,
};

/* What the loop's thread has to do. */
enum vp_work {
	VP_WORK_RESET = 1,
	VP_WORK_START = 2,
	VP_WORK_REMAP = 4, /* the BAR moved while ioeventfds were registered */
	VP_WORK_CONFIG = 8, /* the driver wrote device configuration */
};

/* A queue's registers as the driver wrote them; checked when the device starts. */
struct vp_queue {
	uint16_t size;
	bool enabled;
	uint64_t desc, driver, device;
};

struct virtio_pci {
	struct pci_device pci;
	struct pci_root *root;
	const struct pci_host_ops *host_ops;
	void *host;
	struct loop *loop;
	struct loop_source *wake;
	struct vdev *vdev; /* the loop's thread only */
	uint64_t offered;
	unsigned n_vqs;
	int kick_fds[VDEV_QUEUES_MAX]; /* never change: signalled without the device */

	/* The root's lock guards the rest, down to "Loop". */
	unsigned work; /* enum vp_work */
	bool closing;
	struct msix msix; /* line q: queue q; line n_vqs: configuration change */
	int register_slot, queue_slot, table_slot; /* what the guest reaches without exits; -1: exits */
	uint64_t mapped_gpa; /* the BAR's, 0: nothing is mapped */
	unsigned msix_cap, window_cap; /* offsets in configuration space */

	/* Common configuration (virtio 1.2 §4.1.4.3) */
	uint32_t device_feature_select, driver_feature_select;
	uint64_t driver_features;
	uint8_t status, generation, isr;
	uint16_t queue_select;
	struct vp_queue queues[VDEV_QUEUES_MAX];

	uint8_t *page; /* device and common configuration as the guest reads it: VP_REGISTERS_END bytes, aligned */
	size_t written_start, written_end; /* device configuration bytes for the device to take */

	/* Loop's thread only. */
	uint64_t notify_gpa; /* where ioeventfds are registered */
	bool notify_on[VDEV_QUEUES_MAX];
};

/* --- virtio_pci_common.c; the root's lock is held --- */

/* Registers to their reset state; status 0. */
void vp_common_reset(struct virtio_pci *vp);
/* Bring the register page in accord with the registers, but for the queue's, which the guest may be writing. */
void vp_common_sync(struct virtio_pci *vp);
void vp_common_write(struct virtio_pci *vp, unsigned offset, const void *data, unsigned len);

/* --- virtio_pci_bar.c; the root's lock is held --- */

extern const struct pci_device_ops vp_pci_ops;
/* After every change of what a read of the BAR gives. */
void vp_refresh_window(struct virtio_pci *vp);
/* Where the BAR is: let the guest reach what it may without exits. */
void vp_map_pages(struct virtio_pci *vp, uint64_t gpa);

/* --- virtio_pci_device.c; the loop's thread, no lock held --- */

extern const struct vdev_host_ops vp_vdev_host_ops;
/* Do what was requested; a loop_fn. */
void vp_on_wake(void *ctx);
void vp_unmap_notify(struct virtio_pci *vp);

/* --- virtio_pci.c --- */

/* Have the loop's thread do it. The root's lock is held. */
void vp_request(struct virtio_pci *vp, enum vp_work work);

#endif
