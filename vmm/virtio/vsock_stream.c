/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock_stream: one stream: its descriptors, its buffer towards the host, the
 * credit both ways (virtio 1.2 §5.10.6.3), and how it ends.
 *
 * Nothing here touches a queue; control packets are only noted, and ends are
 * reported in the device's next turn, so that no caller below finds its
 * stream freed.
 *
 * How a stream ends, so that Linux does not keep a closed socket for 8 seconds
 * (virtio_transport_close() waits for RST or a SHUTDOWN of both): the guest's
 * SHUTDOWN of both is answered with RST at once, as all its data came before it.
 * When the two directions ended one by one, our last packet is a SHUTDOWN of
 * both: the guest may still have data to read, which RST would not take from
 * it either, but a SHUTDOWN promises it.
 */
#include "vmm/virtio/vsock_internal.h"

#include "base/cleanup.h"
#include "base/loop.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

/* Read this much when nothing is known yet: one page-sized rx buffer. */
enum { BATCH_MIN = 4 << 10 };

int stream_new(struct vsock *v, int take_rfd, int take_wfd, vsock_end_fn fn, void *ctx,
	       struct vsock_stream **ret)
{
	struct vsock_stream *s = calloc(1, sizeof(*s));

	if (!s) {
		close_fd(take_rfd);
		if (take_wfd != take_rfd)
			close_fd(take_wfd);
		return -ENOMEM;
	}
	s->vsock = v;
	s->fn = fn;
	s->ctx = ctx;
	s->batch = BATCH_MIN;
	vsock_fd_init(&s->rfd, take_rfd);
	if (take_wfd == take_rfd)
		s->wfd = s->rfd;
	else
		vsock_fd_init(&s->wfd, take_wfd);
	s->r_open = take_rfd >= 0;
	s->w_open = take_wfd >= 0;
	*ret = s;
	return 0;
}

static bool one_descriptor(const struct vsock_stream *s)
{
	return s->rfd.fd == s->wfd.fd;
}

static void close_read(struct vsock_stream *s)
{
	if (!s->r_open)
		return;
	s->r_open = false;
	if (one_descriptor(s) && s->w_open) {
		/* Its other end learns that nobody reads; a terminal has no such thing. */
		if (s->rfd.kind == VSOCK_FD_SOCKET)
			(void)shutdown(s->rfd.fd, SHUT_RD);
		return;
	}
	loop_remove(TAKE_PTR(s->r_source));
	if (one_descriptor(s))
		s->wfd.fd = -EBADF;
	s->rfd.fd = close_fd(s->rfd.fd);
}

static void close_write(struct vsock_stream *s)
{
	if (!s->w_open)
		return;
	s->w_open = false;
	if (one_descriptor(s) && s->r_open) {
		if (s->wfd.kind == VSOCK_FD_SOCKET)
			(void)shutdown(s->wfd.fd, SHUT_WR);
		return;
	}
	loop_remove(TAKE_PTR(s->w_source));
	if (one_descriptor(s)) {
		loop_remove(TAKE_PTR(s->r_source));
		s->rfd.fd = -EBADF;
	}
	s->wfd.fd = close_fd(s->wfd.fd);
}

void stream_free(struct vsock_stream *s)
{
	close_read(s);
	close_write(s);
	free(s->buf);
	free(s);
}

/* --- Ending --- */

static void end_stream(struct vsock_stream *s)
{
	struct vsock *v = s->vsock;

	if (s->why == VSOCK_END_CLOSED && s->write_failed)
		s->why = VSOCK_END_ERROR;
	s->state = STREAM_ENDED;
	TAILQ_REMOVE(&v->streams, s, link);
	TAILQ_INSERT_TAIL(&v->ended, s, link);
	close_read(s);
	close_write(s);
	vsock_wake(v);
}

void stream_detach(struct vsock_stream *s, uint16_t op, enum vsock_end why)
{
	struct vsock *v = s->vsock;

	if (s->state != STREAM_CONNECTING && s->state != STREAM_CONNECTED)
		return;
	if (op)
		vsock_add_reply(v, &(struct vsock_reply){
					   .src_cid = VSOCK_HOST_CID,
					   .src_port = s->host_port,
					   .dst_port = s->guest_port,
					   .op = op,
					   .type = VSOCK_TYPE_STREAM,
					   .flags = op == VSOCK_OP_SHUTDOWN ? VSOCK_SHUT_BOTH : 0,
					   .fwd_cnt = s->fwd_cnt,
				   });
	LIST_REMOVE(s, hash_link);
	if (s->pending)
		TAILQ_REMOVE(&v->control, s, control_link);
	s->pending = 0;
	s->state = STREAM_DRAINING;
	s->why = why;
	close_read(s);
	stream_update_ready(s);
	if (s->buf_len == 0)
		end_stream(s);
}

void stream_check_done(struct vsock_stream *s)
{
	if (s->state == STREAM_DRAINING && s->buf_len == 0)
		end_stream(s);
	/* A connecting guest must see our RESPONSE before anything else. */
	if (s->state != STREAM_CONNECTED || (s->pending & PENDING_RESPONSE))
		return;
	if (s->guest_shut == VSOCK_SHUT_BOTH)
		stream_detach(s, VSOCK_OP_RST, VSOCK_END_CLOSED);
	else if (!s->r_open && !s->w_open)
		stream_detach(s, VSOCK_OP_SHUTDOWN, VSOCK_END_CLOSED);
}

static void shut(struct vsock_stream *s, unsigned flags)
{
	s->our_shut |= flags;
	if (s->state == STREAM_CONNECTED)
		stream_set_pending(s, PENDING_SHUTDOWN);
}

void stream_read_ended(struct vsock_stream *s)
{
	close_read(s);
	stream_update_ready(s);
	shut(s, VSOCK_SHUT_SEND);
	stream_check_done(s);
}

void stream_guest_shutdown(struct vsock_stream *s, unsigned flags)
{
	s->guest_shut |= flags;
	if (s->guest_shut & VSOCK_SHUT_RECEIVE) {
		close_read(s);
		stream_update_ready(s);
	}
	if ((s->guest_shut & VSOCK_SHUT_SEND) && s->buf_len == 0)
		close_write(s);
	stream_check_done(s);
}

/* --- Towards the host --- */

/* `len` bytes are no longer ours to keep. */
static void forwarded(struct vsock_stream *s, size_t len)
{
	s->fwd_cnt += (uint32_t)len;
	/*
	 * At half the buffer: the guest still has the other half to send while our
	 * word is on its way, and there is one such packet for two of its largest.
	 */
	if (s->fwd_cnt - s->told_fwd_cnt >= VSOCK_BUF_ALLOC / 2 && s->state == STREAM_CONNECTED &&
	    !(s->guest_shut & VSOCK_SHUT_SEND))
		stream_set_pending(s, PENDING_CREDIT_UPDATE);
}

static void write_failed(struct vsock_stream *s)
{
	s->write_failed = true;
	forwarded(s, s->buf_len);
	s->buf_len = 0;
	close_write(s);
	if (!(s->guest_shut & VSOCK_SHUT_SEND))
		shut(s, VSOCK_SHUT_RECEIVE);
	stream_check_done(s);
}

static void buffer_write(struct vsock_stream *s, const struct iovec *iov, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *from = iov[i].iov_base;
		size_t len = iov[i].iov_len;

		while (len > 0) {
			size_t end = (s->buf_start + s->buf_len) % VSOCK_BUF_ALLOC;
			size_t part = VSOCK_BUF_ALLOC - end;

			if (part > len)
				part = len;
			memcpy(s->buf + end, from, part);
			s->buf_len += part;
			from += part;
			len -= part;
		}
	}
}

/* Write the buffer out as far as the descriptor takes it. */
static void flush_buffer(struct vsock_stream *s)
{
	while (s->buf_len > 0 && s->w_open && s->w_ready) {
		size_t first = VSOCK_BUF_ALLOC - s->buf_start;
		struct iovec iov[2] = {
			{ s->buf + s->buf_start, first < s->buf_len ? first : s->buf_len },
			{ s->buf, first < s->buf_len ? s->buf_len - first : 0 },
		};
		ssize_t n = vsock_fd_write(&s->wfd, iov, iov[1].iov_len ? 2 : 1);

		if (n == -EAGAIN) {
			s->w_ready = false;
			return;
		}
		if (n < 0) {
			write_failed(s);
			return;
		}
		s->buf_start = (s->buf_start + (size_t)n) % VSOCK_BUF_ALLOC;
		s->buf_len -= (size_t)n;
		forwarded(s, (size_t)n);
	}
	if (s->buf_len > 0)
		return;
	s->buf_start = 0;
	if (s->guest_shut & VSOCK_SHUT_SEND)
		close_write(s);
	stream_check_done(s);
}

/* Drop the first `len` bytes of *iov. */
static void advance(struct iovec **iov, unsigned *n, size_t len)
{
	while (*n > 0 && len >= (*iov)->iov_len) {
		len -= (*iov)->iov_len;
		(*iov)++;
		(*n)--;
	}
	if (*n > 0) {
		(*iov)->iov_base = (uint8_t *)(*iov)->iov_base + len;
		(*iov)->iov_len -= len;
	}
}

bool stream_receive(struct vsock_stream *s, struct iovec *iov, unsigned n, size_t len)
{
	/* What waits in the buffer is all that the guest was not given back yet. */
	if ((s->guest_shut & VSOCK_SHUT_SEND) || len > VSOCK_BUF_ALLOC - s->buf_len)
		return false;
	while (len > 0 && s->buf_len == 0 && s->w_open && s->w_ready) {
		ssize_t written = vsock_fd_write(&s->wfd, iov, n);

		if (written == -EAGAIN) {
			s->w_ready = false;
		} else if (written < 0) {
			write_failed(s);
		} else {
			advance(&iov, &n, (size_t)written);
			len -= (size_t)written;
			forwarded(s, (size_t)written);
		}
	}
	if (len == 0)
		return true;
	if (!s->w_open) {
		/* Nobody reads any more; the guest was told, or will be. */
		forwarded(s, len);
		return true;
	}
	if (!s->buf)
		s->buf = malloc(VSOCK_BUF_ALLOC);
	if (!s->buf)
		return false;
	buffer_write(s, iov, n);
	return true;
}

/* --- Towards the guest --- */

void stream_update_credit(struct vsock_stream *s, const struct vsock_hdr *hdr)
{
	s->peer_buf_alloc = hdr->buf_alloc;
	s->peer_fwd_cnt = hdr->fwd_cnt;
	if (stream_credit(s) > 0)
		s->credit_asked = false;
	stream_update_ready(s);
}

uint32_t stream_credit(const struct vsock_stream *s)
{
	uint32_t in_flight = s->tx_cnt - s->peer_fwd_cnt;

	/*
	 * A buffer that shrank, or a count from the future: none, until the guest
	 * says better. A lie costs us nothing, as nothing is kept for the guest.
	 */
	return in_flight < s->peer_buf_alloc ? s->peer_buf_alloc - in_flight : 0;
}

void stream_update_ready(struct vsock_stream *s)
{
	struct vsock *v = s->vsock;
	bool has_data = s->state == STREAM_CONNECTED && s->r_open && s->r_ready;
	bool ready = has_data && stream_credit(s) > 0;

	if (has_data && !ready && !s->credit_asked) {
		/* Once per stall: a guest need not tell by itself. */
		s->credit_asked = true;
		stream_set_pending(s, PENDING_CREDIT_REQUEST);
	}
	if (ready == s->ready)
		return;
	s->ready = ready;
	if (ready) {
		TAILQ_INSERT_TAIL(&v->ready, s, ready_link);
		vsock_wake(v);
	} else {
		TAILQ_REMOVE(&v->ready, s, ready_link);
	}
}

void stream_set_pending(struct vsock_stream *s, unsigned pending)
{
	if (!s->pending)
		TAILQ_INSERT_TAIL(&s->vsock->control, s, control_link);
	s->pending |= pending;
	vsock_wake(s->vsock);
}

/* --- Descriptors --- */

static void on_ready(void *ctx, int fd, uint32_t events)
{
	struct vsock_stream *s = ctx;

	if (s->r_open && fd == s->rfd.fd && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
		s->r_ready = true;
		stream_update_ready(s);
	}
	if (s->w_open && fd == s->wfd.fd && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))) {
		s->w_ready = true;
		if (s->buf_len > 0)
			flush_buffer(s);
	}
}

/*
 * Edge-triggered: a descriptor that we leave alone for lack of credit would be
 * reported again and again otherwise, its hang-up even with no event asked for.
 */
static int watch(struct vsock_stream *s, int fd, uint32_t events, struct loop_source **ret)
{
	int r = loop_add_fd(s->vsock->vdev.loop, fd, events | EPOLLET, on_ready, s, ret);

	return r == -EPERM ? 0 : r; /* a file: always ready */
}

int stream_connected(struct vsock_stream *s)
{
	int r = 0;

	s->state = STREAM_CONNECTED;
	if (s->r_open || s->w_open) {
		if (one_descriptor(s)) {
			r = watch(s, s->rfd.fd, EPOLLIN | EPOLLOUT, &s->r_source);
		} else {
			if (s->r_open)
				r = watch(s, s->rfd.fd, EPOLLIN, &s->r_source);
			if (r == 0 && s->w_open)
				r = watch(s, s->wfd.fd, EPOLLOUT, &s->w_source);
		}
	}
	if (r < 0)
		return r;
	s->r_ready = s->r_open;
	s->w_ready = s->w_open;
	if (!s->r_open)
		shut(s, VSOCK_SHUT_SEND);
	if (!s->w_open)
		shut(s, VSOCK_SHUT_RECEIVE);
	stream_update_ready(s);
	stream_check_done(s);
	return 0;
}
