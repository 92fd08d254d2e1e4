/* SPDX-License-Identifier: Apache-2.0 */
/* device: a virtio device's driver that does what the input says: see fuzz.h. */
#include "base/endian.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/eventfd.h>

enum { BASE = 1 << 20, PIECES_MAX = 6, ROOM_MAX = 8 << 10 };

void fuzz_device_start(struct ring_host *host, struct vdev *dev, uint64_t features)
{
	ring_host_init(host, dev, FUZZ_REGION, FUZZ_QUEUE_SIZE, features);
	FUZZ_REQUIRE(vdev_start(dev) == 0);
	fuzz_turn(dev->loop, 2);
}

/* Bytes of the second region, at a place that the input chooses: chains may lie over one another, as a guest's may. */
static uint64_t place(struct fuzz_in *in, size_t len)
{
	return BASE + FUZZ_REGION + fuzz_u16(in) % (FUZZ_REGION - len);
}

static void reclaim(struct ring_driver *rd)
{
	uint8_t head[4];

	for (unsigned i = 0; i < FUZZ_QUEUE_SIZE; i++) {
		/* A chain of ours may have had the device write over its own used ring. */
		if (guest_mem_read(&rd->rm->mem, rd->used_gpa + 4 + 8 * (rd->used_idx % rd->size), head,
				   sizeof(head)) < 0 ||
		    get_le32(head) >= rd->size || !ring_driver_used(rd, NULL, NULL))
			break;
	}
}

void fuzz_device_send(struct ring_host *host, unsigned q, struct fuzz_in *in, const void *bytes, size_t n)
{
	struct ring_driver *rd = &host->queues[q];
	struct ring_buf bufs[PIECES_MAX + 1];
	uint64_t gpa = place(in, n + ROOM_MAX);
	uint8_t shape = fuzz_u8(in);
	unsigned pieces = 1 + shape % PIECES_MAX, used = 0;
	size_t at = 0;

	reclaim(rd);
	if (n)
		memcpy(ring_mem_at(&host->rm, gpa, n), bytes, n);
	for (unsigned i = 0; i < pieces && at < n; i++) {
		size_t len = i + 1 == pieces ? n - at : fuzz_u8(in);

		if (len > n - at)
			len = n - at;
		if (len == 0)
			continue;
		bufs[used++] = (struct ring_buf){ gpa + at, (uint32_t)len, false };
		at += len;
	}
	if (shape & 0x80 || used == 0)
		bufs[used++] = (struct ring_buf){ gpa + n, fuzz_u16(in) % ROOM_MAX, true };
	if (shape & 0x40)
		ring_driver_add_indirect(rd, BASE + FUZZ_REGION - 4096, bufs, used);
	else
		ring_driver_add(rd, bufs, used);
	ring_driver_kick(rd);
}

/* Anything in the queue's rings and descriptors. */
static void scribble(struct ring_driver *rd, struct fuzz_in *in)
{
	uint8_t what = fuzz_u8(in);
	uint16_t i = fuzz_u8(in) % FUZZ_QUEUE_SIZE;

	switch (what % 4) {
	case 0:
		ring_driver_set_desc(rd, i, BASE + fuzz_number(in), (uint32_t)fuzz_number(in),
				     fuzz_u8(in) % 8, fuzz_u8(in));
		break;
	case 1:
		ring_driver_publish(rd, what & 0x80 ? fuzz_u16(in) : i);
		break;
	case 2:
		ring_driver_set_avail_idx(rd, (uint16_t)fuzz_number(in));
		break;
	default:
		ring_driver_set_used_event(rd, fuzz_u16(in));
		ring_driver_set_avail_flags(rd, what >> 4);
		break;
	}
	if (rd->kick_fd >= 0)
		eventfd_write(rd->kick_fd, 1);
}

void fuzz_device_step(struct ring_host *host, uint8_t op, struct fuzz_in *in)
{
	unsigned q = fuzz_u8(in) % host->dev->n_vqs;
	const uint8_t *bytes;
	size_t len;

	switch (op % 8) {
	case 0:
		scribble(&host->queues[q], in);
		break;
	case 1:
		ring_host_reset(host);
		host->dev->failed = false;
		host->failures = 0;
		FUZZ_REQUIRE(vdev_start(host->dev) == 0);
		break;
	case 2: /* an indirect table, or a buffer, of the guest's own making */
		bytes = fuzz_bytes(in, fuzz_u8(in), &len);
		memcpy(ring_mem_at(&host->rm, BASE + FUZZ_REGION - 4096, 4096), bytes, len);
		break;
	case 3:
		fuzz_device_send(host, q, in, NULL, 0);
		break;
	default:
		len = fuzz_u8(in) * (op & 0x80 ? 16U : 1U);
		bytes = fuzz_bytes(in, len, &len);
		fuzz_device_send(host, q, in, bytes, len);
		break;
	}
	fuzz_turn(host->dev->loop, 2);
	/* A violation is reported once (vdev.h). */
	FUZZ_REQUIRE(host->failures <= 1);
}
