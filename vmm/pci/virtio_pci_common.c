/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_pci_common: the common configuration structure (virtio 1.2 §4.1.4.3) and
 * the status state machine (§2.1, §3.1).
 *
 * Reads come from the register page; each write changes the registers and then the
 * page. A write of the wrong width, at a wrong offset or at a wrong time changes
 * nothing: there is no one to tell.
 */
#include "base/endian.h"
#include "vmm/pci/virtio_pci_priv.h"

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <stddef.h>

#define REG(field) offsetof(struct virtio_pci_common_cfg, field)
_Static_assert(sizeof(struct virtio_pci_common_cfg) == VP_COMMON_SIZE, "common configuration's layout");
_Static_assert(VP_COMMON + REG(queue_size) == VP_QUEUE, "the queue begins a page");

/* The selected queue's registers, for the guest to read and write. A queue that isn't there has size 0 (§4.1.4.3.1). */
static void show_queue(struct virtio_pci *vp)
{
	static const struct vp_queue none;
	unsigned q = vp->queue_select;
	bool there = q < vp->n_vqs;
	const struct vp_queue *queue = there ? &vp->queues[q] : &none;
	uint8_t *p = vp->page + VP_COMMON;

	put_le16(p + REG(queue_size), queue->size);
	put_le16(p + REG(queue_msix_vector), there ? msix_vector(&vp->msix, q) : MSIX_NO_VECTOR);
	put_le16(p + REG(queue_enable), queue->enabled);
	put_le16(p + REG(queue_notify_off), there ? (uint16_t)q : 0);
	put_le64(p + REG(queue_desc_lo), queue->desc);
	put_le64(p + REG(queue_avail_lo), queue->driver);
	put_le64(p + REG(queue_used_lo), queue->device);
}

void vp_common_reset(struct virtio_pci *vp)
{
	vp->device_feature_select = vp->driver_feature_select = 0;
	vp->driver_features = 0;
	vp->status = 0;
	vp->isr = 0;
	vp->queue_select = 0;
	vp->written_start = vp->written_end = 0;
	for (unsigned q = 0; q < vp->n_vqs; q++)
		vp->queues[q] = (struct vp_queue){ .size = vp->vdev->vqs[q].max_size };
	msix_reset_lines(&vp->msix);
	vp_common_sync(vp);
	show_queue(vp);
}

/* Features come in halves; there are none beyond the second. */
static uint32_t half(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> (32 * select)) : 0;
}

void vp_common_sync(struct virtio_pci *vp)
{
	uint8_t *p = vp->page + VP_COMMON;

	put_le32(p + REG(device_feature_select), vp->device_feature_select);
	put_le32(p + REG(device_feature), half(vp->offered, vp->device_feature_select));
	put_le32(p + REG(guest_feature_select), vp->driver_feature_select);
	put_le32(p + REG(guest_feature), half(vp->driver_features, vp->driver_feature_select));
	put_le16(p + REG(msix_config), msix_vector(&vp->msix, vp->n_vqs));
	put_le16(p + REG(num_queues), (uint16_t)vp->n_vqs);
	p[REG(device_status)] = vp->status;
	p[REG(config_generation)] = vp->generation;
	put_le16(p + REG(queue_select), vp->queue_select);
}

/* --- Status --- */

static bool features_ok(const struct virtio_pci *vp)
{
	return !(vp->driver_features & ~vp->offered) && (vp->driver_features & (1ULL << VIRTIO_F_VERSION_1));
}

static void write_status(struct virtio_pci *vp, uint8_t value)
{
	const uint8_t driver_bits = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER |
				    VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK |
				    VIRTIO_CONFIG_S_FAILED;
	uint8_t new;

	if (value == 0) {
		/*
		 * The device may be at work, or about to be, until the loop has stopped it;
		 * the status reads 0 from then on only (§4.1.4.3.1). Before DRIVER_OK there is
		 * nothing to stop.
		 */
		if (vp->status & VIRTIO_CONFIG_S_DRIVER_OK)
			vp_request(vp, VP_WORK_RESET);
		else
			vp_common_reset(vp);
		return;
	}

	/* Only a reset clears bits (§2.1.1); NEEDS_RESET is ours. */
	new = (uint8_t)(value & driver_bits & ~vp->status);
	/* §2.2.2: a subset of what is offered; §6.1: VERSION_1 always. The bit stays off otherwise. */
	if ((new &VIRTIO_CONFIG_S_FEATURES_OK) && !features_ok(vp))
		new &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	/* §3.1.1: not before the features are agreed upon. */
	if ((new &VIRTIO_CONFIG_S_DRIVER_OK) && !((vp->status | new) & VIRTIO_CONFIG_S_FEATURES_OK))
		new &= (uint8_t)~VIRTIO_CONFIG_S_DRIVER_OK;
	vp->status |= new;
	if (new &VIRTIO_CONFIG_S_DRIVER_OK)
		vp_request(vp, VP_WORK_START);
}

static void write_driver_feature(struct virtio_pci *vp, uint32_t value)
{
	unsigned shift = 32 * vp->driver_feature_select;

	if (vp->driver_feature_select >= 2 || (vp->status & VIRTIO_CONFIG_S_FEATURES_OK))
		return;
	vp->driver_features = (vp->driver_features & ~(0xffffffffULL << shift)) | (uint64_t)value << shift;
}

/* --- Queues --- */

/* The selected queue while the driver may set it up: not enabled yet (§4.1.4.3.2), not after DRIVER_OK. */
static struct vp_queue *queue_to_set(struct virtio_pci *vp)
{
	struct vp_queue *queue;

	if (vp->queue_select >= vp->n_vqs || (vp->status & VIRTIO_CONFIG_S_DRIVER_OK))
		return NULL;
	queue = &vp->queues[vp->queue_select];
	return queue->enabled ? NULL : queue;
}

/* One half, or all, of a 64-bit register. */
static void set_address(uint64_t *address, unsigned byte, const void *data, unsigned len)
{
	if (len == 8 && byte == 0)
		*address = get_le64(data);
	else if (len == 4 && byte == 0)
		*address = (*address & ~0xffffffffULL) | get_le32(data);
	else if (len == 4 && byte == 4)
		*address = (*address & 0xffffffffULL) | (uint64_t)get_le32(data) << 32;
}

/* What the guest wrote without an exit, or would have: copied once, checked when the device starts. */
static void take_queue(struct virtio_pci *vp)
{
	const uint8_t *p = vp->page + VP_COMMON;
	struct vp_queue *queue = queue_to_set(vp);
	uint16_t vector;

	if (vp->queue_select >= vp->n_vqs)
		return;
	vector = get_le16(p + REG(queue_msix_vector));
	if (vector != msix_vector(&vp->msix, vp->queue_select))
		msix_set_vector(&vp->msix, vp->queue_select, vector);
	if (!queue)
		return;
	/* Kept even when it is wrong: the driver means it, and the start will refuse it. */
	queue->size = get_le16(p + REG(queue_size));
	/* Writing 0 is not allowed (§4.1.4.3.2): only a reset disables. */
	queue->enabled = get_le16(p + REG(queue_enable)) == 1;
	queue->desc = get_le64(p + REG(queue_desc_lo));
	queue->driver = get_le64(p + REG(queue_avail_lo));
	queue->device = get_le64(p + REG(queue_used_lo));
}

static void write_queue_address(struct virtio_pci *vp, unsigned offset, const void *data, unsigned len)
{
	struct vp_queue *queue = queue_to_set(vp);

	if (!queue)
		return;
	if (offset >= REG(queue_used_lo))
		set_address(&queue->device, offset - REG(queue_used_lo), data, len);
	else if (offset >= REG(queue_avail_lo))
		set_address(&queue->driver, offset - REG(queue_avail_lo), data, len);
	else
		set_address(&queue->desc, offset - REG(queue_desc_lo), data, len);
}

/* --- Dispatch by width --- */

static void write8(struct virtio_pci *vp, unsigned offset, uint8_t value)
{
	if (offset == REG(device_status))
		write_status(vp, value);
}

static void write16(struct virtio_pci *vp, unsigned offset, uint16_t value)
{
	struct vp_queue *queue = queue_to_set(vp);

	switch (offset) {
	case REG(msix_config):
		msix_set_vector(&vp->msix, vp->n_vqs, value);
		break;
	case REG(queue_select):
		vp->queue_select = value;
		break;
	case REG(queue_size):
		/* Kept even when it is wrong: the driver means it, and the start will refuse it. */
		if (queue)
			queue->size = value;
		break;
	case REG(queue_msix_vector):
		if (vp->queue_select < vp->n_vqs)
			msix_set_vector(&vp->msix, vp->queue_select, value);
		break;
	case REG(queue_enable):
		/* Writing 0 is not allowed (§4.1.4.3.2): only a reset disables. */
		if (queue && value == 1)
			queue->enabled = true;
		break;
	}
}

static void write32(struct virtio_pci *vp, unsigned offset, uint32_t value)
{
	switch (offset) {
	case REG(device_feature_select):
		vp->device_feature_select = value;
		break;
	case REG(guest_feature_select):
		vp->driver_feature_select = value;
		break;
	case REG(guest_feature):
		write_driver_feature(vp, value);
		break;
	}
}

void vp_common_write(struct virtio_pci *vp, unsigned offset, const void *data, unsigned len)
{
	/* Until a reset is complete the driver has nothing to say (§4.1.4.3.2: it polls the status). */
	if (vp->work & VP_WORK_RESET)
		return;
	take_queue(vp);
	if (offset >= REG(queue_desc_lo))
		write_queue_address(vp, offset, data, len);
	else if (len == 1)
		write8(vp, offset, *(const uint8_t *)data);
	else if (len == 2)
		write16(vp, offset, get_le16(data));
	else if (len == 4)
		write32(vp, offset, get_le32(data));
	vp_common_sync(vp);
	show_queue(vp);
}
