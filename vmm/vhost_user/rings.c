/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rings: see rings.h.
 */
#include "vmm/vhost_user/rings.h"

#include "base/cleanup.h"
#include "base/endian.h"
#include "base/fd.h"
#include "base/log.h"
#include "vmm/vhost_user/messages.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define F_VERSION_1 (1ULL << 32)

static int refuse(int code, const char *why, const char **ret_why)
{
	*ret_why = why;
	return code;
}

int rings_init(struct rings *rings, struct vdev *dev)
{
	*rings = (struct rings){ .dev = dev, .mem = GUEST_MEM_INIT };
	for (; rings->n < dev->n_vqs; rings->n++) {
		struct ring *ring = &rings->ring[rings->n];

		ring->kick_fd = ring->err_fd = -EBADF;
		ring->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (ring->call_fd < 0)
			return -errno;
	}
	rings_reset(rings);
	return 0;
}

void rings_done(struct rings *rings)
{
	if (!rings->dev)
		return;
	rings_reset(rings);
	for (unsigned i = 0; i < rings->n; i++) {
		rings->dev->vqs[i].kick_fd = rings->dev->vqs[i].call_fd = -1;
		rings->dev->vqs[i].mem = NULL;
		rings->ring[i].call_fd = close_fd(rings->ring[i].call_fd);
	}
	guest_mem_done(&rings->mem);
}

void rings_halt(struct rings *rings)
{
	vdev_stop(rings->dev);
}

/* Without protocol features there is no SET_VRING_ENABLE: a ring is enabled from the beginning. */
static bool ring_ready(const struct rings *rings, const struct ring *ring)
{
	bool enabled = ring->enabled || !(rings->features & VU_F_PROTOCOL_FEATURES);

	return enabled && ring->has_addr && ring->kick_fd >= 0;
}

/* Find the ring's three parts in the memory that we have now. False: (no longer) there. */
static bool resolve_ring(struct rings *rings, unsigned index)
{
	const struct ring *ring = &rings->ring[index];
	struct virtqueue *vq = &rings->dev->vqs[index];
	uint64_t size = vq->size;

	/* Sizes as of virtio 1.2 §2.7, the event index fields included. */
	return guest_mem_from_user_addr(&rings->mem, ring->desc, 16 * size, &vq->desc_gpa) &&
	       guest_mem_from_user_addr(&rings->mem, ring->avail, 6 + 2 * size, &vq->avail_gpa) &&
	       guest_mem_from_user_addr(&rings->mem, ring->used, 6 + 8 * size, &vq->used_gpa);
}

/* A message brings the available index; where we are in the used ring is found in the ring itself. */
static void load_used_index(struct rings *rings, unsigned index)
{
	struct virtqueue *vq = &rings->dev->vqs[index];
	uint8_t idx[2];

	if (guest_mem_read(&rings->mem, vq->used_gpa + 2, idx, sizeof(idx)) == 0)
		vq->next_used = get_le16(idx);
	rings->ring[index].based = false;
}

int rings_run(struct rings *rings, const char **ret_why)
{
	struct vdev *dev = rings->dev;
	unsigned n_ready = 0;
	int r;

	if (dev->started || !rings->has_features)
		return 0;
	for (unsigned i = 0; i < rings->n; i++) {
		struct ring *ring = &rings->ring[i];
		struct virtqueue *vq = &dev->vqs[i];

		vq->enabled = ring_ready(rings, ring);
		if (!vq->enabled)
			continue;
		/* Regions are replaced by a removal and an addition: the second will bring us back here. */
		if (!resolve_ring(rings, i)) {
			log_debug("%s: ring %u has lost its memory, waiting for more", dev->tag, i);
			return 0;
		}
		if (ring->based)
			load_used_index(rings, i);
		vq->kick_fd = ring->kick_fd;
		vq->call_fd = ring->call_fd;
		n_ready++;
	}
	if (n_ready == 0)
		return 0;
	if (!(rings->features & F_VERSION_1))
		return refuse(-EPROTO, "the guest's driver is older than virtio 1.0", ret_why);

	dev->acked = rings->features & ~VU_F_PROTOCOL_FEATURES;
	r = vdev_start(dev);
	if (r < 0)
		return refuse(r,
			      r == -EINVAL ? "a ring's addresses are misaligned" : "can't start the device",
			      ret_why);
	return 0;
}

int rings_set_size(struct rings *rings, unsigned index, uint32_t size, const char **ret_why)
{
	struct virtqueue *vq = &rings->dev->vqs[index];

	/* virtio 1.2 §2.7: a power of two */
	if (size == 0 || size > vq->max_size || (size & (size - 1)))
		return refuse(-EINVAL, "ring size is no power of two, or too large", ret_why);
	rings_halt(rings);
	vq->size = (uint16_t)size;
	return 0;
}

int rings_set_addr(struct rings *rings, unsigned index, const struct vu_vring_addr *addr,
		   const char **ret_why)
{
	struct ring *ring = &rings->ring[index];

	if (addr->flags != 0) /* VHOST_VRING_F_LOG, which we don't offer */
		return refuse(-EINVAL, "ring address with unknown flags", ret_why);
	rings_halt(rings);
	ring->desc = addr->desc;
	ring->avail = addr->avail;
	ring->used = addr->used;
	ring->has_addr = resolve_ring(rings, index);
	return ring->has_addr ? 0 : refuse(-EFAULT, "ring lies outside the shared memory", ret_why);
}

int rings_set_base(struct rings *rings, unsigned index, uint32_t base, const char **ret_why)
{
	if (base > UINT16_MAX)
		return refuse(-EINVAL, "ring base is no 16-bit index", ret_why);
	rings_halt(rings);
	rings->dev->vqs[index].next_avail = (uint16_t)base;
	rings->ring[index].based = true;
	return 0;
}

uint16_t rings_take_base(struct rings *rings, unsigned index)
{
	struct ring *ring = &rings->ring[index];

	rings_halt(rings);
	ring->kick_fd = close_fd(ring->kick_fd);
	return rings->dev->vqs[index].next_avail;
}

int rings_set_enabled(struct rings *rings, unsigned index, uint32_t enabled, const char **ret_why)
{
	struct ring *ring = &rings->ring[index];

	/* Before it knows the driver's features, QEMU enables a network device's rings already. */
	if (rings->has_features && !(rings->features & VU_F_PROTOCOL_FEATURES))
		return refuse(-EPROTO, "ring enabled without protocol features", ret_why);
	if (enabled > 1)
		return refuse(-EINVAL, "ring neither enabled nor disabled", ret_why);
	if (ring->enabled != enabled) {
		rings_halt(rings);
		ring->enabled = enabled;
	}
	return 0;
}

int rings_set_kick(struct rings *rings, unsigned index, int take_fd, const char **ret_why)
{
	_cleanup_close_ int fd = take_fd;
	struct ring *ring = &rings->ring[index];

	if (fd < 0)
		return refuse(-EOPNOTSUPP, "ring without a kick descriptor: polling is not supported",
			      ret_why);
	/* Our reads never wait, whatever it is. */
	if (fd_set_nonblock(fd, true) < 0)
		return refuse(-EINVAL, "unusable kick descriptor", ret_why);
	rings_halt(rings);
	close_fd(ring->kick_fd);
	ring->kick_fd = TAKE_FD(fd);
	return 0;
}

int rings_set_call(struct rings *rings, unsigned index, int take_fd, const char **ret_why)
{
	_cleanup_close_ int fd = take_fd;

	if (fd < 0)
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0 || fd_set_nonblock(fd, true) < 0 || dup3(fd, rings->ring[index].call_fd, O_CLOEXEC) < 0)
		return refuse(-EINVAL, "unusable call descriptor", ret_why);
	return 0;
}

int rings_set_err(struct rings *rings, unsigned index, int take_fd, const char **ret_why)
{
	_cleanup_close_ int fd = take_fd;
	struct ring *ring = &rings->ring[index];

	if (fd >= 0 && fd_set_nonblock(fd, true) < 0)
		return refuse(-EINVAL, "unusable err descriptor", ret_why);
	close_fd(ring->err_fd);
	ring->err_fd = TAKE_FD(fd);
	return 0;
}

void rings_disable(struct rings *rings)
{
	rings_halt(rings);
	for (unsigned i = 0; i < rings->n; i++)
		rings->ring[i].enabled = false;
}

void rings_reset(struct rings *rings)
{
	rings_disable(rings);
	for (unsigned i = 0; i < rings->n; i++) {
		struct ring *ring = &rings->ring[i];

		ring->has_addr = false;
		ring->based = false;
		ring->kick_fd = close_fd(ring->kick_fd);
		ring->err_fd = close_fd(ring->err_fd);
		rings->dev->vqs[i].mem = &rings->mem;
		virtqueue_reset(&rings->dev->vqs[i]);
	}
}

void rings_signal_error(struct rings *rings)
{
	static const uint64_t one = 1;

	for (unsigned i = 0; i < rings->n; i++) {
		int fd = rings->ring[i].err_fd;

		/* Nothing to do about a front-end that doesn't hear it: its connection ends next. */
		if (rings->dev->vqs[i].broken && fd >= 0 && write(fd, &one, sizeof(one)) < 0)
			log_debug("%s: ring %u: err descriptor: %m", rings->dev->tag, i);
	}
}
