/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backend: the connection to one front-end, and what each message does. The
 * rings' states and the device's start and stop are rings.c's.
 */
#include "vmm/vhost_user/backend.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "vmm/vhost_user/memory.h"
#include "vmm/vhost_user/messages.h"
#include "vmm/vhost_user/rings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define OFFERED_PROTOCOL_FEATURES                                                                            \
	(VU_PROTOCOL_F_MQ | VU_PROTOCOL_F_REPLY_ACK | VU_PROTOCOL_F_BACKEND_REQ | VU_PROTOCOL_F_CONFIG |     \
	 VU_PROTOCOL_F_RESET_DEVICE | VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS)

/* Messages handled before the loop's other sources get their turn. */
enum { BURST_MAX = 64 };

struct vhost_user {
	struct loop *loop;
	struct vdev *dev;
	struct vhost_user_config config;
	int sock;
	struct loop_source *source;
	struct loop_source *drop; /* ends the connection outside of the device's own call */
	struct vu_reader reader;
	struct rings rings;
	uint64_t protocol_features; /* negotiated */
	int request_sock; /* SET_BACKEND_REQ_FD, or -EBADF */
	const char *why; /* the front-end's violation, static text */
	char device_why[160]; /* the guest's, as the device tells it */
};

static int refuse(struct vhost_user *backend, int code, const char *why)
{
	backend->why = why;
	return code;
}

/* The device is stopped and the line logged before anybody hears of it. */
static void close_connection(struct vhost_user *backend, const char *why)
{
	rings_halt(&backend->rings);
	loop_remove(TAKE_PTR(backend->source));
	loop_remove(TAKE_PTR(backend->drop));
	backend->sock = close_fd(backend->sock);
	if (why)
		LOG_RATELIMITED(LOG_LEVEL_WARN, "%s: vhost-user connection dropped: %s", backend->dev->tag,
				why);
	if (backend->config.closed)
		backend->config.closed(backend->config.ctx, why);
}

static void on_drop(void *ctx)
{
	struct vhost_user *backend = ctx;

	close_connection(backend, backend->device_why);
}

/* The device's own complaint. We may be below its kick handler: stop it from the loop. */
static void device_failed(void *host, struct vdev *dev, const char *why)
{
	struct vhost_user *backend = host;

	(void)dev;
	if (backend->sock < 0 || backend->drop)
		return;
	snprintf(backend->device_why, sizeof(backend->device_why), "%s", why);
	rings_signal_error(&backend->rings);
	if (loop_add_defer(backend->loop, on_drop, backend, &backend->drop) < 0)
		/* The front-end hears nothing more, and finds the device dead. */
		loop_remove(TAKE_PTR(backend->source));
}

static void device_config_changed(void *host, struct vdev *dev)
{
	struct vhost_user *backend = host;
	int r;

	if (backend->request_sock < 0)
		return;
	/* -EAGAIN: the front-end hasn't read the last such message, and will read the newest bytes then. */
	r = vu_send(backend->request_sock, VU_BACKEND_CONFIG_CHANGE, 0, NULL, 0);
	if (r < 0 && r != -EAGAIN)
		log_debug("%s: config change not announced: %s", dev->tag, strerror(-r));
}

static const struct vdev_host_ops host_ops = {
	.failed = device_failed,
	.config_changed = device_config_changed,
};

/* --- Messages: 0, or -errno with backend->why --- */

static int reply(struct vhost_user *backend, const void *payload, uint32_t size)
{
	int r = vu_send(backend->sock, backend->reader.msg.header.request, VU_FLAG_REPLY, payload, size);

	return r < 0 ? refuse(backend, r, "front-end doesn't take its replies") : 0;
}

static int reply_u64(struct vhost_user *backend, uint64_t value)
{
	return reply(backend, &value, sizeof(value));
}

static int set_features(struct vhost_user *backend, uint64_t features)
{
	struct rings *rings = &backend->rings;

	if (features & ~(backend->dev->features | VU_F_PROTOCOL_FEATURES))
		return refuse(backend, -EINVAL, "features that were not offered");
	if (rings->has_features && rings->features == features)
		return 0;
	rings_halt(rings);
	rings->features = features;
	rings->has_features = true;
	return 0;
}

static uint64_t offered_protocol_features(const struct vhost_user *backend)
{
	if (backend->config.network)
		return OFFERED_PROTOCOL_FEATURES &
		       ~(VU_PROTOCOL_F_CONFIG | VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS);
	return OFFERED_PROTOCOL_FEATURES;
}

static int set_protocol_features(struct vhost_user *backend, uint64_t features)
{
	if (features & ~offered_protocol_features(backend))
		return refuse(backend, -EINVAL, "protocol features that were not offered");
	backend->protocol_features = features;
	return 0;
}

static int add_region(struct vhost_user *backend, struct guest_mem *mem, const struct vu_region *region,
		      int fd)
{
	struct guest_mem_region mapped;
	struct guest_mem one = GUEST_MEM_INIT;
	int r;

	r = vu_memory_map(region, fd, backend->config.sealed_memory, &mapped, &backend->why);
	if (r < 0)
		return r;
	r = guest_mem_add(mem, &mapped);
	if (r == 0)
		return 0;
	/* Not in a table yet: unmap it through one of its own. */
	if (guest_mem_add(&one, &mapped) == 0)
		guest_mem_done(&one);
	return refuse(backend, r, r == -ENOSPC ? "too many memory regions" : "memory regions overlap");
}

static int set_mem_table(struct vhost_user *backend, struct vu_message *msg)
{
	const struct vu_memory *memory = &msg->payload.memory;
	uint32_t n = memory->n_regions;
	struct guest_mem mem = GUEST_MEM_INIT;

	if (n > VU_REGIONS_MAX || msg->n_fds != n ||
	    msg->header.size != offsetof(struct vu_memory, regions) + n * sizeof(memory->regions[0]))
		return refuse(backend, -EINVAL, "memory table with the wrong number of regions");
	for (uint32_t i = 0; i < n; i++) {
		int r = add_region(backend, &mem, &memory->regions[i], msg->fds[i]);

		if (r < 0) {
			guest_mem_done(&mem);
			return r;
		}
	}
	rings_halt(&backend->rings);
	guest_mem_done(&backend->rings.mem);
	backend->rings.mem = mem;
	return 0;
}

static int add_mem_reg(struct vhost_user *backend, const struct vu_message *msg)
{
	rings_halt(&backend->rings);
	return add_region(backend, &backend->rings.mem, &msg->payload.mem_reg.region, msg->fds[0]);
}

static int rem_mem_reg(struct vhost_user *backend, const struct vu_region *region)
{
	struct guest_mem *mem = &backend->rings.mem;

	for (unsigned i = 0; i < mem->n_regions; i++) {
		if (mem->regions[i].gpa != region->gpa || mem->regions[i].size != region->size ||
		    mem->regions[i].user_addr != region->user_addr)
			continue;
		rings_halt(&backend->rings);
		return guest_mem_remove(mem, region->gpa, region->size);
	}
	return refuse(backend, -ENOENT, "removal of a memory region that is not there");
}

static int get_config(struct vhost_user *backend, const struct vu_message *msg)
{
	const struct vdev *dev = backend->dev;
	struct vu_config config = msg->payload.config;
	uint32_t end;

	if (msg->header.size != VU_CONFIG_HEADER + config.size ||
	    __builtin_add_overflow(config.offset, config.size, &end))
		return refuse(backend, -EINVAL, "config access of the wrong size");
	if (end > VU_CONFIG_MAX)
		return reply(backend, NULL, 0); /* how an error is said */
	/* A front-end may know more fields than the device has: these are zero, as on PCI. */
	memset(config.bytes, 0, sizeof(config.bytes));
	if (config.offset < dev->config_len) {
		size_t left = dev->config_len - config.offset;

		memcpy(config.bytes, dev->config + config.offset, config.size < left ? config.size : left);
	}
	return reply(backend, &config, VU_CONFIG_HEADER + config.size);
}

/* *ret_nack: nothing was written, and a REPLY_ACK says so. */
static int set_config(struct vhost_user *backend, const struct vu_message *msg, bool *ret_nack)
{
	struct vdev *dev = backend->dev;
	const struct vu_config *config = &msg->payload.config;
	uint32_t end;

	if (msg->header.size != VU_CONFIG_HEADER + config->size ||
	    __builtin_add_overflow(config->offset, config->size, &end))
		return refuse(backend, -EINVAL, "config access of the wrong size");
	if (!dev->ops->config_written || end > dev->config_len || config->size == 0) {
		*ret_nack = true;
		return 0;
	}
	memcpy(dev->config + config->offset, config->bytes, config->size);
	dev->ops->config_written(dev, config->offset, config->size);
	return 0;
}

static int set_request_sock(struct vhost_user *backend, struct vu_message *msg)
{
	int fd = msg->fds[0], type;
	socklen_t len = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM)
		return refuse(backend, -EINVAL, "back-end request descriptor is no stream socket");
	close_fd(backend->request_sock);
	backend->request_sock = TAKE_FD(msg->fds[0]);
	return 0;
}

/* SET_VRING_KICK, CALL and ERR: index and flag in one number, the descriptor beside it. */
static int set_vring_fd(struct vhost_user *backend, struct vu_message *msg,
			int (*set)(struct rings *, unsigned, int, const char **))
{
	uint64_t value = msg->payload.u64;
	size_t n_fds = value & VU_VRING_NO_FD ? 0 : 1;
	unsigned index = (unsigned)(value & VU_VRING_INDEX_MASK);

	if (value & ~(uint64_t)(VU_VRING_INDEX_MASK | VU_VRING_NO_FD))
		return refuse(backend, -EINVAL, "ring descriptor with unknown flags");
	if (msg->n_fds != n_fds)
		return refuse(backend, -EINVAL, "wrong number of descriptors");
	if (index >= backend->rings.n)
		return refuse(backend, -EINVAL, "ring index out of range");
	return set(&backend->rings, index, n_fds ? TAKE_FD(msg->fds[0]) : -EBADF, &backend->why);
}

/* The messages whose payload begins with a ring's index. */
static int handle_vring(struct vhost_user *backend, const struct vu_message *msg)
{
	struct vu_vring_state state = msg->payload.state;
	struct rings *rings = &backend->rings;
	const char **why = &backend->why;

	if (state.index >= rings->n)
		return refuse(backend, -EINVAL, "ring index out of range");
	switch (msg->header.request) {
	case VU_SET_VRING_NUM:
		return rings_set_size(rings, state.index, state.num, why);
	case VU_SET_VRING_ADDR:
		return rings_set_addr(rings, state.index, &msg->payload.addr, why);
	case VU_SET_VRING_BASE:
		return rings_set_base(rings, state.index, state.num, why);
	case VU_SET_VRING_ENABLE:
		return rings_set_enabled(rings, state.index, state.num, why);
	case VU_GET_VRING_BASE:
	default:
		state.num = rings_take_base(rings, state.index);
		return reply(backend, &state, sizeof(state));
	}
}

static int handle(struct vhost_user *backend, struct vu_message *msg, bool *ret_nack)
{
	switch ((enum vu_request)msg->header.request) {
	case VU_GET_FEATURES:
		return reply_u64(backend, backend->dev->features | VU_F_PROTOCOL_FEATURES);
	case VU_SET_FEATURES:
		return set_features(backend, msg->payload.u64);
	case VU_GET_PROTOCOL_FEATURES:
		return reply_u64(backend, offered_protocol_features(backend));
	case VU_SET_PROTOCOL_FEATURES:
		return set_protocol_features(backend, msg->payload.u64);
	case VU_GET_QUEUE_NUM:
		return reply_u64(backend, backend->rings.n);
	case VU_GET_MAX_MEM_SLOTS:
		return reply_u64(backend, GUEST_MEM_REGIONS_MAX);
	case VU_SET_OWNER:
		return 0;
	case VU_RESET_OWNER:
		rings_disable(&backend->rings);
		return 0;
	case VU_RESET_DEVICE:
		rings_reset(&backend->rings);
		return 0;
	case VU_SET_MEM_TABLE:
		return set_mem_table(backend, msg);
	case VU_ADD_MEM_REG:
		return add_mem_reg(backend, msg);
	case VU_REM_MEM_REG:
		return rem_mem_reg(backend, &msg->payload.mem_reg.region);
	case VU_SET_VRING_NUM:
	case VU_SET_VRING_ADDR:
	case VU_SET_VRING_BASE:
	case VU_GET_VRING_BASE:
	case VU_SET_VRING_ENABLE:
		return handle_vring(backend, msg);
	case VU_SET_VRING_KICK:
		return set_vring_fd(backend, msg, rings_set_kick);
	case VU_SET_VRING_CALL:
		return set_vring_fd(backend, msg, rings_set_call);
	case VU_SET_VRING_ERR:
		return set_vring_fd(backend, msg, rings_set_err);
	case VU_SET_BACKEND_REQ_FD:
		return set_request_sock(backend, msg);
	case VU_GET_CONFIG:
		return get_config(backend, msg);
	case VU_SET_CONFIG:
		return set_config(backend, msg, ret_nack);
	case VU_REQUEST_END:
		break;
	}
	return refuse(backend, -EPROTO, "unknown request");
}

static int handle_message(struct vhost_user *backend)
{
	struct vu_message *msg = &backend->reader.msg;
	uint32_t request = msg->header.request;
	bool nack = false;
	int r;

	log_debug("%s: %s", backend->dev->tag, vu_request_name(request));
	if (vu_request_needs(request) & ~backend->protocol_features)
		return refuse(backend, -EPROTO, "request of a protocol feature that was not negotiated");
	r = handle(backend, msg, &nack);
	if (r < 0)
		return r;
	/* vhost-user.rst, REPLY_ACK: unless the request has a reply of its own */
	if ((msg->header.flags & VU_FLAG_NEED_REPLY) && !vu_request_replies(request) &&
	    (backend->protocol_features & VU_PROTOCOL_F_REPLY_ACK))
		return reply_u64(backend, nack);
	return 0;
}

static void on_readable(void *ctx, int fd, uint32_t events)
{
	struct vhost_user *backend = ctx;
	int r = 1;

	(void)events;
	if (backend->drop)
		return;
	for (unsigned n = 0; n < BURST_MAX && r > 0; n++) {
		backend->why = NULL;
		r = vu_reader_next(&backend->reader, fd, &backend->why);
		if (r > 0) {
			r = handle_message(backend);
			r = r < 0 ? r : 1;
		}
	}
	if (r == -ENODATA) {
		close_connection(backend, NULL);
		return;
	}
	/* Between two messages of a burst nothing runs: the device starts when they have all come. */
	if (r >= 0)
		r = rings_run(&backend->rings, &backend->why);
	if (r < 0)
		close_connection(backend, backend->why ? backend->why : strerror(-r));
}

static void cleanup_backend(struct vhost_user **backend)
{
	vhost_user_free(*backend);
}

int vhost_user_new(struct loop *loop, struct vdev *dev, int take_sock, const struct vhost_user_config *config,
		   struct vhost_user **ret, struct err *err)
{
	_cleanup_close_ int sock = take_sock;
	_cleanup_(cleanup_backend) struct vhost_user *backend = NULL;
	int r;

	backend = calloc(1, sizeof(*backend));
	if (!backend)
		return err_set(err, -ENOMEM, "out of memory");
	backend->loop = loop;
	backend->dev = dev;
	backend->config = *config;
	backend->sock = TAKE_FD(sock);
	backend->request_sock = -EBADF;
	backend->reader = (struct vu_reader)VU_READER_INIT;

	r = rings_init(&backend->rings, dev);
	if (r < 0)
		return err_set_errno(err, r, "%s: can't make its descriptors", dev->tag);
	r = fd_set_nonblock(backend->sock, true);
	if (r >= 0)
		r = loop_add_fd(loop, backend->sock, EPOLLIN, on_readable, backend, &backend->source);
	if (r < 0)
		return err_set_errno(err, r, "%s: can't watch its vhost-user socket", dev->tag);
	dev->host_ops = &host_ops;
	dev->host = backend;
	*ret = TAKE_PTR(backend);
	return 0;
}

void vhost_user_free(struct vhost_user *backend)
{
	if (!backend)
		return;
	loop_remove(backend->source);
	loop_remove(backend->drop);
	rings_done(&backend->rings);
	if (backend->dev->host == backend) {
		backend->dev->host_ops = NULL;
		backend->dev->host = NULL;
	}
	vu_reader_done(&backend->reader);
	close_fd(backend->request_sock);
	close_fd(backend->sock);
	free(backend);
}
