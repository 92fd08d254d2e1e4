/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock_packet: packets out of the tx queue and into the rx queue.
 *
 * The only part of the vsock device that touches queues. What breaks the ring's or
 * the packet's framing fails the device; what is framed well but makes no
 * sense for its stream resets that stream, as programs in the guest can cause
 * it (virtio 1.2 §5.10.6).
 */
#include "vmm/virtio/vsock_internal.h"

#include "base/endian.h"
#include "base/log.h"

#include <errno.h>

enum { TX_BUDGET = 64, DATA_BUDGET = 512 << 10, BATCH_MIN = 4 << 10, BATCH_MAX = 64 << 10 };

static struct virtqueue *rx_queue(struct vsock *v)
{
	return &v->vdev.vqs[VSOCK_QUEUE_RX];
}

static int fail(struct vsock *v, const char *why)
{
	vdev_fail(&v->vdev, why);
	return -EPROTO;
}

static void decode_hdr(const uint8_t *p, struct vsock_hdr *hdr)
{
	*hdr = (struct vsock_hdr){
		.src_cid = get_le64(p),
		.dst_cid = get_le64(p + 8),
		.src_port = get_le32(p + 16),
		.dst_port = get_le32(p + 20),
		.len = get_le32(p + 24),
		.type = get_le16(p + 28),
		.op = get_le16(p + 30),
		.flags = get_le32(p + 32),
		.buf_alloc = get_le32(p + 36),
		.fwd_cnt = get_le32(p + 40),
	};
}

static void encode_hdr(const struct vsock_hdr *hdr, uint8_t *p)
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

/* --- From the guest --- */

static void reply_reset(struct vsock *v, const struct vsock_hdr *hdr)
{
	if (hdr->op == VSOCK_OP_RST)
		return;
	vsock_add_reply(v,
			&(struct vsock_reply){
				/* from where the guest thinks that it sent to, so that it finds its socket */
				.src_cid = hdr->dst_cid,
				.src_port = hdr->dst_port,
				.dst_port = hdr->src_port,
				.op = VSOCK_OP_RST,
				.type = hdr->type,
			});
}

/* A packet for a stream that we know. False: it has no place here, reset the stream. */
static bool handle_stream_packet(struct vsock_stream *s, const struct vsock_hdr *hdr, struct iovec *iov,
				 unsigned n)
{
	if (hdr->op == VSOCK_OP_RST) {
		stream_detach(s, 0, s->state == STREAM_CONNECTING ? VSOCK_END_REFUSED : VSOCK_END_RESET);
		return true;
	}
	/* Streams have flags for SHUTDOWN alone (§5.10.6.6). */
	if (hdr->flags & (hdr->op == VSOCK_OP_SHUTDOWN ? ~(uint32_t)VSOCK_SHUT_BOTH : ~0U))
		return false;
	stream_update_credit(s, hdr);

	if (s->state == STREAM_CONNECTING)
		return hdr->op == VSOCK_OP_RESPONSE && !(s->pending & PENDING_REQUEST) &&
		       stream_connected(s) == 0;
	switch (hdr->op) {
	case VSOCK_OP_RW:
		return stream_receive(s, iov, n, hdr->len);
	case VSOCK_OP_CREDIT_UPDATE:
		return true;
	case VSOCK_OP_CREDIT_REQUEST:
		stream_set_pending(s, PENDING_CREDIT_UPDATE);
		return true;
	case VSOCK_OP_SHUTDOWN:
		stream_guest_shutdown(s, hdr->flags);
		return true;
	default:
		return false;
	}
}

static void handle_packet(struct vsock *v, const struct vsock_hdr *hdr, struct iovec *iov, unsigned n)
{
	struct vsock_stream *s;

	/* As vhost does: nobody could be meant by an answer. */
	if (hdr->src_cid != v->config.guest_cid) {
		LOG_RATELIMITED(LOG_LEVEL_DEBUG, "%s: packet from a foreign context id", v->vdev.tag);
		return;
	}
	if (hdr->dst_cid != VSOCK_HOST_CID || hdr->type != VSOCK_TYPE_STREAM) {
		reply_reset(v, hdr);
		return;
	}
	s = vsock_find(v, hdr->src_port, hdr->dst_port);
	if (s) {
		if (!handle_stream_packet(s, hdr, iov, n))
			stream_detach(s, VSOCK_OP_RST, VSOCK_END_RESET);
	} else if (hdr->op == VSOCK_OP_REQUEST && hdr->flags == 0) {
		vsock_accept(v, hdr);
	} else {
		reply_reset(v, hdr);
	}
}

/* Skip the header and cut off what follows the payload. Returns the entries from *iov on. */
static unsigned find_payload(struct vq_chain *chain, size_t len, struct iovec **iov)
{
	struct iovec *first = chain->readable;
	unsigned n = chain->n_readable, used = 0;
	size_t skip = VSOCK_HDR_SIZE;

	for (; n > 0 && skip >= first->iov_len; n--, first++)
		skip -= first->iov_len;
	*iov = first;
	if (n > 0) {
		first->iov_base = (uint8_t *)first->iov_base + skip;
		first->iov_len -= skip;
	}
	for (; used < n && len > 0; used++) {
		if (first[used].iov_len > len)
			first[used].iov_len = len;
		len -= first[used].iov_len;
	}
	return used;
}

int vsock_process_tx(struct vsock *v, bool *more)
{
	struct virtqueue *vq = &v->vdev.vqs[VSOCK_QUEUE_TX];

	virtqueue_kicks_off(vq);
	for (unsigned budget = TX_BUDGET;; budget--) {
		uint8_t raw[VSOCK_HDR_SIZE];
		struct vsock_hdr hdr;
		struct iovec *payload;
		unsigned n;
		int r;

		/* The rx queue's next buffers let us go on: vsock_send_control(). */
		if (v->n_replies >= REPLIES_FROM_TX_MAX)
			break;
		if (budget == 0) {
			*more = true;
			break;
		}
		r = virtqueue_pop(vq, &v->chain);
		if (r < 0)
			return fail(v, vq->broken_why);
		if (r == 0) {
			if (!virtqueue_kicks_on(vq))
				break;
			virtqueue_kicks_off(vq);
			continue;
		}
		if (v->chain.n_writable > 0)
			return fail(v, "writable buffer in the tx queue");
		if (iov_read(v->chain.readable, v->chain.n_readable, 0, raw, sizeof(raw)) != sizeof(raw))
			return fail(v, "packet shorter than its header");
		decode_hdr(raw, &hdr);
		if (hdr.len > VSOCK_PAYLOAD_MAX)
			return fail(v, "packet longer than 64 KiB");
		if (hdr.len > v->chain.readable_len - VSOCK_HDR_SIZE)
			return fail(v, "packet longer than its buffers");
		if (hdr.len > 0 && hdr.op != VSOCK_OP_RW)
			return fail(v, "control packet with a payload");
		n = find_payload(&v->chain, hdr.len, &payload);
		handle_packet(v, &hdr, payload, n);
		virtqueue_push(vq, v->chain.head, 0);
	}
	return 0;
}

/* --- To the guest --- */

/* The next rx chain, in v->chain. 0: none, a kick will tell; negative: the device failed. */
static int pop_rx(struct vsock *v, size_t min)
{
	struct virtqueue *vq = rx_queue(v);
	int r;

	do
		r = virtqueue_pop(vq, &v->chain);
	while (r == 0 && virtqueue_kicks_on(vq));
	if (r < 0)
		return fail(v, vq->broken_why);
	if (r == 0) {
		v->rx_starved = true;
		return 0;
	}
	if (v->chain.n_readable > 0)
		return fail(v, "readable buffer in the rx queue");
	if (v->chain.writable_len < min)
		return fail(v, "rx buffer too small for a packet");
	return 1;
}

static struct vsock_hdr stream_hdr(struct vsock_stream *s, uint16_t op, uint32_t len)
{
	/* Every packet tells how much we passed on, so an update that waits is not needed any more. */
	s->told_fwd_cnt = s->fwd_cnt;
	return (struct vsock_hdr){
		.src_cid = VSOCK_HOST_CID,
		.dst_cid = s->vsock->config.guest_cid,
		.src_port = s->host_port,
		.dst_port = s->guest_port,
		.len = len,
		.type = VSOCK_TYPE_STREAM,
		.op = op,
		.flags = op == VSOCK_OP_SHUTDOWN ? s->our_shut : 0,
		.buf_alloc = VSOCK_BUF_ALLOC,
		.fwd_cnt = s->fwd_cnt,
	};
}

static void send_hdr(struct vsock *v, const struct vsock_hdr *hdr)
{
	uint8_t raw[VSOCK_HDR_SIZE];

	encode_hdr(hdr, raw);
	iov_write(v->chain.writable, v->chain.n_writable, 0, raw, sizeof(raw));
	virtqueue_push(rx_queue(v), v->chain.head, VSOCK_HDR_SIZE);
}

static int send_replies(struct vsock *v)
{
	while (v->n_replies > 0) {
		const struct vsock_reply *reply = &v->replies[v->replies_start];
		int r = pop_rx(v, VSOCK_HDR_SIZE);

		if (r <= 0)
			return r;
		send_hdr(v, &(struct vsock_hdr){
				    .src_cid = reply->src_cid,
				    .dst_cid = v->config.guest_cid,
				    .src_port = reply->src_port,
				    .dst_port = reply->dst_port,
				    .type = reply->type,
				    .op = reply->op,
				    .flags = reply->flags,
				    /*
				     * The last SHUTDOWN too: without room a Linux guest that has not yet seen
				     * its connection made would wait for it in vain (vsock_poll()).
				     */
				    .buf_alloc = VSOCK_BUF_ALLOC,
				    .fwd_cnt = reply->fwd_cnt,
			    });
		v->replies_start = (v->replies_start + 1) % REPLIES_MAX;
		v->n_replies--;
	}
	return 1;
}

static uint16_t pending_op(unsigned pending)
{
	switch (pending) {
	case PENDING_REQUEST:
		return VSOCK_OP_REQUEST;
	case PENDING_RESPONSE:
		return VSOCK_OP_RESPONSE;
	case PENDING_CREDIT_UPDATE:
		return VSOCK_OP_CREDIT_UPDATE;
	case PENDING_CREDIT_REQUEST:
		return VSOCK_OP_CREDIT_REQUEST;
	default:
		return VSOCK_OP_SHUTDOWN;
	}
}

static void clear_pending(struct vsock_stream *s, unsigned pending)
{
	if (!(s->pending & pending))
		return;
	s->pending &= ~pending;
	if (!s->pending)
		TAILQ_REMOVE(&s->vsock->control, s, control_link);
}

int vsock_send_control(struct vsock *v)
{
	struct vsock_stream *s;

	/* Replies first: a RST for an old stream must not hit a new one of the same ports. */
	int r = send_replies(v);

	if (r <= 0)
		return r;
	while ((s = TAILQ_FIRST(&v->control))) {
		unsigned pending = s->pending & -s->pending; /* the lowest bit */
		struct vsock_hdr hdr;

		r = pop_rx(v, VSOCK_HDR_SIZE);
		if (r <= 0)
			return r;
		hdr = stream_hdr(s, pending_op(pending), 0);
		send_hdr(v, &hdr);
		clear_pending(s, pending);
		if (pending == PENDING_RESPONSE)
			stream_check_done(s); /* may add a reply: it goes out with the next step */
	}
	return 1;
}

/*
 * Collect rx chains until they hold `want` bytes of payload, never more than `max`:
 * their payload parts go to v->iov (*ret_n), the rest to v->slots. Returns the
 * number of slots; 0: no chain.
 */
static int collect_rx(struct vsock *v, size_t want, size_t max, unsigned *ret_n, size_t *ret_room)
{
	unsigned n_slots = 0, n_iov = 0;
	size_t room = 0;

	while (room < want && room < max && n_slots < RX_BATCH_CHAINS) {
		struct rx_slot *slot = &v->slots[n_slots];
		int r = pop_rx(v, VSOCK_HDR_SIZE + 1), n, n_hdr;

		if (r < 0)
			return r;
		if (r == 0)
			break;
		slot->head = v->chain.head;
		slot->room = v->chain.writable_len - VSOCK_HDR_SIZE;
		if (slot->room > VSOCK_PAYLOAD_MAX)
			slot->room = VSOCK_PAYLOAD_MAX;
		if (slot->room > max - room)
			slot->room = max - room;
		n = iov_slice(v->chain.writable, v->chain.n_writable, VSOCK_HDR_SIZE, slot->room,
			      v->iov + n_iov, VQ_CHAIN_IOV_MAX - n_iov);
		n_hdr = iov_slice(v->chain.writable, v->chain.n_writable, 0, VSOCK_HDR_SIZE, slot->hdr,
				  RX_HDR_IOV);
		/* A chain in very many pieces goes alone: v->chain then still has its header's place. */
		if ((n < 0 || n_hdr < 0) && n_slots > 0) {
			virtqueue_unpop(rx_queue(v));
			break;
		}
		slot->n_hdr = n_hdr < 0 ? 0 : (unsigned)n_hdr;
		n_iov += (unsigned)n;
		room += slot->room;
		n_slots++;
		if (n_hdr < 0)
			break;
	}
	*ret_n = n_iov;
	*ret_room = room;
	return (int)n_slots;
}

static void push_slot(struct vsock_stream *s, const struct rx_slot *slot, uint32_t len)
{
	struct vsock *v = s->vsock;
	struct vsock_hdr hdr = stream_hdr(s, VSOCK_OP_RW, len);
	uint8_t raw[VSOCK_HDR_SIZE];

	encode_hdr(&hdr, raw);
	if (slot->n_hdr > 0)
		iov_write(slot->hdr, slot->n_hdr, 0, raw, sizeof(raw));
	else
		iov_write(v->chain.writable, v->chain.n_writable, 0, raw, sizeof(raw));
	virtqueue_push(rx_queue(v), slot->head, VSOCK_HDR_SIZE + len);
}

/* One read of a stream's data into the guest's buffers. Returns bytes sent, or negative: the device failed. */
static ssize_t send_stream_data(struct vsock *v, struct vsock_stream *s)
{
	size_t credit = stream_credit(s), room = 0, left;
	unsigned n_iov = 0;
	int n_slots, used = 0;
	ssize_t len;

	n_slots = collect_rx(v, s->batch, credit, &n_iov, &room);
	if (n_slots <= 0)
		return n_slots;
	len = vsock_fd_read(&s->rfd, v->iov, n_iov);

	for (left = len > 0 ? (size_t)len : 0; left > 0; used++) {
		size_t part = v->slots[used].room < left ? v->slots[used].room : left;

		push_slot(s, &v->slots[used], (uint32_t)part);
		left -= part;
	}
	for (int i = used; i < n_slots; i++) {
		virtqueue_unpop(rx_queue(v));
		v->rx_starved = false;
	}

	if (len == -EAGAIN) {
		s->r_ready = false;
		stream_update_ready(s);
		return 0;
	}
	if (len <= 0) { /* an error ends the direction as the end of file does */
		stream_read_ended(s);
		return 0;
	}
	s->tx_cnt += (uint32_t)len;
	clear_pending(s, PENDING_CREDIT_UPDATE);
	if ((size_t)len >= s->batch && s->batch < BATCH_MAX)
		s->batch *= 2;
	else if ((size_t)len < room && (size_t)len < s->batch / 2 && s->batch > BATCH_MIN)
		s->batch /= 2;
	stream_update_ready(s);
	return len;
}

int vsock_send_data(struct vsock *v, bool *more)
{
	struct vsock_stream *s;
	size_t sent = 0;

	/* What waits in front of the data has no buffers: nor has the data. */
	if (v->n_replies > 0 || !TAILQ_EMPTY(&v->control))
		return 0;
	while (!v->rx_starved && (s = TAILQ_FIRST(&v->ready))) {
		ssize_t n;

		if (sent >= DATA_BUDGET) {
			*more = true;
			break;
		}
		n = send_stream_data(v, s);
		if (n < 0)
			return (int)n;
		sent += (size_t)n;
		/* The next one's turn. */
		if (s->ready) {
			TAILQ_REMOVE(&v->ready, s, ready_link);
			TAILQ_INSERT_TAIL(&v->ready, s, ready_link);
		}
	}
	return 0;
}
