/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "tests/unit/vsock_guest.h"

#include "base/endian.h"
#include "base/loop.h"

enum { TX_SLOT = VSOCK_HDR_SIZE + VSOCK_PAYLOAD_MAX };

static void add_rx(struct guest *g, uint64_t gpa)
{
	const struct ring_buf buf = { gpa, GUEST_RX_BUF, true };
	int head = ring_driver_add(g->rx, &buf, 1);

	assert_true(head >= 0);
	g->rx_gpa[head] = gpa;
}

void guest_fill_rx(struct guest *g, unsigned n)
{
	while (n--)
		add_rx(g, ring_mem_alloc(&g->host.rm, 1, GUEST_RX_BUF, 1));
	ring_driver_kick(g->rx);
}

void guest_init(struct guest *g, const struct vsock_config *config)
{
	const struct vsock_config plain = { .guest_cid = GUEST_CID };

	*g = (struct guest){ .refill = true };
	assert_int_equal(loop_new(&g->loop), 0);
	assert_int_equal(virtio_vsock_new(g->loop, config ? config : &plain, &g->dev, NULL), 0);
	ring_host_init(&g->host, g->dev, 10 << 20, GUEST_QUEUE, VDEV_RING_FEATURES);
	g->rx = &g->host.queues[VSOCK_QUEUE_RX];
	g->tx = &g->host.queues[VSOCK_QUEUE_TX];
	g->tx_gpa = ring_mem_alloc(&g->host.rm, 0, GUEST_QUEUE * TX_SLOT, 1);
	g->spare = ring_mem_alloc(&g->host.rm, 0, 128 << 10, 4096);
	assert_int_equal(vdev_start(g->dev), 0);
	ring_driver_calls_on(g->rx);
	ring_driver_calls_off(g->tx);
}

void guest_done(struct guest *g)
{
	ring_host_done(&g->host);
	vdev_free(g->dev);
	loop_free(g->loop);
}

struct countdown {
	struct loop *loop;
	unsigned left;
};

static void count_down(void *ctx)
{
	struct countdown *c = ctx;

	if (c->left-- == 0)
		loop_quit(c->loop, 0);
}

void guest_turns(struct guest *g, unsigned n)
{
	struct countdown c = { g->loop, n };
	struct loop_source *src;

	assert_int_equal(loop_add_defer(g->loop, count_down, &c, &src), 0);
	assert_int_equal(loop_run(g->loop), 0);
	loop_remove(src);
}

void guest_turn(struct guest *g)
{
	guest_turns(g, 8);
}

struct vsock_hdr guest_hdr(uint16_t op, uint32_t port, uint32_t host_port)
{
	return (struct vsock_hdr){
		.src_cid = GUEST_CID,
		.dst_cid = VSOCK_HOST_CID,
		.src_port = port,
		.dst_port = host_port,
		.type = VSOCK_TYPE_STREAM,
		.op = op,
		.buf_alloc = GUEST_BUF_ALLOC,
	};
}

static void put_hdr(uint8_t *p, const struct vsock_hdr *hdr)
{
	put_le64(p, hdr->src_cid);
	put_le64(p + 8, hdr->dst_cid);
	put_le32(p + 16, hdr->src_port);
	put_le32(p + 20, hdr->dst_port);
	put_le32(p + 24, hdr->len);
	put_le16(p + 28, hdr->type);
	put_le16(p + 30, hdr->op);
	put_le32(p + 32, hdr->flags);
	put_le32(p + 36, hdr->buf_alloc);
	put_le32(p + 40, hdr->fwd_cnt);
}

static void get_hdr(const uint8_t *p, struct vsock_hdr *hdr)
{
	hdr->src_cid = get_le64(p);
	hdr->dst_cid = get_le64(p + 8);
	hdr->src_port = get_le32(p + 16);
	hdr->dst_port = get_le32(p + 20);
	hdr->len = get_le32(p + 24);
	hdr->type = get_le16(p + 28);
	hdr->op = get_le16(p + 30);
	hdr->flags = get_le32(p + 32);
	hdr->buf_alloc = get_le32(p + 36);
	hdr->fwd_cnt = get_le32(p + 40);
}

bool guest_send(struct guest *g, const struct vsock_hdr *hdr, const void *payload)
{
	struct ring_buf bufs[2];
	uint64_t gpa;
	uint8_t *p;

	while (ring_driver_used(g->tx, NULL, NULL))
		;
	if (g->tx->n_free < 2)
		return false;
	gpa = g->tx_gpa + (uint64_t)g->tx->free_head * TX_SLOT;
	p = ring_mem_at(&g->host.rm, gpa, TX_SLOT);
	put_hdr(p, hdr);
	if (hdr->len)
		memcpy(p + VSOCK_HDR_SIZE, payload, hdr->len);
	/* as Linux: the header apart from the payload */
	bufs[0] = (struct ring_buf){ gpa, VSOCK_HDR_SIZE, false };
	bufs[1] = (struct ring_buf){ gpa + VSOCK_HDR_SIZE, hdr->len, false };
	assert_true(ring_driver_add(g->tx, bufs, hdr->len ? 2 : 1) >= 0);
	g->tx_kicks += ring_driver_kick(g->tx);
	return true;
}

bool guest_receive(struct guest *g, struct guest_packet *packet)
{
	uint32_t head, len;
	uint8_t *p;

	g->rx_calls += ring_driver_called(g->rx);
	if (!ring_driver_used(g->rx, &head, &len)) {
		ring_driver_calls_on(g->rx);
		return false;
	}
	p = ring_mem_at(&g->host.rm, g->rx_gpa[head], GUEST_RX_BUF);
	assert_in_range(len, VSOCK_HDR_SIZE, GUEST_RX_BUF);
	get_hdr(p, &packet->hdr);
	assert_int_equal(packet->hdr.len, len - VSOCK_HDR_SIZE);
	assert_int_equal(packet->hdr.dst_cid, GUEST_CID);
	memcpy(packet->payload, p + VSOCK_HDR_SIZE, packet->hdr.len);
	if (g->refill) {
		add_rx(g, g->rx_gpa[head]);
		g->rx_kicks += ring_driver_kick(g->rx);
	}
	return true;
}
