/* SPDX-License-Identifier: Apache-2.0 */
/* vsock: connections, packets that make no sense, both credits, and every way to end. */
#include "tests/unit/test.h"

#include "base/loop.h"
#include "tests/unit/vsock_guest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 1000, HOST_PORT = 5000 };

static struct guest g;
static struct guest_packet packet;

static struct {
	unsigned calls;
	enum vsock_end why;
} end;

static void on_end(void *ctx, enum vsock_end why)
{
	(void)ctx;
	end.calls++;
	end.why = why;
}

static int set_up(void **state)
{
	(void)state;
	memset(&end, 0, sizeof(end));
	guest_init(&g, NULL);
	guest_fill_rx(&g, 16);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	guest_done(&g);
	return 0;
}

static void send_op(uint16_t op, uint32_t flags)
{
	struct vsock_hdr hdr = guest_hdr(op, PORT, HOST_PORT);

	hdr.flags = flags;
	assert_true(guest_send(&g, &hdr, NULL));
	guest_turn(&g);
}

static void send_data(const void *data, uint32_t len)
{
	struct vsock_hdr hdr = guest_hdr(VSOCK_OP_RW, PORT, HOST_PORT);

	hdr.len = len;
	assert_true(guest_send(&g, &hdr, data));
	guest_turn(&g);
}

static void send_credit(uint32_t buf_alloc, uint32_t fwd_cnt)
{
	struct vsock_hdr hdr = guest_hdr(VSOCK_OP_CREDIT_UPDATE, PORT, HOST_PORT);

	hdr.buf_alloc = buf_alloc;
	hdr.fwd_cnt = fwd_cnt;
	assert_true(guest_send(&g, &hdr, NULL));
	guest_turn(&g);
}

static void expect_packet(uint16_t op)
{
	assert_true(guest_receive(&g, &packet));
	assert_int_equal(packet.hdr.op, op);
}

static void expect_op(uint16_t op)
{
	expect_packet(op);
	assert_int_equal(packet.hdr.src_cid, VSOCK_HOST_CID);
	assert_int_equal(packet.hdr.src_port, HOST_PORT);
	assert_int_equal(packet.hdr.dst_port, PORT);
	assert_int_equal(packet.hdr.type, VSOCK_TYPE_STREAM);
	assert_int_equal(packet.hdr.len, op == VSOCK_OP_RW ? packet.hdr.len : 0);
}

static void expect_shutdown(uint32_t flags)
{
	expect_op(VSOCK_OP_SHUTDOWN);
	assert_int_equal(packet.hdr.flags, flags);
}

static void expect_nothing(void)
{
	guest_turn(&g);
	assert_false(guest_receive(&g, &packet));
}

static void expect_end(enum vsock_end why)
{
	guest_turn(&g);
	assert_int_equal(end.calls, 1);
	assert_int_equal(end.why, why);
}

static void open_stream(int rfd, int wfd)
{
	assert_int_equal(virtio_vsock_offer(g.dev, HOST_PORT, false, rfd, wfd, on_end, NULL), 0);
	send_op(VSOCK_OP_REQUEST, 0);
	expect_op(VSOCK_OP_RESPONSE);
	assert_int_equal(packet.hdr.buf_alloc, VSOCK_BUF_ALLOC);
	assert_int_equal(packet.hdr.fwd_cnt, 0);
}

/* Our ends of the two pipes: what the guest gets is written to `in`, what it sends is read from `out`. */
static struct {
	int in, out;
} ends;

static void open_piped(void)
{
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	ends.in = in[1];
	ends.out = out[0];
	assert_int_equal(fcntl(ends.out, F_SETFL, O_NONBLOCK), 0);
	open_stream(in[0], out[1]);
}

static void close_ends(void)
{
	close(ends.in);
	close(ends.out);
}

static void open_socket(int *ret_fd)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(fcntl(sv[1], F_SETFL, O_NONBLOCK), 0);
	*ret_fd = sv[1];
	open_stream(sv[0], sv[0]);
}

static void expect_text(int fd, const char *text)
{
	char buf[64];
	ssize_t n = read(fd, buf, sizeof(buf));

	assert_int_equal(n, strlen(text));
	assert_memory_equal(buf, text, n);
}

static void expect_eof(int fd)
{
	char c;

	assert_int_equal(read(fd, &c, 1), 0);
}

static void write_text(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	guest_turn(&g);
}

static void expect_data(const char *text)
{
	expect_op(VSOCK_OP_RW);
	assert_int_equal(packet.hdr.len, strlen(text));
	assert_memory_equal(packet.payload, text, strlen(text));
}

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

/* --- Data and credit --- */

static void data_flows_both_ways(void **state)
{
	(void)state;
	open_piped();
	send_data("to the host", 11);
	expect_text(ends.out, "to the host");
	write_text(ends.in, "to the guest");
	expect_data("to the guest");
	assert_int_equal(packet.hdr.fwd_cnt, 11);
	send_data("", 0); /* no harm */
	send_op(VSOCK_OP_CREDIT_REQUEST, 0);
	expect_op(VSOCK_OP_CREDIT_UPDATE);
	assert_int_equal(packet.hdr.fwd_cnt, 11);
	expect_nothing();
	close_ends();
}

/* Take packets until there are none; returns payload bytes and counts credit requests. */
static size_t drain(unsigned *requests)
{
	size_t n = 0;

	*requests = 0;
	do {
		while (guest_receive(&g, &packet)) {
			if (packet.hdr.op == VSOCK_OP_RW)
				n += packet.hdr.len;
			else if (packet.hdr.op == VSOCK_OP_CREDIT_REQUEST)
				(*requests)++;
			else
				fail_msg("unexpected op %u", packet.hdr.op);
		}
		guest_turn(&g);
	} while (ring_driver_device_idx(g.rx) != g.rx->used_idx);
	return n;
}

static void open_zero(uint32_t buf_alloc)
{
	struct vsock_hdr hdr = guest_hdr(VSOCK_OP_REQUEST, PORT, HOST_PORT);

	hdr.buf_alloc = buf_alloc;
	assert_int_equal(virtio_vsock_offer(g.dev, HOST_PORT, false, open("/dev/zero", O_RDONLY),
					    open("/dev/null", O_WRONLY), on_end, NULL),
			 0);
	assert_true(guest_send(&g, &hdr, NULL));
	guest_turn(&g);
	expect_op(VSOCK_OP_RESPONSE);
}

static void the_guests_credit_is_kept_to_the_byte(void **state)
{
	unsigned requests;

	(void)state;
	open_zero(10001);
	assert_int_equal(drain(&requests), 10001);
	assert_int_equal(requests, 1);
	guest_turn(&g);
	assert_int_equal(drain(&requests), 0); /* it asks once */
	assert_int_equal(requests, 0);
	send_credit(10001, 4);
	assert_int_equal(drain(&requests), 4);
	assert_int_equal(requests, 1);
	send_credit(10006, 10005);
	assert_int_equal(drain(&requests), 10006);
}

static void no_credit_at_first_is_asked_for(void **state)
{
	unsigned requests;

	(void)state;
	open_zero(0);
	assert_int_equal(drain(&requests), 0);
	assert_int_equal(requests, 1);
	send_credit(5, 0);
	assert_int_equal(drain(&requests), 5);
}

static void absurd_credit_is_no_credit(void **state)
{
	unsigned requests;

	(void)state;
	open_zero(1000);
	assert_int_equal(drain(&requests), 1000);
	send_credit(500, 0); /* shrank below what is under way */
	assert_int_equal(drain(&requests), 0);
	send_credit(1000, 1001); /* more than was ever sent */
	assert_int_equal(drain(&requests), 0);
	send_credit(0, 1000);
	assert_int_equal(drain(&requests), 0);
	send_credit(1000, 1u << 31);
	assert_int_equal(drain(&requests), 0);
	send_credit(1000, 1000);
	assert_int_equal(drain(&requests), 1000);
}

static void endless_credit_does_not_stop_the_loop(void **state)
{
	(void)state;
	g.refill = false;
	open_zero(UINT32_MAX);
	guest_turn(&g);
	for (unsigned i = 0; i < 15; i++) {
		expect_op(VSOCK_OP_RW);
		assert_int_equal(packet.hdr.len, GUEST_RX_BUF - VSOCK_HDR_SIZE);
	}
	expect_nothing();
}

/* The host reads nothing: fill the pipe and the credit. Returns bytes sent. */
static size_t fill_up(void)
{
	static uint8_t block[VSOCK_PAYLOAD_MAX];
	size_t sent = 0;
	uint32_t fwd = 0;

	for (;;) {
		size_t room = VSOCK_BUF_ALLOC - (sent - fwd);

		if (room == 0) {
			/* what the pipe took, the device passed on: ask */
			send_op(VSOCK_OP_CREDIT_REQUEST, 0);
			while (guest_receive(&g, &packet)) {
				assert_int_equal(packet.hdr.op, VSOCK_OP_CREDIT_UPDATE);
				fwd = packet.hdr.fwd_cnt;
			}
			room = VSOCK_BUF_ALLOC - (sent - fwd);
		}
		if (room == 0)
			return sent;
		if (room > sizeof(block))
			room = sizeof(block);
		send_data(block, (uint32_t)room);
		sent += room;
	}
}

static void more_than_our_credit_resets(void **state)
{
	(void)state;
	open_piped();
	assert_in_range(fill_up(), VSOCK_BUF_ALLOC, 4 * VSOCK_BUF_ALLOC);
	assert_int_equal(end.calls, 0);
	send_data("x", 1);
	expect_op(VSOCK_OP_RST);
	guest_turn(&g);
	assert_int_equal(end.calls, 0); /* what came before is still delivered */
	close_ends();
	expect_end(VSOCK_END_RESET);
}

static void a_slow_reader_gets_all_and_credit_comes_back_at_half(void **state)
{
	static uint8_t buf[16 << 10];
	unsigned updates = 0;
	size_t sent, got = 0;
	ssize_t n;

	(void)state;
	open_piped();
	sent = fill_up();
	while ((n = read(ends.out, buf, sizeof(buf))) > 0) {
		got += (size_t)n;
		guest_turn(&g);
		while (guest_receive(&g, &packet)) {
			assert_int_equal(packet.hdr.op, VSOCK_OP_CREDIT_UPDATE);
			updates++;
		}
	}
	assert_int_equal(got, sent);
	assert_int_equal(updates, 2); /* 256 KiB waited */
	assert_int_equal(packet.hdr.fwd_cnt, sent);
	close_ends();
}

/* --- Ends --- */

static void the_guest_closes_its_direction_first(void **state)
{
	(void)state;
	open_piped();
	send_data("bye", 3);
	send_op(VSOCK_OP_SHUTDOWN, VSOCK_SHUT_SEND);
	expect_text(ends.out, "bye");
	expect_eof(ends.out);
	write_text(ends.in, "still here");
	expect_data("still here");
	assert_int_equal(end.calls, 0);
	close(ends.in);
	guest_turn(&g);
	expect_shutdown(VSOCK_SHUT_BOTH);
	expect_nothing();
	expect_end(VSOCK_END_CLOSED);
	close(ends.out);
}

static void the_host_closes_its_direction_first(void **state)
{
	(void)state;
	open_piped();
	write_text(ends.in, "end");
	close(ends.in);
	guest_turn(&g);
	expect_data("end");
	expect_shutdown(VSOCK_SHUT_SEND);
	send_data("answer", 6);
	expect_text(ends.out, "answer");
	assert_int_equal(end.calls, 0);
	send_op(VSOCK_OP_SHUTDOWN, VSOCK_SHUT_BOTH);
	expect_op(VSOCK_OP_RST);
	expect_nothing();
	expect_eof(ends.out);
	expect_end(VSOCK_END_CLOSED);
	close(ends.out);
}

static void a_close_is_answered_with_reset_at_once(void **state)
{
	(void)state;
	open_piped();
	send_op(VSOCK_OP_SHUTDOWN, VSOCK_SHUT_BOTH);
	expect_op(VSOCK_OP_RST); /* though our writer has not closed */
	expect_end(VSOCK_END_CLOSED);
	expect_eof(ends.out);
	assert_int_equal(write(ends.in, "x", 1), -1); /* and learns it */
	assert_int_equal(errno, EPIPE);
	close_ends();
}

static void a_close_in_two_steps_is_answered_too(void **state)
{
	(void)state;
	open_piped();
	send_op(VSOCK_OP_SHUTDOWN, VSOCK_SHUT_RECEIVE);
	expect_nothing();
	assert_int_equal(write(ends.in, "x", 1), -1);
	send_data("more", 4);
	expect_text(ends.out, "more");
	send_op(VSOCK_OP_SHUTDOWN, VSOCK_SHUT_SEND);
	expect_op(VSOCK_OP_RST);
	expect_end(VSOCK_END_CLOSED);
	close_ends();
}

static void what_waits_is_delivered_after_the_close_and_the_port_is_free(void **state)
{
	static uint8_t buf[64 << 10];
	struct vsock_hdr hdr = guest_hdr(VSOCK_OP_REQUEST, PORT, HOST_PORT);
	size_t sent, got = 0;
	ssize_t n;

	(void)state;
	open_piped();
	sent = fill_up();
	send_op(VSOCK_OP_SHUTDOWN, VSOCK_SHUT_BOTH);
	expect_op(VSOCK_OP_RST);
	guest_turn(&g);
	assert_int_equal(end.calls, 0);
	/* the same ports again */
	assert_int_equal(
		virtio_vsock_offer(g.dev, HOST_PORT, false, open("/dev/zero", O_RDONLY), -1, NULL, NULL), 0);
	assert_true(guest_send(&g, &hdr, NULL));
	guest_turn(&g);
	expect_op(VSOCK_OP_RESPONSE);
	while ((n = read(ends.out, buf, sizeof(buf))) > 0) {
		got += (size_t)n;
		guest_turn(&g);
	}
	assert_int_equal(n, 0);
	assert_int_equal(got, sent);
	expect_end(VSOCK_END_CLOSED);
	close_ends();
}

static void a_socket_is_closed_by_halves(void **state)
{
	int fd;

	(void)state;
	open_socket(&fd);
	send_data("ping", 4);
	expect_text(fd, "ping");
	send_op(VSOCK_OP_SHUTDOWN, VSOCK_SHUT_SEND);
	expect_eof(fd);
	write_text(fd, "pong");
	expect_data("pong");
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	guest_turn(&g);
	expect_shutdown(VSOCK_SHUT_BOTH);
	expect_end(VSOCK_END_CLOSED);
	close(fd);
}

static void a_socket_whose_guest_does_not_read_says_so(void **state)
{
	int fd;

	(void)state;
	open_socket(&fd);
	send_op(VSOCK_OP_SHUTDOWN, VSOCK_SHUT_RECEIVE);
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	send_data("ok", 2);
	expect_text(fd, "ok");
	close(fd);
}

static void a_reader_that_is_gone_shuts_the_guests_sending(void **state)
{
	(void)state;
	open_piped();
	close(ends.out);
	send_data("nobody", 6);
	expect_shutdown(VSOCK_SHUT_RECEIVE);
	assert_int_equal(packet.hdr.fwd_cnt, 6);
	send_data("listens", 7); /* under way already: dropped, not buffered */
	expect_nothing();
	assert_int_equal(end.calls, 0);
	write_text(ends.in, "but the other way works");
	expect_data("but the other way works");
	assert_int_equal(packet.hdr.fwd_cnt, 13);
	close(ends.in);
	guest_turn(&g);
	expect_shutdown(VSOCK_SHUT_BOTH);
	expect_end(VSOCK_END_ERROR);
}

static void a_full_disk_ends_in_error(void **state)
{
	(void)state;
	open_stream(-1, open("/dev/full", O_WRONLY));
	expect_shutdown(VSOCK_SHUT_SEND);
	send_data("x", 1);
	expect_shutdown(VSOCK_SHUT_BOTH);
	expect_end(VSOCK_END_ERROR);
}

static void a_reader_that_goes_while_data_waits_ends_in_error(void **state)
{
	(void)state;
	open_piped();
	fill_up();
	close_ends();
	expect_end(VSOCK_END_ERROR);
	expect_op(VSOCK_OP_CREDIT_UPDATE);
	expect_shutdown(VSOCK_SHUT_RECEIVE);
	expect_shutdown(VSOCK_SHUT_BOTH);
}

static void absent_directions_are_shut_at_once(void **state)
{
	int fds[2];

	(void)state;
	open_stream(-1, -1);
	expect_shutdown(VSOCK_SHUT_BOTH);
	expect_end(VSOCK_END_CLOSED);

	end.calls = 0;
	assert_int_equal(pipe(fds), 0);
	open_stream(fds[0], -1);
	expect_shutdown(VSOCK_SHUT_RECEIVE);
	write_text(fds[1], "stdin");
	expect_data("stdin");
	close(fds[1]);
	guest_turn(&g);
	expect_shutdown(VSOCK_SHUT_BOTH);
	expect_end(VSOCK_END_CLOSED);

	end.calls = 0;
	assert_int_equal(pipe(fds), 0);
	open_stream(-1, fds[1]);
	expect_shutdown(VSOCK_SHUT_SEND);
	send_data("stdout", 6);
	send_op(VSOCK_OP_SHUTDOWN, VSOCK_SHUT_SEND);
	expect_shutdown(VSOCK_SHUT_BOTH);
	expect_end(VSOCK_END_CLOSED);
	expect_text(fds[0], "stdout");
	expect_eof(fds[0]);
	close(fds[0]);
}

/* --- Reset --- */

static void a_device_reset_ends_streams_and_keeps_offers(void **state)
{
	char buf[8];

	(void)state;
	open_piped();
	send_data("last words", 10);
	assert_int_equal(virtio_vsock_offer(g.dev, HOST_PORT + 1, false, -1, -1, NULL, NULL), 0);
	ring_host_reset(&g.host);
	assert_int_equal(end.calls, 0); /* reported from the loop */
	expect_end(VSOCK_END_RESET);
	expect_text(ends.out, "last words");
	expect_eof(ends.out);
	assert_int_equal(write(ends.in, buf, 1), -1);
	close_ends();

	assert_int_equal(vdev_start(g.dev), 0);
	guest_fill_rx(&g, 8);
	end.calls = 0;
	open_piped();
	send_data("again", 5);
	expect_text(ends.out, "again");
	assert_int_equal(virtio_vsock_withdraw(g.dev, HOST_PORT + 1), 0);
	close_ends();
}

static void a_reset_in_mid_transfer_delivers_what_came(void **state)
{
	static uint8_t buf[64 << 10];
	size_t sent, got = 0;
	ssize_t n;

	(void)state;
	open_piped();
	sent = fill_up();
	assert_int_equal(write(ends.in, buf, 8192), 8192);
	ring_host_reset(&g.host);
	guest_turn(&g);
	while ((n = read(ends.out, buf, sizeof(buf))) > 0) {
		got += (size_t)n;
		guest_turn(&g);
	}
	assert_int_equal(got, sent);
	expect_end(VSOCK_END_RESET);
	close_ends();
}

static void freeing_the_device_reports_what_is_left(void **state)
{
	(void)state;
	open_piped();
	fill_up();
	assert_int_equal(virtio_vsock_offer(g.dev, HOST_PORT + 1, false, -1, -1, on_end, NULL), 0);
	guest_done(&g);
	assert_int_equal(end.calls, 1);
	assert_int_equal(end.why, VSOCK_END_RESET);
	close_ends();
	guest_init(&g, NULL);
}

/* All but the loop, which is running. */
static void free_device(void *ctx, enum vsock_end why)
{
	on_end(ctx, why);
	ring_host_done(&g.host);
	vdev_free(g.dev);
	g.dev = NULL;
}

static void the_end_may_free_the_device(void **state)
{
	(void)state;
	assert_int_equal(virtio_vsock_offer(g.dev, HOST_PORT, false, -1, -1, free_device, NULL), 0);
	assert_int_equal(virtio_vsock_connect(g.dev, PORT, -1, -1, on_end, NULL), 0);
	send_op(VSOCK_OP_REQUEST, 0);
	assert_int_equal(end.calls, 2);
	loop_free(g.loop);
	guest_init(&g, NULL);
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
		TEST(data_flows_both_ways),
		TEST(the_guests_credit_is_kept_to_the_byte),
		TEST(no_credit_at_first_is_asked_for),
		TEST(absurd_credit_is_no_credit),
		TEST(endless_credit_does_not_stop_the_loop),
		TEST(more_than_our_credit_resets),
		TEST(a_slow_reader_gets_all_and_credit_comes_back_at_half),
		TEST(the_guest_closes_its_direction_first),
		TEST(the_host_closes_its_direction_first),
		TEST(a_close_is_answered_with_reset_at_once),
		TEST(a_close_in_two_steps_is_answered_too),
		TEST(what_waits_is_delivered_after_the_close_and_the_port_is_free),
		TEST(a_socket_is_closed_by_halves),
		TEST(a_socket_whose_guest_does_not_read_says_so),
		TEST(a_reader_that_is_gone_shuts_the_guests_sending),
		TEST(a_full_disk_ends_in_error),
		TEST(a_reader_that_goes_while_data_waits_ends_in_error),
		TEST(absent_directions_are_shut_at_once),
		TEST(a_device_reset_ends_streams_and_keeps_offers),
		TEST(a_reset_in_mid_transfer_delivers_what_came),
		TEST(freeing_the_device_reports_what_is_left),
		TEST(the_end_may_free_the_device),
	};

	/* as every process that hosts the device */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
