/* SPDX-License-Identifier: Apache-2.0 */
/*
 * balloon: see balloon.h. Everything runs in the loop's thread.
 *
 * A page that the guest names is the guest's own, in use or not: naming the wrong one harms
 * nobody else. What is checked is that it is guest memory, and whole pages.
 */
#include "vmm/virtio/balloon.h"

#include "base/cleanup.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/log.h"
#include "vmm/guest_mem.h"
#include "vmm/virtio/vdev.h"

#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <string.h>

enum {
	/*
	 * Without statistics and hints their queues aren't there, and the next one has the number: so
	 * the drivers of Linux count, and devices of other hosts (§5.5.2 reads otherwise).
	 */
	INFLATEQ,
	DEFLATEQ,
	REPORTINGQ,
	N_QUEUES,
	QUEUE_SIZE = 32, /* Linux reports in chains of up to 32 blocks, one at a time */
	PCI_CLASS = 0x00ff00, /* no class of its own */

	/* Giving pages back takes a while: the loop's others have their turn after so many chains. */
	CHAINS_PER_TURN = 4,
	PFNS_PER_CHAIN = 1024, /* Linux sends 256 */
	PAGE_SIZE_LOG2 = VIRTIO_BALLOON_PFN_SHIFT,
};

struct balloon {
	struct vdev dev;
	struct vq_chain chain;
};

static struct balloon *from_vdev(struct vdev *dev)
{
	return (struct balloon *)((char *)dev - offsetof(struct balloon, dev));
}

/* A host short of memory for its own tables gets it next time. */
static void note_failure(const struct balloon *b, int r)
{
	if (r < 0 && r != -EINVAL)
		LOG_RATELIMITED(LOG_LEVEL_DEBUG, "%s: can't give memory back: error %d", b->dev.tag, -r);
}

/* §5.5.6.7: the writable buffers are the free pages themselves. NULL, or what is wrong with them. */
static const char *report_chain(struct balloon *b)
{
	const struct vq_chain *chain = &b->chain;

	if (chain->n_readable)
		return "readable buffer in the reporting queue";
	for (unsigned i = 0; i < chain->n_writable; i++) {
		int r = guest_mem_discard(b->dev.vqs[REPORTINGQ].mem, &chain->writable[i]);

		if (r == -EINVAL)
			return "reported memory is not whole pages";
		note_failure(b, r);
	}
	return NULL;
}

/* §5.5.6: an array of page numbers. Pages that leave the balloon need nothing: touching them is enough. */
static const char *inflate_chain(struct balloon *b)
{
	const struct guest_mem *mem = b->dev.vqs[INFLATEQ].mem;
	const struct vq_chain *chain = &b->chain;
	le32 pfns[PFNS_PER_CHAIN];
	size_t n;

	if (chain->n_writable)
		return "writable buffer in the inflate queue";
	n = iov_read(chain->readable, chain->n_readable, 0, pfns, sizeof(pfns)) / sizeof(pfns[0]);
	if (chain->readable_len > sizeof(pfns))
		return "too many pages at once for the balloon";
	for (size_t i = 0; i < n; i++) {
		struct iovec page = { .iov_len = 1UL << PAGE_SIZE_LOG2 };
		int r;

		page.iov_base = guest_mem_slice(mem, (uint64_t)le32_get(pfns[i]) << PAGE_SIZE_LOG2,
						page.iov_len);
		if (!page.iov_base)
			return "a page for the balloon that is not memory";
		r = guest_mem_discard(mem, &page);
		note_failure(b, r);
	}
	return NULL;
}

static const char *handle_chain(struct balloon *b, unsigned q)
{
	switch (q) {
	case INFLATEQ:
		return inflate_chain(b);
	case REPORTINGQ:
		return report_chain(b);
	default:
		return NULL;
	}
}

static void kick(struct vdev *dev, unsigned q)
{
	struct balloon *b = from_vdev(dev);
	struct virtqueue *vq = &dev->vqs[q];
	unsigned turns = CHAINS_PER_TURN;
	const char *why = NULL;
	uint64_t one = 1;
	int r = 0;

	virtqueue_kicks_off(vq);
	do {
		while (turns > 0 && (r = virtqueue_pop(vq, &b->chain)) > 0) {
			why = handle_chain(b, q);
			if (why)
				break;
			virtqueue_push(vq, b->chain.head, 0);
			turns--;
		}
		if (why || r < 0) {
			vdev_fail(dev, why ? why : vq->broken_why);
			return;
		}
		/* The rest in the loop's next turn: a kick from us to us. */
		if (turns == 0 && vq->kick_fd >= 0 && write(vq->kick_fd, &one, sizeof(one)) == sizeof(one))
			break;
		turns = CHAINS_PER_TURN;
	} while (virtqueue_kicks_on(vq));
	virtqueue_call(vq);
}

/* `actual`, how full the balloon is, is the driver's to tell (§5.5.4); nobody asks. */
static void config_written(struct vdev *dev, size_t offset, size_t len)
{
	(void)dev, (void)offset, (void)len;
}

static void balloon_free(struct vdev *dev)
{
	vdev_done(dev);
	free(from_vdev(dev));
}

static const struct vdev_ops ops = {
	.name = "virtio-balloon",
	.type = VIRTIO_ID_BALLOON,
	.pci_class = PCI_CLASS,
	.kick = kick,
	.shared_call = true,
	.config_written = config_written,
	.free = balloon_free,
};

int virtio_balloon_new(struct loop *loop, struct vdev **ret, struct err *err)
{
	const uint64_t features = VDEV_RING_FEATURES | 1ULL << VIRTIO_BALLOON_F_REPORTING |
				  1ULL << VIRTIO_BALLOON_F_DEFLATE_ON_OOM;
	struct balloon *b;
	int r;

	b = calloc(1, sizeof(*b));
	if (!b)
		return err_set(err, -ENOMEM, "out of memory");
	/* num_pages and actual; the rest belongs to features that aren't offered. */
	r = vdev_init(&b->dev, &ops, loop, "balloon0", features, N_QUEUES, QUEUE_SIZE,
		      offsetof(struct virtio_balloon_config, free_page_hint_cmd_id));
	if (r < 0) {
		free(b);
		return err_set_errno(err, r, "can't make the device");
	}
	*ret = &b->dev;
	return 0;
}
