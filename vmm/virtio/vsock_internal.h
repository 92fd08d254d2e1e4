/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock_internal: what the parts of the vsock device share; see vsock.h.
 *
 *   vsock.c         the device: its life, its turns, offers and connections
 *   vsock_packet.c  packets out of the tx queue and into the rx queue
 *   vsock_stream.c  a stream's state, its buffer and both credits
 *   vsock_fd.c      host descriptors, none of which may block the loop
 *
 * Theory of operation
 *
 * Work is done in turns: kicks and ready descriptors only note what is possible
 * and wake the device, whose turn comes once in each turn of the loop. A turn
 * empties the tx queue, sends control packets, then data from the streams that
 * have some, each in its turn, all within a budget; then each queue's driver is
 * called once. So one busy stream neither starves the others nor the loop.
 *
 * Towards the host, a packet's payload is written straight from guest memory; what
 * the descriptor does not take goes to the stream's buffer, which the credit
 * that we gave bounds. Towards the guest, read() goes straight into the rx
 * queue's buffers, as many at once as the stream lately had data for.
 *
 * Control packets wait as bits in their stream, or, where there is no stream (any
 * more), in `replies`. While too many replies wait for rx buffers, the tx queue
 * rests: a guest can't make us remember more than that.
 */
#ifndef VRUN_VMM_VIRTIO_VSOCK_INTERNAL_H
#define VRUN_VMM_VIRTIO_VSOCK_INTERNAL_H

#include "vmm/virtio/vdev.h"
#include "vmm/virtio/vsock.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/uio.h>

struct loop_source;
struct vsock;

/* --- Packets (virtio 1.2 §5.10.6) --- */

enum { VSOCK_QUEUE_RX, VSOCK_QUEUE_TX, VSOCK_QUEUE_EVENT, VSOCK_QUEUES };

enum { VSOCK_HDR_SIZE = 44, VSOCK_PAYLOAD_MAX = 64 << 10 };

enum { VSOCK_HOST_CID = 2, VSOCK_TYPE_STREAM = 1 };

enum vsock_op {
	VSOCK_OP_REQUEST = 1,
	VSOCK_OP_RESPONSE = 2,
	VSOCK_OP_RST = 3,
	VSOCK_OP_SHUTDOWN = 4,
	VSOCK_OP_RW = 5,
	VSOCK_OP_CREDIT_UPDATE = 6,
	VSOCK_OP_CREDIT_REQUEST = 7,
};

/* SHUTDOWN's flags: what the sender of the packet will not do any more. */
enum { VSOCK_SHUT_RECEIVE = 1, VSOCK_SHUT_SEND = 2, VSOCK_SHUT_BOTH = 3 };

struct vsock_hdr {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port;
	uint32_t len;
	uint16_t type, op;
	uint32_t flags;
	uint32_t buf_alloc, fwd_cnt;
};

/* --- Host descriptors --- */

enum vsock_fd_kind {
	VSOCK_FD_DIRECT, /* a call returns at once */
	VSOCK_FD_SOCKET, /* a call returns at once with MSG_DONTWAIT */
	VSOCK_FD_POLLED, /* a call may block: only after poll() said it won't */
};

struct vsock_fd {
	int fd; /* -EBADF: none */
	enum vsock_fd_kind kind;
};

/* Take a descriptor and find out how to use it without blocking; may replace it by one of our own. */
void vsock_fd_init(struct vsock_fd *vfd, int take_fd);
/* Bytes read, 0 at the end of file (the other side gone included), -EAGAIN, or another error. */
ssize_t vsock_fd_read(const struct vsock_fd *vfd, const struct iovec *iov, unsigned n);
/* Bytes written (> 0), -EAGAIN, or another error. */
ssize_t vsock_fd_write(const struct vsock_fd *vfd, const struct iovec *iov, unsigned n);

/* --- Streams --- */

enum stream_state {
	STREAM_OFFERED, /* waits for the guest */
	STREAM_CONNECTING, /* we asked the guest */
	STREAM_CONNECTED,
	STREAM_DRAINING, /* over for the guest; the buffer still goes to wfd */
	STREAM_ENDED, /* waits for its end to be reported */
};

/* Control packets that wait for an rx buffer, in the order they are sent. */
enum {
	PENDING_REQUEST = 1 << 0,
	PENDING_RESPONSE = 1 << 1,
	PENDING_CREDIT_UPDATE = 1 << 2,
	PENDING_CREDIT_REQUEST = 1 << 3,
	PENDING_SHUTDOWN = 1 << 4,
};

struct vsock_stream {
	struct vsock *vsock;
	enum stream_state state;
	uint32_t guest_port, host_port;
	bool privileged;
	vsock_end_fn fn;
	void *ctx;
	enum vsock_end why;

	TAILQ_ENTRY(vsock_stream) link; /* offers, streams or ended */
	LIST_ENTRY(vsock_stream) hash_link; /* while the guest can address it */
	TAILQ_ENTRY(vsock_stream) control_link; /* while pending != 0 */
	TAILQ_ENTRY(vsock_stream) ready_link; /* while ready */
	unsigned pending;
	bool ready;

	/* The same descriptor may be in both; r_open and w_open say which use of it is left. */
	struct vsock_fd rfd, wfd;
	bool r_open, w_open;
	bool r_ready, w_ready; /* worth a try: edge-triggered, cleared by -EAGAIN */
	struct loop_source *r_source, *w_source; /* NULL: always ready, or both in r_source */

	/* Guest to host. The buffer never holds more than the credit that we gave. */
	uint8_t *buf; /* VSOCK_BUF_ALLOC bytes once needed, a ring */
	size_t buf_start, buf_len;
	uint32_t fwd_cnt; /* bytes passed on */
	uint32_t told_fwd_cnt; /* as the guest knows it */
	unsigned guest_shut; /* VSOCK_SHUT_* that the guest sent */
	bool write_failed;

	/* Host to guest. */
	uint32_t tx_cnt; /* bytes sent */
	uint32_t peer_buf_alloc, peer_fwd_cnt; /* the guest's word: any value at all */
	bool credit_asked;
	unsigned our_shut; /* VSOCK_SHUT_* that we sent or will send */
	size_t batch; /* bytes to read at once */
};

TAILQ_HEAD(stream_list, vsock_stream);
LIST_HEAD(stream_bucket, vsock_stream);

/* Takes both descriptors, even on failure (-ENOMEM). The stream is in no list yet. */
int stream_new(struct vsock *v, int take_rfd, int take_wfd, vsock_end_fn fn, void *ctx,
	       struct vsock_stream **ret);
/* Out of all lists already. */
void stream_free(struct vsock_stream *s);
/* The connection stands: watch the descriptors. On failure the caller resets the stream. */
int stream_connected(struct vsock_stream *s);
/* What the guest's header says about its buffer. */
void stream_update_credit(struct vsock_stream *s, const struct vsock_hdr *hdr);
/* Bytes that the guest has room for. */
uint32_t stream_credit(const struct vsock_stream *s);
/* `len` bytes of payload, all of `iov`, which it changes. False: against the rules, reset the stream. */
bool stream_receive(struct vsock_stream *s, struct iovec *iov, unsigned n, size_t len);
/* The guest's SHUTDOWN. */
void stream_guest_shutdown(struct vsock_stream *s, unsigned flags);
/* rfd has no more. */
void stream_read_ended(struct vsock_stream *s);
/* Remember to send a control packet. */
void stream_set_pending(struct vsock_stream *s, unsigned pending);
/* Put the stream in the list of those with data, or out of it. */
void stream_update_ready(struct vsock_stream *s);
/* When both directions are over: tell the guest and end. */
void stream_check_done(struct vsock_stream *s);
/*
 * Over for the guest, which is sent `op` (RST or SHUTDOWN; 0: nothing). The buffer
 * still goes to wfd before the end is reported as `why`.
 */
void stream_detach(struct vsock_stream *s, uint16_t op, enum vsock_end why);

/* --- The device --- */

enum {
	HASH_SIZE = 256,
	/* Replies that the tx queue may cause before it rests; each live stream may add its last packet. */
	REPLIES_FROM_TX_MAX = 256,
	REPLIES_MAX = REPLIES_FROM_TX_MAX + VSOCK_STREAMS_MAX,
	RX_BATCH_CHAINS = 64,
	RX_HDR_IOV = 4,
};

struct vsock_reply {
	uint64_t src_cid;
	uint32_t src_port, dst_port;
	uint16_t op, type;
	uint32_t flags;
	uint32_t fwd_cnt; /* of the stream that it ends, if it is ours */
};

/* An rx chain that is being filled. */
struct rx_slot {
	uint16_t head;
	unsigned n_hdr; /* 0: the header's place is in vsock.chain */
	struct iovec hdr[RX_HDR_IOV];
	size_t room; /* for payload */
};

struct vsock {
	struct vdev vdev; /* first: the public handle */
	struct vsock_config config;
	bool live; /* rx and tx may be used */
	bool rx_starved; /* out of rx buffers: a kick will come */
	struct loop_source *turn; /* deferred; enabled while there is work */

	struct stream_list offers, streams, ended, control, ready;
	unsigned n_offers;
	unsigned n_streams; /* streams and ended */
	struct stream_bucket hash[HASH_SIZE]; /* connecting and connected streams, by both ports */
	uint32_t next_port; /* for virtio_vsock_connect() */

	struct vsock_reply replies[REPLIES_MAX]; /* a ring */
	unsigned replies_start, n_replies;

	/* Scratch. */
	struct vq_chain chain;
	struct rx_slot slots[RX_BATCH_CHAINS];
	struct iovec iov[VQ_CHAIN_IOV_MAX];
};

/* Have a turn soon. */
void vsock_wake(struct vsock *v);
struct vsock_stream *vsock_find(struct vsock *v, uint32_t guest_port, uint32_t host_port);
struct stream_bucket *vsock_bucket(struct vsock *v, uint32_t guest_port, uint32_t host_port);
void vsock_add_reply(struct vsock *v, const struct vsock_reply *reply);
/* The guest asks for a connection: take it, or answer RST. */
void vsock_accept(struct vsock *v, const struct vsock_hdr *hdr);

/* One step each of a turn. *more: the budget ended it. Negative: the device failed, touch nothing. */
int vsock_process_tx(struct vsock *v, bool *more);
int vsock_send_control(struct vsock *v);
int vsock_send_data(struct vsock *v, bool *more);

#endif
