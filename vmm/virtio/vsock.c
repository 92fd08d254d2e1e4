/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock: the device: its life, its turns, and where its streams come from
 * (virtio 1.2 §5.10). How it works: vsock_internal.h.
 */
#include "vmm/virtio/vsock_internal.h"

#include "base/cleanup.h"
#include "base/endian.h"
#include "base/err.h"
#include "base/loop.h"

#include <assert.h>
#include <errno.h>

enum {
	VIRTIO_ID_VSOCK = 19,
	QUEUE_SIZE = 128, /* Linux fills the rx queue with 4 KiB buffers: 512 KiB of the guest's memory */
	PRIVILEGED_PORT_MAX = 1023, /* Linux: bind() below 1024 takes CAP_NET_BIND_SERVICE */
	CONNECT_PORT_FIRST = 1 << 30, /* our side of connections to the guest */
	CONFIG_SIZE = 8, /* le64 guest_cid (§5.10.4) */
};

static struct vsock *to_vsock(struct vdev *dev)
{
	return (struct vsock *)dev; /* its first member */
}

void vsock_wake(struct vsock *v)
{
	(void)loop_set_events(v->turn, 1);
}

/* --- Look-up --- */

struct stream_bucket *vsock_bucket(struct vsock *v, uint32_t guest_port, uint32_t host_port)
{
	/* Fibonacci hashing; at most VSOCK_STREAMS_MAX entries, should a guest aim at one bucket. */
	uint64_t key = ((uint64_t)guest_port << 32 | host_port) * 0x9e3779b97f4a7c15ULL;

	return &v->hash[key >> 56];
}

struct vsock_stream *vsock_find(struct vsock *v, uint32_t guest_port, uint32_t host_port)
{
	struct vsock_stream *s;

	LIST_FOREACH(s, vsock_bucket(v, guest_port, host_port), hash_link)
	{
		if (s->guest_port == guest_port && s->host_port == host_port)
			return s;
	}
	return NULL;
}

static struct vsock_stream *find_offer(struct vsock *v, uint32_t host_port)
{
	struct vsock_stream *s;

	TAILQ_FOREACH(s, &v->offers, link)
	{
		if (s->host_port == host_port)
			return s;
	}
	return NULL;
}

/* --- Streams come and go --- */

void vsock_add_reply(struct vsock *v, const struct vsock_reply *reply)
{
	/* vsock_process_tx() rests at REPLIES_FROM_TX_MAX, and each stream has but one last packet. */
	assert(v->n_replies < REPLIES_MAX);
	v->replies[(v->replies_start + v->n_replies) % REPLIES_MAX] = *reply;
	v->n_replies++;
	vsock_wake(v);
}

static void add_stream(struct vsock *v, struct vsock_stream *s)
{
	TAILQ_INSERT_TAIL(&v->streams, s, link);
	v->n_streams++;
	LIST_INSERT_HEAD(vsock_bucket(v, s->guest_port, s->host_port), s, hash_link);
}

/*
 * Each stream may add a reply when it goes, without a packet from the guest: new
 * ones are only taken while there is room for that.
 */
static bool may_add_stream(const struct vsock *v)
{
	return v->n_streams < VSOCK_STREAMS_MAX && v->n_streams + v->n_replies < REPLIES_MAX - 1;
}

void vsock_accept(struct vsock *v, const struct vsock_hdr *hdr)
{
	struct vsock_stream *s = find_offer(v, hdr->dst_port);
	int rfd = -1, wfd = -1;

	if (!may_add_stream(v) || (s && s->privileged && hdr->src_port > PRIVILEGED_PORT_MAX))
		goto refuse;
	if (s) {
		TAILQ_REMOVE(&v->offers, s, link);
		v->n_offers--;
	} else {
		if (!v->config.connect ||
		    v->config.connect(v->config.ctx, hdr->src_port, hdr->dst_port, &rfd, &wfd) < 0)
			goto refuse;
		if (stream_new(v, rfd, wfd, NULL, NULL, &s) < 0)
			goto refuse;
	}
	s->guest_port = hdr->src_port;
	s->host_port = hdr->dst_port;
	add_stream(v, s);
	stream_set_pending(s, PENDING_RESPONSE);
	stream_update_credit(s, hdr);
	if (stream_connected(s) < 0)
		stream_detach(s, VSOCK_OP_RST, VSOCK_END_RESET);
	return;

refuse:
	vsock_add_reply(v, &(struct vsock_reply){
				   .src_cid = VSOCK_HOST_CID,
				   .src_port = hdr->dst_port,
				   .dst_port = hdr->src_port,
				   .op = VSOCK_OP_RST,
				   .type = VSOCK_TYPE_STREAM,
			   });
}

int virtio_vsock_offer(struct vdev *dev, uint32_t host_port, bool privileged, int take_rfd, int take_wfd,
		       vsock_end_fn fn, void *ctx)
{
	struct vsock *v = to_vsock(dev);
	struct vsock_stream *s;
	int r = stream_new(v, take_rfd, take_wfd, fn, ctx, &s);

	if (r < 0)
		return r;
	if (find_offer(v, host_port))
		r = -EADDRINUSE;
	else if (v->n_offers >= VSOCK_STREAMS_MAX)
		r = -ENOSPC;
	if (r < 0) {
		stream_free(s);
		return r;
	}
	s->host_port = host_port;
	s->privileged = privileged;
	s->state = STREAM_OFFERED;
	TAILQ_INSERT_TAIL(&v->offers, s, link);
	v->n_offers++;
	return 0;
}

int virtio_vsock_withdraw(struct vdev *dev, uint32_t host_port)
{
	struct vsock *v = to_vsock(dev);
	struct vsock_stream *s = find_offer(v, host_port);

	if (!s)
		return -ENOENT;
	TAILQ_REMOVE(&v->offers, s, link);
	v->n_offers--;
	stream_free(s);
	return 0;
}

int virtio_vsock_connect(struct vdev *dev, uint32_t guest_port, int take_rfd, int take_wfd, vsock_end_fn fn,
			 void *ctx)
{
	struct vsock *v = to_vsock(dev);
	struct vsock_stream *s;
	int r = stream_new(v, take_rfd, take_wfd, fn, ctx, &s);

	if (r < 0)
		return r;
	if (!may_add_stream(v)) {
		stream_free(s);
		return -ENOSPC;
	}
	do {
		if (v->next_port < CONNECT_PORT_FIRST || v->next_port == UINT32_MAX)
			v->next_port = CONNECT_PORT_FIRST;
		s->host_port = v->next_port++;
	} while (vsock_find(v, guest_port, s->host_port));
	s->guest_port = guest_port;
	s->state = STREAM_CONNECTING;
	add_stream(v, s);
	stream_set_pending(s, PENDING_REQUEST);
	return 0;
}

/* --- Turns --- */

static void take_turn(struct vsock *v, bool *more)
{
	if (v->rx_starved && !virtqueue_has_available(&v->vdev.vqs[VSOCK_QUEUE_RX])) {
		/* Nothing can be sent; but the tx queue may go on until too much waits. */
		if (vsock_process_tx(v, more) < 0)
			return;
		virtqueue_call(&v->vdev.vqs[VSOCK_QUEUE_TX]);
		return;
	}
	v->rx_starved = false;
	virtqueue_kicks_off(&v->vdev.vqs[VSOCK_QUEUE_RX]);
	/* Replies first, which may be what the tx queue waits for; last what the steps between left. */
	if (vsock_send_control(v) < 0 || vsock_process_tx(v, more) < 0 || vsock_send_control(v) < 0 ||
	    vsock_send_data(v, more) < 0 || vsock_send_control(v) < 0)
		return;
	virtqueue_call(&v->vdev.vqs[VSOCK_QUEUE_TX]);
	virtqueue_call(&v->vdev.vqs[VSOCK_QUEUE_RX]);
	/* A reply of the last step. */
	if (!v->rx_starved && (v->n_replies > 0 || !TAILQ_EMPTY(&v->control)))
		*more = true;
}

static void on_turn(void *ctx)
{
	struct vsock *v = ctx;
	struct vsock_stream *s;
	bool more = false;

	(void)loop_set_events(v->turn, 0);
	if (v->live && !v->vdev.failed)
		take_turn(v, &more);
	s = TAILQ_FIRST(&v->ended);
	if (more || s)
		vsock_wake(v);
	if (s) {
		vsock_end_fn fn = s->fn;
		enum vsock_end why = s->why;

		ctx = s->ctx;
		TAILQ_REMOVE(&v->ended, s, link);
		v->n_streams--;
		stream_free(s);
		/* Last, one a turn: it may do anything, freeing the device included. */
		if (fn)
			fn(ctx, why);
	}
}

/* --- The device's life --- */

static int vsock_start(struct vdev *dev)
{
	struct vsock *v = to_vsock(dev);

	v->live = dev->vqs[VSOCK_QUEUE_RX].enabled && dev->vqs[VSOCK_QUEUE_TX].enabled;
	v->rx_starved = false;
	vsock_wake(v);
	return 0;
}

static void reset_streams(struct vsock *v)
{
	struct vsock_stream *s, *next;

	v->n_replies = 0;
	for (s = TAILQ_FIRST(&v->streams); s; s = next) {
		next = TAILQ_NEXT(s, link);
		stream_detach(s, 0, VSOCK_END_RESET);
	}
}

static void vsock_stop(struct vdev *dev)
{
	struct vsock *v = to_vsock(dev);

	v->live = false;
	reset_streams(v);
}

static void vsock_kick(struct vdev *dev, unsigned q)
{
	/* The event queue's buffers stay where they are: we have no events to tell (§5.10.6.8). */
	if (q != VSOCK_QUEUE_EVENT)
		vsock_wake(to_vsock(dev));
}

static void vsock_free(struct vdev *dev)
{
	struct vsock *v = to_vsock(dev);
	struct stream_list *lists[] = { &v->ended, &v->streams, &v->offers };
	struct vsock_stream *s;

	reset_streams(v);
	for (unsigned i = 0; i < ARRAY_SIZE(lists); i++) {
		while ((s = TAILQ_FIRST(lists[i]))) {
			vsock_end_fn fn = s->state == STREAM_OFFERED ? NULL : s->fn;
			enum vsock_end why = s->state == STREAM_ENDED ? s->why : VSOCK_END_RESET;
			void *ctx = s->ctx;

			TAILQ_REMOVE(lists[i], s, link);
			stream_free(s);
			if (fn)
				fn(ctx, why);
		}
	}
	loop_remove(TAKE_PTR(v->turn));
	vdev_done(&v->vdev);
	free(v);
}

static const struct vdev_ops vsock_ops = {
	.name = "virtio-vsock",
	.type = VIRTIO_ID_VSOCK,
	.pci_class = 0x078000, /* communication controller, other */
	.start = vsock_start,
	.stop = vsock_stop,
	.kick = vsock_kick,
	.shared_call = true,
	.free = vsock_free,
};

int virtio_vsock_new(struct loop *loop, const struct vsock_config *config, struct vdev **ret, struct err *err)
{
	_cleanup_free_ struct vsock *v = NULL;
	int r;

	/* §5.10.4: 0 to 2 are reserved, the upper half must be zero, and all ones is no address. */
	if (config->guest_cid <= VSOCK_HOST_CID || config->guest_cid >= UINT32_MAX)
		return err_set(err, -EINVAL, "vsock: %llu can't be a guest's context id",
			       (unsigned long long)config->guest_cid);
	v = calloc(1, sizeof(*v));
	if (!v)
		return err_set(err, -ENOMEM, "vsock: out of memory");
	v->config = *config;
	v->next_port = CONNECT_PORT_FIRST;
	TAILQ_INIT(&v->offers);
	TAILQ_INIT(&v->streams);
	TAILQ_INIT(&v->ended);
	TAILQ_INIT(&v->control);
	TAILQ_INIT(&v->ready);
	for (unsigned i = 0; i < HASH_SIZE; i++)
		LIST_INIT(&v->hash[i]);

	/* VIRTIO_VSOCK_F_SEQPACKET is not offered: a driver then has stream sockets only (§5.10.3). */
	r = vdev_init(&v->vdev, &vsock_ops, loop, "vsock0", VDEV_RING_FEATURES, VSOCK_QUEUES, QUEUE_SIZE,
		      CONFIG_SIZE);
	if (r < 0)
		return err_set(err, r, "vsock: out of memory");
	put_le64(v->vdev.config, config->guest_cid);
	r = loop_add_defer(loop, on_turn, v, &v->turn);
	if (r < 0) {
		vdev_done(&v->vdev);
		return err_set_errno(err, r, "vsock: event loop");
	}
	(void)loop_set_events(v->turn, 0);
	*ret = &TAKE_PTR(v)->vdev;
	return 0;
}
