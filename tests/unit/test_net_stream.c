/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-net over a stream socket: frames in pieces and at once, a peer that is slow, wrong or gone. */
#include "tests/unit/test.h"

#include "base/endian.h"
#include "base/fd.h"
#include "tests/unit/net_guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

enum { PREFIX = 4, LONGEST = 65535 + 22 };

static uint8_t want[NET_FRAME_MAX], got[NET_FRAME_MAX], bytes[2 * NET_FRAME_MAX];

static int set_up(void **state)
{
	net_make_stream(256, *(uint64_t *)*state);
	net_start();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	net_done();
	return 0;
}

/* The frame of `len` bytes from `seed` as it goes over the wire; its length there. */
static size_t pack(uint8_t *at, size_t len, unsigned seed)
{
	uint32_t prefix = htonl((uint32_t)len);

	memcpy(at, &prefix, PREFIX);
	net_fill(at + PREFIX, len, seed);
	return PREFIX + len;
}

static void peer_send(const void *buf, size_t len)
{
	assert_int_equal(fd_write_all(net.sock, buf, len), 0);
}

static void guest_send(size_t len, unsigned seed)
{
	const struct virtio_net_hdr_v1 hdr = { 0 };

	net_fill(want, len, seed);
	net_transmit(0, &hdr, want, (uint32_t)len);
}

/* The same, without the expectation that the device takes it now. */
static void guest_queue(size_t len, unsigned seed)
{
	const struct virtio_net_hdr_v1 hdr = { 0 };

	net_fill(want, len, seed);
	net_add_frame(0, &hdr, want, (uint32_t)len);
	ring_driver_kick(&net.host.queues[1]);
	net_turn();
}

static void expect_at_peer(size_t len, unsigned seed)
{
	uint32_t prefix;

	assert_int_equal(fd_read_all(net.sock, &prefix, PREFIX), 0);
	assert_int_equal(ntohl(prefix), len);
	assert_int_equal(fd_read_all(net.sock, got, len), 0);
	net_fill(want, len, seed);
	assert_memory_equal(got, want, len);
}

static void expect_nothing_at_peer(void)
{
	assert_int_equal(recv(net.sock, got, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static bool link_is_up(void)
{
	return get_le16(&((struct virtio_net_config *)net.dev->config)->status) & VIRTIO_NET_S_LINK_UP;
}

static void no_offload_is_offered(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 24; bit++) {
		bool plain = bit == VIRTIO_NET_F_MAC || bit == VIRTIO_NET_F_MTU ||
			     bit == VIRTIO_NET_F_STATUS || bit == VIRTIO_NET_F_MRG_RXBUF ||
			     bit == VIRTIO_NET_F_CTRL_VQ || bit == VIRTIO_NET_F_CTRL_MAC_ADDR ||
			     bit == VIRTIO_NET_F_CTRL_GUEST_OFFLOADS;

		assert_int_equal((net.dev->features >> bit) & 1, plain);
	}
}

static void frames_come_in_pieces(void **state)
{
	size_t len = pack(bytes, 1514, 1);

	(void)state;
	net_add_buffers(0, 4, 2000, 1);
	for (size_t i = 0; i < len; i += 7) {
		net_expect_nothing_received();
		peer_send(bytes + i, len - i < 7 ? len - i : 7);
		if (i % 70 == 0)
			net_turn();
	}
	net_turn();
	net_expect_received(1514, 1);
	net_expect_nothing_received();
}

static void frames_come_at_once(void **state)
{
	size_t len = 0;

	(void)state;
	net_add_buffers(0, 200, 2000, 1);
	for (unsigned i = 0; i < 80; i++)
		len += pack(bytes + len, 14 + 18 * i, i);
	peer_send(bytes, len);
	net_turn();
	for (unsigned i = 0; i < 80; i++)
		net_expect_received(14 + 18 * i, i);
	net_expect_nothing_received();
}

static void the_longest_frame_fits(void **state)
{
	(void)state;
	net_add_buffers(0, 64, 1536, 1);
	peer_send(bytes, pack(bytes, LONGEST, 5));
	net_turn();
	net_expect_received(LONGEST, 5);
	guest_send(LONGEST, 6);
	expect_at_peer(LONGEST, 6);
}

static void frames_wait_for_buffers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		peer_send(bytes, pack(bytes, 1000, i));
	net_turn();
	net_expect_nothing_received();
	assert_true(net_add_buffers(0, 2, 2000, 1));
	net_turn();
	net_expect_received(1000, 0);
	net_expect_received(1000, 1);
	net_expect_nothing_received();
	net_add_buffers(0, 1, 2000, 1);
	net_turn();
	net_expect_received(1000, 2);
}

static void frames_reach_the_peer(void **state)
{
	static const size_t sizes[] = { 14, 60, 1514, 9014, 65534 };
	struct vnet_stats stats;

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		guest_send(sizes[i], i);
		expect_at_peer(sizes[i], i);
	}
	expect_nothing_at_peer();
	virtio_net_stats(net.dev, &stats);
	assert_int_equal(stats.tx_packets, 5);
	assert_int_equal(stats.tx_bytes, 14 + 60 + 1514 + 9014 + 65534);
	assert_int_equal(stats.tx_dropped, 0);
}

static void what_is_no_frame_is_dropped(void **state)
{
	const struct virtio_net_hdr_v1 hdr = { 0 };
	struct vnet_stats stats;

	(void)state;
	net_transmit(0, &hdr, want, 13);
	guest_send(14, 2);
	expect_at_peer(14, 2);
	expect_nothing_at_peer();
	virtio_net_stats(net.dev, &stats);
	assert_int_equal(stats.tx_dropped, 1);
}

/* More than the socket holds: none is lost, and none overtakes another. */
static void a_slow_peer_holds_the_guest_up(void **state)
{
	struct vnet_stats stats;
	unsigned n = 30;

	(void)state;
	for (unsigned i = 0; i < n; i++)
		guest_queue(60000, i);
	virtio_net_stats(net.dev, &stats);
	assert_in_range(stats.tx_packets, 1, n - 1);
	for (unsigned i = 0; i < n; i++) {
		net_turn();
		expect_at_peer(60000, i);
	}
	expect_nothing_at_peer();
	virtio_net_stats(net.dev, &stats);
	assert_int_equal(stats.tx_packets, n);
	assert_int_equal(stats.tx_dropped, 0);
}

static void a_length_that_no_frame_has_ends_the_link(void **state)
{
	static const uint32_t wrong[] = { 0, 13, LONGEST + 1, 0x80000000, 0xffffffff };

	for (unsigned i = 0; i < 5; i++) {
		uint32_t prefix = htonl(wrong[i]);

		assert_true(link_is_up());
		net_add_buffers(0, 4, 2000, 1);
		memset(bytes, 0, 100);
		memcpy(bytes, &prefix, PREFIX);
		peer_send(bytes, 100);
		net_turn();
		net_expect_nothing_received();
		assert_false(link_is_up());
		assert_false(net.dev->failed);
		tear_down(state);
		set_up(state);
	}
}

static void a_peer_that_goes_is_a_link_that_is_down(void **state)
{
	struct vnet_stats stats;

	(void)state;
	net_add_buffers(0, 4, 2000, 1);
	peer_send(bytes, pack(bytes, 100, 1));
	assert_int_equal(shutdown(net.sock, SHUT_RDWR), 0);
	net_turn();
	net_expect_received(100, 1);
	assert_false(link_is_up());
	assert_false(net.dev->failed);
	guest_send(100, 2);
	virtio_net_stats(net.dev, &stats);
	assert_int_equal(stats.tx_dropped, 1);
}

static void a_peer_that_goes_frees_a_guest_that_is_held_up(void **state)
{
	struct vnet_stats stats;

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		guest_queue(60000, i);
	virtio_net_stats(net.dev, &stats);
	assert_in_range(stats.tx_packets, 1, 19);
	shutdown(net.sock, SHUT_RDWR);
	net_turn();
	assert_false(link_is_up());
	virtio_net_stats(net.dev, &stats);
	assert_int_equal(stats.tx_packets + stats.tx_dropped, 20);
}

static uint64_t all = NET_ALL, mergeable = NET_MERGEABLE;

#define TEST(name, features) cmocka_unit_test_prestate_setup_teardown(name, set_up, tear_down, &features)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_offload_is_offered, all),
		TEST(frames_come_in_pieces, all),
		TEST(frames_come_at_once, all),
		TEST(frames_come_at_once, mergeable),
		TEST(the_longest_frame_fits, mergeable),
		TEST(frames_wait_for_buffers, all),
		TEST(frames_reach_the_peer, all),
		TEST(what_is_no_frame_is_dropped, all),
		TEST(a_slow_peer_holds_the_guest_up, all),
		TEST(a_length_that_no_frame_has_ends_the_link, all),
		TEST(a_peer_that_goes_is_a_link_that_is_down, all),
		TEST(a_peer_that_goes_frees_a_guest_that_is_held_up, all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
