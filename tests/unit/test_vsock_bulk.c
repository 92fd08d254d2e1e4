/* SPDX-License-Identifier: Apache-2.0 */
/* vsock under load: whole transfers in odd sizes, fairness, batching, floods; and each kind of descriptor. */
#include "tests/unit/test.h"

#include "base/loop.h"
#include "tests/unit/vsock_guest.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pty.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PORT = 2000, HOST_PORT = 6000 };

static struct guest g;
static struct guest_packet packet;
static unsigned ended;
static enum vsock_end ended_why;

static void on_end(void *ctx, enum vsock_end why)
{
	(void)ctx;
	ended++;
	ended_why = why;
}

static int set_up(void **state)
{
	(void)state;
	ended = 0;
	guest_init(&g, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	guest_done(&g);
	return 0;
}

static uint32_t random_state = 1;

/* 1 to max, the same in each run. */
static size_t odd_size(size_t max)
{
	random_state = random_state * 1664525 + 1013904223;
	return 1 + (random_state >> 8) % max;
}

/* The byte at an offset of the stream: any loss, repetition or swap shows. */
static uint8_t byte_at(uint64_t offset)
{
	return (uint8_t)((offset * 0x9e3779b97f4a7c15ULL) >> 56);
}

static void make_bytes(uint8_t *buf, uint64_t offset, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = byte_at(offset + i);
}

static void check_bytes(const uint8_t *buf, uint64_t offset, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (buf[i] != byte_at(offset + i))
			fail_msg("wrong byte at %llu", (unsigned long long)(offset + i));
}

static void open_stream(uint32_t port, uint32_t host_port, int rfd, int wfd)
{
	struct vsock_hdr hdr = guest_hdr(VSOCK_OP_REQUEST, port, host_port);

	assert_int_equal(virtio_vsock_offer(g.dev, host_port, false, rfd, wfd, on_end, NULL), 0);
	assert_true(guest_send(&g, &hdr, NULL));
	guest_turn(&g);
	do
		assert_true(guest_receive(&g, &packet));
	while (packet.hdr.op != VSOCK_OP_RESPONSE);
}

/* --- Transfers --- */

/* One side each of a stream, with the credit rules of a good driver. */
struct transfer {
	uint32_t port, host_port;
	int in, out; /* our ends: what the guest shall get, what it sent; non-blocking */
	size_t total; /* bytes each way */
	size_t in_written, guest_got, guest_sent, out_read;
	uint32_t dev_buf_alloc, dev_fwd_cnt; /* as the device said */
	uint32_t told_fwd_cnt; /* as we said */
	uint32_t in_base, out_base; /* where the counters began */
	bool in_closed, guest_eof, guest_shut, out_eof;
	unsigned updates; /* CREDIT_UPDATE packets from the device */
};

static struct vsock_hdr transfer_hdr(struct transfer *t, uint16_t op)
{
	struct vsock_hdr hdr = guest_hdr(op, t->port, t->host_port);

	hdr.fwd_cnt = t->told_fwd_cnt = t->in_base + (uint32_t)t->guest_got;
	return hdr;
}

static void guest_step(struct transfer *t, size_t max_chunk)
{
	static uint8_t buf[VSOCK_PAYLOAD_MAX];
	uint32_t credit = t->dev_buf_alloc - (t->out_base + (uint32_t)t->guest_sent - t->dev_fwd_cnt);
	struct vsock_hdr hdr = transfer_hdr(t, VSOCK_OP_RW);
	size_t len = odd_size(max_chunk);

	if (len > t->total - t->guest_sent)
		len = t->total - t->guest_sent;
	if (len > credit)
		len = credit;
	if (len > 0) {
		make_bytes(buf, t->guest_sent, len);
		hdr.len = (uint32_t)len;
		if (guest_send(&g, &hdr, buf))
			t->guest_sent += len;
	} else if (t->guest_sent == t->total && !t->guest_shut) {
		hdr.op = VSOCK_OP_SHUTDOWN;
		hdr.flags = VSOCK_SHUT_SEND;
		t->guest_shut = guest_send(&g, &hdr, NULL);
	}
}

static void guest_take(struct transfer *t)
{
	switch (packet.hdr.op) {
	case VSOCK_OP_RW:
		check_bytes(packet.payload, t->guest_got, packet.hdr.len);
		t->guest_got += packet.hdr.len;
		assert_true(t->in_base + (uint32_t)t->guest_got - t->told_fwd_cnt <= GUEST_BUF_ALLOC);
		break;
	case VSOCK_OP_CREDIT_UPDATE:
		t->updates++;
		break;
	case VSOCK_OP_SHUTDOWN:
		t->guest_eof |= !!(packet.hdr.flags & VSOCK_SHUT_SEND);
		return;
	case VSOCK_OP_CREDIT_REQUEST:
		break;
	default:
		fail_msg("unexpected op %u", packet.hdr.op);
	}
	t->dev_buf_alloc = packet.hdr.buf_alloc;
	t->dev_fwd_cnt = packet.hdr.fwd_cnt;
}

static void guest_credit(struct transfer *t)
{
	struct vsock_hdr hdr;

	if (t->in_base + (uint32_t)t->guest_got - t->told_fwd_cnt < GUEST_BUF_ALLOC / 2)
		return;
	hdr = transfer_hdr(t, VSOCK_OP_CREDIT_UPDATE);
	(void)guest_send(&g, &hdr, NULL);
}

static void host_step(struct transfer *t, size_t max_write, size_t max_read)
{
	static uint8_t buf[128 << 10];
	size_t len = odd_size(max_write);
	ssize_t n;

	if (len > t->total - t->in_written)
		len = t->total - t->in_written;
	if (len > 0) {
		make_bytes(buf, t->in_written, len);
		n = write(t->in, buf, len);
		if (n > 0)
			t->in_written += (size_t)n;
	} else if (!t->in_closed) {
		if (t->in == t->out)
			shutdown(t->in, SHUT_WR);
		else
			close(t->in);
		t->in_closed = true;
	}
	n = read(t->out, buf, odd_size(max_read));
	if (n > 0) {
		check_bytes(buf, t->out_read, (size_t)n);
		t->out_read += (size_t)n;
	}
	t->out_eof |= n == 0;
}

static void run_transfer(struct transfer *t, size_t guest_chunk, size_t host_write, size_t host_read)
{
	t->dev_buf_alloc = VSOCK_BUF_ALLOC;
	for (unsigned i = 0; !t->guest_eof || !t->out_eof; i++) {
		assert_true(i < 2000000);
		guest_step(t, guest_chunk);
		host_step(t, host_write, host_read);
		guest_turns(&g, 1);
		while (guest_receive(&g, &packet))
			guest_take(t);
		guest_credit(t);
	}
	guest_turn(&g);
	assert_int_equal(t->guest_got, t->total);
	assert_int_equal(t->out_read, t->total);
	assert_int_equal(ended, 1);
	assert_int_equal(ended_why, VSOCK_END_CLOSED);
	assert_int_equal(g.host.failures, 0);
}

static void open_pipes(struct transfer *t)
{
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	t->port = PORT;
	t->host_port = HOST_PORT;
	t->in = in[1];
	t->out = out[0];
	assert_int_equal(fcntl(t->in, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(fcntl(t->out, F_SETFL, O_NONBLOCK), 0);
	open_stream(PORT, HOST_PORT, in[0], out[1]);
}

static void all_arrives_through_pipes(void **state)
{
	struct transfer t = { .total = 8000003 };

	(void)state;
	guest_fill_rx(&g, 16);
	open_pipes(&t);
	run_transfer(&t, 64 << 10, 100000, 100000);
	close(t.out);
}

static void all_arrives_in_small_odd_pieces(void **state)
{
	struct transfer t = { .total = 300007 };

	(void)state;
	guest_fill_rx(&g, 3);
	open_pipes(&t);
	run_transfer(&t, 97, 211, 89);
	close(t.out);
}

static void a_slow_host_loses_nothing(void **state)
{
	struct transfer t = { .total = 2000003 };

	(void)state;
	guest_fill_rx(&g, 16);
	open_pipes(&t);
	run_transfer(&t, 64 << 10, 100000, 700);
	assert_in_range(t.updates, 1, 2000003 / (VSOCK_BUF_ALLOC / 2) + 1);
	close(t.out);
}

static void all_arrives_through_a_socket(void **state)
{
	struct transfer t = { .total = 4000037, .port = PORT, .host_port = HOST_PORT };
	int sv[2];

	(void)state;
	guest_fill_rx(&g, 16);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(fcntl(sv[1], F_SETFL, O_NONBLOCK), 0);
	open_stream(PORT, HOST_PORT, sv[0], sv[0]);
	t.in = t.out = sv[1];
	run_transfer(&t, 64 << 10, 100000, 100000);
	close(sv[1]);
}

static void counters_wrap_at_32_bits(void **state)
{
	struct transfer t = { .total = 1000003,
			      .in_base = UINT32_MAX - 500000,
			      .out_base = UINT32_MAX - 400000 };
	struct vsock_stream *s;

	(void)state;
	guest_fill_rx(&g, 16);
	open_pipes(&t);
	/* as if nearly 4 GiB had passed each way */
	s = vsock_find((struct vsock *)g.dev, PORT, HOST_PORT);
	assert_non_null(s);
	s->tx_cnt = s->peer_fwd_cnt = t.told_fwd_cnt = t.in_base;
	s->fwd_cnt = s->told_fwd_cnt = t.dev_fwd_cnt = t.out_base;
	run_transfer(&t, 64 << 10, 100000, 100000);
	close(t.out);
}

/* --- Files --- */

static int temporary_file(void)
{
	char path[] = "/tmp/vrun-test-vsock.XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

static void a_file_is_sent_whole_and_ends(void **state)
{
	static uint8_t buf[300001];
	struct transfer t = { .port = PORT, .host_port = HOST_PORT, .dev_buf_alloc = VSOCK_BUF_ALLOC };
	int fd = temporary_file();

	(void)state;
	guest_fill_rx(&g, 16);
	make_bytes(buf, 0, sizeof(buf));
	assert_int_equal(write(fd, buf, sizeof(buf)), sizeof(buf));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	open_stream(PORT, HOST_PORT, fd, open("/dev/null", O_WRONLY));
	for (unsigned i = 0; i < 1000 && !t.guest_eof; i++) {
		while (guest_receive(&g, &packet))
			guest_take(&t);
		guest_credit(&t);
		guest_turns(&g, 1);
	}
	assert_true(t.guest_eof);
	assert_int_equal(t.guest_got, sizeof(buf));
}

static void a_file_takes_what_the_guest_sends(void **state)
{
	static uint8_t buf[60001], back[sizeof(buf) + 1];
	struct vsock_hdr hdr = guest_hdr(VSOCK_OP_RW, PORT, HOST_PORT);
	int fd = temporary_file(), mine = dup(fd);

	(void)state;
	guest_fill_rx(&g, 16);
	open_stream(PORT, HOST_PORT, -1, fd);
	make_bytes(buf, 0, sizeof(buf));
	hdr.len = sizeof(buf);
	assert_true(guest_send(&g, &hdr, buf));
	hdr = guest_hdr(VSOCK_OP_SHUTDOWN, PORT, HOST_PORT);
	hdr.flags = VSOCK_SHUT_BOTH;
	assert_true(guest_send(&g, &hdr, NULL));
	guest_turn(&g);
	assert_int_equal(ended, 1);
	assert_int_equal(ended_why, VSOCK_END_CLOSED);
	assert_int_equal(pread(mine, back, sizeof(back), 0), sizeof(buf));
	assert_memory_equal(back, buf, sizeof(buf));
	close(mine);
}

/* --- Load --- */

static void a_flood_of_requests_rests_until_there_are_buffers(void **state)
{
	struct vsock_hdr hdr = guest_hdr(VSOCK_OP_REQUEST, PORT, HOST_PORT);
	unsigned sent = 0, resets = 0;

	(void)state;
	/* no rx buffers: replies pile up to their limit, then the tx queue fills */
	for (unsigned i = 0; i < 1000; i++) {
		hdr.src_port = PORT + sent;
		sent += guest_send(&g, &hdr, NULL);
		guest_turns(&g, 2);
	}
	assert_in_range(sent, REPLIES_FROM_TX_MAX, REPLIES_FROM_TX_MAX + GUEST_QUEUE);
	guest_fill_rx(&g, 8);
	for (unsigned i = 0; i < 200; i++) {
		guest_turns(&g, 2);
		while (guest_receive(&g, &packet)) {
			assert_int_equal(packet.hdr.op, VSOCK_OP_RST);
			assert_int_equal(packet.hdr.dst_port, PORT + resets);
			resets++;
		}
	}
	assert_int_equal(resets, sent);
	/* and goes on */
	assert_true(guest_send(&g, &hdr, NULL));
	guest_turn(&g);
	assert_true(guest_receive(&g, &packet));
}

static void a_stalled_stream_does_not_stop_the_others(void **state)
{
	struct vsock_hdr hdr = guest_hdr(VSOCK_OP_RW, PORT, HOST_PORT);
	static uint8_t block[VSOCK_PAYLOAD_MAX];
	struct transfer t = { .total = 500009 };
	int fds[2];

	(void)state;
	guest_fill_rx(&g, 16);
	assert_int_equal(pipe(fds), 0);
	open_stream(PORT + 1, HOST_PORT + 1, -1, fds[1]); /* nobody reads fds[0] */
	hdr = guest_hdr(VSOCK_OP_RW, PORT + 1, HOST_PORT + 1);
	hdr.len = sizeof(block);
	for (unsigned i = 0; i < 4; i++) {
		assert_true(guest_send(&g, &hdr, block));
		guest_turn(&g);
	}
	while (guest_receive(&g, &packet))
		;
	open_pipes(&t);
	run_transfer(&t, 64 << 10, 100000, 100000);
	close(t.out);
	close(fds[0]);
}

static void busy_streams_share(void **state)
{
	size_t got[3] = { 0 };

	(void)state;
	guest_fill_rx(&g, 16);
	for (unsigned i = 0; i < 3; i++) {
		struct vsock_hdr hdr = guest_hdr(VSOCK_OP_CREDIT_UPDATE, PORT + i, HOST_PORT + i);

		open_stream(PORT + i, HOST_PORT + i, open("/dev/zero", O_RDONLY), -1);
		hdr.buf_alloc = 1 << 30;
		assert_true(guest_send(&g, &hdr, NULL));
	}
	for (unsigned i = 0; i < 300; i++) {
		guest_turns(&g, 1);
		while (guest_receive(&g, &packet))
			got[packet.hdr.dst_port - PORT] += packet.hdr.len;
	}
	for (unsigned i = 0; i < 3; i++)
		assert_true(got[i] > 1 << 20 && got[i] < 2 * got[(i + 1) % 3]);
}

static void a_busy_stream_leaves_the_loop_its_turns(void **state)
{
	struct vsock_hdr hdr = guest_hdr(VSOCK_OP_CREDIT_UPDATE, PORT, HOST_PORT);
	unsigned turns = 0;

	(void)state;
	guest_fill_rx(&g, 31);
	open_stream(PORT, HOST_PORT, open("/dev/zero", O_RDONLY), -1);
	hdr.buf_alloc = UINT32_MAX;
	assert_true(guest_send(&g, &hdr, NULL));
	/* would hang if a turn went on for as long as there is something to do */
	for (; turns < 100; turns++) {
		guest_turns(&g, 1);
		while (guest_receive(&g, &packet))
			;
	}
	assert_int_equal(turns, 100);
}

static void many_packets_cost_few_calls_and_kicks(void **state)
{
	struct vsock_hdr hdr = guest_hdr(VSOCK_OP_CREDIT_UPDATE, PORT, HOST_PORT);
	size_t packets = 0;

	(void)state;
	guest_fill_rx(&g, 31);
	open_stream(PORT, HOST_PORT, open("/dev/zero", O_RDONLY), open("/dev/null", O_WRONLY));
	hdr.buf_alloc = 1 << 30;
	assert_true(guest_send(&g, &hdr, NULL));
	g.rx_calls = 0;
	while (packets < 3000) {
		guest_turns(&g, 1);
		while (guest_receive(&g, &packet))
			packets++;
	}
	/* and few reads: they grew with what there was */
	assert_int_equal(vsock_find((struct vsock *)g.dev, PORT, HOST_PORT)->batch, 64 << 10);
	assert_true(g.rx_calls * 8 < packets);
	assert_true(g.rx_kicks * 4 < packets);

	/* the other way: eight packets in the queue, one kick */
	hdr.op = VSOCK_OP_RW;
	hdr.len = 1000;
	guest_turn(&g);
	g.tx_kicks = 0;
	ring_driver_called(g.tx); /* the very first call goes out */
	for (unsigned i = 0; i < 8; i++)
		assert_true(guest_send(&g, &hdr, packet.payload));
	guest_turn(&g);
	assert_int_equal(g.tx_kicks, 1);
	assert_false(ring_driver_called(g.tx)); /* it did not ask */
}

static void quit(void *ctx)
{
	loop_quit(ctx, 0);
}

static void a_stalled_stream_costs_no_time(void **state)
{
	struct vsock_hdr hdr = guest_hdr(VSOCK_OP_CREDIT_UPDATE, PORT, HOST_PORT);
	struct loop_source *timer;
	struct timespec before, after;
	int in[2], out[2];

	(void)state;
	guest_fill_rx(&g, 8);
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	assert_int_equal(write(in[1], "x", 1), 1);
	open_stream(PORT, HOST_PORT, in[0], out[1]);
	hdr.buf_alloc = 0;
	assert_true(guest_send(&g, &hdr, NULL));
	guest_turn(&g);
	assert_int_equal(write(in[1], "y", 1), 1);
	close(in[1]); /* data and a hang-up, but no credit; and no reader */
	close(out[0]);
	assert_int_equal(loop_add_timer(g.loop, 100, quit, g.loop, &timer), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	assert_int_equal(loop_run(g.loop), 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	loop_remove(timer);
	assert_true((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec < 30000000);
}

static void a_long_tx_queue_takes_several_turns_and_one_kick(void **state)
{
	struct vsock_hdr hdr = guest_hdr(VSOCK_OP_RST, PORT, HOST_PORT);

	(void)state;
	for (unsigned i = 0; i < 120; i++)
		assert_true(guest_send(&g, &hdr, NULL));
	assert_int_equal(g.tx_kicks, 1);
	guest_turns(&g, 1);
	assert_in_range(ring_driver_device_idx(g.tx), 1, 119); /* others had their turn */
	guest_turn(&g);
	assert_int_equal(ring_driver_device_idx(g.tx), 120);
}

static void buffers_that_one_stream_left_go_to_the_next(void **state)
{
	static uint8_t block[12 * (GUEST_RX_BUF - VSOCK_HDR_SIZE)]; /* every read fills its buffers */
	int a[2], b[2];

	(void)state;
	guest_fill_rx(&g, 3);
	assert_int_equal(pipe(a), 0);
	assert_int_equal(pipe(b), 0);
	open_stream(PORT, HOST_PORT, a[0], open("/dev/null", O_WRONLY));
	open_stream(PORT + 1, HOST_PORT + 1, b[0], open("/dev/null", O_WRONLY));
	/* until the first reads more at once than there are buffers for */
	assert_int_equal(write(a[1], block, sizeof(block)), sizeof(block));
	for (unsigned i = 0; i < 20; i++) {
		guest_turn(&g);
		while (guest_receive(&g, &packet))
			;
	}
	g.refill = false;
	assert_int_equal(write(a[1], "a", 1), 1);
	assert_int_equal(write(b[1], "b", 1), 1);
	guest_turn(&g);
	assert_true(guest_receive(&g, &packet));
	assert_true(guest_receive(&g, &packet));
	assert_int_equal(packet.hdr.op, VSOCK_OP_RW);
	close(a[1]);
	close(b[1]);
}

static void rx_buffers_in_many_pieces_work(void **state)
{
	struct ring_buf bufs[14];
	uint32_t head, len;
	uint8_t *p;
	int fds[2];

	(void)state;
	guest_fill_rx(&g, 1);
	g.refill = false;
	assert_int_equal(pipe(fds), 0);
	open_stream(PORT, HOST_PORT, fds[0], open("/dev/null", O_WRONLY));
	/* 11 pieces of 4 bytes for the header, then 3 of 10; contiguous, so that it can be read in one */
	for (unsigned i = 0; i < 14; i++)
		bufs[i] = (struct ring_buf){ g.spare + (i < 11 ? 4 * i : 44 + 10 * (i - 11)), i < 11 ? 4 : 10,
					     true };
	assert_true(ring_driver_add(g.rx, bufs, 14) >= 0);
	bufs[0].gpa += 4096;
	bufs[0].len = 100;
	assert_true(ring_driver_add(g.rx, bufs, 1) >= 0);
	ring_driver_kick(g.rx);
	assert_int_equal(write(fds[1], "0123456789abcdefghijABCDEFGHIJ-the rest", 39), 39);
	guest_turn(&g);
	assert_true(ring_driver_used(g.rx, &head, &len));
	assert_int_equal(len, 44 + 30);
	p = ring_mem_at(&g.host.rm, g.spare, 74);
	assert_int_equal(p[24], 30);
	assert_int_equal(p[30], VSOCK_OP_RW);
	assert_memory_equal(p + 44, "0123456789abcdefghijABCDEFGHIJ", 30);
	assert_true(ring_driver_used(g.rx, &head, &len));
	assert_int_equal(len, 44 + 9);
	p = ring_mem_at(&g.host.rm, g.spare + 4096, 53);
	assert_memory_equal(p + 44, "-the rest", 9);
	close(fds[1]);
}

/* --- Descriptors --- */

static void shared_descriptors_keep_their_flags(void **state)
{
	struct vsock_fd vfd;
	struct iovec iov;
	int fds[2], shared;
	char buf[8];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	shared = dup(fds[0]);
	vsock_fd_init(&vfd, fds[0]);
	assert_int_equal(vfd.kind, VSOCK_FD_DIRECT);
	assert_false(fcntl(shared, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(vfd.fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(vfd.fd, F_GETFD) & FD_CLOEXEC);
	iov = (struct iovec){ buf, sizeof(buf) };
	assert_int_equal(vsock_fd_read(&vfd, &iov, 1), -EAGAIN); /* though the pipe would block */
	assert_int_equal(write(fds[1], "abc", 3), 3);
	assert_int_equal(vsock_fd_read(&vfd, &iov, 1), 3);
	close(vfd.fd);
	close(shared);

	shared = dup(fds[1]);
	vsock_fd_init(&vfd, fds[1]);
	assert_int_equal(vfd.kind, VSOCK_FD_DIRECT);
	assert_false(fcntl(shared, F_GETFL) & O_NONBLOCK);
	iov.iov_len = 3;
	assert_int_equal(vsock_fd_write(&vfd, &iov, 1), -EPIPE);
	close(vfd.fd);
	close(shared);
}

static void sockets_never_block(void **state)
{
	static char big[1 << 20];
	struct vsock_fd vfd;
	struct iovec iov = { big, sizeof(big) };
	int sv[2];
	ssize_t n;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	vsock_fd_init(&vfd, sv[0]);
	assert_int_equal(vfd.fd, sv[0]);
	assert_int_equal(vfd.kind, VSOCK_FD_SOCKET);
	assert_int_equal(vsock_fd_read(&vfd, &iov, 1), -EAGAIN);
	do
		n = vsock_fd_write(&vfd, &iov, 1);
	while (n > 0);
	assert_int_equal(n, -EAGAIN);
	assert_false(fcntl(sv[0], F_GETFL) & O_NONBLOCK);
	close(sv[1]);
	assert_int_equal(vsock_fd_write(&vfd, &iov, 1), -EPIPE); /* and no signal */
	assert_int_equal(vsock_fd_read(&vfd, &iov, 1), 0);
	close(sv[0]);
}

static void what_cannot_be_opened_again_is_polled(void **state)
{
	static char big[PIPE_BUF * 2];
	struct vsock_fd vfd = { .kind = VSOCK_FD_POLLED };
	struct iovec iov = { big, sizeof(big) };
	int fds[2];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	vfd.fd = fds[0];
	assert_int_equal(vsock_fd_read(&vfd, &iov, 1), -EAGAIN);
	vfd.fd = fds[1];
	while ((n = vsock_fd_write(&vfd, &iov, 1)) > 0)
		assert_int_equal(n, PIPE_BUF);
	assert_int_equal(n, -EAGAIN); /* instead of blocking */
	vfd.fd = fds[0];
	assert_int_equal(vsock_fd_read(&vfd, &iov, 1), sizeof(big));
	close(fds[0]);
	vfd.fd = fds[1];
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(vsock_fd_write(&vfd, &iov, 1), -EPIPE);
	close(fds[1]);
}

static void terminals_are_opened_again_but_not_their_masters(void **state)
{
	struct vsock_fd master_fd, slave_fd;
	struct iovec iov;
	int master, slave;
	char buf[16];

	(void)state;
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	vsock_fd_init(&slave_fd, slave);
	assert_int_equal(slave_fd.kind, VSOCK_FD_DIRECT);
	vsock_fd_init(&master_fd, master);
	assert_int_equal(master_fd.fd, master);
	assert_int_equal(master_fd.kind, VSOCK_FD_POLLED);
	iov = (struct iovec){ buf, sizeof(buf) };
	assert_int_equal(vsock_fd_read(&slave_fd, &iov, 1), -EAGAIN);
	assert_int_equal(vsock_fd_read(&master_fd, &iov, 1), -EAGAIN);
	assert_int_equal(write(master, "line\n", 5), 5);
	assert_int_equal(vsock_fd_read(&slave_fd, &iov, 1), 5);
	close(master);
	assert_int_equal(vsock_fd_read(&slave_fd, &iov, 1), 0); /* hung up: the end */
	close(slave_fd.fd);
}

static void a_terminal_streams_both_ways(void **state)
{
	struct vsock_hdr hdr = guest_hdr(VSOCK_OP_RW, PORT, HOST_PORT);
	int master, slave;
	char buf[32];

	(void)state;
	guest_fill_rx(&g, 8);
	assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
	open_stream(PORT, HOST_PORT, slave, slave);
	hdr.len = 7;
	assert_true(guest_send(&g, &hdr, "prompt$"));
	guest_turn(&g);
	assert_int_equal(read(master, buf, sizeof(buf)), 7);
	assert_int_equal(write(master, "ls\n", 3), 3);
	guest_turn(&g);
	assert_true(guest_receive(&g, &packet));
	assert_int_equal(packet.hdr.op, VSOCK_OP_RW);
	assert_memory_equal(packet.payload, "ls\n", 3);
	close(master);
	guest_turn(&g);
	assert_true(guest_receive(&g, &packet));
	assert_int_equal(packet.hdr.op, VSOCK_OP_SHUTDOWN);
	assert_int_equal(packet.hdr.flags, VSOCK_SHUT_SEND);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_arrives_through_pipes),
		TEST(all_arrives_in_small_odd_pieces),
		TEST(a_slow_host_loses_nothing),
		TEST(all_arrives_through_a_socket),
		TEST(counters_wrap_at_32_bits),
		TEST(a_file_is_sent_whole_and_ends),
		TEST(a_file_takes_what_the_guest_sends),
		TEST(a_flood_of_requests_rests_until_there_are_buffers),
		TEST(a_stalled_stream_does_not_stop_the_others),
		TEST(busy_streams_share),
		TEST(a_busy_stream_leaves_the_loop_its_turns),
		TEST(many_packets_cost_few_calls_and_kicks),
		TEST(a_stalled_stream_costs_no_time),
		TEST(a_long_tx_queue_takes_several_turns_and_one_kick),
		TEST(buffers_that_one_stream_left_go_to_the_next),
		TEST(rx_buffers_in_many_pieces_work),
		cmocka_unit_test(shared_descriptors_keep_their_flags),
		cmocka_unit_test(sockets_never_block),
		cmocka_unit_test(what_cannot_be_opened_again_is_polled),
		cmocka_unit_test(terminals_are_opened_again_but_not_their_masters),
		TEST(a_terminal_streams_both_ways),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
