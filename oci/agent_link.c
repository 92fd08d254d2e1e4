/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent_link: the frames of the agent protocol over a non-blocking stream.
 *
 * A frame is judged by its header as soon as that is there: type, reserved
 * fields and size, so a peer can't make us collect bytes that nobody wants. The
 * buffer grows with the bytes that came, not with the size that was announced.
 *
 * One read() a call: under a level-triggered loop a peer that floods us does not
 * keep the loop from its other sources.
 */
#include "base/cleanup.h"
#include "base/fd.h"
#include "oci/agent_proto.h"

#include <linux/filter.h>
#include <string.h>
#include <sys/socket.h>

enum {
	READ_SIZE = 64 << 10,
	OUT_MAX = 64 << 20, /* a peer that doesn't read: its link fails rather than our memory */
};

struct bytes {
	uint8_t *data;
	size_t start, len, cap; /* `len` bytes from `start` on */
};

struct agent_link {
	int fd;
	size_t max_in;
	const struct agent_link_handlers *handlers;
	void *ctx;
	int failed; /* the negative errno that ended it */
	struct bytes in, out;
};

/* Room for `more` bytes behind the present ones. */
static int bytes_reserve(struct bytes *b, size_t more)
{
	uint8_t *data;
	size_t cap;

	if (b->cap - b->start - b->len >= more)
		return 0;
	if (b->start) {
		memmove(b->data, b->data + b->start, b->len);
		b->start = 0;
		if (b->cap - b->len >= more)
			return 0;
	}
	cap = (b->len + more) + (b->len + more) / 2;
	data = realloc(b->data, cap);
	if (!data)
		return -ENOMEM;
	b->data = data;
	b->cap = cap;
	return 0;
}

static void bytes_consume(struct bytes *b, size_t n)
{
	b->start += n;
	b->len -= n;
	if (b->len)
		return;
	b->start = 0;
	/* A large frame (CREATE, a seccomp program) comes once: its memory is not kept. */
	if (b->cap > 2 * READ_SIZE) {
		free(b->data);
		*b = (struct bytes){ 0 };
	}
}

/* The sizes that a payload of this type may have; false for an unknown type. */
static bool payload_fits(unsigned type, size_t len)
{
	size_t insns;

	switch (type) {
	case AGENT_MSG_SECCOMP:
		if (len < sizeof(le32) || (len - sizeof(le32)) % sizeof(struct sock_filter))
			return false;
		insns = (len - sizeof(le32)) / sizeof(struct sock_filter);
		return insns && insns <= BPF_MAXINSNS;
	case AGENT_MSG_CREATE:
	case AGENT_MSG_EXEC:
	case AGENT_MSG_UPDATE:
		return len > 0;
	case AGENT_MSG_START:
	case AGENT_MSG_SYNC:
	case AGENT_MSG_PS:
	case AGENT_MSG_STATS:
	case AGENT_MSG_DEVICES:
	case AGENT_MSG_SYNCED:
		return len == 0;
	case AGENT_MSG_CREATED:
	case AGENT_MSG_STARTED:
		return len == 0 || len == sizeof(le64);
	case AGENT_MSG_CLOCK:
		return len == sizeof(le64);
	case AGENT_MSG_SIGNAL:
		return len == sizeof(struct agent_signal);
	case AGENT_MSG_PROC:
		return len == sizeof(struct agent_proc);
	case AGENT_MSG_RESIZE:
		return len == sizeof(struct agent_winsize);
	case AGENT_MSG_HELLO:
		/* Only of our version is the rest known: whoever reads the version checks it. */
		return len >= sizeof(le32);
	case AGENT_MSG_FAILED:
		return len >= sizeof(struct agent_failed);
	case AGENT_MSG_EXITED:
		return len == sizeof(struct agent_exited);
	case AGENT_MSG_ANSWER:
		return len >= sizeof(struct agent_answer);
	case AGENT_MSG_OPEN:
		return len == sizeof(struct agent_open);
	case AGENT_MSG_OPENED:
		return len == sizeof(struct agent_opened);
	case AGENT_MSG_OOM:
		return len == sizeof(struct agent_oom);
	case AGENT_MSG_LOG:
	case AGENT_MSG_PS_LIST:
		return true;
	default:
		return false;
	}
}

int agent_link_new(int take_fd, size_t max_in, const struct agent_link_handlers *handlers, void *ctx,
		   struct agent_link **ret)
{
	_cleanup_close_ int fd = take_fd;
	struct agent_link *link;
	int r;

	r = fd_set_nonblock(fd, true);
	if (r < 0)
		return r;
	link = calloc(1, sizeof(*link));
	if (!link)
		return -ENOMEM;
	link->fd = TAKE_FD(fd);
	link->max_in = max_in;
	link->handlers = handlers;
	link->ctx = ctx;
	*ret = link;
	return 0;
}

void agent_link_free(struct agent_link *link)
{
	if (!link)
		return;
	close_fd(link->fd);
	free(link->in.data);
	free(link->out.data);
	free(link);
}

int agent_link_fd(const struct agent_link *link)
{
	return link->fd;
}

bool agent_link_wants_write(const struct agent_link *link)
{
	return !link->failed && link->out.len > 0;
}

static int fail(struct agent_link *link, int r)
{
	link->failed = r;
	return r;
}

/* No SIGPIPE where the stream is a socket; a pipe's writer has to ignore the signal itself. */
static ssize_t write_some(int fd, const void *buf, size_t len)
{
	ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);

	if (n < 0 && errno == ENOTSOCK)
		n = write(fd, buf, len);
	return n;
}

int agent_link_on_writable(struct agent_link *link)
{
	if (link->failed)
		return link->failed;
	while (link->out.len) {
		ssize_t n = write_some(link->fd, link->out.data + link->out.start, link->out.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return fail(link, -errno);
		bytes_consume(&link->out, n);
	}
	return 0;
}

int agent_link_send(struct agent_link *link, enum agent_msg type, uint32_t process, const void *payload,
		    size_t len)
{
	struct agent_frame frame = {
		.len = le32_make(len),
		.type = le16_make(type),
		.process = le32_make(process),
	};
	int r;

	if (link->failed)
		return -EPIPE;
	if (len > AGENT_FRAME_MAX_TO_GUEST)
		return -EMSGSIZE;
	if (link->out.len + sizeof(frame) + len > OUT_MAX) {
		fail(link, -ENOBUFS);
		return -EPIPE;
	}
	r = bytes_reserve(&link->out, sizeof(frame) + len);
	if (r < 0)
		return r;
	memcpy(link->out.data + link->out.start + link->out.len, &frame, sizeof(frame));
	link->out.len += sizeof(frame);
	if (len)
		memcpy(link->out.data + link->out.start + link->out.len, payload, len);
	link->out.len += len;
	return agent_link_on_writable(link) < 0 ? -EPIPE : 0;
}

/* Hand over the whole frames that are in the buffer. */
static int dispatch(struct agent_link *link)
{
	while (link->in.len >= sizeof(struct agent_frame)) {
		const uint8_t *data = link->in.data + link->in.start;
		struct agent_frame frame;
		size_t len;
		int r;

		memcpy(&frame, data, sizeof(frame));
		len = le32_get(frame.len);
		if (le16_get(frame.reserved) || le32_get(frame.reserved2) || len > link->max_in ||
		    !payload_fits(le16_get(frame.type), len))
			return -EPROTO;
		if (link->in.len - sizeof(frame) < len)
			return 0;
		r = link->handlers->frame(link->ctx, le16_get(frame.type), le32_get(frame.process),
					  data + sizeof(frame), len);
		if (r < 0)
			return r;
		bytes_consume(&link->in, sizeof(frame) + len);
	}
	return 0;
}

int agent_link_on_readable(struct agent_link *link)
{
	ssize_t n;
	int r;

	if (link->failed)
		return link->failed;
	r = bytes_reserve(&link->in, READ_SIZE);
	if (r < 0)
		return fail(link, r);
	n = read(link->fd, link->in.data + link->in.start + link->in.len, READ_SIZE);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return fail(link, -errno);
	if (n == 0)
		return fail(link, -ENODATA);
	link->in.len += n;
	r = dispatch(link);
	return r < 0 ? fail(link, r) : 0;
}
