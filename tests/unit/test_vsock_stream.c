/* SPDX-License-Identifier: Apache-2.0 */
/* vsock: data, both credits, and every way for a stream to end. */
#include "tests/unit/test.h"

#include "base/loop.h"
#include "tests/unit/vsock_stream_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

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
	assert_int_equal(requests, 0);
	send_credit(1000, 1001); /* more than was ever sent */
	assert_int_equal(drain(&requests), 0);
	send_credit(0, 1000);
	assert_int_equal(drain(&requests), 0);
	send_credit(1000, 1u << 31);
	assert_int_equal(drain(&requests), 0);
	assert_int_equal(requests, 0); /* asking with each answer would never end */
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

static void streams_that_ended_make_room(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= VSOCK_STREAMS_MAX + 10; i++) {
		open_stream(-1, -1);
		expect_shutdown(VSOCK_SHUT_BOTH);
		assert_int_equal(end.calls, i);
	}
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
		TEST(streams_that_ended_make_room),
		TEST(a_device_reset_ends_streams_and_keeps_offers),
		TEST(a_reset_in_mid_transfer_delivers_what_came),
		TEST(freeing_the_device_reports_what_is_left),
		TEST(the_end_may_free_the_device),
	};

	/* as every process that hosts the device */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
