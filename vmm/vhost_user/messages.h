/* SPDX-License-Identifier: Apache-2.0 */
/*
 * messages: the vhost-user wire format (QEMU, docs/interop/vhost-user.rst), one
 * message at a time, as the back-end sees it.
 *
 * A reader collects a message from a non-blocking socket in as many steps as the
 * front-end likes to take, and gives it out only when its shape is right: header
 * flags, payload size and number of descriptors for this request. What the
 * fields mean is the back-end's business. Numbers are in the host's byte order.
 */
#ifndef VRUN_VMM_VHOST_USER_MESSAGES_H
#define VRUN_VMM_VHOST_USER_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vu_request {
	VU_GET_FEATURES = 1,
	VU_SET_FEATURES = 2,
	VU_SET_OWNER = 3,
	VU_RESET_OWNER = 4,
	VU_SET_MEM_TABLE = 5,
	VU_SET_VRING_NUM = 8,
	VU_SET_VRING_ADDR = 9,
	VU_SET_VRING_BASE = 10,
	VU_GET_VRING_BASE = 11,
	VU_SET_VRING_KICK = 12,
	VU_SET_VRING_CALL = 13,
	VU_SET_VRING_ERR = 14,
	VU_GET_PROTOCOL_FEATURES = 15,
	VU_SET_PROTOCOL_FEATURES = 16,
	VU_GET_QUEUE_NUM = 17,
	VU_SET_VRING_ENABLE = 18,
	VU_SET_BACKEND_REQ_FD = 21,
	VU_GET_CONFIG = 24,
	VU_SET_CONFIG = 25,
	VU_RESET_DEVICE = 34,
	VU_GET_MAX_MEM_SLOTS = 36,
	VU_ADD_MEM_REG = 37,
	VU_REM_MEM_REG = 38,
	VU_REQUEST_END,
};

/* What the back-end may ask of the front-end. */
enum { VU_BACKEND_CONFIG_CHANGE = 2 };

/* Feature bit 30 of GET_FEATURES: the protocol features below exist, and rings begin disabled. */
#define VU_F_PROTOCOL_FEATURES (1ULL << 30)

#define VU_PROTOCOL_F_MQ (1ULL << 0)
#define VU_PROTOCOL_F_REPLY_ACK (1ULL << 3)
#define VU_PROTOCOL_F_BACKEND_REQ (1ULL << 5)
#define VU_PROTOCOL_F_CONFIG (1ULL << 9)
#define VU_PROTOCOL_F_RESET_DEVICE (1ULL << 13)
#define VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS (1ULL << 15)

enum {
	VU_VERSION = 1, /* bits 0 and 1 of the header's flags */
	VU_VERSION_MASK = 3,
	VU_FLAG_REPLY = 1 << 2,
	VU_FLAG_NEED_REPLY = 1 << 3,
};

enum {
	VU_REGIONS_MAX = 8, /* in one SET_MEM_TABLE */
	VU_CONFIG_MAX = 256, /* bytes of configuration space */
	/* SET_VRING_KICK, CALL, ERR */
	VU_VRING_INDEX_MASK = 0xff,
	VU_VRING_NO_FD = 1 << 8,
};

struct vu_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload */
};

struct vu_vring_state {
	uint32_t index;
	uint32_t num;
};

struct vu_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc; /* front-end virtual addresses */
	uint64_t used;
	uint64_t avail;
	uint64_t log;
};

struct vu_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t user_addr;
	uint64_t mmap_offset; /* of the region in its descriptor's file */
};

struct vu_memory {
	uint32_t n_regions;
	uint32_t padding;
	struct vu_region regions[VU_REGIONS_MAX];
};

struct vu_mem_reg {
	uint64_t padding;
	struct vu_region region;
};

struct vu_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t bytes[VU_CONFIG_MAX];
};

enum { VU_CONFIG_HEADER = offsetof(struct vu_config, bytes) };

union vu_payload {
	uint64_t u64;
	struct vu_vring_state state;
	struct vu_vring_addr addr;
	struct vu_memory memory;
	struct vu_mem_reg mem_reg;
	struct vu_config config;
};

struct vu_message {
	struct vu_header header;
	union vu_payload payload;
	int fds[VU_REGIONS_MAX]; /* the reader's; take one by TAKE_FD() */
	size_t n_fds;
};

struct vu_reader {
	struct vu_message msg;
	size_t got; /* bytes of header and payload */
};

#define VU_READER_INIT                                                                                       \
	{                                                                                                    \
		.got = 0                                                                                     \
	}

/*
 * 1: reader->msg is a whole message of a known request and the right shape, until the next call;
 * 0: the rest has not come yet; -ENODATA: end of file between messages; -EPROTO: *ret_why (static
 * text) says what is wrong; other errors as recvmsg().
 */
int vu_reader_next(struct vu_reader *reader, int sock, const char **ret_why);
/* Close the descriptors that nobody took. */
void vu_reader_done(struct vu_reader *reader);

/* "SET_VRING_NUM"; "?" for an unknown one. */
const char *vu_request_name(uint32_t request);
/* True for the requests that have a reply of their own, so that REPLY_ACK adds none. */
bool vu_request_replies(uint32_t request);
/* The protocol feature that must have been negotiated for it, or 0. */
uint64_t vu_request_needs(uint32_t request);

/*
 * Send one message without waiting. -EAGAIN when the peer doesn't read: a message
 * is never sent in part.
 */
int vu_send(int sock, uint32_t request, uint32_t flags, const void *payload, uint32_t size);

#endif
