/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-net's frames, over a real tap: both ways, of all sizes, and with too few buffers. */
#include "tests/unit/test.h"

#include "base/endian.h"
#include "tests/unit/net_guest.h"

#include <linux/if_ether.h>

static uint8_t sent[NET_FRAME_MAX], got[NET_FRAME_MAX];

static int set_up(void **state)
{
	net_make(1, 256, *(uint64_t *)*state);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	net_done();
	return 0;
}

static struct ring_driver *rx(void)
{
	return &net.host.queues[0];
}

static struct ring_driver *tx(void)
{
	return &net.host.queues[1];
}

static void expect_stats(uint64_t rx_packets, uint64_t rx_dropped, uint64_t tx_packets, uint64_t tx_dropped)
{
	struct vnet_stats stats;

	virtio_net_stats(net.dev, &stats);
	assert_int_equal(stats.rx_packets, rx_packets);
	assert_int_equal(stats.rx_dropped, rx_dropped);
	assert_int_equal(stats.tx_packets, tx_packets);
	assert_int_equal(stats.tx_dropped, tx_dropped);
}

static void send_frame(size_t len, unsigned seed)
{
	net_fill(sent, len, seed);
	net_host_send(NULL, sent, len);
}

static void expect_at_host(size_t len, unsigned seed)
{
	struct virtio_net_hdr hdr;

	net_fill(sent, len, seed);
	assert_int_equal(net_host_receive_soon(&hdr, got), len);
	assert_memory_equal(got, sent, len);
}

static void expect_nothing_at_host(void)
{
	struct virtio_net_hdr hdr;

	assert_int_equal(net_host_receive(&hdr, got), 0);
}

/* --- To the guest --- */

static void frames_reach_the_guest(void **state)
{
	static const size_t sizes[] = { 15, 60, 61, 1000, 1514, 4000, NET_TAP_MTU + ETH_LEN };
	struct vnet_stats stats;
	size_t total = 0;

	(void)state;
	net_start();
	net_add_buffers(0, 8, 10000, 1);
	ring_driver_calls_on(rx());
	for (unsigned i = 0; i < 7; i++) {
		send_frame(sizes[i], i);
		net_turn();
		net_expect_received(sizes[i], i);
		assert_int_equal(net_buffers_used, 1);
		total += sizes[i];
	}
	net_expect_nothing_received();
	assert_true(ring_driver_called(rx()));
	expect_stats(7, 0, 0, 0);
	virtio_net_stats(net.dev, &stats);
	assert_int_equal(stats.rx_bytes, total);
}

static void buffers_of_several_pieces_are_filled_in_order(void **state)
{
	(void)state;
	net_start();
	net_add_buffers(0, 3, 2000, 7);
	for (unsigned i = 0; i < 3; i++)
		send_frame(1514, i);
	net_turn();
	for (unsigned i = 0; i < 3; i++)
		net_expect_received(1514, i);
}

static void a_frame_is_spread_over_many_buffers(void **state)
{
	(void)state;
	net_start();
	net_add_buffers(0, 160, 64, 1);
	send_frame(NET_TAP_MTU + ETH_LEN, 1);
	send_frame(60, 2);
	net_turn();
	net_expect_received(NET_TAP_MTU + ETH_LEN, 1);
	/* 9014 bytes and the header */
	assert_int_equal(net_buffers_used, 142);
	net_expect_received(60, 2);
	assert_int_equal(net_buffers_used, 2);
	/* The other buffers are still the device's. */
	assert_int_equal(ring_driver_device_idx(rx()), 144);
	send_frame(60, 3);
	net_turn();
	net_expect_received(60, 3);
}

static void a_frame_that_outgrows_the_buffers_waits_for_more(void **state)
{
	(void)state;
	net_start();
	net_add_buffers(0, 2, 1000, 2);
	send_frame(5000, 1);
	send_frame(100, 2);
	net_turn();
	net_expect_nothing_received();
	/* Not enough yet, and each kick is wanted. */
	assert_true(net_add_buffers(0, 2, 1000, 1));
	net_turn();
	net_expect_nothing_received();
	send_frame(100, 3);
	net_turn();
	net_expect_nothing_received();
	assert_true(net_add_buffers(0, 4, 1000, 1));
	net_turn();
	net_expect_received(5000, 1);
	assert_int_equal(net_buffers_used, 6);
	net_expect_received(100, 2);
	net_expect_received(100, 3);
	expect_stats(3, 0, 0, 0);
}

static void a_frame_larger_than_all_buffers_is_dropped(void **state)
{
	(void)state;
	/* The whole ring, 4 KiB. */
	net_start();
	net_add_buffers(0, 256, 16, 1);
	send_frame(4096, 1);
	send_frame(100, 2);
	net_turn();
	net_expect_received(100, 2);
	assert_int_equal(net_buffers_used, 7);
	expect_stats(1, 1, 0, 0);
}

/* No room for the pieces of more buffers: the device must not wait for a driver that has given all. */
static void buffers_of_very_many_pieces_are_no_reason_to_wait(void **state)
{
	struct ring_buf bufs[200];

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		bufs[i] = (struct ring_buf){ ring_mem_alloc(&net.host.rm, 0, 4, 1), 4, true };
	for (unsigned i = 0; i < 20; i++)
		assert_true(ring_driver_add_indirect(rx(), ring_mem_alloc(&net.host.rm, 0, 200 * 16, 16),
						     bufs, 200) >= 0);
	net_start();
	send_frame(6000, 1);
	send_frame(3000, 2);
	net_turn();
	/* Five are held, 4000 bytes. They are all the same memory: only the length can be told. */
	expect_stats(1, 1, 0, 0);
	assert_int_equal(ring_driver_device_idx(rx()), 4);
}

static void without_mergeable_buffers_a_frame_has_one(void **state)
{
	(void)state;
	net_start();
	net_add_buffers(0, 4, 1526, 2);
	send_frame(1514, 1);
	send_frame(1515, 2); /* a byte too long */
	send_frame(100, 3);
	net_turn();
	net_expect_received(1514, 1);
	assert_int_equal(net_buffers_used, 1);
	net_expect_received(100, 3);
	net_expect_nothing_received();
	expect_stats(2, 1, 0, 0);
}

static void frames_wait_in_the_tap_while_there_are_no_buffers(void **state)
{
	(void)state;
	net_start();
	for (unsigned i = 0; i < 10; i++)
		send_frame(100, i);
	net_turn();
	assert_true(net_add_buffers(0, 4, 2000, 1));
	net_turn();
	assert_true(net_add_buffers(0, 8, 2000, 1));
	net_turn();
	for (unsigned i = 0; i < 10; i++)
		net_expect_received(100, i);
	expect_stats(10, 0, 0, 0);
}

static void more_frames_than_a_turn_takes_arrive_in_order(void **state)
{
	(void)state;
	net_start();
	net_add_buffers(0, 250, 600, 1);
	for (unsigned i = 0; i < 250; i++)
		send_frame(500, i);
	net_turn();
	for (unsigned i = 0; i < 250; i++)
		net_expect_received(500, i);
}

static void a_driver_with_buffers_is_not_asked_to_kick(void **state)
{
	(void)state;
	net_start();
	net_add_buffers(0, 100, 2000, 1);
	net_turn();
	/* What was armed at the start has passed. */
	assert_false(net_add_buffers(0, 10, 2000, 1));
	send_frame(100, 1);
	net_turn();
	net_expect_received(100, 1);
	assert_false(net_add_buffers(0, 10, 2000, 1));
}

static void a_driver_that_polls_is_not_called(void **state)
{
	(void)state;
	net_start();
	net_add_buffers(0, 10, 2000, 1);
	ring_driver_calls_off(rx());
	send_frame(100, 1);
	net_turn();
	/* The first one after a start comes in any case. */
	(void)ring_driver_called(rx());
	send_frame(100, 2);
	net_turn();
	assert_false(ring_driver_called(rx()));
	net_expect_received(100, 1);
	net_expect_received(100, 2);
}

static void a_long_run_goes_round_the_arrays(void **state)
{
	unsigned seed = 0;

	(void)state;
	net_start();
	net_add_buffers(0, 60, 700, 3);
	for (unsigned round = 0; round < 40; round++) {
		for (unsigned i = 0; i < 20; i++)
			send_frame(1300, seed + i);
		net_turn();
		for (unsigned i = 0; i < 20; i++)
			net_expect_received(1300, seed + i);
		seed += 20;
		net_add_buffers(0, 40, 700, 3);
	}
	expect_stats(800, 0, 0, 0);
}

/* --- To the host --- */

static void frames_reach_the_host(void **state)
{
	static const size_t sizes[] = { 14, 60, 61, 1514, 9014 };

	(void)state;
	net_start();
	ring_driver_calls_on(tx());
	for (unsigned i = 0; i < 5; i++) {
		net_fill(sent, sizes[i], i);
		net_transmit(0, NULL, sent, (uint32_t)sizes[i]);
		expect_at_host(sizes[i], i);
	}
	assert_true(ring_driver_called(tx()));
	expect_stats(0, 0, 5, 0);
}

static void header_and_frame_may_share_a_buffer(void **state)
{
	struct ring_buf buf = { ring_mem_alloc(&net.host.rm, 0, 12 + 100, 1), 12 + 100, false };

	(void)state;
	net_start();
	net_fill(ring_mem_at(&net.host.rm, buf.gpa + 12, 100), 100, 5);
	assert_true(ring_driver_add(tx(), &buf, 1) >= 0);
	assert_true(ring_driver_kick(tx()));
	net_turn();
	expect_at_host(100, 5);
}

static void a_frame_may_be_in_pieces(void **state)
{
	struct ring_buf bufs[112];

	(void)state;
	net_start();
	net_fill(sent, 100, 6);
	for (unsigned i = 0; i < 112; i++) {
		bufs[i] = (struct ring_buf){ ring_mem_alloc(&net.host.rm, 0, 1, 1), 1, false };
		*(uint8_t *)ring_mem_at(&net.host.rm, bufs[i].gpa, 1) = i < 12 ? 0 : sent[i - 12];
	}
	assert_true(ring_driver_add(tx(), bufs, 112) >= 0);
	ring_driver_kick(tx());
	net_turn();
	expect_at_host(100, 6);
}

static void a_full_queue_is_sent_in_turns(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 128; i++) {
		net_fill(sent, 200, i);
		net_add_frame(0, NULL, sent, 200);
	}
	/* A turn's worth at the start, as for each first kick; the rest by itself. */
	assert_int_equal(vdev_start(net.dev), 0);
	assert_int_equal(ring_driver_device_idx(tx()), 64);
	net_turn();
	assert_int_equal(ring_driver_device_idx(tx()), 128);
	for (unsigned i = 0; i < 128; i++)
		expect_at_host(200, i);
	while (ring_driver_used(tx(), NULL, NULL))
		;
	/* Kicks are wanted again. */
	net_add_frame(0, NULL, sent, 200);
	assert_true(ring_driver_kick(tx()));
}

static void frames_that_the_tap_refuses_are_dropped(void **state)
{
	struct virtio_net_hdr_v1 hdr = { .gso_type = 77 };

	(void)state;
	net_start();
	net_fill(sent, 70000, 1);
	net_transmit(0, &hdr, sent, 1000); /* segments of an unknown kind */
	hdr = (struct virtio_net_hdr_v1){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = le16toh(5000) };
	net_transmit(0, &hdr, sent, 1000); /* a checksum outside the frame */
	net_transmit(0, NULL, sent, 13); /* less than an Ethernet header */
	net_transmit(0, NULL, sent, 0); /* no frame at all */
	net_transmit(0, NULL, sent, 70000); /* longer than any */
	expect_nothing_at_host();
	expect_stats(0, 0, 0, 5);
	assert_int_equal(net.host.failures, 0);
	net_transmit(0, NULL, sent, 100);
	assert_int_equal(net_host_receive_soon(&(struct virtio_net_hdr){ 0 }, got), 100);
}

static void while_the_interface_is_down_frames_are_dropped(void **state)
{
	(void)state;
	net_start();
	net_add_buffers(0, 4, 2000, 1);
	net_set_up(net.name, false);
	net_turn();
	net_fill(sent, 100, 1);
	net_transmit(0, NULL, sent, 100);
	expect_stats(0, 0, 0, 1);
	net_set_up(net.name, true);
	net_turn();
	expect_nothing_at_host(); /* takes the socket's error */
	net_transmit(0, NULL, sent, 100);
	expect_at_host(100, 1);
	send_frame(100, 2);
	net_turn();
	net_expect_received(100, 2);
	assert_int_equal(net.host.config_changes, 0);
}

static void a_deleted_tap_is_a_link_that_is_down(void **state)
{
	const uint8_t *status = net.dev->config + 6;

	(void)state;
	net_start();
	net_add_buffers(0, 4, 2000, 1);
	assert_int_equal(get_le16(status), VIRTIO_NET_S_LINK_UP);
	net_delete(net.name);
	net_turn();
	assert_int_equal(get_le16(status), 0);
	assert_int_equal(net.host.config_changes, 1);
	net_fill(sent, 100, 1);
	net_transmit(0, NULL, sent, 100);
	expect_stats(0, 0, 0, 1);
	/* A new driver finds the device, and the link still down. */
	ring_host_reset(&net.host);
	net_start();
	net_transmit(0, NULL, sent, 100);
	assert_int_equal(get_le16(status), 0);
	assert_int_equal(net.host.config_changes, 1);
	assert_int_equal(net.host.failures, 0);
}

/* --- Offloads --- */

/* A segment of `payload` bytes that the kernel is to cut into pieces of 1448. */
static size_t make_segment(struct virtio_net_hdr *hdr, size_t payload)
{
	*hdr = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = htole16(ETH_LEN + IP_LEN + TCP_LEN),
		.gso_size = htole16(1448),
		.csum_start = htole16(ETH_LEN + IP_LEN),
		.csum_offset = htole16(16),
	};
	return net_fill_tcp(sent, payload);
}

static void whole_segments_reach_a_guest_that_takes_them(void **state)
{
	enum { PAYLOAD = 65000 };
	struct virtio_net_hdr hdr;
	struct virtio_net_hdr_v1 seen;
	size_t len = make_segment(&hdr, PAYLOAD);

	(void)state;
	net_start();
	net_add_buffers(0, 100, 1536, 1);
	net_host_send(&hdr, sent, len);
	net_turn();
	assert_int_equal(net_receive_soon(0, &seen, got), len);
	assert_memory_equal(got, sent, len);
	assert_int_equal(net_buffers_used, (len + 12 + 1535) / 1536);
	assert_int_equal(seen.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(seen.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(le16toh(seen.gso_size), 1448);
	assert_int_equal(le16toh(seen.csum_start), ETH_LEN + IP_LEN);
}

static void a_guest_that_takes_no_segments_gets_them_cut(void **state)
{
	struct virtio_net_hdr hdr;
	struct virtio_net_hdr_v1 seen;
	size_t len = make_segment(&hdr, 10 * 1448);

	(void)state;
	net_start();
	net_add_buffers(0, 20, 2000, 1);
	net_host_send(&hdr, sent, len);
	net_turn();
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(net_receive_soon(0, &seen, got), ETH_LEN + IP_LEN + TCP_LEN + 1448);
		assert_memory_equal(got + 54, sent + 54 + i * 1448, 1448);
		assert_int_equal(seen.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, 0);
		assert_int_equal(seen.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	}
	net_expect_nothing_received();
}

static void whole_segments_reach_the_host(void **state)
{
	struct virtio_net_hdr hdr, seen;
	size_t len = make_segment(&hdr, 60000);
	struct virtio_net_hdr_v1 v1 = { .num_buffers = 0 };

	(void)state;
	memcpy(&v1, &hdr, sizeof(hdr));
	net_start();
	net_transmit(0, &v1, sent, (uint32_t)len);
	assert_int_equal(net_host_receive_soon(&seen, got), len);
	assert_memory_equal(got, sent, len);
	assert_int_equal(seen.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(le16toh(seen.gso_size), 1448);
	expect_stats(0, 0, 1, 0);
}

static void large_segments_share_turns(void **state)
{
	struct virtio_net_hdr hdr;
	struct virtio_net_hdr_v1 seen;
	size_t len = make_segment(&hdr, 60000);

	(void)state;
	net_start();
	net_add_buffers(0, 30, 66000, 1);
	for (unsigned i = 0; i < 30; i++)
		net_host_send(&hdr, sent, len);
	net_turn();
	for (unsigned i = 0; i < 30; i++) {
		assert_int_equal(net_receive_soon(0, &seen, got), len);
		assert_memory_equal(got, sent, len);
	}
}

/* --- Stop and start --- */

static void a_restart_goes_on_where_it_stopped(void **state)
{
	(void)state;
	net_start();
	net_add_buffers(0, 20, 600, 1);
	send_frame(500, 1);
	net_turn();
	vdev_stop(net.dev);
	/* What was popped ahead is given back. */
	assert_int_equal(net.dev->vqs[0].next_avail, 1);
	send_frame(500, 2);
	net_fill(sent, 500, 9);
	net_add_frame(0, NULL, sent, 500);
	net_start();
	net_expect_received(500, 1);
	net_expect_received(500, 2);
	expect_at_host(500, 9);
}

static void a_frame_that_waits_is_lost_with_a_stop(void **state)
{
	(void)state;
	net_start();
	net_add_buffers(0, 1, 100, 1);
	send_frame(500, 1);
	net_turn();
	ring_host_reset(&net.host);
	net_start();
	net_add_buffers(0, 10, 1000, 1);
	send_frame(500, 2);
	net_turn();
	net_expect_received(500, 2);
	net_expect_nothing_received();
}

static void segments_for_an_earlier_driver_are_discarded(void **state)
{
	struct virtio_net_hdr hdr;
	size_t len = make_segment(&hdr, 30000);

	(void)state;
	net_start();
	for (unsigned i = 0; i < 3; i++)
		net_host_send(&hdr, sent, len);
	ring_host_reset(&net.host);
	net.dev->acked = NET_MERGEABLE & net.dev->features;
	net_start();
	net_add_buffers(0, 10, 1000, 1);
	send_frame(500, 2);
	net_turn();
	net_expect_received(500, 2);
	net_expect_nothing_received();
}

static uint64_t all = NET_ALL, plain = NET_PLAIN, mergeable = NET_MERGEABLE, flags_only = F(32);
static uint64_t tso = NET_MERGEABLE | NET_GUEST_TSO;

#define TEST(name, features) cmocka_unit_test_prestate_setup_teardown(name, set_up, tear_down, &features)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frames_reach_the_guest, all),
		TEST(frames_reach_the_guest, mergeable),
		TEST(frames_reach_the_guest, plain),
		TEST(frames_reach_the_guest, flags_only),
		TEST(buffers_of_several_pieces_are_filled_in_order, all),
		TEST(buffers_of_several_pieces_are_filled_in_order, plain),
		TEST(a_frame_is_spread_over_many_buffers, all),
		TEST(a_frame_is_spread_over_many_buffers, mergeable),
		TEST(a_frame_that_outgrows_the_buffers_waits_for_more, all),
		TEST(a_frame_that_outgrows_the_buffers_waits_for_more, mergeable),
		TEST(a_frame_larger_than_all_buffers_is_dropped, all),
		TEST(buffers_of_very_many_pieces_are_no_reason_to_wait, all),
		TEST(without_mergeable_buffers_a_frame_has_one, plain),
		TEST(frames_wait_in_the_tap_while_there_are_no_buffers, all),
		TEST(frames_wait_in_the_tap_while_there_are_no_buffers, flags_only),
		TEST(more_frames_than_a_turn_takes_arrive_in_order, all),
		TEST(more_frames_than_a_turn_takes_arrive_in_order, plain),
		TEST(a_driver_with_buffers_is_not_asked_to_kick, all),
		TEST(a_driver_with_buffers_is_not_asked_to_kick, flags_only),
		TEST(a_driver_that_polls_is_not_called, all),
		TEST(a_long_run_goes_round_the_arrays, mergeable),
		TEST(a_long_run_goes_round_the_arrays, all),
		TEST(frames_reach_the_host, all),
		TEST(frames_reach_the_host, flags_only),
		TEST(header_and_frame_may_share_a_buffer, all),
		TEST(a_frame_may_be_in_pieces, all),
		TEST(a_full_queue_is_sent_in_turns, all),
		TEST(a_full_queue_is_sent_in_turns, flags_only),
		TEST(frames_that_the_tap_refuses_are_dropped, all),
		TEST(while_the_interface_is_down_frames_are_dropped, all),
		TEST(a_deleted_tap_is_a_link_that_is_down, all),
		TEST(whole_segments_reach_a_guest_that_takes_them, tso),
		TEST(whole_segments_reach_a_guest_that_takes_them, all),
		TEST(a_guest_that_takes_no_segments_gets_them_cut, mergeable),
		TEST(a_guest_that_takes_no_segments_gets_them_cut, plain),
		TEST(whole_segments_reach_the_host, all),
		TEST(whole_segments_reach_the_host, plain),
		TEST(large_segments_share_turns, all),
		TEST(a_restart_goes_on_where_it_stopped, all),
		TEST(a_restart_goes_on_where_it_stopped, flags_only),
		TEST(a_frame_that_waits_is_lost_with_a_stop, all),
		TEST(segments_for_an_earlier_driver_are_discarded, tso),
	};

	if (!net_enter_namespace()) {
		print_message("test_net: skipped: needs root and /dev/net/tun\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
