/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/vu_front.h"

#include "tests/unit/test.h"

#include "base/err.h"
#include "base/fd.h"
#include "base/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- The device --- */

static int dev_start(struct vdev *vdev)
{
	struct front_dev *dev = (struct front_dev *)vdev;

	dev->starts++;
	return dev->refuse_start ? -EIO : 0;
}

static void dev_stop(struct vdev *vdev)
{
	((struct front_dev *)vdev)->stops++;
}

static void dev_kick(struct vdev *vdev, unsigned q)
{
	struct front_dev *dev = (struct front_dev *)vdev;
	static struct vq_chain chain;
	struct virtqueue *vq = &vdev->vqs[q];
	int r;

	dev->kicks++;
	if (dev->fail_in_kick) {
		vdev_fail(vdev, "told to");
		return;
	}
	while ((r = virtqueue_pop(vq, &chain)) > 0) {
		for (unsigned i = 0; i < chain.n_writable; i++)
			memset(chain.writable[i].iov_base, FRONT_FILL, chain.writable[i].iov_len);
		virtqueue_push(vq, chain.head, (uint32_t)chain.writable_len);
		virtqueue_call(vq);
	}
	if (r < 0)
		vdev_fail(vdev, vq->broken_why);
}

static void dev_config_written(struct vdev *vdev, size_t offset, size_t len)
{
	(void)offset;
	(void)len;
	((struct front_dev *)vdev)->config_writes++;
}

static void dev_free(struct vdev *vdev)
{
	vdev_done(vdev);
}

static const struct vdev_ops ops = {
	.name = "test", .start = dev_start, .stop = dev_stop, .kick = dev_kick, .free = dev_free
};
static const struct vdev_ops ops_writable = { .name = "test",
					      .start = dev_start,
					      .stop = dev_stop,
					      .kick = dev_kick,
					      .config_written = dev_config_written,
					      .free = dev_free };

/* --- Set-up --- */

struct vu_region front_region(unsigned i)
{
	return (struct vu_region){
		.gpa = FRONT_GPA + i * 4ULL * FRONT_REGION,
		.size = FRONT_REGION,
		.user_addr = FRONT_USER + i * 16ULL * FRONT_REGION,
		.mmap_offset = (uint64_t)i * FRONT_REGION,
	};
}

uint64_t front_user_addr(uint64_t gpa)
{
	for (unsigned i = 0; i < 2; i++) {
		struct vu_region region = front_region(i);

		if (gpa >= region.gpa && gpa - region.gpa < region.size)
			return region.user_addr + (gpa - region.gpa);
	}
	fail_msg("no such memory");
	return 0;
}

static void backend_closed(void *ctx, const char *why)
{
	struct front *front = ctx;

	assert_false(front->closed);
	front->closed = true;
	snprintf(front->why, sizeof(front->why), "%s", why ? why : "");
	assert_false(front->dev.vdev.started);
	vhost_user_free(front->backend);
	front->backend = NULL;
}

static void init(struct front *front, struct vhost_user_config config, bool config_writable)
{
	struct err err = ERR_INIT;
	int pair[2];

	config.closed = backend_closed;
	config.ctx = front;
	memset(front, 0, sizeof(*front));
	assert_int_equal(loop_new(&front->loop), 0);
	assert_int_equal(vdev_init(&front->dev.vdev, config_writable ? &ops_writable : &ops, front->loop,
				   "test0", VDEV_RING_FEATURES, FRONT_QUEUES, 64, FRONT_CONFIG),
			 0);
	for (unsigned i = 0; i < FRONT_CONFIG; i++)
		front->dev.vdev.config[i] = (uint8_t)(i + 1);

	front->memfd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(front->memfd >= 0);
	assert_int_equal(ftruncate(front->memfd, 2 * FRONT_REGION), 0);
	assert_int_equal(fcntl(front->memfd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct vu_region region = front_region(i);
		void *p = mmap(NULL, FRONT_REGION, PROT_READ | PROT_WRITE, MAP_SHARED, front->memfd,
			       (off_t)region.mmap_offset);
		struct guest_mem_region mapped = {
			.gpa = region.gpa, .size = region.size, .hva = p, .map = p, .map_len = FRONT_REGION
		};

		assert_true(p != MAP_FAILED);
		assert_int_equal(guest_mem_add(&front->rm.mem, &mapped), 0);
		front->rm.base[i] = front->rm.next[i] = region.gpa;
		front->rm.size[i] = region.size;
	}
	/* Ring 0 in the first region, ring 1 in the second. */
	for (unsigned i = 0; i < FRONT_QUEUES; i++)
		ring_driver_init(&front->rings[i], &front->rm, i, &front->vqs[i], FRONT_QUEUE_SIZE,
				 VDEV_RING_FEATURES);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	front->sock = pair[0];
	assert_int_equal(
		vhost_user_new(front->loop, &front->dev.vdev, pair[1], &config, &front->backend, &err), 0);
}

void front_init(struct front *front, bool sealed_memory, bool config_writable)
{
	init(front, (struct vhost_user_config){ .sealed_memory = sealed_memory }, config_writable);
}

void front_init_network(struct front *front)
{
	init(front, (struct vhost_user_config){ .sealed_memory = true, .network = true }, false);
}

void front_done(struct front *front)
{
	vhost_user_free(front->backend);
	assert_false(front->dev.vdev.started);
	assert_int_equal(front->dev.starts, front->dev.stops);
	vdev_free(&front->dev.vdev);
	loop_free(front->loop);
	for (unsigned i = 0; i < FRONT_QUEUES; i++)
		ring_driver_done(&front->rings[i]);
	guest_mem_done(&front->rm.mem);
	close(front->memfd);
	close(front->sock);
}

struct turns {
	struct loop *loop;
	unsigned left;
};

static void count_turn(void *ctx)
{
	struct turns *turns = ctx;

	if (turns->left-- == 0)
		loop_quit(turns->loop, 0);
}

void front_settle(struct front *front)
{
	struct turns turns = { .loop = front->loop, .left = 6 };
	struct loop_source *source;

	assert_int_equal(loop_add_defer(front->loop, count_turn, &turns, &source), 0);
	assert_int_equal(loop_run(front->loop), 0);
	loop_remove(source);
}

/* --- Messages --- */

void front_send_raw(struct front *front, const struct vu_header *header, const void *payload, size_t size,
		    const int *fds, size_t n_fds)
{
	uint8_t buf[sizeof(*header) + sizeof(union vu_payload) + 64];

	assert_true(size <= sizeof(buf) - sizeof(*header));
	memcpy(buf, header, sizeof(*header));
	if (size)
		memcpy(buf + sizeof(*header), payload, size);
	assert_int_equal(fd_send(front->sock, buf, sizeof(*header) + size, fds, n_fds),
			 sizeof(*header) + size);
}

void front_send(struct front *front, uint32_t request, const void *payload, size_t size)
{
	const struct vu_header header = { .request = request, .flags = VU_VERSION, .size = (uint32_t)size };

	front_send_raw(front, &header, payload, size, NULL, 0);
}

void front_send_fd(struct front *front, uint32_t request, uint64_t value, int fd)
{
	const struct vu_header header = { .request = request, .flags = VU_VERSION, .size = sizeof(value) };

	front_send_raw(front, &header, &value, sizeof(value), &fd, 1);
}

void front_send_u64(struct front *front, uint32_t request, uint64_t value)
{
	front_send(front, request, &value, sizeof(value));
}

void front_send_state(struct front *front, uint32_t request, uint32_t index, uint32_t num)
{
	const struct vu_vring_state state = { .index = index, .num = num };

	front_send(front, request, &state, sizeof(state));
}

void front_reply(struct front *front, uint32_t request, struct vu_message *ret)
{
	ssize_t n;

	front_settle(front);
	n = recv(front->sock, &ret->header, sizeof(ret->header), MSG_DONTWAIT);
	assert_int_equal(n, sizeof(ret->header));
	assert_int_equal(ret->header.request, request);
	assert_int_equal(ret->header.flags, VU_VERSION | VU_FLAG_REPLY);
	assert_true(ret->header.size <= sizeof(ret->payload));
	if (ret->header.size > 0) {
		n = recv(front->sock, &ret->payload, ret->header.size, MSG_DONTWAIT);
		assert_int_equal(n, ret->header.size);
	}
}

uint64_t front_reply_u64(struct front *front, uint32_t request)
{
	struct vu_message msg;

	front_reply(front, request, &msg);
	assert_int_equal(msg.header.size, 8);
	return msg.payload.u64;
}

bool front_hung_up(struct front *front)
{
	uint8_t buf[4096];
	ssize_t n;

	front_settle(front);
	do {
		n = recv(front->sock, buf, sizeof(buf), MSG_DONTWAIT);
	} while (n > 0);
	/* ECONNRESET: it left something of ours unread. */
	return (n == 0 || errno == ECONNRESET) && front->closed;
}

bool front_quiet(struct front *front)
{
	uint8_t byte;

	front_settle(front);
	return recv(front->sock, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN && !front->closed;
}

/* --- Steps --- */

void front_negotiate(struct front *front, uint64_t features)
{
	front_send(front, VU_SET_OWNER, NULL, 0);
	if (features & VU_F_PROTOCOL_FEATURES)
		front_send_u64(front, VU_SET_PROTOCOL_FEATURES, FRONT_PROTOCOL_FEATURES);
	front_send_u64(front, VU_SET_FEATURES, features);
}

void front_share_memory(struct front *front)
{
	const struct vu_memory memory = {
		.n_regions = 2,
		.regions = { front_region(0), front_region(1) },
	};
	const struct vu_header header = { .request = VU_SET_MEM_TABLE, .flags = VU_VERSION, .size = 8 + 64 };
	const int fds[] = { front->memfd, front->memfd };

	front_send_raw(front, &header, &memory, header.size, fds, 2);
}

void front_set_ring(struct front *front, unsigned i)
{
	struct ring_driver *rd = &front->rings[i];
	const struct vu_vring_addr addr = {
		.index = i,
		.desc = front_user_addr(rd->desc_gpa),
		.avail = front_user_addr(rd->avail_gpa),
		.used = front_user_addr(rd->used_gpa),
	};

	front_send_state(front, VU_SET_VRING_NUM, i, rd->size);
	front_send_state(front, VU_SET_VRING_BASE, i, ring_driver_device_idx(rd));
	front_send(front, VU_SET_VRING_ADDR, &addr, sizeof(addr));
	front_send_fd(front, VU_SET_VRING_KICK, i, rd->kick_fd);
	front_send_fd(front, VU_SET_VRING_CALL, i, rd->call_fd);
}

void front_start(struct front *front)
{
	front_negotiate(front, FRONT_FEATURES);
	front_share_memory(front);
	for (unsigned i = 0; i < FRONT_QUEUES; i++)
		front_set_ring(front, i);
	for (unsigned i = 0; i < FRONT_QUEUES; i++)
		front_send_state(front, VU_SET_VRING_ENABLE, i, 1);
	front_settle(front);
}

bool front_round_trip(struct front *front, unsigned ring)
{
	struct ring_driver *rd = &front->rings[ring];
	/* The top of the region is free of rings. */
	uint64_t gpa = front_region(ring).gpa + FRONT_REGION - 256;
	const struct ring_buf buf = { .gpa = gpa, .len = 100, .writable = true };
	uint8_t *bytes = ring_mem_at(&front->rm, gpa, 256);
	uint32_t head, len;
	int added;

	memset(bytes, 0, 256);
	added = ring_driver_add(rd, &buf, 1);
	assert_true(added >= 0);
	ring_driver_kick(rd);
	front_settle(front);
	if (!ring_driver_used(rd, &head, &len))
		return false;
	assert_int_equal(head, added);
	assert_int_equal(len, 100);
	assert_int_equal(bytes[0], FRONT_FILL);
	assert_int_equal(bytes[99], FRONT_FILL);
	assert_int_equal(bytes[100], 0);
	return true;
}
