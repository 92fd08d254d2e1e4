/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device: virtio-fs as a virtio device (virtio 1.2 §5.11): queue 0 is the
 * high-priority one (FORGET), queue 1 the request queue. Both are served alike, by a pool of workers.
 */
#include "base/cleanup.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/loop.h"
#include "vmm/virtio/fs.h"
#include "vmm/virtio/fs/pool.h"
#include "vmm/virtio/fs/server.h"
#include "vmm/virtio/vdev.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
	VIRTIO_ID_FS = 26,
	PCI_CLASS_FS = 0x018000, /* other mass storage, as the queues carry requests */
	N_QUEUES = 2,
	/* The driver sends up to 256 pages a request, and needs that many descriptors and 4. */
	QUEUE_SIZE = 512,
	TAG_LEN = 36,
	DEFAULT_WORKERS = 8,
};

/* §5.11.4 */
struct fs_config {
	uint8_t tag[TAG_LEN]; /* padded with NUL */
	le32 num_request_queues;
};

struct virtio_fs {
	struct vdev dev;
	struct fs_server *server;
	struct fs_pool *pool;
	struct loop_source *fault; /* a worker found one */
	_Atomic(const char *) why;
};

static struct virtio_fs *to_fs(struct vdev *dev)
{
	return (struct virtio_fs *)dev;
}

static int fs_start(struct vdev *dev)
{
	struct virtio_fs *fs = to_fs(dev);

	fs->why = NULL;
	return fs_pool_start(fs->pool);
}

static void fs_stop(struct vdev *dev)
{
	fs_pool_stop(to_fs(dev)->pool);
}

/* The workers watch the kicks. */
static void fs_kick(struct vdev *dev, unsigned q)
{
	(void)dev;
	(void)q;
}

static void fs_free(struct vdev *dev)
{
	struct virtio_fs *fs = to_fs(dev);

	fs_pool_free(fs->pool);
	fs_server_free(fs->server);
	loop_remove(fs->fault);
	vdev_done(&fs->dev);
	free(fs);
}

static const struct vdev_ops fs_ops = {
	.name = "virtio-fs",
	.type = VIRTIO_ID_FS,
	.pci_class = PCI_CLASS_FS,
	.start = fs_start,
	.stop = fs_stop,
	.kick = fs_kick,
	.own_kicks = true,
	.shared_call = true,
	.free = fs_free,
};

/* In a worker */
static void on_pool_failed(void *ctx, const char *why)
{
	struct virtio_fs *fs = ctx;

	fs->why = why;
	loop_wake(fs->fault);
}

/* In the loop's thread */
static void on_fault(void *ctx)
{
	struct virtio_fs *fs = ctx;
	const char *why = atomic_exchange(&fs->why, NULL);

	if (why && fs->dev.started)
		vdev_fail(&fs->dev, why);
}

static void on_complete(void *ctx, uint64_t token, uint32_t len)
{
	struct virtio_fs *fs = ctx;

	fs_pool_complete(fs->pool, token, len);
}

static const struct fs_server_ops server_ops = { .complete = on_complete };

int virtio_fs_new(struct loop *loop, const struct vfs_config *config, struct vdev **ret, struct err *err)
{
	size_t tag_len = config->tag ? strlen(config->tag) : 0;
	unsigned workers = config->max_workers ? config->max_workers : DEFAULT_WORKERS;
	struct fs_config *space;
	struct virtio_fs *fs;
	int r;

	if (tag_len == 0 || tag_len > TAG_LEN)
		return err_set(err, -EINVAL, "virtio-fs: a tag has 1 to %d bytes", TAG_LEN);
	fs = calloc(1, sizeof(*fs));
	if (!fs)
		return err_set_errno(err, -ENOMEM, "virtio-fs");
	r = vdev_init(&fs->dev, &fs_ops, loop, "fs", VDEV_RING_FEATURES, N_QUEUES, QUEUE_SIZE,
		      sizeof(*space));
	if (r < 0) {
		free(fs);
		return err_set_errno(err, r, "virtio-fs");
	}
	space = (struct fs_config *)fs->dev.config;
	memcpy(space->tag, config->tag, tag_len);
	space->num_request_queues = le32_make(N_QUEUES - 1);

	r = fs_server_new(config, &server_ops, fs, &fs->server, err);
	if (r < 0) {
		fs_free(&fs->dev);
		return err_wrap(err, r, "virtio-fs");
	}
	r = loop_add_wake(loop, on_fault, fs, &fs->fault);
	if (r == 0)
		r = fs_pool_new(fs->server, fs->dev.vqs, N_QUEUES, workers, on_pool_failed, fs, &fs->pool);
	if (r < 0) {
		fs_free(&fs->dev);
		return err_set_errno(err, r, "virtio-fs");
	}
	*ret = &fs->dev;
	return 0;
}
