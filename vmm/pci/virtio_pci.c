/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio_pci: the transport's outside (PCI function, BAR) and its loop's side.
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
#include "base/log.h"
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
	/* Offsets in the VIRTIO_PCI_CAP_PCI_CFG capability */
	WINDOW_DATA = sizeof(struct virtio_pci_cap),
	WINDOW_END = sizeof(struct virtio_pci_cfg_cap),
};

/* What would let the driver do things that aren't here. */
#define NOT_OFFERED                                                                                          \
	(1ULL << 38 /* NOTIFICATION_DATA */ | 1ULL << VIRTIO_F_RING_RESET | 1ULL << VIRTIO_F_SR_IOV)

void vp_request(struct virtio_pci *vp, enum vp_work work)
{
	vp->work |= work;
	loop_wake(vp->wake);
}

/* --- The BAR, vCPU threads, root's lock held --- */

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
	if (within(offset, len, 0, VP_PAGE))
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

static void refresh_window(struct virtio_pci *vp)
{
	uint32_t offset, len;

	if (window_target(vp, &offset, &len))
		peek_registers(vp, offset, vp->pci.config + vp->window_cap + WINDOW_DATA, len);
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
	refresh_window(vp);
}

static void config_written(void *dev, unsigned offset, unsigned len)
{
	struct virtio_pci *vp = dev;
	uint32_t target, target_len;

	if (overlaps(offset, len, vp->msix_cap + PCI_MSIX_FLAGS, 2))
		msix_set_control(&vp->msix, get_le16(vp->pci.config + vp->msix_cap + PCI_MSIX_FLAGS));
	if (overlaps(offset, len, vp->window_cap + WINDOW_DATA, WINDOW_END - WINDOW_DATA) &&
	    window_target(vp, &target, &target_len))
		write_registers(vp, target, vp->pci.config + vp->window_cap + WINDOW_DATA, target_len);
	refresh_window(vp);
}

static void bar_moved(void *dev, unsigned bar, uint64_t old_gpa, uint64_t new_gpa, bool on)
{
	struct virtio_pci *vp = dev;

	(void)bar, (void)old_gpa, (void)new_gpa, (void)on;
	/* Until then, kicks at the new address come through write_notify(). */
	if (vp->status & VIRTIO_CONFIG_S_DRIVER_OK)
		vp_request(vp, VP_WORK_REMAP);
}

static const struct pci_device_ops pci_ops = {
	.bar_read = bar_read,
	.bar_write = bar_write,
	.config_written = config_written,
	.bar_moved = bar_moved,
};

/* --- The loop's side --- */

static void unmap_notify(struct virtio_pci *vp)
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
	unmap_notify(vp);
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
	refresh_window(vp);
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
	unmap_notify(vp);
	drain_kicks(vp);

	pci_root_lock(vp->root);
	memcpy(vp->page + VP_DEVICE, vp->vdev->config, vp->vdev->config_len);
	vp_common_reset(vp);
	vp->work = 0;
	refresh_window(vp);
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

static void on_wake(void *ctx)
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
	refresh_window(vp);
	pci_root_unlock(vp->root);
}

static const struct vdev_host_ops vdev_host_ops = {
	.failed = device_failed,
	.config_changed = device_config_changed,
};

/* --- Building --- */

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
	static const uint8_t data[WINDOW_END - WINDOW_DATA];
	uint8_t *writable;

	vp->window_cap = add_structure(vp, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, data, sizeof(data));
	writable = vp->pci.writable + vp->window_cap;
	writable[offsetof(struct virtio_pci_cap, bar)] = 0xff;
	put_le32(writable + offsetof(struct virtio_pci_cap, offset), 0xffffffff);
	put_le32(writable + offsetof(struct virtio_pci_cap, length), 0xffffffff);
	put_le32(writable + WINDOW_DATA, 0xffffffff);
}

static void add_msix(struct virtio_pci *vp)
{
	uint8_t body[PCI_CAP_MSIX_SIZEOF - 2];

	put_le16(body, (uint16_t)(vp->msix.n - 1));
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

	vp->pci.ops = &pci_ops;
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
	r = msix_init(&vp->msix, vp->host_ops, vp->host, vp->n_vqs + 1);
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
	return loop_add_wake(vp->loop, on_wake, vp, &vp->wake);
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
	r = make_descriptors(vp, mem);
	if (r < 0)
		return err_set_errno(err, r, "%s: can't make eventfds", vdev->tag);
	memcpy(vp->page + VP_DEVICE, vdev->config, vdev->config_len);
	vp_common_reset(vp);

	/* Last, as the root has no way to forget a device. */
	r = add_function(vp, err);
	if (r < 0)
		return r;
	vdev->host_ops = &vdev_host_ops;
	vdev->host = vp;
	*ret = TAKE_PTR(vp);
	return 0;
}

void virtio_pci_free(struct virtio_pci *vp)
{
	if (!vp)
		return;
	vp->closing = true;
	vdev_stop(vp->vdev);
	vp->vdev->host_ops = NULL;
	vp->vdev->host = NULL;
	unmap_notify(vp);
	loop_remove(vp->wake);
	msix_done(&vp->msix);
	for (unsigned q = 0; q < vp->n_vqs; q++) {
		vp->vdev->vqs[q].kick_fd = vp->vdev->vqs[q].call_fd = -1;
		close_fd(vp->kick_fds[q]);
	}
	free(vp);
}
