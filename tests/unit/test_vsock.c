/* SPDX-License-Identifier: Apache-2.0 */
/* vsock: connections, and packets that make no sense. */
#include "tests/unit/test.h"

#include "tests/unit/vsock_stream_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- Connections --- */

static void config_holds_the_context_id(void **state)
{
	struct vsock_config config = { .guest_cid = 2 };
	struct vdev *dev;

	(void)state;
	assert_int_equal(g.dev->config_len, 8);
	assert_memory_equal(g.dev->config, ((uint8_t[8]){ GUEST_CID }), 8);
	assert_int_equal(g.dev->features, VDEV_RING_FEATURES);
	assert_int_equal(virtio_vsock_new(g.loop, &config, &dev, NULL), -EINVAL);
	config.guest_cid = UINT32_MAX;
	assert_int_equal(virtio_vsock_new(g.loop, &config, &dev, NULL), -EINVAL);
	config.guest_cid = 1ULL << 32 | 5;
	assert_int_equal(virtio_vsock_new(g.loop, &config, &dev, NULL), -EINVAL);
}

static void a_port_that_was_not_offered_is_reset(void **state)
{
	(void)state;
	send_op(VSOCK_OP_REQUEST, 0);
	expect_op(VSOCK_OP_RST);
	expect_nothing();
}

static void an_offer_is_taken_once(void **state)
{
	struct vsock_hdr again = guest_hdr(VSOCK_OP_REQUEST, PORT + 1, HOST_PORT);

	(void)state;
	open_piped();
	assert_true(guest_send(&g, &again, NULL));
	guest_turn(&g);
	expect_packet(VSOCK_OP_RST);
	assert_int_equal(packet.hdr.dst_port, PORT + 1);
	assert_int_equal(virtio_vsock_withdraw(g.dev, HOST_PORT), -ENOENT);
	assert_int_equal(end.calls, 0);
	close_ends();
}

static void a_privileged_offer_waits_for_a_privileged_port(void **state)
{
	struct vsock_hdr hdr = guest_hdr(VSOCK_OP_REQUEST, 1024, HOST_PORT);

	(void)state;
	assert_int_equal(
		virtio_vsock_offer(g.dev, HOST_PORT, true, open("/dev/zero", O_RDONLY), -1, NULL, NULL), 0);
	assert_true(guest_send(&g, &hdr, NULL));
	guest_turn(&g);
	expect_packet(VSOCK_OP_RST);
	assert_int_equal(packet.hdr.dst_port, 1024);
	hdr.src_port = 1023;
	assert_true(guest_send(&g, &hdr, NULL));
	guest_turn(&g);
	expect_packet(VSOCK_OP_RESPONSE);
	assert_int_equal(packet.hdr.dst_port, 1023);
}

static void a_withdrawn_offer_is_closed_unreported(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(virtio_vsock_offer(g.dev, HOST_PORT, false, -1, fds[1], on_end, NULL), 0);
	assert_int_equal(virtio_vsock_withdraw(g.dev, HOST_PORT), 0);
	expect_eof(fds[0]);
	assert_int_equal(virtio_vsock_withdraw(g.dev, HOST_PORT), -ENOENT);
	send_op(VSOCK_OP_REQUEST, 0);
	expect_op(VSOCK_OP_RST);
	assert_int_equal(end.calls, 0);
	close(fds[0]);
}

static void a_port_is_offered_once_at_a_time(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(virtio_vsock_offer(g.dev, HOST_PORT, false, -1, -1, on_end, NULL), 0);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(virtio_vsock_offer(g.dev, HOST_PORT, false, -1, fds[1], on_end, NULL), -EADDRINUSE);
	expect_eof(fds[0]); /* consumed all the same */
	close(fds[0]);
	for (unsigned i = 1; i < VSOCK_STREAMS_MAX; i++)
		assert_int_equal(virtio_vsock_offer(g.dev, HOST_PORT + i, false, -1, -1, NULL, NULL), 0);
	assert_int_equal(virtio_vsock_offer(g.dev, 1, false, -1, -1, NULL, NULL), -ENOSPC);
}

static void streams_are_limited(void **state)
{
	(void)state;
	g.refill = false;
	for (unsigned i = 0; i < VSOCK_STREAMS_MAX; i++)
		assert_int_equal(virtio_vsock_connect(g.dev, 7, -1, -1, NULL, NULL), 0);
	assert_int_equal(virtio_vsock_connect(g.dev, 7, -1, -1, NULL, NULL), -ENOSPC);
	guest_turn(&g);
	for (unsigned i = 0; i < 16; i++)
		expect_packet(VSOCK_OP_REQUEST);
	assert_int_equal(virtio_vsock_offer(g.dev, HOST_PORT, false, -1, -1, on_end, NULL), 0);
	send_op(VSOCK_OP_REQUEST, 0);
	guest_fill_rx(&g, 1);
	guest_turn(&g);
	expect_op(VSOCK_OP_RST); /* before the other requests that wait */
	assert_int_equal(virtio_vsock_withdraw(g.dev, HOST_PORT), 0); /* and the offer stands */
}

static void a_second_request_resets_the_stream(void **state)
{
	(void)state;
	open_piped();
	send_op(VSOCK_OP_REQUEST, 0);
	expect_op(VSOCK_OP_RST);
	expect_end(VSOCK_END_RESET);
	close_ends();
}

static int connect_calls;
static int connect_result;

static int on_connect(void *ctx, uint32_t guest_port, uint32_t host_port, int *ret_rfd, int *ret_wfd)
{
	assert_ptr_equal(ctx, &connect_calls);
	assert_int_equal(guest_port, PORT);
	assert_int_equal(host_port, HOST_PORT);
	connect_calls++;
	*ret_rfd = *ret_wfd = connect_result < 0 ? -1 : open("/dev/null", O_RDWR | O_CLOEXEC);
	return connect_result;
}

static void the_callback_decides_about_other_ports(void **state)
{
	const struct vsock_config config = { .guest_cid = GUEST_CID,
					     .connect = on_connect,
					     .ctx = &connect_calls };

	(void)state;
	tear_down(NULL);
	guest_init(&g, &config);
	guest_fill_rx(&g, 16);
	connect_result = -ECONNREFUSED;
	send_op(VSOCK_OP_REQUEST, 0);
	expect_op(VSOCK_OP_RST);
	connect_result = 0;
	send_op(VSOCK_OP_REQUEST, 0);
	expect_op(VSOCK_OP_RESPONSE);
	assert_int_equal(connect_calls, 2);
	expect_shutdown(VSOCK_SHUT_SEND); /* /dev/null is at its end */
	send_op(VSOCK_OP_SHUTDOWN, VSOCK_SHUT_BOTH);
	expect_op(VSOCK_OP_RST);
}

static void connect_to_guest(int rfd, int wfd)
{
	assert_int_equal(virtio_vsock_connect(g.dev, PORT, rfd, wfd, on_end, NULL), 0);
	guest_turn(&g);
	expect_packet(VSOCK_OP_REQUEST);
	assert_int_equal(packet.hdr.dst_port, PORT);
	assert_int_equal(packet.hdr.buf_alloc, VSOCK_BUF_ALLOC);
}

static void answer(uint16_t op)
{
	struct vsock_hdr hdr = guest_hdr(op, PORT, packet.hdr.src_port);

	assert_true(guest_send(&g, &hdr, NULL));
	guest_turn(&g);
}

static void the_host_connects_to_the_guest(void **state)
{
	int sv[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(write(sv[1], "hello", 5), 5);
	connect_to_guest(sv[0], sv[0]);
	expect_nothing(); /* no data before the answer */
	answer(VSOCK_OP_RESPONSE);
	expect_packet(VSOCK_OP_RW);
	assert_memory_equal(packet.payload, "hello", 5);
	answer(VSOCK_OP_RST);
	expect_end(VSOCK_END_RESET);
	expect_eof(sv[1]);
	close(sv[1]);
}

static void a_refusal_is_reported(void **state)
{
	(void)state;
	connect_to_guest(-1, -1);
	answer(VSOCK_OP_RST);
	expect_nothing();
	expect_end(VSOCK_END_REFUSED);
}

static void an_answer_that_is_none_resets(void **state)
{
	(void)state;
	connect_to_guest(-1, -1);
	answer(VSOCK_OP_CREDIT_UPDATE);
	expect_packet(VSOCK_OP_RST);
	expect_end(VSOCK_END_RESET);
}

static void an_answer_before_the_question_resets(void **state)
{
	struct vsock_hdr hdr = guest_hdr(VSOCK_OP_RESPONSE, PORT, 1 << 30);

	(void)state;
	tear_down(NULL);
	guest_init(&g, NULL); /* no rx buffers */
	assert_int_equal(virtio_vsock_connect(g.dev, PORT, -1, -1, on_end, NULL), 0);
	assert_true(guest_send(&g, &hdr, NULL));
	expect_end(VSOCK_END_RESET);
}

static void a_connection_asked_for_before_the_start_is_made(void **state)
{
	(void)state;
	ring_host_reset(&g.host);
	assert_int_equal(virtio_vsock_connect(g.dev, PORT, -1, -1, on_end, NULL), 0);
	guest_turn(&g);
	assert_int_equal(vdev_start(g.dev), 0);
	guest_fill_rx(&g, 4);
	guest_turn(&g);
	expect_packet(VSOCK_OP_REQUEST);
}

/* --- Malformed packets --- */

/* A tx chain of our own making; the device must fail with `why`. */
static void expect_failure(const char *why)
{
	ring_driver_kick(g.tx);
	ring_driver_kick(g.rx);
	guest_turn(&g);
	assert_int_equal(g.host.failures, 1);
	assert_string_equal(g.host.why, why);
	/* it rests until the reset */
	guest_turn(&g);
	assert_int_equal(g.host.failures, 1);
}

static void lay_hdr(struct vsock_hdr hdr)
{
	assert_true(guest_send(&g, &hdr, NULL)); /* lays it out; then make it another chain */
}

static void add_raw(uint32_t len, bool writable)
{
	const struct ring_buf buf = { g.spare, len, writable };

	assert_true(ring_driver_add(g.tx, &buf, 1) >= 0);
}

static void a_short_packet_fails_the_device(void **state)
{
	(void)state;
	open_piped();
	add_raw(VSOCK_HDR_SIZE - 1, false);
	expect_failure("packet shorter than its header");
	close_ends();
}

static void an_empty_chain_fails_the_device(void **state)
{
	(void)state;
	add_raw(0, false);
	expect_failure("packet shorter than its header");
}

static void a_writable_packet_fails_the_device(void **state)
{
	const struct ring_buf bufs[] = { { g.spare, VSOCK_HDR_SIZE, false }, { g.spare + 64, 64, true } };

	(void)state;
	assert_true(ring_driver_add(g.tx, bufs, 2) >= 0);
	expect_failure("writable buffer in the tx queue");
}

static void put_len(uint32_t len, uint16_t op)
{
	uint8_t *p = ring_mem_at(&g.host.rm, g.spare, VSOCK_HDR_SIZE);

	memset(p, 0, VSOCK_HDR_SIZE);
	memcpy(p + 24, &len, 4);
	memcpy(p + 30, &op, 2);
}

static void a_packet_longer_than_its_chain_fails_the_device(void **state)
{
	(void)state;
	put_len(21, VSOCK_OP_RW);
	add_raw(VSOCK_HDR_SIZE + 20, false);
	expect_failure("packet longer than its buffers");
}

static void a_packet_longer_than_64_kib_fails_the_device(void **state)
{
	(void)state;
	put_len((64 << 10) + 1, VSOCK_OP_RW);
	add_raw(128 << 10, false);
	expect_failure("packet longer than 64 KiB");
}

static void an_absurd_length_fails_the_device(void **state)
{
	(void)state;
	put_len(UINT32_MAX, VSOCK_OP_RW);
	add_raw(128, false);
	expect_failure("packet longer than 64 KiB");
}

static void a_control_packet_with_payload_fails_the_device(void **state)
{
	(void)state;
	put_len(1, VSOCK_OP_REQUEST);
	add_raw(128, false);
	expect_failure("control packet with a payload");
}

static void a_broken_tx_ring_fails_the_device(void **state)
{
	(void)state;
	ring_driver_publish(g.tx, GUEST_QUEUE);
	expect_failure("head of a chain outside the queue");
}

static void add_rx_raw(const struct ring_buf *bufs, unsigned n)
{
	tear_down(NULL);
	guest_init(&g, NULL);
	assert_true(ring_driver_add(g.rx, bufs, n) >= 0);
	lay_hdr(guest_hdr(VSOCK_OP_REQUEST, PORT, HOST_PORT));
}

static void a_readable_rx_buffer_fails_the_device(void **state)
{
	const struct ring_buf bufs[] = { { g.spare, 64, false }, { g.spare, 4096, true } };

	(void)state;
	add_rx_raw(bufs, 2);
	expect_failure("readable buffer in the rx queue");
}

static void a_tiny_rx_buffer_fails_the_device(void **state)
{
	const struct ring_buf buf = { g.spare, VSOCK_HDR_SIZE - 1, true };

	(void)state;
	add_rx_raw(&buf, 1);
	expect_failure("rx buffer too small for a packet");
}

static void a_broken_rx_ring_fails_the_device(void **state)
{
	(void)state;
	send_op(VSOCK_OP_REQUEST, 0);
	ring_driver_set_avail_idx(g.rx, 1000);
	send_op(VSOCK_OP_REQUEST, 0);
	expect_failure("available index is too far ahead");
}

static void the_host_may_reset_from_the_failure(void **state)
{
	(void)state;
	g.host.reset_on_failure = true;
	open_piped();
	add_raw(3, false);
	ring_driver_kick(g.tx);
	guest_turn(&g);
	assert_int_equal(g.host.failures, 1);
	expect_end(VSOCK_END_RESET);
	close_ends();
}

static void foreign_sources_are_dropped(void **state)
{
	struct vsock_hdr hdr = guest_hdr(VSOCK_OP_REQUEST, PORT, HOST_PORT);

	(void)state;
	hdr.src_cid = GUEST_CID + 1;
	assert_true(guest_send(&g, &hdr, NULL));
	hdr.src_cid = GUEST_CID | 1ULL << 32;
	assert_true(guest_send(&g, &hdr, NULL));
	expect_nothing();
	assert_int_equal(g.host.failures, 0);
}

static void other_destinations_are_reset_from_there(void **state)
{
	struct vsock_hdr hdr = guest_hdr(VSOCK_OP_REQUEST, PORT, HOST_PORT);

	(void)state;
	hdr.dst_cid = 77;
	assert_true(guest_send(&g, &hdr, NULL));
	guest_turn(&g);
	expect_packet(VSOCK_OP_RST);
	assert_int_equal(packet.hdr.src_cid, 77);
	assert_int_equal(packet.hdr.src_port, HOST_PORT);
}

static void other_types_are_reset(void **state)
{
	struct vsock_hdr hdr = guest_hdr(VSOCK_OP_REQUEST, PORT, HOST_PORT);

	(void)state;
	assert_int_equal(virtio_vsock_offer(g.dev, HOST_PORT, false, -1, -1, on_end, NULL), 0);
	hdr.type = 2;
	assert_true(guest_send(&g, &hdr, NULL));
	guest_turn(&g);
	expect_packet(VSOCK_OP_RST);
	assert_int_equal(packet.hdr.type, 2);
	assert_int_equal(virtio_vsock_withdraw(g.dev, HOST_PORT), 0);
}

static void packets_without_a_stream_are_reset_but_resets_are_not(void **state)
{
	static const uint16_t ops[] = { 0,
					VSOCK_OP_RESPONSE,
					VSOCK_OP_SHUTDOWN,
					VSOCK_OP_RW,
					VSOCK_OP_CREDIT_UPDATE,
					VSOCK_OP_CREDIT_REQUEST,
					8,
					0xffff };

	(void)state;
	for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		send_op(ops[i], 0);
		expect_op(VSOCK_OP_RST);
	}
	send_op(VSOCK_OP_REQUEST, 1);
	expect_op(VSOCK_OP_RST);
	send_op(VSOCK_OP_RST, 0);
	expect_nothing();
}

static void reset_by(uint16_t op, uint32_t flags)
{
	memset(&end, 0, sizeof(end));
	open_piped();
	send_op(op, flags);
	expect_op(VSOCK_OP_RST);
	expect_end(VSOCK_END_RESET);
	expect_nothing();
	close_ends();
}

static void packets_that_make_no_sense_reset_their_stream(void **state)
{
	(void)state;
	reset_by(0, 0);
	reset_by(8, 0);
	reset_by(0xffff, 0);
	reset_by(VSOCK_OP_RESPONSE, 0);
	reset_by(VSOCK_OP_SHUTDOWN, 4);
	reset_by(VSOCK_OP_SHUTDOWN, 0x80000003);
	reset_by(VSOCK_OP_RW, 1);
	reset_by(VSOCK_OP_CREDIT_REQUEST, 2);
}

static void data_after_shutdown_resets(void **state)
{
	(void)state;
	open_piped();
	send_op(VSOCK_OP_SHUTDOWN, VSOCK_SHUT_SEND);
	send_data("x", 1);
	expect_op(VSOCK_OP_RST);
	expect_end(VSOCK_END_RESET);
	close_ends();
}

static void a_reset_from_the_guest_ends_the_stream(void **state)
{
	(void)state;
	open_piped();
	send_data("last", 4);
	send_op(VSOCK_OP_RST, 0);
	expect_nothing();
	expect_end(VSOCK_END_RESET);
	expect_text(ends.out, "last");
	expect_eof(ends.out);
	close_ends();
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(config_holds_the_context_id),
		TEST(a_port_that_was_not_offered_is_reset),
		TEST(an_offer_is_taken_once),
		TEST(a_privileged_offer_waits_for_a_privileged_port),
		TEST(a_withdrawn_offer_is_closed_unreported),
		TEST(a_port_is_offered_once_at_a_time),
		TEST(streams_are_limited),
		TEST(a_second_request_resets_the_stream),
		TEST(the_callback_decides_about_other_ports),
		TEST(the_host_connects_to_the_guest),
		TEST(a_refusal_is_reported),
		TEST(an_answer_that_is_none_resets),
		TEST(an_answer_before_the_question_resets),
		TEST(a_connection_asked_for_before_the_start_is_made),
		TEST(a_short_packet_fails_the_device),
		TEST(an_empty_chain_fails_the_device),
		TEST(a_writable_packet_fails_the_device),
		TEST(a_packet_longer_than_its_chain_fails_the_device),
		TEST(a_packet_longer_than_64_kib_fails_the_device),
		TEST(an_absurd_length_fails_the_device),
		TEST(a_control_packet_with_payload_fails_the_device),
		TEST(a_broken_tx_ring_fails_the_device),
		TEST(a_readable_rx_buffer_fails_the_device),
		TEST(a_tiny_rx_buffer_fails_the_device),
		TEST(a_broken_rx_ring_fails_the_device),
		TEST(the_host_may_reset_from_the_failure),
		TEST(foreign_sources_are_dropped),
		TEST(other_destinations_are_reset_from_there),
		TEST(other_types_are_reset),
		TEST(packets_without_a_stream_are_reset_but_resets_are_not),
		TEST(packets_that_make_no_sense_reset_their_stream),
		TEST(data_after_shutdown_resets),
		TEST(a_reset_from_the_guest_ends_the_stream),
	};

	/* as every process that hosts the device */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
