/* SPDX-License-Identifier: Apache-2.0 */
/* vhost-user back-end: what a well-behaved front-end gets. */
#include "tests/unit/test.h"

#include "tests/unit/vu_front.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static struct front front;

static int set_up(void **state)
{
	(void)state;
	front_init(&front, true, true);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	front_done(&front);
	return 0;
}

static struct vu_message get_base(unsigned ring)
{
	struct vu_message msg;

	front_send_state(&front, VU_GET_VRING_BASE, ring, 0);
	front_reply(&front, VU_GET_VRING_BASE, &msg);
	assert_int_equal(msg.header.size, sizeof(msg.payload.state));
	assert_int_equal(msg.payload.state.index, ring);
	return msg;
}

static void offers_the_devices_features(void **state)
{
	(void)state;
	front_send(&front, VU_GET_FEATURES, NULL, 0);
	assert_int_equal(front_reply_u64(&front, VU_GET_FEATURES),
			 VDEV_RING_FEATURES | VU_F_PROTOCOL_FEATURES);
	front_send(&front, VU_GET_PROTOCOL_FEATURES, NULL, 0);
	assert_int_equal(front_reply_u64(&front, VU_GET_PROTOCOL_FEATURES), FRONT_PROTOCOL_FEATURES);
	front_send(&front, VU_GET_QUEUE_NUM, NULL, 0);
	assert_int_equal(front_reply_u64(&front, VU_GET_QUEUE_NUM), FRONT_QUEUES);
	front_negotiate(&front, FRONT_FEATURES);
	front_send(&front, VU_GET_MAX_MEM_SLOTS, NULL, 0);
	assert_int_equal(front_reply_u64(&front, VU_GET_MAX_MEM_SLOTS), GUEST_MEM_REGIONS_MAX);
}

static void offers_a_network_front_end_neither_config_nor_slots(void **state)
{
	tear_down(state);
	front_init_network(&front);
	front_send(&front, VU_GET_PROTOCOL_FEATURES, NULL, 0);
	assert_int_equal(front_reply_u64(&front, VU_GET_PROTOCOL_FEATURES),
			 FRONT_PROTOCOL_FEATURES &
				 ~(VU_PROTOCOL_F_CONFIG | VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS));
	front_send_u64(&front, VU_SET_PROTOCOL_FEATURES, VU_PROTOCOL_F_CONFIG);
	assert_true(front_hung_up(&front));
}

static void starts_the_device_once_for_a_burst(void **state)
{
	(void)state;
	front_start(&front);
	assert_int_equal(front.dev.starts, 1);
	assert_true(front.dev.vdev.started);
	assert_int_equal(front.dev.vdev.acked, VDEV_RING_FEATURES);
	assert_true(front_round_trip(&front, 0));
	assert_true(front_round_trip(&front, 1));
	assert_true(ring_driver_called(&front.rings[0]));
	assert_int_equal(front.dev.starts, 1);
}

static void waits_for_enable(void **state)
{
	(void)state;
	front_negotiate(&front, FRONT_FEATURES);
	front_share_memory(&front);
	front_set_ring(&front, 0);
	front_settle(&front);
	assert_int_equal(front.dev.starts, 0);
	assert_false(front_round_trip(&front, 0));
	front_send_state(&front, VU_SET_VRING_ENABLE, 0, 1);
	front_settle(&front);
	assert_int_equal(front.dev.starts, 1);
	assert_false(front.dev.vdev.vqs[1].enabled);
}

static void enable_may_come_before_features(void **state)
{
	(void)state;
	front_send_state(&front, VU_SET_VRING_ENABLE, 0, 1);
	front_negotiate(&front, FRONT_FEATURES);
	front_share_memory(&front);
	front_set_ring(&front, 0);
	front_settle(&front);
	assert_int_equal(front.dev.starts, 1);
	assert_true(front_round_trip(&front, 0));
}

static void without_protocol_features_rings_are_enabled(void **state)
{
	(void)state;
	front_negotiate(&front, VDEV_RING_FEATURES);
	front_share_memory(&front);
	front_set_ring(&front, 1);
	front_settle(&front);
	assert_int_equal(front.dev.starts, 1);
	assert_true(front_round_trip(&front, 1));
}

static void a_ring_can_come_later(void **state)
{
	(void)state;
	front_negotiate(&front, FRONT_FEATURES);
	front_share_memory(&front);
	front_set_ring(&front, 0);
	front_send_state(&front, VU_SET_VRING_ENABLE, 0, 1);
	front_settle(&front);
	assert_true(front_round_trip(&front, 0));
	front_set_ring(&front, 1);
	front_send_state(&front, VU_SET_VRING_ENABLE, 1, 1);
	front_settle(&front);
	assert_int_equal(front.dev.starts, 2);
	assert_true(front_round_trip(&front, 1));
	/* The first goes on where it was. */
	assert_true(front_round_trip(&front, 0));
	assert_int_equal(front.dev.vdev.vqs[0].next_avail, 2);
}

static void a_kick_while_halted_is_not_lost(void **state)
{
	const struct ring_buf buf = { .gpa = front_region(0).gpa + FRONT_REGION - 64,
				      .len = 8,
				      .writable = true };
	uint32_t head, len;

	(void)state;
	front_start(&front);
	front_send_state(&front, VU_SET_VRING_ENABLE, 0, 0);
	front_settle(&front);
	assert_true(ring_driver_add(&front.rings[0], &buf, 1) >= 0);
	ring_driver_kick(&front.rings[0]);
	front_settle(&front);
	assert_false(ring_driver_used(&front.rings[0], &head, &len));
	/* The other ring lives meanwhile. */
	assert_true(front_round_trip(&front, 1));
	front_send_state(&front, VU_SET_VRING_ENABLE, 0, 1);
	front_settle(&front);
	assert_true(ring_driver_used(&front.rings[0], &head, &len));
}

static void get_base_stops_the_ring_and_says_where_it_was(void **state)
{
	(void)state;
	front_start(&front);
	assert_true(front_round_trip(&front, 0));
	assert_true(front_round_trip(&front, 0));
	assert_int_equal(get_base(0).payload.state.num, 2);
	assert_false(front.dev.vdev.vqs[0].enabled);
	assert_true(front.dev.vdev.started); /* for ring 1 */
	assert_int_equal(get_base(1).payload.state.num, 0);
	assert_false(front.dev.vdev.started);
	assert_false(front_round_trip(&front, 0));
}

static void a_stopped_ring_resumes_at_its_base(void **state)
{
	(void)state;
	front_start(&front);
	assert_true(front_round_trip(&front, 0));
	get_base(0);
	get_base(1);
	for (unsigned i = 0; i < FRONT_QUEUES; i++)
		front_set_ring(&front, i);
	front_settle(&front);
	assert_true(front_round_trip(&front, 0));
	assert_int_equal(front.dev.vdev.vqs[0].next_avail, 2);
	assert_int_equal(front.dev.vdev.vqs[0].next_used, 2);
}

static void the_driver_may_begin_anew(void **state)
{
	(void)state;
	front_start(&front);
	assert_true(front_round_trip(&front, 0));
	get_base(0);
	get_base(1);
	ring_driver_restart(&front.rings[0]);
	ring_driver_restart(&front.rings[1]);
	front_set_ring(&front, 0);
	front_set_ring(&front, 1);
	front_settle(&front);
	assert_true(front_round_trip(&front, 0));
	assert_int_equal(front.dev.vdev.vqs[0].next_used, 1);
}

static void reset_device_takes_the_rings_back(void **state)
{
	(void)state;
	front_start(&front);
	assert_true(front_round_trip(&front, 0));
	front_send(&front, VU_RESET_DEVICE, NULL, 0);
	assert_true(front_quiet(&front));
	assert_false(front.dev.vdev.started);
	assert_int_equal(front.dev.vdev.vqs[0].next_avail, 0);
	/* Memory and features stay. */
	ring_driver_restart(&front.rings[0]);
	front_set_ring(&front, 0);
	front_send_state(&front, VU_SET_VRING_ENABLE, 0, 1);
	front_settle(&front);
	assert_true(front_round_trip(&front, 0));
}

static void reset_owner_disables_all_rings(void **state)
{
	(void)state;
	front_start(&front);
	front_send(&front, VU_RESET_OWNER, NULL, 0);
	front_settle(&front);
	assert_false(front.dev.vdev.started);
	front_send_state(&front, VU_SET_VRING_ENABLE, 1, 1);
	front_settle(&front);
	assert_true(front_round_trip(&front, 1));
	assert_false(front_round_trip(&front, 0));
}

static void the_call_descriptor_changes_without_a_restart(void **state)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	uint64_t count;

	(void)state;
	front_start(&front);
	front_send_fd(&front, VU_SET_VRING_CALL, 0, fd);
	assert_true(front_round_trip(&front, 0));
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
	assert_false(ring_driver_called(&front.rings[0]));
	/* And away: nobody is called, nothing fails. */
	front_send_u64(&front, VU_SET_VRING_CALL, VU_VRING_NO_FD | 0);
	assert_true(front_round_trip(&front, 0));
	assert_int_equal(read(fd, &count, sizeof(count)), -1);
	assert_int_equal(front.dev.starts, 1);
	close(fd);
}

static void reply_ack_answers_what_has_no_reply(void **state)
{
	struct vu_header header = { .request = VU_SET_OWNER, .flags = VU_VERSION | VU_FLAG_NEED_REPLY };

	(void)state;
	/* Not before it was negotiated. */
	front_send_raw(&front, &header, NULL, 0, NULL, 0);
	assert_true(front_quiet(&front));
	front_negotiate(&front, FRONT_FEATURES);
	front_send_raw(&front, &header, NULL, 0, NULL, 0);
	assert_int_equal(front_reply_u64(&front, VU_SET_OWNER), 0);
	/* One reply, not two. */
	header.request = VU_GET_FEATURES;
	front_send_raw(&front, &header, NULL, 0, NULL, 0);
	assert_int_equal(front_reply_u64(&front, VU_GET_FEATURES), FRONT_FEATURES);
	assert_true(front_quiet(&front));
}

static void memory_comes_and_goes_by_region(void **state)
{
	const struct vu_header header = { .request = VU_ADD_MEM_REG,
					  .flags = VU_VERSION | VU_FLAG_NEED_REPLY,
					  .size = sizeof(struct vu_mem_reg) };
	struct vu_mem_reg reg = { .region = front_region(0) };

	(void)state;
	front_negotiate(&front, FRONT_FEATURES);
	front_send_raw(&front, &header, &reg, sizeof(reg), &front.memfd, 1);
	assert_int_equal(front_reply_u64(&front, VU_ADD_MEM_REG), 0);
	front_set_ring(&front, 0);
	front_send_state(&front, VU_SET_VRING_ENABLE, 0, 1);
	front_settle(&front);
	assert_true(front_round_trip(&front, 0));

	/* A region that moves is removed, then added: the device waits for it. */
	front_send(&front, VU_REM_MEM_REG, &reg, sizeof(reg));
	assert_true(front_quiet(&front));
	assert_false(front.dev.vdev.started);
	front_send_raw(&front, &header, &reg, sizeof(reg), &front.memfd, 1);
	assert_int_equal(front_reply_u64(&front, VU_ADD_MEM_REG), 0);
	assert_true(front_round_trip(&front, 0));
}

static void the_memory_table_is_replaced_under_a_running_device(void **state)
{
	(void)state;
	front_start(&front);
	assert_true(front_round_trip(&front, 0));
	front_share_memory(&front);
	front_settle(&front);
	assert_true(front_round_trip(&front, 0));
	assert_true(front_round_trip(&front, 1));
}

static void config_space_is_read_and_written(void **state)
{
	struct vu_config config = { .offset = 2, .size = 4 };
	struct vu_message msg;

	(void)state;
	front_negotiate(&front, FRONT_FEATURES);
	front_send(&front, VU_GET_CONFIG, &config, VU_CONFIG_HEADER + 4);
	front_reply(&front, VU_GET_CONFIG, &msg);
	assert_int_equal(msg.header.size, VU_CONFIG_HEADER + 4);
	assert_memory_equal(msg.payload.config.bytes, "\3\4\5\6", 4);

	config.bytes[0] = 77;
	config.size = 1;
	front_send(&front, VU_SET_CONFIG, &config, VU_CONFIG_HEADER + 1);
	assert_true(front_quiet(&front));
	assert_int_equal(front.dev.vdev.config[2], 77);
	assert_int_equal(front.dev.config_writes, 1);
}

static void config_beyond_the_device_is_zero(void **state)
{
	struct vu_config config = { .offset = 6, .size = 10 };
	struct vu_message msg;

	(void)state;
	memset(config.bytes, 0xff, sizeof(config.bytes));
	front_negotiate(&front, FRONT_FEATURES);
	front_send(&front, VU_GET_CONFIG, &config, VU_CONFIG_HEADER + 10);
	front_reply(&front, VU_GET_CONFIG, &msg);
	assert_memory_equal(msg.payload.config.bytes, "\7\10\0\0\0\0\0\0\0\0", 10);
	/* No device has so much: an error, by its empty payload. */
	config.offset = VU_CONFIG_MAX - 9;
	front_send(&front, VU_GET_CONFIG, &config, VU_CONFIG_HEADER + 10);
	front_reply(&front, VU_GET_CONFIG, &msg);
	assert_int_equal(msg.header.size, 0);
}

static void config_writes_beyond_the_device_are_refused(void **state)
{
	const struct vu_config config = { .offset = FRONT_CONFIG - 1, .size = 2 };
	const struct vu_header header = { .request = VU_SET_CONFIG,
					  .flags = VU_VERSION | VU_FLAG_NEED_REPLY,
					  .size = VU_CONFIG_HEADER + 2 };

	(void)state;
	front_negotiate(&front, FRONT_FEATURES);
	front_send_raw(&front, &header, &config, header.size, NULL, 0);
	assert_int_not_equal(front_reply_u64(&front, VU_SET_CONFIG), 0);
	assert_int_equal(front.dev.config_writes, 0);
	assert_true(front_quiet(&front));
}

static void a_config_change_is_announced(void **state)
{
	const struct vu_header header = { .request = VU_SET_BACKEND_REQ_FD, .flags = VU_VERSION };
	struct vu_header got;
	int pair[2];

	(void)state;
	front_negotiate(&front, FRONT_FEATURES);
	/* Without a socket for it nothing happens. */
	front_settle(&front);
	front.dev.vdev.host_ops->config_changed(front.dev.vdev.host, &front.dev.vdev);
	assert_true(front_quiet(&front));

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	front_send_raw(&front, &header, NULL, 0, &pair[1], 1);
	assert_true(front_quiet(&front));
	front.dev.vdev.host_ops->config_changed(front.dev.vdev.host, &front.dev.vdev);
	assert_int_equal(recv(pair[0], &got, sizeof(got), MSG_DONTWAIT), sizeof(got));
	assert_int_equal(got.request, VU_BACKEND_CONFIG_CHANGE);
	assert_int_equal(got.flags, VU_VERSION);
	/* A front-end that doesn't read it stops nothing. */
	for (unsigned i = 0; i < 100000; i++)
		front.dev.vdev.host_ops->config_changed(front.dev.vdev.host, &front.dev.vdev);
	assert_true(front_quiet(&front));
	close(pair[0]);
	close(pair[1]);
}

static void a_message_may_come_in_pieces(void **state)
{
	const struct vu_header header = { .request = VU_SET_FEATURES, .flags = VU_VERSION, .size = 8 };
	const uint64_t features = FRONT_FEATURES;
	uint8_t bytes[20];

	(void)state;
	memcpy(bytes, &header, 12);
	memcpy(bytes + 12, &features, 8);
	for (unsigned i = 0; i < sizeof(bytes); i++) {
		assert_int_equal(send(front.sock, bytes + i, 1, 0), 1);
		assert_true(front_quiet(&front));
	}
	/* It was understood: an enable is legal now. */
	front_send_state(&front, VU_SET_VRING_ENABLE, 0, 1);
	assert_true(front_quiet(&front));
}

static void the_end_of_the_connection_stops_the_device(void **state)
{
	(void)state;
	front_start(&front);
	assert_int_equal(shutdown(front.sock, SHUT_RDWR), 0);
	front_settle(&front);
	assert_true(front.closed);
	assert_string_equal(front.why, "");
	assert_int_equal(front.dev.stops, 1);
	assert_null(front.dev.vdev.host);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(offers_the_devices_features),
		T(offers_a_network_front_end_neither_config_nor_slots),
		T(starts_the_device_once_for_a_burst),
		T(waits_for_enable),
		T(enable_may_come_before_features),
		T(without_protocol_features_rings_are_enabled),
		T(a_ring_can_come_later),
		T(a_kick_while_halted_is_not_lost),
		T(get_base_stops_the_ring_and_says_where_it_was),
		T(a_stopped_ring_resumes_at_its_base),
		T(the_driver_may_begin_anew),
		T(reset_device_takes_the_rings_back),
		T(reset_owner_disables_all_rings),
		T(the_call_descriptor_changes_without_a_restart),
		T(reply_ack_answers_what_has_no_reply),
		T(memory_comes_and_goes_by_region),
		T(the_memory_table_is_replaced_under_a_running_device),
		T(config_space_is_read_and_written),
		T(config_beyond_the_device_is_zero),
		T(config_writes_beyond_the_device_are_refused),
		T(a_config_change_is_announced),
		T(a_message_may_come_in_pieces),
		T(the_end_of_the_connection_stops_the_device),
	};

	return cmocka_run_group_tests_name("vhost_user", tests, NULL, NULL);
}
