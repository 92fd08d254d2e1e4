/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_pci_bar: what vCPU threads reach: the BAR's pages and the window to it in
 * configuration space. The root's lock is held; nothing here touches the device.
 */
#include "base/endian.h"
#include "base/log.h"
#include "vmm/pci/virtio_pci_priv.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <stddef.h>
#include <unistd.h>

static bool overlaps(uint64_t offset, unsigned len, uint64_t start, uint64_t size)
{
	return offset < start + size && offset + len > start;
}

static bool within(uint64_t offset, unsigned len, uint64_t start, uint64_t size)
{
	return offset >= start && offset + len <= start + size;
}

/* A kick that came before its ioeventfd was there, or through the configuration window. */
static void write_notify(struct virtio_pci *vp, uint64_t offset, unsigned len)
{
	uint64_t q = offset / VP_NOTIFY_MULTIPLIER, one = 1;

	/* A full counter is a kick all the same. */
	if (len == 2 && offset % VP_NOTIFY_MULTIPLIER == 0 && q < vp->n_vqs &&
	    write(vp->kick_fds[q], &one, sizeof(one)) < 0 && errno != EAGAIN)
		LOG_RATELIMITED(LOG_LEVEL_DEBUG, "%s: kick: %m", vp->vdev->tag);
}

/* Device configuration: the guest reads its bytes back at once, the device gets them in the loop. */
static void write_device(struct virtio_pci *vp, size_t offset, const void *data, unsigned len)
{
	if (!vp->vdev->ops->config_written || offset + len > vp->vdev->config_len ||
	    (vp->work & VP_WORK_RESET))
		return;
	memcpy(vp->page + VP_DEVICE + offset, data, len);
	if (vp->written_start == vp->written_end) {
		vp->written_start = offset;
		vp->written_end = offset + len;
	} else {
		if (offset < vp->written_start)
			vp->written_start = offset;
		if (offset + len > vp->written_end)
			vp->written_end = offset + len;
	}
	vp_request(vp, VP_WORK_CONFIG);
}

static void write_registers(struct virtio_pci *vp, uint64_t offset, const void *data, unsigned len)
{
	if (within(offset, len, VP_NOTIFY, VP_PAGE))
		write_notify(vp, offset - VP_NOTIFY, len);
	else if (within(offset, len, VP_COMMON, VP_COMMON_SIZE))
		/* Those of the queue only while they aren't mapped. */
		vp_common_write(vp, (unsigned)offset - VP_COMMON, data, len);
	else if (within(offset, len, VP_DEVICE, VP_DEVICE_MAX))
		write_device(vp, offset - VP_DEVICE, data, len);
	else if (within(offset, len, VP_MSIX_TABLE, VP_PAGE))
		msix_write_table(&vp->msix, offset - VP_MSIX_TABLE, data, len);
}

/* Reads without side effects; what isn't there reads as zeros. */
static void peek_registers(const struct virtio_pci *vp, uint64_t offset, void *data, unsigned len)
{
	memset(data, 0, len);
	if (within(offset, len, 0, VP_REGISTERS_END))
		memcpy(data, vp->page + offset, len);
	else if (within(offset, len, VP_MSIX_TABLE, VP_PAGE))
		msix_read_table(&vp->msix, offset - VP_MSIX_TABLE, data, len);
	else if (within(offset, len, VP_MSIX_PBA, VP_PAGE))
		msix_read_pba(&vp->msix, offset - VP_MSIX_PBA, data, len);
	else if (offset == VP_ISR)
		*(uint8_t *)data = vp->isr;
}

/* Reading clears (§4.1.4.5). Without MSI-X a driver that polls finds its queues' calls here. */
static void read_isr(struct virtio_pci *vp, void *data, unsigned len)
{
	if (!vp->msix.enabled) {
		for (unsigned q = 0; q < vp->n_vqs; q++) {
			if (msix_take_pending(&vp->msix, q))
				vp->isr |= VP_ISR_QUEUE;
		}
	}
	memset(data, 0, len);
	*(uint8_t *)data = vp->isr;
	vp->isr = 0;
}

/*
 * The configuration access window (§4.1.4.9) lets a driver reach the BAR without
 * mapping it. Configuration reads don't come here, so pci_cfg_data is kept to what a
 * read would give. ISR is shown there but not cleared.
 */
static bool window_target(const struct virtio_pci *vp, uint32_t *ret_offset, uint32_t *ret_len)
{
	const uint8_t *cap = vp->pci.config + vp->window_cap;
	uint32_t len = get_le32(cap + offsetof(struct virtio_pci_cap, length));
	uint32_t offset = get_le32(cap + offsetof(struct virtio_pci_cap, offset));

	if (cap[offsetof(struct virtio_pci_cap, bar)] != VP_BAR || (len != 1 && len != 2 && len != 4) ||
	    offset % len || offset >= VP_BAR_SIZE)
		return false;
	*ret_offset = offset;
	*ret_len = len;
	return true;
}

void vp_refresh_window(struct virtio_pci *vp)
{
	uint32_t offset, len;

	if (window_target(vp, &offset, &len))
		peek_registers(vp, offset, vp->pci.config + vp->window_cap + VP_WINDOW_DATA, len);
}

static void bar_read(void *dev, unsigned bar, uint64_t offset, void *data, unsigned len)
{
	struct virtio_pci *vp = dev;

	(void)bar;
	if (offset == VP_ISR)
		read_isr(vp, data, len);
	else
		peek_registers(vp, offset, data, len);
}

static void bar_write(void *dev, unsigned bar, uint64_t offset, const void *data, unsigned len)
{
	struct virtio_pci *vp = dev;

	(void)bar;
	write_registers(vp, offset, data, len);
	vp_refresh_window(vp);
}

static void config_written(void *dev, unsigned offset, unsigned len)
{
	struct virtio_pci *vp = dev;
	uint32_t target, target_len;

	if (overlaps(offset, len, vp->msix_cap + PCI_MSIX_FLAGS, 2))
		msix_set_control(&vp->msix, get_le16(vp->pci.config + vp->msix_cap + PCI_MSIX_FLAGS));
	if (overlaps(offset, len, vp->window_cap + VP_WINDOW_DATA, VP_WINDOW_END - VP_WINDOW_DATA) &&
	    window_target(vp, &target, &target_len))
		write_registers(vp, target, vp->pci.config + vp->window_cap + VP_WINDOW_DATA, target_len);
	vp_refresh_window(vp);
}

/* What can't be mapped exits. */
void vp_map_pages(struct virtio_pci *vp, uint64_t gpa)
{
	const struct {
		int *slot;
		uint64_t offset, size;
		void *hva;
		bool writable;
	} areas[] = {
		{ &vp->register_slot, 0, VP_QUEUE, vp->page, false },
		{ &vp->queue_slot, VP_QUEUE, VP_PAGE, vp->page + VP_QUEUE, true },
		{ &vp->table_slot, VP_MSIX_TABLE, VP_PAGE, vp->msix.table, false },
	};

	if (!vp->host_ops->map || vp->mapped_gpa == gpa)
		return;
	vp->mapped_gpa = gpa;
	for (unsigned i = 0; i < sizeof(areas) / sizeof(areas[0]); i++)
		if (vp->host_ops->map(vp->host, areas[i].slot, gpa ? gpa + areas[i].offset : 0, areas[i].size,
				      areas[i].hva, areas[i].writable) < 0)
			LOG_RATELIMITED(LOG_LEVEL_DEBUG, "%s: registers can't be mapped", vp->vdev->tag);
}

static void bar_moved(void *dev, unsigned bar, uint64_t old_gpa, uint64_t new_gpa, bool on)
{
	struct virtio_pci *vp = dev;

	(void)bar, (void)old_gpa;
	/* While decoding is off nobody looks: sizing, and then decoding at the same place, moves nothing. */
	if (on)
		vp_map_pages(vp, new_gpa);
	/* Until then, kicks at the new address come through write_notify(). */
	if (vp->status & VIRTIO_CONFIG_S_DRIVER_OK)
		vp_request(vp, VP_WORK_REMAP);
}

const struct pci_device_ops vp_pci_ops = {
	.bar_read = bar_read,
	.bar_write = bar_write,
	.config_written = config_written,
	.bar_moved = bar_moved,
};
