/* SPDX-License-Identifier: Apache-2.0 */
/* vhost-user back-end: front-ends and guests that break the rules lose their connection, and nothing else happens. */
#include "tests/unit/test.h"

#include "base/fd.h"
#include "base/log.h"
#include "tests/unit/vu_front.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static struct front front;

static int set_up(void **state)
{
	(void)state;
	front_init(&front, true, false);
	return 0;
}

static int set_up_running(void **state)
{
	set_up(state);
	front_start(&front);
	return front.dev.vdev.started ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	front_done(&front);
	return 0;
}

/* What every violation leads to. */
static void assert_dropped(const char *why)
{
	assert_true(front_hung_up(&front));
	assert_string_equal(front.why, why);
	assert_false(front.dev.vdev.started);
}

static void send_header(uint32_t request, uint32_t flags, uint32_t size)
{
	const struct vu_header header = { .request = request, .flags = flags, .size = size };

	front_send_raw(&front, &header, NULL, 0, NULL, 0);
}

/* --- Headers --- */

static void drops_another_version(void **state)
{
	(void)state;
	send_header(VU_GET_FEATURES, 2, 0);
	assert_dropped("message of another protocol version");
}

static void drops_a_reply(void **state)
{
	(void)state;
	send_header(VU_GET_FEATURES, VU_VERSION | VU_FLAG_REPLY, 0);
	assert_dropped("message with unknown flags or a reply");
}

static void drops_unknown_flags(void **state)
{
	(void)state;
	send_header(VU_GET_FEATURES, VU_VERSION | 1U << 31, 0);
	assert_dropped("message with unknown flags or a reply");
}

static void drops_unknown_requests(void **state)
{
	static const uint32_t requests[] = { 0, 6, 7, 19, 35, 39, VU_REQUEST_END, 1000, UINT32_MAX };

	for (unsigned i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		send_header(requests[i], VU_VERSION, 0);
		assert_dropped("unknown request");
		tear_down(state);
		set_up(state);
	}
}

/* One byte less and one byte more than each request wants; the size alone is enough. */
static void drops_wrong_payload_sizes(void **state)
{
	static const struct {
		uint32_t request, min, max;
	} sizes[] = {
		{ VU_GET_FEATURES, 0, 0 },	     { VU_SET_FEATURES, 8, 8 },
		{ VU_SET_MEM_TABLE, 8, 8 + 8 * 32 }, { VU_SET_VRING_NUM, 8, 8 },
		{ VU_SET_VRING_ADDR, 40, 40 },	     { VU_SET_VRING_BASE, 8, 8 },
		{ VU_GET_VRING_BASE, 8, 8 },	     { VU_SET_VRING_KICK, 8, 8 },
		{ VU_SET_VRING_CALL, 8, 8 },	     { VU_SET_VRING_ERR, 8, 8 },
		{ VU_SET_VRING_ENABLE, 8, 8 },	     { VU_GET_CONFIG, 12, 12 + 256 },
		{ VU_SET_CONFIG, 12, 12 + 256 },     { VU_SET_PROTOCOL_FEATURES, 8, 8 },
	};

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (sizes[i].min > 0) {
			send_header(sizes[i].request, VU_VERSION, sizes[i].min - 1);
			assert_dropped("payload of the wrong size");
			tear_down(state);
			set_up(state);
		}
		send_header(sizes[i].request, VU_VERSION, sizes[i].max + 1);
		assert_dropped("payload of the wrong size");
		tear_down(state);
		set_up(state);
	}
	send_header(VU_SET_FEATURES, VU_VERSION, UINT32_MAX);
	assert_dropped("payload of the wrong size");
}

static void drops_a_message_cut_short(void **state)
{
	(void)state;
	send_header(VU_SET_FEATURES, VU_VERSION, 8);
	assert_true(front_quiet(&front));
	assert_int_equal(shutdown(front.sock, SHUT_WR), 0);
	assert_dropped("connection ended inside a message");
}

static void drops_a_front_end_that_never_reads(void **state)
{
	const struct vu_header header = { .request = VU_GET_FEATURES, .flags = VU_VERSION };

	(void)state;
	assert_int_equal(setsockopt(front.sock, SOL_SOCKET, SO_RCVBUF, &(int){ 4096 }, sizeof(int)), 0);
	for (unsigned i = 0; i < 5000 && !front.closed; i++) {
		if (send(front.sock, &header, sizeof(header), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			assert_true(errno == EPIPE || errno == EAGAIN || errno == ECONNRESET);
		if (i % 32 == 0)
			front_settle(&front);
	}
	assert_dropped("front-end doesn't take its replies");
}

/* --- Descriptors --- */

static void drops_descriptors_where_none_belong(void **state)
{
	(void)state;
	front_send_fd(&front, VU_SET_FEATURES, FRONT_FEATURES, front.memfd);
	assert_dropped("wrong number of descriptors");
}

static void drops_too_many_descriptors(void **state)
{
	const struct vu_header header = { .request = VU_SET_MEM_TABLE, .flags = VU_VERSION, .size = 8 };
	const uint64_t none = 0;
	int fds[VU_REGIONS_MAX + 1];

	(void)state;
	for (unsigned i = 0; i < VU_REGIONS_MAX + 1; i++)
		fds[i] = front.memfd;
	front_send_raw(&front, &header, &none, 8, fds, VU_REGIONS_MAX + 1);
	assert_dropped("too many descriptors, or not at the beginning");
}

static void drops_descriptors_inside_a_message(void **state)
{
	const uint64_t value = 0;
	int fd = front.memfd;

	(void)state;
	send_header(VU_SET_VRING_ERR, VU_VERSION, 8);
	assert_true(front_quiet(&front));
	assert_int_equal(fd_send(front.sock, &value, 8, &fd, 1), 8);
	assert_dropped("too many descriptors, or not at the beginning");
}

static void drops_a_descriptor_that_contradicts_its_flag(void **state)
{
	static const uint32_t requests[] = { VU_SET_VRING_KICK, VU_SET_VRING_CALL, VU_SET_VRING_ERR };

	for (unsigned i = 0; i < 3; i++) {
		front_send_u64(&front, requests[i], 0);
		assert_dropped("wrong number of descriptors");
		tear_down(state);
		set_up(state);
		front_send_fd(&front, requests[i], VU_VRING_NO_FD, front.rings[0].kick_fd);
		assert_dropped("wrong number of descriptors");
		tear_down(state);
		set_up(state);
		front_send_fd(&front, requests[i], 1U << 9, front.rings[0].kick_fd);
		assert_dropped("ring descriptor with unknown flags");
		tear_down(state);
		set_up(state);
	}
}

static void drops_a_ring_without_kicks(void **state)
{
	(void)state;
	front_send_u64(&front, VU_SET_VRING_KICK, VU_VRING_NO_FD);
	assert_dropped("ring without a kick descriptor: polling is not supported");
}

static void drops_a_kick_descriptor_that_cant_be_watched(void **state)
{
	(void)state;
	front_negotiate(&front, FRONT_FEATURES);
	front_share_memory(&front);
	front_set_ring(&front, 0);
	/* A regular file: epoll refuses it. */
	front_send_fd(&front, VU_SET_VRING_KICK, 0, front.memfd);
	front_send_state(&front, VU_SET_VRING_ENABLE, 0, 1);
	assert_dropped("can't start the device");
}

static void drops_a_request_descriptor_that_is_no_socket(void **state)
{
	const struct vu_header header = { .request = VU_SET_BACKEND_REQ_FD, .flags = VU_VERSION };

	(void)state;
	front_negotiate(&front, FRONT_FEATURES);
	front_send_raw(&front, &header, NULL, 0, &front.memfd, 1);
	assert_dropped("back-end request descriptor is no stream socket");
}

/* --- Features --- */

static void drops_features_not_offered(void **state)
{
	(void)state;
	front_send_u64(&front, VU_SET_FEATURES, FRONT_FEATURES | 1ULL << 40);
	assert_dropped("features that were not offered");
}

static void drops_protocol_features_not_offered(void **state)
{
	(void)state;
	front_send_u64(&front, VU_SET_PROTOCOL_FEATURES, FRONT_PROTOCOL_FEATURES | 1ULL << 12);
	assert_dropped("protocol features that were not offered");
}

static void drops_requests_of_features_not_negotiated(void **state)
{
	const struct vu_config config = { .size = 4 };

	front_send(&front, VU_GET_CONFIG, &config, VU_CONFIG_HEADER + 4);
	assert_dropped("request of a protocol feature that was not negotiated");
	tear_down(state);
	set_up(state);
	front_send(&front, VU_GET_MAX_MEM_SLOTS, NULL, 0);
	assert_dropped("request of a protocol feature that was not negotiated");
	tear_down(state);
	set_up(state);
	front_send_u64(&front, VU_SET_FEATURES, VDEV_RING_FEATURES);
	front_send_state(&front, VU_SET_VRING_ENABLE, 0, 1);
	assert_dropped("ring enabled without protocol features");
}

static void drops_a_legacy_driver(void **state)
{
	(void)state;
	front_negotiate(&front, FRONT_FEATURES & ~(1ULL << 32));
	front_share_memory(&front);
	front_set_ring(&front, 0);
	front_send_state(&front, VU_SET_VRING_ENABLE, 0, 1);
	assert_dropped("the guest's driver is older than virtio 1.0");
	assert_int_equal(front.dev.starts, 0);
}

/* --- Memory --- */

static void send_table(const struct vu_memory *memory, size_t n_sent, int fd, size_t n_fds)
{
	const struct vu_header header = { .request = VU_SET_MEM_TABLE,
					  .flags = VU_VERSION,
					  .size = (uint32_t)(8 + 32 * n_sent) };
	int fds[VU_REGIONS_MAX];

	for (size_t i = 0; i < n_fds; i++)
		fds[i] = fd;
	front_send_raw(&front, &header, memory, header.size, fds, n_fds);
}

static void drops_a_memory_table_of_the_wrong_length(void **state)
{
	struct vu_memory memory = { .n_regions = 2, .regions = { front_region(0), front_region(1) } };

	send_table(&memory, 1, front.memfd, 2);
	assert_dropped("memory table with the wrong number of regions");
	tear_down(state);
	set_up(state);
	send_table(&memory, 2, front.memfd, 1);
	assert_dropped("memory table with the wrong number of regions");
	tear_down(state);
	set_up(state);
	memory.n_regions = UINT32_MAX;
	send_table(&memory, 2, front.memfd, 2);
	assert_dropped("memory table with the wrong number of regions");
}

static void try_region(void **state, struct vu_region region, int fd, const char *why)
{
	const struct vu_memory memory = { .n_regions = 1, .regions = { region } };

	send_table(&memory, 1, fd, 1);
	assert_dropped(why);
	tear_down(state);
	set_up(state);
}

static void drops_regions_out_of_range(void **state)
{
	struct vu_region region = front_region(0);

	region.size = 0;
	try_region(state, region, front.memfd, "empty memory region");

	region = front_region(0);
	region.gpa = UINT64_MAX - 100;
	try_region(state, region, front.memfd, "memory region wraps around");

	region = front_region(0);
	region.user_addr = UINT64_MAX - 100;
	try_region(state, region, front.memfd, "memory region wraps around");

	region = front_region(0);
	region.mmap_offset = UINT64_MAX - 100;
	try_region(state, region, front.memfd, "memory region wraps around");

	region = front_region(0);
	region.size = UINT64_MAX;
	try_region(state, region, front.memfd, "memory region wraps around");
}

static void drops_regions_larger_than_their_file(void **state)
{
	struct vu_region region = front_region(1);

	region.size = FRONT_REGION + 1;
	try_region(state, region, front.memfd, "memory region is larger than its file");

	region = front_region(1);
	region.mmap_offset = 2 * FRONT_REGION;
	try_region(state, region, front.memfd, "memory region is larger than its file");
}

static void drops_regions_that_are_no_shareable_file(void **state)
{
	int fd = eventfd(0, 0), pipe_fds[2], unsealed, readonly;
	char path[64];

	try_region(state, front_region(0), fd, "memory region's descriptor is no file");
	close(fd);

	assert_int_equal(pipe(pipe_fds), 0);
	try_region(state, front_region(0), pipe_fds[0], "memory region's descriptor is no file");
	close(pipe_fds[0]);
	close(pipe_fds[1]);

	/* Could be truncated under us. */
	unsealed = memfd_create("unsealed", MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(unsealed, FRONT_REGION), 0);
	try_region(state, front_region(0), unsealed, "memory region's file could shrink");
	close(unsealed);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", front.memfd);
	readonly = open(path, O_RDONLY);
	assert_true(readonly >= 0);
	try_region(state, front_region(0), readonly, "can't map the memory region");
	close(readonly);
}

static void takes_unsealed_memory_where_allowed(void **state)
{
	const struct vu_memory memory = { .n_regions = 1, .regions = { front_region(0) } };
	int unsealed = memfd_create("unsealed", 0);

	assert_int_equal(ftruncate(unsealed, FRONT_REGION), 0);
	tear_down(state);
	front_init(&front, false, false);
	send_table(&memory, 1, unsealed, 1);
	assert_true(front_quiet(&front));
	close(unsealed);
}

static void drops_overlapping_regions(void **state)
{
	struct vu_memory memory = { .n_regions = 2, .regions = { front_region(0), front_region(1) } };

	(void)state;
	memory.regions[1].gpa = memory.regions[0].gpa + FRONT_REGION - 1;
	send_table(&memory, 2, front.memfd, 2);
	assert_dropped("memory regions overlap");
}

static void drops_more_regions_than_slots(void **state)
{
	const struct vu_header header = { .request = VU_ADD_MEM_REG,
					  .flags = VU_VERSION,
					  .size = sizeof(struct vu_mem_reg) };
	struct vu_mem_reg reg = { .region = front_region(0) };

	(void)state;
	front_negotiate(&front, FRONT_FEATURES);
	for (unsigned i = 0; i < GUEST_MEM_REGIONS_MAX; i++) {
		reg.region.gpa = FRONT_GPA + i * 0x1000000ULL;
		front_send_raw(&front, &header, &reg, sizeof(reg), &front.memfd, 1);
	}
	assert_true(front_quiet(&front));
	reg.region.gpa = 0x800000000ULL;
	front_send_raw(&front, &header, &reg, sizeof(reg), &front.memfd, 1);
	assert_dropped("too many memory regions");
}

static void drops_the_removal_of_an_unknown_region(void **state)
{
	struct vu_mem_reg reg = { .region = front_region(0) };

	front_negotiate(&front, FRONT_FEATURES);
	front_share_memory(&front);
	reg.region.size--;
	front_send(&front, VU_REM_MEM_REG, &reg, sizeof(reg));
	assert_dropped("removal of a memory region that is not there");
	tear_down(state);
	set_up(state);
	front_negotiate(&front, FRONT_FEATURES);
	front_share_memory(&front);
	reg.region = front_region(0);
	reg.region.user_addr++;
	front_send(&front, VU_REM_MEM_REG, &reg, sizeof(reg));
	assert_dropped("removal of a memory region that is not there");
}

/* --- Rings --- */

static void drops_ring_indices_out_of_range(void **state)
{
	static const uint32_t state_requests[] = { VU_SET_VRING_NUM, VU_SET_VRING_BASE, VU_GET_VRING_BASE,
						   VU_SET_VRING_ENABLE };
	static const uint32_t fd_requests[] = { VU_SET_VRING_KICK, VU_SET_VRING_CALL, VU_SET_VRING_ERR };
	static const uint32_t indices[] = { FRONT_QUEUES, 64, UINT32_MAX };
	const struct vu_vring_addr addr = { .index = FRONT_QUEUES };

	for (unsigned i = 0; i < 4; i++) {
		for (unsigned j = 0; j < 3; j++) {
			front_negotiate(&front, FRONT_FEATURES);
			front_send_state(&front, state_requests[i], indices[j], 0);
			assert_dropped("ring index out of range");
			tear_down(state);
			set_up(state);
		}
	}
	for (unsigned i = 0; i < 3; i++) {
		front_send_fd(&front, fd_requests[i], FRONT_QUEUES, front.rings[0].kick_fd);
		assert_dropped("ring index out of range");
		tear_down(state);
		set_up(state);
	}
	front_send(&front, VU_SET_VRING_ADDR, &addr, sizeof(addr));
	assert_dropped("ring index out of range");
}

static void drops_bad_ring_sizes(void **state)
{
	static const uint32_t sizes[] = { 0, 3, 128, 65536 + 16, UINT32_MAX };

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		front_send_state(&front, VU_SET_VRING_NUM, 0, sizes[i]);
		assert_dropped("ring size is no power of two, or too large");
		tear_down(state);
		set_up(state);
	}
}

static void drops_a_base_that_is_no_index(void **state)
{
	(void)state;
	front_send_state(&front, VU_SET_VRING_BASE, 0, 0x10000);
	assert_dropped("ring base is no 16-bit index");
}

static void drops_an_enable_that_is_no_boolean(void **state)
{
	(void)state;
	front_negotiate(&front, FRONT_FEATURES);
	front_send_state(&front, VU_SET_VRING_ENABLE, 0, 2);
	assert_dropped("ring neither enabled nor disabled");
}

static void try_address(void **state, uint64_t desc, uint64_t avail, uint64_t used, uint32_t flags,
			const char *why)
{
	const struct vu_vring_addr addr = { .flags = flags, .desc = desc, .avail = avail, .used = used };

	front_negotiate(&front, FRONT_FEATURES);
	front_share_memory(&front);
	front_send_state(&front, VU_SET_VRING_NUM, 0, FRONT_QUEUE_SIZE);
	front_send(&front, VU_SET_VRING_ADDR, &addr, sizeof(addr));
	front_send_fd(&front, VU_SET_VRING_KICK, 0, front.rings[0].kick_fd);
	front_send_state(&front, VU_SET_VRING_ENABLE, 0, 1);
	assert_dropped(why);
	assert_int_equal(front.dev.starts, 0);
	tear_down(state);
	set_up(state);
}

static void drops_ring_addresses_outside_memory(void **state)
{
	const uint64_t good = FRONT_USER, end = FRONT_USER + FRONT_REGION;

	try_address(state, end - 255, good, good, 0,
		    "ring lies outside the shared memory"); /* one byte too far */
	try_address(state, good, end - 37, good, 0, "ring lies outside the shared memory");
	try_address(state, good, good, end - 133, 0, "ring lies outside the shared memory");
	try_address(state, 0, good, good, 0, "ring lies outside the shared memory");
	try_address(state, UINT64_MAX - 15, good, good, 0, "ring lies outside the shared memory");
	/* A guest physical address is no front-end address. */
	try_address(state, FRONT_GPA, FRONT_GPA, FRONT_GPA, 0, "ring lies outside the shared memory");
}

static void drops_misaligned_ring_addresses(void **state)
{
	try_address(state, FRONT_USER + 8, FRONT_USER + 4096, FRONT_USER + 8192, 0,
		    "a ring's addresses are misaligned");
	try_address(state, FRONT_USER, FRONT_USER + 4097, FRONT_USER + 8192, 0,
		    "a ring's addresses are misaligned");
	try_address(state, FRONT_USER, FRONT_USER + 4096, FRONT_USER + 8194, 0,
		    "a ring's addresses are misaligned");
}

static void drops_ring_logging(void **state)
{
	try_address(state, FRONT_USER, FRONT_USER + 4096, FRONT_USER + 8192, 1,
		    "ring address with unknown flags");
}

static void drops_addresses_before_any_memory(void **state)
{
	const struct vu_vring_addr addr = { .desc = FRONT_USER, .avail = FRONT_USER, .used = FRONT_USER };

	(void)state;
	front_send(&front, VU_SET_VRING_ADDR, &addr, sizeof(addr));
	assert_dropped("ring lies outside the shared memory");
}

/* --- Config --- */

static void drops_config_accesses_of_the_wrong_size(void **state)
{
	static const struct vu_config configs[] = {
		{ .size = 5 }, { .size = UINT32_MAX }, { .offset = UINT32_MAX, .size = 4 }, { .size = 3 }
	};
	static const uint32_t requests[] = { VU_GET_CONFIG, VU_SET_CONFIG };

	for (unsigned i = 0; i < 4; i++) {
		for (unsigned j = 0; j < 2; j++) {
			front_negotiate(&front, FRONT_FEATURES);
			front_send(&front, requests[j], &configs[i], VU_CONFIG_HEADER + 4);
			assert_dropped("config access of the wrong size");
			tear_down(state);
			set_up(state);
		}
	}
}

static void refuses_writes_to_read_only_config(void **state)
{
	const struct vu_config config = { .size = 1, .bytes = { 99 } };
	const struct vu_header header = { .request = VU_SET_CONFIG,
					  .flags = VU_VERSION | VU_FLAG_NEED_REPLY,
					  .size = VU_CONFIG_HEADER + 1 };

	(void)state;
	front_negotiate(&front, FRONT_FEATURES);
	front_send_raw(&front, &header, &config, header.size, NULL, 0);
	assert_int_not_equal(front_reply_u64(&front, VU_SET_CONFIG), 0);
	assert_int_equal(front.dev.vdev.config[0], 1);
	assert_true(front_quiet(&front));
}

/* --- The device and its guest --- */

static void a_broken_ring_drops_the_connection(void **state)
{
	uint64_t count;
	int err_fd = eventfd(0, EFD_NONBLOCK);

	(void)state;
	front_send_fd(&front, VU_SET_VRING_ERR, 1, err_fd);
	assert_true(front_quiet(&front));
	/* A head that is no descriptor. */
	ring_driver_publish(&front.rings[1], FRONT_QUEUE_SIZE);
	ring_driver_kick(&front.rings[1]);
	assert_dropped("head of a chain outside the queue");
	assert_int_equal(read(err_fd, &count, sizeof(count)), sizeof(count));
	close(err_fd);
}

static void a_device_that_fails_is_stopped_outside_its_call(void **state)
{
	(void)state;
	front.dev.fail_in_kick = true;
	front_round_trip(&front, 0);
	assert_dropped("told to");
	assert_int_equal(front.dev.stops, 1);
}

static void a_device_that_doesnt_start_drops_the_connection(void **state)
{
	(void)state;
	front.dev.refuse_start = true;
	front_send_state(&front, VU_SET_VRING_ENABLE, 1, 0);
	assert_dropped("can't start the device");
}

static void a_violation_stops_a_running_device(void **state)
{
	(void)state;
	send_header(999, VU_VERSION, 0);
	assert_dropped("unknown request");
	assert_int_equal(front.dev.stops, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define T_RUNNING(name) cmocka_unit_test_setup_teardown(name, set_up_running, tear_down)
	const struct CMUnitTest tests[] = {
		T(drops_another_version),
		T(drops_a_reply),
		T(drops_unknown_flags),
		T(drops_unknown_requests),
		T(drops_wrong_payload_sizes),
		T(drops_a_message_cut_short),
		T(drops_a_front_end_that_never_reads),
		T(drops_descriptors_where_none_belong),
		T(drops_too_many_descriptors),
		T(drops_descriptors_inside_a_message),
		T(drops_a_descriptor_that_contradicts_its_flag),
		T(drops_a_ring_without_kicks),
		T(drops_a_kick_descriptor_that_cant_be_watched),
		T(drops_a_request_descriptor_that_is_no_socket),
		T(drops_features_not_offered),
		T(drops_protocol_features_not_offered),
		T(drops_requests_of_features_not_negotiated),
		T(drops_a_legacy_driver),
		T(drops_a_memory_table_of_the_wrong_length),
		T(drops_regions_out_of_range),
		T(drops_regions_larger_than_their_file),
		T(drops_regions_that_are_no_shareable_file),
		T(takes_unsealed_memory_where_allowed),
		T(drops_overlapping_regions),
		T(drops_more_regions_than_slots),
		T(drops_the_removal_of_an_unknown_region),
		T(drops_ring_indices_out_of_range),
		T(drops_bad_ring_sizes),
		T(drops_a_base_that_is_no_index),
		T(drops_an_enable_that_is_no_boolean),
		T(drops_ring_addresses_outside_memory),
		T(drops_misaligned_ring_addresses),
		T(drops_ring_logging),
		T(drops_addresses_before_any_memory),
		T(drops_config_accesses_of_the_wrong_size),
		T(refuses_writes_to_read_only_config),
		T_RUNNING(a_broken_ring_drops_the_connection),
		T_RUNNING(a_device_that_fails_is_stopped_outside_its_call),
		T_RUNNING(a_device_that_doesnt_start_drops_the_connection),
		T_RUNNING(a_violation_stops_a_running_device),
	};

	log_set_stderr(false);
	return cmocka_run_group_tests_name("vhost_user_bad", tests, NULL, NULL);
}
