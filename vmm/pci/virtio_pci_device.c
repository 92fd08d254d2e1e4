/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_pci_device: the loop's side: starting, stopping and resetting the device,
 * its ioeventfds, and what it reports. The lock is never held while the device runs.
 */
#include "base/endian.h"
#include "base/log.h"
#include "vmm/pci/virtio_pci_priv.h"

#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <unistd.h>

void vp_unmap_notify(struct virtio_pci *vp)
{
	for (unsigned q = 0; q < vp->n_vqs; q++) {
		if (vp->notify_on[q])
			(void)vp->host_ops->ioeventfd(vp->host,
						      vp->notify_gpa + (uint64_t)q * VP_NOTIFY_MULTIPLIER, 2,
						      vp->kick_fds[q], false);
		vp->notify_on[q] = false;
	}
	vp->notify_gpa = 0;
}

/* Where the BAR is now, 0: nowhere. Without an ioeventfd a kick exits and still arrives. */
static void map_notify(struct virtio_pci *vp, uint64_t bar_gpa)
{
	vp_unmap_notify(vp);
	if (bar_gpa == 0)
		return;
	vp->notify_gpa = bar_gpa + VP_NOTIFY;
	for (unsigned q = 0; q < vp->n_vqs; q++) {
		uint64_t gpa = vp->notify_gpa + (uint64_t)q * VP_NOTIFY_MULTIPLIER;

		if (!vp->vdev->vqs[q].enabled)
			continue;
		vp->notify_on[q] = vp->host_ops->ioeventfd(vp->host, gpa, 2, vp->kick_fds[q], true) >= 0;
		if (!vp->notify_on[q])
			log_debug("%s: no ioeventfd for queue %u", vp->vdev->tag, q);
	}
}

/* Root's lock held. */
static uint64_t bar_gpa(const struct virtio_pci *vp)
{
	return get_le16(vp->pci.config + PCI_COMMAND) & PCI_COMMAND_MEMORY ? vp->pci.bars[VP_BAR].gpa : 0;
}

/* Root's lock held. */
static void interrupt_config(struct virtio_pci *vp)
{
	/* §4.1.5.3: before DRIVER_OK nobody listens. */
	if (vp->status & VIRTIO_CONFIG_S_DRIVER_OK) {
		vp->isr |= VP_ISR_CONFIG;
		msix_signal(&vp->msix, vp->n_vqs);
	}
}

/* §2.1.2 */
static void needs_reset(struct virtio_pci *vp)
{
	pci_root_lock(vp->root);
	vp->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	interrupt_config(vp);
	vp_common_sync(vp);
	vp_refresh_window(vp);
	pci_root_unlock(vp->root);
}

static void drain_kicks(struct virtio_pci *vp)
{
	uint64_t count;

	for (unsigned q = 0; q < vp->n_vqs; q++) {
		while (read(vp->kick_fds[q], &count, sizeof(count)) > 0)
			;
	}
}

static void start_device(struct virtio_pci *vp)
{
	struct vdev *vdev = vp->vdev;
	uint64_t gpa;
	int r;

	pci_root_lock(vp->root);
	vdev->acked = vp->driver_features;
	for (unsigned q = 0; q < vp->n_vqs; q++) {
		struct virtqueue *vq = &vdev->vqs[q];
		const struct vp_queue *queue = &vp->queues[q];

		virtqueue_reset(vq);
		vq->size = queue->size;
		vq->desc_gpa = queue->desc;
		vq->avail_gpa = queue->driver;
		vq->used_gpa = queue->device;
		vq->enabled = queue->enabled;
	}
	gpa = bar_gpa(vp);
	pci_root_unlock(vp->root);

	r = vdev_start(vdev);
	if (r < 0) {
		LOG_RATELIMITED(LOG_LEVEL_DEBUG, "%s: can't start: error %d", vdev->tag, -r);
		needs_reset(vp);
		return;
	}
	map_notify(vp, gpa);
}

static void reset_device(struct virtio_pci *vp)
{
	vdev_stop(vp->vdev);
	vp_unmap_notify(vp);
	drain_kicks(vp);

	pci_root_lock(vp->root);
	memcpy(vp->page + VP_DEVICE, vp->vdev->config, vp->vdev->config_len);
	vp_common_reset(vp);
	vp->work = 0;
	vp_refresh_window(vp);
	pci_root_unlock(vp->root);
}

static void remap_notify(struct virtio_pci *vp)
{
	uint64_t gpa;

	pci_root_lock(vp->root);
	gpa = bar_gpa(vp);
	pci_root_unlock(vp->root);
	if (vp->vdev->started)
		map_notify(vp, gpa);
}

static void take_device_config(struct virtio_pci *vp)
{
	size_t start, end;

	pci_root_lock(vp->root);
	start = vp->written_start;
	end = vp->written_end;
	memcpy(vp->vdev->config + start, vp->page + VP_DEVICE + start, end - start);
	vp->written_start = vp->written_end = 0;
	pci_root_unlock(vp->root);
	if (start < end)
		vp->vdev->ops->config_written(vp->vdev, start, end - start);
}

void vp_on_wake(void *ctx)
{
	struct virtio_pci *vp = ctx;
	unsigned work;

	pci_root_lock(vp->root);
	work = vp->work;
	/* A reset stays requested until it is done: it keeps the registers closed. */
	vp->work &= VP_WORK_RESET;
	pci_root_unlock(vp->root);

	if (work & VP_WORK_RESET) {
		reset_device(vp);
		return;
	}
	if (work & VP_WORK_START)
		start_device(vp);
	if (work & VP_WORK_REMAP)
		remap_notify(vp);
	if (work & VP_WORK_CONFIG)
		take_device_config(vp);
}

static void device_failed(void *host, struct vdev *vdev, const char *why)
{
	struct virtio_pci *vp = host;

	LOG_RATELIMITED(LOG_LEVEL_DEBUG, "%s: needs reset: %s", vdev->tag, why);
	if (!vp->closing)
		needs_reset(vp);
}

static void device_config_changed(void *host, struct vdev *vdev)
{
	struct virtio_pci *vp = host;

	if (vp->closing)
		return;
	pci_root_lock(vp->root);
	memcpy(vp->page + VP_DEVICE, vdev->config, vdev->config_len);
	vp->generation++;
	interrupt_config(vp);
	vp_common_sync(vp);
	vp_refresh_window(vp);
	pci_root_unlock(vp->root);
}

const struct vdev_host_ops vp_vdev_host_ops = {
	.failed = device_failed,
	.config_changed = device_config_changed,
};
