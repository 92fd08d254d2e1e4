/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_pci: the transport as a PCI function: identity, capabilities, descriptors.
 *
 * Theory of operation
 *
 * Two sides share the registers under the root's lock. A vCPU thread writes them
 * and asks for work; the loop's thread does the work on the device and writes back
 * what came of it. The device itself, its queues and the ioeventfds belong to the
 * loop's thread alone, and the lock is never held while the device runs, so that
 * it may call back. A reset request closes the registers until it is done.
 */
#include "vmm/pci/virtio_pci.h"

#include "base/cleanup.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/loop.h"
#include "vmm/pci/virtio_pci_priv.h"

#include <assert.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <sys/eventfd.h>

enum {
	VENDOR = 0x1af4,
	DEVICE_BASE = 0x1040, /* §4.1.2.1 */
	SUBSYSTEM = 0x0040,
	REVISION = 1,
};

/* What would let the driver do things that aren't here. */
#define NOT_OFFERED                                                                                          \
	(1ULL << 38 /* NOTIFICATION_DATA */ | 1ULL << VIRTIO_F_RING_RESET | 1ULL << VIRTIO_F_SR_IOV)

void vp_request(struct virtio_pci *vp, enum vp_work work)
{
	vp->work |= work;
	loop_wake(vp->wake);
}

/* A vendor capability (§4.1.4); `extra` are the bytes after struct virtio_pci_cap. */
static unsigned add_structure(struct virtio_pci *vp, uint8_t type, uint32_t offset, uint32_t length,
			      const void *extra, size_t extra_len)
{
	uint8_t cap[sizeof(struct virtio_pci_cap) + 4] = { 0 };
	size_t len = sizeof(struct virtio_pci_cap) + extra_len;

	assert(len <= sizeof(cap));
	cap[offsetof(struct virtio_pci_cap, cap_len)] = (uint8_t)len;
	cap[offsetof(struct virtio_pci_cap, cfg_type)] = type;
	cap[offsetof(struct virtio_pci_cap, bar)] = VP_BAR;
	put_le32(cap + offsetof(struct virtio_pci_cap, offset), offset);
	put_le32(cap + offsetof(struct virtio_pci_cap, length), length);
	if (extra_len)
		memcpy(cap + sizeof(struct virtio_pci_cap), extra, extra_len);
	/* The first two bytes, id and next, are the list's. */
	return pci_device_add_capability(&vp->pci, PCI_CAP_ID_VNDR, cap + 2, len - 2);
}

static void add_window(struct virtio_pci *vp)
{
	static const uint8_t data[VP_WINDOW_END - VP_WINDOW_DATA];
	uint8_t *writable;

	vp->window_cap = add_structure(vp, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, data, sizeof(data));
	writable = vp->pci.writable + vp->window_cap;
	writable[offsetof(struct virtio_pci_cap, bar)] = 0xff;
	put_le32(writable + offsetof(struct virtio_pci_cap, offset), 0xffffffff);
	put_le32(writable + offsetof(struct virtio_pci_cap, length), 0xffffffff);
	put_le32(writable + VP_WINDOW_DATA, 0xffffffff);
}

static void add_msix(struct virtio_pci *vp)
{
	uint8_t body[PCI_CAP_MSIX_SIZEOF - 2];

	put_le16(body, (uint16_t)(vp->msix.n_vectors - 1));
	put_le32(body + PCI_MSIX_TABLE - 2, VP_MSIX_TABLE | VP_BAR);
	put_le32(body + PCI_MSIX_PBA - 2, VP_MSIX_PBA | VP_BAR);
	vp->msix_cap = pci_device_add_capability(&vp->pci, PCI_CAP_ID_MSIX, body, sizeof(body));
	put_le16(vp->pci.writable + vp->msix_cap + PCI_MSIX_FLAGS,
		 PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
}

static int add_function(struct virtio_pci *vp, struct err *err)
{
	const struct vdev_ops *ops = vp->vdev->ops;
	uint8_t multiplier[4];
	int r;

	vp->pci.ops = &vp_pci_ops;
	vp->pci.dev = vp;
	vp->pci.bars[VP_BAR].size = VP_BAR_SIZE;
	r = pci_root_add(vp->root, &vp->pci, err);
	if (r < 0)
		return r;
	pci_device_set_ids(&vp->pci, VENDOR, DEVICE_BASE + ops->type, VENDOR, SUBSYSTEM, ops->pci_class,
			   REVISION);
	add_structure(vp, VIRTIO_PCI_CAP_COMMON_CFG, VP_COMMON, VP_COMMON_SIZE, NULL, 0);
	put_le32(multiplier, VP_NOTIFY_MULTIPLIER);
	add_structure(vp, VIRTIO_PCI_CAP_NOTIFY_CFG, VP_NOTIFY, vp->n_vqs * VP_NOTIFY_MULTIPLIER, multiplier,
		      sizeof(multiplier));
	add_structure(vp, VIRTIO_PCI_CAP_ISR_CFG, VP_ISR, 1, NULL, 0);
	if (vp->vdev->config_len)
		add_structure(vp, VIRTIO_PCI_CAP_DEVICE_CFG, VP_DEVICE, (uint32_t)vp->vdev->config_len, NULL,
			      0);
	add_msix(vp);
	add_window(vp);
	return 0;
}

static int make_descriptors(struct virtio_pci *vp, const struct guest_mem *mem)
{
	int r;

	for (unsigned q = 0; q < VDEV_QUEUES_MAX; q++)
		vp->kick_fds[q] = -EBADF;
	/* One vector for the queues and one for the configuration is the least that drivers take. */
	r = msix_init(&vp->msix, vp->host_ops, vp->host, vp->n_vqs + 1,
		      vp->vdev->ops->shared_call ? 2 : vp->n_vqs + 1);
	if (r < 0)
		return r;
	for (unsigned q = 0; q < vp->n_vqs; q++) {
		struct virtqueue *vq = &vp->vdev->vqs[q];

		vp->kick_fds[q] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (vp->kick_fds[q] < 0)
			return -errno;
		vq->mem = mem;
		vq->kick_fd = vp->kick_fds[q];
		vq->call_fd = msix_fd(&vp->msix, q);
	}
	return loop_add_wake(vp->loop, vp_on_wake, vp, &vp->wake);
}

static void cleanup_virtio_pci(struct virtio_pci **vp)
{
	virtio_pci_free(*vp);
}

int virtio_pci_new(struct loop *loop, struct pci_root *root, const struct guest_mem *mem, struct vdev *vdev,
		   struct virtio_pci **ret, struct err *err)
{
	_cleanup_(cleanup_virtio_pci) struct virtio_pci *vp = NULL;
	int r;

	if (vdev->config_len > VP_DEVICE_MAX || vdev->n_vqs > VDEV_QUEUES_MAX)
		return err_set(err, -EINVAL, "%s: too large for virtio-pci", vdev->tag);
	vp = calloc(1, sizeof(*vp));
	if (!vp)
		return err_set(err, -ENOMEM, "out of memory");
	vp->loop = loop;
	vp->root = root;
	vp->host_ops = pci_root_host(root, &vp->host);
	vp->vdev = vdev;
	vp->n_vqs = vdev->n_vqs;
	vp->offered = vdev->features & ~NOT_OFFERED;
	vp->register_slot = vp->queue_slot = vp->table_slot = -1;
	vp->page = msix_pages(VP_REGISTERS_END);
	if (!vp->page)
		return err_set(err, -ENOMEM, "out of memory");
	r = make_descriptors(vp, mem);
	if (r < 0)
		return err_set_errno(err, r, "%s: can't make eventfds", vdev->tag);
	memcpy(vp->page + VP_DEVICE, vdev->config, vdev->config_len);
	vp_common_reset(vp);

	/* Last, as the root has no way to forget a device. */
	r = add_function(vp, err);
	if (r < 0)
		return r;
	/* Where it is now is most likely where it stays; before the vCPUs run this costs least. */
	vp_map_pages(vp, vp->pci.bars[VP_BAR].gpa);
	vdev->host_ops = &vp_vdev_host_ops;
	vdev->host = vp;
	*ret = TAKE_PTR(vp);
	return 0;
}

void virtio_pci_hide(struct virtio_pci *vp)
{
	pci_device_hide(&vp->pci);
}

void virtio_pci_show(struct virtio_pci *vp)
{
	pci_root_lock(vp->root);
	pci_device_show(&vp->pci);
	pci_root_unlock(vp->root);
}

void virtio_pci_free(struct virtio_pci *vp)
{
	if (!vp)
		return;
	vp->closing = true;
	vdev_stop(vp->vdev);
	vp->vdev->host_ops = NULL;
	vp->vdev->host = NULL;
	vp_unmap_notify(vp);
	loop_remove(vp->wake);
	msix_done(&vp->msix);
	for (unsigned q = 0; q < vp->n_vqs; q++) {
		vp->vdev->vqs[q].kick_fd = vp->vdev->vqs[q].call_fd = -1;
		close_fd(vp->kick_fds[q]);
	}
	free(vp->page);
	free(vp);
}
