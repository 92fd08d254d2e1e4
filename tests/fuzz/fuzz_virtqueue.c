/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_virtqueue: rings, descriptors and indirect tables of any content; what is popped is checked byte by byte. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

enum { BASE = 1 << 20, REGION = 8 << 10 };

static struct vq_chain chain;

/* Every slice is guest memory: the sanitizer sees each byte that is not. */
static size_t touch(const struct iovec *iov, unsigned n, bool write)
{
	size_t len = 0;

	for (unsigned i = 0; i < n; i++) {
		uint8_t *p = iov[i].iov_base;

		FUZZ_REQUIRE(iov[i].iov_len > 0);
		(void)*(volatile uint8_t *)p;
		(void)*(volatile uint8_t *)(p + iov[i].iov_len - 1);
		if (write)
			memset(p, 0x5a, iov[i].iov_len < 64 ? iov[i].iov_len : 64);
		len += iov[i].iov_len;
	}
	return len;
}

static void serve(struct virtqueue *vq, uint8_t what)
{
	bool broken = vq->broken;
	int r = virtqueue_pop(vq, &chain);

	FUZZ_REQUIRE(r == 0 || r == 1 || r == -EPROTO);
	FUZZ_REQUIRE((r == -EPROTO) == vq->broken && (!broken || vq->broken));
	if (r != 1) {
		virtqueue_kicks_on(vq);
		return;
	}
	FUZZ_REQUIRE(chain.head < vq->size);
	FUZZ_REQUIRE(chain.n_readable + chain.n_writable <= VQ_CHAIN_IOV_MAX);
	FUZZ_REQUIRE(touch(chain.readable, chain.n_readable, false) == chain.readable_len);
	FUZZ_REQUIRE(touch(chain.writable, chain.n_writable, what & 1) == chain.writable_len);
	switch (what >> 1 & 3) {
	case 0:
		virtqueue_unpop(vq);
		break;
	case 1:
		virtqueue_fill(vq, chain.head, 0);
		virtqueue_publish(vq);
		break;
	default:
		virtqueue_push(vq, chain.head, (uint32_t)chain.writable_len);
		break;
	}
	virtqueue_call(vq);
	if (what & 0x10)
		virtqueue_kicks_off(vq);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct ring_mem rm;
	struct virtqueue vq = { .max_size = 256, .kick_fd = -1, .call_fd = -1, .enabled = true };
	const uint8_t *bytes;
	size_t len;

	ring_mem_init(&rm);
	ring_mem_add(&rm, BASE, REGION);
	ring_mem_add(&rm, BASE + REGION, REGION);
	vq.mem = &rm.mem;
	vq.size = fuzz_u8(&in) & 0x80 ? fuzz_u16(&in) : 8;
	vq.event_idx = fuzz_u8(&in) & 1;
	vq.indirect = !(fuzz_u8(&in) & 1);
	/* Mostly where a driver has them, so that the rest of the input is rings. */
	vq.desc_gpa = BASE;
	vq.avail_gpa = BASE + 0x100;
	vq.used_gpa = BASE + 0x200;
	vq.next_avail = vq.next_used = fuzz_u8(&in) & 0x80 ? fuzz_u16(&in) : 0;
	if (fuzz_u8(&in) & 0x80) {
		vq.desc_gpa += fuzz_number(&in);
		vq.avail_gpa += fuzz_number(&in);
		vq.used_gpa += fuzz_number(&in);
	}
	bytes = fuzz_bytes(&in, 0x600, &len);
	memcpy(ring_mem_at(&rm, BASE, REGION), bytes, len);
	if (virtqueue_start(&vq) == 0) {
		while (in.left > 0) {
			uint8_t what = fuzz_u8(&in);

			if (what & 0x20) { /* the driver goes on */
				uint64_t at = fuzz_u16(&in) % 0x400;

				bytes = fuzz_bytes(&in, what >> 6 ? 2 : 16, &len);
				memcpy(ring_mem_at(&rm, BASE + at, len + 1), bytes, len);
			}
			if (what & 0x08 && what & 0x40)
				virtqueue_has_available(&vq);
			serve(&vq, what);
		}
	}
	ring_mem_done(&rm);
	return 0;
}
