/* SPDX-License-Identifier: Apache-2.0 */
/* payload: see payload.h; random.h's generator is here too. */
#include "tests/hostile/payload.h"

#include "tests/hostile/random.h"

#include <linux/fuse.h>
#include <linux/virtio_net.h>
#include <linux/virtio_vsock.h>
#include <string.h>

static uint64_t random_state = 1;

void random_seed(uint64_t seed)
{
	random_state = seed * 0x9e3779b97f4a7c15ULL | 1;
}

uint64_t random_u64(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1dULL;
}

unsigned random_below(unsigned n)
{
	return n ? (unsigned)((random_u64() >> 32) % n) : 0;
}

bool one_in(unsigned n)
{
	return random_below(n) == 0;
}

static void fill(uint8_t *buf, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		buf[i] = one_in(3) ? 0 : (uint8_t)random_u64();
}

/* Names that are wanted, and that are not. */
static uint32_t put_name(uint8_t *buf)
{
	static const char *const names[] = { "root", "etc",   "passwd", "..",	".",	  "",	 "/",	"/etc/passwd",
					     "a/b",  "../..", "m0",	"tmp",	"hostile", "f",	 "d",	"user.x",
					     "trusted.overlay.opaque", "security.selinux", "system.posix_acl_access" };
	const char *name = names[random_below(sizeof(names) / sizeof(names[0]))];
	uint32_t len = (uint32_t)strlen(name) + 1;

	memcpy(buf, name, len);
	if (one_in(20)) {
		len = 1 + random_below(300);
		memset(buf, 'x', len);
		buf[len - 1] = 0;
	}
	/* Without its end. */
	return one_in(20) ? len - 1 : len;
}

static uint64_t node(void)
{
	return one_in(8) ? random_u64() : one_in(3) ? 1 : (uint64_t)random_below(12) | (uint64_t)random_below(3) << 32;
}

static uint32_t fuse(uint8_t *buf)
{
	struct fuse_in_header *h = (struct fuse_in_header *)buf;
	uint32_t len = sizeof(*h);

	fill(buf, 4096);
	*h = (struct fuse_in_header){
		.opcode = one_in(12) ? (uint32_t)random_u64() : random_below(54),
		.unique = random_u64(),
		.nodeid = node(),
		.uid = one_in(2) ? 0 : random_below(70000),
		.gid = one_in(2) ? 0 : random_below(70000),
		.pid = random_below(1000),
	};
	if (one_in(6))
		h->opcode = FUSE_INIT;
	if (h->opcode == FUSE_INIT && !one_in(10)) {
		struct fuse_init_in *in = (struct fuse_init_in *)(buf + len);

		*in = (struct fuse_init_in){ .major = one_in(20) ? random_below(50) : 7, .minor = 31 + random_below(10),
					     .flags = (uint32_t)random_u64(), .flags2 = (uint32_t)random_u64() };
		len += sizeof(*in);
	} else {
		/* The sizes of most operations' fixed parts, then names. */
		static const uint32_t fixed[] = { 0, 8, 16, 24, 40, 48, 64, 88 };

		len += one_in(10) ? random_below(200) : fixed[random_below(8)];
		if (!one_in(4))
			len += put_name(buf + len);
		if (one_in(3))
			len += put_name(buf + len);
		if (one_in(8))
			len += random_below(2000);
	}
	h->len = one_in(12) ? (uint32_t)random_u64() : len;
	return len;
}

static uint32_t vsock(uint8_t *buf)
{
	struct virtio_vsock_hdr *h = (struct virtio_vsock_hdr *)buf;
	uint32_t len = one_in(3) ? 0 : random_below(3000);

	fill(buf, 4096);
	*h = (struct virtio_vsock_hdr){
		.src_cid = one_in(8) ? random_u64() : 3,
		.dst_cid = one_in(8) ? random_u64() : 2,
		.src_port = one_in(2) ? random_below(8) : (uint32_t)random_u64(),
		.dst_port = one_in(2) ? 1024 + random_below(8) : (uint32_t)random_u64(),
		.len = one_in(6) ? (uint32_t)random_u64() : len,
		.type = (uint16_t)(one_in(10) ? random_u64() : 1),
		.op = (uint16_t)(one_in(10) ? random_u64() : random_below(9)),
		.flags = one_in(2) ? random_below(4) : (uint32_t)random_u64(),
		.buf_alloc = one_in(2) ? 65536 : (uint32_t)random_u64(),
		.fwd_cnt = one_in(2) ? 0 : (uint32_t)random_u64(),
	};
	return (uint32_t)sizeof(*h) + len;
}

static uint32_t net_control(uint8_t *buf)
{
	fill(buf, 64);
	buf[0] = (uint8_t)(one_in(8) ? random_u64() : random_below(7));
	buf[1] = (uint8_t)(one_in(8) ? random_u64() : random_below(4));
	return 2 + random_below(62);
}

static uint32_t frame(uint8_t *buf)
{
	struct virtio_net_hdr_v1 *h = (struct virtio_net_hdr_v1 *)buf;

	fill(buf, 4096);
	*h = (struct virtio_net_hdr_v1){
		.flags = (uint8_t)random_below(8),
		.gso_type = (uint8_t)(one_in(4) ? random_u64() : random_below(6)),
		.hdr_len = (uint16_t)(one_in(2) ? 54 : random_u64()),
		.gso_size = (uint16_t)(one_in(2) ? 1448 : random_u64()),
		.csum_start = (uint16_t)(one_in(2) ? 34 : random_u64()),
		.csum_offset = (uint16_t)(one_in(2) ? 16 : random_u64()),
	};
	return random_below(4097);
}

/* Pages to take away: the kernel's own seldom. */
static uint32_t balloon(uint8_t *buf)
{
	unsigned n = random_below(256);

	for (unsigned i = 0; i < n; i++) {
		uint32_t pfn = one_in(2000) ? (uint32_t)random_u64() :
			       one_in(4)    ? 0x80000000U | (uint32_t)random_u64() :
					      0x10000 + random_below(0x10000);

		memcpy(buf + 4 * i, &pfn, sizeof(pfn));
	}
	return 4 * n + (one_in(10) ? random_below(4) : 0);
}

uint32_t payload_fill(enum payload kind, uint8_t *buf, uint32_t size)
{
	switch (kind) {
	case PAYLOAD_FUSE:
		return fuse(buf);
	case PAYLOAD_VSOCK:
		return vsock(buf);
	case PAYLOAD_NET_CONTROL:
		return net_control(buf);
	case PAYLOAD_FRAME:
		return frame(buf);
	case PAYLOAD_BALLOON:
		return balloon(buf);
	case PAYLOAD_RANDOM:
	case PAYLOADS:
		break;
	}
	fill(buf, size);
	return random_below(size + 1);
}
