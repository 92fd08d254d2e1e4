/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "tests/unit/vsock_stream_fixture.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

struct guest g;
struct guest_packet packet;
struct end_report end;
struct pipe_ends ends;

void on_end(void *ctx, enum vsock_end why)
{
	(void)ctx;
	end.calls++;
	end.why = why;
}

int set_up(void **state)
{
	(void)state;
	memset(&end, 0, sizeof(end));
	guest_init(&g, NULL);
	guest_fill_rx(&g, 16);
	return 0;
}

int tear_down(void **state)
{
	(void)state;
	guest_done(&g);
	return 0;
}

void send_op(uint16_t op, uint32_t flags)
{
	struct vsock_hdr hdr = guest_hdr(op, PORT, HOST_PORT);

	hdr.flags = flags;
	assert_true(guest_send(&g, &hdr, NULL));
	guest_turn(&g);
}

void send_data(const void *data, uint32_t len)
{
	struct vsock_hdr hdr = guest_hdr(VSOCK_OP_RW, PORT, HOST_PORT);

	hdr.len = len;
	assert_true(guest_send(&g, &hdr, data));
	guest_turn(&g);
}

void send_credit(uint32_t buf_alloc, uint32_t fwd_cnt)
{
	struct vsock_hdr hdr = guest_hdr(VSOCK_OP_CREDIT_UPDATE, PORT, HOST_PORT);

	hdr.buf_alloc = buf_alloc;
	hdr.fwd_cnt = fwd_cnt;
	assert_true(guest_send(&g, &hdr, NULL));
	guest_turn(&g);
}

void expect_packet(uint16_t op)
{
	assert_true(guest_receive(&g, &packet));
	assert_int_equal(packet.hdr.op, op);
}

void expect_op(uint16_t op)
{
	expect_packet(op);
	assert_int_equal(packet.hdr.src_cid, VSOCK_HOST_CID);
	assert_int_equal(packet.hdr.src_port, HOST_PORT);
	assert_int_equal(packet.hdr.dst_port, PORT);
	assert_int_equal(packet.hdr.type, VSOCK_TYPE_STREAM);
	assert_int_equal(packet.hdr.len, op == VSOCK_OP_RW ? packet.hdr.len : 0);
}

void expect_shutdown(uint32_t flags)
{
	expect_op(VSOCK_OP_SHUTDOWN);
	assert_int_equal(packet.hdr.flags, flags);
	/* Every packet tells the credit, the last one too: a guest takes its zeroes for a full buffer. */
	assert_int_equal(packet.hdr.buf_alloc, VSOCK_BUF_ALLOC);
}

void expect_nothing(void)
{
	guest_turn(&g);
	assert_false(guest_receive(&g, &packet));
}

void expect_end(enum vsock_end why)
{
	guest_turn(&g);
	assert_int_equal(end.calls, 1);
	assert_int_equal(end.why, why);
}

void open_stream(int rfd, int wfd)
{
	assert_int_equal(virtio_vsock_offer(g.dev, HOST_PORT, false, rfd, wfd, on_end, NULL), 0);
	send_op(VSOCK_OP_REQUEST, 0);
	expect_op(VSOCK_OP_RESPONSE);
	assert_int_equal(packet.hdr.buf_alloc, VSOCK_BUF_ALLOC);
	assert_int_equal(packet.hdr.fwd_cnt, 0);
}

void open_piped(void)
{
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	ends.in = in[1];
	ends.out = out[0];
	assert_int_equal(fcntl(ends.out, F_SETFL, O_NONBLOCK), 0);
	open_stream(in[0], out[1]);
}

void close_ends(void)
{
	close(ends.in);
	close(ends.out);
}

void open_socket(int *ret_fd)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(fcntl(sv[1], F_SETFL, O_NONBLOCK), 0);
	*ret_fd = sv[1];
	open_stream(sv[0], sv[0]);
}

void expect_text(int fd, const char *text)
{
	char buf[64];
	ssize_t n = read(fd, buf, sizeof(buf));

	assert_int_equal(n, strlen(text));
	assert_memory_equal(buf, text, n);
}

void expect_eof(int fd)
{
	char c;

	assert_int_equal(read(fd, &c, 1), 0);
}

void write_text(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	guest_turn(&g);
}

void expect_data(const char *text)
{
	expect_op(VSOCK_OP_RW);
	assert_int_equal(packet.hdr.len, strlen(text));
	assert_memory_equal(packet.payload, text, strlen(text));
}
