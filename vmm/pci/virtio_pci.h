/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_pci: the modern virtio-over-PCI transport (virtio 1.2 §4.1) that hosts
 * one vdev on the KVM engine. Kicks come by ioeventfd, calls go by irqfd and MSI-X;
 * no VM exit lies on a data path. No legacy interface, no INTx.
 *
 * Threads: vCPU threads write the registers. What touches the device (status,
 * reset, DRIVER_OK) is done in the loop's thread; the vCPU waits for nothing but a
 * reset's completion, which the driver polls for by reading device_status (§4.1.4.3.1).
 */
#ifndef VRUN_VMM_PCI_VIRTIO_PCI_H
#define VRUN_VMM_PCI_VIRTIO_PCI_H

struct err;
struct guest_mem;
struct loop;
struct pci_root;
struct vdev;
struct virtio_pci;

/* Host `vdev` (borrowed) as the next PCI device. `mem` is borrowed for its life. */
int virtio_pci_new(struct loop *loop, struct pci_root *root, const struct guest_mem *mem, struct vdev *vdev,
		   struct virtio_pci **ret, struct err *err);
/*
 * A device that the guest is to find later, when somebody tells it to look for new ones. Hide before it runs.
 * Loop's thread.
 */
void virtio_pci_hide(struct virtio_pci *vp);
void virtio_pci_show(struct virtio_pci *vp);
/*
 * The vCPUs have stopped. Stops the vdev, releases eventfds and routes; before or after the root
 * is freed. NULL is fine.
 */
void virtio_pci_free(struct virtio_pci *vp);

#endif
