/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console: virtio-console with one port (virtio 1.2 §5.3), in the loop's thread.
 *
 * Output never waits: it goes to the log, which keeps the end of it. Input waits in
 * a small buffer for the driver's receive buffers, so that what is typed before the
 * guest listens is not lost, and no more is taken than fits.
 */
#include "vmm/virtio/console.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "vmm/console_log.h"
#include "vmm/virtio/vdev.h"

#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <string.h>

enum {
	RECEIVEQ = 0, /* of port 0: to the guest */
	TRANSMITQ = 1,
	N_QUEUES = 2,
	QUEUE_SIZE = 64,
	PCI_CLASS = 0x078000, /* communication controller, other */

	INPUT_SIZE = 4096,
	/*
	 * A guest that never stops writing must not keep the loop: after so many chains the
	 * others have their turn. Of one chain no more is taken than the log would keep; real
	 * drivers send a page or a few.
	 */
	CHAINS_PER_TURN = 32,
	CHAIN_MAX = CONSOLE_LOG_SIZE,
};

struct virtio_console {
	struct vdev dev;
	struct console_log *log;
	uint8_t input[INPUT_SIZE]; /* from the first byte on */
	size_t input_len;
	struct vq_chain chain;
};

static struct virtio_console *from_vdev(struct vdev *dev)
{
	return (struct virtio_console *)((char *)dev - offsetof(struct virtio_console, dev));
}

/* --- Output --- */

static void log_chain(struct virtio_console *con)
{
	const struct vq_chain *chain = &con->chain;
	size_t left = CHAIN_MAX;

	for (unsigned i = 0; i < chain->n_readable && left > 0; i++) {
		size_t len = chain->readable[i].iov_len < left ? chain->readable[i].iov_len : left;

		console_log_write(con->log, chain->readable[i].iov_base, len);
		left -= len;
	}
}

static void transmit(struct virtio_console *con)
{
	struct virtqueue *vq = &con->dev.vqs[TRANSMITQ];
	unsigned turns = CHAINS_PER_TURN;
	uint64_t one = 1;
	int r = 0;

	virtqueue_kicks_off(vq);
	do {
		while (turns > 0 && (r = virtqueue_pop(vq, &con->chain)) > 0) {
			/* §5.3.6.1: nothing of it is ours to write. */
			if (con->chain.n_writable) {
				vdev_fail(&con->dev, "writable buffer in the transmit queue");
				return;
			}
			log_chain(con);
			virtqueue_push(vq, con->chain.head, 0);
			turns--;
		}
		if (r < 0) {
			vdev_fail(&con->dev, vq->broken_why);
			return;
		}
		/* The rest in the loop's next turn: a kick from us to us. */
		if (turns == 0 && vq->kick_fd >= 0 && write(vq->kick_fd, &one, sizeof(one)) == sizeof(one))
			break;
		turns = CHAINS_PER_TURN;
	} while (virtqueue_kicks_on(vq));
	virtqueue_call(vq);
}

/* --- Input --- */

static bool receive_chain(struct virtio_console *con)
{
	const struct vq_chain *chain = &con->chain;
	size_t n;

	/* §5.3.6.1: all of it is ours to write. */
	if (chain->n_readable || chain->writable_len == 0) {
		vdev_fail(&con->dev, "receive buffer that can't be written");
		return false;
	}
	n = iov_write(chain->writable, chain->n_writable, 0, con->input, con->input_len);
	virtqueue_push(&con->dev.vqs[RECEIVEQ], chain->head, (uint32_t)n);
	con->input_len -= n;
	memmove(con->input, con->input + n, con->input_len);
	return true;
}

/* Kicks are wanted only while input waits for buffers. */
static void receive(struct virtio_console *con)
{
	struct virtqueue *vq = &con->dev.vqs[RECEIVEQ];
	int r = 0;

	do {
		virtqueue_kicks_off(vq);
		while (con->input_len > 0 && (r = virtqueue_pop(vq, &con->chain)) > 0) {
			if (!receive_chain(con))
				return;
		}
		if (r < 0) {
			vdev_fail(&con->dev, vq->broken_why);
			return;
		}
	} while (con->input_len > 0 && virtqueue_kicks_on(vq));
	virtqueue_call(vq);
}

size_t virtio_console_input(struct vdev *dev, const void *buf, size_t len)
{
	struct virtio_console *con = from_vdev(dev);
	size_t room = INPUT_SIZE - con->input_len;

	if (len > room)
		len = room;
	memcpy(con->input + con->input_len, buf, len);
	con->input_len += len;
	if (dev->started && !dev->failed && dev->vqs[RECEIVEQ].enabled)
		receive(con);
	return len;
}

/* --- The device --- */

static void kick(struct vdev *dev, unsigned q)
{
	if (q == TRANSMITQ)
		transmit(from_vdev(dev));
	else
		receive(from_vdev(dev));
}

static void console_free(struct vdev *dev)
{
	vdev_done(dev);
	free(from_vdev(dev));
}

static const struct vdev_ops ops = {
	.name = "virtio-console",
	.type = VIRTIO_ID_CONSOLE,
	.pci_class = PCI_CLASS,
	.kick = kick,
	.shared_call = true,
	.free = console_free,
};

int virtio_console_new(struct loop *loop, struct console_log *log, struct vdev **ret, struct err *err)
{
	struct virtio_console *con;
	int r;

	con = calloc(1, sizeof(*con));
	if (!con)
		return err_set(err, -ENOMEM, "out of memory");
	con->log = log;
	/* No size and no ports to tell of: the configuration stays zero (§5.3.4). */
	r = vdev_init(&con->dev, &ops, loop, "console0", VDEV_RING_FEATURES, N_QUEUES, QUEUE_SIZE,
		      sizeof(struct virtio_console_config));
	if (r < 0) {
		free(con);
		return err_set_errno(err, r, "can't make the device");
	}
	*ret = &con->dev;
	return 0;
}
