/* SPDX-License-Identifier: Apache-2.0 */
/*
 * messages: reading and writing vhost-user messages.
 */
#include "vmm/vhost_user/messages.h"

#include "base/cleanup.h"
#include "base/fd.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

_Static_assert(sizeof(struct vu_header) == 12, "the header has no padding");
_Static_assert(sizeof(struct vu_vring_addr) == 40, "struct vhost_vring_addr");
_Static_assert(sizeof(struct vu_memory) == 8 + 32 * VU_REGIONS_MAX, "no padding but the named one");
_Static_assert(sizeof(struct vu_mem_reg) == 40, "no padding but the named one");

/* What each request looks like. */
struct shape {
	const char *name; /* NULL: we don't know this request */
	uint16_t size_min, size_max; /* of the payload */
	uint8_t fds_min, fds_max;
	bool replies;
	uint64_t needs;
};

#define SIZE(n) .size_min = (n), .size_max = (n)
#define FDS(n) .fds_min = (n), .fds_max = (n)

static const struct shape shapes[VU_REQUEST_END] = {
	[VU_GET_FEATURES] = { "GET_FEATURES", SIZE(0), .replies = true },
	[VU_SET_FEATURES] = { "SET_FEATURES", SIZE(8) },
	[VU_SET_OWNER] = { "SET_OWNER", SIZE(0) },
	[VU_RESET_OWNER] = { "RESET_OWNER", SIZE(0) },
	/* The back-end compares the three counts with one another. */
	[VU_SET_MEM_TABLE] = { "SET_MEM_TABLE", .size_min = 8, .size_max = sizeof(struct vu_memory),
			       .fds_max = VU_REGIONS_MAX },
	[VU_SET_VRING_NUM] = { "SET_VRING_NUM", SIZE(sizeof(struct vu_vring_state)) },
	[VU_SET_VRING_ADDR] = { "SET_VRING_ADDR", SIZE(sizeof(struct vu_vring_addr)) },
	[VU_SET_VRING_BASE] = { "SET_VRING_BASE", SIZE(sizeof(struct vu_vring_state)) },
	[VU_GET_VRING_BASE] = { "GET_VRING_BASE", SIZE(sizeof(struct vu_vring_state)), .replies = true },
	/* With or without a descriptor, as bit 8 of the payload says. */
	[VU_SET_VRING_KICK] = { "SET_VRING_KICK", SIZE(8), .fds_max = 1 },
	[VU_SET_VRING_CALL] = { "SET_VRING_CALL", SIZE(8), .fds_max = 1 },
	[VU_SET_VRING_ERR] = { "SET_VRING_ERR", SIZE(8), .fds_max = 1 },
	[VU_GET_PROTOCOL_FEATURES] = { "GET_PROTOCOL_FEATURES", SIZE(0), .replies = true },
	[VU_SET_PROTOCOL_FEATURES] = { "SET_PROTOCOL_FEATURES", SIZE(8) },
	[VU_GET_QUEUE_NUM] = { "GET_QUEUE_NUM", SIZE(0), .replies = true },
	[VU_SET_VRING_ENABLE] = { "SET_VRING_ENABLE", SIZE(sizeof(struct vu_vring_state)) },
	[VU_SET_BACKEND_REQ_FD] = { "SET_BACKEND_REQ_FD", SIZE(0), FDS(1),
				    .needs = VU_PROTOCOL_F_BACKEND_REQ },
	[VU_GET_CONFIG] = { "GET_CONFIG", .size_min = VU_CONFIG_HEADER, .size_max = sizeof(struct vu_config),
			    .replies = true, .needs = VU_PROTOCOL_F_CONFIG },
	[VU_SET_CONFIG] = { "SET_CONFIG", .size_min = VU_CONFIG_HEADER, .size_max = sizeof(struct vu_config),
			    .needs = VU_PROTOCOL_F_CONFIG },
	[VU_RESET_DEVICE] = { "RESET_DEVICE", SIZE(0) },
	[VU_GET_MAX_MEM_SLOTS] = { "GET_MAX_MEM_SLOTS", SIZE(0), .replies = true,
				   .needs = VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS },
	[VU_ADD_MEM_REG] = { "ADD_MEM_REG", SIZE(sizeof(struct vu_mem_reg)), FDS(1),
			     .needs = VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS },
	/* Old front-ends pass a descriptor, which is to be closed. */
	[VU_REM_MEM_REG] = { "REM_MEM_REG", SIZE(sizeof(struct vu_mem_reg)), .fds_max = 1,
			     .needs = VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS },
};

static const struct shape *find_shape(uint32_t request)
{
	return request < VU_REQUEST_END && shapes[request].name ? &shapes[request] : NULL;
}

const char *vu_request_name(uint32_t request)
{
	const struct shape *shape = find_shape(request);

	return shape ? shape->name : "?";
}

bool vu_request_replies(uint32_t request)
{
	const struct shape *shape = find_shape(request);

	return shape && shape->replies;
}

uint64_t vu_request_needs(uint32_t request)
{
	const struct shape *shape = find_shape(request);

	return shape ? shape->needs : 0;
}

static int violation(const char *why, const char **ret_why)
{
	*ret_why = why;
	return -EPROTO;
}

/* The header says how much follows, so nothing is read on its word before this. */
static int check_header(const struct vu_message *msg, const char **ret_why)
{
	const struct vu_header *header = &msg->header;
	const struct shape *shape;

	if ((header->flags & VU_VERSION_MASK) != VU_VERSION)
		return violation("message of another protocol version", ret_why);
	if (header->flags & ~(uint32_t)(VU_VERSION_MASK | VU_FLAG_NEED_REPLY))
		return violation("message with unknown flags or a reply", ret_why);
	shape = find_shape(header->request);
	if (!shape)
		return violation("unknown request", ret_why);
	if (header->size < shape->size_min || header->size > shape->size_max)
		return violation("payload of the wrong size", ret_why);
	if (msg->n_fds < shape->fds_min || msg->n_fds > shape->fds_max)
		return violation("wrong number of descriptors", ret_why);
	return 0;
}

/* Receive up to byte `end` of the message. 1: there. */
static int receive(struct vu_reader *reader, int sock, size_t end, const char **ret_why)
{
	struct vu_message *msg = &reader->msg;

	while (reader->got < end) {
		size_t in_payload = reader->got - sizeof(msg->header);
		void *at = reader->got < sizeof(msg->header) ? (uint8_t *)&msg->header + reader->got
							     : (uint8_t *)&msg->payload + in_payload;
		/* Descriptors come with a message's first byte: it was sent by one sendmsg(). */
		size_t max_fds = reader->got == 0 ? VU_REGIONS_MAX : 0;
		size_t n_fds = 0;
		ssize_t n = fd_recv(sock, at, end - reader->got, msg->fds, max_fds, &n_fds);

		if (n == -EAGAIN)
			return 0;
		if (n == -EPROTO)
			return violation("too many descriptors, or not at the beginning", ret_why);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return reader->got == 0 ? -ENODATA
						: violation("connection ended inside a message", ret_why);
		if (reader->got == 0)
			msg->n_fds = n_fds;
		reader->got += (size_t)n;
	}
	return 1;
}

int vu_reader_next(struct vu_reader *reader, int sock, const char **ret_why)
{
	struct vu_message *msg = &reader->msg;
	const size_t header_len = sizeof(msg->header);
	int r;

	/* The message of the last call is done with. */
	if (reader->got >= header_len && reader->got == header_len + msg->header.size)
		vu_reader_done(reader);

	r = receive(reader, sock, header_len, ret_why);
	if (r <= 0)
		return r;
	r = check_header(msg, ret_why);
	if (r < 0)
		return r;
	return receive(reader, sock, header_len + msg->header.size, ret_why);
}

void vu_reader_done(struct vu_reader *reader)
{
	for (size_t i = 0; i < reader->msg.n_fds; i++)
		close_fd(reader->msg.fds[i]);
	*reader = (struct vu_reader)VU_READER_INIT;
}

int vu_send(int sock, uint32_t request, uint32_t flags, const void *payload, uint32_t size)
{
	struct vu_header header = {
		.request = request,
		.flags = VU_VERSION | flags,
		.size = size,
	};
	struct iovec iov[] = {
		{ .iov_base = &header, .iov_len = sizeof(header) },
		{ .iov_base = (void *)payload, .iov_len = size },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = size ? 2 : 1 };
	ssize_t n;

	do {
		n = sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	/* A unix stream takes this little whole or not at all. */
	return (size_t)n == sizeof(header) + size ? 0 : -EIO;
}
