/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vdev: the part that all virtio devices have in common.
 */
#include "vmm/virtio/vdev.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define F_INDIRECT_DESC (1ULL << 28)
#define F_EVENT_IDX (1ULL << 29)

int vdev_init(struct vdev *dev, const struct vdev_ops *ops, struct loop *loop, const char *tag,
	      uint64_t features, unsigned n_vqs, uint16_t max_size, size_t config_len)
{
	_cleanup_free_ struct virtqueue *vqs = NULL;
	_cleanup_free_ struct loop_source **sources = NULL;
	_cleanup_free_ uint8_t *config = NULL;

	assert(n_vqs > 0 && n_vqs <= VDEV_QUEUES_MAX);
	assert(max_size > 0 && max_size <= VIRTQUEUE_SIZE_MAX && !(max_size & (max_size - 1)));

	vqs = calloc(n_vqs, sizeof(*vqs));
	sources = calloc(n_vqs, sizeof(*sources));
	config = calloc(1, config_len ? config_len : 1);
	if (!vqs || !sources || !config)
		return -ENOMEM;

	for (unsigned q = 0; q < n_vqs; q++) {
		vqs[q].max_size = vqs[q].size = max_size;
		vqs[q].kick_fd = vqs[q].call_fd = -1;
	}
	*dev = (struct vdev){
		.ops = ops,
		.loop = loop,
		.features = features,
		.config = TAKE_PTR(config),
		.config_len = config_len,
		.vqs = TAKE_PTR(vqs),
		.n_vqs = n_vqs,
		.kick_sources = TAKE_PTR(sources),
	};
	snprintf(dev->tag, sizeof(dev->tag), "%s", tag);
	return 0;
}

void vdev_done(struct vdev *dev)
{
	if (!dev)
		return;
	free(dev->vqs);
	free(dev->kick_sources);
	free(dev->config);
	dev->vqs = NULL;
	dev->kick_sources = NULL;
	dev->config = NULL;
	dev->n_vqs = 0;
}

static void kick_queue(struct vdev *dev, unsigned q)
{
	if (dev->started && !dev->failed && dev->vqs[q].enabled)
		dev->ops->kick(dev, q);
}

static void on_kick(void *ctx, int fd, uint32_t events)
{
	struct vdev *dev = ctx;
	uint64_t count;

	for (unsigned q = 0; q < dev->n_vqs; q++) {
		if (!dev->kick_sources[q] || dev->vqs[q].kick_fd != fd)
			continue;
		if (!(events & EPOLLIN)) {
			/* No eventfd, or one that is gone: it would be reported for ever. */
			loop_remove(TAKE_PTR(dev->kick_sources[q]));
			return;
		}
		/* How often does not matter, nor whether somebody else was faster. */
		if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN && errno != EINTR)
			loop_remove(TAKE_PTR(dev->kick_sources[q]));
		kick_queue(dev, q);
		return;
	}
}

static void unwatch_kicks(struct vdev *dev)
{
	for (unsigned q = 0; q < dev->n_vqs; q++)
		loop_remove(TAKE_PTR(dev->kick_sources[q]));
}

static int watch_kicks(struct vdev *dev)
{
	for (unsigned q = 0; q < dev->n_vqs; q++) {
		struct virtqueue *vq = &dev->vqs[q];
		int r;

		if (!vq->enabled || vq->kick_fd < 0)
			continue;
		r = loop_add_fd(dev->loop, vq->kick_fd, EPOLLIN, on_kick, dev, &dev->kick_sources[q]);
		if (r < 0)
			return r;
	}
	return 0;
}

int vdev_start(struct vdev *dev)
{
	int r;

	if (dev->started)
		return 0;
	for (unsigned q = 0; q < dev->n_vqs; q++) {
		struct virtqueue *vq = &dev->vqs[q];

		if (!vq->enabled)
			continue;
		vq->indirect = dev->acked & F_INDIRECT_DESC;
		vq->event_idx = dev->acked & F_EVENT_IDX;
		r = virtqueue_start(vq);
		if (r < 0)
			return r;
	}

	dev->failed = false;
	dev->started = true;
	r = dev->ops->start ? dev->ops->start(dev) : 0;
	if (r >= 0 && dev->started && !dev->ops->own_kicks)
		r = watch_kicks(dev);
	if (r < 0) {
		vdev_stop(dev);
		return r;
	}
	if (!dev->ops->own_kicks) {
		for (unsigned q = 0; q < dev->n_vqs; q++)
			kick_queue(dev, q);
	}
	return 0;
}

void vdev_stop(struct vdev *dev)
{
	if (!dev->started)
		return;
	unwatch_kicks(dev);
	if (dev->ops->stop)
		dev->ops->stop(dev);
	dev->started = false;
}

void vdev_free(struct vdev *dev)
{
	if (!dev)
		return;
	vdev_stop(dev);
	dev->ops->free(dev);
}

void vdev_fail(struct vdev *dev, const char *why)
{
	if (dev->failed)
		return;
	dev->failed = true;
	log_debug("%s: %s", dev->tag, why);
	if (dev->host_ops && dev->host_ops->failed)
		dev->host_ops->failed(dev->host, dev, why);
}
