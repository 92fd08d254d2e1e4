/* SPDX-License-Identifier: Apache-2.0 */
/* net_vhost: see net_vhost.h. */
#include "vmm/virtio/net_vhost.h"

#include "base/cleanup.h"
#include "vmm/guest_mem.h"
#include "vmm/virtio/vdev.h"

#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_net.h>
#include <sys/ioctl.h>

/* What of the negotiated features is the kernel's business; VHOST_NET_F_VIRTIO_NET_HDR is not: the tap has headers. */
static const uint64_t vhost_features = VDEV_RING_FEATURES | 1ULL << VIRTIO_NET_F_MRG_RXBUF;

static int call(int fd, unsigned long request, const void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

int net_vhost_open(void)
{
	_cleanup_close_ int fd = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);
	uint64_t features = 0;
	int r;

	if (fd < 0)
		return -errno;
	if ((r = call(fd, VHOST_SET_OWNER, NULL)) < 0 || (r = call(fd, VHOST_GET_FEATURES, &features)) < 0)
		return r;
	if ((features & vhost_features) != vhost_features)
		return -EOPNOTSUPP;
	return TAKE_FD(fd);
}

static int share_memory(int fd, const struct guest_mem *mem)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region regions[GUEST_MEM_REGIONS_MAX];
	} table = { .head = { .nregions = mem->n_regions } };

	for (unsigned i = 0; i < mem->n_regions; i++)
		table.regions[i] = (struct vhost_memory_region){
			.guest_phys_addr = mem->regions[i].gpa,
			.memory_size = mem->regions[i].size,
			.userspace_addr = (uintptr_t)mem->regions[i].hva,
		};
	return call(fd, VHOST_SET_MEM_TABLE, &table);
}

static int start_ring(int fd, unsigned index, const struct virtqueue *vq, int tap, int err_fd)
{
	const struct vhost_vring_state num = { .index = index, .num = vq->size };
	const struct vhost_vring_state base = { .index = index, .num = vq->next_avail };
	const struct vhost_vring_addr addr = {
		.index = index,
		.desc_user_addr = (uintptr_t)vq->desc,
		.avail_user_addr = (uintptr_t)vq->avail,
		.used_user_addr = (uintptr_t)vq->used,
	};
	const struct vhost_vring_file kick = { .index = index, .fd = vq->kick_fd };
	const struct vhost_vring_file callback = { .index = index, .fd = vq->call_fd };
	const struct vhost_vring_file error = { .index = index, .fd = err_fd };
	const struct vhost_vring_file backend = { .index = index, .fd = tap };
	int r;

	if ((r = call(fd, VHOST_SET_VRING_NUM, &num)) < 0 ||
	    (r = call(fd, VHOST_SET_VRING_BASE, &base)) < 0 ||
	    (r = call(fd, VHOST_SET_VRING_ADDR, &addr)) < 0 ||
	    (r = call(fd, VHOST_SET_VRING_KICK, &kick)) < 0 ||
	    (r = call(fd, VHOST_SET_VRING_CALL, &callback)) < 0 ||
	    (r = call(fd, VHOST_SET_VRING_ERR, &error)) < 0)
		return r;
	/* This sets it going; a kick that came before is still in its eventfd. */
	return call(fd, VHOST_NET_SET_BACKEND, &backend);
}

int net_vhost_start(int fd, const struct virtqueue rings[2], uint64_t features, int tap, int err_fd)
{
	uint64_t accepted = features & vhost_features;
	int r;

	if ((r = call(fd, VHOST_SET_FEATURES, &accepted)) < 0 || (r = share_memory(fd, rings[0].mem)) < 0)
		return r;
	for (unsigned i = 0; i < 2; i++) {
		if (!rings[i].enabled)
			continue;
		r = start_ring(fd, i, &rings[i], tap, err_fd);
		if (r < 0)
			return r;
	}
	return 0;
}

void net_vhost_stop(int fd, struct virtqueue rings[2])
{
	for (unsigned i = 0; i < 2; i++) {
		const struct vhost_vring_file none = { .index = i, .fd = -1 };
		struct vhost_vring_state base = { .index = i };

		/* Fails when the ring was never set up: then there is nothing to take back. */
		if (call(fd, VHOST_NET_SET_BACKEND, &none) < 0 || !rings[i].enabled)
			continue;
		if (call(fd, VHOST_GET_VRING_BASE, &base) == 0)
			virtqueue_resume_at(&rings[i], (uint16_t)base.num);
	}
}
